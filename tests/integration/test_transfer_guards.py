"""What a passage of jobs refuses: earlier movers, a Redis that has lost something, jobs nobody brought."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import pytest

from podwork import keys, points
from podwork.errors import JobsDiffer, JobsHeld, PassageRefused, ShopOnHold
from podwork.parcel import Parcel
from podwork.queues import PushGroup
from podwork.transfer import Transfer, pushing_to
from podwork.transfer.side import Moving
from tests.support.engine import A, claim, ids, job, push
from tests.support.servers import PrivateServers
from tests.support.transfers import (
    EPOCH,
    LATER_MS,
    STEPS_AFTER,
    STEPS_BACK,
    STEPS_THERE,
    Stand,
    all_of,
    check_order,
    fill,
    picture,
    stand,
)

Break = Callable[[Stand], Any]


@pytest.fixture
def pods(private_servers: PrivateServers) -> Stand:
    return stand(private_servers)


def till(pods: Stand, last: str, mover: int = 1) -> Transfer:
    transfer = pods.transfer(mover)
    steps = (*STEPS_THERE, *STEPS_AFTER)
    pods.run(transfer, *steps[: steps.index(last) + 1])
    return transfer


# An earlier mover


@pytest.mark.parametrize("last", ["bring", "bring_last", "leave_here"])
def test_an_earlier_mover_is_refused_at_each_step(pods: Stand, last: str) -> None:
    """The later one has come past both gates; a step that changes one side only is refused there."""
    fill(pods.source)
    sleeper = pods.transfer(mover=1)
    till(pods, last, mover=2)
    before = [all_of(queues) for queues in pods]
    for step in (*STEPS_THERE, *STEPS_AFTER, *STEPS_BACK):
        with pytest.raises(PassageRefused) as raised:
            pods.run(sleeper, step)
        assert raised.value.overtaken, step
        assert [all_of(queues) for queues in pods] == before, step


def test_a_mover_that_slept_before_any_script_changes_nothing(pods: Stand) -> None:
    """Another one gives up what it had begun, and begins anew, before it wakes up."""
    number = 0
    while True:
        number += 1
        for queues in pods:
            queues.store.client.delete(keys.GATE)
        push(pods.source, ("7", 1), queue=f"queue{number % 3}")
        found: list[list[Any]] = []
        act = partial(_succeed, pods, found)
        with before_script(number, act), suppress(PassageRefused):
            pods.run(pods.transfer(mover=1), *STEPS_THERE)
        if not found:
            assert number > 15
            return
        assert [all_of(queues) for queues in pods] == found[0], number
        pods.run(pods.transfer(mover=3), *STEPS_BACK)


def _succeed(pods: Stand, found: list[list[Any]]) -> None:
    pods.run(pods.transfer(mover=2), *STEPS_BACK, *STEPS_THERE)
    found.append([all_of(queues) for queues in pods])


@contextmanager
def before_script(number: int, act: Callable[[], Any]) -> Iterator[None]:
    """Act before the transfer calls its `number`th script, once."""
    reached: list[str] = []

    def hook(name: str) -> None:
        if name.startswith("transfer.") and not name.endswith(".done"):
            reached.append(name)
            if len(reached) == number:
                points.install(None)
                act()

    points.install(hook)
    try:
        yield
    finally:
        points.install(None)


def test_an_earlier_mover_reads_marks_and_sweeps_nothing(pods: Stand) -> None:
    """Each script by itself: the ids that it would mark are those of somebody else's reading."""
    push(pods.source, ("7", 1))
    side, successor = pods.transfer(mover=1)._here, pods.transfer(mover=2)
    pods.run(successor, *STEPS_THERE)
    for act in (
        lambda: side.mark([b"x-7"]),
        lambda: pods.transfer(mover=1)._there.bring(ended=[b"x-7"]),
        lambda: pods.transfer(mover=1)._there.bring_policies(b"2", []),
        side.since,
        lambda: list(side.unordered(everything=True)),
        lambda: list(side.lane(b"default")),
    ):
        with pytest.raises(PassageRefused):
            act()
    pods.run(successor, "leave_here")
    with pytest.raises(PassageRefused):
        side.sweep("brought", b"0", [])
    with pytest.raises(PassageRefused):
        side.leave(also_late=True)


