"""Partitions of a run, on SQLite and MariaDB: one owner, no batch lost or repeated, one end."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text

from podwork.iteration.collection import Slice
from podwork.iteration.states import RunState
from podwork_pods.errors import ShardUnprepared
from podwork_pods.iteration import left_out
from podwork_pods.iteration.errors import PartitionLost, UnknownRun
from podwork_pods.iteration.partition import Leaving, Partition, PartitionState
from podwork_pods.iteration.remembered import Locked
from podwork_pods.iteration.run import NewRun
from tests.support.iteration_stand import (
    NOW,
    RUN,
    BatchFailed,
    IterationStand,
    at_once,
    following,
    middle,
    together,
)
from tests.support.pause import hold
from tests.support.pods import server_connection, waits_for_a_lock
from tests.support.wait import until


@pytest.fixture(params=["sqlite", "mariadb"])
def stand(request: pytest.FixtureRequest) -> Iterator[IterationStand]:
    made = IterationStand(str(request.getfixturevalue(f"{request.param}_url")))
    made.prepare(rows=40)
    yield made
    made.close()


@pytest.fixture
def impatient(mariadb_url: str) -> Iterator[IterationStand]:
    made = IterationStand(mariadb_url, lock_wait_seconds=1)
    made.prepare(rows=40)
    yield made
    made.close()


# One owner


def test_a_partition_that_is_taken_is_not_given_to_another(stand: IterationStand) -> None:
    stand.start([20])
    first, second = stand.take("a"), stand.take("b")
    assert [(held.number, held.owner, held.lease_epoch) for held in (first, second)] == [
        (0, "a", 1),
        (1, "b", 1),
    ]
    assert first.slice == Slice(None, (20,))
    assert second.slice == Slice((20,), None)
    assert (first.leased_at, first.state) == (NOW, PartitionState.RUNNING)
    assert stand.leases.take(RUN, "c") is None


def test_two_who_saw_the_same_partition_do_not_both_get_it(stand: IterationStand) -> None:
    stand.start([20], parallel=2)
    with together("partitions.taking", 2):
        got = at_once(partial(stand.take, "a"), partial(stand.take, "b"))
    assert sorted(held.number for held in got) == [0, 1]
    assert sorted(held.slot for held in got) == [0, 1]


def test_two_who_saw_the_same_dead_owner_do_not_both_take_it_over(stand: IterationStand) -> None:
    stand.start()
    stand.take("dead")
    take = partial(stand.leases.take, RUN, dead_owners=["dead"])
    with together("partitions.taking", 2):
        got = at_once(partial(take, "a"), partial(take, "b"))
    [taken] = [held for held in got if held is not None]
    assert taken.lease_epoch == 2
    assert stand.read(0).owner == taken.owner


def test_no_more_are_held_at_once_than_the_run_allows(stand: IterationStand) -> None:
    """Both see one place left and different partitions to take it with."""
    stand.start([10, 20, 30], parallel=2)
    stand.take("a")
    with together("partitions.taking", 3):
        got = at_once(*(partial(stand.leases.take, RUN, owner) for owner in "bcd"))
    assert len([held for held in got if held is not None]) == 1
    assert sorted(held.slot for held in stand.partitions.of(RUN) if held.slot is not None) == [0, 1]


def test_a_lower_limit_holds_as_soon_as_those_above_it_have_let_go(stand: IterationStand) -> None:
    stand.start([10, 20, 30], parallel=3)
    held = [stand.take(owner) for owner in "abc"]
    with stand.engine.begin() as connection:
        stand.runs.set_parallel(connection, RUN, 1)
        orders = stand.runs.orders(connection, RUN)
    above = [one for one in held if one.slot is not None and one.slot >= orders.parallel]
    assert [one.owner for one in above] == ["b", "c"]
    assert stand.leases.take(RUN, "d") is None
    for one in above:
        assert stand.leases.release(one, Leaving.YIELDED)
    assert stand.leases.take(RUN, "d") is None
    stand.leases.release(held[0], Leaving.YIELDED)
    assert stand.take("d").slot == 0
    assert stand.leases.take(RUN, "e") is None


def test_what_a_dead_owner_left_keeps_its_place_below_the_limit(stand: IterationStand) -> None:
    stand.start([20], parallel=1)
    stand.take("dead")
    assert stand.leases.take(RUN, "b") is None
    taken = stand.take("b", dead_owners=["dead"])
    assert (taken.number, taken.slot, taken.interruptions) == (0, 0, 1)
    assert stand.leases.take(RUN, "c") is None


def test_two_who_take_different_partitions_do_not_get_the_same_place(stand: IterationStand) -> None:
    """Each knows of another dead owner, above a limit that was lowered; one place is free below it."""
    stand.start([10, 20], parallel=3)
    first, *_ = [stand.take(owner) for owner in "abc"]
    stand.batch(first, 40)
    with stand.engine.begin() as connection:
        stand.runs.set_parallel(connection, RUN, 1)
    take = partial(stand.leases.take, RUN)
    with together("partitions.taking", 2):
        got = at_once(partial(take, "d", dead_owners=["b"]), partial(take, "e", dead_owners=["c"]))
    [taken] = [held for held in got if held is not None]
    assert taken.slot == 0


def test_a_lease_that_was_renewed_is_not_taken_over(stand: IterationStand) -> None:
    stand.start()
    first = stand.take("a")
    stand.clock.advance(60)
    assert stand.leases.renew(first, throttle_reason="replica lag 3.1 s")
    assert stand.leases.take(RUN, "b", not_leased_since=NOW + 30) is None
    assert stand.read(0).throttle_reason == "replica lag 3.1 s"
    second = stand.take("b", not_leased_since=NOW + 61)
    assert second.lease_epoch == 2
    assert not stand.leases.renew(first)
    assert stand.read(0).leased_at == NOW + 60


def test_an_owner_that_comes_alive_while_it_is_taken_over_keeps_its_partition(stand: IterationStand) -> None:
    stand.start()
    first = stand.take("a")
    stand.clock.advance(60)
    got: list[Partition | None] = []

    def take_over() -> None:
        got.append(stand.leases.take(RUN, "b", not_leased_since=NOW + 30))

    with hold("partitions.taking") as held:
        taking = threading.Thread(target=take_over)
        taking.start()
        held.wait_reached()
        assert stand.leases.renew(first)
        held.go_on()
        taking.join()
    assert got == [None]
    assert stand.read(0).owner == "a"


def test_what_is_done_while_it_is_taken_over_stays_done(stand: IterationStand) -> None:
    stand.start()
    first = stand.take("a")
    got: list[Partition | None] = []
    with hold("partitions.taking") as held:
        taking = threading.Thread(target=lambda: got.append(stand.leases.take(RUN, "b", dead_owners=["a"])))
        taking.start()
        held.wait_reached()
        done = stand.batch(first, 50)
        held.go_on()
        taking.join()
    assert got == [None]
    assert stand.read(0) == done


@pytest.mark.parametrize("state", [RunState.PAUSING, RunState.CANCELLING])
def test_a_run_that_is_to_stop_hands_out_nothing(stand: IterationStand, state: RunState) -> None:
    stand.start()
    stand.transition(state)
    assert stand.leases.take(RUN, "a") is None


def test_an_unknown_run_hands_out_nothing(stand: IterationStand) -> None:
    with pytest.raises(UnknownRun, match="no run nobody"):
        stand.leases.take("nobody", "a")


# Zombies


def test_a_batch_commits_with_its_cursor_or_not_at_all(stand: IterationStand) -> None:
    stand.start()
    held = stand.batch(stand.take("a"), 15)
    assert (held.cursor, held.rows_done, held.batches, held.state) == ((15,), 15, 1, "running")
    with pytest.raises(BatchFailed):
        stand.batch_that_fails(held, 15)
    assert stand.read(0) == held
    held = stand.batch(stand.batch(held, 15), 15)
    assert (held.rows_done, held.batches, held.state, held.slot) == (40, 3, "done", None)
    assert stand.read(0) == held
    assert stand.counts() == [1] * 40
    assert stand.partitions.rows_done([RUN, "other"]) == {RUN: 40, "other": 0}


def test_a_zombie_with_an_old_lease_epoch_writes_nothing(stand: IterationStand) -> None:
    stand.start()
    zombie = stand.batch(stand.take("a"), 10)
    owner = stand.batch(stand.take("b", dead_owners=["a"]), 10)
    before = stand.read(0)
    with pytest.raises(PartitionLost, match="b took it under 2") as raised:
        stand.batch(zombie, 10)
    assert (raised.value.run_id, raised.value.number, raised.value.lease_epoch) == (RUN, 0, 1)
    with pytest.raises(PartitionLost), stand.engine.begin() as connection:  # it asks no lock first
        stand.work(connection, zombie, 10)
    assert not stand.leases.renew(zombie)
    assert not stand.leases.attempt_failed(zombie, "late")
    for why in Leaving:
        assert not stand.leases.release(zombie, why, "late")
    assert stand.read(0) == before == owner
    assert stand.counts() == [1] * 20 + [0] * 20


def test_a_zombie_of_the_same_name_writes_nothing_either(stand: IterationStand) -> None:
    """A job that is repeated in the same process has the owner's name, and its earlier attempt may live."""
    stand.start()
    zombie = stand.take("a")
    stand.take("a", dead_owners=["a"])
    with pytest.raises(PartitionLost):
        stand.batch(zombie, 10)


