"""What is said between a child, its hatchery and its job processes; the wish to stop; orders; overruns."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from typing import Any

import pytest

from podwork import App, Bury, Cancel, Discard, Interrupted, Retry, RetryPolicy, Snooze, record
from podwork.context import JobContext
from podwork.errors import MemoryLimitExceeded, ShopOnHold, StaleEpoch, TimeLimitExceeded
from podwork.fingerprint import fingerprint_of
from podwork.identity import new_job_id
from podwork.lease import Lease
from podwork.parcel import PushOptions, parcel_of
from podwork.retry import Again, Dropped, Exhausted
from podwork.unique import Unique
from podwork.worker.isolation import ends
from podwork.worker.isolation.flags import StopFlags
from podwork.worker.isolation.isolation import JobProcess
from podwork.worker.isolation.words import (
    Died,
    Errand,
    Hatched,
    Kill,
    Line,
    Stillborn,
    Word,
    framed,
    line_pair,
    unframed,
)
from podwork.worker.life import Life
from podwork.worker.memory import rss_bytes
from podwork.worker.orders import Orders
from podwork.worker.overruns import Overruns
from podwork.worker.running import RunningJobs

ME = "host:1:aaaa"
app = App("x")


@app.job(name="shop.collect", retry=RetryPolicy(schedule=(5.0, 60.0)), hard_limit_seconds=10.0)
def collect(n: int = 0) -> None:
    """Fail somehow."""


@app.job(name="shop.unique", unique=Unique())
def unique(n: int) -> None:
    """One at a time."""


def lease_of(job_class: str = "shop.collect", attempts: int = 0, extras: str = "-") -> Lease:
    prefix = record.payload_prefix(job_class, 1)
    stored = record.encode_first("default", 1, prefix, b"{}", extras)
    lease = Lease(ME, "7", new_job_id(1, "7"), stored)
    return Lease(ME, "7", lease.id, lease.record(attempts=attempts))


def context_of(lease: Lease) -> JobContext:
    return JobContext(lease.id, lease.job_class, lease.queue, 7, 1, 1)


def carried(what: ends.What, pushed: list[tuple[str, str]] | None = None) -> ends.End:
    """What arrives of it."""
    body = unframed(framed(ends.encode(ends.End(what, pushed or []))))
    assert body is not None
    return ends.decode(body)


def raised(error: BaseException, lease: Lease, job_class: Any = collect) -> BaseException:
    """What a processor sees of an error in a job process."""
    try:
        raise error
    except BaseException as caught:
        what = ends.of_error(caught, lease, job_class)
    with pytest.raises(Exception) as found:
        ends.come_back(carried(what).what, context_of(lease))
    return found.value


# Lines


def test_every_word_arrives_whole_and_in_order() -> None:
    ours, theirs = line_pair()
    words: list[Word] = [
        Errand(ME, "7", "1-7", b"\xff" * 50_000, 3),
        Kill(),
        Hatched(7),
        Stillborn("why"),
        Died(-11),
    ]

    def speak() -> None:
        for word in words:
            ours.say(word)

    speaker = threading.Thread(target=speak)
    speaker.start()
    heard = [theirs.hear() for _ in words]
    speaker.join()
    assert [one.word for one in heard if one] == words
    ours.close()
    assert theirs.hear() is None
    theirs.close()


def test_a_descriptor_arrives_with_its_word_and_works() -> None:
    ours, theirs = line_pair()
    here, there = socket.socketpair()
    ours.say(Kill())
    ours.say(Errand(ME, "7", "1-7", b"", 1), there.fileno())
    there.close()
    first, second = theirs.hear(), theirs.hear()
    assert first is not None
    assert first.descriptor is None
    assert second is not None
    assert second.descriptor is not None
    os.write(second.descriptor, b"hello")
    assert here.recv(5) == b"hello"
    os.close(second.descriptor)
    for end in (ours, theirs, here):
        end.close()


def test_a_line_that_ends_inside_a_word_has_ended() -> None:
    ours, theirs = socket.socketpair()
    ours.sendall((1000).to_bytes(4, "big") + b"half a word")
    ours.close()
    line = Line(theirs)
    assert line.hear() is None
    line.close()


@pytest.mark.parametrize("stream", [b"", b"\0\0", framed(b"whole")[:-1], b"\0\0\0\0"])
def test_what_a_process_left_half_said_counts_as_nothing(stream: bytes) -> None:
    assert unframed(stream) is None


# Ends


@pytest.mark.parametrize(
    "signal",
    [
        Interrupted(),
        Snooze(5.0, "not yet"),
        Snooze(5.0, "no news", quiet=True),
        Discard("nothing to do"),
        Cancel("not allowed"),
    ],
)
def test_a_signal_arrives_as_it_was_raised(signal: Exception) -> None:
    arrived = raised(signal, lease_of())
    assert type(arrived) is type(signal)
    assert vars(arrived) == vars(signal)


def test_what_a_shop_s_passage_says_arrives_with_its_facts_and_words() -> None:
    class FenceMissing(StaleEpoch):
        def __init__(self) -> None:
            super().__init__(7, 3, "no row")
            self.args = ("a sentence of its own",)

    stale = raised(FenceMissing(), lease_of())
    assert isinstance(stale, StaleEpoch)
    assert (stale.shop_id, stale.epoch, stale.found) == (7, 3, "no row")
    assert str(stale) == "a sentence of its own"
    on_hold = raised(ShopOnHold(7, 1.5), lease_of())
    assert isinstance(on_hold, ShopOnHold)
    assert (on_hold.shop_id, on_hold.waited_seconds) == (7, 1.5)


@pytest.mark.parametrize(
    ("error", "attempts", "decision"),
    [
        (ValueError("broken"), 0, Again(5.0, "ValueError: broken")),
        (ValueError("broken"), 2, Exhausted("ValueError: broken")),
        (Retry(7.0, "later"), 0, Again(7.0, "podwork.signals.Retry: later")),
        (Bury("look"), 0, Exhausted("look")),
        (SystemExit(3), 0, Again(5.0, "SystemExit: 3")),
        (OSError("caf\udce9"), 2, Exhausted("OSError: caf\\udce9")),
    ],
)
def test_a_failure_arrives_with_the_decision_about_it(
    error: BaseException, attempts: int, decision: Any
) -> None:
    arrived = raised(error, lease_of(attempts=attempts))
    assert isinstance(arrived, ends.FailedElsewhere)
    assert arrived.decision == decision
    assert arrived.fingerprint == fingerprint_of("shop.collect", error)
    assert "Traceback (most recent call last)" in str(arrived)


def test_what_a_hook_says_arrives() -> None:
    policy = RetryPolicy(hook=lambda _error, _failures: Discard("not worth it"))
    hooked = App("y").job(name="shop.collect", retry=policy)(lambda: None)
    arrived = raised(ValueError("x"), lease_of(), hooked)
    assert isinstance(arrived, ends.FailedElsewhere)
    assert arrived.decision == Dropped("not worth it")


def test_a_policy_by_time_counts_from_the_first_failure() -> None:
    long_ago = lease_of(extras="f:1", attempts=1)
    policy = RetryPolicy(for_seconds=60.0)
    job_class = App("y").job(name="shop.collect", retry=policy)(lambda: None)
    arrived = raised(ValueError("x"), long_ago, job_class)
    assert isinstance(arrived, ends.FailedElsewhere)
    assert isinstance(arrived.decision, Exhausted)
    fresh = raised(ValueError("x"), lease_of(), job_class)
    assert isinstance(fresh, ends.FailedElsewhere)
    assert isinstance(fresh.decision, Again)


def test_an_error_that_cannot_be_shown_arrives_all_the_same() -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    arrived = raised(Broken(), lease_of())
    assert isinstance(arrived, ends.FailedElsewhere)
    assert isinstance(arrived.decision, Again)


def test_follow_ups_arrive_as_the_parcels_that_they_are() -> None:
    plain = parcel_of(collect, {"n": 1}, 7, 1000)
    later = parcel_of(unique, {"n": 2}, 7, 1000, PushOptions(in_=5.0, expires_in=9.0, idempotency_key="k"))
    end = carried(ends.Succeeded((plain, later)), [("default", "shop.collect")])
    context = context_of(lease_of())
    ends.come_back(end.what, context)
    assert context.follow_ups == (plain, later)
    assert end.pushed == [("default", "shop.collect")]


# The wish to stop


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # other tests may have left threads
def test_flags_are_shared_with_those_forked_later() -> None:
    flags = StopFlags(3)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            while not flags.should_stop(2):
                pass
            os.write(writer, b"1" if flags.is_cancelled(1) else b"0")
        finally:
            os._exit(0)
    flags.cancel(1)
    flags.stop_all()
    assert os.read(reader, 1) == b"1"
    os.waitpid(pid, 0)
    os.close(reader)
    os.close(writer)


def test_a_cancel_is_for_one_slot_and_is_forgotten_with_its_job() -> None:
    flags = StopFlags(2)
    flags.cancel(0)
    assert [flags.should_stop(slot) for slot in range(2)] == [True, False]
    flags.clear(0)
    assert [flags.should_stop(slot) for slot in range(2)] == [False, False]
    flags.stop_all()
    flags.clear(1)
    assert [flags.should_stop(slot) for slot in range(2)] == [True, True]
    assert not flags.is_cancelled(0)


# Orders


def test_orders_wake_who_waits_and_come_in_order() -> None:
    orders = Orders()
    assert orders.take() == []
    for number in range(5000):  # more than the wake-up socket holds
        orders.put([f"cancel {number}"])
    assert orders.take() == [f"cancel {number}" for number in range(5000)]
    orders.put(["quiet", "resume"])
    assert orders.take() == ["quiet", "resume"]
    orders.close()


# Overruns


class Killed:
    """Takes kills in place of an isolation."""

    def __init__(self, *processes: JobProcess) -> None:
        self.processes = processes
        self.all: dict[str, Exception] = {}

    def kill(self, job_id: str, reason: Exception) -> bool:
        return self.all.setdefault(job_id, reason) is reason

    def running(self) -> list[JobProcess]:
        return list(self.processes)


def overdue(running: RunningJobs, seconds: float) -> Lease:
    lease = lease_of()
    running.now[1] = (lease, collect, time.monotonic() - seconds)
    return lease


@pytest.fixture
def running() -> RunningJobs:
    return RunningJobs(Life(ME, 15.0))


def test_an_overdue_job_is_killed_once_where_it_has_a_process(running: RunningJobs, caplog: Any) -> None:
    lease = overdue(running, 10.5)
    killed: Any = Killed()
    watch = Overruns(running, killed, 0)
    watch.keep()
    watch.keep()
    assert [type(reason) for reason in killed.all.values()] == [TimeLimitExceeded]
    assert list(killed.all) == [lease.id]
    assert caplog.text.count("is killed") == 1
    assert watch.beyond_help() == []


def test_an_overdue_job_in_a_thread_is_beyond_help(running: RunningJobs) -> None:
    lease = overdue(running, 10.5)
    watch = Overruns(running, None, 1)
    watch.keep()
    assert watch.beyond_help() == [lease]
    overdue(running, 9.0)
    assert watch.beyond_help() == []


@pytest.mark.parametrize(("limit_bytes", "kills"), [(0, 0), (1, 1), (1 << 40, 0)])
def test_a_process_over_the_memory_limit_is_killed(
    running: RunningJobs, limit_bytes: int, kills: int
) -> None:
    killed: Any = Killed(JobProcess(lease_of(), os.getpid()))
    Overruns(running, killed, limit_bytes).keep()
    assert [type(reason) for reason in killed.all.values()] == [MemoryLimitExceeded] * kills


def test_the_memory_of_a_process_that_is_gone_is_none() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert rss_bytes(gone.pid) == 0
    assert rss_bytes(os.getpid()) > 0
