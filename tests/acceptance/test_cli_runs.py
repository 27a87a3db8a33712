"""Runs of iteration jobs as operators start, see, change and end them, with real workers on two pods."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from podwork import Call
from podwork.errors import StoreUnavailable
from podwork.identity import new_job_id
from podwork.iteration.collection import Slice
from podwork.iteration.pushing import push_to_every_pod
from podwork.iteration.states import RunState
from podwork_ops.composition import Platform, connect
from podwork_pods.iteration.beginning import begin
from podwork_pods.iteration.partitions import Partitions
from podwork_pods.iteration.run import NewRun, Run
from podwork_pods.iteration.runs import Runs
from tests.acceptance.conftest import Podctl
from tests.acceptance.operators import Terminal, a_pod_is_down, start_worker
from tests.acceptance.shop_for_runs import Increment, app
from tests.support.wait import until

INCREMENT = "tests.acceptance.shop_for_runs.Increment"
GATED = "tests.acceptance.shop_for_runs.Gated"
PICKY = "tests.acceptance.shop_for_runs.Picky"
OF_SHOP = "tests.acceptance.shop_for_runs.OfShop"
PLAIN = "tests.acceptance.shop_for_runs.plain"
NUMBERS = 100


@pytest.fixture
def platform(cli_stack: Path) -> Iterator[Platform]:
    opened = connect(app, config=cli_stack)
    for pod in (1, 2):
        with opened.engine(pod).begin() as shard:
            shard.execute(text("CREATE TABLE IF NOT EXISTS numbers (id INTEGER PRIMARY KEY, n INTEGER)"))
            shard.execute(text("DELETE FROM numbers"))
            rows = [{"id": number} for number in range(NUMBERS)]
            shard.execute(text("INSERT INTO numbers VALUES (:id, 0)"), rows)
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def gate(podctl: Podctl, tmp_path: Path) -> Path:
    """Return the file that holds back `Gated`; its workers know it, and hear soon of what they are told."""
    path = tmp_path / "gate"
    podctl.environment |= {
        "PODWORK_APP_TARGET": "tests.acceptance.shop_for_runs:app",
        "PODWORK_WORKER_LEASE_SECONDS": "3",
        "NUMBERS_GATE": str(path),
    }
    return path


def numbers(platform: Platform, pod: int = 1) -> set[int]:
    with platform.engine(pod).connect() as shard:
        return set(shard.execute(text("SELECT n FROM numbers")).scalars())


def get(podctl: Podctl, run: str) -> dict[str, Any]:
    document = podctl.json("runs", "get", run)
    assert isinstance(document, dict)
    return document


def start(podctl: Podctl, job_class: str, *options: str) -> str:
    """Start a run, and return its id, or its group's."""
    [run] = podctl.table("runs", "start", job_class, *options)
    return run


def reaches(podctl: Podctl, run: str, *states: str) -> None:
    until(lambda: get(podctl, run)["state"] in states, 30, f"the run is {states}")


def stands(platform: Platform, state: RunState, run_id: str, **changes: Any) -> None:
    """Make a run that nobody works on."""
    new = NewRun(
        **{"id": run_id, "job_class": INCREMENT, "params": {"by": 1}, "rows_total": NUMBERS, **changes}
    )
    engine = platform.engine(1)
    runs = Runs(1, lambda: engine)
    with engine.begin() as connection:
        runs.create(connection, new, [Slice(None, (40,)), Slice((40,), None)])
        connection.execute(
            text("UPDATE podwork_runs SET state = :state, started = created WHERE id = :id"),
            {"state": state, "id": run_id},
        )


# Starting and looking


def test_a_run_is_started_watched_to_its_end_and_listed(podctl: Podctl, platform: Platform) -> None:
    run = start(podctl, INCREMENT, "--pod", "1", "--param", "by=3")
    before = get(podctl, run)
    assert (before["state"], before["params"], before["rows_done"]) == ("enqueued", {"by": 3}, 0)
    assert before["runs"][0]["parallel"] == 1
    assert before["runs"][0]["created_by"]
    start_worker(podctl, revision="first")
    watched = podctl("runs", "get", run, "--watch", "--every", "100ms")
    assert (watched.code, watched.stderr) == (0, "")
    assert watched.stdout.splitlines()[-1].endswith("succeeded: 100 of 100 rows, 100%")
    assert numbers(platform) == {3}
    header, *rows = podctl.table("runs", "list", "--pod", "1", "--class", INCREMENT, "--state", "succeeded")
    assert header.split()[:4] == ["POD", "RUN", "STATE", "ROWS"]
    assert any(row.split()[:7] == ["1", run, "succeeded", "100", "of", "100", "100%"] for row in rows)
    record = podctl.table("runs", "get", run[:21])
    assert record[0].split() == ["run", run]
    assert ["partitions", "1", "of", "1", "done"] in [line.split() for line in record]
    assert record[-2].split()[:3] == ["PART", "STATE", "ROWS"]


