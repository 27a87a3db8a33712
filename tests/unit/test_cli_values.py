"""The values that podctl's options take: right ones are read, wrong ones are refused in one line."""

from __future__ import annotations

from typing import Any

import click
import pytest

from podwork.interfaces import LARGEST_SHOP_ID
from podwork_ops.cli.values import (
    Argument,
    ClassName,
    Duration,
    DurationOrNone,
    JsonObject,
    Label,
    Number,
    QueueList,
    QueueName,
    Rate,
)


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


def test_queues_may_have_weights() -> None:
    weighted = ["critical:6", "default:3", "low"]
    assert QueueList().convert("critical:6, default:3,low", None, None) == weighted


@pytest.mark.parametrize(
    "text",
    ["", "a,,b", "a,a", ",", "a:2,a:3", "a,a:3", "a:0", "a:-1", "a:x", "a:", "A", "a b", "a:1.5", "!x"],
)
def test_lists_of_queues_with_a_gap_a_repetition_or_a_wrong_weight_are_refused(text: str) -> None:
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


def test_a_length_of_time_may_be_none_where_that_means_something() -> None:
    assert DurationOrNone().convert("none", None, None) == 0
    assert DurationOrNone().convert("90s", None, None) == 90
    with pytest.raises(click.BadParameter, match="write 25s"):
        DurationOrNone().convert("never", None, None)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("100/1m", (100, 60)),
        ("5/s", (5, 1)),
        ("1000/1h", (1000, 3600)),
        ("1/500ms", (1, 0.5)),
        ("7/90", (7, 90)),
    ],
)
def test_rates_are_so_many_in_so_long(text: str, rate: tuple[int, float]) -> None:
    assert Rate().convert(text, None, None) == rate


@pytest.mark.parametrize(
    "text", ["", "5", "5/", "/1m", "0/1m", "-1/1m", "1.5/1m", "5/0s", "5/soon", "5/1m/1h"]
)
def test_what_is_no_rate_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(click.BadParameter, match="write 100/1m"):
        Rate().convert(text, None, None)


@pytest.mark.parametrize("text", ["Low", "", "a b", "*", "!hold:x", "a:1", "x" * 65])
def test_what_names_no_queue_is_refused(text: str) -> None:
    """A hold is kept with blanks between its parts and `*` for any: neither may come in by a name."""
    with pytest.raises(click.BadParameter, match="not a queue's name"):
        QueueName().convert(text, None, None)


@pytest.mark.parametrize("text", ["", "shop collect", "*", "a,b", "a=b"])
def test_what_names_no_job_class_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="not a job class"):
        ClassName().convert(text, None, None)
