"""A pod with an outbox, for tests: shard, Redis, relays step by step, and somebody who runs the jobs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from podwork import App, Unique, keys
from podwork.lease import Lease
from podwork.queues import Queues
from podwork_pods import current
from podwork_pods.outbox.arrivals import Arrivals
from podwork_pods.outbox.rebuild import Once, Rebuild
from podwork_pods.outbox.relay import Relay
from podwork_pods.outbox.schema import outbox
from podwork_pods.topology import Topology
from tests.support.pods import prepared_topology, settings, sibling_database

SHOP, NEIGHBOUR, ELSEWHERE = 330, 331, 332
"""Two shops of pod 1 and one of pod 2."""
WORKER = "host:1:worker"

app = App("outbox")


@app.job()
def note(text: str) -> None:
    """Be a job."""


@app.job(name="once", retry=0, at_most_once=True)
def once(text: str) -> None:
    """Be a job that may start only once."""


@app.job(name="drop", unique=Unique(by=("text",)))
def drop(text: str, number: int = 0) -> None:
    """Be a job of which the first stands for the others."""


@app.job(name="replace", unique=Unique(by=("text",), conflict="replace"))
def replacing(text: str, number: int = 0) -> None:
    """Be a job whose content is replaced by a later one's."""


@app.job(name="reschedule", unique=Unique(by=("text",), conflict="reschedule"))
def rescheduling(text: str, number: int = 0) -> None:
    """Be a job that runs once more if it runs already."""


class OutboxStand:
    """Pod 1 with its outbox; `effects` counts how often each job ran to its end."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        topology.directory.assign_many({SHOP: 1, NEIGHBOUR: 1, ELSEWHERE: 2})
        self.client = topology.client()
        app.bind(self.client)
        current.bind(topology.transactions)
        self.queues: Queues = topology.queues(1)
        self.rows = topology.outbox_rows(1)
        self.arrivals = Arrivals(self.queues)
        self.effects: Counter[str] = Counter()
        self.register()

    def register(self) -> None:
        """Let the worker have a lease, also in a Redis that was emptied."""
        self.queues.register(WORKER, {"pid": 1})

    def relay(self, name: str = "relay") -> Relay:
        """Return another relay."""
        gates = self.topology.gates(1)
        rows = self.rows
        return Relay(
            name, rows, self.arrivals, nothing_to_rebuild=lambda: rows.is_empty() and gates.is_empty()
        )

    def rebuild(self, once: Once = Once.LEAVE) -> Rebuild:
        """Return a rebuild."""
        return Rebuild(self.rows, self.arrivals, self.topology.gates(1), once)

    def claim(self, limit: int = 100) -> list[Lease]:
        """Take what is ready."""
        return self.queues.claim(WORKER, ["default"], limit)

    def finish(self, leases: list[Lease]) -> None:
        """End jobs with success, each with its effect."""
        for lease in leases:
            assert not lease.fault
            self.effects[lease.id] += 1
        assert self.queues.acknowledge(WORKER, leases) == []

    def work(self) -> list[Lease]:
        """Run what is ready, to its end."""
        leases = self.claim()
        self.finish(leases)
        return leases

    def has_run(self, jobs: int) -> bool:
        """Run what is ready; return whether so many jobs have run by now."""
        self.work()
        return len(self.effects) >= jobs

    def job_ids(self) -> set[str]:
        """Return the ids of all rows that can be seen by others."""
        with self.topology.connections.engine(1).connect() as connection:
            return set(connection.execute(select(outbox.c.job_id)).scalars())

    def count(self) -> int:
        """Return how many rows there are."""
        with self.topology.connections.engine(1).connect() as connection:
            return connection.execute(select(func.count()).select_from(outbox)).scalar_one()

    def empty_redis(self) -> None:
        """Lose everything that this pod's Redis had."""
        self.queues.store.command("FLUSHDB")
        self.register()

    def place(self, job_id: str) -> str:
        """Return where the job stands in Redis: ready or held, scheduled, parked; missing."""
        shop, store = job_id.partition("-")[2], self.queues.store
        if store.command("HGET", keys.jobs(shop), job_id) is None:
            return "missing"
        if store.command("ZSCORE", keys.SCHEDULE, job_id) is not None:
            return "scheduled"
        return "parked" if store.command("HEXISTS", keys.PARKED, job_id) else "ready or held"

    def args(self, job_id: str) -> Any:
        """Return the arguments of the job as it stands in Redis."""
        shop = job_id.partition("-")[2]
        return Lease("", shop, job_id, self.queues.store.command("HGET", keys.jobs(shop), job_id)).args

    def close(self) -> None:
        """Close what was opened."""
        current.bind(None)
        self.topology.close()


def sqlite_stand(folder: Path, redis_url: str) -> OutboxStand:
    """Return a stand on SQLite."""
    shards = {pod_id: f"sqlite:///{folder}/shard-{pod_id}.db" for pod_id in (1, 2)}
    loaded = settings(f"sqlite:///{folder}/registry.db", f"sqlite:///{folder}/directory.db")
    return OutboxStand(prepared_topology(loaded, shards, {1: redis_url}))


def mariadb_stand(folder: Path, url: str, redis_url: str) -> OutboxStand:
    """Return a stand on MariaDB."""
    shards = {pod_id: sibling_database(url, f"shard{pod_id}") for pod_id in (1, 2)}
    return OutboxStand(
        prepared_topology(settings(f"sqlite:///{folder}/registry.db", url), shards, {1: redis_url})
    )
