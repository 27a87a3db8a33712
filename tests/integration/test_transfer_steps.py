"""A shop's jobs change pods: every state, in order, with what is pushed meanwhile; nobody else's."""

from __future__ import annotations

import time
from contextlib import closing
from typing import Any

import pytest

from podwork import App, keys
from podwork.errors import JobsHeld
from podwork.holds import Holds
from podwork.interventions import Interventions
from podwork.parcel import PushOptions, parcel_of
from podwork.queues import PushGroup
from podwork.transfer import Transfer
from podwork.unique import Unique
from podwork.why import Code, explain
from tests.support.engine import NOW_MS, A, B, claim, expire, ids, job, push, push_call
from tests.support.servers import PrivateServers
from tests.support.transfers import (
    EPOCH,
    LATER_MS,
    MARKS,
    SHOP,
    STEPS_AFTER,
    STEPS_BACK,
    STEPS_THERE,
    Stand,
    all_of,
    check_order,
    fill,
    finish,
    picture,
    stand,
)

app = App("shop")
OTHERS = ("8", "9", "pod")


@app.job(name="shop.index", unique=Unique(conflict="replace"))
def index(n: int) -> None:
    """Unique by its argument; a second one's content takes the first one's place."""


@app.job(name="shop.count", unique=Unique(conflict="reschedule"))
def count(n: int) -> None:
    """Unique; one that comes while it runs waits behind it."""


@pytest.fixture
def pods(private_servers: PrivateServers) -> Stand:
    return stand(private_servers)


def till(pods: Stand, last: str) -> Transfer:
    """Take the steps up to one."""
    transfer = pods.transfer()
    pods.run(transfer, *STEPS_THERE[: STEPS_THERE.index(last) + 1])
    return transfer


def test_every_state_arrives_byte_for_byte_and_in_order(pods: Stand) -> None:
    fill(pods.source)
    before = picture(pods.source)
    assert all(before[:4]), "every state is there"
    others = {shop: picture(pods.source, shop) for shop in OTHERS}

    manifests = pods.move()

    assert picture(pods.target) == before
    counted = {state: one.jobs for state, one in manifests.here.states.items()}
    assert counted == {"ready": 10, "scheduled": 4, "dead": 3}
    assert manifests.here == manifests.there
    assert not any(picture(pods.source))
    assert {shop: picture(pods.source, shop) for shop in OTHERS} == others
    assert [key for key in all_of(pods.source) if key.endswith(":7")] == []
    for queues in pods:
        check_order(queues)
        assert not set(MARKS) & set(all_of(queues)), "nothing is left of the passage"


def test_jobs_run_at_the_target_in_their_order_and_not_at_the_source(pods: Stand) -> None:
    queued = push(pods.source, ("7", 5))
    pods.move()
    assert claim(pods.source) == []
    assert ids(claim(pods.target)) == queued


def test_an_idle_process_at_the_target_is_woken(pods: Stand) -> None:
    with closing(pods.target.store.listen("ear")) as line:
        pods.target.claim(A, ["default"], 5, channel="ear")
        push(pods.source, ("7", 1))
        pods.move()
        deadline = time.monotonic() + 5
        while not (heard := line.hear()) and time.monotonic() < deadline:
            pass
        assert heard == [b""]


def test_an_id_that_stayed_behind_in_a_room_is_not_taken_for_parked(pods: Stand) -> None:
    [parked] = push(pods.source, ("7", 1), job_class="shop.newer")
    pods.source.park(A, claim(pods.source)[0])
    queued = push(pods.source, ("7", 2))
    room = keys.lane("!unknown:shop.newer@1", "7")
    pods.source.store.client.rpush(room, queued[1])
    pods.move()
    assert ids(claim(pods.target)) == [parked, *queued]


def test_weight_and_holds_that_name_the_shop_go_along(pods: Stand) -> None:
    fill(pods.source)
    Holds(pods.target.store).place(shop="7", reason="stale", owner="bob")
    Holds(pods.target.store).place(shop="9", reason="another shop", owner="bob")
    pods.move()
    assert Interventions(pods.target.store).weights() == {SHOP: 3}
    assert [hold.name for hold in Holds(pods.target.store).list()] == ["class=shop.odd,shop=7", "shop=9"]
    assert Interventions(pods.source.store).weights() == {}
    assert Holds(pods.source.store).list() == []


