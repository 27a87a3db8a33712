"""What waits between two batches of rows, what does not, and who is chosen to end a deadlock."""

from __future__ import annotations

from collections.abc import Iterator

import pymysql
import pytest

from podwork import points
from podwork_pods.mover.rows import reading
from podwork_pods.mover.rows.literals import Key
from podwork_pods.mover.rows.passing import Pulse, RowPassage
from podwork_pods.mover.rows.progress import forget
from podwork_pods.mover.rows.stream.watch import Keys
from podwork_pods.mover.tables.table import MovedTable
from tests.support.rows_stand import SHOP, TARGET, RowsStand, noop

ROWS = 3 * reading.KEYS_IN_A_STATEMENT


@pytest.fixture
def stand(mariadb_url: str) -> Iterator[RowsStand]:
    made = RowsStand(mariadb_url)
    yield made
    made.close()


def insert(stand: RowsStand, first: int, count: int) -> None:
    stand.run(f"INSERT INTO orders SELECT {SHOP}, seq, seq, 1, '' FROM seq_{first}_to_{first + count - 1}")


def test_changes_are_brought_at_a_pace_and_the_last_of_them_at_none(stand: RowsStand) -> None:
    asked: list[int] = []
    writing = [False]

    def pace(copied_bytes: int, pulse: Pulse) -> None:
        assert not writing[0], "what is written waits for nothing"
        asked.append(copied_bytes)
        pulse("")

    def see(point: str) -> None:
        if point in ("rows.held", "rows.committed"):
            writing[0] = point == "rows.held"

    rows = stand.rows(pace=pace)
    rows.follow()
    rows.copy(noop)
    asked.clear()
    points.install(see)
    try:
        insert(stand, 1, ROWS)
        rows.catch_up(noop)
        assert rows.apply(noop) == ROWS
        assert asked == [0] * 3
        insert(stand, ROWS + 1, ROWS)
        rows.catch_up(noop)
        assert rows.apply(noop, in_haste=True) == ROWS
        insert(stand, 2 * ROWS + 1, ROWS)
        rows.apply_last(noop, 30)
        assert asked == [0] * 3
    finally:
        points.install(None)
    assert stand.differing() == []


def test_who_ends_a_deadlock_while_the_way_is_cleared_copies_on(
    stand: RowsStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert(stand, 1, 3)
    real, deadlocks = RowPassage._next_keys, [pymysql.OperationalError(1213, "Deadlock found")]

    def next_keys(self: RowPassage, table: MovedTable) -> Keys:
        if deadlocks:
            raise deadlocks.pop()
        found = real(self, table)
        keys: dict[Key, None] = dict.fromkeys([(str(SHOP), "2")])
        return {**found, "orders": keys} if table.name == "orders" else found

    monkeypatch.setattr(RowPassage, "_next_keys", next_keys)
    rows = stand.rows()
    rows.follow()
    stand.run(f"INSERT INTO orders VALUES ({SHOP}, 2, '1', 1, 'in the way')", pod=TARGET)
    rows.copy(noop)
    assert not deadlocks
    assert stand.differing() == []


def test_a_shard_forgets_one_move_and_no_other(stand: RowsStand) -> None:
    rows = stand.rows()
    rows.follow()
    rows.copy(noop)
    stand.run("UPDATE podwork_move_progress SET move_id = 2 WHERE table_name = 'orders'", pod=TARGET)
    forget(stand.engines[TARGET], 1)
    assert stand.read("SELECT DISTINCT move_id FROM podwork_move_progress", pod=TARGET) == [(2,)]
    forget(stand.engines[TARGET], 1)
