"""Two pods, shops that move between them, and backfills over whole pods, for tests.

A backfill adds one to `orders.n` of each row; jobs are worked on in the test's own thread, a few batches at
a time. Moves take the real steps of `MoveDebts`, real fences and a real directory; rows are copied by the
plain way (`joined.embedded_rows` on SQLite), or as statements between databases of one server.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import text

from podwork import App
from podwork.context import JobContext, running
from podwork.identity import derived_job_id
from podwork.interfaces import Route
from podwork.iteration.collection import Collection, Cursor
from podwork.iteration.job import IterationJob
from podwork.job import JobClass
from podwork.signals import JobSignal
from podwork_pods.iteration.collections import rows
from podwork_pods.iteration.iterations import ShardIterations
from podwork_pods.iteration.run import NewRun, Run
from podwork_pods.mover.joined.debts import MoveDebts
from podwork_pods.mover.passage import Passage
from podwork_pods.mover.tables.declaration import ShopTables, joined, shop
from podwork_pods.topology import Topology
from tests.support.iteration_loop import Overseer
from tests.support.pods import prepared_topology, settings, sibling_database

A, B = 1, 2
SHOPS = (7, 8, 9)
TABLES = ShopTables(shop("orders"), joined("order_lines", through="orders", on={"order_id": "id"}))
TRAVELLING = (
    ("order_lines", "order_id IN (SELECT id FROM orders WHERE shop_id = {shop})"),
    ("orders", "shop_id = {shop}"),
    ("podwork_partitions", "run_id IN (SELECT id FROM podwork_runs WHERE shop_id = {shop})"),
    ("podwork_quarantined", "run_id IN (SELECT id FROM podwork_runs WHERE shop_id = {shop})"),
    ("podwork_runs", "shop_id = {shop}"),
)
"""Children before their parents, by which they are found."""

app = App("debts")


class _Backfill(IterationJob):
    batch_size: ClassVar[int] = 3
    most_rows: ClassVar[int] = 3
    table: str = "orders"

    def collection(self) -> Collection:
        return rows(self.table)


@app.job(name="each")
class Each(_Backfill):
    """Adds one to a row."""

    def each(self, item: Any) -> None:
        update = f"UPDATE {self.table} SET n = n + 1 WHERE id = :id"
        self.session.execute(text(update), {"id": item.id})


@app.job(name="range")
class Ranges(_Backfill):
    """Adds one to the rows of a range, whoever's they are."""

    def each_range(self, lo: Cursor, hi: Cursor) -> None:
        self.session.execute(
            text("UPDATE orders SET n = n + 1 WHERE id BETWEEN :lo AND :hi"), {"lo": lo[0], "hi": hi[0]}
        )


