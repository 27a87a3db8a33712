"""The stage on which one contestant plays: its Redis, its marks, its programs.

Owns: making the programs of a contestant with all that they need. podwork comes as its operators run it, so
its stage has more: a registry, a directory that knows a million shops, and a shard.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from podwork.settings import load
from podwork_pods import Pod
from podwork_pods.topology import Topology
from tests.benchmarks.harness import cores
from tests.benchmarks.harness.marks import Marks
from tests.benchmarks.harness.pusher import Pusher
from tests.benchmarks.harness.tree import Tree
from tests.benchmarks.peers.roster import PODWORK, Contestant
from tests.benchmarks.servers import RedisUnderTest, redis_under_test

SHOPS_KNOWN = 1_000_000
_SETTINGS = """\
[topology]
registry_url = "sqlite:///{folder}/registry.db"
directory_url = "sqlite:///{folder}/directory.db"
"""


class Stage:
    """Everything that a phase needs."""

    def __init__(self, folder: Path, redis: RedisUnderTest) -> None:
        self.folder = folder
        self.redis = redis
        self.marks = Marks(folder / "marks")
        self.config = folder / "podwork.toml"

    def clear(self) -> None:
        """Empty Redis and forget the marks. Only while no worker runs."""
        self.redis.clear()
        self.marks.clear()

    def pusher(self, contestant: Contestant) -> Pusher:
        """Start the contestant's client; use it in a `with` block."""
        return Pusher(
            contestant.command(contestant.push), self._environment(contestant), self.folder / "pusher.log"
        )

    def worker(self, contestant: Contestant, *more: str, several: bool = False) -> Tree:
        """Start the contestant's worker; `several`: with processes enough for several cores."""
        return Tree(
            [*contestant.command(contestant.work), *more],
            self._environment(contestant),
            self.folder / "worker.log",
            cores.SEVERAL if several else cores.WORKER,
        )

    def _environment(self, contestant: Contestant) -> dict[str, str]:
        environment = contestant.surroundings(self.redis.url, self.marks.path)
        if contestant.name == PODWORK:
            environment["PODWORK_CONFIG"] = str(self.config)
        return environment

    def prepare_pod(self) -> None:
        """Register the one pod and its shops."""
        self.config.write_text(_SETTINGS.format(folder=self.folder))
        topology = Topology.open(load(environment={}, file=self.config).settings)
        try:
            topology.prepare()
            topology.registry.put(
                Pod(1, shard_url=f"sqlite:///{self.folder}/shard.db", redis_url=self.redis.url)
            )
            topology.prepare_shard(1)
            topology.directory.add_extent(1, SHOPS_KNOWN, 1)
        finally:
            topology.close()


@contextmanager
def stage() -> Iterator[Stage]:
    """Open a stage with a Redis of its own; everything on it is gone afterwards."""
    memory = Path("/dev/shm")
    with (
        tempfile.TemporaryDirectory(
            prefix="podwork-bench-", dir=memory if memory.is_dir() else None, ignore_cleanup_errors=True
        ) as folder,
        redis_under_test() as redis,
    ):
        made = Stage(Path(folder), redis)
        made.prepare_pod()
        yield made