def test_a_zombie_writes_nothing_to_what_was_given_back_or_done(stand: IterationStand) -> None:
    stand.start([20])
    first, second = stand.take("a"), stand.take("b")
    stand.leases.release(first, Leaving.INTERRUPTED)
    with pytest.raises(PartitionLost, match="given back and is waiting"):
        stand.batch(first, 10)
    stand.batch(second, 30)
    with pytest.raises(PartitionLost, match="is done"):
        stand.batch(second, 10)


def test_a_batch_whose_commit_was_not_heard_of_is_not_repeated(stand: IterationStand) -> None:
    stand.start()
    remembered = stand.take("a")
    stand.batch(remembered, 10)
    with pytest.raises(PartitionLost, match="revision"):
        stand.batch_unheeding(remembered, 10)
    stand.batch(remembered, 10)
    assert stand.counts() == [1] * 20 + [0] * 20


def test_after_a_force_everybody_from_before_writes_nothing(stand: IterationStand) -> None:
    stand.start([20])
    zombie = stand.batch(stand.take("a"), 10)
    with stand.engine.begin() as connection:
        assert stand.runs.force(connection, RUN).state is RunState.INTERRUPTED
    with pytest.raises(PartitionLost, match="forced"):
        stand.batch(zombie, 10)
    taken = [stand.take("b"), stand.take("c")]
    assert sorted((held.number, held.lease_epoch) for held in taken) == [(0, 2), (1, 1)]
    for held in taken:
        stand.batch(held, 40)
    assert stand.counts() == [1] * 40


