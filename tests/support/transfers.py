"""Two pods' Redis, a shop with jobs in every state, and its jobs' passage from one to the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from podwork import keys, points
from podwork.holds import Holds
from podwork.interventions import Interventions
from podwork.lease import Lease
from podwork.queues import Queues
from podwork.store import Store
from podwork.transfer import Manifests, Transfer, pushing_to
from tests.support.engine import A, B, claim, push
from tests.support.servers import PrivateServers, fresh_redis

SHOP = 7
EPOCH = 1
LATER_MS = 4_000_000_000_000
HELD: dict[str, Any] = {"reason": "incident 12", "owner": "ada"}
STEPS_THERE = ("hold_there", "pause_here", "bring", "hold_here", "bring_last", "look")
STEPS_AFTER = ("leave_here", "pass_there", "sweep_here")
STEPS_BACK = ("pass_here", "close_there", "drop_there")
MARKS = (keys.brought("7"), keys.arrived("7"), keys.since("7"), keys.aside("7"))


class Killed(Exception):
    """Raised at a point, in place of a kill: what was to follow does not."""


class Stand(NamedTuple):
    """The source and the target."""

    source: Queues
    target: Queues

    def transfer(self, mover: int = 1, epoch: int = EPOCH) -> Transfer:
        """The passage of the shop from the first pod to the second."""
        return Transfer(
            self.source, self.target, shop_id=SHOP, epoch=epoch, source_pod=1, target_pod=2, mover=mover
        )

    def run(self, transfer: Transfer, *steps: str) -> list[Any]:
        """Take steps; what is to be pushed on goes straight to the other pod."""
        roads = {"sweep_here": (self.target, EPOCH + 1), "drop_there": (self.source, EPOCH)}
        arguments = {name: (pushing_to(*road),) for name, road in roads.items()}
        return [getattr(transfer, step)(*arguments.get(step, ())) for step in steps]

    def move(self, mover: int = 1) -> Manifests:
        """The whole passage; return the manifests of the whole."""
        manifests = self.run(self.transfer(mover), *STEPS_THERE, *STEPS_AFTER)[2]
        assert isinstance(manifests, Manifests)
        return manifests


def stand(servers: PrivateServers) -> Stand:
    """Return two empty pods with a live process each."""
    pods = Stand(
        *(Queues(Store(fresh_redis(servers, server)), lease_seconds=3600)
          for server in (servers.redis(), servers.valkey()))
    )  # fmt: skip
    for queues in pods:
        for who in (A, B):
            queues.register(who, {"pid": 1})
        queues.promote()
    return pods


def fill(queues: Queues) -> None:
    """Bring jobs of the shop into every state, among those of others."""
    push(queues, ("7", 3), ("8", 2), job_class="shop.dead")
    for number, lease in enumerate(claim(queues)):
        queues.bury(A, lease, f"ValueError: row {number}", {"e": "0000aaaa"})
    push(queues, ("7", 3), ("8", 1), job_class="shop.newer")
    for lease in claim(queues):
        queues.park(A, lease)
    push(queues, ("7", 2), ("9", 1))
    for lease in claim(queues):
        queues.retry(A, lease, LATER_MS / 1000, "ValueError: again", {"f": "1"})
    push(queues, ("7", 2), ("9", 1), due_ms=LATER_MS - 1000)
    push(queues, ("7", 4), ("8", 3), ("pod", 1))
    push(queues, ("7", 3), queue="low")
    Interventions(queues.store).weigh(SHOP, 3)
    Holds(queues.store).place(shop="7", job_class="shop.odd", **HELD)


def all_of(queues: Queues) -> dict[str, Any]:
    """Return all that a Redis has, but for what counts and what passes."""
    client: Any = queues.store.client
    read: dict[bytes, Callable[[bytes], Any]] = {
        b"hash": client.hgetall,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        b"set": client.smembers,
        b"string": client.get,
    }
    passing = {keys.TOTALS, keys.PROCESSES, keys.IDLE}
    return {
        key.decode(): read[client.type(key)](key)
        for key in sorted(client.keys())
        if key.decode() not in passing and b":process:" not in key and b":orders:" not in key
    }


class Picture(NamedTuple):
    """A shop's jobs on one pod: records, and where each stands, in order."""

    records: dict[bytes, bytes]
    lanes: dict[str, list[bytes]]
    scheduled: dict[bytes, float]
    dead: dict[bytes, float]
    after: dict[bytes, bytes]
    locks: dict[bytes, bytes]


def picture(queues: Queues, shop: str = "7") -> Picture:
    """Look at a shop. What waits in a room of the pod's own stands before its lane, as it is brought."""
    client: Any = queues.store.client
    records = client.hgetall(keys.jobs(shop))
    parked = {one: room for one, room in client.hgetall(keys.PARKED).items() if one in records}
    lanes: dict[str, list[bytes]] = {}
    for room in sorted(set(parked.values())):
        if not room.startswith(b"!after:"):
            for job_id in client.lrange(keys.lane(room.decode(), shop), 0, -1):
                lanes.setdefault(records[job_id].split(b" ")[1].decode(), []).append(job_id)
    for queue in client.hkeys(keys.SIZES):
        waiting = [one for one in client.lrange(keys.lane(queue.decode(), shop), 0, -1) if one in records]
        if waiting:
            lanes.setdefault(queue.decode(), []).extend(waiting)
    return Picture(
        records,
        lanes,
        _of_shop(client.zrange(keys.SCHEDULE, 0, -1, withscores=True), records),
        _of_shop(client.zrange(keys.DEAD, 0, -1, withscores=True), records),
        {one: room for one, room in parked.items() if room.startswith(b"!after:")},
        client.hgetall(keys.locks(shop)),
    )


def _of_shop(scored: list[tuple[bytes, float]], records: dict[bytes, bytes]) -> dict[bytes, float]:
    return {job_id: score for job_id, score in scored if job_id in records}


def check_order(queues: Queues) -> None:
    """Check that lanes stand where they have to, once, and that the counters count what is there."""
    client: Any = queues.store.client
    for queue, size in client.hgetall(keys.SIZES).items():
        ring = client.lrange(keys.ring(queue.decode()), 0, -1)
        outside = client.smembers(keys.outside(queue.decode()))
        lanes = [key.decode() for key in client.keys(keys.lane(queue.decode(), "*"))]
        ready = 0
        for lane in lanes:
            shop = lane.rpartition(":")[2]
            assert ring.count(shop.encode()) + (shop.encode() in outside) == 1, (queue, shop)
            ready += sum(client.hmget(keys.jobs(shop), client.lrange(lane, 0, -1)).count(None) == 0
                         for _ in [0]) * client.llen(lane)  # fmt: skip
        assert int(size) == ready, (queue, size, ready)
        assert len(ring) + len(outside) == len(lanes), queue
    rooms = {room: int(size) for room, size in client.hgetall(keys.ROOMS).items()}
    parked = list(client.hgetall(keys.PARKED).values())
    assert rooms == {room: parked.count(room) for room in set(parked)}


def finish(queues: Queues, leases: list[Lease]) -> None:
    """Acknowledge jobs."""
    for lease in leases:
        assert queues.acknowledge(lease.incarnation, [lease]) == []


@contextmanager
def killed_at(number: int) -> Iterator[list[str]]:
    """Raise `Killed` at the point of the transfer that is reached as the `number`th; yield those reached."""
    reached: list[str] = []

    def hook(name: str) -> None:
        if name.startswith("transfer."):
            reached.append(name)
            if len(reached) == number:
                raise Killed(name)

    points.install(hook)
    try:
        yield reached
    finally:
        points.install(None)
