"""Processes that obey: a worker that runs is told to be quiet, to go on, to stop and to show its stacks."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Podctl
from tests.acceptance.operators import Terminal, a_pod_is_down, operate, push, push_lingering, start_worker
from tests.support.wait import until


@pytest.fixture(autouse=True)
def _operators(podctl: Podctl) -> None:
    operate(podctl)


def listed(podctl: Podctl, revision: str, pod: int = 1) -> list[dict[str, Any]]:
    found = podctl.json("processes", "list", "--pod", str(pod))["processes"]
    return [row for row in found if row["revision"] == revision]


def only(podctl: Podctl, revision: str, pod: int = 1) -> dict[str, Any]:
    [row] = listed(podctl, revision, pod)
    return row


def await_silence(podctl: Podctl) -> None:
    """Return when the workers of earlier tests, which were killed, have lost their leases."""

    def is_silent() -> bool:
        found = podctl.json("processes", "list", "--pod", "1")["processes"]
        return all(row["state"] == "silent" for row in found)

    until(is_silent, 20, "nobody but silent processes")


def test_a_process_is_quiet_and_goes_on(podctl: Podctl, cli_stack: Path) -> None:
    start_worker(podctl, "--queues", "low", revision="quiet")
    name = only(podctl, "quiet")["incarnation"]
    assert f"{name} would claim nothing more" in podctl("processes", "quiet", name, "--dry-run").stderr
    assert only(podctl, "quiet")["state"] == "live"

    done = podctl("processes", "quiet", name)
    assert (done.code, done.stdout, done.stderr) == (0, "", f"{name} claims nothing more\n")
    assert only(podctl, "quiet")["state"] == "quiet"
    assert "quiet already" in podctl("processes", "quiet", str(only(podctl, "quiet")["pid"])).stderr
    push(cli_stack, sweeps=1)

    [row] = podctl.json("processes", "resume", name)["processes"]
    assert (row["answer"], row["already"], row["pod_id"]) == ("done", False, 1)
    until(
        lambda: podctl.json("queues", "get", "low", "--pod", "1")["queues"][0]["ready"] == 0, 20, "it claims"
    )
    assert "is not quiet: nothing to change" in podctl("processes", "resume", name).stderr


def test_a_process_ends_and_nobody_takes_its_place(podctl: Podctl) -> None:
    worker = start_worker(podctl, "--processes", "2", revision="stop")
    first, second = (row["incarnation"] for row in listed(podctl, "stop"))
    assert f"{first} has ended" in podctl("processes", "stop", first).stderr
    assert [row["incarnation"] for row in listed(podctl, "stop")] == [second]
    assert worker.is_running()
    assert podctl("processes", "stop", second).code == 0
    assert worker.wait().code == 0, "with its last process the worker ends"


def test_a_process_that_still_runs_a_job_is_said_to_drain(
    podctl: Podctl, cli_stack: Path, tmp_path: Path
) -> None:
    worker = start_worker(podctl, "--queues", "critical", revision="drain")
    push_lingering(cli_stack, tmp_path / "go")
    until(lambda: only(podctl, "drain")["held"] == 1, 20, "the job is held")
    name = only(podctl, "drain")["incarnation"]
    assert (
        f"{name} drains; 1 job ran when it last said so"
        in podctl("processes", "stop", name, "--wait", "4s").stderr
    )
    assert only(podctl, "drain")["state"] == "stopping"
    assert "is stopping already" in podctl("processes", "stop", name).stderr
    (tmp_path / "go").touch()
    assert worker.wait().code == 0


def test_stacks_are_written_where_the_worker_writes(podctl: Podctl) -> None:
    worker = start_worker(podctl, revision="dump")
    name = only(podctl, "dump")["incarnation"]
    assert f"{name} wrote its stacks" in podctl("processes", "dump", name).stderr
    worker.wait_for_output("most recent call first")


def test_who_has_not_said_so_in_time_is_reported_so(podctl: Podctl) -> None:
    podctl.environment["PODWORK_WORKER_LEASE_SECONDS"] = "15"
    start_worker(podctl, pod=2, revision="late")
    row = only(podctl, "late", 2)
    os.kill(row["pid"], signal.SIGSTOP)
    done = podctl("processes", "quiet", row["incarnation"], "--wait", "300ms")
    os.kill(row["pid"], signal.SIGCONT)
    assert done.code == 124
    assert "was told, but has not said so yet; it listens every 5 s" in done.stderr
    until(lambda: only(podctl, "late", 2)["state"] == "quiet", 20, "it obeys when it comes to hear it")


def test_all_of_a_pod_are_told_and_stopping_all_needs_a_yes(podctl: Podctl) -> None:
    await_silence(podctl)
    start_worker(podctl, "--processes", "2", revision="all")
    host = listed(podctl, "all")[0]["host"]
    assert f"{host} fits 2 processes" in podctl.refused(2, "processes", "stop", host, "--pod", "1")
    assert len(podctl.json("processes", "quiet", "--all", "--pod", "1")["processes"]) == 2
    assert "stop 2 processes" in podctl.refused(2, "processes", "stop", "--all", "--pod", "1")
    terminal = Terminal(podctl, "processes", "stop", "--all", "--pod", "1")
    terminal.wait_for("stop 2 processes? [y/N]")
    terminal.press("n\n")
    assert terminal.end() == 5
    terminal.close()
    assert len(listed(podctl, "all")) == 2
    podctl.table("processes", "stop", "--all", "--pod", "1", "--yes")
    assert listed(podctl, "all") == []
    assert "nobody to tell" in podctl("processes", "quiet", "--all", "--pod", "1").stderr


def test_a_process_is_shown_with_what_it_runs(podctl: Podctl, cli_stack: Path, tmp_path: Path) -> None:
    start_worker(podctl, "--queues", "critical:3,low", "--isolate", revision="shown")
    push_lingering(cli_stack, tmp_path / "go")
    until(lambda: only(podctl, "shown")["held"] == 1, 20, "the job is held")
    until(lambda: only(podctl, "shown")["is_leader"], 20, "it leads, when the one before is known to be dead")
    row = only(podctl, "shown")
    assert (row["is_isolate"], row["queues"]) == (True, ["critical", "low"])
    got = podctl.json("processes", "get", str(row["pid"]))
    assert [job["job_class"].rsplit(".")[-1] for job in got["jobs"]] == ["linger"]
    assert "tests.acceptance.shop_for_operators.linger" in got["classes"]
    text = "\n".join(podctl.table("processes", "get", row["incarnation"]))
    assert "leader, isolate" in text
    assert "HELD FOR" in text
    assert "linger" in "\n".join(podctl.table("processes", "list", "-v"))
    (tmp_path / "go").touch()


def test_a_pod_that_is_down_hides_no_process_of_the_others(podctl: Podctl, cli_stack: Path) -> None:
    start_worker(podctl, revision="up")
    with a_pod_is_down(cli_stack) as down:
        done = podctl("processes", "quiet", "--all", "--all-pods")
        assert done.code == 7
        assert f"pod {down}" in done.stderr
        assert only(podctl, "up")["state"] == "quiet"
        assert podctl("processes", "resume", only(podctl, "up")["incarnation"]).code == 0


@pytest.mark.parametrize(
    ("code", "line", "says"),
    [
        (2, "processes quiet", "name processes"),
        (2, "processes quiet 4711 --all --pod 1", "name processes"),
        (2, "processes quiet --all", "--pod N or --all-pods"),
        (6, "processes quiet nobody:1", "no live process nobody:1"),
        (6, "processes get 1", "no live process 1"),
        (6, "processes stop --all --pod 7", "unknown pod 7"),
        (2, "processes stop 4711 --wait soon", "write 25s"),
    ],
)
def test_a_mistake_is_one_line_with_a_remedy(podctl: Podctl, code: int, line: str, says: str) -> None:
    assert says in podctl.refused(code, *line.split())