def test_who_takes_over_waits_for_the_batch_under_way_and_goes_on_behind_it(mariadb_url: str) -> None:
    """SQLite has one writer at a time: there it is the same, and shows nothing."""
    stand = IterationStand(mariadb_url)
    stand.prepare(rows=40)
    stand.start()
    first = stand.take("a")
    got: list[Partition] = []
    with stand.engine.begin() as connection:
        late = stand.work(connection, stand.partitions.lock(connection, first), 10)
        taking = threading.Thread(target=lambda: got.append(stand.take("b", dead_owners=["a"])))
        taking.start()
        until(lambda: waits_for_a_lock(mariadb_url), message="the taker waits")
        assert got == []
    taking.join()
    assert (got[0].cursor, got[0].lease_epoch) == ((10,), 2)
    with pytest.raises(PartitionLost):
        stand.batch(late, 10)
    stand.batch(got[0], 10)
    assert stand.counts() == [1] * 20 + [0] * 20
    stand.close()


def test_an_owner_that_hangs_in_its_batch_stands_only_in_its_own_partition_s_way(
    impatient: IterationStand, mariadb_url: str
) -> None:
    impatient.start([20], parallel=2)
    first = impatient.take("a")
    hanging = impatient.engine.connect()
    impatient.work(hanging, impatient.partitions.lock(hanging, first), 10)
    [thread] = hanging.execute(text("SELECT CONNECTION_ID()")).scalars()
    other = impatient.take("b", dead_owners=["a"])
    assert other.number == 1  # what waits comes first
    other = impatient.batch(other, 30)  # another partition's batch locks nothing of this one's
    assert impatient.leases.take(RUN, "b", dead_owners=["a"]) is None  # it cannot be had
    with server_connection(mariadb_url) as cursor:
        cursor.execute(f"KILL {thread}")
    until(lambda: impatient.leases.take(RUN, "b", dead_owners=["a"]), message="taken over")
    hanging.invalidate()
    hanging.close()
    assert impatient.read(0).cursor is None
    assert impatient.counts() == [0] * 20 + [1] * 20


