"""How work finds an idle process: handed over with the push, or by a hint; on real servers."""

from __future__ import annotations

import select
from collections.abc import Iterator

import pytest

from podwork import keys, record
from podwork.errors import StoreRefused, StoreUnavailable
from podwork.holds import Holds
from podwork.identity import new_job_id
from podwork.inspection import Inspection
from podwork.limits import Concurrency, Limits, described
from podwork.line import Line
from podwork.queues import Handed, PushGroup, Queues
from podwork.store import Store
from podwork.transitions import handed
from tests.support.wait import until

A, B = "host:1:aaaa", "host:2:bbbb"
ROOM = 2


class Idle:
    """A process that has looked, found less than it wanted, and listens."""

    def __init__(self, queues: Queues, name: str, names: tuple[str, ...] = ("default",)) -> None:
        self.queues, self.name, self.names = queues, name, names
        self.channel = f"podwork:ear:{name}"
        queues.register(name, {"pid": 1})
        self.line: Line = queues.store.listen(self.channel)

    def look(self) -> list[str]:
        """Claim, and count as idle if that was not enough."""
        return [lease.id for lease in self.queues.claim(self.name, self.names, ROOM, channel=self.channel)]

    def told(self) -> list[Handed]:
        """What has arrived; all of it was sent before this was asked."""
        self.queues.store.ping()
        if not select.select([self.line], [], [], 0.2)[0]:
            return []
        return [handed(self.name, message) for message in self.line.hear()]

    def end_of_line(self) -> None:
        """Cut it as a kill does, and wait until Redis has seen it."""
        self.line.close()
        asked = ("PUBSUB", "NUMSUB", self.channel)
        until(lambda: self.queues.store.command(*asked)[1] == 0, message="the end of the line")


@pytest.fixture
def queues(store_url: str) -> Queues:
    return Queues(Store(store_url), lease_seconds=30)


@pytest.fixture
def idle(queues: Queues) -> Iterator[Idle]:
    one = Idle(queues, A)
    assert one.look() == []
    yield one
    one.line.close()


def push(queues: Queues, count: int = 1, shop: str = "7", queue: str = "default") -> list[str]:
    prefix = record.payload_prefix("shop.collect", 1)
    jobs = [(new_job_id(1, shop), record.encode_first(queue, 1, prefix, b"{}")) for _ in range(count)]
    assert queues.push([PushGroup(queue, shop, 1, jobs)]) == []
    return [job_id for job_id, _ in jobs]


def ids(told: list[Handed]) -> list[tuple[list[str], bool]]:
    return [([lease.id for lease in one.leases], one.more) for one in told]


def test_a_push_hands_the_job_to_who_waits(queues: Queues, idle: Idle) -> None:
    [job_id] = push(queues)
    [one] = idle.told()
    [lease] = one.leases
    assert (lease.id, lease.shop_id, lease.job_class, lease.incarnation) == (job_id, 7, "shop.collect", A)
    assert queues.store.client.hkeys(keys.held(A)) == [job_id.encode()]
    assert Inspection(queues.store).counts().ready == 0
    assert queues.acknowledge(A, [lease]) == []
    assert Inspection(queues.store).totals() == {"accepted": 1, "claimed:default": 1, "acknowledged": 1}


def test_as_much_is_handed_over_as_there_is_room_for(queues: Queues, idle: Idle) -> None:
    first, second, third = push(queues), push(queues), push(queues)
    assert ids(idle.told()) == [(first, False), (second, True)], "with the second one its room is used up"
    assert idle.look() == third


def test_a_job_behind_others_waits_for_its_turn(queues: Queues, idle: Idle) -> None:
    """Room was short when the others came; who has room now begins with them."""
    queues.claim(A, ["default"], 0)
    earlier = push(queues, 3)
    other = Idle(queues, B, ("low", "default"))
    queues.store.command("RPUSH", keys.idle("default"), B)  # as if it had found nothing before they came
    queues.store.command("HSET", keys.IDLE, B, f"{other.channel} {ROOM} low default")
    [late] = push(queues, shop="8")
    [(handed_over, more)] = ids(other.told())
    assert (handed_over[0], more) == (earlier[0], True)
    assert {*handed_over, *(lease.id for lease in queues.claim(A, ["default"], 9))} == {*earlier, late}


