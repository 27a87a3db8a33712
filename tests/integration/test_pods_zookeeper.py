"""ZooKeeper's troubles: sessions that expire, servers that freeze or die, and a missing library."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from kazoo.client import KazooClient

from podwork_ops.local.zookeeper import ZookeeperServer
from podwork_pods.errors import MissingDriver, RegistryUnavailable
from podwork_pods.pod import Pod
from podwork_pods.registry import open_registry
from podwork_pods.registry.zookeeper import ZooKeeperRegistry
from tests.support.servers import PrivateServers, kill, paused
from tests.support.wait import until

A_POD = Pod(1, "sqlite:///shard.db", "redis://h:1/0")


@pytest.fixture
def registry(zookeeper_url: str) -> Iterator[ZooKeeperRegistry]:
    made = ZooKeeperRegistry(zookeeper_url, session_seconds=2.0)
    yield made
    made.close()


def expire(registry: ZooKeeperRegistry) -> None:
    """End the session from outside, as a server does after too long a silence."""
    client = registry._own.get().session.client
    thief = KazooClient(
        hosts=registry.address.removeprefix("zookeeper://").split("/")[0], client_id=client.client_id
    )
    thief.start(timeout=10)
    thief.stop()
    thief.close()


def test_presence_is_announced_again_after_the_session_was_lost(
    registry: ZooKeeperRegistry, zookeeper_url: str
) -> None:
    observer = ZooKeeperRegistry(zookeeper_url)
    presence = registry.announce(1, "host:1:a", {"revision": "r1"})
    before = registry._own.get().session.client.client_id
    expire(registry)
    until(lambda: not presence.held or registry._own.get().session.client.client_id != before)
    until(lambda: [seen.details for seen in observer.workers(1)] == [{"revision": "r1"}] and presence.held)
    assert registry._own.get().session.client.client_id != before
    withdrawn = registry.announce(1, "host:2:b", {})
    withdrawn.close()
    expire(registry)
    until(lambda: presence.held and registry.connected)
    until(lambda: [seen.incarnation for seen in observer.workers(1)] == ["host:1:a"])
    observer.close()


def test_a_name_that_a_later_process_took_over_is_not_withdrawn(
    registry: ZooKeeperRegistry, zookeeper_url: str
) -> None:
    """Two containers on one host name, each with its own pid 7."""
    later = ZooKeeperRegistry(zookeeper_url)
    earlier_presence = registry.announce(1, "host:7", {"revision": "r1"})
    later.announce(1, "host:7", {"revision": "r2"})
    earlier_presence.close()
    assert [seen.details for seen in registry.workers(1)] == [{"revision": "r2"}]
    later.close()


def test_subscriptions_go_on_after_the_session_was_lost(
    registry: ZooKeeperRegistry, zookeeper_url: str
) -> None:
    operator = ZooKeeperRegistry(zookeeper_url)
    stored = operator.put(A_POD)
    told: list[Sequence[Pod]] = []
    registry.subscribe(told.append)
    expire(registry)
    operator.put(replace(stored, weight=9))
    until(lambda: [pod.weight for pod in told[-1]] == [9])
    operator.close()


def test_a_frozen_server_is_doubted_at_once_and_given_up_by_our_own_clock(
    own_zookeeper: ZookeeperServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("podwork_pods.registry.session.CALL_SECONDS", 0.5)
    registry = ZooKeeperRegistry(f"{own_zookeeper.url}/frozen", session_seconds=1.5)
    registry.put(A_POD)
    presence = registry.announce(1, "host:1:a", {})
    with paused(own_zookeeper):
        until(lambda: not registry.connected, message="the connection is doubted")
        assert presence.held or not registry.connected
        until(lambda: not presence.held, message="the presence is given up although LOST never came")
        with pytest.raises(RegistryUnavailable):
            registry.list()
    until(lambda: registry.connected and presence.held, timeout_seconds=20)
    assert [seen.incarnation for seen in registry.workers(1)] == ["host:1:a"]
    registry.close()


def test_a_server_that_died_and_came_back_is_found_again(
    own_zookeeper: ZookeeperServer, private_servers: PrivateServers
) -> None:
    registry = ZooKeeperRegistry(f"{own_zookeeper.url}/died", session_seconds=1.5)
    stored = registry.put(A_POD)
    told: list[Sequence[Pod]] = []
    registry.subscribe(told.append)
    presence = registry.announce(1, "host:1:a", {})
    kill(own_zookeeper)
    until(lambda: not registry.connected)
    private_servers.restart(own_zookeeper)
    until(lambda: registry.connected and presence.held, timeout_seconds=30)
    registry.put(replace(stored, weight=4))
    until(lambda: [pod.weight for pod in told[-1]] == [4])
    until(lambda: [seen.incarnation for seen in registry.workers(1)] == ["host:1:a"], timeout_seconds=20)
    registry.close()


def test_without_kazoo_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "kazoo"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "podwork_pods.registry.zookeeper", raising=False)
    monkeypatch.delitem(sys.modules, "podwork_pods.registry.session", raising=False)
    monkeypatch.setitem(sys.modules, "kazoo", None)
    with pytest.raises(MissingDriver, match=r"pip install 'podwork\[mysql\]'"):
        open_registry("zookeeper://127.0.0.1:2181/podwork")