def test_the_run_can_be_told_to_stop_while_batches_are_under_way(impatient: IterationStand) -> None:
    impatient.start()
    held = impatient.take("a")
    with impatient.engine.begin() as connection:
        impatient.partitions.lock(connection, held)
        impatient.transition(RunState.PAUSING)  # waits for nobody, or this would time out
        assert impatient.runs.orders(connection, RUN).state is RunState.PAUSING


@pytest.mark.parametrize("is_first", [True, False])
def test_a_batch_that_waited_for_its_lock_knows_what_the_run_was_told_meanwhile(
    mariadb_url: str, is_first: bool
) -> None:
    """SQLite has one writer at a time: nobody can tell a run anything while a batch waits."""
    stand = IterationStand(mariadb_url)
    stand.prepare(rows=40)
    stand.start()
    held = stand.take("a")
    before = stand.run().revision
    seen: list[tuple[int, bool]] = []

    def begin_batch() -> None:
        with stand.engine.begin() as connection:
            told = None if is_first else before
            seen.append(stand.partitions.lock_with_run(connection, held, told)[1:])

    with stand.engine.begin() as connection:
        stand.partitions.lock(connection, held)
        batch = threading.Thread(target=begin_batch)
        batch.start()
        until(lambda: waits_for_a_lock(mariadb_url), message="the batch waits")
        stand.transition(RunState.PAUSING)
        left_out.add(connection, 7, {left_out.ANY})  # as a mover does, that holds the partitions
    batch.join()
    assert seen == [(before + 1, True)]
    stand.close()


def test_what_is_remembered_of_a_partition_is_believed_while_nothing_has_changed(
    stand: IterationStand,
) -> None:
    stand.start(parallel=1)
    held, told = stand.take("a"), stand.run().revision

    def locked(known: Partition) -> Locked:
        with stand.engine.begin() as connection:
            return stand.partitions.lock_with_run(connection, known, told)

    assert locked(held) == (held, told, False)
    stand.split(0)
    shorter = locked(held)
    assert shorter.partition.slice != held.slice
    assert locked(shorter.partition) == shorter
    with stand.engine.begin() as connection:
        left_out.add(connection, 7, {left_out.ANY})
    assert locked(shorter.partition).leaves_out
    with stand.engine.begin() as connection:
        left_out.lift(connection, 7)
    stand.transition(RunState.PAUSING)
    assert locked(shorter.partition).run_revision == told + 1
    told += 1
    assert locked(shorter.partition) == (shorter.partition, told, False)
    assert stand.leases.release(shorter.partition, Leaving.YIELDED)
    given_back = stand.read(0)
    with pytest.raises(PartitionLost, match="given back"):
        locked(given_back)
    stand.transition(RunState.PAUSED)
    stand.transition(RunState.ENQUEUED)
    stand.transition(RunState.RUNNING)
    told = stand.run().revision
    again = stand.take("b")
    with pytest.raises(PartitionLost, match="b took it"):
        locked(again._replace(lease_epoch=again.lease_epoch - 1))


def test_what_is_remembered_is_locked(mariadb_url: str) -> None:
    stand = IterationStand(mariadb_url)
    stand.prepare(rows=40)
    stand.start()
    held, told = stand.take("a"), stand.run().revision
    with stand.engine.begin() as connection:
        stand.partitions.lock_with_run(connection, held, told)
        split = threading.Thread(target=stand.split, args=[0])
        split.start()
        until(lambda: waits_for_a_lock(mariadb_url), message="whoever would split it waits")
        stand.transition(RunState.PAUSING)  # waits for nobody
    split.join()
    stand.close()


