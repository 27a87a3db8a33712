"""Two pods of real workers, shops that trade on them without end, and movers in processes of their own.

Each pod has a database and a Redis; the registry is a file. What holds of a shop whose move is over is looked
at by `check`: past the product, straight in the rows, the gates and the fences.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import text

from podwork import keys
from podwork.errors import PodworkError
from podwork.interfaces import Route
from podwork.settings import load
from podwork_ops.composition import Platform, open_platform
from podwork_ops.local.blueprint import PodAddress
from podwork_ops.local.registration import register
from podwork_pods.driver_errors import is_deadlock, is_lock_timeout
from podwork_pods.mover.move import Move, Wanted
from podwork_pods.mover.moves import Moves
from podwork_pods.mover.orders import MoveOrders
from podwork_pods.mover.states import MoveState
from tests.support import trading_shop
from tests.support.move_history import Attempt, History, Order, ShopEnd
from tests.support.move_nursery import Nursery
from tests.support.pods import sibling_database
from tests.support.processes import ManagedProcess, Processes
from tests.support.wait import until

A, B = 1, 2
SHOP, IDLE = 7, 8
"""A shop that trades and moves, and one on each pod that does neither: `IDLE` on A, the next number on B."""
LEASE_SECONDS = 2.0
ROWS_AT_FIRST = 30
PAUSE_SECONDS = 0.03

_OF_SHOP = {
    "tickets": "SELECT * FROM tickets WHERE shop_id = {shop}",
    "orders": "SELECT * FROM orders WHERE shop_id = {shop} ORDER BY id",
    "order_lines": "SELECT order_lines.* FROM order_lines JOIN orders ON order_id = orders.id "
    "WHERE shop_id = {shop} ORDER BY order_lines.id",
    "effects": "SELECT * FROM effects WHERE shop_id = {shop} ORDER BY job_id",
}


class MoveFleet:
    """Pods A and B; the shops of `shops` live on A at first."""

    def __init__(self, platform: Platform, processes: Processes, config: Path, shops: Sequence[int]) -> None:
        self.platform = platform
        self.config = config
        self.shops = shops
        self.moves = Moves(platform.directory)
        self.orders = MoveOrders(self.moves)
        self.history = History()
        self.workers: dict[tuple[int, int], ManagedProcess] = {}
        self._processes = processes
        self._nursery: Nursery | None = None
        self.moves.prepare()
        platform.directory.assign_many(dict.fromkeys([*shops, IDLE], A) | {IDLE + 1: B})
        for pod in (A, B):
            with platform.engine(pod).begin() as shard:
                for statement in trading_shop.SCHEMA:
                    shard.execute(text(statement))
        for shop in [*shops, IDLE, IDLE + 1]:
            pod = platform.directory.locate(shop).pod_id
            with platform.engine(pod).begin() as shard:
                shard.execute(text(f"INSERT INTO tickets VALUES ({shop}, 0, 0)"))
            for _ in range(ROWS_AT_FIRST):
                self.write(shop, random.Random(shop))
        self._idle = {shop: self.rows(shop - IDLE + A, shop) for shop in (IDLE, IDLE + 1)}

    # Workers, and movers

    def start_workers(self, *, movers: bool = False, number: int = 0) -> None:
        """Start a worker for each pod; `movers`: they move shops, too."""
        for pod in (A, B):
            self.start_worker(pod, movers=movers, number=number)

    def start_worker(self, pod: int, *, movers: bool = False, number: int = 0) -> ManagedProcess:
        """Start a worker of a pod, in the place of the one that had its number."""
        if (pod, number) in self.workers:
            self.workers[pod, number].end()
        tables = "tests.support.trading_shop:tables" if movers else ""
        started = self._processes.podctl(
            *("workers", "--pod", str(pod), "--processes", "1", "--threads", "3"),
            environment={"PODWORK_CONFIG": str(self.config), "PODWORK_MOVES_TABLES": tables},
        )
        self.workers[pod, number] = started
        return started

    @property
    def nursery(self) -> Nursery:
        """Where movers come from."""
        if self._nursery is None:
            self._nursery = Nursery(self._processes, self.config, self.config.parent / "nursery")
        return self._nursery

    def plan(self, shop_id: int = SHOP, **given: Any) -> Move:
        """Plan a shop's move to the other pod."""
        here = self.platform.directory.locate(shop_id).pod_id
        given.setdefault("max_block_seconds", 60.0)  # no test is decided by a time
        return self.moves.plan(Wanted(shop_id, A + B - here, "anna", "more room", **given))

    def finish(self, move: Move, until_state: MoveState | None = None, timeout_seconds: float = 60.0) -> Move:
        """Let movers in processes of their own take turns until the move is over, or in a state."""
        over_at = time.monotonic() + timeout_seconds
        while time.monotonic() < over_at:
            self.nursery.start(move.id).ended(timeout_seconds)
            found = self.moves.get(move.id)
            if found.state.is_over or found.state is until_state:
                return found
        raise AssertionError(f"not over: {self.told(move)}")

    # Trade

    def write(self, shop_id: int, chosen: random.Random, *, enqueues: bool = False) -> None:
        """Commit a transaction of the shop, wherever it is; `enqueues`: a job in its outbox."""
        transactions = self.platform.topology.transactions
        number = self.history.next_id()
        sent_at = time.monotonic()
        with transactions.open(shop_id) as session:
            epoch = session.epoch  # type: ignore[attr-defined]
            wrote = trading_shop.trade(session, shop_id, number, epoch, lambda most: chosen.randint(1, most))
            job = ""
            if enqueues:
                job = trading_shop.ship.enqueue(shop_id=shop_id, transaction=session)
            attempt = Attempt(number, shop_id, epoch, *wrote, job, sent_at)
            self.history.send(attempt)
        attempt.ended_at = time.monotonic()
        attempt.is_acknowledged = True

    def push(self, shop_id: int, chosen: random.Random) -> None:
        """Push a job of the shop, now and then one that is due later."""
        due_seconds = chosen.uniform(0.1, 2.0) if chosen.random() < 0.3 else None
        self.history.pushed(shop_id, trading_shop.ship.enqueue(shop_id=shop_id, in_=due_seconds))

    @contextmanager
    def trading(self, seed: int = 1, pause_seconds: float = PAUSE_SECONDS) -> Iterator[None]:
        """Let each shop write and push all the while; what is turned away is tried again."""
        over = threading.Event()
        trouble: list[BaseException] = []

        def work(shop_id: int) -> None:
            chosen = random.Random(f"{seed}/{shop_id}")
            while not over.wait(pause_seconds):
                try:
                    if chosen.random() < 0.3:
                        self._push_or_doubt(shop_id, chosen)
                    else:
                        self.write(shop_id, chosen, enqueues=chosen.random() < 0.3)
                except PodworkError:
                    self.platform.topology.cache.forget(shop_id)
                except Exception as error:
                    if not is_deadlock(error) and not is_lock_timeout(error):
                        trouble.append(error)
                        return

        writers = [threading.Thread(target=work, args=[shop]) for shop in self.shops]
        for writer in writers:
            writer.start()
        try:
            yield
        finally:
            over.set()
            for writer in writers:
                writer.join(90)
        assert trouble == [], trouble

    def _push_or_doubt(self, shop_id: int, chosen: random.Random) -> None:
        try:
            self.push(shop_id, chosen)
        except PodworkError:
            self.history.doubted(shop_id)
            raise

    # What is there

    def run(self, pod: int, *statements: str) -> None:
        """Run statements in a pod's shard, past the fence."""
        with self.platform.engine(pod).begin() as shard:
            for statement in statements:
                shard.exec_driver_sql(statement)

    def rows(self, pod: int, shop_id: int) -> dict[str, list[tuple[Any, ...]]]:
        """Return the shop's rows in a pod's shard, table by table."""
        with self.platform.engine(pod).connect() as shard:
            return {
                table: [tuple(row) for row in shard.exec_driver_sql(query.format(shop=shop_id))]
                for table, query in _OF_SHOP.items()
            }

    def jobs(self, pod: int, shop_id: int) -> set[str]:
        """Return the ids of the shop's jobs in a pod's Redis."""
        found = self.platform.store(pod).command("HKEYS", keys.jobs(str(shop_id)))
        return {name.decode() for name in found}

    def gate(self, pod: int, shop_id: int) -> str:
        """Return the shop's gate in a pod's Redis."""
        found = self.platform.store(pod).command("HGET", keys.GATE, shop_id)
        return "none" if found is None else str(found.decode())

    def end(self, shop_id: int) -> ShopEnd:
        """Return what is there of the shop where it lives."""
        route = self.platform.directory.locate(shop_id)
        rows = self.rows(route.pod_id, shop_id)
        _, number, shipped = rows["tickets"][0] if rows["tickets"] else (0, 0, 0)
        orders = [Order(*row[2:]) for row in rows["orders"]]
        lines = {row[1] % trading_shop.IDS_OF_A_SHOP: row[2] for row in rows["order_lines"]}
        runs = {row[1]: row[2] for row in rows["effects"]}
        return ShopEnd(route.epoch, number, shipped, orders, lines, runs)

    def told(self, move: Move) -> str:
        """Return what became of a move, for a failure."""
        events = self.moves.events(move.id)
        lines = [
            f"{each.mover_epoch} {each.who}: {each.before} -> {each.after}: {each.why}" for each in events
        ]
        lines += [f"{place}: {worker.stderr[-1500:]}" for place, worker in self.workers.items()]
        return "\n".join([str(self.moves.get(move.id)), *lines])

    # What must hold

    def until_jobs_are_done(self, shop_id: int, what: str, timeout_seconds: float = 60.0) -> None:
        """Wait until every accepted job of the shop has run, and none is left in its pod's Redis."""

        def missing() -> str:
            pod = self.platform.directory.locate(shop_id).pod_id
            end = self.end(shop_id)
            left = self.history.jobs(end, shop_id) - set(end.runs)
            stored = self.jobs(pod, shop_id)
            return f"{len(left)} have not run {sorted(left)[:3]}, {len(stored)} are stored" * bool(
                left or stored
            )

        try:
            until(lambda: not missing(), timeout_seconds)
        except AssertionError:
            raise AssertionError(f"jobs of shop {shop_id}: {missing()}\n{what}") from None

    def check(self, move: Move, *, once: bool = True, strict: bool = True) -> None:
        """Look at the promises, the shop being at rest: it is whole where it lives, and nowhere else.

        `once`: no worker died, so that each job ran once. `strict`: no Redis forgot anything, so that gates
        say everything, and every job ran.
        """
        shop_id, what = move.shop_id, self.told(move)
        if strict:
            self.until_jobs_are_done(shop_id, what)
        route = self.platform.directory.locate(shop_id)
        away, end = A + B - route.pod_id, self.end(shop_id)
        history = self.history
        faults = history.faults(shop_id, end, once=once) if strict else history.of_rows(shop_id, end)
        found = self.moves.get(move.id)
        faults += self._places(found, route, away, strict=strict)
        faults += self._left_behind(found, route, away)
        epochs = [event.mover_epoch for event in self.moves.events(move.id)]
        if epochs != sorted(epochs):
            faults.append("an earlier mover wrote after a later one")
        assert faults == [], "\n".join([*faults, what])

    def _left_behind(self, move: Move, route: Route, away: int) -> Iterator[str]:
        """S3 to S5: nothing is where the shop is not, unless it is kept, and then equal; others stay."""
        shop_id = move.shop_id
        if move.state is MoveState.REVERSIBLE:
            self.nursery.start(move.id).ended()  # what changed since its mover rested is fed
            if self.rows(away, shop_id) != self.rows(route.pod_id, shop_id):
                yield "the kept rows are not equal to those of the shop"
        else:
            left = {table: len(rows) for table, rows in self.rows(away, shop_id).items()}
            if any(left.values()):
                yield f"rows are left on pod {away}: {left}"
        if self.jobs(away, shop_id):
            yield f"jobs are left on pod {away}: {self.jobs(away, shop_id)}"
        for shop, rows in self._idle.items():
            if rows != self.rows(shop - IDLE + A, shop) or any(self.rows(B + IDLE - shop, shop).values()):
                yield f"rows of shop {shop} changed"

    def _places(self, move: Move, route: Route, away: int, *, strict: bool) -> Iterator[str]:
        """S6: fences and gates say where the shop is, and each bears the stamp of the last mover."""
        shop_id = move.shop_id
        here, there = (self.platform.topology.shard_fence(pod).read(shop_id) for pod in (route.pod_id, away))
        if here is None or here[:2] != (route.epoch, "open"):
            yield f"the fence is {here}, the shop at {route}"
        if there is not None and there.state != "moved":
            yield f"the fence where it is not is {there}"
        gates = {pod: self.gate(pod, shop_id) for pod in (route.pod_id, away)}
        if strict and not gates[route.pod_id].startswith(f"open {route.epoch}"):
            yield f"gates are {gates}, the shop at {route}"
        if strict and not gates[away].startswith("moved"):
            yield f"gates are {gates}, the shop at {route}"
        stamps = [fence.mover_epoch for fence in (here, there) if fence is not None]
        if strict:
            stamps += [int(gate.split(" ")[3]) for gate in gates.values() if gate != "none"]
        # Whoever takes over after that has only what is kept to write, and stamps that.
        by = [each.mover_epoch for each in self.moves.events(move.id) if each.after in ("open", "aborted")]
        if by and min(stamps) < by[-1]:
            yield f"stamps are {stamps}, and that of who ended the passage is {by[-1]}"


