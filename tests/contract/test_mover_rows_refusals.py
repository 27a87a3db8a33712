"""A value that the target would store otherwise is an error, not a difference."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from podwork_pods.mover.rows.errors import RowsBusy, ValueChanged
from tests.support.rows_stand import SOURCE, TARGET, RowsStand, noop, plain


@pytest.fixture
def stand(mariadb_url: str) -> Iterator[RowsStand]:
    made = RowsStand(mariadb_url)
    made.run("INSERT INTO orders VALUES (7, 1, 'a code', 1000.5, 'a note')")
    yield made
    made.close()


@pytest.mark.parametrize("column", ["code VARCHAR(3) NOT NULL", "total TINYINT", "note DATE"])
def test_a_value_that_does_not_fit_is_refused(stand: RowsStand, column: str) -> None:
    stand.run(f"ALTER TABLE orders MODIFY {column}", pod=TARGET)
    rows = stand.rows()
    rows.follow()
    with pytest.raises(ValueChanged, match="orders"):
        rows.copy(noop)
    assert stand.read("SELECT * FROM orders", pod=TARGET) == []


def test_a_row_that_stays_locked_is_told_and_noted_again(stand: RowsStand) -> None:
    rows = stand.rows()
    rows.follow()
    rows.copy(noop)
    rows._locks.wait_for_locks(0)
    stand.run("UPDATE orders SET note = 'changed'")
    rows._catch_up(noop)
    with plain(stand.urls[SOURCE]) as cursor:
        cursor.execute("BEGIN")
        cursor.execute("UPDATE orders SET note = 'held'")
        with pytest.raises(RowsBusy, match="shop 7"):
            rows.apply(noop)
        cursor.execute("ROLLBACK")
    rows.apply_last(noop, 30)
    assert stand.differing() == []
