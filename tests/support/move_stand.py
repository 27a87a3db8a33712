"""Two real pods, a shop that trades on one of them, and its move, for tests.

The shop's writer commits through the fence, as an application does, wherever the directory says that the
shop is; what was acknowledged is remembered. Jobs are pushed through the client; nothing runs them.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from sqlalchemy import text

from podwork import App, keys
from podwork.errors import ShopOnHold, StaleEpoch
from podwork.interfaces import Route
from podwork_pods.mover.joined.crossings import Crossings
from podwork_pods.mover.move import Move, Wanted
from podwork_pods.mover.mover import Mover, Turn
from podwork_pods.mover.moves import Moves
from podwork_pods.mover.orders import MoveOrders
from podwork_pods.mover.states import MoveState
from podwork_pods.mover.tables.declaration import ShopTables, joined, shop
from podwork_pods.topology import Topology
from tests.support.pods import prepared_topology, settings, sibling_database

SHOP, OTHER = 7, 8
A, B = 1, 2
TABLES = ShopTables(shop("orders"), joined("order_lines", through="orders", on={"order_id": "id"}))
ORDERS = (
    "CREATE TABLE orders (id BIGINT NOT NULL PRIMARY KEY, shop_id BIGINT NOT NULL, "
    "code VARCHAR(40) NOT NULL, UNIQUE (shop_id, code))"
)
LINES = (
    "CREATE TABLE order_lines (id BIGINT NOT NULL PRIMARY KEY, order_id BIGINT NOT NULL, title VARCHAR(80))"
)
BY_ORDER = "CREATE INDEX lines_by_order ON order_lines (order_id)"

app = App("trading")


@app.job()
def ship(shop_id: int, order_id: int) -> None:
    """Something that waits to be done."""


class MoveStand:
    """Pods 1 and 2, with a shop on the first one, and another shop on each."""

    def __init__(self, topology: Topology, small_rows: int = 0) -> None:
        self.topology = topology
        self.moves = Moves(topology.directory)
        self.orders = MoveOrders(self.moves)
        self.crossings = Crossings(topology, TABLES, small_rows=small_rows)
        self.client = topology.client()
        self.pushed: set[str] = set()
        self.acknowledged: dict[int, str] = {}
        self._movers = 0
        topology.directory.assign_many({SHOP: A, OTHER: A, OTHER + 1: B})
        for pod_id in (A, B):
            self.run(pod_id, "DROP TABLE notes", ORDERS, LINES, BY_ORDER)
        self.run(A, f"INSERT INTO orders VALUES (1000, {OTHER}, 'theirs')")
        self.run(B, f"INSERT INTO orders VALUES (2000, {OTHER + 1}, 'theirs')")

    # The shop

    def write(self, order_id: int, code: str) -> None:
        """Commit an order with a line, or change it, wherever the shop is."""
        with self.topology.transactions.open(SHOP) as session:
            changed = session.execute(
                text("UPDATE orders SET code = :code WHERE id = :id"), {"id": order_id, "code": code}
            )
            if changed.rowcount == 0:  # type: ignore[attr-defined]
                values = {"id": order_id, "shop": SHOP, "code": code}
                session.execute(text("INSERT INTO orders VALUES (:id, :shop, :code)"), values)
                session.execute(text("INSERT INTO order_lines VALUES (:id, :id, :code)"), values)
        self.acknowledged[order_id] = code

    def push(self, number: int) -> None:
        """Push a job of the shop."""
        self.pushed.add(self.client.push(ship.call(SHOP, number), shop_id=SHOP))

    def trade(self, orders: int = 20, jobs: int = 5) -> None:
        """Write some orders and push some jobs."""
        for number in range(1, orders + 1):
            self.write(number, f"code {number}")
        for number in range(jobs):
            self.push(number)

    @contextlib.contextmanager
    def trading(self) -> Iterator[None]:
        """Let the shop write and push all the while; what is turned away is tried again."""
        over = threading.Event()
        trouble: list[BaseException] = []

        def work() -> None:
            number = 100
            while not over.is_set():
                number += 1
                try:
                    self.write(100 + number % 40, f"again {number}")
                    if number % 5 == 0:
                        self.push(number)
                except (ShopOnHold, StaleEpoch):
                    self.topology.cache.forget(SHOP)
                except BaseException as error:
                    trouble.append(error)
                    return

        writer = threading.Thread(target=work)
        writer.start()
        try:
            yield
        finally:
            over.set()
            writer.join(60)
        assert trouble == []

    # The move

    def plan(self, **given: object) -> Move:
        """Plan the shop's move to the other pod."""
        here = self.topology.directory.locate(SHOP).pod_id
        given.setdefault("max_block_seconds", 60.0)  # no test is decided by a time
        return self.moves.plan(Wanted(SHOP, A + B - here, "anna", "more room", **given))  # type: ignore[arg-type]

    def turn(self, move: Move, should_stop: Callable[[], bool] = lambda: False) -> Turn:
        """Let a new mover take a turn."""
        self._movers += 1
        return Mover(self.moves, self.crossings, f"mover-{self._movers}", should_stop).turn(move.id)

    def finish(self, move: Move, turns: int = 8) -> Move:
        """Let new movers take turns until the move is over, or reversible."""
        for _ in range(turns):
            self.turn(move)
            found = self.moves.get(move.id)
            if found.state.is_over or found.state == MoveState.REVERSIBLE:
                return found
        raise AssertionError(f"not over: {self.moves.get(move.id)}")

    # What is there

    def run(self, pod_id: int, *statements: str) -> None:
        """Run statements in the pod's shard, past the fence."""
        with self.topology.connections.engine(pod_id).begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def rows(self, pod_id: int) -> dict[int, str]:
        """Return the codes of the shop's orders in the pod's shard."""
        with self.topology.connections.engine(pod_id).begin() as connection:
            found = connection.exec_driver_sql(f"SELECT id, code FROM orders WHERE shop_id = {SHOP}")
            return {row[0]: row[1] for row in found}

    def lines(self, pod_id: int) -> set[int]:
        """Return the ids of all order lines in the pod's shard."""
        with self.topology.connections.engine(pod_id).begin() as connection:
            return {row[0] for row in connection.exec_driver_sql("SELECT id FROM order_lines")}

    def outbox(self, pod_id: int) -> list[tuple[str, int, int]]:
        """Return (job id, epoch, relayed) of the outbox in the pod's shard."""
        with self.topology.connections.engine(pod_id).begin() as connection:
            found = connection.exec_driver_sql("SELECT job_id, epoch, relayed FROM podwork_outbox")
            return [(row[0], row[1], row[2]) for row in found]

    def jobs(self, pod_id: int) -> set[str]:
        """Return the ids of the shop's jobs in the pod's Redis."""
        found = self.topology.connections.store(pod_id).command("HKEYS", keys.jobs(str(SHOP)))
        return {name.decode() for name in found}

    def gate(self, pod_id: int) -> str:
        """Return the shop's gate in the pod's Redis."""
        found = self.topology.connections.store(pod_id).command("HGET", keys.GATE, SHOP)
        return "none" if found is None else found.decode()

    def check(self, route: Route, *, kept: bool, stamped: int = 0) -> None:
        """Look at the promises: the shop is whole where it is, and nowhere else."""
        home, away = route.pod_id, A + B - route.pod_id
        assert self.topology.directory.locate(SHOP) == route
        fences = {pod_id: self.topology.shard_fence(pod_id).read(SHOP) for pod_id in (A, B)}
        here, there = fences[home], fences[away]
        assert here is not None
        assert there is not None
        assert here[:2] == (route.epoch, "open")
        assert there.state == "moved"
        if stamped:  # whatever an earlier mover has sent is refused from now on
            gates = [int(self.gate(pod_id).split(" ")[3]) for pod_id in (A, B)]
            assert min(here.mover_epoch, there.mover_epoch, *gates) >= stamped
        assert self.gate(home).startswith(f"open {route.epoch}")
        assert self.gate(away).startswith("moved")
        assert self.rows(home) == self.acknowledged
        assert set(self.acknowledged) <= self.lines(home)
        assert self.jobs(home) == self.pushed
        assert self.jobs(away) == set()
        if not kept:
            assert self.rows(away) == {}
            assert self.lines(away) == set()
        for pod_id, order_id in ((A, 1000), (B, 2000)):
            with self.topology.connections.engine(pod_id).begin() as connection:
                found = connection.exec_driver_sql(f"SELECT code FROM orders WHERE id = {order_id}").scalar()
            assert found == "theirs"

    def close(self) -> None:
        """Close everything."""
        self.crossings.close()
        self.topology.close()


def move_stand(
    folder: Path, redis: Mapping[int, str], mariadb_url: str = "", small_rows: int = 0
) -> MoveStand:
    """Return a stand over these Redis; its shards are SQLite files, or databases beside the URL's.

    `small_rows`: a shop with as many goes the short way.
    """
    if mariadb_url:
        shards = {pod_id: sibling_database(mariadb_url, f"shard{pod_id}") for pod_id in (A, B)}
        loaded = settings(f"sqlite:///{folder}/registry.db", mariadb_url)
    else:
        shards = {pod_id: f"sqlite:///{folder}/shard-{pod_id}.db" for pod_id in (A, B)}
        loaded = settings(f"sqlite:///{folder}/registry.db", f"sqlite:///{folder}/directory.db")
    return MoveStand(prepared_topology(loaded, shards, redis), small_rows)
