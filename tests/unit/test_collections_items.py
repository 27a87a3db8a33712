"""Sequences and spans of time as collections."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwork.iteration.collection import Collection, Slice
from podwork_pods.iteration.collections import Divisible, InvalidCollection, items, windows
from podwork_pods.iteration.collections.items import Items
from podwork_pods.iteration.collections.slices import EMPTY
from podwork_pods.iteration.collections.windows import Window, Windows
from tests.support.walking import batches, through_text, walked

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def start_of(window: object) -> datetime:
    assert isinstance(window, Window)
    start: datetime = window.start
    return start


def halved(collection: Items | Windows, choices: st.DataObject) -> list[object]:
    """Return the items that workers see who take halves from one another whenever they like."""
    seen: list[object] = []
    waiting = [(part, part.after) for part in collection.slices(None, 3)]
    while waiting:
        part, cursor = waiting.pop()
        if choices.draw(st.booleans()):
            middle = through_text(collection.middle(None, part, cursor))
            if middle is not None:
                waiting += [(Slice(part.after, middle), cursor), (Slice(middle, part.upto), middle)]
                continue
        batch = collection.batch(None, part, cursor, 2)
        if batch is not None:
            seen += batch.items
            waiting.append((part, batch.last))
    return seen


@given(length=st.integers(0, 30), parts=st.integers(1, 40), limit=st.integers(1, 7), choices=st.data())
def test_items_once_each_in_order(length: int, parts: int, limit: int, choices: st.DataObject) -> None:
    of_all = items([f"item {number}" for number in range(length)])
    found = walked(of_all, None, parts, limit)
    assert [item for part in found for item in part] == [f"item {number}" for number in range(length)]
    assert len(found) == max(1, min(parts, length))
    assert max(map(len, found)) - min(map(len, found)) <= 1
    assert of_all.count(None) == length
    assert sorted(halved(of_all, choices), key=str) == sorted((f"item {n}" for n in range(length)), key=str)


def test_what_is_appended_to_a_sequence_is_not_done() -> None:
    sequence = [0, 1, 2, 3]
    of_all = items(sequence)
    [part] = of_all.slices(None, 1)
    found = batches(of_all, None, part, 2)
    assert list(next(found).items) == [0, 1]
    sequence.append(4)
    assert [list(batch.items) for batch in found] == [[2, 3]]
    [none] = items([]).slices(None, 1)
    assert items([1]).batch(None, none, None, 1) is None


def test_a_sequence_that_became_shorter_ends() -> None:
    [part] = items(range(9)).slices(None, 1)
    assert items(range(3)).batch(None, part, (5,), 2) is None
    assert items(range(3)).middle(None, part, (5,)) is None


@given(
    minutes=st.integers(0, 1000),
    step=st.integers(1, 90),
    parts=st.integers(1, 9),
    limit=st.integers(1, 7),
    choices=st.data(),
)
def test_windows_cover_a_span_once(
    minutes: int, step: int, parts: int, limit: int, choices: st.DataObject
) -> None:
    end = START + timedelta(minutes=minutes)
    of_all = windows(START, end, timedelta(minutes=step))
    found = walked(of_all, None, parts, limit)
    for seen in (
        [window for part in found for window in part],
        sorted(halved(of_all, choices), key=start_of),
    ):
        place = START
        for window in seen:
            assert isinstance(window, Window)
            assert window.start == place
            assert window.end == min(place + timedelta(minutes=step), end)
            place = window.end
        assert place == end
        assert len(seen) == of_all.count(None) == -(-minutes // step)
    assert len(found) == max(1, min(parts, -(-minutes // step)))


def test_the_end_is_that_of_the_start() -> None:
    [part] = windows(START, START + 2 * HOUR, HOUR).slices(None, 1)
    later = windows(START, START + 9 * HOUR, HOUR)
    assert sum(len(found.items) for found in batches(later, None, part, 1)) == 2
    [none] = windows(START, START, HOUR).slices(None, 1)
    assert none == EMPTY
    assert later.batch(None, none, None, 1) is None


def test_a_step_that_is_changed_in_the_middle_leaves_no_gap() -> None:
    before = windows(START, START + 4 * HOUR, HOUR)
    [part] = before.slices(None, 1)
    first = before.batch(None, part, None, 1)
    assert first is not None
    rest = windows(START, START + 4 * HOUR, 2 * HOUR).batch(None, part, first.last, 9)
    assert rest is not None
    assert [*first.items, *rest.items] == [
        Window(START, START + HOUR),
        Window(START + HOUR, START + 3 * HOUR),
        Window(START + 3 * HOUR, START + 4 * HOUR),
    ]


def test_an_hour_is_an_hour_also_when_clocks_are_put_back() -> None:
    zone = ZoneInfo("Europe/Berlin")
    of_all = windows(datetime(2026, 10, 25, tzinfo=zone), datetime(2026, 10, 26, tzinfo=zone), HOUR)
    assert of_all.count(None) == 25
    [found] = walked(of_all, None, 1, 100)
    assert {window.end - window.start for window in found} == {HOUR}
    assert all(window.start.tzinfo is UTC for window in found)


def test_days() -> None:
    of_all = windows(date(2026, 2, 27), date(2026, 3, 6), timedelta(days=3))
    assert [window for part in walked(of_all, None, 2, 1) for window in part] == [
        Window(date(2026, 2, 27), date(2026, 3, 2)),
        Window(date(2026, 3, 2), date(2026, 3, 5)),
        Window(date(2026, 3, 5), date(2026, 3, 6)),
    ]


@pytest.mark.parametrize(
    ("start", "end", "step"),
    [
        (START, date(2026, 2, 1), HOUR),
        (START, datetime(2026, 2, 1), HOUR),  # noqa: DTZ001
        (START, START, timedelta(0)),
        (START, START, -HOUR),
        (date(2026, 1, 1), date(2026, 2, 1), HOUR),
        (date(2026, 1, 1), date(2026, 2, 1), timedelta(days=-1)),
    ],
)
def test_ends_and_steps_that_do_not_go_together_are_refused(start: date, end: date, step: timedelta) -> None:
    with pytest.raises(InvalidCollection):
        windows(start, end, step)


def test_another_zone_is_the_same_moment() -> None:
    east = timezone(timedelta(hours=5))
    of_all = windows(START.astimezone(east), START + HOUR, HOUR)
    assert walked(of_all, None) == [[Window(START, START + HOUR)]]


def test_they_are_what_the_engine_asks_for() -> None:
    for made in (items([]), windows(START, START, HOUR)):
        assert isinstance(made, Collection)
        assert isinstance(made, Divisible)
