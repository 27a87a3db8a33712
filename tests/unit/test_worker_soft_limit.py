"""The soft limit's handshake: the error comes into the job that is over its time, and into nothing else."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from podwork.errors import TimeLimitExceeded
from podwork.worker.soft_limit import Watchdog
from tests.support.pause import hold
from tests.support.wait import until


def spin(seconds: float) -> str:
    """Run Python for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    return "done"


@pytest.fixture
def watchdog() -> Watchdog:
    return Watchdog()


def test_a_job_over_its_time_meets_the_error(watchdog: Watchdog) -> None:
    with pytest.raises(TimeLimitExceeded, match=r"soft limit.*soft_limit_seconds"):
        watchdog.run(0.02, spin, 30.0)


def test_a_job_within_its_time_returns_what_it_returns(watchdog: Watchdog) -> None:
    assert watchdog.run(30.0, spin, 0.0) == "done"
    with pytest.raises(ZeroDivisionError):
        watchdog.run(30.0, lambda: 1 // 0)


def test_a_job_may_catch_it_and_go_on_and_there_is_no_second_one(watchdog: Watchdog) -> None:
    def stubborn() -> str:
        try:
            spin(30.0)
        except TimeLimitExceeded:
            return spin(0.1)
        return "never"

    assert watchdog.run(0.02, stubborn) == "done"


def test_the_earliest_is_looked_at_first(watchdog: Watchdog) -> None:
    """A job with a near limit that begins while the watchdog sleeps towards a far one."""
    go = threading.Event()
    far = threading.Thread(target=lambda: watchdog.run(3600.0, go.wait))
    far.start()
    until(lambda: watchdog._looks_at < float("inf"), message="the watchdog sleeps")
    try:
        with pytest.raises(TimeLimitExceeded):
            watchdog.run(0.02, spin, 10.0)
    finally:
        go.set()
        far.join()


def outcome_of(run: Callable[[], str]) -> tuple[threading.Thread, list[str]]:
    """Run it in a thread, and go on there for a while: an error that comes too late shows as `stray`."""
    said: list[str] = []

    def work() -> None:
        try:
            try:
                said.append(run())
            except TimeLimitExceeded:
                said.append("limited")
            spin(0.05)
        except TimeLimitExceeded:
            said.append("stray")

    thread = threading.Thread(target=work)
    thread.start()
    return thread, said


def test_an_error_that_is_decided_while_the_job_ends_is_waited_for(watchdog: Watchdog) -> None:
    end, ended = threading.Event(), threading.Event()

    def job() -> str:
        end.wait()
        ended.set()
        return "done"

    with hold("soft-limit.decided") as decided:
        thread, said = outcome_of(lambda: watchdog.run(0.01, job))
        decided.wait_reached()
        end.set()  # the job ends, between the decision and the error
        ended.wait()
        thread.join(0.1)
        assert thread.is_alive(), "it does not leave before the error has come"
        assert said == []
        decided.go_on()
        thread.join(10)
    assert said in (["limited"], ["done"]), "the error came inside, or was taken away; never afterwards"


def test_an_error_that_is_raised_while_the_job_closes_comes_inside(watchdog: Watchdog) -> None:
    with hold("soft-limit.closing") as closing:
        thread, said = outcome_of(lambda: watchdog.run(0.05, lambda: "done"))
        closing.wait_reached()  # the job has ended in time, but its token is still there
        thread.join(0.1)
        closing.go_on()
        thread.join(10)
    assert said in (["limited"], ["done"])


@pytest.fixture
def _quick_switches() -> Iterator[None]:
    """Threads take turns as often as in a worker, and more."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.00005)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_quick_switches")
def test_no_error_strays_whatever_the_timing(watchdog: Watchdog) -> None:
    """Jobs that end just about when their time does, on several threads of one watchdog."""
    counts: Counter[str] = Counter()
    strays: list[BaseException] = []

    def work() -> None:
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            try:
                try:
                    counts[watchdog.run(0.001, spin, random.uniform(0.0005, 0.002))] += 1
                except TimeLimitExceeded:
                    counts["limited"] += 1
            except BaseException as error:
                strays.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert strays == []
    assert min(counts["limited"], counts["done"]) > 20, "the test has seen both"
    assert watchdog._watches == {}


def test_a_run_inside_a_run_has_no_limit_of_its_own(watchdog: Watchdog) -> None:
    """One error at a time; the outer limit still holds."""
    assert watchdog.run(30.0, lambda: watchdog.run(0.01, spin, 0.05)) == "done"
    with pytest.raises(TimeLimitExceeded):
        watchdog.run(0.02, lambda: watchdog.run(30.0, spin, 30.0))
    assert watchdog._watches == {}


def test_a_fork_has_a_watchdog_of_its_own() -> None:
    """As when a job runs in a process of its own, or forks one itself."""
    from podwork.worker.soft_limit import WATCHDOG

    assert WATCHDOG.run(30.0, spin, 0.0) == "done"  # its thread runs here, and will not in the child
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)  # should it wait for a lock that nobody frees
        try:
            WATCHDOG.run(0.02, spin, 10.0)
        except TimeLimitExceeded:
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
