"""Several jobs on one run of an online copy: what each of them has, and that together they have all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import pytest
from sqlalchemy import Connection, create_engine, text

from podwork.iteration.collection import Cursor, Slice
from podwork_migrations.copy.job import COMPARE, COPY, parallel_of
from podwork_migrations.copy.names import Names
from podwork_migrations.copy.verify import CompareParams, Comparison, CopyDiffers, Spans
from podwork_migrations.ledger.states import EntryState
from tests.support.copy_stand import VERSION, CopyStand, Shop
from tests.support.scribbling import COLUMNS, fill, table

NAMES = Names(VERSION)
KEYED = "CREATE TABLE {name} (a INT NOT NULL, b INT NOT NULL, PRIMARY KEY (a, b)) ENGINE=InnoDB"
INSERT = "INSERT INTO {name} VALUES (:a, :b)"
FIRST, LAST = (-5, 0), (99, 0)
KEYS = [(number // 7, number % 7) for number in range(100)]


@pytest.fixture
def connection(mariadb_url: str) -> Iterator[Connection]:
    engine = create_engine(mariadb_url)
    with engine.connect() as made:
        for name in ("ours", "theirs"):
            made.execute(text(KEYED.format(name=name)))
        made.execute(text(INSERT.format(name="theirs")), [{"a": a, "b": b} for a, b in KEYS])
        made.execute(text("ANALYZE TABLE theirs"))
        yield made
    engine.dispose()


SPANS = Spans(CompareParams("theirs", "ours", ["a", "b"], "PRIMARY", "PRIMARY", []))


def _walked(connection: Connection, part: Slice, limit: int) -> list[tuple[Cursor, Cursor]]:
    """Return the spans of a slice."""
    found: list[tuple[Cursor, Cursor]] = []
    cursor: Cursor | None = None
    while (span := SPANS.range(connection, part, cursor, limit)) is not None:
        found.append((span.lo, span.hi))
        cursor = span.hi
    return found


def _holding(spans: Sequence[tuple[Cursor, Cursor]], key: Cursor) -> int:
    return sum(lo < key <= hi for lo, hi in spans)


@pytest.mark.parametrize("parts", [1, 2, 5])
def test_what_is_compared_is_cut_without_a_gap(connection: Connection, parts: int) -> None:
    slices = SPANS.slices(connection, parts)
    assert len(slices) == parts
    assert (slices[0].after, slices[-1].upto) == (None, None)
    assert all(one.upto == other.after for one, other in pairwise(slices))


@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_every_key_of_either_table_is_in_one_span(connection: Connection, limit: int) -> None:
    connection.execute(text(INSERT.format(name="ours")), [{"a": a, "b": b} for a, b in (FIRST, LAST)])
    slices = SPANS.slices(connection, 3)
    spans = [span for part in slices for span in _walked(connection, part, limit)]
    assert [_holding(spans, key) for key in (FIRST, *KEYS, LAST)] == [1] * 102
    assert all(one == other for (_, one), (other, _) in pairwise(spans))


def test_a_part_whose_rows_are_gone_is_still_looked_at(connection: Connection) -> None:
    slices = SPANS.slices(connection, 3)
    connection.execute(text("DELETE FROM theirs"))
    assert _walked(connection, slices[1], 10) == [(slices[1].after, slices[1].upto)]
    assert _walked(connection, slices[2], 10) == []


def test_an_empty_table_is_one_part(connection: Connection) -> None:
    connection.execute(text("DELETE FROM theirs"))
    connection.execute(text("ANALYZE TABLE theirs"))
    assert SPANS.slices(connection, 3) == [Slice(None, None)]


def test_who_would_wait_for_a_counter_works_alone() -> None:
    assert [parallel_of(COPY, {"counter": name}) for name in ("", "id")] == [2, 1]
    assert parallel_of(COMPARE, {}) == 2


@pytest.fixture
def stand(mariadb_url: str) -> Iterator[CopyStand]:
    made = CopyStand(mariadb_url, batch_size=50)
    yield made
    made.close()


def test_two_jobs_copy_a_table_that_is_written_to(stand: CopyStand) -> None:
    stand.execute(table(counts_up=False), fill(600), "ANALYZE TABLE items")
    stand.begin("ALTER TABLE items ADD COLUMN z INT NOT NULL DEFAULT 7", hold_hours=1)
    shop = Shop(stand.url, 600, counts_up=False)
    with shop.open(), stand.working(2):
        stand.finish_by_others()
    # Whoever is done early takes a part of what is left: there may be one more.
    runs = "SELECT run_id, COUNT(*) > 1, SUM(batches > 1) > 1 FROM podwork_partitions GROUP BY run_id"
    assert [(is_cut, worked) for _, is_cut, worked in stand.rows(runs)] == [(1, 1), (1, 1)]
    assert (stand.entry.state, stand.stage) == (EntryState.APPLIED, "held")
    assert stand.contents("items", COLUMNS) == stand.contents(NAMES.old, COLUMNS)
    assert stand.rows("SELECT DISTINCT z FROM items") == [(7,)]


def test_the_same_change_in_two_rows_does_not_undo_itself(mariadb_url: str) -> None:
    engine = create_engine(mariadb_url)
    columns = [["`a`", "`a`"], ["`n`", "`n`"]]
    comparison = Comparison(CompareParams("counted", "lagging", ["a"], "PRIMARY", "PRIMARY", columns))
    with engine.connect() as connection:
        for name in ("counted", "lagging"):
            connection.execute(text(f"CREATE TABLE {name} (a INT PRIMARY KEY, n INT NOT NULL) ENGINE=InnoDB"))
            rows = [{"a": a, "n": 10} for a in range(10, 20)]
            connection.execute(text(f"INSERT INTO {name} VALUES (:a, :n)"), rows)
        comparison.check(connection, None, None)
        for missed in ((12, 17), tuple(range(10, 20))):
            connection.execute(text("UPDATE counted SET n = 11 WHERE a IN :missed"), {"missed": missed})
            with pytest.raises(CopyDiffers):
                comparison.check(connection, None, None)
    engine.dispose()
