"""The topology as a composition root uses it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from podwork import App
from podwork.errors import ConfigurationError
from podwork.interfaces import Route
from podwork.settings import Settings
from podwork_pods.engines import create_tables
from podwork_pods.errors import PodUnavailable, ShardUnavailable, ShardUnprepared, UnknownPod
from podwork_pods.pod import Pod, PodState
from podwork_pods.topology import Topology
from tests.support.pods import NO_REDIS, embedded_topology, in_child, mariadb_topology, settings
from tests.support.wait import until


def test_opening_connects_nothing(tmp_path: Path) -> None:
    loaded = settings(f"sqlite:///{tmp_path}/r.db", "mysql+pymysql://app:pw@127.0.0.1:1/none")
    topology = Topology.open(loaded)
    topology.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["http://h/", "mysql+pymysql://app:geheim@h/db", "", "nonsense"])
def test_a_registry_url_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"topology\.registry_url") as raised:
        Topology.open(settings(url, "sqlite:///d.db"))
    assert "geheim" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "zookeeper://",
        "zookeeper:///chroot",
        "zookeeper://h:port/chroot",
        "zookeeper://a:1,,b:1/chroot",
        "zookeeper://app:geheim@h:2181/chroot",
    ],
)
def test_servers_of_zookeeper_that_cannot_be_are_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="does not name servers") as raised:
        Topology.open(settings(url, "sqlite:///d.db"))
    assert "geheim" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "sqlite://",
        "sqlite:///:memory:",
        "mysql+pymysql://h",
        "mysql+pymysql://app:geheim@h:port/db",
        "mysql+pymysql://app:x/geheim@h:port/db",
        "mysql://app:geheim@h/db",
        "postgresql://app:geheim@h/db",
        "foo://app:geheim@h/db",
    ],
)
def test_a_directory_url_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"topology\.directory_url") as raised:
        Topology.open(settings("sqlite:///r.db", url))
    assert "geheim" not in str(raised.value)


def test_new_shops_go_to_pods_by_state_and_weight(tmp_path: Path) -> None:
    topology = embedded_topology(tmp_path, [1, 2])
    topology.registry.set_state(2, PodState.DRAINING)
    shops = [topology.allocate_shop() for _ in range(5)]
    assert shops == [(number, Route(1, 1)) for number in range(1, 6)]
    topology.close()


def test_queues_clients_and_fences_are_wired(tmp_path: Path, valkey_url: str) -> None:
    topology = embedded_topology(tmp_path, [1])
    topology.registry.put(replace(topology.registry.get(1), redis_url=valkey_url))
    until(lambda: topology.roster.pod(1).redis_url == valkey_url)
    topology.directory.assign(330, 1)
    assert topology.queues(1).store.ping() >= 0
    assert topology.queues(1).store is topology.queues(1).store
    assert topology.queues(1).lease_seconds == Settings().worker.lease_seconds
    assert topology.fence(1).admit(330, 1) == 1
    assert list(topology.client().pod_ids()) == [1]
    topology.close()


def test_a_pod_that_is_unknown_or_down_is_named(tmp_path: Path) -> None:
    topology = embedded_topology(tmp_path, [1])
    with pytest.raises(UnknownPod):
        topology.queues(9)
    with pytest.raises(UnknownPod):
        topology.prepare_shard(9)
    topology.registry.set_state(1, PodState.DOWN)
    until(lambda: topology.roster.pod(1).state is PodState.DOWN)
    for reach in (topology.queues, topology.connections.engine):
        with pytest.raises(PodUnavailable):
            reach(1)
    topology.close()


def test_a_pod_that_was_added_a_moment_ago_is_found(tmp_path: Path) -> None:
    topology = embedded_topology(tmp_path, [1])
    assert topology.roster.pod(1).id == 1
    topology.registry.put(Pod(2, f"sqlite:///{tmp_path}/two.db", NO_REDIS))
    assert topology.roster.pod(2).id == 2
    topology.close()


def test_a_changed_url_is_followed(tmp_path: Path) -> None:
    topology = embedded_topology(tmp_path, [1])
    before = topology.connections.engine(1)
    assert topology.connections.engine(1) is before
    url = f"sqlite:///{tmp_path}/moved.db"
    topology.registry.put(replace(topology.registry.get(1), shard_url=url))
    until(lambda: topology.roster.pod(1).shard_url == url)
    assert topology.connections.engine(1) is not before
    topology.prepare_shard(1)
    topology.prepare_shard(1)
    topology.close()


def test_while_the_registry_is_away_the_last_known_pods_serve(tmp_path: Path) -> None:
    topology = embedded_topology(tmp_path, [1])
    topology.roster.pod(1)
    (tmp_path / "registry.db").rename(tmp_path / "away.db")
    assert topology.roster.pod(1).id == 1
    topology.close()


def test_a_forked_child_has_its_own_engine_and_redis_and_leaves_the_parents_open(
    tmp_path: Path, mariadb_url: str, valkey_url: str
) -> None:
    topology = mariadb_topology(tmp_path, mariadb_url, [1])
    topology.registry.put(replace(topology.registry.get(1), redis_url=valkey_url))
    until(lambda: topology.roster.pod(1).redis_url == valkey_url)

    def server_connections() -> tuple[int, int]:
        with topology.connections.engine(1).connect() as connection:
            shard = int(connection.execute(text("SELECT CONNECTION_ID()")).scalar_one())
        return shard, int(topology.connections.store(1).client.client_id())

    before = server_connections()

    def use_and_close() -> bool:
        shard, redis = server_connections()
        topology.close()
        return shard != before[0] and redis != before[1]

    assert in_child(use_and_close) == 0
    assert server_connections() == before
    topology.close()


def test_the_engines_run_with_the_promised_settings(tmp_path: Path, mariadb_url: str) -> None:
    served = mariadb_topology(tmp_path, mariadb_url, [1])
    with served.connections.engine(1).connect() as connection:
        row = connection.execute(
            text("SELECT @@tx_isolation, @@innodb_lock_wait_timeout, @@character_set_client")
        ).one()
    assert tuple(row) == ("READ-COMMITTED", 2, "utf8mb4")
    served.close()
    (tmp_path / "embedded").mkdir()
    embedded = embedded_topology(tmp_path / "embedded", [1])
    with embedded.connections.engine(1).connect() as connection:
        found = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")
        ]
    assert found == ["wal", 1, 2000, 1]
    embedded.close()


def test_who_is_overtaken_while_making_tables_tries_again(tmp_path: Path, mariadb_url: str) -> None:
    """Two operators add the first pod at the same time."""
    topology = mariadb_topology(tmp_path, mariadb_url, [1])
    tries: list[str] = []

    def create(statement: str, connection: Connection) -> None:
        tries.append(statement)
        if len(tries) == 1:
            connection.execute(text("CREATE TABLE made (id INTEGER PRIMARY KEY)"))
            connection.execute(text(statement))

    for statement in ("CREATE TABLE made (id INTEGER)", "INSERT INTO made VALUES (1), (1)"):
        tries.clear()
        create_tables(topology.connections.engine(1), partial(create, statement))
        assert tries == [statement] * 2
        with topology.connections.engine(1).begin() as connection:
            connection.execute(text("DROP TABLE made"))
    with pytest.raises(DBAPIError):
        create_tables(topology.connections.engine(1), lambda connection: connection.execute(text("nonsense")))
    topology.close()


def test_a_prepared_shard_can_hold_runs_and_one_of_before_is_completed(tmp_path: Path) -> None:
    topology = embedded_topology(tmp_path, [1])
    shard = topology.iteration_shard(1)
    assert shard.runs.page() == []
    with topology.connections.engine(1).begin() as connection:
        connection.execute(text("DROP TABLE podwork_quarantined"))
        connection.execute(text("DROP TABLE podwork_runs"))
    with pytest.raises(ShardUnprepared, match="podwork_runs"):
        shard.runs.page()
    topology.prepare_shard(1)
    assert shard.runs.page() == []
    topology.close()


def test_the_iteration_jobs_of_a_pod_share_what_runs_them(tmp_path: Path) -> None:
    topology, app = embedded_topology(tmp_path), App("x")
    assert topology.iterations(1, app) is topology.iterations(1, app)
    assert topology.iterations(1, app) is not topology.iterations(2, app)
    topology.close()


def test_a_missing_shard_file_is_not_made_by_reading(tmp_path: Path) -> None:
    topology = embedded_topology(tmp_path, [1])
    topology.registry.put(Pod(2, f"sqlite:///{tmp_path}/typo.db", NO_REDIS))
    with pytest.raises(ShardUnavailable, match="there is no file"):
        topology.connections.engine(2).connect()
    assert not (tmp_path / "typo.db").exists()
    topology.close()
