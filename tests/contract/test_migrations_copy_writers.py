"""An online copy while the application writes at random: nothing is lost, no statement met an error.

What there has to be is known without the copy: what the application has committed is done once more, on a
table that nobody copies.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

import pytest

from podwork_migrations.copy.journal import PATIENT_TRIES
from podwork_migrations.copy.names import Names
from podwork_migrations.ledger.states import EntryState
from tests.support.copy_stand import VERSION, CopyStand, Shop
from tests.support.scribbling import COLUMNS, fill, table

ROWS = 1_200
LOCK_BUDGET_SECONDS = 1
CHANGE = "ALTER TABLE items ADD COLUMN z INT NOT NULL DEFAULT 7, MODIFY v VARCHAR(300) NOT NULL"
NAMES = Names(VERSION)
FILLING = "LOCK IN SHARE MODE"
"""In the statement of the run that copies rows."""


@pytest.fixture
def stand(mariadb_url: str) -> Iterator[CopyStand]:
    made = CopyStand(mariadb_url, batch_size=100, lock_budget_seconds=LOCK_BUDGET_SECONDS)
    yield made
    made.close()


def _copied_under_writers(stand: CopyStand, rows: int, *, counts_up: bool, isolation: str) -> Shop:
    stand.execute(table(counts_up=counts_up), fill(rows))
    stand.begin(CHANGE, hold_hours=1)
    shop = Shop(stand.url, rows, counts_up=counts_up, isolation=isolation)
    with shop.open():
        shop.until_written(100)
        stand.finish(seconds=240)
        shop.until_written(shop.written + 100)
    assert (stand.entry.state, stand.stage, stand.entry.error) == (EntryState.APPLIED, "held", "")
    assert stand.contents("items", COLUMNS) == stand.contents(NAMES.old, COLUMNS)
    _check_written(stand, shop)
    assert stand.rows(f"SELECT * FROM {NAMES.faults}") == []
    assert stand.rows("SELECT DISTINCT z FROM items") == [(7,)]
    return shop


def _check_written(stand: CopyStand, shop: Shop) -> None:
    """All that was committed is in the table, and nothing else; keys that the server gave may be others."""
    stand.execute(
        "DROP TABLE IF EXISTS control",
        table(counts_up=shop.counts_up, name="control"),
        fill(shop.rows, "control"),
    )
    shop.replay("control")
    found, expected = (
        Counter(
            (key if key <= shop.rows or not shop.counts_up else None, *row)
            for key, *row in stand.contents(name, COLUMNS)
        )
        for name in ("items", "control")
    )
    assert (found - expected, expected - found) == (Counter(), Counter())


def _check_errors(stand: CopyStand, shop: Shop) -> None:
    """No error; where a lock had to be waited for, a transaction that read first may be ended by it.

    And once in very many transactions two of the application's may meet in a unique index of the copy. Who
    writes a value there that he has taken from another row before, or from another key, also locks the value
    that comes next; while the copy has few rows that may be anybody's. Nobody but writers is part of that.
    """
    if max(stand.most_tries, stand.entry.cutover_attempts) >= PATIENT_TRIES:
        assert {error[:6] for error in shop.errors} <= {"(1213,"}
        return
    met = [said for said in shop.deadlocks if "index by_u of table" in said and FILLING not in said]
    assert len(met) == len(shop.errors), (shop.errors, shop.deadlocks)
    assert len(met) <= 1 + shop.written / 10_000, shop.errors


@pytest.mark.timeout(300)
@pytest.mark.parametrize("counts_up", [True, False], ids=["keys that count up", "keys that move"])
def test_the_copy_equals_the_table_and_the_application_notices_nothing(
    stand: CopyStand, counts_up: bool
) -> None:
    shop = _copied_under_writers(stand, ROWS, counts_up=counts_up, isolation="READ COMMITTED")
    _check_errors(stand, shop)
    # One for the lock, one for whoever waits behind it, and a slow machine.
    assert max(shop.waits) < 2 * LOCK_BUDGET_SECONDS + 1


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_writers_of_another_isolation_are_copied_too(stand: CopyStand) -> None:
    """Under REPEATABLE READ a row that is missing locks its gap: now and then two writers meet there."""
    shop = _copied_under_writers(stand, ROWS, counts_up=False, isolation="REPEATABLE READ")
    assert {error[:6] for error in shop.errors} <= {"(1213,"}
    assert len(shop.errors) < shop.written / 100


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_way_back_under_writers_loses_nothing(stand: CopyStand) -> None:
    stand.execute(table(counts_up=False), fill(1_000))
    stand.begin(CHANGE, hold_hours=1)
    shop = Shop(stand.url, 1_000, counts_up=False)
    with shop.open():
        stand.finish()
        shop.until_written(shop.written + 50)
        stand.revert()
        stand.until("purging")
        shop.until_written(shop.written + 50)
    stand.finish()
    assert (stand.entry.state, stand.left_over()) == (EntryState.REVERTED, [])
    _check_written(stand, shop)
    _check_errors(stand, shop)
    assert len(stand.rows("SHOW COLUMNS FROM items")) == len(COLUMNS)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_cut_over_that_has_to_wait_loses_nothing_either(stand: CopyStand) -> None:
    """The lock is waited for: writers are kept outside while RENAME gets all names."""
    stand.execute(table(counts_up=False), fill(600))
    stand.begin(CHANGE, hold_hours=1)
    shop = Shop(stand.url, 600, counts_up=False)
    with shop.open():
        stand.until("swapping")
        stand.note(cutover_attempts=5)
        shop.until_written(shop.written + 50)
        stand.finish()
        shop.until_written(shop.written + 50)
    assert (stand.stage, stand.entry.error) == ("held", "")
    assert stand.contents("items", COLUMNS) == stand.contents(NAMES.old, COLUMNS)
    _check_written(stand, shop)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("counts_up", [True, False])
def test_long(stand: CopyStand, counts_up: bool) -> None:
    """Again and again, until some minutes are over."""
    until = time.monotonic() + 240
    while time.monotonic() < until:
        shop = _copied_under_writers(stand, 6_000, counts_up=counts_up, isolation="READ COMMITTED")
        _check_errors(stand, shop)
        stand.tidy()
        assert stand.left_over() == []
        stand.clear()
