"""Small topologies for tests: a directory, a registry and shards that belong to one test."""

from __future__ import annotations

import os
import signal
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import pymysql
from sqlalchemy import text
from sqlalchemy.engine import make_url

from podwork.settings import Settings
from podwork_pods.pod import Pod
from podwork_pods.topology import Topology

NO_REDIS = "redis://127.0.0.1:1/0"
HANGS_AFTER_SECONDS = 30


def settings(registry_url: str, directory_url: str, **sections: Any) -> Settings:
    """Return settings with these URLs; `sections` are further tables."""
    topology = {"registry_url": registry_url, "directory_url": directory_url, **sections.pop("topology", {})}
    return msgspec.convert({"topology": topology, "shard": {"lock_wait_seconds": 2}, **sections}, Settings)


def embedded_topology(folder: Path, pod_ids: Sequence[int] = (1, 2), **sections: Any) -> Topology:
    """Return a topology of SQLite files below the folder, prepared, with these pods."""
    shards = {pod_id: f"sqlite:///{folder}/shard-{pod_id}.db" for pod_id in pod_ids}
    return prepared_topology(
        settings(f"sqlite:///{folder}/registry.db", f"sqlite:///{folder}/directory.db", **sections), shards
    )


def mariadb_topology(folder: Path, url: str, pod_ids: Sequence[int] = (1, 2), **sections: Any) -> Topology:
    """Return a topology of databases beside the one of `url`, prepared, with these pods."""
    shards = {pod_id: sibling_database(url, f"shard{pod_id}") for pod_id in pod_ids}
    return prepared_topology(settings(f"sqlite:///{folder}/registry.db", url, **sections), shards)


def prepared_topology(
    loaded: Settings, shards: Mapping[int, str], redis: Mapping[int, str] = MappingProxyType({})
) -> Topology:
    """Return the topology with its tables, and a table `notes(shop_id, note)` in every shard."""
    topology = Topology.open(loaded)
    topology.prepare()
    for pod_id, shard_url in shards.items():
        topology.registry.put(Pod(pod_id, shard_url, redis.get(pod_id, NO_REDIS)))
        topology.prepare_shard(pod_id)
        with topology.connections.engine(pod_id).begin() as connection:
            connection.execute(text("CREATE TABLE notes (shop_id INTEGER, note VARCHAR(64))"))
    return topology


def notes(topology: Topology, pod_id: int, shop_id: int) -> list[str]:
    """Return the shop's notes in the pod's shard, read past the fence."""
    with topology.connections.engine(pod_id).begin() as connection:
        rows = connection.execute(text("SELECT note FROM notes WHERE shop_id = :shop"), {"shop": shop_id})
        return list(rows.scalars())


def sibling_database(url: str, name: str) -> str:
    """Make a database beside the URL's own and return its URL."""
    parsed = make_url(url)
    database = f"{parsed.database}_{name}"
    with server_connection(url) as cursor:
        cursor.execute(f"CREATE DATABASE {database}")
    return parsed.set(database=database).render_as_string(hide_password=False)


@contextmanager
def server_connection(url: str) -> Any:
    """Yield a cursor on the URL's server, for looking at it from outside."""
    parsed = make_url(url)
    connection = pymysql.connect(
        host=parsed.host or "127.0.0.1",
        port=parsed.port or 3306,
        user=parsed.username or "root",
        password=parsed.password or "",
        autocommit=True,
    )
    try:
        yield connection.cursor()
    finally:
        connection.close()


def waits_for_a_lock(url: str) -> bool:
    """Whether some transaction of the server waits for a row lock now."""
    with server_connection(url) as cursor:
        # Not information_schema.innodb_trx: it is a copy that is not renewed while it is read often.
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'")
        return int(cursor.fetchone()[1]) > 0


def fork() -> int:
    """Fork, with threads or without: that this works is what is tested, so Python's warning is not wanted."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def in_child(act: Callable[[], object]) -> int:
    """Run `act` in a forked child; return 0 if its result was true, 1 if not, 2 if it raised."""
    child = fork()
    if child == 0:
        signal.alarm(HANGS_AFTER_SECONDS)
        code = 2
        try:
            code = 0 if act() else 1
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
