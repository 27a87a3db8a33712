"""The private servers, each kind: start, answer, end."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis
from kazoo.client import KazooClient
from sqlalchemy import create_engine, text

from podwork_ops.local.errors import ServerFailed
from podwork_ops.local.fleet import start_all
from podwork_ops.local.mariadb import MariadbServer
from podwork_ops.local.ports import free_port
from podwork_ops.local.process import ProcessMark, is_running
from podwork_ops.local.redis import RedisServer
from podwork_ops.local.server import Server
from podwork_ops.local.valkey import ValkeyServer
from podwork_ops.local.zookeeper import ZookeeperServer
from tests.support.servers import PrivateServers, kill


def test_a_fresh_mariadb_database_is_empty_and_writable(mariadb_url: str) -> None:
    engine = create_engine(mariadb_url)
    with engine.begin() as connection:
        assert connection.execute(text("SHOW TABLES")).all() == []
        connection.execute(text("CREATE TABLE a (b INT)"))
    engine.dispose()


def test_each_store_url_is_an_empty_database(store_url: str) -> None:
    with redis.Redis.from_url(store_url) as client:
        assert client.dbsize() == 0
        client.set("a", "b")


def test_a_fresh_chroot_is_empty(zookeeper_url: str) -> None:
    client = KazooClient(hosts=zookeeper_url.removeprefix("zookeeper://"))
    client.start(timeout=10)
    try:
        assert client.get_children("/") == []
    finally:
        client.stop()
        client.close()


@pytest.mark.servers
def test_the_binlog_is_complete_enough_to_follow(private_servers: PrivateServers) -> None:
    wanted = {
        "log_bin": "ON",
        "log_bin_compress": "OFF",
        "binlog_format": "ROW",
        "binlog_row_image": "FULL",
        "binlog_row_metadata": "FULL",
        "performance_schema": "OFF",
    }
    rows = private_servers.mariadb().execute("SHOW GLOBAL VARIABLES")
    settings = {str(name): value for name, value in rows}
    assert {name: settings[name] for name in wanted} == wanted


@pytest.mark.servers
@pytest.mark.parametrize("kind", [ValkeyServer, RedisServer, MariadbServer, ZookeeperServer])
def test_a_port_that_is_taken_meanwhile_costs_another_try(
    kind: type[Server], private_servers: PrivateServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The taker even answers as a Redis: it must not be taken for the server that was started.
    taken = private_servers.valkey().port
    ports = iter([taken, free_port()])
    monkeypatch.setattr("podwork_ops.local.server.free_port", lambda: next(ports))
    server = private_servers.start(kind)
    assert server.port != taken
    assert server.ping()
    server.stop()


@pytest.mark.servers
@pytest.mark.parametrize("kind", [ValkeyServer, RedisServer, MariadbServer, ZookeeperServer])
def test_a_stopped_server_is_gone_and_starts_again(
    kind: type[Server], private_servers: PrivateServers
) -> None:
    server = private_servers.start(kind)
    kill(server)
    assert not server.ping()
    private_servers.restart(server)
    assert server.ping()
    server.stop()
    assert not server.is_running()


def test_commits_survive_a_killed_mariadb(
    own_mariadb: MariadbServer, private_servers: PrivateServers
) -> None:
    own_mariadb.create_database("d")
    own_mariadb.execute("CREATE TABLE d.t (a INT PRIMARY KEY)")
    for number in range(20):
        own_mariadb.execute(f"INSERT INTO d.t VALUES ({number})")
    kill(own_mariadb)
    private_servers.restart(own_mariadb)
    assert own_mariadb.execute("SELECT count(*) FROM d.t") == [(20,)]


def test_a_server_that_does_not_start_says_why_in_one_line(
    private_servers: PrivateServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ValkeyServer, "command", lambda self: [str(self.program()), "--no-such-option", "1"])
    with pytest.raises(
        ServerFailed, match=r"did not start: it ended with code 1: .*no-such-option"
    ) as failed:
        private_servers.start(ValkeyServer)
    assert "\n" not in str(failed.value)
    assert failed.value.log.exists()


def test_when_one_of_a_fleet_does_not_start_none_is_left(
    private_servers: PrivateServers, tmp_path: Path
) -> None:
    class Broken(ValkeyServer):
        def command(self) -> list[str]:
            return ["/bin/false"]

    folder = private_servers.directory / f"fleet-{private_servers.number()}"
    kinds = [ValkeyServer, Broken, ValkeyServer]
    fleet = [kind(f"s{n}", folder / f"s{n}", private_servers.account) for n, kind in enumerate(kinds)]
    marks: list[ProcessMark] = []
    with pytest.raises(ServerFailed, match="s1 did not start"):
        start_all(fleet, spawned=lambda server: marks.append(server.mark) if server.mark else None)
    assert len(marks) >= 2
    assert not any(is_running(mark) for mark in marks)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks into /proc")
def test_servers_run_as_an_unprivileged_user(own_valkey: ValkeyServer) -> None:
    assert own_valkey.mark is not None
    assert Path(f"/proc/{own_valkey.mark.pid}").stat().st_uid == own_valkey.account.uid != 0
