"""Cursors come back from their text as they were: equal, and of the same types."""

from __future__ import annotations

import enum
import json
import math
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwork.errors import PodworkError, UnusableCursor
from podwork.iteration.cursor import decode, encode

SECOND_OFFSETS = st.integers(-86_399, 86_399).map(lambda seconds: timezone(timedelta(seconds=seconds)))
ZONES = st.none() | st.just(UTC) | SECOND_OFFSETS
VALUES = st.one_of(
    st.integers(),
    st.integers(-(2**64), 2**64),
    st.booleans(),
    st.text(st.characters(codec=None), max_size=20),  # lone surrogates too
    st.binary(max_size=40),
    st.floats(allow_nan=False),
    st.decimals(allow_nan=False),
    st.dates(),
    st.datetimes(timezones=ZONES),
    st.times(timezones=st.none() | SECOND_OFFSETS),
    st.timedeltas(),
    st.uuids(),
)
CURSORS = st.lists(VALUES, max_size=5).map(tuple)


def same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, float | Decimal):  # -0.0 and 0.0 are equal, and so are 1.0 and 1.00
        return repr(one) == repr(other)
    if isinstance(one, datetime | time):
        return bool(one == other) and one.utcoffset() == other.utcoffset()
    return bool(one == other)


@given(CURSORS)
def test_what_is_read_is_what_was_written(cursor: tuple[Any, ...]) -> None:
    read = decode(encode(cursor))
    assert len(read) == len(cursor)
    assert all(same(one, other) for one, other in zip(cursor, read, strict=True))


@given(CURSORS)
def test_a_cursor_has_one_text_which_any_column_holds(cursor: tuple[Any, ...]) -> None:
    text = encode(cursor)
    assert text.isascii()
    assert text.isprintable()
    assert encode(decode(text)) == text


@pytest.mark.parametrize(
    ("cursor", "text"),
    [
        ((), "[]"),
        ((0,), "[0]"),
        ((-5, "Größe"), '[-5,"Gr\\u00f6\\u00dfe"]'),
        ((2**63 - 1,), "[9223372036854775807]"),
        ((2**63,), '[{"int":"8000000000000000"}]'),
        ((-(2**63) - 1,), '[{"int":"-8000000000000001"}]'),
        ((True, 1), "[true,1]"),
        ((0.1, math.inf), '[{"float":"0.1"},{"float":"inf"}]'),
        ((Decimal("12.50"),), '[{"decimal":"12.50"}]'),
        ((b"\x00\x01\x02",), '[{"bytes":"AAEC"}]'),
        ((date(2026, 11, 24),), '[{"date":"2026-11-24"}]'),
        ((datetime(2026, 11, 24, 18, 0, 0, 7),), '[{"datetime":"2026-11-24T18:00:00.000007"}]'),  # noqa: DTZ001
        ((datetime(2026, 11, 24, tzinfo=UTC),), '[{"datetime":"2026-11-24T00:00:00+00:00"}]'),
        ((time(18, 5),), '[{"time":"18:05:00"}]'),
        ((timedelta(hours=-1, microseconds=1),), '[{"microseconds":"-3599999999"}]'),
        ((uuid.UUID(int=7),), '[{"uuid":"00000000-0000-0000-0000-000000000007"}]'),
    ],
)
def test_the_text_stays_as_it_is(cursor: tuple[Any, ...], text: str) -> None:
    """Runs that were begun by older code are read by newer code: a change here breaks them."""
    assert encode(cursor) == text
    assert same(decode(text), cursor)


def test_a_number_of_any_length() -> None:
    cursor = (10**10_000, -(10**10_000))
    assert decode(encode(cursor)) == cursor


class Colour(enum.IntEnum):
    RED = 1


class Name(str):
    __slots__ = ()


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "a null has no place in an order"),
        (math.nan, "NaN"),
        (Decimal("NaN"), "NaN"),
        (Decimal("sNaN"), "NaN"),
        (Colour.RED, "Colour is no key's type"),
        (Name("x"), "Name is no key's type"),
        ((1,), "tuple is no key's type"),
        ([1], "list is no key's type"),
        ({}, "dict is no key's type"),
        (bytearray(b"x"), "bytearray is no key's type"),
        (1j, "complex is no key's type"),
        (object(), "object is no key's type"),
    ],
)
def test_what_has_no_order_or_is_not_known_is_not_written(value: Any, why: str) -> None:
    for cursor in ((value,), (330, "x", value)):
        with pytest.raises(UnusableCursor, match=why):
            encode(cursor)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "null",
        '"x"',
        "{}",
        "[1",
        "[null]",
        "[1.5]",
        "[NaN]",
        "[Infinity]",
        "[[1]]",
        "[{}]",
        '[{"int":"1","uuid":"1"}]',
        '[{"complex":"1j"}]',
        '[{"int":7}]',
        '[{"int":"xyz"}]',
        '[{"float":"nan"}]',
        '[{"float":"one"}]',
        '[{"decimal":"NaN"}]',
        '[{"decimal":"sNaN"}]',
        '[{"decimal":"1,5"}]',
        '[{"bytes":"A"}]',
        '[{"bytes":"!!!!"}]',
        '[{"date":"2026-13-01"}]',
        '[{"datetime":"yesterday"}]',
        '[{"time":"25:00:00"}]',
        '[{"microseconds":"' + "9" * 30 + '"}]',
        '[{"uuid":"7"}]',
    ],
)
def test_what_is_no_cursor_s_text_is_not_read(text: str) -> None:
    with pytest.raises(UnusableCursor, match="cannot be read"):
        decode(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_other_json_is_refused_or_read_as_itself(value: Any) -> None:
    text = json.dumps(value)
    try:
        read = decode(text)
    except UnusableCursor:
        return
    assert list(read) == value


@pytest.mark.parametrize(
    "act", [lambda: encode(("Ada Lovelace", None)), lambda: decode('["Ada Lovelace", null]')]
)
def test_no_message_shows_a_key(act: Callable[[], object]) -> None:
    with pytest.raises(PodworkError) as caught:
        act()
    assert "Ada" not in str(caught.value)
