"""Random histories with limits, holds, locks, gates and a person's hand: nothing lost, doubled, stuck or over
a limit.

What is predicted is not each step but what must be true after all of them: every job that was accepted and
has not ended stands in one place; counters equal what is there; no limit is exceeded; whoever waits, waits
for something that is so; and when holds, limits and gates are gone, everything can be claimed.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from podwork import App, keys, record
from podwork.holds import Holds
from podwork.identity import new_job_id
from podwork.inspection import Inspection
from podwork.interventions import Interventions
from podwork.lease import Lease
from podwork.limits import Concurrency, Limits, Window
from podwork.parcel import parcel_of
from podwork.queues import End, PushGroup, Queues, Refusal
from podwork.store import Store
from podwork.unique import Unique

SHOPS = ["1", "2", "3"]
QUEUES = ["critical", "default"]
CLASSES = ["a", "b"]
PROCESSES = ["host:1:a", "host:2:b"]
SCOPES = [
    {},
    {"job_class": "a"},
    {"queue": "default"},
    {"shop": "1"},
    {"job_class": "b", "queue": "critical"},
]

app = App("fuzz")


@app.job(name="unique", unique=Unique(by=("n",), conflict="reschedule"))
def unique(n: int) -> None:
    """Do nothing."""


@app.job(name="replaced", unique=Unique(until="start", by=("n",), conflict="replace"))
def replaced(n: int) -> None:
    """Do nothing."""


class History(RuleBasedStateMachine):
    """One pod, two processes, three shops, two queues, and everything that can stand in a job's way."""

    url: str

    def __init__(self) -> None:
        super().__init__()
        store = Store(self.url)
        store.client.flushdb()
        self.queues = Queues(store, lease_seconds=3600)
        self.limits, self.holds = Limits(store), Holds(store)
        self.hand, self.inspection = Interventions(store), Inspection(store)
        self.alive: set[str] = set()
        self.held: dict[str, Lease] = {}
        self.concurrency: dict[str, int] = {}
        self.names = {process: f"{process}0" for process in PROCESSES}
        self.lives = 0
        for process in PROCESSES:
            self.queues.register(self.names[process], {"pid": 1})

    # What comes in

    @rule(
        queue=st.sampled_from(QUEUES),
        shop=st.sampled_from(SHOPS),
        of=st.sampled_from(CLASSES),
        n=st.integers(1, 4),
    )
    def push(self, queue: str, shop: str, of: str, n: int) -> None:
        stored = record.encode_first(queue, 1, record.payload_prefix(of, 0), b"{}")
        group = PushGroup(queue, shop, 0, [(new_job_id(1, shop), stored) for _ in range(n)])
        if not self.queues.push([group]):
            self.alive.update(job_id for job_id, _ in group.jobs)

    @rule(shop=st.sampled_from(SHOPS), job_class=st.sampled_from([unique, replaced]), n=st.integers(1, 2))
    def push_unique(self, shop: str, job_class: Any, n: int) -> None:
        parcel = parcel_of(job_class, {"n": n}, int(shop), 1)
        answer = self.queues.push_locked(parcel, 0)
        if isinstance(answer, Refusal):
            return
        if answer.what in ("accepted", "after"):
            self.alive.add(parcel.id)
        assert answer.id in self.alive, "whoever stands for a push is there"

    # What runs

    @rule(process=st.sampled_from(PROCESSES), limit=st.integers(1, 8), order=st.permutations(QUEUES))
    def claim(self, process: str, limit: int, order: list[str]) -> None:
        for lease in self.queues.claim(self.names[process], order, limit):
            assert lease.id in self.alive
            assert lease.id not in self.held
            self.held[lease.id] = lease

    def _one(self, choice: int) -> Lease | None:
        return (
            sorted(self.held.values(), key=lambda lease: lease.id)[choice % len(self.held)]
            if self.held
            else None
        )

    @rule(
        choice=st.integers(0, 20),
        way=st.sampled_from(["succeed", "drop", "retry", "snooze", "bury", "park", "release"]),
    )
    def end(self, choice: int, way: str) -> None:
        lease = self._one(choice)
        if lease is None:
            return
        who = lease.incarnation
        ways: dict[str, Callable[[], object]] = {
            "succeed": lambda: self.queues.turn(who, [End(lease)], QUEUES, 0),
            "drop": lambda: self.queues.turn(who, [End(lease, "cancelled")], QUEUES, 0),
            "retry": lambda: self.queues.retry(who, lease, 0, "error"),
            "snooze": lambda: self.queues.snooze(who, lease, 0),
            "bury": lambda: self.queues.bury(who, lease, "error"),
            "park": lambda: self.queues.park(who, lease),
            "release": lambda: self.queues.release(who, [lease]),
        }
        ways[way]()
        del self.held[lease.id]
        if way in ("succeed", "drop") or self.inspection.job(lease.id) is None:
            self.alive.discard(lease.id)

    @rule(choice=st.integers(0, 20), once=st.booleans())
    def start(self, choice: int, once: bool) -> None:
        lease = self._one(choice)
        if lease is not None:
            assert self.queues.start(lease.incarnation, lease, at_most_once=once)

    @rule(process=st.sampled_from(PROCESSES))
    def die(self, process: str) -> None:
        dead = self.names[process]
        self.queues.store.command("ZADD", keys.PROCESSES, 1, dead)
        taken = {one.id for one in self.queues.reclaim()}
        assert taken == {job_id for job_id, lease in self.held.items() if lease.incarnation == dead}
        for job_id in taken:
            del self.held[job_id]
            if self.inspection.job(job_id) is None:
                self.alive.discard(job_id)
        self.lives += 1
        self.names[process] = f"{process}{self.lives}"
        self.queues.register(self.names[process], {"pid": 1})

    @rule()
    def time_passes(self) -> None:
        self.queues.promote()
        self.queues.unpark(dict.fromkeys([*CLASSES, "unique", "replaced"], 1))
        while self.queues.sound_alarms():
            pass

    # What stands in the way

    @rule(scope=st.sampled_from(SCOPES), amount=st.integers(1, 3), each=st.booleans())
    def limit(self, scope: dict[str, str], amount: int, each: bool) -> None:
        each = each and "shop" not in scope
        self.concurrency[self.limits.set(Concurrency(amount, each_shop=each), **scope)] = amount

    @rule(scope=st.sampled_from(SCOPES))
    def rate(self, scope: dict[str, str]) -> None:
        self.limits.set(Window(2, per_seconds=0.001), **scope)

    @rule(choice=st.integers(0, 9))
    def unlimit(self, choice: int) -> None:
        present = self.limits.list()
        if present:
            name = present[choice % len(present)].name
            assert self.limits.remove(name)
            self.concurrency.pop(name, None)

    @rule(scope=st.sampled_from([*SCOPES, {}]))
    def hold(self, scope: dict[str, Any]) -> None:
        self.holds.place(**scope, reason="x", owner="y")

    @rule(choice=st.integers(0, 9))
    def lift(self, choice: int) -> None:
        present = self.holds.list()
        if present:
            self.holds.lift(present[choice % len(present)].name)

    @rule(shop=st.sampled_from(SHOPS), state=st.sampled_from(["open", "hold"]))
    def gate(self, shop: str, state: str) -> None:
        self.queues.set_gate(int(shop), state, 0, 1)

    @rule(shop=st.sampled_from(SHOPS), weight=st.integers(1, 4))
    def weigh(self, shop: str, weight: int) -> None:
        self.hand.weigh(int(shop), weight)

    @rule(
        choice=st.integers(0, 50),
        what=st.sampled_from(["cancel", "retry", "move"]),
        queue=st.sampled_from(QUEUES),
    )
    def intervene(self, choice: int, what: str, queue: str) -> None:
        if not self.alive:
            return
        job_id = sorted(self.alive)[choice % len(self.alive)]
        if what == "move":
            self.hand.move([job_id], queue)
            return
        [outcome] = self.hand.cancel([job_id]) if what == "cancel" else self.hand.retry([job_id])
        if outcome.what == "ended":
            self.alive.discard(job_id)

    # What must be true

    @invariant()
    def every_job_stands_in_one_place(self) -> None:
        client: Any = self.queues.store.client
        assert {job_id for shop in SHOPS for job_id in self.inspection.job_ids(shop)} == self.alive
        places: Counter[str] = Counter(list(self.held))
        rooms = {room.decode(): int(size) for room, size in client.hgetall(keys.ROOMS).items()}
        parked = {job.decode(): room.decode() for job, room in client.hgetall(keys.PARKED).items()}
        places.update(list(parked))
        assert Counter(parked.values()) == rooms
        places.update(
            job.decode() for job in [*client.zrange(keys.SCHEDULE, 0, -1), *client.zrange(keys.DEAD, 0, -1)]
        )
        ready = 0
        for queue in QUEUES:
            for shop in SHOPS:
                lane = [job.decode() for job in client.lrange(keys.lane(queue, shop), 0, -1)]
                here = [job for job in lane if job in self.alive]
                places.update(here)
                ready += len(here)
                ring = client.lrange(keys.ring(queue), 0, -1).count(shop.encode())
                standing = ring + client.sismember(keys.outside(queue), shop)
                assert standing == 1 if lane else standing <= 1, (queue, shop, standing, lane)
        assert set(places) == self.alive
        assert all(count == 1 for count in places.values()), places
        assert sum(int(size) for size in client.hvals(keys.SIZES)) == ready

    @invariant()
    def no_limit_is_exceeded_and_no_slot_is_left_over(self) -> None:
        client: Any = self.queues.store.client
        granted = {job.decode(): key.decode() for job, key in client.hgetall(keys.GRANTED).items()}
        holds = {
            job.decode(): hold.decode().split("|")[2:]
            for name in self.names.values()
            for job, hold in client.hgetall(keys.held(name)).items()
        }
        for key in [key.decode() for key in client.keys("podwork:passes:*")]:
            limit = key.removeprefix("podwork:passes:")
            for job in (job.decode() for job in client.smembers(key)):
                assert limit in holds.get(job, []) or limit in granted.get(job, "").split("|"), (
                    f"{job} keeps a slot of {limit}"
                )

    @invariant()
    def whoever_waits_waits_for_something_that_is_so(self) -> None:
        client: Any = self.queues.store.client
        alarms = {alarm.decode() for alarm in client.zrange(keys.ALARMS, 0, -1)}
        present = {hold.name for hold in self.holds.list()}
        for room in (room.decode() for room in client.hkeys(keys.ROOMS)):
            kind, _, what = room.removeprefix("!").partition(":")
            if kind == "hold":
                assert what in present or f"room:{room}" in alarms, room
            if kind == "limit" and "concurrency" in what:
                amount = self.concurrency.get(what.split(" ")[0], 0)
                assert client.scard(keys.passes(what)) >= amount > 0, f"{room} waits, and a slot is free"
            if kind == "limit" and "window" in what:
                assert f"limit:{what}" in alarms, room
            if kind == "after":
                assert what in self.alive, room

    def teardown(self) -> None:
        """Take away the holds and open the gates: everything runs, under all its limits."""
        for hold in self.holds.list():
            self.holds.lift(hold.name)
        for shop in SHOPS:
            self.queues.set_gate(int(shop), "open", 0, 1)
        self.hand.retry([job_id.decode() for job_id in self.queues.store.command("ZRANGE", keys.DEAD, 0, -1)])
        for _ in range(4 * len(self.alive) + 3):
            self.time_passes()
            self.claim(PROCESSES[0], 50, QUEUES)
            for lease in list(self.held.values()):
                self.queues.turn(lease.incarnation, [End(lease)], QUEUES, 0)
                self.alive.discard(lease.id)
            self.held.clear()
        assert self.alive == set(), "somebody waits for what does not come"
        left = {key.decode() for key in self.queues.store.client.keys("podwork:*")}  # type: ignore[union-attr]
        assert not {
            key for key in left if key.startswith(("podwork:jobs", "podwork:locks", "podwork:passes"))
        }
        assert not left & {keys.ROOMS, keys.PARKED, keys.GRANTED, keys.DEAD, keys.SCHEDULE}


def test_random_histories(store_url: str) -> None:
    """`PODWORK_FUZZ_EXAMPLES` makes it longer (`make test-long`)."""
    examples = int(os.environ.get("PODWORK_FUZZ_EXAMPLES", "25"))
    machine = type("HistoryHere", (History,), {"url": store_url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=50,
            deadline=None,
            derandomize=examples <= 60,
            suppress_health_check=list(HealthCheck),
        ),
    )


test_random_histories = pytest.mark.timeout(900)(test_random_histories)
