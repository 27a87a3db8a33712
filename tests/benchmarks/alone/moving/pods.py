"""Two pods, each with a MariaDB and a Redis of its own, their workers, and movers in processes of their own.

Owns: `MovePods`. The directory is a database of the first pod's server. The servers have a pool and a log at
which nobody waits, and, as movers and workers do, all cores: where there are two, none could have one.
Workers are `podctl workers`; they move nothing, so that no leader's look, every few seconds, is in a figure:
a mover's turns follow one another, until its move is where it was asked to bring it.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from podwork.settings import load
from podwork_ops.composition import Platform, open_platform
from podwork_ops.local.account import server_account
from podwork_ops.local.blueprint import PodAddress
from podwork_ops.local.mariadb import MariadbServer
from podwork_ops.local.registration import register
from podwork_pods.mover.move import Move, Wanted
from podwork_pods.mover.moves import Moves
from podwork_pods.mover.orders import MoveOrders
from podwork_pods.mover.states import MoveState
from tests.benchmarks.alone.moving import shop
from tests.benchmarks.harness import cores
from tests.benchmarks.harness.conversation import Conversation
from tests.benchmarks.harness.guard import guard
from tests.benchmarks.harness.stage import Stage
from tests.benchmarks.harness.tree import Tree, wait
from tests.benchmarks.harness.trouble import Trouble
from tests.benchmarks.peers.roster import PODWORK_ITSELF
from tests.benchmarks.servers import redis_under_test

A, B = 1, 2
PATIENCE_SECONDS: Final = 120.0
SERVER_OPTIONS: Final = ("--innodb-log-file-size=256M", "--innodb-buffer-pool-size=512M")
_SETTINGS: Final = """\
[topology]
registry_url = "sqlite:///{folder}/registry.db"
directory_url = "{directory}"
"""


class MovePods:
    """Pods A and B. `servers`: their databases."""

    def __init__(
        self, stage: Stage, config: Path, platform: Platform, servers: Mapping[int, MariadbServer]
    ) -> None:
        self.platform = platform
        self.servers = servers
        self.moves = Moves(platform.directory)
        self.orders = MoveOrders(self.moves)
        self._stage = stage
        self._config = config
        self._names = itertools.count(1)

    # Shops

    def add_shops(self, shops: Mapping[int, int], pod_id: int = A) -> int:
        """Let shops live on a pod, each with so many lines; return how many rows that is."""
        for shop_id, lines in shops.items():
            self.run(pod_id, *shop.fill(shop_id, lines))
        self.run(pod_id, "ANALYZE TABLE orders", "ANALYZE TABLE order_lines")
        self.platform.directory.assign_many(dict.fromkeys(shops, pod_id))
        return sum(lines + shop.orders_of(lines) for lines in shops.values())

    def rows(self, pod_id: int, shop_id: int, database: str = "shard") -> int:
        """Return how many rows a shop has in a pod's shard."""
        tables = (f"(SELECT COUNT(*) FROM {database}.{name} WHERE shop_id = {shop_id})" for name in _TABLES)
        return int(str(self.run(pod_id, f"SELECT {' + '.join(tables)}")[0][0]))

    def run(self, pod_id: int, *statements: str) -> list[tuple[object, ...]]:
        """Run statements in a pod's shard, past the fence; return the rows of the last one."""
        found: list[tuple[object, ...]] = []
        with self.platform.engine(pod_id).begin() as shard:
            for statement in statements:
                result = shard.exec_driver_sql(statement)
                found = [tuple(row) for row in result] if result.returns_rows else []
        return found

    def forget_logs(self) -> None:
        """Let both servers begin their logs anew; only while no move is open."""
        for server in self.servers.values():
            server.execute("RESET MASTER")

    # Moves

    def plan(self, shop_id: int, *, held: bool = False, grace_seconds: float | None = None) -> Move:
        """Plan a shop's move to the other pod."""
        here = self.platform.directory.locate(shop_id).pod_id
        wanted = Wanted(shop_id, A + B - here, "the bench", held=held, grace_seconds=grace_seconds)
        return self.moves.plan(wanted)

    def bring(self, mover: Conversation, move: Move, *states: MoveState) -> Move:
        """Let a mover take turns until the move is in one of the states. Raises Trouble."""
        answer = mover.ask(PATIENCE_SECONDS, move=move.id, states=list(states))
        found = self.moves.get(move.id)
        if found.state not in states:
            said = "; ".join(event.why for event in self.moves.events(move.id)[-3:])
            raise Trouble(f"move {move.id} is {found.state}, not {states[0]}: {answer}; {said}")
        return found

    def mover(self) -> Conversation:
        """Start a mover; use it in a `with` block."""
        return self.program("mover")

    def program(self, name: str, *arguments: object) -> Conversation:
        """Start a program of this folder that is talked with; use it in a `with` block."""
        log = self._stage.folder / f"move-{name}-{next(self._names)}.log"
        command = PODWORK_ITSELF.command(("-m", f"{__package__}.{name}", str(self._config)))
        environment = PODWORK_ITSELF.surroundings(self._stage.redis.url, self._stage.marks.path)
        return Conversation([*command, *map(str, arguments)], environment, log)

    # Workers

    @contextmanager
    def workers(self) -> Iterator[Mapping[int, Tree]]:
        """Run a worker for each pod, as operators do."""
        with ExitStack() as running:
            started: dict[int, Tree] = {}
            for pod_id in (A, B):
                started[pod_id] = self._worker(pod_id)
                running.callback(started[pod_id].kill)
            for pod_id, worker in started.items():
                inspection = self.platform.inspection(pod_id)
                wait(inspection.processes, worker, PATIENCE_SECONDS, f"the worker of pod {pod_id}")
            yield started

    def _worker(self, pod_id: int) -> Tree:
        options = ("--pod", str(pod_id), "--processes", "1", "--threads", "4", "--log-level", "warning")
        return Tree(
            PODWORK_ITSELF.command(
                ("-m", "podwork_ops.cli", "workers", *options, "--app", f"{shop.__name__}:app")
            ),
            PODWORK_ITSELF.surroundings(self._stage.redis.url, self._stage.marks.path)
            | {"PODWORK_CONFIG": str(self._config)},
            self._stage.folder / f"move-worker-{pod_id}.log",
            cores.ALL,
        )


