"""Ticking against real servers, under a clock that the test turns."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from podwork import App, keys, points, record
from podwork.schedules.jitter import jitter_ms
from podwork.schedules.ledger import Ledger
from podwork.schedules.schedules import Schedules
from podwork.store import Store
from podwork.unique import Unique
from tests.support.schedules import MINUTE_MS, NOON_MS, Clock, Leader, an_app, jobs, slots


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = Store(store_url)
    yield store
    store.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def each_minute(app: App, catch_up: str = "all", **options: object) -> None:
    app.schedule("minutely", app.job_class("work"), every=60, catch_up=catch_up, **options)  # type: ignore[arg-type]


def test_a_slot_becomes_a_job_in_its_time_and_once(store: Store, clock: Clock) -> None:
    leader = Leader(store, an_app(declare=each_minute).schedules, clock)
    assert leader.look() <= 5.0
    assert slots(store) == []
    clock.pass_(1.0)
    leader.look()
    leader.look()
    assert slots(store) == [1]
    clock.pass_(0.99)
    assert leader.look() == pytest.approx(0.6)
    assert slots(store) == [1]


def test_the_job_is_as_it_was_declared(store: Store, clock: Clock) -> None:
    def declare(app: App) -> None:
        app.schedule("nightly", app.job_class("work").call(7), cron="30 12 * * *", queue="low")

    leader = Leader(store, an_app(declare=declare).schedules, clock)
    leader.look()
    clock.pass_(31)
    leader.look()
    [(job_id, (head, args))] = jobs(store).items()
    assert (head.queue, head.extras, head.due_ms, args) == ("low", "s:nightly", clock.now_ms, {"n": 7})
    assert store.command("LRANGE", keys.lane("low", "pod"), 0, -1) == [job_id.encode()]
    assert store.command("HGET", keys.TOTALS, "accepted") == b"1"


def test_nothing_before_the_declaration_was_missed(store: Store, clock: Clock) -> None:
    clock.pass_(0.5)
    leader = Leader(store, an_app(declare=each_minute).schedules, clock)
    leader.look()
    assert slots(store) == []


class Overtaking:
    """Acts once when a leader has worked out what to tick and not yet ticked."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act
        self.reached = False

    def __call__(self, point: str) -> None:
        if point == "schedules.planned" and not self.reached:
            self.reached = True
            self._act()

    def __enter__(self) -> Overtaking:
        points.install(self)
        return self

    def __exit__(self, *_: object) -> None:
        points.install(None)


def test_of_two_leaders_at_once_one_makes_the_job(store: Store, clock: Clock) -> None:
    catalogue = an_app(declare=each_minute).schedules
    first, second = Leader(store, catalogue, clock), Leader(store, catalogue, clock)
    first.look()
    clock.pass_(1.2)
    with Overtaking(second.look) as overtaking:
        first.look()
    assert overtaking.reached
    assert slots(store) == [1]
    assert store.command("HGET", keys.TOTALS, "accepted") == b"1"


def test_a_look_that_was_overtaken_is_refused_whole(store: Store, clock: Clock) -> None:
    """`one` after an outage: the slower leader chose another slot, which the script must not let through."""
    catalogue = an_app(declare=lambda app: each_minute(app, "one")).schedules
    slow, quick = Leader(store, catalogue, clock), Leader(store, catalogue, clock)
    slow.look()
    clock.pass_(5.5)

    def overtake() -> None:
        clock.pass_(1.0)
        quick.look()

    with Overtaking(overtake) as overtaking:
        slow.look()
    assert overtaking.reached
    assert slots(store) == [6]


def test_a_pause_counts_for_a_leader_that_has_looked_already(store: Store, clock: Clock) -> None:
    leader = Leader(store, an_app(declare=each_minute).schedules, clock)
    leader.look()
    clock.pass_(1.0)
    with Overtaking(lambda: Schedules(store).pause("minutely", reason="maintenance", owner="ada")):
        leader.look()
    assert slots(store) == []