def test_what_starts_on_all_pods_is_one_to_those_who_look(podctl: Podctl, platform: Platform) -> None:
    started = podctl.json("runs", "start", INCREMENT, "--all-pods")
    group = started["id"]
    assert group == started["group_id"]
    assert [row["pod_id"] for row in started["runs"]] == [1, 2]
    assert get(podctl, group)["states"] == {"enqueued": 2}, "before anybody has begun it"
    for pod in (1, 2):
        start_worker(podctl, pod=pod, revision=f"group-{pod}")
    documents = podctl("runs", "get", group, "--watch", "--every", "100ms", "-o", "json").stdout.splitlines()
    last = json.loads(documents[-1])
    assert (last["state"], last["rows_done"], last["rows_total"], last["share"]) == ("succeeded", 200, 200, 1)
    assert [row["run_id"] for row in last["runs"]] == [row["run_id"] for row in started["runs"]]
    assert numbers(platform, 1) == numbers(platform, 2) == {1}
    lines = podctl.table("runs", "get", group)
    assert ["pods", "1,", "2"] in [line.split() for line in lines]
    assert [line.split()[:2] for line in lines[-2:]] == [["1", "succeeded"], ["2", "succeeded"]]
    assert len(podctl.json("runs", "list", "--group", group)["runs"]) == 2
    assert get(podctl, started["runs"][1]["run_id"])["pods"] == [2]


def test_a_run_of_a_shop_goes_to_its_pod(podctl: Podctl, platform: Platform) -> None:
    platform.directory.assign_many({801: 2})
    run = start(podctl, OF_SHOP, "--shop", "801")
    assert run.endswith("-801")
    start_worker(podctl, pod=2, revision="shop")
    reaches(podctl, run, "succeeded")
    assert (get(podctl, run)["shop_id"], get(podctl, run)["pods"]) == (801, [2])
    [row] = podctl.json("runs", "list", "--shop", "801")["runs"]
    assert row["run_id"] == run


def test_a_dry_run_does_some_batches_and_leaves_everything_as_it_was(
    podctl: Podctl, platform: Platform
) -> None:
    [row] = podctl.json("runs", "start", INCREMENT, "--pod", "1", "--dry-run", "3")["rehearsals"]
    assert (row["pod_id"], row["rows"], row["batches"], row["rows_total"]) == (1, 30, 3, NUMBERS)
    assert row["rows_per_second"] > 0
    assert row["estimate_seconds"] > 0
    assert numbers(platform) == {0}
    done = podctl("runs", "start", INCREMENT, "--all-pods", "--dry-run")
    assert [line.split()[:4] for line in done.stdout.splitlines()[1:]] == [
        ["1", "100", "10", done.stdout.splitlines()[1].split()[3]],
        ["2", "100", "10", done.stdout.splitlines()[2].split()[3]],
    ]
    assert "every batch was rolled back" in done.stderr
    assert numbers(platform, 2) == {0}


# Changing


@pytest.mark.slow
def test_a_throttled_run_says_by_what_is_paused_and_goes_on(podctl: Podctl, gate: Path) -> None:
    gate.touch()
    start_worker(podctl, revision="gate")
    run = start(podctl, GATED, "--pod", "1")
    reaches(podctl, run, "throttled")
    assert "gate is closed" in "\n".join(podctl.table("runs", "get", run))
    said = podctl("runs", "pause", run, "--reason", "shard is busy", "--owner", "anna")
    assert (said.code, f"pod 1: {run} is paus" in said.stderr) == (0, True), said
    reaches(podctl, run, "paused")
    assert get(podctl, run)["runs"][0]["reason"] == "anna: shard is busy"
    assert "is paused: nothing to change" in podctl("runs", "pause", run).stderr
    gate.unlink()
    assert "is enqueued: it goes on within seconds" in podctl("runs", "resume", run).stderr
    reaches(podctl, run, "succeeded")
    document = get(podctl, run)
    assert (document["rows_done"], document["pauses"]) == (10, 1)
    assert "it is succeeded and cannot become paused" in podctl.refused(3, "runs", "pause", run)