def test_a_gate_of_three_words_is_no_movers(pods: Stand) -> None:
    pods.source.store.client.hset(keys.GATE, "7", "open 1 1")
    assert pods.source.set_gate(7, "hold", 1, 1)
    assert pods.source.set_gate(7, "open", 1, 1, mover=5)
    assert not pods.source.set_gate(7, "hold", 1, 1)
    assert not pods.source.set_gate(7, "hold", 2, 1, mover=4)
    assert pods.source.store.client.hget(keys.GATE, "7") == b"open 1 1 5"


# A Redis that has lost its last writes


def _lose_gate(pods: Stand) -> None:
    pods.source.store.client.hdel(keys.GATE, "7")


def _lose_all(pods: Stand) -> None:
    pods.source.store.client.flushdb()


def _lose_mark(pods: Stand) -> None:
    pods.source.store.client.zpopmax(keys.brought("7"))


def _lose_marks_of_page(pods: Stand) -> None:
    pods.source.store.client.delete(keys.brought("7"))


def _restore_gate_by_shard(pods: Stand) -> None:
    pods.source.store.client.hset(keys.GATE, "7", "hold 1 1")


LOSSES: list[Break] = [_lose_gate, _lose_all, _lose_mark, _lose_marks_of_page, _restore_gate_by_shard]


@pytest.mark.parametrize("lose", LOSSES)
@pytest.mark.parametrize("last", ["bring", "hold_here", "bring_last"])
def test_a_source_that_has_lost_its_tail_is_not_switched(pods: Stand, lose: Break, last: str) -> None:
    fill(pods.source)
    transfer = till(pods, last)
    lose(pods)
    with pytest.raises((PassageRefused, JobsDiffer)) as raised:
        pods.run(transfer, *STEPS_THERE[STEPS_THERE.index(last) + 1 :])
    assert not getattr(raised.value, "overtaken", False)


def _lose_arrived(pods: Stand) -> None:
    job_id, _ = pods.target.store.command("ZPOPMAX", keys.arrived("7"))
    pods.target.store.client.hdel(keys.jobs("7"), job_id)


def _lose_target_gate(pods: Stand) -> None:
    pods.target.store.client.hdel(keys.GATE, "7")


@pytest.mark.parametrize(
    "lose", [_lose_arrived, _lose_target_gate, lambda pods: _lose_all(Stand(pods[1], pods[0]))]
)
@pytest.mark.parametrize("last", ["bring", "bring_last"])
def test_a_target_that_has_lost_its_tail_is_not_switched(pods: Stand, lose: Break, last: str) -> None:
    fill(pods.source)
    transfer = till(pods, last)
    lose(pods)
    with pytest.raises((PassageRefused, JobsDiffer)):
        pods.run(transfer, *STEPS_THERE[STEPS_THERE.index(last) + 1 :])


def test_a_record_that_differs_at_the_target_is_found(pods: Stand) -> None:
    queued = push(pods.source, ("7", 3))
    transfer = till(pods, "bring")
    pods.target.store.client.hset(keys.jobs("7"), queued[1], "- default 1 0 0 0 0 {}")
    pods.source.store.client.zrem(keys.brought("7"), queued[0])  # brought again, the rest compared
    with pytest.raises(JobsDiffer, match="3 ready"):
        transfer.bring()


def test_a_lock_that_differs_at_the_target_is_found(pods: Stand) -> None:
    push(pods.source, ("7", 1))
    pods.source.store.client.hset(keys.locks("7"), "d1", "x-7 0")
    transfer = till(pods, "bring")
    pods.source.store.client.hset(keys.locks("7"), "d1", "y-7 0")
    transfer.bring()
    assert pods.target.store.client.hget(keys.locks("7"), "d1") == b"y-7 0"


