"""Queues as operators see, pause and empty them, on two pods that run and one that is down."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import Podctl
from tests.acceptance.operators import (
    COLLECT,
    SWEEP,
    Terminal,
    a_pod_is_down,
    operate,
    push,
    push_lingering,
    start_worker,
)
from tests.support.wait import until

WHY = ("--reason", "shard is busy")


@pytest.fixture(autouse=True)
def _operators(podctl: Podctl) -> Iterator[None]:
    operate(podctl)
    yield
    for queue in ("low", "default", "critical"):
        podctl("queues", "resume", queue, "--all-pods")


def ready(podctl: Podctl, queue: str, pod: str = "1") -> int:
    [row] = podctl.json("queues", "get", queue, "--pod", pod)["queues"]
    return int(row["ready"])


def paused(podctl: Podctl, queue: str, pod: str = "1") -> dict[str, str] | None:
    listed = podctl.json("queues", "list", "--pod", pod)["queues"]
    return next((row["paused"] for row in listed if row["queue"] == queue), None)


def test_a_queue_is_paused_with_reason_owner_and_end_and_resumed(podctl: Podctl, cli_stack: Path) -> None:
    push(cli_stack, sweeps=3)
    before = ready(podctl, "low")
    done = podctl("queues", "pause", "low", "--pod", "1", *WHY, "--for", "30m", "--owner", "anna")
    assert (done.code, done.stdout) == (0, "")
    assert f"queue=low is on hold for 30m; it stops {before} jobs" in done.stderr
    found = paused(podctl, "low")
    assert found is not None
    assert (found["owner"], found["reason"]) == ("anna", "shard is busy")
    assert 1790 < float(found["left_seconds"]) <= 1800
    assert paused(podctl, "low", "2") is None, "the other pod goes on"
    row = next(line for line in podctl.table("queues", "list", "--pod", "1") if " low " in line)
    assert row.rstrip().endswith("anna: shard is busy (30m left)")

    again = podctl("queues", "pause", "low", "--pod", "1", *WHY)
    assert "was on hold already, and is now until it is lifted" in again.stderr
    found = paused(podctl, "low")
    assert found is not None
    assert found["until"] is None
    assert "@" in found["owner"], "user@host, unless it is said"

    assert f"lifted queue=low; {before} jobs go on" in podctl("queues", "resume", "low", "--pod", "1").stderr
    assert paused(podctl, "low") is None
    assert "nothing to change" in podctl("queues", "resume", "low", "--pod", "1").stderr


def test_a_paused_queue_is_not_served_and_what_runs_goes_on(
    podctl: Podctl, cli_stack: Path, tmp_path: Path
) -> None:
    start_worker(podctl, "--queues", "critical,low")
    push_lingering(cli_stack, tmp_path / "go")
    until(lambda: podctl.json("processes", "list", "-v")["processes"][-1]["jobs"], 10, "the job runs")
    podctl.table("queues", "pause", "critical", "--pod", "1", *WHY)
    push_lingering(cli_stack, tmp_path / "go")
    push(cli_stack, sweeps=5)
    until(lambda: ready(podctl, "low") == 0, 20, "the other queue is served")
    assert ready(podctl, "critical") == 1
    assert sum(len(row["jobs"]) for row in podctl.json("processes", "list", "-v")["processes"]) == 1
    (tmp_path / "go").touch()
    podctl.table("queues", "resume", "critical", "--pod", "1")
    until(lambda: ready(podctl, "critical") == 0, 20, "the queue goes on")


def test_a_dry_run_pauses_and_lifts_nothing(podctl: Podctl) -> None:
    done = podctl("queues", "pause", "low", "--all-pods", *WHY, "--dry-run")
    assert "pod 2: queue=low would be on hold until it is lifted" in done.stderr
    assert podctl.json("holds", "list") == {"holds": []}
    podctl.table("queues", "pause", "low", "--pod", "1", *WHY)
    assert "queue=low would be lifted" in podctl("queues", "resume", "low", "--all-pods", "--dry-run").stderr
    assert paused(podctl, "low") is not None


def test_a_pod_that_is_down_is_named_and_the_others_are_paused(podctl: Podctl, cli_stack: Path) -> None:
    with a_pod_is_down(cli_stack) as down:
        done = podctl("queues", "pause", "low", "--all-pods", *WHY)
        assert done.code == 7
        assert f"podctl: pod {down}: Redis at 127.0.0.1:1" in done.stderr
        assert paused(podctl, "low") is not None
        assert paused(podctl, "low", "2") is not None
        listed = podctl("queues", "get", "low")
        assert listed.code == 7
        assert listed.stdout.count("queue ") == 2


def test_a_queue_that_never_was_may_be_paused_and_is_doubted(podctl: Podctl, cli_stack: Path) -> None:
    push(cli_stack, shops={301: 1})
    done = podctl("queues", "pause", "defalt", "--pod", "1", *WHY)
    assert "no job was ever in a queue defalt - did you mean default?" in done.stderr
    assert done.code == 0
    assert paused(podctl, "defalt") is not None, "it is listed, though nothing is in it"
    podctl.table("queues", "resume", "defalt", "--pod", "1")


def test_one_queue_is_shown_with_what_stops_limits_and_serves_it(podctl: Podctl, cli_stack: Path) -> None:
    push(cli_stack, shops={311: 2}, pod=2)
    podctl.table("limits", "set", "--queue", "default", "--concurrency", "5", "--pod", "2")
    podctl.table("holds", "place", "--shop", "311", *WHY)
    start_worker(podctl, "--queues", "default:3,low", pod=2, revision="get")
    [row] = podctl.json("queues", "get", "default", "--pod", "2")["queues"]
    assert row["holds_on_parts"] == ["shop=311"]
    assert row["limits"] == ["queue=default:concurrency"]
    assert row["served_by"] == {"processes": 1, "threads": 2}
    assert row["ready"] >= 2
    shown = dict(line.split("  ", 1) for line in podctl.table("queues", "get", "default", "--pod", "2"))
    assert shown["served by"].strip() == "1 process, 2 threads"
    assert shown["paused by, why"].strip() == "in part: shop=311"
    nobody = podctl.json("queues", "get", "nowhere", "--pod", "2")["queues"][0]
    assert nobody["served_by"]["processes"] == 0
    podctl.table("holds", "lift", "shop=311", "--pod", "2")
    podctl.table("limits", "remove", "queue=default:concurrency", "--pod", "2")


def test_purging_ends_what_waits_and_was_counted(podctl: Podctl, cli_stack: Path) -> None:
    push(cli_stack, shops={321: 3, 322: 2}, sweeps=4)
    before = ready(podctl, "default")
    dry = podctl.json("queues", "purge", "default", "--pod", "1", "--dry-run")
    assert (dry["jobs"], dry["ended"]) == (before, 0)
    assert dry["by_class"] == {COLLECT: before}
    assert ready(podctl, "default") == before
    assert "--confirm default" in podctl("queues", "purge", "default", "--pod", "1").stderr
    assert podctl("queues", "purge", "default", "--pod", "1").code == 2
    declined = podctl("queues", "purge", "default", "--pod", "1", "--confirm", "low")
    assert declined.code == 5
    assert ready(podctl, "default") == before

    done = podctl.json("queues", "purge", "default", "--pod", "1", "--confirm", "default")
    assert (done["ended"], done["left_alone"]) == (before, {})
    assert ready(podctl, "default") == 0
    assert ready(podctl, "low") >= 4, "other queues keep their jobs"
    assert "nothing to end" in podctl("queues", "purge", "default", "--pod", "1").stderr


def test_purging_ends_parked_jobs_too(podctl: Podctl, cli_stack: Path, tmp_path: Path) -> None:
    podctl.table("holds", "place", "--class", SWEEP, "--pod", "2", *WHY)
    push(cli_stack, sweeps=3, pod=2)
    start_worker(podctl, "--queues", "low", pod=2, revision="parks")
    until(
        lambda: podctl.json("queues", "list", "--pod", "2")["pods"][0]["parked"] == 3, 20, "they are parked"
    )
    done = podctl.json("queues", "purge", "low", "--pod", "2", "--confirm", "low")
    assert (done["ended"], done["by_state"]) == (3, {"ready": 0, "parked": 3})
    assert podctl.json("queues", "list", "--pod", "2")["pods"][0]["parked"] == 0
    podctl.table("holds", "lift", f"class={SWEEP}", "--pod", "2")


def test_purging_asks_for_the_name_and_a_wrong_one_ends_nothing(podctl: Podctl, cli_stack: Path) -> None:
    push(cli_stack, sweeps=2, pod=2)
    terminal = Terminal(podctl, "queues", "purge", "low", "--pod", "2")
    terminal.wait_for("Type low to go on")
    terminal.press("lo\n")
    assert terminal.end() == 5
    terminal.close()
    assert ready(podctl, "low", "2") >= 2
    terminal = Terminal(podctl, "queues", "purge", "low", "--pod", "2")
    terminal.wait_for("Type low to go on")
    terminal.press("low\n")
    assert terminal.end() == 0
    terminal.close()
    assert ready(podctl, "low", "2") == 0


def test_purging_leaves_alone_what_came_or_started_after_the_count(
    podctl: Podctl, cli_stack: Path, tmp_path: Path
) -> None:
    push_lingering(cli_stack, tmp_path / "go", 5, pod=2)
    terminal = Terminal(podctl, "queues", "purge", "critical", "--pod", "2")
    terminal.wait_for("Type critical to go on")
    start_worker(podctl, "--queues", "critical", pod=2, revision="late")
    until(lambda: ready(podctl, "critical", "2") == 3, 20, "the worker has two threads, and two jobs")
    push_lingering(cli_stack, tmp_path / "go", pod=2)
    terminal.press("critical\n")
    assert terminal.end() == 0, terminal.text
    terminal.close()
    assert "5 jobs of critical" in terminal.text
    assert "ended 3 jobs of critical; 2 jobs had moved on meanwhile and were left alone" in terminal.text
    assert ready(podctl, "critical", "2") == 1, "what came after the count stays"
    rows = podctl.json("processes", "list", "--pod", "2", "-v")["processes"]
    [row] = [row for row in rows if row["revision"] == "late"]
    assert [job["cancelled"] for job in row["jobs"]] == [False, False], "what had started goes on"
    (tmp_path / "go").touch()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("queues pause low --pod 1", "--reason"),
        ("queues pause low --pod 1 --reason=", "it is empty"),
        ("queues pause low --reason x", "--pod N or --all-pods"),
        ("queues pause low --pod 1 --all-pods --reason x", "exclude each other"),
        ("queues pause Low --pod 1 --reason x", "not a queue's name"),
        ("queues pause low --pod 1 --reason x --for soon", "write 25s"),
        ("queues resume low", "--pod N or --all-pods"),
        ("queues purge low", "--pod"),
        ("workers --pod 1 --queues critical:6,critical", "twice"),
        ("workers --pod 1 --queues critical:0", "critical:6,default:3"),
    ],
)
def test_a_mistake_is_one_line_with_a_remedy(podctl: Podctl, line: str, says: str) -> None:
    assert says in podctl.refused(2, *line.split())


def test_an_unknown_pod_is_refused(podctl: Podctl) -> None:
    assert "unknown pod 7" in podctl.refused(6, "queues", "pause", "low", "--pod", "7", *WHY)
    assert "unknown pod 7" in podctl.refused(6, "queues", "purge", "low", "--pod", "7")


def test_wrong_weights_in_the_settings_name_the_setting(podctl: Podctl) -> None:
    environment = {"PODWORK_WORKER_QUEUES": "critical:6,default:3"}
    assert podctl("config", "validate", environment=environment).code == 0
    for queues, says in (("critical:six", "weight"), ("low,low:3", "twice")):
        line = podctl.refused(2, "config", "validate", environment={"PODWORK_WORKER_QUEUES": queues})
        assert "worker.queues (from environment)" in line
        assert says in line


def test_lists_of_queues_are_completed_one_name_at_a_time(podctl: Podctl) -> None:
    def completed(*words: str) -> set[str]:
        environment = {
            "_PODCTL_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(["podctl", *words]),
            "COMP_CWORD": str(len(words)),
        }
        return {line.split(",", 1)[1] for line in podctl(environment=environment).stdout.splitlines()}

    assert completed("workers", "--queues", "critical:6,") == {"critical:6,default", "critical:6,low"}
    assert completed("workers", "--queues", "critical:6,d") == {"critical:6,default"}
    assert completed("queues", "pause", "d") == {"default"}
