"""Strict and weighted orders of queues."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from podwork.errors import ConfigurationError
from podwork.worker.queue_order import QueueOrder


def test_without_weights_the_order_is_strict() -> None:
    order = QueueOrder(["critical", "default", "low"])
    assert {order() for _ in range(20)} == {("critical", "default", "low")}


def test_a_queue_comes_first_as_often_as_its_weight_says_and_all_are_looked_into() -> None:
    order = QueueOrder(["critical:6", "default:3", "low:1"], random.Random(7).random)
    drawn = [order() for _ in range(20_000)]
    assert all(sorted(one) == ["critical", "default", "low"] for one in drawn)
    first = Counter(one[0] for one in drawn)
    assert first["critical"] / 20_000 == pytest.approx(0.6, abs=0.02)
    assert first["default"] / 20_000 == pytest.approx(0.3, abs=0.02)


def test_a_queue_without_weight_among_weighted_ones_counts_once() -> None:
    order = QueueOrder(["critical:9", "low"], random.Random(7).random)
    assert order.names == ("critical", "low")
    assert Counter(order()[0] for _ in range(5_000))["low"] / 5_000 == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize(
    "queue", ["critical:0", "critical:x", "critical:", "Upper", "a b", "critical:-1", "a:1:2"]
)
def test_a_queue_that_is_none_is_refused(queue: str) -> None:
    with pytest.raises(ConfigurationError, match="queue"):
        QueueOrder([queue])
