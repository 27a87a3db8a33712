"""Declarations of several revisions in one pod: the latest start has the say, an operator's word stays."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from podwork import App, keys
from podwork.schedules.entry import FORGOTTEN_AFTER_MS
from podwork.schedules.ledger import Ledger
from podwork.schedules.schedules import Schedules
from podwork.store import Store
from tests.support.schedules import MINUTE_MS, NOON_MS, Clock, Leader, an_app, slots


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = Store(store_url)
    yield store
    store.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def minutely(app: App) -> None:
    app.schedule("beat", app.job_class("work").call(1), every=60)


def hourly(app: App) -> None:
    app.schedule("beat", app.job_class("work").call(2), every=3600)


def test_the_latest_start_has_the_say_whoever_leads(store: Store, clock: Clock) -> None:
    older, newer = an_app(declare=minutely).schedules, an_app(declare=hourly).schedules
    leader, newcomer = Leader(store, older, clock), Leader(store, newer, clock)
    leader.look()
    newcomer.life.is_leader = False
    newcomer.look()
    leader.look()
    entry = Ledger(store).read().kept["beat"].entry
    assert (entry.declaration.work.args, entry.timing.every_ms) == ('{"n":2}', 3_600_000)
    clock.pass_(60)
    leader.look()
    assert slots(store) == [60]


def test_the_same_code_started_anew_is_a_later_start(store: Store, clock: Clock) -> None:
    """A rollback: the old code comes back, and wins over what was newer."""
    Leader(store, an_app(declare=minutely).schedules, clock).look()
    Leader(store, an_app(declare=hourly).schedules, clock).look()
    Leader(store, an_app(declare=minutely).schedules, clock).look()
    assert Ledger(store).read().kept["beat"].entry.timing.every_ms == MINUTE_MS


def test_a_write_of_code_that_was_overtaken_meanwhile_is_refused(store: Store, clock: Clock) -> None:
    ledger = Ledger(store)
    assert ledger.announce("shop", "first")
    assert ledger.announce("shop", "second")
    assert not ledger.announce("shop", "first")
    assert ledger.announce("shop", "second")
    Leader(store, an_app("other", minutely).schedules, clock).look()
    kept = ledger.read().kept["beat"]
    assert not ledger.write("beat", kept, kept.entry, ("shop", "first"))
    assert ledger.write("beat", kept, kept.entry, ("shop", "second"))


def test_a_schedule_that_is_no_longer_declared_stops_and_is_forgotten_after_a_week(
    store: Store, clock: Clock
) -> None:
    before = Leader(store, an_app(declare=minutely).schedules, clock)
    before.look()
    clock.pass_(1)
    before.look()
    leader = Leader(store, an_app().schedules, clock)
    leader.look()
    clock.pass_(5)
    leader.look()
    assert slots(store) == [1]
    assert Schedules(store).list() == []
    [state] = Schedules(store).list(removed=True)
    assert (state.removed, state.next_run) == (True, None)
    store.command("HSET", keys.SUCCESSES, "beat", 1)
    clock.now_ms += FORGOTTEN_AFTER_MS
    leader.look()
    assert Schedules(store).list(removed=True) == []
    assert store.command("EXISTS", keys.ticks("beat"), keys.SCHEDULES, keys.SUCCESSES) == 0


def test_a_schedule_that_comes_back_did_not_miss_the_time_between(store: Store, clock: Clock) -> None:
    declared = an_app(declare=minutely).schedules
    Leader(store, declared, clock).look()
    Leader(store, an_app().schedules, clock).look()
    clock.pass_(30.5)
    back = Leader(store, an_app(declare=minutely).schedules, clock)
    back.look()
    assert slots(store) == []
    clock.pass_(1)
    back.look()
    assert slots(store) == [31]


def test_a_rollback_finds_a_pause_as_it_was(store: Store, clock: Clock) -> None:
    Leader(store, an_app(declare=minutely).schedules, clock).look()
    Schedules(store).pause("beat", reason="careful", owner="ada")
    Leader(store, an_app().schedules, clock).look()
    Leader(store, an_app(declare=minutely).schedules, clock).look()
    paused = Schedules(store).get("beat").paused
    assert paused is not None
    assert paused.owner == "ada"


def test_an_operators_word_survives_a_deployment(store: Store, clock: Clock) -> None:
    Leader(store, an_app(declare=minutely).schedules, clock).look()
    schedules = Schedules(store)
    schedules.set("beat", every=300, reason="too much load", owner="ada")
    schedules.pause("beat", reason="maintenance", owner="ada")

    def changed(app: App) -> None:
        app.schedule("beat", app.job_class("work").call(9), every=120, description="new text")

    Leader(store, an_app(declare=changed).schedules, clock).look()
    state = schedules.get("beat")
    assert (state.args, state.description) == ({"n": 9}, "new text")
    assert (state.every_seconds, state.paused is not None) == (300.0, True)
    assert schedules.reset("beat").every_seconds == 120.0


def test_a_deployment_that_leaves_the_rhythm_alone_misses_nothing(store: Store, clock: Clock) -> None:
    Leader(store, an_app(declare=minutely).schedules, clock).look()
    clock.pass_(3.5)

    def other_work(app: App) -> None:
        app.schedule("beat", app.job_class("work").call(2), every=60, catch_up="all")

    Leader(store, an_app(declare=other_work).schedules, clock).look()
    assert slots(store) == [1, 2, 3]


def test_a_new_rhythm_begins_now(store: Store, clock: Clock) -> None:
    Leader(store, an_app(declare=hourly).schedules, clock).look()
    clock.pass_(30.5)

    def often(app: App) -> None:
        app.schedule("beat", app.job_class("work"), every=60, catch_up="all")

    leader = Leader(store, an_app(declare=often).schedules, clock)
    leader.look()
    assert slots(store) == []
    clock.pass_(1)
    leader.look()
    assert slots(store) == [31]


def test_two_applications_of_a_pod_leave_each_other_alone(store: Store, clock: Clock) -> None:
    shop, admin = (
        an_app("shop", minutely),
        an_app("admin", lambda app: app.schedule("tidy", app.job_class("work"), every=60)),
    )
    first, second = Leader(store, shop.schedules, clock), Leader(store, admin.schedules, clock)
    first.look()
    second.look()
    first.look()
    assert [state.name for state in Schedules(store).list()] == ["beat", "tidy"]
    stranger = Leader(store, an_app("third", hourly).schedules, clock)
    stranger.look()
    assert Schedules(store).get("beat").app == "shop"


def test_every_child_declares_though_it_does_not_lead(store: Store, clock: Clock) -> None:
    follower = Leader(store, an_app(declare=minutely).schedules, clock)
    follower.life.is_leader = False
    follower.look()
    assert [state.name for state in Schedules(store).list()] == ["beat"]
    clock.pass_(5)
    follower.look()
    assert slots(store) == []


def test_a_follower_that_finds_everything_declared_ticks_nothing(store: Store, clock: Clock) -> None:
    catalogue = an_app(declare=minutely).schedules
    Leader(store, catalogue, clock).look()
    clock.pass_(5)
    follower = Leader(store, catalogue, clock)
    follower.life.is_leader = False
    follower.look()
    assert slots(store) == []


def test_a_follower_that_has_declared_asks_redis_nothing(store: Store, clock: Clock) -> None:
    follower = Leader(store, an_app(declare=minutely).schedules, clock)
    follower.life.is_leader = False
    follower.look()
    before = store.client.info("stats")["total_commands_processed"]
    for _ in range(10):
        follower.ticker.look()
    assert store.client.info("stats")["total_commands_processed"] - before <= 1


def test_an_idle_leader_costs_four_commands_a_look(store: Store, clock: Clock) -> None:
    leader = Leader(store, an_app(declare=hourly).schedules, clock)
    assert leader.look() == 5.0
    before = store.client.info("stats")["total_commands_processed"]
    for _ in range(10):
        assert leader.ticker.look() == 5.0
    assert store.client.info("stats")["total_commands_processed"] - before <= 41


def test_starts_are_remembered_up_to_a_bound(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podwork.schedules.ledger.CATALOGUES_LIMIT", 3)
    for number in range(6):
        assert Ledger(store).announce("shop", f"start{number}")
    assert store.command("ZRANGE", keys.catalogues("shop"), 0, -1) == [b"start3", b"start4", b"start5"]


def test_what_happens_to_declarations_is_said(
    store: Store, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    Leader(store, an_app(declare=minutely).schedules, clock).look()
    Leader(store, an_app(declare=hourly).schedules, clock).look()
    Leader(store, an_app().schedules, clock).look()
    said = [entry.message for entry in caplog.records if "beat" in entry.message]
    assert said == [
        "schedule beat: is new",
        "schedule beat: has another declaration",
        "schedule beat: is not declared any more and stops",
    ]
    assert clock.now_ms == NOON_MS
