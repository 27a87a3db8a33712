"""What every registry of pods does: SQLite's and ZooKeeper's."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import pytest

from podwork_pods.errors import RegistryConflict, RegistryUnavailable, UnknownPod
from podwork_pods.pod import Pod, PodState
from podwork_pods.registry import PodRegistry, open_registry
from podwork_pods.registry.embedded import EmbeddedRegistry
from podwork_pods.registry.zookeeper import ZooKeeperRegistry
from tests.support.pods import fork, in_child
from tests.support.wait import until

MakeRegistry = Callable[[], PodRegistry]


def a_pod(pod_id: int = 7, **fields: object) -> Pod:
    return replace(Pod(pod_id, "mysql+pymysql://app:pw@db7/shard", "redis://cache7:6379/0"), **fields)  # type: ignore[arg-type]


@pytest.fixture(params=["embedded", "zookeeper"])
def registry_url(request: pytest.FixtureRequest) -> str:
    fixture = "sqlite_url" if request.param == "embedded" else "zookeeper_url"
    return str(request.getfixturevalue(fixture))


@pytest.fixture
def make(registry_url: str) -> Iterator[MakeRegistry]:
    """Make registries over the same storage, as several processes would."""
    made: list[PodRegistry] = []

    def one_more() -> PodRegistry:
        embedded = registry_url.startswith("sqlite")
        registry: PodRegistry = (
            EmbeddedRegistry(registry_url, presence_seconds=1.0, poll_seconds=0.02)
            if embedded
            else ZooKeeperRegistry(registry_url, session_seconds=1.0)
        )
        made.append(registry)
        return registry

    yield one_more
    for registry in made:
        registry.close()


@pytest.fixture
def registry(make: MakeRegistry) -> PodRegistry:
    return make()


def test_opens_by_url(registry_url: str) -> None:
    kinds = {"sqlite": EmbeddedRegistry, "zookeeper": ZooKeeperRegistry}
    assert isinstance(open_registry(registry_url), kinds[registry_url.partition("://")[0]])


def test_what_was_put_is_got(registry: PodRegistry) -> None:
    pod = a_pod(state=PodState.DRAINING, weight=3, labels={"zone": "b"})
    stored = registry.put(pod)
    assert stored == pod
    assert stored.version > 0
    assert registry.get(7) == pod
    assert registry.get(7).version == stored.version
    assert registry.connected


def test_lists_in_ascending_order(registry: PodRegistry) -> None:
    for pod_id in (10, 2, 1):
        registry.put(a_pod(pod_id))
    assert [pod.id for pod in registry.list()] == [1, 2, 10]


def test_an_unknown_pod_is_named_with_those_known(registry: PodRegistry) -> None:
    registry.put(a_pod(1))
    with pytest.raises(UnknownPod, match=r"unknown pod 9 .*registry: 1"):
        registry.get(9)
    with pytest.raises(UnknownPod):
        registry.remove(9)
    with pytest.raises(UnknownPod):
        registry.set_state(9, PodState.DOWN)


def test_a_new_pod_does_not_overwrite_one_that_exists(registry: PodRegistry) -> None:
    registry.put(a_pod(weight=1))
    with pytest.raises(RegistryConflict):
        registry.put(a_pod(weight=2))
    assert registry.get(7).weight == 1


def test_of_two_who_changed_the_same_version_the_second_is_refused(make: MakeRegistry) -> None:
    ours, theirs = make(), make()
    read = ours.put(a_pod())
    theirs.put(replace(theirs.get(7), weight=1))
    with pytest.raises(RegistryConflict):
        ours.put(replace(read, weight=2))
    assert ours.get(7).weight == 1


def test_a_version_does_not_survive_removing_and_adding_again(registry: PodRegistry) -> None:
    before = registry.put(a_pod(weight=1))
    registry.remove(7)
    registry.put(a_pod(weight=2))
    with pytest.raises(RegistryConflict):
        registry.put(replace(before, weight=3))
    assert registry.get(7).weight == 2


def test_changing_a_pod_that_was_removed_is_refused(registry: PodRegistry) -> None:
    pod = registry.put(a_pod())
    registry.remove(7)
    with pytest.raises(RegistryConflict):
        registry.put(pod)
    assert registry.list() == []


def test_states_and_edits_at_the_same_time_do_not_lose_each_other(make: MakeRegistry) -> None:
    operators = [make() for _ in range(3)]
    operators[0].put(a_pod(weight=0))

    def raise_weight(registry: PodRegistry) -> None:
        for _ in range(5):
            while True:
                pod = registry.get(7)
                try:
                    registry.put(replace(pod, weight=pod.weight + 1))
                    break
                except RegistryConflict:
                    continue

    threads = [threading.Thread(target=raise_weight, args=(operator,)) for operator in operators[1:]]
    for thread in threads:
        thread.start()
    for state in (PodState.FROZEN, PodState.DRAINING):
        until(partial(_set, operators[0], state))
    for thread in threads:
        thread.join()
    assert (operators[0].get(7).weight, operators[0].get(7).state) == (10, PodState.DRAINING)


def _set(registry: PodRegistry, state: PodState) -> bool:
    try:
        return registry.set_state(7, state).state is state
    except RegistryConflict:  # ten times in a row somebody was faster
        return False


def test_a_subscriber_is_told_at_once_and_of_every_change(make: MakeRegistry) -> None:
    ours, theirs = make(), make()
    theirs.put(a_pod(1))
    told: list[dict[int, int]] = []

    def on_change(pods: Sequence[Pod]) -> None:
        told.append({pod.id: pod.weight for pod in pods})

    subscription = ours.subscribe(on_change)
    assert told == [{1: 100}]
    theirs.put(a_pod(2))
    until(lambda: told[-1] == {1: 100, 2: 100}, message="told of a new pod")
    theirs.put(replace(theirs.get(1), weight=5))
    until(lambda: told[-1] == {1: 5, 2: 100}, message="told of a changed pod")
    theirs.remove(2)
    until(lambda: told[-1] == {1: 5}, message="told of a removed pod")
    theirs.put(replace(theirs.get(1), weight=6))
    until(lambda: told[-1] == {1: 6}, message="told again of the same pod")
    subscription.close()
    subscription.close()


def test_a_present_worker_is_seen_with_its_details_until_it_withdraws(make: MakeRegistry) -> None:
    worker, observer = make(), make()
    presence = worker.announce(7, "host:12:ab", {"revision": "r1"})
    assert presence.held
    assert [(seen.incarnation, seen.details) for seen in observer.workers(7)] == [
        ("host:12:ab", {"revision": "r1"})
    ]
    assert list(observer.workers(8)) == []
    presence.close()
    presence.close()
    assert not presence.held
    assert list(observer.workers(7)) == []


def test_closing_the_registry_withdraws_its_workers(make: MakeRegistry) -> None:
    worker, observer = make(), make()
    worker.announce(7, "host:12:ab", {})
    worker.close()
    until(lambda: not observer.workers(7), message="the worker is gone")


def test_a_killed_worker_goes_by_itself(make: MakeRegistry) -> None:
    registry = make()
    reader, writer = os.pipe()
    child = fork()
    if child == 0:
        registry.announce(7, "host:child:1", {})
        os.write(writer, b"x")
        signal.pause()
        os._exit(0)
    os.read(reader, 1)
    assert [seen.incarnation for seen in registry.workers(7)] == ["host:child:1"]
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    until(lambda: not registry.workers(7), message="the killed worker is gone")


def test_a_forked_child_uses_its_own_connection_and_leaves_the_parents_presence(make: MakeRegistry) -> None:
    registry, observer = make(), make()
    registry.put(a_pod(1))
    presence = registry.announce(1, "host:parent:1", {})

    def use_it() -> bool:
        found, held = [pod.id for pod in registry.list()], presence.held
        presence.close()
        registry.announce(1, "host:child:1", {})
        seen = [worker.incarnation for worker in registry.workers(1)]
        registry.close()
        return found == [1] and not held and seen == ["host:child:1", "host:parent:1"]

    assert in_child(use_it) == 0
    assert registry.get(1).id == 1
    assert presence.held
    until(lambda: [seen.incarnation for seen in observer.workers(1)] == ["host:parent:1"])


@pytest.mark.parametrize("url", ["sqlite:////nowhere/registry.db", "zookeeper://127.0.0.1:1/none"])
def test_a_registry_that_is_not_there_is_a_typed_error(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podwork_pods.registry.session.CALL_SECONDS", 0.2)
    registry = open_registry(url)
    assert not registry.connected
    with pytest.raises(RegistryUnavailable, match=r"topology\.registry_url"):
        registry.list()
    with pytest.raises(RegistryUnavailable):
        registry.announce(1, "host:1:a", {})
    registry.close()
