"""Schedules as operators see and change them, once a worker has made them known to its pod."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Podctl
from tests.acceptance.operators import SWEEP, TARGET, a_pod_is_down, operate, start_worker
from tests.support.wait import until

WHY = ("--reason", "shard is being copied")


@pytest.fixture(scope="module")
def _known() -> dict[str, bool]:
    return {}


@pytest.fixture(autouse=True)
def _operators(podctl: Podctl, _known: dict[str, bool]) -> None:
    """Let a worker of each pod tell of its schedules, once; then it may go."""
    operate(podctl)
    if not _known:
        for pod in (1, 2):
            start_worker(podctl, "--queues", "critical", pod=pod)
        until(lambda: len(podctl.json("schedules", "list")["schedules"]) == 4, 20, "both pods know both")
        _known["yes"] = True


def schedule(podctl: Podctl, name: str, pod: str = "1") -> dict[str, Any]:
    [row] = podctl.json("schedules", "get", name, "--pod", pod)["schedules"]
    assert isinstance(row, dict)
    return row


def test_schedules_are_listed_in_words_with_their_next_run(podctl: Podctl) -> None:
    header, *rows = podctl.table("schedules", "list", "--pod", "1")
    assert header.split() == ["POD", "SCHEDULE", "RUNS", "NEXT", "LAST", "RUN", "SUCCESS", "STATE"]
    assert rows[0].startswith("  1  prune     Every 10 minutes")
    assert "At 02:30 every day, America/Toronto" in rows[1]
    found = {row["schedule"]: row for row in podctl.json("schedules", "list", "--pod", "2")["schedules"]}
    assert found["prune"]["every_seconds"] == 600
    assert 0 <= found["prune"]["next_in_seconds"] <= 600, "0: due at this moment"
    assert (found["prune"]["sla_seconds"], found["prune"]["breached"]) == (7200, False)
    assert found["report"]["cron"] == "30 2 * * *"


def test_one_schedule_is_shown_with_its_next_runs_in_its_own_zone(podctl: Podctl) -> None:
    row = schedule(podctl, "report")
    assert len(row["next_runs"]) == 5
    assert all(" 02:30:00 E" in run for run in row["next_runs"]), "EST or EDT, not UTC"
    assert (row["job_class"], row["queue"], row["description"]) == (SWEEP, "low", "")
    text = "\n".join(podctl.table("schedules", "get", "prune", "--pod", "1"))
    assert "Deletes what is old." in text
    assert "2h" in text


def test_the_forecast_is_in_the_order_of_time(podctl: Podctl) -> None:
    runs = podctl.json("schedules", "forecast", "--next", "3", "--pod", "1")["runs"]
    assert len(runs) == 3
    assert [run["due"] for run in runs] == sorted(run["due"] for run in runs)
    assert {run["schedule"] for run in podctl.json("schedules", "forecast", "report")["runs"]} == {"report"}
    assert len(podctl.json("schedules", "forecast", "prune", "--next", "2")["runs"]) == 4, "two for each pod"
    assert "02:30:00" in podctl.table("schedules", "forecast", "report", "--pod", "1", "--app", TARGET)[1]


def test_a_schedule_is_run_now_and_its_times_stay(podctl: Podctl) -> None:
    next_run = schedule(podctl, "report")["next_run"]
    assert (
        f"{SWEEP} would be pushed" in podctl("schedules", "run", "report", "--pod", "1", "--dry-run").stderr
    )
    (job_id,) = podctl.table("schedules", "run", "report", "--pod", "1")
    assert podctl.json("jobs", "get", job_id)["state"] == "ready"
    assert schedule(podctl, "report")["next_run"] == next_run
    assert len(podctl.json("schedules", "run", "report", "--all-pods")["runs"]) == 2


def test_a_pause_has_a_reason_and_an_owner_and_ends(podctl: Podctl) -> None:
    pause = ("schedules", "pause", "prune", "--pod", "1", *WHY, "--owner", "anna")
    assert "would be paused" in podctl(*pause, "--dry-run").stderr
    assert schedule(podctl, "prune")["paused"] is None
    assert "pod 1: prune is paused" in podctl(*pause).stderr
    row = schedule(podctl, "prune")
    assert (row["paused"]["owner"], row["paused"]["reason"]) == ("anna", "shard is being copied")
    assert (row["state"], row["next_runs"]) == ("paused", [])
    assert schedule(podctl, "prune", "2")["paused"] is None
    resumed = podctl("schedules", "resume", "prune", "--all-pods").stderr
    assert "pod 1: prune goes on" in resumed
    assert "pod 2: nothing to change" in resumed
    assert schedule(podctl, "prune")["state"] == "ok"


def test_timing_is_set_and_reset(podctl: Podctl) -> None:
    set_ = ("schedules", "set", "report", "--pod", "1", *WHY)
    assert "would run every hour" in podctl(*set_, "--every", "1h", "--dry-run").stderr
    assert "would be set" in podctl(*set_, "--jitter", "30s", "--dry-run").stderr
    assert "five fields" in podctl.refused(2, *set_, "--cron", "nonsense", "--dry-run")
    assert "time zone" in podctl.refused(2, *set_, "--zone", "Nowhere/City", "--dry-run")
    assert schedule(podctl, "report")["changed"] == {}
    assert "pod 1: report runs every hour" in podctl(*set_, "--every", "1h", "--jitter", "30s").stderr
    row = schedule(podctl, "report")
    assert (row["every_seconds"], row["cron"], row["jitter_seconds"]) == (3600, None, 30)
    assert row["changed_by"]["reason"] == "shard is being copied"
    podctl.table(*set_, "--jitter", "none")
    assert schedule(podctl, "report")["jitter_seconds"] is None
    podctl.table(*set_, "--cron", "0 6 * * 1", "--zone", "Europe/Berlin")
    assert "Mon" in schedule(podctl, "report")["next_runs"][0]
    reset = podctl("schedules", "reset", "report", "--all-pods").stderr
    assert "pod 1: report runs at 02:30 every day, America/Toronto, as the code says" in reset
    assert "pod 2: nothing to change" in reset
    assert schedule(podctl, "report")["changed"] == {}


def test_a_pod_that_is_down_hides_no_schedule_of_the_others(podctl: Podctl, cli_stack: Path) -> None:
    with a_pod_is_down(cli_stack) as down:
        listed = podctl("schedules", "list")
        assert listed.code == 7
        assert f"pod {down}" in listed.stderr
        assert listed.stdout.count("prune") == 2
        assert podctl("schedules", "run", "prune", "--all-pods").code == 7


@pytest.mark.parametrize(
    ("code", "line", "says"),
    [
        (6, "schedules get nope", "pod 1, 2: there is no schedule nope"),
        (6, "schedules run nope --pod 1", "there is no schedule nope"),
        (6, "schedules pause nope --pod 1 --reason x", "the pod's schedules are: prune, report"),
        (6, "schedules forecast nope --pod 1", "there is no schedule nope"),
        (2, "schedules run prune", "--pod N or --all-pods"),
        (2, "schedules pause prune --pod 1", "--reason"),
        (2, "schedules set prune --pod 1 --reason x", "nothing to set"),
        (2, "schedules set prune --cron nonsense --pod 1 --reason x", "give five fields"),
        (2, "schedules set prune --every 10ms --pod 1 --reason x", "one second or more"),
        (2, "schedules set prune --every 5m --catch-up two --pod 1 --reason x", "catch-up"),
    ],
)
def test_a_mistake_is_one_line_with_a_remedy(podctl: Podctl, code: int, line: str, says: str) -> None:
    assert says in podctl.refused(code, *line.split())