def test_who_claims_is_idle_no_more(queues: Queues, idle: Idle) -> None:
    queues.claim(A, ["default"], 0)
    [job_id] = push(queues)
    assert idle.told() == []
    assert idle.look() == [job_id]


def test_a_job_is_not_handed_to_who_does_not_hear(queues: Queues, idle: Idle) -> None:
    idle.end_of_line()
    other = Idle(queues, B)
    other.look()
    [job_id] = push(queues)
    assert ids(other.told()) == [([job_id], False)]
    [late] = push(queues, queue="default", shop="8")
    assert ids(other.told()) == [([late], True)]
    assert Inspection(queues.store).counts().held == 2
    assert queues.store.client.hkeys(keys.IDLE) == []


def test_nobody_hears_then_the_job_stays_ready(queues: Queues, idle: Idle) -> None:
    idle.end_of_line()
    [job_id] = push(queues)
    assert Inspection(queues.store).counts().ready == 1
    assert [lease.id for lease in queues.claim(A, ["default"], 5)] == [job_id]


def test_a_job_is_not_handed_to_who_has_no_lease(queues: Queues, idle: Idle) -> None:
    queues.store.command("ZADD", keys.PROCESSES, 0, A)
    push(queues)
    assert idle.told() == []
    assert Inspection(queues.store).counts().ready == 1


def test_what_was_handed_over_is_reclaimed_with_the_lease(queues: Queues, idle: Idle) -> None:
    [job_id] = push(queues)
    queues.store.command("ZADD", keys.PROCESSES, 1, A)
    assert [one.id for one in queues.reclaim()] == [job_id]
    queues.register(B, {"pid": 2})
    assert [lease.id for lease in queues.claim(B, ["default"], 5)] == [job_id]


def test_who_was_told_and_died_is_stood_in_for(queues: Queues, idle: Idle) -> None:
    other = Idle(queues, B)
    other.look()
    third = "host:3:cccc"
    queues.register(third, {"pid": 3})
    push(queues, 1, queue="else")
    taken = queues.claim(third, ["else"], 1)
    push(queues, 3, queue="default")
    assert ids(idle.told())[0][1], "two are handed to it, and the next is told of the third job"
    assert ids(other.told()) == [([], True)]
    queues.claim(B, ["default"], 0)  # nobody is idle now
    fourth = Idle(queues, "host:4:dddd", names=("default", "more"))
    queues.store.command("DEL", keys.ring("default"))
    fourth.look()
    queues.store.command("RPUSH", keys.ring("default"), "7")  # as if it had not been told
    queues.store.command("ZADD", keys.PROCESSES, 1, B)
    queues.reclaim()
    assert ids(fourth.told()) == [([], True)], "work that nobody was told of any more"
    assert queues.acknowledge(third, taken) == []


def test_what_was_handed_over_can_be_adopted(queues: Queues, idle: Idle) -> None:
    [job_id] = push(queues)
    assert [lease.id for lease in queues.adopt(A)] == [job_id]
    [later] = push(queues)
    assert Inspection(queues.store).counts().ready == 1, "who adopts is idle no more"
    assert idle.look() == [later]


@pytest.mark.parametrize("end", ["deregister", "reclaim"])
def test_a_process_that_is_gone_is_listed_nowhere(queues: Queues, idle: Idle, end: str) -> None:
    if end == "reclaim":
        queues.store.command("ZADD", keys.PROCESSES, 1, A)
        queues.reclaim()
    else:
        queues.deregister(A)
    assert queues.store.client.exists(keys.IDLE, keys.idle("default")) == 0


def test_who_waits_longest_is_handed_first(queues: Queues, idle: Idle) -> None:
    other = Idle(queues, B)
    other.look()
    first, second, third = push(queues), push(queues), push(queues)
    assert ids(idle.told()) == [(first, False), (third, True)]
    assert ids(other.told()) == [(second, False)]


def test_what_is_left_wakes_the_next(queues: Queues, idle: Idle) -> None:
    other = Idle(queues, B)
    other.look()
    job_ids = push(queues, 5)
    assert ids(idle.told()) == [(job_ids[:2], True)]
    assert ids(other.told()) == [([], True)]
    assert other.look() == job_ids[2:4]


