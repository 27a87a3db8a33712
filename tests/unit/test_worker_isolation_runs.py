"""One run in a process of its own, as a processor waits for it; the hatchery is played by the test."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from podwork import App, record
from podwork.context import JobContext
from podwork.errors import MemoryLimitExceeded, TimeLimitExceeded
from podwork.identity import new_job_id
from podwork.lease import Lease
from podwork.parcel import parcel_of
from podwork.worker.isolation import ends, isolation
from podwork.worker.isolation.flags import StopFlags
from podwork.worker.isolation.isolation import Isolation
from podwork.worker.isolation.words import (
    Died,
    Errand,
    Hatched,
    Kill,
    Line,
    Stillborn,
    framed,
    line_pair,
)
from tests.support.pause import hold
from tests.support.wait import until

ME = "host:1:aaaa"
app = App("x")


@app.job(name="shop.collect")
def collect(text: str = "") -> None:
    """Never run here."""


def a_lease() -> Lease:
    prefix = record.payload_prefix("shop.collect", 1)
    return Lease(ME, "7", new_job_id(1, "7"), record.encode_first("default", 1, prefix, b"{}"))


class Overseer:
    """Answers whether the job was cancelled before it began."""

    def __init__(self, cancelled: bool = False) -> None:
        self._cancelled = cancelled

    def should_stop(self, _job_id: str) -> bool:
        return self._cancelled

    def is_cancelled(self, _job_id: str) -> bool:
        return self._cancelled

    def runs(self, _job_id: str) -> bool:
        return True


class Stage:
    """An isolation with one slot, a run in a thread, and the other end of its line."""

    def __init__(self) -> None:
        ours, self.line = line_pair()
        watch, self._their_watch = line_pair()
        self.flags = StopFlags(1)
        self.isolation = Isolation(os.getpid(), [ours], watch, self.flags)
        self._open: list[Line] = [ours, watch, self._their_watch]
        self.report = -1
        self.result: BaseException | str | None = None
        self.context: JobContext | None = None

    def run(self, lease: Lease, overseer: Overseer | None = None) -> Errand:
        """Let a processor run the job; return the errand that reaches the hatchery."""
        context = JobContext(lease.id, lease.job_class, lease.queue, 7, 1, 3, overseer=overseer or Overseer())
        self.context, self.result = context, None

        def run() -> None:
            try:
                self.isolation.run(collect, lease, context)
            except BaseException as error:
                self.result = error
            else:
                self.result = "returned"

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()
        heard = self.line.hear()
        assert heard is not None
        assert isinstance(heard.word, Errand)
        assert heard.descriptor is not None
        self.report = heard.descriptor
        return heard.word

    def say(self, what: ends.What) -> None:
        os.write(self.report, framed(ends.encode(ends.End(what))))

    def die(self, status: int = 0) -> None:
        """The process has ended; nobody holds its socket any more."""
        os.close(self.report)
        self.report = -1
        self.line.say(Died(status))

    def ended(self) -> Any:
        """What the processor sees."""
        return until(lambda: self.result, 5.0, "the run came back")

    def close(self) -> None:
        if self.report >= 0:
            os.close(self.report)
        self.line.close()
        until(lambda: self.result or self.isolation._abandoned, 5.0)
        for line in self._open:
            line.close()


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.close()


def test_the_errand_has_all_that_the_job_process_needs(stage: Stage) -> None:
    lease = a_lease()
    errand = stage.run(lease)
    again = Lease(errand.incarnation, errand.shop, errand.job_id, errand.stored)
    assert (again.id, again.shop_id, again.incarnation, again.job_class) == (lease.id, 7, ME, "shop.collect")
    assert again.head == lease.head
    assert errand.epoch == 3
    stage.say(ends.Succeeded())
    stage.die()
    assert stage.ended() == "returned"


def test_it_comes_back_when_the_process_is_gone_not_when_it_has_spoken(stage: Stage) -> None:
    stage.run(a_lease())
    stage.line.say(Hatched(4711))
    stage.say(ends.Succeeded())
    until(stage.isolation.running, message="hatched")
    assert stage.isolation.running()[0].pid == 4711
    assert stage.result is None
    stage.die()
    assert stage.ended() == "returned"
    assert stage.isolation.running() == []


def test_what_is_said_last_may_be_heard_after_the_death(stage: Stage) -> None:
    """More than one portion lies in the socket when the death is said."""
    stage.run(a_lease())
    follow_up = parcel_of(collect, {"text": "x" * 150_000}, 7, 1000)
    with hold("isolation.hatched") as held:
        stage.line.say(Hatched(4711))
        held.wait_reached()
        stage.say(ends.Succeeded((follow_up,)))
        stage.die()
        held.go_on()
        assert stage.ended() == "returned"
    assert stage.context is not None
    assert stage.context.follow_ups == (follow_up,)


@pytest.mark.parametrize(
    ("status", "how"),
    [(-11, "was killed by SIGSEGV"), (9, "ended with exit code 9"), (0, "ended with exit code 0")],
)
def test_a_death_without_a_word(stage: Stage, status: int, how: str) -> None:
    stage.run(a_lease())
    os.write(stage.report, b"\0\0\1\0half a word")
    stage.die(status)
    died = stage.ended()
    assert isinstance(died, ends.JobProcessDied)
    assert died.how == how


def test_a_word_counts_however_the_process_ends_afterwards(stage: Stage) -> None:
    stage.run(a_lease())
    stage.say(ends.Succeeded())
    stage.die(-11)
    assert stage.ended() == "returned"


def test_no_process_can_be_forked(stage: Stage) -> None:
    stage.run(a_lease())
    stage.line.say(Stillborn("Resource temporarily unavailable"))
    error = stage.ended()
    assert isinstance(error, ends.NoJobProcess)
    assert "Resource temporarily unavailable" in str(error)
    stage.run(a_lease())  # the slot is free again
    stage.say(ends.Succeeded())
    stage.die()
    assert stage.ended() == "returned"


def test_killed_by_the_child_it_raises_the_first_reason(stage: Stage) -> None:
    lease = a_lease()
    stage.run(lease)
    first, second = TimeLimitExceeded("hard"), MemoryLimitExceeded(2 << 20, 1 << 20)
    assert stage.isolation.kill(lease.id, first)
    assert not stage.isolation.kill(lease.id, second)
    heard = stage.line.hear()
    assert heard is not None
    assert heard.word == Kill()
    stage.die(-9)
    assert stage.ended() is first


def test_a_kill_meant_for_a_job_that_has_ended_harms_no_other(stage: Stage) -> None:
    ended, running = a_lease(), a_lease()
    stage.run(ended)
    stage.say(ends.Succeeded())
    stage.die()
    assert stage.ended() == "returned"
    stage.run(running)
    assert not stage.isolation.kill(ended.id, TimeLimitExceeded("hard"))
    stage.die(-9)
    assert isinstance(stage.ended(), ends.JobProcessDied)


class Held(Overseer):
    """Holds the run in the middle of its beginning."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.go = threading.Event(), threading.Event()

    def is_cancelled(self, _job_id: str) -> bool:
        self.reached.set()
        assert self.go.wait(10)
        return False