def test_after_a_loss_the_passage_gives_way_and_begins_again(pods: Stand) -> None:
    fill(pods.source)
    before = picture(pods.source)
    transfer = till(pods, "hold_here")
    _lose_mark(pods)
    with pytest.raises(JobsDiffer):
        transfer.bring_last()
    pods.run(transfer, "pass_here")
    pods.move(mover=1)
    assert picture(pods.target) == before


# Jobs that nobody has brought


def strays(pods: Stand, *, there: bool) -> list[str]:
    """Let a Redis forget its gate and accept jobs in each state; return their ids, the dead one last."""
    queues = pods.target if there else pods.source
    gate = queues.store.client.hget(keys.GATE, "7")
    queues.store.client.hdel(keys.GATE, "7")
    [dead] = push(queues, ("7", 1), job_class="shop.stray", queue="stray")
    [lease] = claim(queues, names=["stray"])
    queues.bury(A, lease, "x")
    came = push(queues, ("7", 2), job_class="shop.stray", queue="stray")
    came += push(queues, ("7", 1), job_class="shop.stray", queue="stray", due_ms=LATER_MS)
    queues.store.client.hset(keys.GATE, "7", gate)
    return [*came, dead]


def test_late_jobs_are_brought_before_the_source_is_left(pods: Stand) -> None:
    fill(pods.source)
    transfer = till(pods, "look")
    strays(pods, there=False)
    before = picture(pods.source)
    pods.run(transfer, "leave_here")
    assert picture(pods.target) == before, "they are there before the gate opens, not pushed on behind it"
    pods.run(transfer, *STEPS_AFTER)
    assert picture(pods.target) == before
    assert not any(picture(pods.source))
    check_order(pods.source)


def test_late_jobs_are_pushed_on_when_the_target_is_open(pods: Stand) -> None:
    fill(pods.source)
    transfer = till(pods, "pass_there")
    came = strays(pods, there=False)
    before = picture(pods.target)
    late = picture(pods.source)
    assert set(late.records) == {one.encode() for one in came}
    assert pods.run(transfer, "sweep_here") == [4]
    after = picture(pods.target)
    assert after.records == before.records | late.records
    assert [one.decode() for one in after.lanes["stray"]] == came[:2]
    assert (after.scheduled, after.dead) == (before.scheduled | late.scheduled, before.dead | late.dead)
    for queues in pods:
        check_order(queues)


def test_a_silent_source_is_left_when_the_target_is_open_already(pods: Stand) -> None:
    """Step 23 was done without it: its jobs may not be brought to an open gate, nor run twice."""
    fill(pods.source)
    before = picture(pods.source)
    transfer = till(pods, "look")
    pods.run(transfer, "pass_there")
    assert {lease.shop for lease in claim(pods.source)}.isdisjoint({"7"})
    came = strays(pods, there=False)
    assert pods.run(transfer, "leave_here", "sweep_here")[1] == 4
    after = picture(pods.target)
    assert set(after.records) == set(before.records) | {one.encode() for one in came}
    assert not any(picture(pods.source))


def test_giving_up_pushes_back_what_came_by_itself(pods: Stand) -> None:
    fill(pods.source)
    before = picture(pods.source)
    transfer = till(pods, "bring")
    came = strays(pods, there=True)
    assert pods.run(transfer, *STEPS_BACK)[2] == 4
    after = picture(pods.source)
    assert set(after.records) == set(before.records) | {one.encode() for one in came}
    assert {one: after.records[one] for one in before.records} == before.records
    assert [one.decode() for one in after.lanes["stray"]] == came[:2]
    assert not any(picture(pods.target))
    for queues in pods:
        check_order(queues)


