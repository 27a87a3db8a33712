"""Random histories of every script against a model: no job lost, doubled, or in two places (J1, J5).

After each step the whole of Redis is compared with the model, and the layout's own promises are checked:
a lane with work stands exactly once in the ring or outside of it, the counters equal what is there.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from podwork import keys, record
from podwork.identity import new_job_id
from podwork.inspection import Inspection
from podwork.lease import Lease
from podwork.queues import PushGroup, Queues
from podwork.store import Store

SHOPS = ["1", "2", "3", keys.POD_LANE]
QUEUES = ["critical", "default"]
PROCESSES = ["host:1:a", "host:2:b"]


class History(RuleBasedStateMachine):
    """One pod, two processes that die and come back, four shops, two queues."""

    url: str
    leases = Bundle("leases")

    def __init__(self) -> None:
        super().__init__()
        store = Store(self.url)
        store.client.flushdb()
        self.queues = Queues(store, lease_seconds=3600)
        self.inspection = Inspection(store)
        self.where: dict[str, str] = {}
        self.closed: set[str] = set()
        self.names = {process: f"{process}0" for process in PROCESSES}
        self.lives = 0
        for process in PROCESSES:
            self.queues.register(self.names[process], {"pid": 1})

    @rule(
        queue=st.sampled_from(QUEUES),
        counts=st.lists(st.tuples(st.sampled_from(SHOPS), st.integers(1, 4)), max_size=3),
    )
    def push(self, queue: str, counts: list[tuple[str, int]]) -> None:
        groups = []
        for shop, number in counts:
            stored = record.encode_first(queue, 1, record.payload_prefix("c", 0), b"{}")
            groups.append(PushGroup(queue, shop, 0, [(new_job_id(1, shop), stored) for _ in range(number)]))
        refused = {refusal.group for refusal in self.queues.push(groups)}
        assert refused == {at for at, group in enumerate(groups) if group.shop in self.closed}
        for at, group in enumerate(groups):
            if at not in refused:
                self.where.update({job_id: "ready" for job_id, _ in group.jobs})

    @rule(
        target=leases,
        process=st.sampled_from(PROCESSES),
        limit=st.integers(1, 6),
        order=st.permutations(QUEUES),
    )
    def claim(self, process: str, limit: int, order: list[str]) -> Any:
        taken = self.queues.claim(self.names[process], order, limit)
        open_ready = [
            job for job, at in self.where.items() if at == "ready" and job.split("-")[1] not in self.closed
        ]
        assert len(taken) == min(limit, len(open_ready)), "a claim is work-conserving"
        for lease in taken:
            assert self.where[lease.id] == "ready"
            assert lease.shop not in self.closed
            self.where[lease.id] = lease.incarnation
        return multiple(*taken)

    def _holds(self, lease: Lease) -> bool:
        return self.where.get(lease.id) == lease.incarnation

    @rule(lease=leases)
    def acknowledge(self, lease: Lease) -> None:
        held = self._holds(lease)
        assert self.queues.acknowledge(lease.incarnation, [lease]) == ([] if held else [lease.id])
        if held:
            del self.where[lease.id]

    @rule(taken=st.lists(consumes(leases), min_size=1, max_size=5), process=st.sampled_from(PROCESSES))
    def acknowledge_many(self, taken: list[Lease], process: str) -> None:
        mine = self.names[process]
        held = {lease.id for lease in taken if self.where.get(lease.id) == mine}
        refused = self.queues.acknowledge(mine, taken)
        assert set(refused) == {lease.id for lease in taken} - held
        for job_id in held:
            del self.where[job_id]

    @rule(lease=leases, way=st.sampled_from(["retry", "bury", "park", "forget", "release"]))
    def end_otherwise(self, lease: Lease, way: str) -> None:
        held, who = self._holds(lease), lease.incarnation
        done = {
            "retry": lambda: self.queues.retry(who, lease, 0, "error"),
            "bury": lambda: self.queues.bury(who, lease, "error"),
            "park": lambda: self.queues.park(who, lease),
            "forget": lambda: self.queues.forget(who, lease),
            "release": lambda: bool(self.queues.release(who, [lease], interrupted=True)),
        }[way]()
        assert done is held
        after = {"retry": "scheduled", "bury": "dead", "park": "parked", "release": "ready"}
        if held and way == "forget":
            del self.where[lease.id]
        elif held:
            self.where[lease.id] = after[way]

    @rule()
    def promote(self) -> None:
        self.queues.promote()
        self._all("scheduled", "ready")

    @rule()
    def unpark(self) -> None:
        self.queues.unpark({"c": 1})
        self._all("parked", "ready")

    @rule(process=st.sampled_from(PROCESSES))
    def die(self, process: str) -> None:
        dead = self.names[process]
        held = {job for job, at in self.where.items() if at == dead}
        self.queues.store.command("ZADD", keys.PROCESSES, 1, dead)
        taken = self.queues.reclaim()
        assert {job.id for job in taken} == held
        for job in taken:
            self.where[job.id] = "dead" if job.buried else "ready"
        self.lives += 1
        self.names[process] = f"{process}{self.lives}"
        self.queues.register(self.names[process], {"pid": 1})

    @rule(shop=st.sampled_from(SHOPS[:3]), state=st.sampled_from(["open", "hold"]))
    def gate(self, shop: str, state: str) -> None:
        self.queues.set_gate(int(shop), state, 0, 1)
        (self.closed.discard if state == "open" else self.closed.add)(shop)

    def _all(self, before: str, after: str) -> None:
        self.where.update({job: after for job, at in self.where.items() if at == before})

    @invariant()
    def every_job_is_where_the_model_says(self) -> None:
        ids = {job_id for shop in SHOPS for job_id in self.inspection.job_ids(shop)}
        assert ids == set(self.where)
        states = Counter(
            at if at in {"ready", "scheduled", "parked", "dead"} else "held" for at in self.where.values()
        )
        found = self.inspection.counts()._asdict()
        assert {name: states.get(name, 0) for name in found} == found

    @invariant()
    def a_lane_with_work_is_in_the_ring_or_outside_once(self) -> None:
        client: Any = self.queues.store.client
        queued: Counter[str] = Counter()
        for queue in QUEUES:
            ring = Counter(client.lrange(keys.ring(queue), 0, -1))
            outside = client.smembers(keys.outside(queue))
            for shop in SHOPS:
                lane = client.lrange(keys.lane(queue, shop), 0, -1)
                queued.update(job.decode() for job in lane)
                places = ring[shop.encode()] + (shop.encode() in outside)
                assert places == (1 if lane else 0), (queue, shop, places, lane)
        assert all(number == 1 for number in queued.values())
        assert set(queued) == {job for job, at in self.where.items() if at == "ready"}


def test_random_histories(store_url: str) -> None:
    """`PODWORK_FUZZ_EXAMPLES` makes it longer (`make test-long`)."""
    examples = int(os.environ.get("PODWORK_FUZZ_EXAMPLES", "30"))
    machine = type("HistoryHere", (History,), {"url": store_url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            derandomize=examples <= 60,
            suppress_health_check=list(HealthCheck),
        ),
    )


test_random_histories = pytest.mark.timeout(600)(test_random_histories)