def test_a_run_is_cancelled_after_a_yes_and_for_good(podctl: Podctl, platform: Platform) -> None:
    run = "0199c00000000000000a1-pod"
    stands(platform, RunState.INTERRUPTED, run)
    assert "needs a confirmation" in podctl.refused(2, "runs", "cancel", run)
    assert "would be cancelled" in podctl("runs", "cancel", run, "--dry-run").stderr
    terminal = Terminal(podctl, "runs", "cancel", run)
    terminal.wait_for(f"end {INCREMENT} ({run}) on pod 1 for good, after 0 rows?")
    terminal.press("n\n")
    assert terminal.end() == 5
    terminal.close()
    assert get(podctl, run)["state"] == "interrupted"
    [row] = podctl.json("runs", "cancel", run, "--yes", "--reason", "wrong rate")["runs"]
    assert (row["was"], row["state"], row["did_change"]) == ("interrupted", "cancelled", True)
    assert "is cancelled: nothing to change" in podctl("runs", "cancel", run, "--yes").stderr
    assert "start another run" in podctl.refused(3, "runs", "resume", run)
    assert podctl("runs", "get", run, "--watch").code == 1, "it has not ended well"


def test_a_stuck_run_is_forced(podctl: Podctl, platform: Platform) -> None:
    run = "0199c00000000000000a2-pod"
    stands(platform, RunState.PAUSING, run)
    engine = platform.engine(1)
    assert "would be paused" in podctl("runs", "force", run, "--dry-run").stderr
    assert "is paused" in podctl("runs", "force", run, "--reason", "its worker is gone").stderr
    assert "nobody is waited for" in podctl.refused(3, "runs", "force", run)
    assert [part.slot for part in Partitions(1, lambda: engine).of(run)] == [None, None]


def test_the_pace_is_set_and_what_is_so_already_is_not(podctl: Podctl, platform: Platform) -> None:
    run = "0199c00000000000000a3-pod"
    stands(platform, RunState.PAUSED, run)
    pace = ("--rate", "5000", "--batch", "200", "--parallel", "4")
    words = "at most 5,000 rows/s, 200 rows a batch, 4 partitions at once"
    assert f"would do {words}" in podctl("runs", "set", run, *pace, "--dry-run").stderr
    assert get(podctl, run)["runs"][0]["parallel"] == 1
    assert f"does {words}" in podctl("runs", "set", run, *pace).stderr
    assert "nothing to change" in podctl("runs", "set", run, *pace).stderr
    [row] = podctl.json("runs", "set", run, "--rate", "none", "--batch", "none")["runs"]
    assert (row["rate_limit"], row["batch_limit"], row["parallel"]) == (None, None, 4)


def test_of_a_group_only_those_are_changed_that_are_not_over(podctl: Podctl, platform: Platform) -> None:
    stands(platform, RunState.SUCCEEDED, "0199d00000000000000a1-pod", group_id="0199d00000000000000aa-pod")
    stands(platform, RunState.INTERRUPTED, "0199d00000000000000a2-pod", group_id="0199d00000000000000aa-pod")
    [row] = podctl.json("runs", "pause", "0199d00000000000000aa-pod")["runs"]
    assert (row["run_id"], row["state"]) == ("0199d00000000000000a2-pod", "paused")
    assert get(podctl, "0199d00000000000000aa-pod")["states"] == {"succeeded": 1, "paused": 1}


# What was left out