def test_a_taker_that_stops_between_looking_and_taking_holds_no_lock(impatient: IterationStand) -> None:
    impatient.start()
    got: list[Partition | None] = []
    with hold("partitions.taking") as held:
        stopped = threading.Thread(target=lambda: got.append(impatient.leases.take(RUN, "a")))
        stopped.start()
        held.wait_reached()
        impatient.transition(RunState.THROTTLED)  # each of these would time out
        impatient.split(0)
        held.go_on()
        stopped.join()
    assert got[0] is not None
    assert got[0].slice == Slice(None, (20,))


# Failing, giving back


def test_attempts_are_counted_until_there_is_progress(stand: IterationStand) -> None:
    stand.start()
    held = stand.take("a")
    for _ in range(2):
        assert stand.leases.attempt_failed(held, "Ünlucky " + "x" * 100_000)
    failed = stand.read(0)
    assert failed.attempts == 2
    assert failed.last_error is not None
    assert failed.last_error.startswith("Ünlucky xx")
    assert len(failed.last_error) == 4_000
    stand.batch(held, 10)
    assert stand.read(0).attempts == 0


def test_each_way_of_leaving_is_counted_apart(stand: IterationStand) -> None:
    stand.start(parallel=1)
    for why, note in [
        (Leaving.INTERRUPTED, ""),
        (Leaving.THROTTLED, "history list 2,000,000"),
        (Leaving.YIELDED, ""),
    ]:
        assert stand.leases.release(stand.take("a"), why, note)
        left = stand.read(0)
        assert (left.state, left.owner, left.slot, left.interruptions) == ("waiting", None, None, 1)
        assert left.throttle_reason == (note or None)
    assert stand.leases.release(stand.take("a"), Leaving.FAILED, "item 7: division by zero \ud800")
    left = stand.read(0)
    assert (left.state, left.slot, left.last_error) == ("failed", None, "item 7: division by zero \\ud800")
    assert stand.leases.take(RUN, "b") is None
    with stand.engine.begin() as connection:
        assert stand.partitions.reopen(connection, RUN) == 1
        assert stand.partitions.reopen(connection, RUN) == 0
    assert stand.take("b").lease_epoch == 5


# The end


def test_the_last_one_to_finish_ends_the_run_once(stand: IterationStand) -> None:
    stand.start([20])
    first, second = stand.take("a"), stand.take("b")
    assert not stand.finish()
    stand.batch(first, 30)
    assert not stand.finish()
    stand.batch(second, 30)
    assert sorted(at_once(*[stand.finish] * 6)) == [False] * 5 + [True]
    assert not stand.finish()
    assert stand.ends() == 1
    assert stand.run().state is RunState.SUCCEEDED


def test_who_asks_for_the_end_while_it_is_made_waits_for_it(mariadb_url: str) -> None:
    stand = IterationStand(mariadb_url)
    stand.prepare(rows=40)
    stand.start()
    stand.batch(stand.take("a"), 50)
    ended: list[bool] = []
    asking = [threading.Thread(target=lambda: ended.append(stand.finish())) for _ in range(2)]
    with hold("runs.finishing") as held:
        asking[0].start()
        held.wait_reached()
        asking[1].start()
        until(lambda: waits_for_a_lock(mariadb_url), message="the second one waits")
        held.go_on()
        for thread in asking:
            thread.join()
    assert sorted(ended) == [False, True]
    stand.close()


def test_an_end_that_is_rolled_back_is_somebody_else_s(stand: IterationStand) -> None:
    stand.start()
    stand.batch(stand.take("a"), 50)
    with pytest.raises(BatchFailed):  # on_complete failed, or its process died
        stand.finish(fail=True)
    assert (stand.run().state, stand.ends()) == (RunState.RUNNING, 0)
    assert stand.finish()