def test_unique_locks_and_idempotency_keys_work_at_the_target(pods: Stand) -> None:
    first = push_call(pods.source, index, n=1)
    once = push_call(pods.source, count, options=PushOptions(idempotency_key="k"), n=1)
    pods.move()
    again = push_call_at(pods, index, n=1)
    assert again == ("replaced", first.id)
    finish(pods.target, [one for one in claim(pods.target) if one.id == once.id])
    repeated = push_call_at(pods, count, options=PushOptions(idempotency_key="k"), n=1)
    assert repeated == ("kept", once.id), "the key is remembered after the job has ended"
    alarms = pods.target.store.command("ZRANGE", keys.ALARMS, 0, -1)
    assert [one.split(b":")[0] for one in alarms] == [b"lock"]


def push_call_at(pods: Stand, job_class: Any, options: PushOptions | None = None, **args: object) -> Any:
    """Push to the target, where the shop is by now."""
    return pods.target.push_locked(parcel_of(job_class, args, SHOP, NOW_MS, options), EPOCH + 1)


def test_who_waits_behind_a_job_waits_behind_it_at_the_target(pods: Stand) -> None:
    first = push_call(pods.source, count, n=1)
    [running] = claim(pods.source)
    second = push_call(pods.source, count, n=1)
    assert second.what == "after"
    pods.source.release(A, [running])
    pods.move()
    assert list(picture(pods.target).after) == [second.id.encode()]
    [running] = claim(pods.target)
    assert running.id == first.id
    finish(pods.target, [running])
    assert ids(claim(pods.target)) == [second.id]


def test_ended_ids_and_taken_over_rows_of_the_outbox_go_along(pods: Stand) -> None:
    mine, other = f"x-{SHOP}", "y-8"
    pods.source.store.client.sadd(keys.ENDED, mine, other)
    job_id, stored = job(extras="w:d1,o:z-7")
    pods.source.push([PushGroup("default", "7", 1, [(job_id, stored)])])
    pods.source.store.client.hset(keys.CARRIED, "z-7", job_id)
    pods.move()
    assert pods.target.store.client.smembers(keys.ENDED) == {mine.encode()}
    assert pods.target.store.client.hgetall(keys.CARRIED) == {b"z-7": job_id.encode()}
    assert pods.source.store.client.hgetall(keys.CARRIED) == {}


# While it passes


def test_paused_claims_find_nothing_and_pushes_are_accepted(pods: Stand) -> None:
    push(pods.source, ("7", 2), ("8", 1))
    till(pods, "pause_here")
    assert [lease.shop for lease in claim(pods.source)] == ["8"]
    push(pods.source, ("7", 1))
    assert claim(pods.source) == []
    assert pods.target.push([PushGroup("default", "7", EPOCH, [job()])])[0].pod_id is None, "hold"


def test_what_is_pushed_while_pausing_is_brought_in_its_order(pods: Stand) -> None:
    queued = push(pods.source, ("7", 2))
    transfer = till(pods, "bring")
    queued += push(pods.source, ("7", 3))
    push(pods.source, ("7", 1), due_ms=LATER_MS)
    unique = push_call(pods.source, index, n=1)
    before = picture(pods.source)
    _, manifests, _ = pods.run(transfer, "hold_here", "bring_last", "look")
    counted = {state: one.jobs for state, one in manifests.there.states.items()}
    assert counted == {"ready": 4, "scheduled": 1, "locks": 1}
    assert picture(pods.target) == before
    pods.run(transfer, *STEPS_AFTER)
    assert ids(claim(pods.target)) == [*queued, unique.id]


def test_pausing_again_forgets_nothing(pods: Stand) -> None:
    push(pods.source, ("7", 2))
    transfer = till(pods, "bring")
    push(pods.source, ("7", 1))
    before = picture(pods.source)
    pods.run(transfer, "pause_here", "hold_here", "bring_last", "look")
    assert picture(pods.target) == before


