"""Unique jobs and idempotency keys: two jobs of one lock never wait at once, and a lock dies with its job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from podwork import App, keys
from podwork.interventions import Interventions
from podwork.job import JobClass
from podwork.parcel import Parcel, PushOptions, parcel_of
from podwork.queues import End, Queues
from podwork.store import Store
from podwork.unique import Unique, carried_locks
from tests.support.engine import A, B, claim, counts, die, expire, ids, push_call, state
from tests.support.wait import until


@pytest.fixture
def queues(store_url: str) -> Queues:
    queues = Queues(Store(store_url), lease_seconds=30)
    queues.register(A, {"pid": 1})
    queues.register(B, {"pid": 2})
    return queues


def declare(unique: Unique | None, queue: str = "default") -> JobClass[Any]:
    app = App("unique")

    @app.job(name="collect", unique=unique, queue=queue)
    def collect(n: int = 0, note: str = "") -> None:
        """Do nothing."""

    return collect


def test_the_second_is_not_stored_and_answers_the_first_ones_id(queues: Queues) -> None:
    collect = declare(Unique())
    first = push_call(queues, collect, n=1)
    assert first.what == "accepted"
    assert push_call(queues, collect, n=1) == ("kept", first.id)
    assert push_call(queues, collect, n=2).what == "accepted"
    assert push_call(queues, collect, n=1, shop_id=8).what == "accepted"
    assert counts(queues)[0] == 3


def test_only_the_named_arguments_count(queues: Queues) -> None:
    collect = declare(Unique(by=("n",)))
    first = push_call(queues, collect, n=1, note="a")
    assert push_call(queues, collect, n=1, note="b") == ("kept", first.id)


@pytest.mark.parametrize("until_", ["start", "success"])
def test_until_start_or_success(queues: Queues, until_: Any) -> None:
    collect = declare(Unique(until=until_))
    push_call(queues, collect)
    [held] = claim(queues)
    assert push_call(queues, collect).what == "kept", "claimed is not started"
    assert queues.start(A, held)
    after_start = push_call(queues, collect)
    assert after_start.what == ("accepted" if until_ == "start" else "kept")
    queues.acknowledge(A, [held])
    assert push_call(queues, collect).what == ("kept" if until_ == "start" else "accepted")


@pytest.mark.parametrize("way", ["acknowledge", "complete", "discard", "bury", "cancel", "dropped"])
def test_the_lock_dies_with_its_job(queues: Queues, way: str) -> None:
    collect = declare(Unique())
    job_id = push_call(queues, collect).id
    [held] = claim(queues)
    ways: dict[str, Callable[[], object]] = {
        "acknowledge": lambda: queues.acknowledge(A, [held]),
        "complete": lambda: queues.turn(A, [End(held)], ["default"], 0),
        "discard": lambda: queues.turn(A, [End(held, "discarded")], ["default"], 0),
        "bury": lambda: queues.bury(A, held, "error"),
        "cancel": lambda: (queues.release(A, [held]), Interventions(queues.store).cancel([job_id])),
        # Even a record that somebody deleted by hand leaves no lock behind.
        "dropped": lambda: queues.store.command("HDEL", keys.jobs("7"), job_id),
    }
    ways[way]()
    assert push_call(queues, collect).what == "accepted"


@pytest.mark.parametrize("way", ["retry", "release", "die", "park"])
def test_the_lock_lives_as_long_as_the_job_is_to_run_again(queues: Queues, way: str) -> None:
    collect = declare(Unique())
    first = push_call(queues, collect)
    [held] = claim(queues)
    ways: dict[str, Callable[[], object]] = {
        "retry": lambda: queues.retry(A, held, 4e9, "error"),
        "release": lambda: queues.release(A, [held]),
        "die": lambda: die(queues, A),
        "park": lambda: queues.park(A, held),
    }
    ways[way]()
    assert push_call(queues, collect) == ("kept", first.id)


def test_a_period_outlives_the_job_and_ends_by_itself(queues: Queues) -> None:
    collect = declare(Unique(period_seconds=0.15))
    first = push_call(queues, collect)
    queues.acknowledge(A, claim(queues))
    assert push_call(queues, collect) == ("kept", first.id)
    until(lambda: push_call(queues, collect).what == "accepted")


def test_a_period_of_a_job_that_was_cancelled_is_over(queues: Queues) -> None:
    collect = declare(Unique(period_seconds=3600))
    first = push_call(queues, collect)
    Interventions(queues.store).cancel([first.id])
    assert push_call(queues, collect).what == "accepted"


def test_what_a_period_leaves_behind_is_swept(queues: Queues) -> None:
    push_call(queues, declare(Unique(period_seconds=0.05)))
    queues.acknowledge(A, claim(queues))
    until(lambda: queues.sound_alarms() == 1)
    assert queues.store.command("EXISTS", keys.locks("7"), keys.ALARMS) == 0


def test_replace_gives_the_waiting_job_the_new_arguments(queues: Queues) -> None:
    collect = declare(Unique(by=("n",), conflict="replace"))
    first = push_call(queues, collect, n=1, note="old")
    assert push_call(queues, collect, n=1, note="new") == ("replaced", first.id)
    [held] = claim(queues)
    assert (held.id, held.args["note"]) == (first.id, "new")
    assert counts(queues) == (0, 1, 0, 0, 0)


def test_replace_moves_a_scheduled_job_to_the_new_time(queues: Queues) -> None:
    collect = declare(Unique(by=("n",), conflict="replace"))
    first = push_call(queues, collect, options=PushOptions(at=4e9), n=1)
    assert state(queues, first.id) == "scheduled"
    assert push_call(queues, collect, n=1, note="now") == ("replaced", first.id)
    assert ids(claim(queues)) == [first.id]


@pytest.mark.parametrize("conflict", ["replace", "reschedule"])
def test_once_more_after_the_one_that_runs_and_only_once(queues: Queues, conflict: Any) -> None:
    collect = declare(Unique(by=("n",), conflict=conflict))
    push_call(queues, collect, n=1, note="first")
    [held] = claim(queues)
    second = push_call(queues, collect, n=1, note="second")
    assert second.what == "after"
    assert state(queues, second.id) == "parked"
    third = push_call(queues, collect, n=1, note="third")
    assert third == ("kept" if conflict == "reschedule" else "replaced", second.id)
    assert claim(queues) == []
    queues.acknowledge(A, [held])
    [again] = claim(queues)
    assert (again.id, again.args["note"]) == (second.id, "second" if conflict == "reschedule" else "third")
    assert push_call(queues, collect, n=1).what == "after", "the lock is the second one's now"


@pytest.mark.parametrize("way", ["bury", "discard", "die and bury"])
def test_who_waits_for_an_end_is_let_in_however_it_ends(queues: Queues, way: str) -> None:
    collect = declare(Unique(conflict="reschedule"))
    push_call(queues, collect)
    [held] = claim(queues)
    second = push_call(queues, collect)
    if way == "bury":
        queues.bury(A, held, "error")
    elif way == "discard":
        queues.turn(A, [End(held, "discarded")], ["default"], 0)
    else:
        queues.start(A, held, at_most_once=True)
        expire(queues, A)
        queues.reclaim()
    assert ids(claim(queues, who=B)) == [second.id]


def test_who_waits_stays_waiting_while_the_first_is_retried(queues: Queues) -> None:
    collect = declare(Unique(conflict="reschedule"))
    push_call(queues, collect)
    [held] = claim(queues)
    second = push_call(queues, collect)
    queues.retry(A, held, 0, "error")
    queues.promote()
    [again] = claim(queues)
    assert again.id == held.id
    assert state(queues, second.id) == "parked"


def test_an_idempotency_key_answers_the_same_id_even_after_the_job_ended(queues: Queues) -> None:
    collect = declare(None)
    options = PushOptions(idempotency_key="order-9")
    first = push_call(queues, collect, options=options, n=1)
    queues.acknowledge(A, claim(queues))
    assert push_call(queues, collect, options=options, n=1) == ("kept", first.id)
    assert push_call(queues, collect, options=PushOptions(idempotency_key="order-10"), n=1).what == "accepted"
    assert counts(queues)[0] == 1


def test_a_push_that_is_sent_again_is_the_same_job(queues: Queues) -> None:
    parcel = parcel_of(declare(Unique()), {"n": 1}, 7, 1)
    assert queues.push_locked(parcel, 1) == queues.push_locked(parcel, 1) == ("accepted", parcel.id)
    assert counts(queues)[0] == 1


def test_a_locked_push_obeys_the_gate(queues: Queues) -> None:
    parcel = parcel_of(declare(Unique()), {"n": 1}, 7, 1)
    queues.set_gate(7, "hold", 1, 1)
    assert queues.push_locked(parcel, 1) == (0, None, 0)
    queues.set_gate(7, "moved", 5, 3)
    assert queues.push_locked(parcel, 1) == (0, 3, 5)
    assert queues.store.command("EXISTS", keys.locks("7"), keys.jobs("7")) == 0


def test_a_dead_job_that_runs_again_takes_its_lock_again_if_it_is_free(queues: Queues) -> None:
    collect = declare(Unique())
    first = push_call(queues, collect)
    [held] = claim(queues)
    queues.bury(A, held, "error")
    Interventions(queues.store).retry([first.id])
    assert push_call(queues, collect) == ("kept", first.id)


def test_follow_ups_are_stored_with_the_end_and_under_their_locks(queues: Queues) -> None:
    collect = declare(Unique())
    push_call(queues, collect, n=1)
    [held] = claim(queues)
    same, other = parcel_of(collect, {"n": 1}, 7, 1), parcel_of(collect, {"n": 2}, 7, 1)
    refused, _ = queues.turn(A, [End(held, "", [same, other, other])], ["default"], 0)
    assert refused == []
    assert sorted(ids(claim(queues))) == sorted([same.id, other.id]), "its own lock was free by then"
    refused, _ = queues.turn(A, [End(held, "", [same])], ["default"], 0)
    assert refused == [held.id]
    assert counts(queues)[0] == 0


def test_a_forwarded_job_takes_its_lock_along_and_leaves_none_behind(queues: Queues) -> None:
    collect = declare(Unique(conflict="reschedule"))
    push_call(queues, collect)
    [held] = claim(queues)
    second = push_call(queues, collect)
    assert queues.forget(A, held)
    assert ids(claim(queues)) == [second.id], "who waited for it is let in, and follows"
    stored = held.record(error="")
    parcel = Parcel(
        "default", 7, held.id, "collect", 1, b"", 1, locks=carried_locks(held.extras), stored=stored
    )
    queues.set_gate(7, "open", 1, 1)
    assert queues.push_locked(parcel, 1) == ("accepted", held.id), "it was accepted once, and is not dropped"
    assert queues.push_locked(parcel, 1) == ("accepted", held.id)
    assert ids(claim(queues)) == [held.id], "and stands in one lane"


def test_a_forwarded_job_gets_the_lock_where_it_is_free(queues: Queues) -> None:
    collect = declare(Unique())
    push_call(queues, collect)
    [held] = claim(queues)
    queues.forget(A, held)
    parcel = Parcel(
        "default", 7, held.id, "collect", 1, b"", 1, locks=carried_locks(held.extras), stored=held.record()
    )
    queues.push_locked(parcel, 1)
    assert push_call(queues, collect) == ("kept", held.id)
