"""The values that podctl's options take: right ones are read, wrong ones are refused in one line."""

from __future__ import annotations

from typing import Any

import click
import pytest

from podwork.interfaces import LARGEST_SHOP_ID
from podwork_ops.cli.values import Argument, Duration, JsonObject, Label, Number, QueueList


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("25s", 25),
        ("2m", 120),
        ("1m30s", 90),
        ("500ms", 0.5),
        ("1.5h", 5400),
        ("1d", 86_400),
        ("7", 7),
        (3, 3),
    ],
)
def test_durations_are_read_in_every_unit(text: Any, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "soon", "25 s x", "-3s", "0", "0s", "10y", "s", "nan", "inf", "1e400"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(click.BadParameter, match="write 25s"):
        Duration().convert(text, None, None)


def test_queues_keep_their_order() -> None:
    assert QueueList().convert("critical, default", None, None) == ["critical", "default"]


@pytest.mark.parametrize("text", ["", "a,,b", "a,a", ","])
def test_lists_of_queues_with_a_gap_or_a_repetition_are_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match=" - "):
        QueueList().convert(text, None, None)


def test_json_arguments_are_an_object() -> None:
    assert JsonObject().convert('{"full": true}', None, None) == {"full": True}


@pytest.mark.parametrize("text", ["{full: true}", "[1]", "3", "", "{"])
def test_what_is_no_json_object_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(click.BadParameter, match="full"):
        JsonObject().convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("n=7", ("n", 7)),
        ("on=true", ("on", True)),
        ("name=anna", ("name", "anna")),
        ('quoted="7"', ("quoted", "7")),
        ("empty=", ("empty", "")),
        ("a=b=c", ("a", "b=c")),
    ],
)
def test_one_argument_is_json_where_it_can_be_read_so(text: str, pair: tuple[str, Any]) -> None:
    assert Argument().convert(text, None, None) == pair


@pytest.mark.parametrize("text", ["n", "=7", ""])
def test_a_pair_needs_a_name_and_an_equals_sign(text: str) -> None:
    with pytest.raises(click.BadParameter, match="name=value"):
        Label().convert(text, None, None)


@pytest.mark.parametrize(("text", "number"), [("0", 0), (7, 7), (str(LARGEST_SHOP_ID), 2**63 - 1)])
def test_numbers_are_read_up_to_what_a_column_holds(text: Any, number: int) -> None:
    assert Number("shop", least=0).convert(text, None, None) == number


@pytest.mark.parametrize("text", ["", "abc", "-1", "1.5", str(LARGEST_SHOP_ID + 1), "9" * 5000])
def test_what_is_no_number_of_a_shop_is_refused_with_the_limits(text: str) -> None:
    with pytest.raises(click.BadParameter, match=r"no shop - .* from 0 to"):
        Number("shop", least=0).convert(text, None, None)