def test_what_replaces_a_brought_job_is_brought_too(pods: Stand) -> None:
    first = push_call(pods.source, index, n=1)
    transfer = till(pods, "bring")
    stored = pods.source.store.client.hget(keys.jobs("7"), first.id)
    time.sleep(0.002)  # another time of the push, so that the content differs
    index_again = push_call(pods.source, index, options=PushOptions(expires_in=5000), n=1)
    assert index_again == ("replaced", first.id)
    before = picture(pods.source)
    assert before.records[first.id.encode()] != stored
    pods.run(transfer, "hold_here", "bring_last")
    assert picture(pods.target) == before


def test_a_brought_job_that_comes_sooner_stands_in_one_place(pods: Stand) -> None:
    later = push_call(pods.source, index, options=PushOptions(at=LATER_MS / 1000), n=1)
    transfer = till(pods, "bring")
    assert list(picture(pods.target).scheduled) == [later.id.encode()]
    assert push_call(pods.source, index, n=1) == ("replaced", later.id)
    before = picture(pods.source)
    assert before.lanes == {"default": [later.id.encode()]}
    pods.run(transfer, "hold_here", "bring_last")
    assert picture(pods.target) == before
    check_order(pods.target)


def test_hold_and_moved_refuse_late_pushes(pods: Stand) -> None:
    late = [PushGroup("default", "7", EPOCH, [job()])]
    transfer = till(pods, "hold_here")
    assert [(one.pod_id, one.epoch) for one in pods.source.push(late)] == [(None, 0)]
    pods.run(transfer, "bring_last", "look", "leave_here")
    assert [(one.pod_id, one.epoch) for one in pods.source.push(late)] == [(2, EPOCH + 1)]
    knowing = [late[0]._replace(epoch=EPOCH + 1)]
    assert [(one.pod_id, one.epoch) for one in pods.source.push(knowing)] == [(2, EPOCH + 1)]
    assert [one.pod_id for one in pods.target.push(late)] == [None]
    pods.run(transfer, "pass_there")
    assert pods.target.push([late[0]._replace(epoch=EPOCH + 1)]) == []


def test_people_change_nothing_while_jobs_travel(pods: Stand) -> None:
    fill(pods.source)
    transfer = till(pods, "bring")
    before = picture(pods.source)
    every = [one.decode() for one in before.records]
    hand = Interventions(pods.source.store)
    for outcomes in (hand.cancel(every), hand.retry(every), hand.move(every, "low"), hand.discard(every)):
        assert {outcome.what for outcome in outcomes} == {"travelling"}
    assert picture(pods.source) == before
    pods.run(transfer, "pass_here")
    assert hand.cancel(every[:1])[0].what == "ended"


def test_a_dead_job_that_is_dropped_meanwhile_is_taken_away(pods: Stand, monkeypatch: Any) -> None:
    push(pods.source, ("7", 2))
    for lease in claim(pods.source):
        pods.source.bury(A, lease, "x")
    transfer = till(pods, "bring")
    assert len(picture(pods.target).dead) == 2
    monkeypatch.setattr("podwork.queues.DEAD_JOBS_LIMIT", 2)
    push(pods.source, ("8", 1))
    [lease] = claim(pods.source)
    pods.source.bury(A, lease, "x")  # the bound of the dead set: the oldest goes
    before = picture(pods.source)
    assert len(before.dead) == 1
    pods.run(transfer, "hold_here", "bring_last", "look")
    assert picture(pods.target) == before


def test_what_became_due_on_one_side_is_no_difference(pods: Stand) -> None:
    soon_ms = int(time.time() * 1000) + 30
    push(pods.source, ("7", 3), due_ms=soon_ms)
    transfer = pods.transfer()
    pods.run(transfer, "hold_there", "pause_here", "bring")
    while time.time() * 1000 <= soon_ms + 5:
        pass
    assert pods.source.promote() == 3
    pods.run(transfer, "bring", "hold_here", "bring_last", "look", *STEPS_AFTER)
    pods.target.promote()
    assert len(claim(pods.target)) == 3
    check_order(pods.target)


def test_who_asks_why_a_job_waits_is_told(pods: Stand) -> None:
    [job_id] = push(pods.source, ("7", 1))
    transfer = till(pods, "pause_here")
    for step in ("drained", "hold_here"):
        assert explain(pods.source.store, job_id, pod_id=1).code == Code.GATE_HOLD
        pods.run(transfer, step)


# Held jobs