_TABLES = ("orders", "order_lines")


class _Mariadb(MariadbServer):
    def command(self) -> list[str]:
        return [*super().command(), *SERVER_OPTIONS]


@contextmanager
def move_pods(stage: Stage) -> Iterator[MovePods]:
    """Open both pods beside the stage's own; everything is gone afterwards."""
    stage.clear()
    stage.folder.chmod(0o711)  # the servers' account passes through it
    with ExitStack() as opened:
        folder = Path(opened.enter_context(TemporaryDirectory(prefix="moves-", dir=stage.folder)))
        folder.chmod(0o711)
        servers = {pod_id: opened.enter_context(_mariadb(folder / f"mariadb-{pod_id}")) for pod_id in (A, B)}
        redis = {A: stage.redis.url, B: opened.enter_context(redis_under_test()).url}
        config = folder / "podwork.toml"
        directory = servers[A].create_database("directory")
        config.write_text(_SETTINGS.format(folder=folder, directory=directory))
        register(config, _addresses(servers, redis), lambda _: None)
        platform = opened.enter_context(open_platform(load(environment={}, file=config).settings))
        platform.bind(shop.app)
        pods = MovePods(stage, config, platform, servers)
        pods.moves.prepare()
        for pod_id in (A, B):
            pods.run(pod_id, *shop.SCHEMA)
        yield pods


def _addresses(servers: Mapping[int, MariadbServer], redis: Mapping[int, str]) -> Sequence[PodAddress]:
    return [PodAddress(pod_id, servers[pod_id].create_database("shard"), redis[pod_id]) for pod_id in (A, B)]


@contextmanager
def _mariadb(folder: Path) -> Iterator[MariadbServer]:
    server = _Mariadb("mariadb", folder, server_account())
    try:
        server.start()
        assert server.mark is not None
        guard(server.mark.pid)
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