def test_who_claims_and_leaves_work_behind_wakes_the_next(queues: Queues, idle: Idle) -> None:
    queues.claim(A, ["default"], 0)
    job_ids = push(queues, 3)
    queues.set_gate(7, "hold", 1, 1)
    other = Idle(queues, B)
    assert (idle.look(), other.look()) == ([], [])
    queues.set_gate(7, "open", 1, 1)
    assert (ids(idle.told()), ids(other.told())) == ([([], True)], []), "one of them is told"
    assert idle.look() == job_ids[:2]
    assert ids(other.told()) == [([], True)]
    assert other.look() == job_ids[2:]


def test_a_hint_reaches_every_queue_of_a_process(queues: Queues) -> None:
    one = Idle(queues, A, names=("critical", "default"))
    one.look()
    push(queues, 1, queue="default")
    push(queues, 1, queue="critical")
    assert [more for _, more in ids(one.told())] == [False, True]
    assert queues.store.client.exists(keys.IDLE, keys.idle("critical"), keys.idle("default")) == 0


def test_a_released_job_wakes_who_waits(queues: Queues) -> None:
    push(queues)
    queues.register(A, {"pid": 1})
    leases = queues.claim(A, ["default"], 1)
    other = Idle(queues, B)
    other.look()
    queues.release(A, leases)
    assert ids(other.told()) == [([], True)]


def test_who_cannot_use_a_hint_passes_it_on(queues: Queues, idle: Idle) -> None:
    other = Idle(queues, B)
    push(queues, 1, queue="else")
    other.look()
    push(queues, 5)
    assert ids(idle.told())[0][1]
    assert ids(other.told()) == [([], True)]
    idle.look()
    queues.claim(B, ["default"], 0)  # told, but it takes nothing: the one that waits again is told
    assert ids(idle.told()) == [], "it got all that it wanted: it is not idle"
    assert len(idle.look()) == 1


def test_what_is_on_hold_is_not_handed_over(queues: Queues, idle: Idle) -> None:
    Holds(queues.store).place(shop="7", reason="test", owner="test")
    push(queues)
    assert idle.told() == []
    [other] = push(queues, shop="8")
    assert ids(idle.told()) == [([other], False)]


def test_what_is_over_a_limit_is_parked_and_its_slot_wakes_who_waits(queues: Queues, idle: Idle) -> None:
    limits = Limits(queues.store)
    limits.publish([described(Concurrency(1), "code", job_class="shop.collect")], ["shop.collect"])
    first, second = push(queues)[0], push(queues)[0]
    [one] = idle.told()
    assert [lease.id for lease in one.leases] == [first]
    assert Inspection(queues.store).counts().parked == 1
    queues.acknowledge(A, one.leases)
    assert ids(idle.told()) == [([], True)], "the slot is free: its job is ready"
    assert idle.look() == [second]


def test_a_line_that_ends_says_so(queues: Queues, idle: Idle) -> None:
    queues.store.command("CLIENT", "KILL", "TYPE", "pubsub")
    select.select([idle.line], [], [], 5)
    with pytest.raises(StoreUnavailable):
        idle.line.hear()


def test_who_may_not_listen_is_told(store_url: str) -> None:
    store = Store(store_url)
    store.command("ACL", "SETUSER", "deaf", "on", ">secret", "~*", "+@all", "resetchannels")
    scheme, address = store_url.split("://")
    try:
        with pytest.raises(StoreRefused, match="NOPERM"):
            Store(f"{scheme}://deaf:secret@{address}").listen("podwork:ear:x")
    finally:
        store.command("ACL", "DELUSER", "deaf")


def test_large_jobs_arrive_whole(queues: Queues, idle: Idle) -> None:
    prefix = record.payload_prefix("shop.collect", 1)
    text = b'{"text":"' + b"a:1:" * 100_000 + b'"}'
    job_id = new_job_id(1, "7")
    queues.push([PushGroup("default", "7", 1, [(job_id, record.encode_first("default", 1, prefix, text))])])
    told: list[Handed] = []
    while not told:
        told = idle.told()
    assert told[0].leases[0].args == {"text": "a:1:" * 100_000}
