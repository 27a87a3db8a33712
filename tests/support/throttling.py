"""Shards, a Redis and replicas around throttles, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from podwork.interfaces import Clock, SystemClock
from podwork.iteration.throttle import Surroundings
from podwork.queues import Queues
from podwork.settings import ShardSettings
from podwork.store import Store
from podwork_ops.local.mariadb import MariadbServer
from podwork_ops.local.ports import LOOPBACK
from podwork_pods.engines import make_engine
from podwork_pods.errors import ShardUnavailable

POD = 1
USER = "replicator"
NOBODY = f"mysql+pymysql://root@{LOOPBACK}:1/d"
"""Where no server is."""


def an_engine(url: str) -> Engine:
    """Return an engine as throttles get it: each statement commits by itself."""

    def unavailable(why: str) -> ShardUnavailable:
        return ShardUnavailable(POD, "test", why)

    settings = ShardSettings(pool_size=2, connect_timeout_seconds=2.0)
    return make_engine(url, unavailable, settings, must_exist=False, autocommit=True)


@contextmanager
def surroundings(
    url: str = NOBODY, redis_url: str = "redis://127.0.0.1:1/0", clock: Clock | None = None
) -> Iterator[Surroundings]:
    """Yield surroundings over a shard and a Redis; what is not given is not there."""
    engine, store = an_engine(url), Store(redis_url, socket_timeout_seconds=2.0)
    yield Surroundings(POD, 7, engine, store, Queues(store), clock or SystemClock())
    engine.dispose()
    store.close()


class ReplicaServer(MariadbServer):
    """A MariaDB that says where it is, as replicas do."""

    def command(self) -> list[str]:
        """Return the command line for the present port."""
        return [*super().command(), f"--report-host={LOOPBACK}", f"--report-port={self.port}"]


def follow(primary: MariadbServer, replica: MariadbServer) -> None:
    """Let a server follow another one."""
    primary.execute(f"CREATE OR REPLACE USER {USER}@'%' IDENTIFIED BY 'secret'")
    primary.execute(f"GRANT REPLICATION SLAVE ON *.* TO {USER}@'%'")
    where = f"MASTER_HOST='{LOOPBACK}', MASTER_PORT={primary.port}"
    who = f"MASTER_USER='{USER}', MASTER_PASSWORD='secret'"
    replica.execute(f"CHANGE MASTER TO {where}, {who}, MASTER_USE_GTID=slave_pos")
    replica.execute("START SLAVE")
