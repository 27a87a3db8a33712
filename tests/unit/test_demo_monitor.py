"""Watching the demo's run: the moment of the kill, and what is said when it stalls or a worker ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from podwork.inspection import Counts, Inspection
from podwork_ops.demo import monitor as monitor_module
from podwork_ops.demo.errors import Stalled, WorkerEnded
from podwork_ops.demo.monitor import Monitor
from podwork_ops.demo.report import Kill
from podwork_ops.demo.workers import WorkerProcess, Workers

LOGS = Path("logs")


class FakePod:
    """A pod's counts, one after the other; the last one stays."""

    def __init__(self, *counts: Counts, finished: int = 0) -> None:
        self._counts = list(counts)
        self.counters = {"acknowledged": finished}

    def counts(self) -> Counts:
        return self._counts.pop(0) if len(self._counts) > 1 else self._counts[0]

    def totals(self) -> dict[str, int]:
        return self.counters

    def processes(self) -> list[object]:
        return []


class FakeWorker:
    pid = 4711

    def __init__(self, killed: Callable[[], None]) -> None:
        self.kill = killed


class FakeWorkers:
    """Remembers what is done to whom."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def of(self, pod_id: int) -> FakeWorker:
        return FakeWorker(lambda: self.log.append(f"kill {pod_id}"))

    def start(self, pod_id: int) -> None:
        self.log.append(f"start {pod_id}")

    def check(self) -> None:
        pass


def watch(pods: dict[int, FakePod]) -> tuple[Monitor, FakeWorkers]:
    workers = FakeWorkers()
    monitor = Monitor(cast(dict[int, Inspection], pods), cast(Workers, workers), LOGS)
    monitor.begin()
    return monitor, workers


def ready(number: int, held: int = 0) -> Counts:
    return Counts(ready=number, held=held, scheduled=0, parked=0, dead=0)


def test_the_worker_of_the_busiest_pod_is_killed_while_it_holds_jobs() -> None:
    busy = FakePod(ready(90), ready(89), ready(89), ready(80, 9), ready(79, 8))
    monitor, workers = watch({1: FakePod(ready(10, 5)), 2: busy})
    kill = monitor.kill_one()
    assert kill is not None
    assert (kill.pod_id, kill.pid, kill.held) == (2, 4711, 8)
    assert workers.log == ["kill 2", "start 2"]


def test_a_kill_that_took_nothing_is_done_again() -> None:
    busy = FakePod(ready(90), ready(80, 9), ready(79, 0), ready(79), ready(70, 9), ready(70, 7))
    monitor, workers = watch({1: busy})
    assert monitor.kill_one() == Kill(1, 4711, held=7)
    assert workers.log == ["kill 1", "start 1"] * 2


def test_a_run_that_is_over_leaves_nothing_to_kill() -> None:
    monitor, workers = watch({1: FakePod(ready(0))})
    monitor.wait_until_left(0, lambda _: None)
    assert monitor.kill_one() is None
    assert workers.log == []
    assert monitor.emptied_seconds == {}, "more will be enqueued"


def test_the_wait_for_the_reclaim_ends_with_the_reclaim_or_with_the_last_job() -> None:
    kill = Kill(pod_id=1, pid=4711, held=7)
    pod = FakePod(ready(5))
    pod.counters["reclaimed"] = 7
    assert watch({1: pod})[0].wait_until_reclaimed(kill, lambda _: None) == 7
    assert watch({1: FakePod(ready(0))})[0].wait_until_reclaimed(kill, lambda _: None) == 0


def test_a_pod_is_empty_when_nothing_is_ready_held_scheduled_or_parked() -> None:
    later = Counts(ready=0, held=0, scheduled=1, parked=0, dead=0)
    monitor, _ = watch({1: FakePod(ready(3, 1), later, ready(0)), 2: FakePod(ready(0))})
    seen: list[int] = []
    monitor.wait_until_left(0, seen.append)
    assert seen == [4, 1, 0]
    assert set(monitor.emptied_seconds) == {1, 2}


def test_a_run_in_which_nothing_finishes_fails_and_says_what_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(monitor_module, "STALL_SECONDS", 0.05)
    monkeypatch.setattr(monitor_module, "POLL_SECONDS", 0.01)
    stuck = Counts(ready=0, held=0, scheduled=3, parked=2, dead=0)
    monitor, _ = watch({1: FakePod(ready(0), finished=9), 2: FakePod(stuck, finished=7)})
    with pytest.raises(Stalled) as raised:
        monitor.wait_until_left(0, lambda _: None)
    assert "pod 2: 0 ready, 0 held, 3 scheduled, 2 parked" in str(raised.value)
    assert "pod 1" not in str(raised.value)
    assert "logs" in raised.value.remedy


def test_workers_that_never_register_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor_module, "STALL_SECONDS", 0.05)
    monkeypatch.setattr(monitor_module, "POLL_SECONDS", 0.01)
    monitor, _ = watch({1: FakePod(ready(0)), 2: FakePod(ready(0))})
    with pytest.raises(Stalled, match=r"does not register: \[1, 2\]"):
        monitor.wait_for_workers(lambda _: None)


def test_a_worker_that_ended_by_itself_is_reported_with_its_last_line(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    log.write_text("starting\nport 9100 is taken\n\n", encoding="utf-8")
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"], start_new_session=True)
    process.wait()
    with pytest.raises(WorkerEnded, match="pod 2 ended with exit code 3: port 9100 is taken"):
        WorkerProcess(2, process, log).check()