class DebtsStand:
    """Pods 1 and 2; every shop has some orders, with a line each, ids side by side with the others'."""

    def __init__(self, topology: Topology, orders: int = 8) -> None:
        self.topology = topology
        topology.tables = lambda: TABLES
        self.epochs = dict.fromkeys(SHOPS, 1)
        self.movers = 0
        topology.directory.assign_many(dict.fromkeys(SHOPS, A))
        for pod_id in (A, B):
            with topology.connections.engine(pod_id).begin() as connection:
                connection.exec_driver_sql(
                    "CREATE TABLE orders (id BIGINT NOT NULL PRIMARY KEY, shop_id BIGINT NOT NULL, "
                    "n INT NOT NULL)"
                )
                connection.exec_driver_sql(
                    "CREATE TABLE order_lines (id BIGINT NOT NULL PRIMARY KEY, order_id BIGINT NOT NULL, "
                    "n INT NOT NULL)"
                )
        with topology.connections.engine(A).begin() as connection:
            for number in range(orders * len(SHOPS)):
                row = {"id": number + 1, "shop": SHOPS[number % len(SHOPS)]}
                connection.execute(text("INSERT INTO orders VALUES (:id, :shop, 0)"), row)
                connection.execute(text("INSERT INTO order_lines VALUES (:id, :id, 0)"), row)

    # Backfills

    def begin(self, pod_id: int, group: str, job: str = "each", **params: Any) -> str:
        """Make a run over the pod; return its id."""
        shard = self.topology.iteration_shard(pod_id)
        run_id = derived_job_id(1_795_000_000_000, "pod", f"{group}{pod_id}")
        with shard.open(None) as session:
            shard.runs.create(session.connection(), NewRun(run_id, job, params, group_id=group), ())
        return run_id

    def work(
        self, pod_id: int, run_id: str, batches: int | None = 1, oversees: Any = None
    ) -> JobSignal | None:
        """Let a job of the run do some batches, or all of them."""
        shard = self.topology.iteration_shard(pod_id)
        run = shard.runs.get(run_id)
        assert run is not None
        acts = () if batches is None else (None,) * (batches + 2)  # it is begun first
        overseer = Overseer(*acts, then_stop=batches is not None)
        job_class: JobClass[Any] = app.job_classes[run.job_class]
        epoch = 0 if run.shop_id is None else self.epochs[run.shop_id]
        context = JobContext(run_id, run.job_class, "default", run.shop_id, pod_id, epoch, overseer=overseer)
        with running(context):
            return ShardIterations(shard, lambda _class, _run: None).work(job_class, run.params, context)

    def runs(self, pod_id: int) -> list[Run]:
        """Return the pod's runs: those over all of it, and those of shops that live there."""
        found = self.topology.iteration_shard(pod_id).runs.page()
        return [run for run in found if run.shop_id is None or self.home(run.shop_id) == pod_id]

    def own(self, shop_id: int) -> list[Run]:
        """Return the runs of the shop's own."""
        return [run for run in self.runs(self.home(shop_id)) if run.shop_id == shop_id]

    def work_all(self, *, rounds: int = 20) -> None:
        """Let every run that can go on end."""
        for _ in range(rounds):
            left = [
                (pod_id, run.id) for pod_id in (A, B) for run in self.runs(pod_id) if not run.state.is_over
            ]
            if not left:
                return
            for pod_id, run_id in left:
                self.work(pod_id, run_id, None)
        raise AssertionError(f"runs do not end: {left}")

    # Moves

    def home(self, shop_id: int) -> int:
        """Return the pod on which the shop lives."""
        return self.topology.directory.locate(shop_id).pod_id

    def move(self, shop_id: int) -> Passing:
        """Begin a move of the shop to the other pod."""
        return Passing(self, shop_id)

    def add_directly(self, shop_id: int, order_id: int) -> None:
        """Give the shop one more order, past its fence."""
        with self.topology.connections.engine(self.home(shop_id)).begin() as connection:
            connection.exec_driver_sql(f"INSERT INTO orders VALUES ({order_id}, {shop_id}, 0)")

    def counts(self, table: str = "orders") -> dict[int, int]:
        """Return how often each row was done, where its shop lives."""
        found: dict[int, int] = {}
        for pod_id in (A, B):
            here = [str(shop_id) for shop_id in SHOPS if self.home(shop_id) == pod_id]
            orders = f"SELECT id FROM orders WHERE shop_id IN ({', '.join(here) or 'NULL'})"
            column = "id" if table == "orders" else "order_id"
            with self.topology.connections.engine(pod_id).begin() as connection:
                done = connection.exec_driver_sql(f"SELECT id, n FROM {table} WHERE {column} IN ({orders})")
                found |= {row[0]: row[1] for row in done}
        return found

    def close(self) -> None:
        """Close everything."""
        self.topology.close()


