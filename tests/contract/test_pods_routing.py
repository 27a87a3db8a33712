"""What every router and every fence of the engine does: the single pod's and the directory's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from podwork.errors import StaleEpoch
from podwork.interfaces import Fence, Route, Router
from podwork.single import SingleFence, SingleRouter
from podwork_pods.pod import PodState
from podwork_pods.topology import Topology
from tests.support.pods import embedded_topology
from tests.support.wait import until

SHOP = 330


@pytest.fixture
def topology(tmp_path: Path) -> Iterator[Topology]:
    made = embedded_topology(tmp_path, pod_ids=[1], topology={"directory_refresh_seconds": 3600})
    made.directory.assign(SHOP, 1)
    yield made
    made.close()


@pytest.fixture(params=["single", "directory"])
def router(request: pytest.FixtureRequest) -> Router:
    if request.param == "single":
        return SingleRouter()
    topology: Topology = request.getfixturevalue("topology")
    return topology.router


@pytest.fixture
def fence(router: Router, request: pytest.FixtureRequest) -> Fence:
    if isinstance(router, SingleRouter):
        return SingleFence(router)
    topology: Topology = request.getfixturevalue("topology")
    return topology.fence(1)


def test_a_shop_is_routed_home(router: Router) -> None:
    assert router.route(SHOP) == Route(1, 1)
    assert router.route(SHOP) == Route(1, 1)


def test_what_a_gate_says_is_learned(router: Router) -> None:
    router.route(SHOP)
    router.learn(SHOP, Route(2, 2))
    assert router.route(SHOP) == Route(2, 2)


def test_a_gate_may_speak_of_a_shop_that_was_never_asked_for(router: Router) -> None:
    router.learn(SHOP, Route(2, 2))
    assert router.route(SHOP) == Route(2, 2)


@pytest.mark.parametrize("older", [Route(1, 2), Route(2, 3), Route(9, 1)])
def test_an_older_or_equal_epoch_is_ignored(router: Router, older: Route) -> None:
    router.learn(SHOP, Route(3, 3))
    router.learn(SHOP, older)
    assert router.route(SHOP) == Route(3, 3)


def test_what_is_forgotten_is_asked_again(router: Router) -> None:
    router.learn(SHOP, Route(2, 2))
    router.forget(SHOP)
    router.forget(SHOP)
    assert router.route(SHOP) == Route(1, 1)


def test_every_pod_that_takes_jobs_is_named(router: Router) -> None:
    assert list(router.pod_ids()) == [1]


@pytest.mark.parametrize("pushed_under", [1, 0])
def test_a_job_of_a_shop_at_home_is_admitted_under_its_epoch(fence: Fence, pushed_under: int) -> None:
    assert fence.admit(SHOP, pushed_under) == 1


def test_the_directory_turns_away_only_by_the_truth(topology: Topology) -> None:
    fence = topology.fence(1)
    topology.router.learn(SHOP, Route(2, 2))
    assert fence.admit(SHOP, 1) == 1  # the memory was wrong
    topology.directory.compare_and_set(SHOP, Route(1, 1), 2)
    assert fence.admit(SHOP, 1) == 1  # the memory is old: the shard's fence will refuse
    with pytest.raises(StaleEpoch):
        fence.admit(SHOP, 2)  # the job knows more than we remembered


def test_the_directory_admits_under_the_new_epoch_after_a_return(topology: Topology) -> None:
    fence = topology.fence(1)
    assert fence.admit(SHOP, 1) == 1
    topology.directory.compare_and_set(SHOP, Route(1, 1), 2)
    topology.directory.compare_and_set(SHOP, Route(2, 2), 1)
    assert fence.admit(SHOP, 3) == 3


def test_a_single_pod_turns_away_what_has_left() -> None:
    router = SingleRouter()
    router.learn(SHOP, Route(2, 2))
    with pytest.raises(StaleEpoch):
        SingleFence(router).admit(SHOP, 1)


def test_pods_that_are_down_take_no_jobs(tmp_path: Path) -> None:
    topology = embedded_topology(tmp_path, pod_ids=[1, 2, 3])
    topology.registry.set_state(1, PodState.DRAINING)
    topology.registry.set_state(2, PodState.DOWN)
    until(lambda: list(topology.router.pod_ids()) == [1, 3])
    topology.close()
