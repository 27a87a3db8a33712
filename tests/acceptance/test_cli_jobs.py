"""`podctl jobs list|get|why|enqueue`: which jobs there are, where one stands, and why it does not run."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from podwork import identity, record
from podwork.holds import Holds
from podwork.inspection import STATES
from podwork.queues import PushGroup
from podwork_ops.composition import connect
from podwork_pods import shop_transaction
from tests.acceptance import shop_for_cli
from tests.acceptance.conftest import Podctl
from tests.acceptance.jobs_standing import FINGERPRINT, Standing, standing_at
from tests.acceptance.operators import Terminal, a_pod_is_down
from tests.support.engine import push

COLLECT = "tests.acceptance.shop_for_cli.collect"
REINDEX = "tests.acceptance.shop_for_cli.Reindex"


@pytest.fixture
def standing(cli_stack: Path) -> Iterator[Standing]:
    with standing_at(cli_stack) as standing:
        yield standing


def listed(podctl: Podctl, *options: str) -> list[str]:
    return [job["job_id"] for job in podctl.json("jobs", "list", *options)["jobs"]]


# list


def test_all_jobs_of_all_pods_are_listed_state_by_state(podctl: Podctl, standing: Standing) -> None:
    there = standing.everywhere()
    dead = standing.dead(2, "42")
    assert listed(podctl) == [job_id for state in STATES for job_id in there[state]] + dead[::-1]
    assert listed(podctl, "--pod", "2") == dead[::-1]
    header, *rows = podctl.table("jobs", "list")
    assert header.split() == ["POD", "JOB", "STATE", "AGE", "CLASS", "WHERE,", "WHY"]
    assert len(rows) == 19
    assert "no worker knows shop.newer" in "\n".join(rows)
    assert "ValueError: row 1" in "\n".join(rows)


def test_what_is_the_same_for_all_has_no_column(podctl: Podctl, standing: Standing) -> None:
    standing.dead(1)
    header, row = podctl.table("jobs", "list", "--pod", "1", "--state", "dead")
    assert header.split() == ["JOB", "AGE", "CLASS", "WHERE,", "WHY"]
    assert "hunter2" not in row


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (("--state", "parked", "--state", "held"), 5),
        (("--queue", "low"), 1),
        (("--class", "shop.newer"), 3),
        (("--shop", "10"), 3),
        (("--shop", "pod"), 1),
        (("--fingerprint", "0000aaaa"), 2),
        (("--search", "ROW 1"), 1),
        (("--class", "shop.newer", "--shop", "7"), 2),
    ],
)
def test_filters_are_options(
    podctl: Podctl, standing: Standing, options: tuple[str, ...], count: int
) -> None:
    standing.everywhere()
    assert len(listed(podctl, *options)) == count


def test_a_list_goes_on_with_its_cursor_from_pod_to_pod(podctl: Podctl, standing: Standing) -> None:
    expected = [*standing.dead(3)[::-1], *standing.dead(2, "42")[::-1]]
    found: list[str] = []
    cursor: tuple[str, ...] = ()
    for _ in range(3):
        page = podctl.json("jobs", "list", "--limit", "2", *cursor)
        found += [job["job_id"] for job in page["jobs"]]
        cursor = ("--cursor", str(page["next_cursor"]))
    assert found == expected
    assert page["next_cursor"] is None
    assert "more: --cursor 1." in podctl("jobs", "list", "--limit", "2").stderr
    for wrong in (
        ("--cursor", "nonsense"),
        ("--cursor", "1.nonsense"),
        ("--state", "held", *cursor_of(podctl)),
    ):
        assert "cursor" in podctl.refused(2, "jobs", "list", *wrong)


def cursor_of(podctl: Podctl) -> tuple[str, str]:
    return "--cursor", podctl.json("jobs", "list", "--limit", "1")["next_cursor"]


def test_nothing_that_fits_is_no_error(podctl: Podctl, standing: Standing) -> None:
    assert podctl.json("jobs", "list")["jobs"] == []
    done = podctl("jobs", "list", "--class", "shop.none")
    assert (done.code, done.stdout, done.stderr) == (0, "", "no job fits\n")


def test_a_pod_that_is_down_hides_no_other(podctl: Podctl, standing: Standing, cli_stack: Path) -> None:
    dead = standing.dead(1)
    with a_pod_is_down(cli_stack) as down:
        done = podctl("jobs", "list", "-o", "json")
        assert done.code == 7
        assert [job["job_id"] for job in json.loads(done.stdout)["jobs"]] == dead
        assert done.stderr.startswith(f"podctl: pod {down}: ")
        assert podctl("jobs", "list", "--group-by", "fingerprint").code == 7


def test_the_dead_are_counted_by_their_error_over_all_pods(podctl: Podctl, standing: Standing) -> None:
    standing.dead(3)
    standing.dead(2, "42")
    standing.everywhere()
    first, *others = podctl.json("jobs", "list", "--group-by", "fingerprint")["dead_groups"]
    assert (first["fingerprint"], first["jobs"], first["pods"]) == (FINGERPRINT, 5, [1, 2])
    assert [(group["fingerprint"], group["jobs"]) for group in others] == [("0000aaaa", 2), ("0000bbbb", 1)]
    done = podctl("jobs", "list", "--group-by", "fingerprint", "--shop", "330")
    assert FINGERPRINT in done.stdout
    assert "0000aaaa" not in done.stdout
    assert "hunter2" not in done.stdout
    assert "retry --fingerprint" in done.stderr


def test_lists_fit_a_terminal_of_80_columns(podctl: Podctl, standing: Standing) -> None:
    standing.everywhere()
    standing.dead(2, "42")
    for options in ((), ("--group-by", "fingerprint"), ("--state", "dead", "--pod", "1")):
        terminal = Terminal(podctl, "jobs", "list", *options)
        try:
            assert terminal.end() == 0
            lines = [strip_colours(line) for line in terminal.text.splitlines()]
        finally:
            terminal.close()
        assert max(map(len, lines)) <= 80, options


def strip_colours(line: str) -> str:
    while "\x1b[" in line:
        before, _, after = line.partition("\x1b[")
        line = before + after.partition("m")[2]
    return line


# get


def test_a_job_is_shown_wherever_it_is_with_what_there_is_to_say(podctl: Podctl, standing: Standing) -> None:
    there = standing.everywhere()
    for state, jobs in there.items():
        found = podctl.json("jobs", "get", jobs[0])
        assert (found["job_id"], found["state"], found["pod_id"]) == (jobs[0], state, 1)
    fields = {line.split("  ")[0] for line in podctl.table("jobs", "get", there["parked"][0])}
    assert "waits in" in fields
    assert "held by" not in fields
    assert "held since" in {line.split("  ")[0] for line in podctl.table("jobs", "get", there["held"][0])}


def test_the_beginning_of_an_id_is_enough_if_it_is_the_only_one(podctl: Podctl, standing: Standing) -> None:
    first, second = standing.dead(2)
    assert podctl.json("jobs", "get", first[:21])["job_id"] == first
    assert first in podctl.refused(2, "jobs", "get", first[:11])
    assert second in podctl.refused(2, "jobs", "why", first[:11])
    assert "not found in pod 1, pod 2" in podctl.refused(6, "jobs", "get", "ffff")
    assert "not a job id" in podctl.refused(2, "jobs", "get", "xyz")


def test_a_job_that_ended_is_nowhere(podctl: Podctl, standing: Standing) -> None:
    gone = identity.new_job_id(1, "330")
    for verb in ("get", "why"):
        assert "finished jobs are not kept" in podctl.refused(6, "jobs", verb, gone)


# why


def test_why_says_the_reason_and_what_to_do(podctl: Podctl, standing: Standing) -> None:
    [job_id] = push(standing.queues[2], ("42", 1))
    Holds(standing.queues[2].store).place(shop="42", reason="floods", owner="ada", seconds=600)
    found = podctl.json("jobs", "why", job_id)
    assert (found["code"], found["pod_id"], found["details"]["owner"]) == ("held_shop", 2, "ada")
    text = "\n".join(podctl.table("jobs", "why", job_id[:21]))
    assert "ada holds shop 42 for 10 min more: floods" in text
    assert "podctl holds lift shop=42 --pod 2" in text


def test_what_would_stop_it_next_is_named(podctl: Podctl, standing: Standing) -> None:
    [job_id] = push(standing.queues[1], ("7", 1), queue="nobody")
    Holds(standing.queues[1].store).place(reason="r", owner="ada")
    assert podctl.json("jobs", "why", job_id)["also"] == ["no_worker"]
    assert podctl.table("jobs", "why", job_id)[-1].split() == ["after", "that", "no_worker"]


def test_an_error_is_shown_without_secrets(podctl: Podctl, standing: Standing) -> None:
    [job_id] = standing.dead(1)
    for arguments in (
        ("why", job_id),
        ("why", job_id, "-o", "json"),
        ("get", job_id),
        ("list", "-o", "json"),
    ):
        done = podctl("jobs", *arguments)
        assert "basket" in done.stdout
        assert "hunter2" not in done.stdout


def test_a_job_that_still_stands_in_the_outbox_is_found_there(
    podctl: Podctl, standing: Standing, cli_stack: Path
) -> None:
    platform = connect(shop_for_cli.app, config=cli_stack)
    try:
        with shop_transaction(330) as session:
            job_id = shop_for_cli.collect.enqueue(basket_id=1, shop_id=330, transaction=session)
    finally:
        shop_for_cli.app.bind(None)
        platform.close()
    found = podctl.json("jobs", "why", job_id)
    assert (found["code"], found["pod_id"]) == ("in_outbox", 1)
    assert podctl.refused(6, "jobs", "get", job_id)


# enqueue


def test_a_job_is_pushed_for_later_with_an_expiry(podctl: Podctl, standing: Standing) -> None:
    (job_id,) = podctl.table(
        "jobs",
        "enqueue",
        COLLECT,
        "--shop",
        "330",
        "--arg",
        "basket_id=9",
        "--in",
        "10m",
        "--expires-in",
        "1h",
    )
    job = podctl.json("jobs", "get", job_id)
    due, expires = (datetime.fromisoformat(job[name]).timestamp() for name in ("due_at", "expires_at"))
    assert job["state"] == "scheduled"
    assert 500 < due - time.time() <= 600
    assert expires - due == pytest.approx(3600)
    assert "in 10m" in podctl.table("jobs", "list", "--pod", "1")[1]


def test_a_job_is_pushed_for_a_moment_in_any_zone(podctl: Podctl, standing: Standing) -> None:
    for at in ("2096-10-02T07:06:40Z", "2096-10-02T09:06:40+02:00"):
        (job_id,) = podctl.table("jobs", "enqueue", REINDEX, "--pod", "1", "--at", at)
        due = podctl.json("jobs", "get", job_id)["due_at"]
        assert datetime.fromisoformat(due) == datetime(2096, 10, 2, 7, 6, 40, tzinfo=UTC)


def test_with_an_idempotency_key_a_job_is_pushed_once(podctl: Podctl, standing: Standing) -> None:
    enqueue = ("jobs", "enqueue", REINDEX, "--pod", "1", "--idempotency-key", "nightly")
    first, second = podctl.table(*enqueue), podctl.table(*enqueue)
    assert first == second
    assert standing.inspections[1].counts().ready == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--at", "2096-10-02T07:06:40"), "2096-10-02T07:06:40Z"),
        (("--at", "tomorrow"), "2026-11-24T18:00Z"),
        (("--in", "soon"), "25s"),
        (("--in", "1m", "--at", "2096-10-02T07:06:40Z"), "one of them"),
    ],
)
def test_a_time_that_cannot_be_meant_is_refused(
    podctl: Podctl, standing: Standing, options: tuple[str, ...], says: str
) -> None:
    assert says in podctl.refused(2, "jobs", "enqueue", REINDEX, "--pod", "1", *options)
    assert standing.inspections[1].counts().unfinished == 0


def test_arguments_are_shown_without_secrets(podctl: Podctl, standing: Standing) -> None:
    stored = record.encode_first("default", 1, record.payload_prefix("a", 0), b'{"token":"hunter2","n":1}')
    job_id = identity.new_job_id(1, "7")
    standing.queues[1].push([PushGroup("default", "7", 0, [(job_id, stored)])])
    assert podctl.json("jobs", "get", job_id)["args"] == {"token": "***", "n": 1}
    assert "hunter2" not in podctl("jobs", "list", "-o", "json").stdout
