"""The tests' own tool for stopping processes: it must stop exactly there, or crash tests prove nothing."""

from __future__ import annotations

import signal
import threading

import pytest

from podwork import points
from tests.support.pause import Point, hold, start_pausing
from tests.support.processes import Processes
from tests.support.wait import until

COUNTING = """
from podwork.points import reach
for number in range(1, 5):
    print(f"before {number}", flush=True)
    reach("loop.turn")
    print(f"after {number}", flush=True)
"""

FORKING = """
import os
from podwork.points import reach
child = os.fork()
if child == 0:
    reach("child.work")
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def test_it_stops_at_the_second_time_and_goes_on_when_told(processes: Processes) -> None:
    running = start_pausing(processes, [Point("loop.turn", 2)], "-c", COUNTING)
    stop = running.wait_at("loop.turn", 2)
    assert running.process.stdout.splitlines() == ["before 1", "after 1", "before 2"]
    stop.go_on()
    assert running.process.wait().stdout.splitlines()[-1] == "after 4"


def test_killed_at_the_point_it_does_nothing_more(processes: Processes) -> None:
    running = start_pausing(processes, [Point("loop.turn", 3)], "-c", COUNTING)
    running.wait_at("loop.turn", 3).kill()
    ended = running.process.wait()
    assert ended.code == -signal.SIGKILL
    assert ended.stdout.splitlines()[-1] == "before 3"


def test_several_points_are_passed_in_turn(processes: Processes) -> None:
    running = start_pausing(processes, [Point("loop.turn", 1), Point("loop.turn", 4)], "-c", COUNTING)
    running.wait_at("loop.turn", 1).go_on()
    last = running.wait_at("loop.turn", 4)
    assert running.process.stdout.splitlines()[-1] == "before 4"
    last.freeze()
    last.go_on()
    last.thaw()
    assert running.process.wait().code == 0


def test_a_forked_child_reports_its_own_pid(processes: Processes) -> None:
    running = start_pausing(processes, [Point("child.work")], "-c", FORKING)
    stop = running.wait_at("child.work")
    assert stop.pid != running.process.pid
    stop.kill()
    assert running.process.wait().stdout == f"{-signal.SIGKILL}\n"


def test_a_program_that_ends_before_the_point_fails_the_test_at_once(processes: Processes) -> None:
    running = start_pausing(processes, [Point("never")], "-c", COUNTING)
    with pytest.raises(AssertionError, match="ended before never@1"):
        running.wait_at("never")


def test_a_thread_is_held_until_told_to_go_on() -> None:
    passed = threading.Event()

    def work() -> None:
        points.reach("thread.work")
        passed.set()

    thread = threading.Thread(target=work)
    with hold("thread.work") as held:
        thread.start()
        held.wait_reached()
        assert not passed.is_set()
        held.go_on()
        thread.join(10)
    assert passed.is_set()


def test_a_condition_that_never_comes_is_named() -> None:
    with pytest.raises(AssertionError, match=r"not within 0\.05 s: the moon is blue"):
        until(lambda: False, timeout_seconds=0.05, message="the moon is blue")