@pytest.mark.parametrize(("catch_up", "expected"), [("none", []), ("one", [120]), ("all", [60, 120])])
def test_what_fell_due_while_nobody_led(
    store: Store, clock: Clock, catch_up: str, expected: list[int]
) -> None:
    def hourly(app: App) -> None:
        app.schedule("hourly", app.job_class("work"), cron="0 * * * *", catch_up=catch_up)  # type: ignore[arg-type]

    catalogue = an_app(declare=hourly).schedules
    Leader(store, catalogue, clock).look()
    clock.pass_(150)
    Leader(store, catalogue, clock).look()
    assert slots(store) == expected
    clock.pass_(30)
    Leader(store, catalogue, clock).look()
    assert slots(store) == [*expected, 180]


def test_all_is_a_thousand_at_most_and_the_rest_is_said(
    store: Store, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    leader = Leader(store, an_app(declare=each_minute).schedules, clock)
    leader.look()
    clock.pass_(1500)
    leader.look()
    assert slots(store) == [*range(501, 1501)]
    assert "more than 1000 missed slots do not run" in caplog.text


@pytest.mark.parametrize("catch_up", ["none", "one", "all"])
def test_a_clock_that_jumps_ahead_and_back_neither_skips_nor_doubles(
    store: Store, clock: Clock, catch_up: str
) -> None:
    leader = Leader(store, an_app(declare=lambda app: each_minute(app, catch_up)).schedules, clock)
    leader.look()
    clock.pass_(1.0)
    leader.look()
    clock.pass_(9.0)  # a wrong jump: 12:10
    leader.look()
    clock.pass_(-8.5)  # set right: 12:01:30
    leader.look()
    for _ in range(24):
        clock.pass_(0.5)
        leader.look()
    assert slots(store) == [*range(1, 14)]


def test_a_clock_that_steps_back_over_a_slot_does_not_double_it(store: Store, clock: Clock) -> None:
    leader = Leader(store, an_app(declare=each_minute).schedules, clock)
    leader.look()
    clock.pass_(1.001)
    leader.look()
    clear(store)  # the job has run meanwhile
    for step in (-0.01, 0.02, -0.5, 0.6):
        clock.pass_(step)
        leader.look()
    assert slots(store) == []
    clock.pass_(0.9)
    leader.look()
    assert slots(store) == [2]


def clear(store: Store) -> None:
    store.command("DEL", keys.jobs(keys.POD_LANE))


def test_a_schedule_that_was_never_late_has_one_run(store: Store, clock: Clock) -> None:
    leader = Leader(store, an_app(declare=each_minute).schedules, clock)
    for _ in range(30):
        leader.look()
        clock.pass_(0.7)
    [(begin, end)] = Ledger(store).runs({"minutely": 0})["minutely"]
    assert begin == NOON_MS + 1
    assert end > NOON_MS + 19 * MINUTE_MS


def test_jitter_puts_the_job_into_the_schedule_for_the_same_time_on_every_try(
    store: Store, clock: Clock
) -> None:
    catalogue = an_app(declare=lambda app: each_minute(app, jitter=30)).schedules
    leader = Leader(store, catalogue, clock, pod_id=7)
    leader.look()
    clock.pass_(1.0)
    leader.look()
    [(job_id, (head, _))] = jobs(store).items()
    due = NOON_MS + MINUTE_MS + jitter_ms("minutely", 7, NOON_MS + MINUTE_MS, 30_000)
    assert head.due_ms == due
    assert store.command("ZSCORE", keys.SCHEDULE, job_id) == str(due).encode()


def test_a_unique_job_is_not_made_while_the_last_one_waits(store: Store, clock: Clock) -> None:
    app = App("shop")

    @app.job(name="sweep", unique=Unique())
    def sweep() -> None: ...

    app.schedule("sweep", sweep, every=60)
    leader = Leader(store, app.schedules, clock)
    leader.look()
    for _ in range(3):
        clock.pass_(1.0)
        leader.look()
    assert slots(store) == [1]


def test_expiry_counts_from_when_the_job_is_due(store: Store, clock: Clock) -> None:
    app = App("shop")

    @app.job(name="sweep", expires_in=90)
    def sweep() -> None: ...

    app.schedule("sweep", sweep, every=60)
    leader = Leader(store, app.schedules, clock)
    leader.look()
    clock.pass_(1.0)
    leader.look()
    [(head, _)] = jobs(store).values()
    assert record.read_extras(head.extras)["x"] == str(head.due_ms + 90_000)


# Computed intervals


def adaptive(app: App, catch_up: str = "all") -> None:
    def next_run(last: datetime | None) -> datetime:
        return (last or datetime(2026, 1, 1, 12, tzinfo=UTC)) + timedelta(minutes=3)

    app.schedule("adaptive", app.job_class("work"), next_run=next_run, catch_up=catch_up)  # type: ignore[arg-type]


def test_a_computed_interval_goes_on_from_slot_to_slot(store: Store, clock: Clock) -> None:
    catalogue = an_app(declare=adaptive).schedules
    for _ in range(20):
        Leader(store, catalogue, clock).look()
        clock.pass_(0.5)
    assert slots(store) == [3, 6, 9]


@pytest.mark.parametrize("catch_up", ["one", "all"])
def test_a_computed_interval_under_a_clock_that_jumps(store: Store, clock: Clock, catch_up: str) -> None:
    leader = Leader(store, an_app(declare=lambda app: adaptive(app, catch_up)).schedules, clock)
    for step in (3.0, 12.0, -11.0, *[0.5] * 30):
        leader.look()
        clock.pass_(step)
    assert slots(store) == [3, 6, 9, 12, 15, 18]


def test_a_computed_interval_whose_function_raises_stops_alone_and_says_so_once(
    store: Store, clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def declare(app: App) -> None:
        def next_run(last: datetime | None) -> datetime:
            raise LookupError("no such table")

        app.schedule("broken", app.job_class("work"), next_run=next_run)
        each_minute(app)

    monkeypatch.setattr("podwork.schedules.ticker.FAULT_SECONDS", 0.0)  # it is asked at every look
    leader = Leader(store, an_app(declare=declare).schedules, clock)
    for _ in range(4):
        leader.look()
        clock.pass_(0.5)
    assert slots(store) == [1]
    said = [entry for entry in caplog.records if "broken does not tick" in entry.message]
    assert [entry.levelno for entry in said] == [logging.ERROR]
    assert Ledger(store).read().kept["broken"].entry.fault == "next_run raised LookupError: no such table"


def test_a_leader_without_the_function_leaves_the_schedule_alone(store: Store, clock: Clock) -> None:
    newer = an_app(declare=adaptive)
    older = an_app()
    Leader(store, older.schedules, clock).look()
    Leader(store, newer.schedules, clock).look()
    clock.pass_(4)
    Leader(store, older.schedules, clock).look()
    assert slots(store) == []
    Leader(store, newer.schedules, clock).look()
    assert slots(store) == [3]


# What lies in Redis


def test_an_entry_that_cannot_be_read_stops_alone(
    store: Store, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    leader = Leader(store, an_app(declare=each_minute).schedules, clock)
    leader.look()
    store.command("HSET", keys.SCHEDULES, "odd", "17 {nonsense")
    for _ in range(3):
        clock.pass_(1.0)
        leader.look()
    assert slots(store) == [1, 2, 3]
    assert caplog.text.count("schedule odd cannot be read") == 1


def test_an_emptied_redis_learns_the_schedules_again(store: Store, clock: Clock) -> None:
    leader = Leader(store, an_app(declare=each_minute).schedules, clock)
    leader.look()
    store.command("FLUSHDB")
    leader.look()
    clock.pass_(1.0)
    leader.look()
    assert slots(store) == [1]


def test_a_tick_for_a_schedule_that_is_gone_makes_nothing(store: Store, clock: Clock) -> None:
    leader = Leader(store, an_app(declare=each_minute).schedules, clock)
    leader.look()
    clock.pass_(1.0)
    with Overtaking(lambda: store.command("DEL", keys.SCHEDULES)):
        leader.ticker.look()
    assert slots(store) == []


def test_a_slot_whose_job_is_still_here_does_not_tick_even_if_its_run_is_forgotten(
    store: Store, clock: Clock
) -> None:
    leader = Leader(store, an_app(declare=each_minute).schedules, clock)
    leader.look()
    clock.pass_(1.0)
    leader.look()
    store.command("DEL", keys.ticks("minutely"))
    clock.pass_(-0.5)
    leader.look()
    clock.pass_(0.5)
    leader.look()
    assert store.command("LLEN", keys.lane("default", "pod")) == 1


def test_a_slot_in_a_run_does_not_tick_whatever_the_leader_thinks(store: Store, clock: Clock) -> None:
    """The script itself compares: a leader that misread the runs makes nothing."""
    leader = Leader(store, an_app(declare=each_minute).schedules, clock)
    leader.look()
    run = ("ZADD", keys.ticks("minutely"), NOON_MS + 90_000, NOON_MS + 30_000)
    with Overtaking(lambda: store.command(*run)):
        clock.pass_(2.0)
        leader.look()
    assert slots(store) == [2]


def test_runs_that_meet_are_one(store: Store, clock: Clock) -> None:
    leader = Leader(store, an_app(declare=lambda app: each_minute(app, "one")).schedules, clock)
    leader.look()
    for step in (1.0, 9.0, -8.5):
        clock.pass_(step)
        leader.look()
    assert len(Ledger(store).runs({"minutely": 0})["minutely"]) == 2
    for _ in range(20):
        clock.pass_(0.5)
        leader.look()
    back_at = NOON_MS + int(1.5 * MINUTE_MS)
    assert Ledger(store).runs({"minutely": 0})["minutely"] == [
        (NOON_MS + 1, NOON_MS + MINUTE_MS),
        (back_at + 1, NOON_MS + 11 * MINUTE_MS),
    ]


def test_the_number_of_runs_is_bounded(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podwork.schedules.ledger.RUNS_LIMIT", 5)
    leader = Leader(store, an_app(declare=lambda app: each_minute(app, "one")).schedules, clock)
    for _ in range(10):
        leader.look()
        clock.pass_(3.0)
    runs = Ledger(store).runs({"minutely": 0})["minutely"]
    assert len(runs) == 5
    assert runs[-1].end == NOON_MS + 27 * MINUTE_MS


def test_a_slot_runs_even_if_the_one_after_it_cannot_be_computed(store: Store, clock: Clock) -> None:
    def declare(app: App) -> None:
        def next_run(last: datetime | None) -> datetime:
            if last is None:
                return datetime(2026, 1, 1, 12, 1, tzinfo=UTC)
            raise LookupError("no such table")

        app.schedule("once", app.job_class("work"), next_run=next_run)

    leader = Leader(store, an_app(declare=declare).schedules, clock)
    leader.look()
    clock.pass_(2)
    leader.look()
    assert slots(store) == [1]
    assert "LookupError" in Schedules(store).get("once").fault


def test_a_zone_that_this_machine_does_not_know_stops_alone(store: Store, clock: Clock) -> None:
    def declare(app: App) -> None:
        app.schedule("nightly", app.job_class("work"), cron="0 3 * * *", zone="Europe/Berlin")
        each_minute(app)

    catalogue = an_app(declare=declare).schedules
    elsewhere = catalogue._declared["nightly"]
    unknown = msgspec.structs.replace(elsewhere.timing, zone="Mars/Olympus")
    catalogue._declared["nightly"] = msgspec.structs.replace(elsewhere, timing=unknown)
    leader = Leader(store, catalogue, clock)
    leader.look()
    clock.pass_(1)
    leader.look()
    assert slots(store) == [1]
    state = Schedules(store).get("nightly")
    assert "no time zone 'Mars/Olympus'" in state.fault
    assert (state.words, state.next_run) == ("", None)
    assert Schedules(store).forecast(1)[0].schedule == "minutely"


def test_what_was_said_under_a_clock_ahead_counts_from_now_when_it_is_set_back(
    store: Store, clock: Clock
) -> None:
    clock.pass_(600)
    leader = Leader(store, an_app(declare=lambda app: each_minute(app, at_least_every=60)).schedules, clock)
    leader.look()
    clock.pass_(-600)
    leader.look()
    clock.pass_(2)
    leader.look()
    assert Ledger(store).read().kept["minutely"].entry.breached_ms == clock.now_ms
