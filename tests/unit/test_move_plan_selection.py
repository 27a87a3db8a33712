"""Which shops a plan of moves chooses: all of one pod, spread over others, or a few until pods are even."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwork_pods.mover.plans.errors import InvalidMovePlan
from podwork_pods.mover.plans.selection import EVEN_SHARE, Choice, PodLoad, evacuate, rebalance, to_one

LOADS = st.lists(st.integers(0, 1_000), max_size=25)


@st.composite
def fleets(draw: st.DrawFn) -> list[PodLoad]:
    """Pods of any weight and state, with shops of any size."""
    pods, number = [], 0
    for pod_id in range(1, draw(st.integers(1, 6)) + 1):
        sizes = draw(LOADS)
        shops = {number + place: load for place, load in enumerate(sizes)}
        number += len(sizes)
        weight = draw(st.sampled_from([0, 50, 100, 200]))
        pods.append(PodLoad(pod_id, weight, shops, takes=draw(st.booleans()), leaves=draw(st.booleans())))
    return pods


def after(pods: list[PodLoad], choices: list[Choice]) -> dict[int, int]:
    """Return each pod's load when these have moved."""
    loads = Counter({pod.pod_id: pod.load for pod in pods})
    for choice in choices:
        loads[choice.from_pod] -= choice.load
        loads[choice.to_pod] += choice.load
    return dict(loads)


def distance(pods: list[PodLoad], loads: dict[int, int]) -> float:
    """Return how far the fullest or emptiest pod is from its share, for its weight."""
    sharing = [pod for pod in pods if pod.weight]
    total, weights = sum(loads[pod.pod_id] for pod in sharing), sum(pod.weight for pod in sharing)
    return max((abs(loads[pod.pod_id] / pod.weight - total / weights) for pod in sharing), default=0.0)


def test_all_shops_of_a_pod_go_to_one() -> None:
    chosen = to_one([PodLoad(1, 100, {8: 3, 7: 5}), PodLoad(2, 100, {9: 1})], 2)
    assert chosen == [Choice(7, 1, 2, 5), Choice(8, 1, 2, 3)], "in order, and who is there stays"


def test_an_evacuated_pod_is_spread_by_weight_and_by_load() -> None:
    pods = [
        PodLoad(1, 100, dict.fromkeys(range(30), 10)),
        PodLoad(2, 100, {100: 100}),
        PodLoad(3, 200, {}),
        PodLoad(4, 100, {}, takes=False),
        PodLoad(5, 0, {}),
    ]
    chosen = evacuate(pods, 1)
    assert [choice.shop_id for choice in chosen] == list(range(30))
    loads = after(pods, chosen)
    assert loads[1] == loads[4] == loads[5] == 0
    assert loads[2] + loads[3] == 400
    assert loads[3] / loads[2] == pytest.approx(2, rel=0.15)


def test_shops_without_rows_are_spread_too() -> None:
    pods = [PodLoad(1, 100, dict.fromkeys(range(10), 0)), PodLoad(2, 100, {}), PodLoad(3, 100, {})]
    assert Counter(choice.to_pod for choice in evacuate(pods, 1)) == {2: 5, 3: 5}


def test_a_pod_that_nobody_takes_from_is_not_evacuated() -> None:
    with pytest.raises(InvalidMovePlan, match="no other pod takes the shops of pod 1 - activate one"):
        evacuate([PodLoad(1, 100, {7: 1}), PodLoad(2, 100, {}, takes=False), PodLoad(3, 0, {})], 1)


def test_few_large_shops_move_rather_than_many_small_ones() -> None:
    small = dict.fromkeys(range(100, 200), 1)
    pods = [PodLoad(1, 100, {7: 50, **small}), PodLoad(2, 100, {9: 50})]
    assert rebalance(pods) == [Choice(7, 1, 2, 50)]


def test_weights_say_what_is_even() -> None:
    pods = [PodLoad(1, 100, dict.fromkeys(range(90), 1)), PodLoad(2, 200, {})]
    assert after(pods, rebalance(pods))[2] == pytest.approx(60, abs=3)


def test_a_pod_without_weight_is_left_alone() -> None:
    pods = [PodLoad(1, 0, {7: 100}), PodLoad(2, 100, {8: 100}), PodLoad(3, 100, {})]
    assert {choice.from_pod for choice in rebalance(pods)} <= {2}
    assert all(choice.to_pod != 1 for choice in rebalance(pods))


def test_a_shop_that_is_larger_than_the_difference_stays() -> None:
    assert rebalance([PodLoad(1, 100, {7: 100}), PodLoad(2, 100, {})]) == []
    even = [PodLoad(1, 100, {7: 100}), PodLoad(2, 100, {8: 98})]
    assert rebalance(even) == []


@given(fleets())
def test_rebalancing_moves_each_once_only_where_it_may_and_makes_nothing_worse(pods: list[PodLoad]) -> None:
    chosen = rebalance(pods)
    assert chosen == rebalance(pods)
    by_id = {pod.pod_id: pod for pod in pods}
    assert len({choice.shop_id for choice in chosen}) == len(chosen)
    for choice in chosen:
        source, target = by_id[choice.from_pod], by_id[choice.to_pod]
        assert source.leaves
        assert source.shops[choice.shop_id] == choice.load > 0
        assert target.takes
        assert target.weight > 0
        assert source is not target
    before = {pod.pod_id: pod.load for pod in pods}
    assert distance(pods, after(pods, chosen)) <= distance(pods, before) + 1e-9


@given(st.lists(st.integers(1, 5), min_size=20, max_size=60), st.integers(2, 4))
def test_many_small_shops_are_made_even(sizes: list[int], pods: int) -> None:
    fleet = [PodLoad(1, 100, dict(enumerate(sizes)))]
    fleet += [PodLoad(pod_id, 100, {}) for pod_id in range(2, pods + 1)]
    loads = after(fleet, rebalance(fleet))
    share = sum(sizes) / pods
    assert all(abs(load - share) <= max(5, EVEN_SHARE * share) for load in loads.values())
