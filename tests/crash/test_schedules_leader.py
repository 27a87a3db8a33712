"""Real workers whose leader is killed, frozen or replaced around a tick: each slot once, none left out."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from podwork.identity import pushed_at_seconds
from podwork.schedules.schedules import Schedules
from tests.support.pause import Point
from tests.support.processes import Processes
from tests.support.sampling import sampled
from tests.support.wait import until
from tests.support.worker_run import WorkerRun

EACH_SECOND: dict[str, Any] = {"schedules": {"beat": {"every": 1, "catch_up": "all"}}}


class ScheduleRun(WorkerRun):
    """Workers of `tests.support.schedule_shop`."""

    program = "tests.support.schedule_shop"

    def beats(self) -> list[int]:
        """The slots whose jobs have run, in seconds, ascending; each as often as it ran."""
        return sorted(
            int(pushed_at_seconds(job_id))
            for job_id, count in self.marked("beats").items()
            for _ in range(count)
        )

    def until_beats(self, count: int, timeout_seconds: float = 30.0) -> list[int]:
        """Wait until so many slots in a row have run, and return them.

        Two threads run them: a later one may be through first. One that ran twice is returned twice.
        """

        def in_a_row() -> list[int]:
            found = self.beats()
            return found if len(found) >= count and found[-1] - found[0] < len(set(found)) else []

        return until(in_a_row, timeout_seconds, f"{count} beats")

    def until_idle(self) -> None:
        """Wait until what was made has run: a job in the hands of a worker that is killed would run again."""
        until(lambda: self.inspection.counts().unfinished == 0, message="what was made has run")


@pytest.fixture
def run(processes: Processes, redis_url: str) -> ScheduleRun:
    return ScheduleRun(processes, redis_url)


def is_whole(beats: list[int]) -> bool:
    """Whether every second between the first and the last is there, and once."""
    return beats == list(range(beats[0], beats[-1] + 1))


def test_a_worker_runs_a_schedule_each_second(run: ScheduleRun) -> None:
    run.start(**EACH_SECOND)
    beats = run.until_beats(4)
    assert is_whole(beats)
    starts: Any = run.marks.hgetall("starts")
    late = sorted(float(started) - pushed_at_seconds(job_id) for job_id, started in starts.items())
    assert late[len(late) // 2] < 1.0, "promotion and the next claim take no second"
    state = Schedules(run.store).get("beat")
    until(lambda: (Schedules(run.store).get("beat").last_success or 0) >= beats[-1])
    assert state.next_run is not None


@pytest.mark.parametrize("point", sampled(["schedules.planned", "schedules.ticked"], 2))
def test_a_leader_killed_between_working_out_and_ticking(run: ScheduleRun, point: str) -> None:
    """Its successor (the supervisor's next child) begins where it looked last."""
    worker = run.start_pausing([Point(point, 2)], **EACH_SECOND)
    stop = worker.wait_at(point, 2)
    run.until_idle()
    stop.kill()
    before = run.beats()
    after = run.until_beats(len(before) + 4)
    assert is_whole(after)


def test_a_leader_that_slept_through_its_place_does_not_double_a_slot(run: ScheduleRun) -> None:
    asleep = run.start_pausing([Point("schedules.planned", 2)], **EACH_SECOND)
    stop = asleep.wait_at("schedules.planned", 2)
    run.until_idle()
    stop.freeze()
    other = run.start(**EACH_SECOND)
    beats = run.until_beats(4)
    stop.go_on()
    stop.thaw()
    asleep.process.wait_for_output("lost its lease")
    after = run.until_beats(len(beats) + 3)
    assert is_whole(after)
    assert other.is_running()


def test_two_workers_that_both_believe_to_lead(run: ScheduleRun) -> None:
    """The leader stands between working out and ticking, its threads alive; another is told that it leads."""
    first = run.start_pausing([Point("schedules.planned", 2)], **EACH_SECOND)
    stop = first.wait_at("schedules.planned", 2)
    run.start(**EACH_SECOND)
    until(lambda: len(run.incarnations()) == 2)
    leader = run.store.command("GET", "podwork:leader").decode()
    [other] = [incarnation for incarnation in run.incarnations() if incarnation != leader]
    run.store.command("SET", "podwork:leader", other)
    beats = run.until_beats(3)
    stop.go_on()
    after = run.until_beats(len(beats) + 3)
    assert is_whole(after)


def test_what_was_missed_while_no_worker_lived_is_caught_up(run: ScheduleRun) -> None:
    worker = run.start(**EACH_SECOND)
    run.until_beats(2)
    worker.signal(signal.SIGTERM)
    worker.wait()
    last = run.beats()[-1]
    clock = run.store
    until(lambda: int(clock.command("TIME")[0]) >= last + 4, message="three slots missed")
    run.start(**EACH_SECOND)
    assert is_whole(run.until_beats(len(run.beats()) + 4))


def test_an_older_leader_ticks_for_newer_code(run: ScheduleRun) -> None:
    """It does not know the job class: it makes the job, and parks it for a worker that does (J7)."""
    run.start(schedules={"beat": {"every": 1}}, is_old=True)
    run.until_beats(1)
    leader = run.store.command("GET", "podwork:leader")
    run.start(schedules={"beat": {"every": 1}, "newer": {"every": 1, "job": "newer", "catch_up": "all"}})
    until(lambda: len(run.marked("newer")) >= 2, 20.0, "the newer worker runs it")
    assert run.store.command("GET", "podwork:leader") == leader
    assert set(run.marked("newer").values()) == {1}