@contextmanager
def move_fleet(
    folder: Path,
    processes: Processes,
    server_url: str,
    redis: Mapping[int, str],
    shops: Sequence[int] = (SHOP,),
    adjust: Callable[[str], str] = lambda config: config,
    small_rows: int = 0,
) -> Iterator[MoveFleet]:
    """Yield a fleet: databases beside the URL's, these Redis; `adjust` may change the settings file.

    `small_rows`: a shop with as many goes the short way.
    """
    config = folder / "moves.toml"
    config.write_text(
        adjust(
            f'[topology]\nregistry_url = "sqlite:///{folder}/registry.db"\n'
            f'directory_url = "{sibling_database(server_url, "directory")}"\n'
            '[app]\ntarget = "tests.support.trading_shop:app"\n'
            f"[worker]\nlease_seconds = {LEASE_SECONDS}\n[shard]\nlock_wait_seconds = 2\n"
            f"[moves]\nsmall_rows = {small_rows}\n"
        )
    )
    addresses = [PodAddress(pod, sibling_database(server_url, f"pod{pod}"), redis[pod]) for pod in (A, B)]
    register(config, addresses, lambda _: None)
    with open_platform(load(file=config, environment={}).settings) as platform:
        platform.bind(trading_shop.app)
        yield MoveFleet(platform, processes, config, shops)
