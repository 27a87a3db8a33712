"""The decision tables: what becomes of a job for each way in which its run ends, or does not begin."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from podwork import App, RetryPolicy, record
from podwork.errors import ShopOnHold, StaleEpoch, StoreUnavailable
from podwork.fingerprint import fingerprint_of
from podwork.identity import new_job_id
from podwork.job import JobClass
from podwork.lease import Lease
from podwork.observation import Tally
from podwork.record import write_extras
from podwork.signals import Bury, Cancel, Discard, Interrupted, Retry, Snooze
from podwork.worker.awaiting import Runnable
from podwork.worker.detours import MOMENT_SECONDS, Detours
from podwork.worker.fates import Fates
from podwork.worker.life import Life
from podwork.worker.manager import Ended
from podwork.worker.outage import Outage
from podwork.worker.running import RunningJobs
from podwork.worker.settlement import NO_TIMES, Settlement, Times
from podwork.worker.spec import Surroundings
from podwork.worker.starts import Starts, has_expired

ME = "host:1:aaaa"
NOW = 1_000_000.0
RAN = Times(0.5, 0.1)
PREFIX = record.payload_prefix("shop.collect", 1)


class Platform:
    """Queues, client and manager in one; writes down what is asked of it."""

    def __init__(self) -> None:
        self.log: list[tuple[Any, ...]] = []
        self.shop_is_on = 1
        self.held = True
        self.outages = 0
        self.ends: list[Ended] = []

    def forward(self, _lease: Lease) -> int:
        return self.shop_is_on

    def forget(self, _me: str, _lease: Lease) -> bool:
        return self._did("forget")

    def park(self, _me: str, _lease: Lease) -> bool:
        return self._did("park")

    def release(self, _me: str, leases: list[Lease], *, interrupted: bool = False) -> int:
        self._did("release", [lease.id for lease in leases], interrupted)
        return len(leases)

    def snooze(
        self, _me: str, _lease: Lease, due: float, extras: Any = None, *, interrupted: bool = False
    ) -> bool:
        return self._did("snooze", due - NOW, extras, interrupted)

    def retry(self, _me: str, _lease: Lease, due: float, error: str, extras: Any) -> bool:
        return self._did("retry", due - NOW, error, extras)

    def bury(self, _me: str, _lease: Lease, reason: str, extras: Any) -> bool:
        return self._did("bury", reason, extras)

    def start(self, _me: str, _lease: Lease, *, at_most_once: bool) -> bool:
        return self._did("start", at_most_once)

    def settled(self, _lease: Lease) -> None:
        self.log.append(("settled",))

    def ended(self, ended: Ended) -> None:
        self.ends.append(ended)

    def _did(self, *what: Any) -> bool:
        if self.outages:
            self.outages -= 1
            raise StoreUnavailable("here", "no answer")
        self.log.append(what)
        return self.held


class Bench:
    """The parts of a crew, around a platform that writes down."""

    def __init__(self) -> None:
        self.platform = Platform()
        platform: Any = self.platform
        self.tally = Tally()
        surroundings = Surroundings(platform, Life(ME, 10.0), Outage(), self.tally)
        settlement = Settlement(surroundings, platform)
        self.running = RunningJobs(surroundings.life)
        self.detours = Detours(1, platform, settlement, Runnable(App("x")))
        self.starts = Starts(settlement, self.running)
        self.fates = Fates(surroundings, settlement, self.detours, self.running)

    def outcomes(self) -> list[str]:
        return [key.rsplit("|")[2] for key in self.tally.take().attempts]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(time, "time", lambda: NOW)
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    return Bench()


def declare(**policy: Any) -> JobClass[Any]:
    return App("x").job(name="shop.collect", **policy)(lambda: None)


def lease_of(extras: str = "-", attempts: int = 0, interruptions: int = 0, reclaims: int = 0) -> Lease:
    head = record.Head("default", 1, attempts, interruptions, reclaims, 0, extras)
    return Lease(ME, "7", new_job_id(1, "7"), record.encode(head, PREFIX + b"{}}"))


def settle(bench: Bench, error: BaseException, lease: Lease | None = None, **policy: Any) -> Lease:
    lease = lease or lease_of()
    bench.fates.settle(lease, declare(**policy), error, RAN)
    return lease


ERROR = ValueError("order 17 is gone")
MARKS = {"f": "1000000000", "e": fingerprint_of("shop.collect", ERROR)}


@pytest.mark.parametrize(
    ("error", "policy", "transition", "outcome"),
    [
        (
            ERROR,
            {"retry": RetryPolicy(schedule=(9,))},
            ("retry", 9.0, f"ValueError: {ERROR}", MARKS),
            "retried",
        ),
        (ERROR, {"retry": 0}, ("bury", f"ValueError: {ERROR}", {"e": MARKS["e"]}), "dead"),
        (Interrupted(), {}, ("release", ["ID"], True), "interrupted"),
        (Snooze(60, "not yet"), {}, ("snooze", 60.0, {"z": "1"}, False), "snoozed"),
        (ShopOnHold(7, 0.0), {}, ("snooze", MOMENT_SECONDS, None, True), "interrupted"),
        (StaleEpoch(7, 1, "x"), {}, ("snooze", MOMENT_SECONDS, None, False), "interrupted"),
    ],
)
def test_each_end_has_its_transition(
    bench: Bench, error: BaseException, policy: dict[str, Any], transition: tuple[Any, ...], outcome: str
) -> None:
    lease = settle(bench, error, **policy)
    expected = tuple([lease.id] if part == ["ID"] else part for part in transition)
    assert bench.platform.log == [expected, ("settled",)]
    assert bench.outcomes() == [outcome]


@pytest.mark.parametrize(
    ("error", "policy", "outcome"),
    [
        (Discard("known"), {}, "discarded"),
        (Cancel("forbidden"), {}, "cancelled"),
        (ERROR, {"retry": RetryPolicy(hook=lambda _error, _failures: Discard("known"))}, "discarded"),
    ],
)
def test_ends_without_success_go_the_way_of_all_ends(
    bench: Bench, error: BaseException, policy: dict[str, Any], outcome: str
) -> None:
    lease = settle(bench, error, **policy)
    assert bench.platform.ends == [Ended(lease, outcome, *RAN)]
    assert bench.platform.log == [], "the manager lets go of it when Redis has been told"


def test_a_signal_may_bury_with_retries_left(bench: Bench) -> None:
    settle(bench, Bury("look at it"))
    assert bench.platform.log[0][:2] == ("bury", "look at it")


def test_a_retry_that_is_asked_for_comes_when_it_is_asked_for(bench: Bench) -> None:
    settle(bench, Retry(5.0))
    assert bench.platform.log[0][:2] == ("retry", 5.0)


def test_the_first_failure_is_remembered_and_the_last_one_is_known_again(bench: Bench) -> None:
    lease = lease_of(write_extras({"f": "999990000", "e": "00000000", "z": "2"}), attempts=1)
    settle(bench, ERROR, lease, retry=RetryPolicy(for_seconds=12.0, schedule=(60.0,)))
    assert bench.platform.log[0][:2] == ("retry", 2.0), (
        "twelve seconds after the first failure, ten have passed"
    )
    assert bench.platform.log[0][3] == {"f": "999990000", "e": MARKS["e"], "z": "2"}


def test_snoozes_are_counted(bench: Bench) -> None:
    settle(bench, Snooze(0), lease_of(write_extras({"z": "4", "s": "nightly"})))
    assert bench.platform.log[0] == ("snooze", 0.0, {"z": "5", "s": "nightly"}, False)


@pytest.mark.parametrize(
    "error", [Interrupted(), Snooze(1), ShopOnHold(7, 0.0), StaleEpoch(7, 1, "x"), Retry(1.0), ERROR]
)
def test_what_may_start_once_is_buried_where_others_run_again(bench: Bench, error: BaseException) -> None:
    settle(bench, error, at_most_once=True)
    assert bench.platform.log[0][0] == "bury"
    assert bench.outcomes() == ["dead"]


@pytest.mark.parametrize("error", [Interrupted(), Snooze(1), Retry(1.0), ERROR, StaleEpoch(7, 1, "x")])
def test_a_job_that_a_person_cancelled_is_cancelled_however_it_ends(
    bench: Bench, error: BaseException
) -> None:
    lease = lease_of()
    bench.running.cancel(lease.id)
    settle(bench, error, lease)
    assert bench.platform.ends == [Ended(lease, "cancelled", *RAN)]


def test_what_redis_does_not_answer_is_said_again_and_what_it_refuses_is_lost(bench: Bench) -> None:
    bench.platform.outages, bench.platform.held = 3, False
    settle(bench, ERROR)
    assert [entry[0] for entry in bench.platform.log] == ["retry", "settled"]
    assert bench.outcomes() == ["lost"]


def test_a_job_past_its_hard_limit_fails_like_any_other(bench: Bench) -> None:
    bench.fates.overran(lease_of(), declare(retry=RetryPolicy(schedule=(9,)), hard_limit_seconds=1))
    assert bench.platform.log[0][:2] == ("retry", 9.0)
    assert "hard limit" in bench.platform.log[0][2]


# Jobs that cannot run


def test_a_job_that_nobody_can_read_is_buried_with_what_is_wrong(bench: Bench) -> None:
    lease = Lease(ME, "7", new_job_id(1, "7"), b"rubbish")
    assert lease.fault
    bench.detours.refuse(lease)
    assert bench.platform.log[0][:2] == ("bury", lease.fault)
    assert bench.outcomes() == ["dead"]


def test_an_unknown_class_is_parked(bench: Bench) -> None:
    bench.detours.refuse(lease_of())
    assert bench.platform.log == [("park",), ("settled",)]
    assert bench.outcomes() == ["parked"]


def test_a_job_follows_its_shop(bench: Bench) -> None:
    bench.platform.shop_is_on = 2
    bench.detours.forward(lease_of())
    assert bench.platform.log == [("forget",), ("settled",)]
    assert bench.outcomes() == ["forwarded"]


@pytest.mark.parametrize(
    ("error", "interrupted", "transition"),
    [
        (StoreUnavailable("there", "no answer"), False, ("snooze", MOMENT_SECONDS, None, False)),
        (ShopOnHold(7, 0.0), True, ("snooze", MOMENT_SECONDS, None, True)),
        (ShopOnHold(7, 0.0), False, ("release", ["ID"], False)),
    ],
)
def test_no_processor_waits_for_a_job_that_cannot_run_now(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    error: Any,
    interrupted: bool,
    transition: tuple[Any, ...],
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: pytest.fail("a processor waits"))
    lease = lease_of()
    bench.detours.not_admitted(lease, error, interrupted=interrupted)
    expected = tuple([lease.id] if part == ["ID"] else part for part in transition)
    assert bench.platform.log == [expected, ("settled",)]
    assert bench.outcomes() == ["interrupted"]


# Starts


@pytest.mark.parametrize(
    ("lease", "policy", "said"),
    [
        (lease_of, {"at_most_once": True}, [("start", True)]),
        (lambda: lease_of(reclaims=1), {}, [("start", False)]),
        (lambda: lease_of("u:0123"), {}, [("start", False)]),
        (lambda: lease_of("w:0123,x:9000000000000"), {}, []),
    ],
)
def test_some_starts_are_said_first(
    bench: Bench, lease: Callable[[], Lease], policy: dict[str, Any], said: list[tuple[str, bool]]
) -> None:
    declared, held = declare(**policy), lease()
    assert not bench.starts.is_plain(held, declared)
    assert bench.starts.may_start(held, declared)
    assert bench.platform.log == said


def test_a_plain_job_is_asked_nothing(bench: Bench) -> None:
    assert bench.starts.is_plain(lease_of(attempts=2, interruptions=1), declare())


def test_a_job_that_is_not_held_any_more_does_not_start(bench: Bench) -> None:
    bench.platform.held = False
    assert not bench.starts.may_start(lease_of(), declare(at_most_once=True))
    assert bench.platform.log == [("start", True), ("settled",)]
    assert bench.outcomes() == ["lost"]


def test_a_job_that_expired_or_was_cancelled_ends_without_a_start(bench: Bench) -> None:
    expired, cancelled = lease_of("x:999999999"), lease_of()
    bench.running.cancel(cancelled.id)
    for lease in (expired, cancelled):
        assert not bench.starts.is_plain(lease, declare())
        assert not bench.starts.may_start(lease, declare(at_most_once=True))
    assert bench.platform.ends == [
        Ended(expired, "expired", *NO_TIMES),
        Ended(cancelled, "cancelled", *NO_TIMES),
    ]
    assert bench.platform.log == []


def test_only_a_job_that_was_never_at_work_expires() -> None:
    assert has_expired(lease_of("x:5000"), 5.0)
    assert not has_expired(lease_of("x:5000"), 4.999)
    assert has_expired(lease_of("x:5000,z:1"), 9.0), "a snoozed job has not begun its work"
    assert not has_expired(lease_of("x:5000", attempts=1), 9.0)
    assert not has_expired(lease_of("x:5000", interruptions=1), 9.0)
    assert not has_expired(lease_of("w:5000"), 9.0)


# The end of the process


def test_what_is_given_back_at_the_end(bench: Bench) -> None:
    plain, once = declare(), declare(at_most_once=True)
    waiting, running, starting, not_begun = lease_of(), lease_of(), lease_of(), lease_of()
    bench.running.now = {1: (running, plain, 0.0), 2: (starting, once, 0.0), 3: None}
    assert bench.fates.give_back([waiting, running, starting, not_begun]) == 4
    [buried, *released] = bench.platform.log
    assert (buried[0], "at most once" in buried[1]) == ("bury", True)
    assert released == [("release", [waiting.id, not_begun.id], False), ("release", [running.id], True)]
    assert bench.tally.take().attempts == {
        "default|shop.collect|dead": 1,
        "default|shop.collect|interrupted": 3,
    }


def test_nothing_to_give_back_is_nothing(bench: Bench) -> None:
    assert bench.fates.give_back([]) == 0


@pytest.mark.parametrize(("quiet", "lines"), [(False, 1), (True, 0)])
def test_a_snooze_that_is_no_news_is_no_line(
    bench: Bench, caplog: pytest.LogCaptureFixture, quiet: bool, lines: int
) -> None:
    with caplog.at_level("INFO"):
        settle(bench, Snooze(1, "it waits", quiet=quiet), lease_of())
    assert len([record for record in caplog.records if "it waits" in record.getMessage()]) == lines