def test_a_kill_while_it_begins_comes_after_the_errand(stage: Stage) -> None:
    lease, overseer = a_lease(), Held()
    running = threading.Thread(target=stage.run, args=(lease, overseer))
    running.start()
    assert overseer.reached.wait(5)

    def kill() -> None:
        until(lambda: stage.isolation.kill(lease.id, TimeLimitExceeded("hard")), message="killed")

    killing = threading.Thread(target=kill)
    killing.start()
    killing.join(0.1)
    overseer.go.set()
    running.join(5)  # it has heard the errand, and that before anything else
    assert stage.report >= 0
    heard = stage.line.hear()
    assert heard is not None
    assert heard.word == Kill()
    killing.join(5)
    stage.die(-9)
    assert isinstance(stage.ended(), TimeLimitExceeded)


def test_nothing_begins_any_more_once_all_was_killed(stage: Stage) -> None:
    stage.isolation.abandon(0.0)
    heard = stage.line.hear()
    assert heard is not None
    assert heard.word == Kill()
    lease = a_lease()
    context = JobContext(lease.id, lease.job_class, lease.queue, 7, 1, 3)
    threading.Thread(target=stage.isolation.run, args=(collect, lease, context), daemon=True).start()
    ready, _, _ = select.select([stage.line], [], [], 0.2)
    assert ready == []


def test_a_job_cancelled_before_it_begins_is_told(stage: Stage) -> None:
    stage.run(a_lease(), Overseer(cancelled=True))
    assert stage.flags.is_cancelled(0)
    stage.say(ends.Succeeded())
    stage.die()
    stage.ended()
    stage.run(a_lease())
    assert not stage.flags.is_cancelled(0)
    stage.say(ends.Succeeded())
    stage.die()
    stage.ended()


def test_what_it_pushed_is_counted(stage: Stage) -> None:
    counted: list[tuple[str, str, int]] = []
    stage.isolation.observe_push = lambda *push: counted.append(push)
    stage.run(a_lease())
    os.write(stage.report, framed(ends.encode(ends.End(ends.Succeeded(), [("low", "shop.mail")] * 2))))
    stage.die()
    assert stage.ended() == "returned"
    assert counted == [("low", "shop.mail", 1)] * 2


def test_when_the_hatchery_dies_a_job_that_may_have_begun_has(stage: Stage) -> None:
    stage.run(a_lease())
    stage.line.close()
    os.close(stage.report)  # the system ends it
    stage.report = -1
    died = stage.ended()
    assert isinstance(died, ends.JobProcessDied)
    assert died.how == "ended with its hatchery"


def test_when_the_hatchery_dies_its_job_process_is_waited_for(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "ORPHAN_SECONDS", 30.0)
    run = stage.run(a_lease())
    stage.line.close()
    stage.thread.join(0.1)
    assert stage.thread.is_alive(), f"it waits for {run.job_id}"
    stage.say(ends.Succeeded())  # it is just ending
    os.close(stage.report)
    stage.report = -1
    assert stage.ended() == "returned"


def test_without_a_hatchery_no_job_begins(stage: Stage) -> None:
    stage.line.close()
    lease = a_lease()
    with pytest.raises(ends.NoJobProcess):
        stage.isolation.run(collect, lease, JobContext(lease.id, "shop.collect", "default", 7, 1, 3))
    stage.result = "returned"


def test_who_is_abandoned_waits_for_the_end(stage: Stage) -> None:
    stage.run(a_lease())
    stage.line.say(Hatched(4711))
    until(stage.isolation.running)
    abandoning = threading.Thread(target=stage.isolation.abandon, args=(5.0,))
    abandoning.start()
    heard = stage.line.hear()
    assert heard is not None
    assert heard.word == Kill()
    abandoning.join(0.1)
    assert abandoning.is_alive(), "not before"
    stage.die(-9)
    abandoning.join(5.0)
    assert not abandoning.is_alive(), "it returns when the process is gone"
    assert stage.result is None