class Passing:
    """One leg of a move, step by step."""

    def __init__(self, stand: DebtsStand, shop_id: int) -> None:
        stand.movers += 1
        self.stand = stand
        self.shop_id = shop_id
        source = stand.home(shop_id)
        epoch = stand.epochs[shop_id]
        self.passage = Passage(stand.movers, shop_id, source, A + B - source, epoch, stand.movers, 1)
        self._kept = False

    @property
    def debts(self) -> MoveDebts:
        topology = self.stand.topology
        return MoveDebts(
            self.passage,
            topology.iteration_shard,
            topology.connections.engine,
            topology.shard_fence,
            topology.directory.locate,
        )

    def receive(self) -> None:
        """Step 4."""
        self._fence(self.passage.target, "receive", self.passage.epoch + 1)

    def copy(self) -> None:
        """Step 6, and whatever came before: the target has the shop's rows as they are now."""
        topology, shop_id = self.stand.topology, self.shop_id
        here = topology.connections.engine(self.passage.source)
        there = topology.connections.engine(self.passage.target)
        with here.connect() as source, there.begin() as target:
            for table, whose in TRAVELLING:
                target.exec_driver_sql(f"DELETE FROM {table} WHERE {whose.format(shop=shop_id)}")
            for table, whose in TRAVELLING:
                query = f"SELECT * FROM {table} WHERE {whose.format(shop=shop_id)}"
                for row in source.exec_driver_sql(query).mappings():
                    names = ", ".join(map(str, row))
                    places = ", ".join(f":{name}" for name in row)
                    values = dict(row) | ({"pod_id": self.passage.target} if "pod_id" in row else {})
                    target.execute(text(f"INSERT INTO {table} ({names}) VALUES ({places})"), values)

    def switch(self) -> None:
        """Steps 15 to 25."""
        self._fence(self.passage.source, "close", self.passage.epoch)
        self.copy()
        after = Route(self.passage.target, self.passage.epoch + 1)
        topology = self.stand.topology
        topology.directory.compare_and_set(
            self.shop_id, Route(self.passage.source, self.passage.epoch), after.pod_id
        )
        topology.cache.forget(self.shop_id)
        self.stand.epochs[self.shop_id] += 1
        self._fence(self.passage.target, "open", after.epoch)
        self._fence(self.passage.source, "leave", self.passage.epoch)

    def abort(self) -> None:
        """Steps a2 to a6."""
        self._fence(self.passage.source, "open", self.passage.epoch)
        self.purge(self.passage.target, self.passage.epoch + 1)

    def purge_here(self) -> None:
        """Step 30."""
        self.purge(self.passage.source, self.passage.epoch, lifts=True)

    def purge(self, pod_id: int, epoch: int, *, lifts: bool = False) -> None:
        """Delete what is left of the shop on the pod."""
        self._fence(pod_id, "purge", epoch)
        with self.stand.topology.connections.engine(pod_id).begin() as connection:
            for table, whose in TRAVELLING:
                connection.exec_driver_sql(f"DELETE FROM {table} WHERE {whose.format(shop=self.shop_id)}")
        if lifts:
            self.debts.settle_purged()
        self._fence(pod_id, "leave", epoch)

    def _fence(self, pod_id: int, act: str, epoch: int) -> None:
        fence = self.stand.topology.shard_fence(pod_id)
        if act == "open" and fence.read(self.shop_id) is None:
            fence.introduce(self.shop_id, epoch)
        row = fence.read(self.shop_id)
        if act == "purge" and (row is None or row.epoch < epoch):  # given up before it was incoming
            fence.receive(self.shop_id, epoch, mover_epoch=self.passage.mover, lock_wait_seconds=2)
        getattr(fence, act)(self.shop_id, epoch, mover_epoch=self.passage.mover, lock_wait_seconds=2)


def debts_stand(folder: Path, mariadb_url: str = "", orders: int = 8) -> DebtsStand:
    """Return a stand whose shards are SQLite files, or databases beside the URL's."""
    if mariadb_url:
        shards = {pod_id: sibling_database(mariadb_url, f"shard{pod_id}") for pod_id in (A, B)}
        loaded = settings(f"sqlite:///{folder}/registry.db", f"sqlite:///{folder}/directory.db")
    else:
        shards = {pod_id: f"sqlite:///{folder}/shard-{pod_id}.db" for pod_id in (A, B)}
        loaded = settings(f"sqlite:///{folder}/registry.db", f"sqlite:///{folder}/directory.db")
    return DebtsStand(prepared_topology(loaded, shards), orders)