def test_what_failed_is_listed_and_done_again(podctl: Podctl, platform: Platform, tmp_path: Path) -> None:
    del platform
    for item in (3, 7):
        (tmp_path / str(item)).touch()
    start_worker(podctl, revision="picky")
    run = start(podctl, PICKY, "--pod", "1", "--param", f"folder={tmp_path}")
    reaches(podctl, run, "succeeded")
    assert get(podctl, run)["quarantined"] == 2
    items = podctl.json("runs", "errors", run)["items"]
    assert [row["error"].split(",")[0] for row in items] == [
        "ValueError: 3 is forbidden", "ValueError: 7 is forbidden",
    ]  # fmt: skip
    listed = podctl("runs", "errors", run)
    assert "hunter2" not in listed.stdout
    assert f"podctl runs retry-quarantined {run}" in listed.stderr
    dry = podctl.json("runs", "retry-quarantined", run, "--dry-run")["items"]
    assert [row["outcome"] for row in dry] == ["would be done"] * 2

    (tmp_path / "3").unlink()
    again = podctl("runs", "retry-quarantined", run)
    assert again.code == 1
    assert "1 of 2 items failed again - see: podctl runs errors" in again.stderr
    outcomes = [line.split() for line in again.stdout.splitlines()[1:]]
    assert [words[3] for words in outcomes] == ["done", "failed"]
    (tmp_path / "7").unlink()
    [item] = podctl.json("runs", "errors", run)["items"]
    [row] = podctl.json("runs", "retry-quarantined", run, "--item", str(item["item"]))["items"]
    assert row["outcome"] == "done"
    assert "nothing is left out" in podctl("runs", "retry-quarantined", run).stderr
    assert "nothing was left out" in podctl("runs", "errors", run).stderr
    assert [row["retried_at"] is None for row in podctl.json("runs", "errors", run, "--all")["items"]] == [
        False, False,
    ]  # fmt: skip


# The screen


def test_the_screen_shows_bars_and_leaves_the_terminal_as_it_was(podctl: Podctl, platform: Platform) -> None:
    run = "0199c00000000000000a4-pod"
    stands(platform, RunState.PAUSED, run)
    terminal = Terminal(podctl, "runs", "get", run, "--watch", "--every", "100ms")
    for part in ("paused", "━", "0 of 100", "PART", "waiting", "q: quit"):
        terminal.wait_for(part)
    terminal.press("q")
    assert terminal.end() == 0, terminal.text
    assert "\x1b[?1049l" in terminal.text, "the old screen"
    assert "rows done" in terminal.text.partition("\x1b[?1049l")[2], "and what was seen last below"
    assert terminal.after == terminal.before
    terminal.close()


def test_a_watch_ends_with_the_run(podctl: Podctl, platform: Platform) -> None:
    run = "0199c00000000000000a5-pod"
    stands(platform, RunState.PAUSED, run)
    watch = podctl.start("runs", "get", run, "--watch", "--every", "100ms")
    watch.wait_for_output("paused")
    podctl.table("runs", "cancel", run, "--yes")
    done = watch.wait()
    assert (done.code, done.stderr) == (1, "")
    assert " cancelled: 0 of 100 rows, 0%" in done.stdout.splitlines()[-1]


# Mistakes


def test_a_pod_that_is_down_hides_no_run_of_the_others(
    podctl: Podctl, cli_stack: Path, platform: Platform
) -> None:
    run = "0199c00000000000000a6-pod"
    stands(platform, RunState.PAUSED, run)
    with a_pod_is_down(cli_stack) as down:
        for command in (("runs", "list"), ("runs", "get", run)):
            listed = podctl(*command)
            assert (listed.code, run in listed.stdout) == (7, True)
            assert f"podctl: pod {down}: " in listed.stderr
        podctl.json("runs", "cancel", run, "--yes", "--pod", "1")
        assert podctl("runs", "get", run, "--watch").code == 1, (
            "it ends: the other pod has nothing to do with it"
        )
        began = podctl("runs", "start", INCREMENT, "--all-pods")
        assert (began.code, began.stdout) == (7, ""), "nothing is begun on the others"


def test_several_runs_that_begin_so_are_named(podctl: Podctl, platform: Platform) -> None:
    for last in "12":
        stands(platform, RunState.PAUSED, f"0199e0000000000000000{last}-pod"[1:])
    line = podctl.refused(2, "runs", "get", "199e")
    assert "several runs begin with 199e" in line


def test_a_run_is_begun_with_limits_and_changed_before_anybody_works_on_it(podctl: Podctl) -> None:
    run = start(podctl, INCREMENT, "--pod", "1", "--rate", "50", "--batch", "5", "--parallel", "2")
    [row] = get(podctl, run)["runs"]
    assert (row["rate_limit"], row["batch_limit"], row["parallel"], row["partitions"]) == (50, 5, 2, [])
    assert "is paused" in podctl("runs", "pause", run).stderr
    assert "is cancelled" in podctl("runs", "cancel", run, "--yes").stderr


