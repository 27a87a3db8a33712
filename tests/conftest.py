"""Fixtures that every test may use; the servers behind them are private to the session.

| fixture | gives |
| `mariadb_url` | `mysql+pymysql://...`, a database of its own |
| `redis_url`, `valkey_url` | `redis://...`, an empty database of its own |
| `store_url` | both of these, one after the other |
| `zookeeper_url` | `zookeeper://host:port/chroot`, an empty chroot of its own |
| `sqlite_url` | `sqlite:///...`, a file of its own |
| `embedded_stack`, `served_stack` | a function `(pods=2)` that starts a whole stack and gives its `Fleet` |
| `processes` | starts podctl or Python as processes and ends them with the test |
| `own_redis`, `own_valkey`, `own_mariadb`, `own_zookeeper` | a whole server to stop, pause or kill |

A test that needs a server that has to be installed carries the marker `servers` by itself.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from podwork_ops.local.mariadb import MariadbServer
from podwork_ops.local.redis import RedisServer
from podwork_ops.local.valkey import ValkeyServer
from podwork_ops.local.zookeeper import ZookeeperServer
from tests.support.fleets import StartFleet, fleets
from tests.support.processes import Processes
from tests.support.sampling import mark_others
from tests.support.servers import PrivateServers, fresh_chroot, fresh_mariadb, fresh_redis

# No test is decided by a time: this machine may be busy.
hypothesis.settings.register_profile("podwork", deadline=None)
hypothesis.settings.load_profile("podwork")

INSTALLED_SERVER_FIXTURES = {
    "mariadb_url",
    "redis_url",
    "store_url",
    "zookeeper_url",
    "own_mariadb",
    "own_redis",
    "own_zookeeper",
    "served_stack",
}


def pytest_configure() -> None:
    """Let processes under test be interrupted, also where the session runs in a shell's background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # inherited, and children would inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs installed servers, so that `-m 'not servers'` runs the rest anywhere; and what is slow
    of the longest files.
    """
    mark_others(items)
    for item in items:
        if INSTALLED_SERVER_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.servers)


@pytest.fixture(scope="session")
def private_servers() -> Iterator[PrivateServers]:
    servers = PrivateServers()
    yield servers
    servers.close()


@pytest.fixture
def mariadb_url(private_servers: PrivateServers) -> Iterator[str]:
    with fresh_mariadb(private_servers) as url:
        yield url


@pytest.fixture
def redis_url(private_servers: PrivateServers) -> str:
    return fresh_redis(private_servers, private_servers.redis())


@pytest.fixture
def valkey_url(private_servers: PrivateServers) -> str:
    return fresh_redis(private_servers, private_servers.valkey())


@pytest.fixture(params=["redis", "valkey"])
def store_url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def zookeeper_url(private_servers: PrivateServers) -> str:
    return fresh_chroot(private_servers)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'test.db'}"


@pytest.fixture
def own_redis(private_servers: PrivateServers) -> Iterator[RedisServer]:
    server = private_servers.start(RedisServer)
    yield server
    server.stop()


@pytest.fixture
def own_valkey(private_servers: PrivateServers) -> Iterator[ValkeyServer]:
    server = private_servers.start(ValkeyServer)
    yield server
    server.stop()


@pytest.fixture
def own_mariadb(private_servers: PrivateServers) -> Iterator[MariadbServer]:
    server = private_servers.start(MariadbServer)
    yield server
    server.stop()


@pytest.fixture
def own_zookeeper(private_servers: PrivateServers) -> Iterator[ZookeeperServer]:
    server = private_servers.start(ZookeeperServer)
    yield server
    server.stop()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    started = Processes(tmp_path)
    yield started
    started.end()


@pytest.fixture
def embedded_stack(tmp_path: Path, processes: Processes) -> Iterator[StartFleet]:
    with fleets(tmp_path, processes, served=False) as start:
        yield start


@pytest.fixture
def served_stack(tmp_path: Path, processes: Processes) -> Iterator[StartFleet]:
    with fleets(tmp_path, processes, served=True) as start:
        yield start