def test_held_jobs_are_named_and_not_brought(pods: Stand) -> None:
    push(pods.source, ("7", 3), ("8", 1))
    leases = claim(pods.source, 2) + claim(pods.source, 2, B)
    transfer = till(pods, "pause_here")
    mine = [lease for lease in leases if lease.shop == "7"]
    held = {(one.id, one.incarnation, one.job_class) for one in transfer.drained()}
    assert held == {(one.id, one.incarnation, "shop.collect") for one in mine}
    with pytest.raises(JobsHeld) as raised:
        transfer.bring()
    assert set(raised.value.job_ids) == set(ids(mine))
    for lease in mine:
        pods.source.release(lease.incarnation, [lease])
    assert transfer.drained() == []
    transfer.bring()
    assert len(picture(pods.target).records) == 3


def test_holders_are_told_once_each_time_and_others_are_not(pods: Stand) -> None:
    push(pods.source, ("7", 2), ("8", 1))
    claim(pods.source, 3)
    transfer = till(pods, "pause_here")
    with closing(pods.source.store.listen(f"podwork:ear:{A}")) as line:
        transfer.pause_here()
        deadline = time.monotonic() + 5
        while not (heard := line.hear()) and time.monotonic() < deadline:
            pass
        assert heard == [b"yield 7"]
    assert pods.source.heartbeat(A, {"pid": 1}).orders == ["yield 7"]
    assert pods.source.heartbeat(B, {"pid": 1}).orders == []


def test_what_a_dead_process_held_is_reclaimed_and_brought(pods: Stand) -> None:
    queued = push(pods.source, ("7", 2))
    claim(pods.source, 1)
    transfer = till(pods, "pause_here")
    expire(pods.source, A)
    pods.source.reclaim()
    pods.run(transfer, "bring", *STEPS_THERE[3:], *STEPS_AFTER)
    assert ids(claim(pods.target)) == queued


# Giving up


@pytest.mark.parametrize("last", STEPS_THERE)
def test_giving_up_leaves_the_source_as_it_was_and_the_target_empty(pods: Stand, last: str) -> None:
    push(pods.target, ("9", 2))
    fill(pods.source)
    source, target = all_of(pods.source), all_of(pods.target)
    before = picture(pods.source)
    transfer = till(pods, last)
    pods.run(transfer, *STEPS_BACK)
    after = all_of(pods.source)
    assert after.pop(keys.GATE) == {b"7": b"open 1 1 1"}
    assert after == source
    after = all_of(pods.target)
    assert after.pop(keys.GATE) == {b"7": b"moved 1 1 1"}
    assert _without_empty(after) == _without_empty(target)
    assert picture(pods.source) == before
    check_order(pods.source)


def _without_empty(everything: dict[str, Any]) -> dict[str, Any]:
    """Queues that were there once are known with nothing in them."""
    sizes = {queue: size for queue, size in everything.get(keys.SIZES, {}).items() if size != b"0"}
    return {**everything, keys.SIZES: sizes}


def test_a_second_try_finds_what_has_changed(pods: Stand) -> None:
    fill(pods.source)
    first = till(pods, "bring_last")
    first.pass_here()
    leases = claim(pods.source)
    finish(pods.source, leases[:2])
    pods.source.release(A, leases[2:4], interrupted=True)
    for lease in leases[4:]:
        pods.source.bury(A, lease, "x")
    push(pods.source, ("7", 3))
    before = picture(pods.source)
    assert before != picture(pods.target)
    pods.move(mover=1)
    assert picture(pods.target) == before
    check_order(pods.target)


def test_there_and_back(pods: Stand) -> None:
    fill(pods.source)
    before = picture(pods.source)
    pods.move()
    back = Transfer(
        pods.target, pods.source, shop_id=SHOP, epoch=EPOCH + 1, source_pod=2, target_pod=1, mover=2
    )
    for step in STEPS_THERE + STEPS_AFTER:
        getattr(back, step)(*([_nobody] if step == "sweep_here" else []))
    assert picture(pods.source) == before
    assert not any(picture(pods.target))
    assert len(claim(pods.source, 20)) > 5
    for queues in pods:
        check_order(queues)


def _nobody(parcels: object) -> None:
    raise AssertionError(f"pushed on: {parcels}")