def test_what_an_application_enqueues_is_seen_by_its_job_before_anybody_has_begun_it(
    podctl: Podctl, platform: Platform
) -> None:
    run = Increment.enqueue(by=2, pod=1)
    assert get(podctl, run)["runs"][0]["reason"] == "its job is ready, no worker has begun it"
    assert f"podctl jobs cancel {run}" in podctl.refused(3, "runs", "pause", run)
    podctl.table("jobs", "cancel", run)
    assert "no run" in podctl.refused(6, "runs", "get", run)
    pushed = push_to_every_pod(platform.client, Call(Increment.job_class, (), {"by": 2}))
    assert get(podctl, pushed.group_id)["states"] == {"enqueued": 2}
    podctl.table("jobs", "cancel", *pushed.ids.values())


def test_a_run_begins_though_redis_is_down_when_it_is_started(podctl: Podctl, platform: Platform) -> None:
    """Its row is what counts; the keeper pushes its jobs."""
    down = StoreUnavailable("redis:6379", "Connection refused")

    def push(_: Run) -> None:
        raise down

    run_id = new_job_id(int(time.time() * 1000), "pod")
    new = NewRun(run_id, INCREMENT, {"by": 7})
    run, unpushed = begin(platform.topology.iteration_shard(1), new, push)
    assert (run.id, unpushed) == (run_id, down)
    start_worker(podctl, revision="later")
    reaches(podctl, run_id, "succeeded")
    assert numbers(platform) == {7}


@pytest.mark.parametrize(
    ("code", "line", "says"),
    [
        (6, "runs get 0199ffffffffffffffff0-pod", "no run 0199ffffffffffffffff0-pod in pod 1, pod 2"),
        (6, "runs errors nowhere", "no run nowhere"),
        (6, "runs get 0199 --pod 7", "unknown pod 7"),
        (2, "runs list --state ended", "is not one of"),
        (2, f"runs start {INCREMENT}", "--pod N or --all-pods"),
        (2, f"runs start {INCREMENT} --pod 1 --all-pods", "exclude each other"),
        (2, f"runs start {INCREMENT} --shop 801 --pod 1", "alone"),
        (6, f"runs start {INCREMENT} --pod 7", "unknown pod 7"),
        (6, f"runs start {OF_SHOP} --shop 777777", "unknown shop"),
        (2, f"runs start {OF_SHOP} --pod 1", "give --shop"),
        (2, f"runs start {INCREMENT} --pod 1 --param by=many", "by"),
        (2, f"runs start {INCREMENT} --pod 1 --param of=3", "of"),
        (2, f"runs start {PICKY} --pod 1", "folder"),
        (2, f"runs start {PLAIN} --pod 1", "podctl jobs enqueue"),
        (2, "runs start nothing --pod 1", "unknown job"),
        (2, f"runs start {INCREMENT} --pod 1 --dry-run 0", "x>=1"),
        (2, f"runs start {INCREMENT} --pod 1 --rate fast", "write 5000"),
        (2, "runs set 0199", "nothing to set"),
        (2, "runs set 0199 --rate fast", "write 5000"),
        (2, "runs set 0199 --rate 0", "write 5000"),
        (2, "runs set 0199 --parallel 0", "parallel"),
        (6, "runs pause nowhere", "no run nowhere"),
        (6, "runs retry-quarantined nowhere", "no run nowhere"),
    ],
)
def test_a_mistake_is_one_line_with_a_remedy(podctl: Podctl, code: int, line: str, says: str) -> None:
    assert says.lower() in podctl.refused(code, *line.split()).lower()


def test_a_list_without_runs_says_so(podctl: Podctl) -> None:
    done = podctl("runs", "list", "--class", "nothing.Here")
    assert (done.code, done.stdout, done.stderr) == (0, "", "no runs fit\n")
    assert podctl.json("runs", "list", "--class", "nothing.Here") == {"runs": [], "more": False}


def test_a_list_ends_at_its_limit_and_says_so(podctl: Podctl, platform: Platform) -> None:
    for number in range(3):
        stands(platform, RunState.CANCELLED, f"0199f0000000000000{number:03}-pod", job_class="many.Runs")
    done = podctl("runs", "list", "--class", "many.Runs", "--limit", "2")
    assert [row.split()[1][18:21] for row in done.stdout.splitlines()[1:]] == ["002", "001"]
    assert "there are more" in done.stderr