def test_of_two_last_batches_the_later_commit_ends_the_run(mariadb_url: str) -> None:
    stand = IterationStand(mariadb_url)
    stand.prepare(rows=40)
    stand.start([20])
    first, second = stand.take("a"), stand.take("b")
    with stand.engine.begin() as connection:
        stand.work(connection, stand.partitions.lock(connection, first), 30)
        stand.batch(second, 30)
        assert not stand.finish()  # the first is not committed yet
    assert stand.finish()
    stand.close()


def test_a_failed_or_cancelled_run_does_not_succeed(stand: IterationStand) -> None:
    stand.start()
    stand.batch(stand.take("a"), 50)
    stand.transition(RunState.FAILED, reason="too many items in quarantine")
    assert not stand.finish()
    assert stand.ends() == 0


# Splitting


def test_a_split_shares_what_is_left(stand: IterationStand) -> None:
    stand.start()
    held = stand.batch(stand.take("a"), 10)
    new = stand.split(0)
    assert new is not None
    assert (new.number, new.slice, new.state, new.cursor) == (1, Slice((25,), None), "waiting", None)
    assert stand.run().partitions == 2
    assert stand.read(0).slice == Slice(None, (25,))
    stand.batch(held, 40)  # its owner hears of it by locking
    assert not stand.finish()
    stand.batch(stand.take("b"), 40)
    assert stand.finish()
    assert stand.counts() == [1] * 40


def test_a_batch_made_for_the_bounds_before_a_split_is_refused(stand: IterationStand) -> None:
    stand.start()
    held = stand.batch(stand.take("a"), 10)
    stand.split(0)
    with pytest.raises(PartitionLost):
        stand.batch_unheeding(held, 40)
    assert stand.counts() == [1] * 10 + [0] * 30


def test_a_split_waits_for_the_batch_under_way_and_cuts_behind_it(mariadb_url: str) -> None:
    stand = IterationStand(mariadb_url)
    stand.prepare(rows=40)
    stand.start()
    held = stand.take("a")
    made: list[Partition | None] = []

    with stand.engine.begin() as connection:
        held = stand.work(connection, stand.partitions.lock(connection, held), 20)
        splitting = threading.Thread(target=lambda: made.append(stand.split(0)))
        splitting.start()
        until(lambda: waits_for_a_lock(mariadb_url), message="the split waits")
    splitting.join()
    assert made[0] is not None
    assert made[0].slice == Slice((30,), None)
    stand.close()


def test_there_is_nothing_to_split_of_what_is_over_or_too_small(stand: IterationStand) -> None:
    stand.start([39], end=40)
    with stand.engine.begin() as connection:
        assert stand.partitions.split(connection, RUN, 1, middle) is None
        assert stand.partitions.split(connection, RUN, 0, lambda *_: None) is None
        assert stand.partitions.split(connection, RUN, 7, middle) is None
        # A cut at an end would make a part of nothing.
        assert stand.partitions.split(connection, RUN, 1, lambda *_: (39,)) is None
        assert stand.partitions.split(connection, RUN, 1, lambda *_: (40,)) is None
    stand.batch(stand.take("a"), 40)
    with stand.engine.begin() as connection:
        assert stand.partitions.split(connection, RUN, 0, lambda *_: (20,)) is None
    assert len(stand.partitions.of(RUN)) == stand.run().partitions == 2


def test_partitions_that_are_split_at_the_same_time_get_different_numbers(stand: IterationStand) -> None:
    stand.start([20])

    made = at_once(partial(stand.split, 0), partial(stand.split, 1))
    assert sorted(new.number for new in made) == [2, 3]
    slices = [part.slice for part in stand.partitions.of(RUN)]
    assert slices[:2] == [Slice(None, (10,)), Slice((20,), (30,))]
    assert sorted(slices[2:]) == [Slice((10,), (20,)), Slice((30,), None)]


# Histories


