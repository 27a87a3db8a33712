"""What operators see and change, and service levels, against real servers."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from podwork import App, keys
from podwork.errors import ConfigurationError
from podwork.queues import Queues
from podwork.schedules.ledger import Ledger
from podwork.schedules.schedules import ScheduleBusy, Schedules, UnknownSchedule
from podwork.store import Store
from podwork.unique import Unique
from tests.support.schedules import MINUTE_MS, NOON_MS, Clock, Leader, TurnedLedger, an_app, jobs, slots

WHO: dict[str, Any] = {"reason": "load", "owner": "ada"}
NOON = NOON_MS / 1000


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = Store(store_url)
    yield store
    store.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def declare(app: App) -> None:
    app.schedule(
        "beat", app.job_class("work").call(3), cron="*/5 * * * *", zone="America/Toronto", catch_up="all",
        description="Keeps the pulse",
    )  # fmt: skip
    app.schedule("rare", app.job_class("work"), every=timedelta(hours=6), jitter=600)


@pytest.fixture
def leader(store: Store, clock: Clock) -> Leader:
    leader = Leader(store, an_app(declare=declare).schedules, clock)
    leader.look()
    return leader


@pytest.fixture
def schedules(store: Store, clock: Clock, leader: Leader) -> Schedules:
    """The operators' side, on the test's clock."""
    schedules = Schedules(store, pod_id=7)
    schedules._ledger = TurnedLedger(store, clock)
    return schedules


def test_a_schedule_as_it_is_seen(schedules: Schedules, leader: Leader, clock: Clock) -> None:
    clock.pass_(5)
    leader.look()
    assert [state.name for state in schedules.list()] == ["beat", "rare"]
    beat = schedules.get("beat")
    assert (beat.app, beat.job_class, beat.queue, beat.args) == ("shop", "work", "default", {"n": 3})
    assert (beat.cron, beat.zone, beat.every_seconds, beat.catch_up) == (
        "*/5 * * * *",
        "America/Toronto",
        None,
        "all",
    )
    assert beat.words == "Every fifth minute of every hour, America/Toronto"
    assert (beat.last_run, beat.next_run) == (NOON + 300, NOON + 600)
    assert beat.last_job in jobs(leader.ticker._ledger.store)
    assert (beat.paused, beat.changed, beat.removed, beat.fault) == (None, {}, False, "")
    rare = schedules.get("rare")
    assert (rare.every_seconds, rare.jitter_seconds, rare.words) == (21600.0, 600.0, "Every 6 hours")


@pytest.mark.parametrize("action", ["get", "run", "resume", "reset", "pause", "set", "forecast"])
def test_a_schedule_that_the_pod_does_not_know(schedules: Schedules, action: str) -> None:
    arguments: dict[str, Any] = {"pause": WHO, "set": {**WHO, "every": 5}}.get(action, {})
    with pytest.raises(UnknownSchedule, match="the pod's schedules are: beat, rare"):
        getattr(schedules, action)(name="bear", **arguments)


def test_run_now_pushes_a_job_and_leaves_the_slots_alone(
    schedules: Schedules, leader: Leader, store: Store, clock: Clock
) -> None:
    schedules.pause("beat", **WHO)
    job_id = schedules.run("beat")
    [(found, (head, args))] = jobs(store).items()
    assert (found, head.extras, args) == (job_id, "s:beat", {"n": 3})
    assert store.command("LRANGE", keys.lane("default", "pod"), 0, -1) == [job_id.encode()]
    assert schedules.get("beat").last_run is None


def test_run_now_of_a_unique_job_gives_the_one_that_is_there(store: Store, clock: Clock) -> None:
    app = App("shop")

    @app.job(name="sweep", unique=Unique(), expires_in=60)
    def sweep() -> None: ...

    app.schedule("sweep", sweep, every=3600)
    Leader(store, app.schedules, clock).look()
    first = Schedules(store).run("sweep")
    assert Schedules(store).run("sweep") == first
    assert len(jobs(store)) == 1


def test_a_pause_stops_the_slots_and_resuming_catches_nothing_up(
    schedules: Schedules, leader: Leader, store: Store, clock: Clock
) -> None:
    paused = schedules.pause("beat", reason="migration", owner="ada").paused
    assert paused == ("ada", "migration", NOON)
    assert schedules.get("beat").next_run is None
    clock.pass_(12)
    leader.look()
    assert slots(store) == []
    assert schedules.resume("beat").paused is None
    leader.look()
    assert slots(store) == []
    clock.pass_(3)
    leader.look()
    assert slots(store) == [15]


def test_resuming_what_is_not_paused_changes_nothing(
    schedules: Schedules, store: Store, clock: Clock
) -> None:
    before = Ledger(store).read().kept["beat"]
    clock.pass_(12)
    schedules.resume("beat")
    schedules.reset("beat")
    assert Ledger(store).read().kept["beat"] == before


def test_the_timing_is_changed_at_run_time(
    schedules: Schedules, leader: Leader, store: Store, clock: Clock
) -> None:
    state = schedules.set("beat", cron="*/7 * * * *", jitter=5, **WHO)
    assert (state.cron, state.zone, state.jitter_seconds, state.catch_up) == (
        "*/7 * * * *",
        "UTC",
        5.0,
        "all",
    )
    assert state.changed == {
        "cron": "*/7 * * * *",
        "zone": "UTC",
        "every_seconds": 0.0,
        "computed": False,
        "jitter_seconds": 5.0,
    }
    assert state.changed_by == ("ada", "load", NOON)
    schedules.set("beat", jitter=0, **WHO)
    clock.pass_(8)
    leader.look()
    assert slots(store) == [7]
    assert schedules.reset("beat").cron == "*/5 * * * *"
    clock.pass_(3)
    leader.look()
    assert slots(store) == [7, 10]


def test_another_kind_of_rhythm(schedules: Schedules) -> None:
    state = schedules.set("beat", every=timedelta(minutes=1), **WHO)
    assert (state.cron, state.zone, state.every_seconds) == (None, "UTC", 60.0)
    state = schedules.set("rare", cron="0 3 * * *", zone="Europe/Berlin", **WHO)
    assert (state.cron, state.zone, state.every_seconds) == ("0 3 * * *", "Europe/Berlin", None)
    assert schedules.set("rare", zone="Asia/Tokyo", **WHO).zone == "Asia/Tokyo"
    assert schedules.set("rare", catch_up="none", at_least_every=60, **WHO).sla_seconds == 60.0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"cron": "* * *"}, "schedule beat: cron: .*Wrong number"),
        ({"zone": "Mars/Olympus"}, "zone: there is no time zone"),
        ({"every": 0.1}, "every: .*one second or more"),
        ({"every": 5, "cron": "* * * * *"}, "give one of cron, every"),
        ({"catch_up": "some"}, "catch_up: 'some'"),
    ],
)
def test_a_change_that_cannot_be_meant_so_changes_nothing(
    schedules: Schedules, store: Store, change: dict[str, Any], says: str
) -> None:
    before = Ledger(store).read().kept["beat"]
    with pytest.raises(ConfigurationError, match=says):
        schedules.set("beat", **change, **WHO)
    assert Ledger(store).read().kept["beat"] == before


def test_of_two_changes_at_once_neither_is_lost(schedules: Schedules, store: Store, clock: Clock) -> None:
    """The second finds that the first was faster, reads again, and adds its own."""

    class Late(TurnedLedger):
        def write(self, *arguments: Any, **options: Any) -> bool:
            if not self.was_late:
                self.was_late = True
                Schedules(store).set("beat", jitter=9, **WHO)
            return super().write(*arguments, **options)

        was_late = False

    schedules._ledger = Late(store, clock)
    schedules.set("beat", catch_up="none", **WHO)
    state = Schedules(store).get("beat")
    assert (state.jitter_seconds, state.catch_up) == (9.0, "none")


def test_a_schedule_that_never_stands_still(schedules: Schedules, store: Store, clock: Clock) -> None:
    class Refused(TurnedLedger):
        def write(self, *_arguments: Any, **_options: Any) -> bool:
            return False

    schedules._ledger = Refused(store, clock)
    with pytest.raises(ScheduleBusy):
        schedules.pause("beat", **WHO)


def test_the_forecast_merges_all_schedules_in_order(schedules: Schedules) -> None:
    runs = schedules.forecast(3)
    assert [(run.schedule, run.slot - NOON) for run in runs] == [("beat", 300), ("beat", 600), ("beat", 900)]
    late = schedules.forecast(4, start=NOON + 6 * 3600 - 60)
    assert [run.schedule for run in late] == ["beat", "rare", "beat", "beat"]
    [rare] = schedules.forecast(1, name="rare")
    assert NOON + 6 * 3600 <= rare.due < NOON + 6 * 3600 + 600
    schedules.pause("beat", **WHO)
    assert {run.schedule for run in schedules.forecast(3)} == {"rare"}


def test_the_forecast_of_a_computed_interval(store: Store, clock: Clock) -> None:
    def next_run(last: datetime | None) -> datetime:
        return (last or datetime(2026, 1, 1, 12, tzinfo=UTC)) + timedelta(minutes=3)

    app = an_app(declare=lambda app: app.schedule("adaptive", app.job_class("work"), next_run=next_run))
    leader = Leader(store, app.schedules, clock)
    leader.look()
    clock.pass_(4)
    leader.look()

    def forecast(functions: Any) -> list[float]:
        schedules = Schedules(store, functions=functions)
        schedules._ledger = TurnedLedger(store, clock)
        assert schedules.get("adaptive").next_run == NOON + 360
        return [(run.slot - NOON) / 60 for run in schedules.forecast(3)]

    assert forecast(None) == [6.0], "without its function only what the leader has worked out is known"
    assert forecast(app.schedules.functions) == [6.0, 9.0, 12.0]


# Service levels


def promised(app: App) -> None:
    app.schedule("beat", app.job_class("work"), every=60, catch_up="all", at_least_every=150)


def succeed(store: Store) -> None:
    """Run what is ready, as a worker does: claim and acknowledge."""
    queues = Queues(store)
    queues.register("host:1:a", {"pid": 1})
    queues.acknowledge("host:1:a", queues.claim("host:1:a", ["default"], 100))


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [entry.event_name for entry in caplog.records if hasattr(entry, "event_name")]


def test_a_breach_is_told_once_when_it_begins_and_once_when_it_is_over(
    store: Store, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    catalogue = an_app(declare=promised).schedules
    leaders = [Leader(store, catalogue, clock), Leader(store, catalogue, clock)]
    for _ in range(10):
        for leader in leaders:
            leader.look()
        clock.pass_(0.5)
    assert events(caplog) == ["schedule_sla_breached"]
    [breach] = [entry for entry in caplog.records if hasattr(entry, "event_name")]
    assert "is to succeed every 150 s and last did so never" in breach.message
    assert (vars(breach)["schedule"], vars(breach)["sla_seconds"]) == ("beat", 150.0)
    store.command("HSET", keys.SUCCESSES, "beat", clock.now_ms)
    for leader in leaders:
        leader.look()
    assert events(caplog) == ["schedule_sla_breached", "schedule_sla_kept_again"]


def test_a_leader_that_was_overtaken_tells_no_event(
    store: Store, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    catalogue = an_app(declare=promised).schedules
    slow, quick = Leader(store, catalogue, clock), Leader(store, catalogue, clock)
    slow.look()
    clock.pass_(3)

    class Overtaken(TurnedLedger):
        def write(self, *arguments: Any, **options: Any) -> bool:
            quick.look()
            return super().write(*arguments, **options)

    slow.ticker._ledger = Overtaken(store, clock)
    slow.look()
    assert events(caplog) == ["schedule_sla_breached"]


def test_success_is_noted_by_the_step_that_ends_the_job(store: Store) -> None:
    clock = Clock()
    leader = Leader(store, an_app(declare=promised).schedules, clock)
    leader.look()
    assert Schedules(store).get("beat").last_success is None
    Schedules(store).run("beat")
    succeed(store)
    state = Schedules(store).get("beat")
    seconds, _ = store.command("TIME")
    assert state.last_success == pytest.approx(int(seconds), abs=5)
    assert state.sla_seconds == 150.0


def test_a_new_service_level_is_measured_from_now(store: Store, clock: Clock) -> None:
    leader = Leader(
        store,
        an_app(declare=lambda app: app.schedule("beat", app.job_class("work"), every=60)).schedules,
        clock,
    )
    leader.look()
    clock.pass_(30)
    leader.look()
    schedules = Schedules(store)
    schedules._ledger = TurnedLedger(store, clock)
    assert not schedules.set("beat", at_least_every=60, **WHO).breached
    clock.pass_(1.1)
    assert schedules.get("beat").breached
    assert not schedules.set("beat", at_least_every=0, **WHO).breached


def test_a_paused_schedule_still_has_its_service_level(store: Store, clock: Clock) -> None:
    leader = Leader(store, an_app(declare=promised).schedules, clock)
    leader.look()
    schedules = Schedules(store)
    schedules._ledger = TurnedLedger(store, clock)
    schedules.pause("beat", **WHO)
    clock.pass_(3)
    assert schedules.get("beat").breached


def test_a_success_ahead_of_a_clock_that_was_set_back_hides_no_breach(
    store: Store, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    leader = Leader(store, an_app(declare=promised).schedules, clock)
    leader.look()
    store.command("HSET", keys.SUCCESSES, "beat", clock.now_ms + 600 * MINUTE_MS)
    leader.look()
    clock.pass_(3)
    leader.look()
    assert events(caplog)[0] == "schedule_sla_breached"