def test_a_late_job_takes_its_lock_along(pods: Stand) -> None:
    transfer = till(pods, "pass_there")
    job_id, stored = job(extras="w:d1")
    pods.source.store.client.hset(keys.jobs("7"), job_id, stored)
    pods.run(transfer, "sweep_here")
    assert pods.target.store.client.hgetall(keys.locks("7")) == {b"d1": f"{job_id} 0".encode()}


def test_a_job_that_a_forgotten_gate_let_start_is_waited_for(pods: Stand) -> None:
    push(pods.source, ("7", 2))
    transfer = till(pods, "look")
    gate = pods.source.store.client.hget(keys.GATE, "7")
    pods.source.store.client.hdel(keys.GATE, "7")
    pods.source.set_gate(7, "open", 0, 1)
    [held] = claim(pods.source, 1)
    pods.source.store.client.hset(keys.GATE, "7", gate)
    for step in ("bring_last", "leave_here", "sweep_here"):
        with pytest.raises(JobsHeld):
            pods.run(transfer, step)
    pods.source.release(A, [held])
    pods.run(transfer, *STEPS_AFTER)
    assert len(claim(pods.target)) == 2


def test_a_push_on_that_fails_forgets_nothing(pods: Stand) -> None:
    transfer = till(pods, "pass_there")
    came = strays(pods, there=False)

    def refuse(parcels: object) -> None:
        raise ShopOnHold(7, 0.0)

    with pytest.raises(ShopOnHold):
        transfer.sweep_here(refuse)
    taken: list[Parcel] = []
    assert transfer.sweep_here(taken.extend) == 4
    assert {parcel.id for parcel in taken} == set(came[:3])


def test_a_dead_job_that_is_pushed_on_twice_is_stored_once(pods: Stand) -> None:
    transfer = till(pods, "pass_there")
    job_id, stored = job()
    for time_ms in (b"5", b"9"):
        transfer._there.push_dead(EPOCH + 1, Moving(job_id.encode(), b"dead", time_ms, stored))
    assert picture(pods.target).dead == {job_id.encode(): 5.0}


def test_what_pushes_on_says_when_it_is_refused(pods: Stand) -> None:
    till(pods, "hold_there")
    parcel = Parcel("default", 7, job()[0], "shop.collect", 1, b"", 1, stored=job()[1])
    with pytest.raises(ShopOnHold):
        pushing_to(pods.target, EPOCH + 1)([parcel])


def test_without_its_records_nothing_starts_though_the_gate_is_forgotten(pods: Stand) -> None:
    fill(pods.source)
    transfer = till(pods, "leave_here")
    pods.source.store.client.hdel(keys.GATE, "7")
    assert [
        lease.shop for lease in claim(pods.source, 50, names=["default", "low"]) if lease.shop == "7"
    ] == []
    pods.source.unpark({"shop.newer": 1})
    assert [one for one in ids(claim(pods.source, 50)) if one.endswith("-7")] == []
    pods.run(transfer, "pass_there", "sweep_here")
    assert len(claim(pods.target, 50, names=["default", "low"])) == 10


def test_jobs_do_not_leave_behind_a_gate_that_is_not_moved(pods: Stand) -> None:
    fill(pods.source)
    transfer = till(pods, "look")
    with pytest.raises(PassageRefused):
        transfer._here.leave(also_late=True)
    with pytest.raises(PassageRefused):
        pods.run(transfer, "drop_there")
    assert picture(pods.source).records == picture(pods.target).records


def test_jobs_arrive_only_behind_a_gate_on_hold(pods: Stand) -> None:
    job_id, stored = job()
    transfer = till(pods, "look")
    pods.run(transfer, "pass_here", "close_there")
    with pytest.raises(PassageRefused):
        transfer._there.bring(ended=[b"x-7"])
    pods.run(transfer, *STEPS_THERE, "leave_here", "pass_there")
    late = [PushGroup("default", "7", EPOCH + 1, [(job_id, stored)])]
    assert pods.target.push(late) == []
    with pytest.raises(PassageRefused):
        transfer._there.bring(gone=[job_id.encode()])
    assert ids(claim(pods.target)) == [job_id]