@pytest.mark.parametrize("seed", range(5))
def test_in_any_order_of_events_each_row_is_worked_on_once(stand: IterationStand, seed: int) -> None:
    """Owners die, live on as zombies, are forced and taken over; partitions are split; the limit changes."""
    choose = random.Random(seed)
    stand.start([13, 26], parallel=2)
    remembered: list[Partition] = []
    for turn in range(1_000):
        del remembered[:-6]  # the latest, and some zombies
        act = choose.choice(["take", "batch", "batch", "batch", "split", "die", "release", "limit", "force"])
        if act == "take":
            owner = choose.choice("abc")
            dead = choose.sample("abc", choose.randrange(2))
            taken = stand.leases.take(RUN, owner, dead_owners=dead)
            remembered += [taken] if taken is not None else []
        elif act == "batch" and remembered:
            with suppress(PartitionLost):
                remembered.append(stand.batch(choose.choice(remembered), choose.randint(1, 4)))
        elif act == "split":
            stand.split(choose.randrange(stand.run().partitions))
        elif act == "die" and remembered:
            with suppress(PartitionLost, BatchFailed):
                stand.batch_that_fails(choose.choice(remembered), 4)
        elif act == "release" and remembered:
            stand.leases.release(choose.choice(remembered), choose.choice(list(Leaving)[:3]))
        elif act == "limit":
            with stand.engine.begin() as connection:
                stand.runs.set_parallel(connection, RUN, choose.randint(1, 4))
        elif act == "force" and turn % 5 == 0:
            with stand.engine.begin() as connection:
                stand.runs.force(connection, RUN)
                stand.runs.transition(connection, RUN, RunState.RUNNING)
        if stand.finish():
            break
    assert stand.ends() == 1
    assert stand.counts() == [1] * 40
    assert stand.partitions.rows_done([RUN]) == {RUN: 40}
    assert sum(part.batches for part in stand.partitions.of(RUN)) <= 40


def test_with_owners_at_once_each_row_is_worked_on_once(stand: IterationStand) -> None:
    stand.start([20], parallel=3)

    def work(seed: int) -> int:
        choose, ends = random.Random(seed), 0
        while stand.run().state is RunState.RUNNING:
            stand.split(choose.randrange(stand.run().partitions))
            held = stand.leases.take(RUN, f"{seed}", dead_owners=[choose.choice("0123")])
            with suppress(PartitionLost):
                while held is not None and held.state is PartitionState.RUNNING and choose.random() < 0.8:
                    held = stand.batch(held, 2)
            ends += stand.finish()
        return ends

    assert sum(at_once(*(partial(work, seed) for seed in range(4)))) == 1
    assert stand.ends() == 1
    assert stand.counts() == [1] * 40


# The tables


def test_a_shard_of_an_earlier_version_says_what_it_lacks(tmp_path: Path) -> None:
    bare = IterationStand(f"sqlite:///{tmp_path}/bare.db")
    with pytest.raises(ShardUnprepared, match="podwork_runs"):
        bare.leases.take(RUN, "a")
    with pytest.raises(ShardUnprepared), bare.engine.begin() as connection:
        bare.runs.create(connection, NewRun(RUN, "Fill", {}), [])
    bare.prepare()
    bare.close()


def test_any_cursor_is_kept_exactly(stand: IterationStand) -> None:
    cursors = [(-(2**63), "ß' \"\n😀"), (b"\x00\xff", 0.1), ()]
    with stand.engine.begin() as connection:
        slices = [Slice(None, cursors[0]), Slice(cursors[0], cursors[1]), Slice(cursors[2], cursors[2])]
        stand.runs.create(connection, NewRun(RUN, "Fill", {}, parallel=3), slices)
    assert [part.slice for part in stand.partitions.of(RUN)] == slices
    for held, cursor in zip([stand.take(owner) for owner in "abc"], cursors, strict=True):
        with stand.engine.begin() as connection:
            stand.partitions.advance(connection, held, cursor, 1, done=False)
    assert [part.cursor for part in stand.partitions.of(RUN)] == cursors


def test_a_cursor_that_was_the_last_is_kept_at_the_end(stand: IterationStand) -> None:
    stand.start()
    held = stand.batch(stand.take("a"), 40)
    assert held.state is PartitionState.RUNNING  # the collection has to be asked once more
    with stand.engine.begin() as connection:
        assert following(connection, held.slice, held.cursor, 40) == []
    held = stand.batch(held, 40)
    assert (held.state, held.cursor, held.rows_done, held.batches) == ("done", (40,), 40, 1)
