"""The online copy on MariaDB: the way up, the time after the cut-over, and the way back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from podwork_migrations.copy.journal import PATIENT_TRIES
from podwork_migrations.copy.names import Names
from podwork_migrations.errors import LineLost, MigrationFailed
from podwork_migrations.ledger.states import EntryState
from tests.support.copy_stand import VERSION, CopyStand, other_client
from tests.support.scribbling import COLUMNS, fill, table

NAMES = Names(VERSION)
ADD = "ALTER TABLE items ADD COLUMN z INT NOT NULL DEFAULT 7"
NUMBERED = "CREATE TABLE items (id INT NOT NULL PRIMARY KEY, {rest}) ENGINE=InnoDB"


@pytest.fixture
def stand(mariadb_url: str) -> Iterator[CopyStand]:
    made = CopyStand(mariadb_url, batch_size=20)
    yield made
    made.close()


@pytest.fixture
def items(stand: CopyStand) -> CopyStand:
    stand.execute(table(counts_up=True), fill(50))
    return stand


# The way up


def test_a_copy_changes_the_table_and_leaves_nothing(items: CopyStand) -> None:
    before = items.contents("items", COLUMNS)
    items.begin(ADD)
    items.finish()
    assert items.entry.state is EntryState.APPLIED
    assert items.contents("items", COLUMNS) == before
    assert items.rows("SELECT DISTINCT z FROM items") == [(7,)]
    assert (items.left_over(), items.entry.artefacts) == ([], ())


def test_an_empty_table_is_copied_too(stand: CopyStand) -> None:
    stand.execute(table(counts_up=True))
    stand.begin(ADD)
    stand.finish()
    assert (stand.entry.state, stand.left_over()) == (EntryState.APPLIED, [])


def test_its_run_is_looked_at_soon_and_then_ever_more_seldom(items: CopyStand) -> None:
    items.begin(ADD)
    items.until("copying")
    waits = []
    for seconds in (0.0, 0.0, 4.0, 60.0):
        items.stand.clock.advance(seconds)
        progress = items.advance()
        assert progress is not None
        assert progress.stage == "copying"
        waits.append(progress.wait_seconds)
    assert waits == pytest.approx([0.05, 0.05, 0.2, 0.5])
    items.finish()
    assert items.entry.state is EntryState.APPLIED


def test_numbers_go_on_where_the_table_was(items: CopyStand) -> None:
    items.execute("ALTER TABLE items AUTO_INCREMENT = 1000")
    items.begin(ADD)
    items.finish()
    items.execute("INSERT INTO items (v) VALUES ('next')")
    assert items.rows("SELECT id FROM items WHERE v = 'next'") == [(1000,)]


# The time after the cut-over


def test_the_old_table_is_kept_in_step_until_its_time_is_over(items: CopyStand) -> None:
    items.begin(ADD, hold_hours=24)
    items.finish()
    assert (items.entry.state, items.stage) == (EntryState.APPLIED, "held")
    assert items.entry.hold_until == items.stand.clock.now() + 24 * 3600
    items.execute(
        "UPDATE items SET v = 'x' WHERE id = 5",
        "DELETE FROM items WHERE id = 6",
        "INSERT INTO items (v) VALUES ('y')",
    )
    items.execute(
        "UPDATE items SET id = 900 WHERE id = 7", "REPLACE INTO items (id, u, v) VALUES (8, 9, 'z')"
    )
    assert items.contents("items", COLUMNS) == items.contents(NAMES.old, COLUMNS)
    items.tidy()
    after = items.entry
    assert (items.left_over(), after.artefacts, after.hold_until) == ([], (), None)
    items.execute("UPDATE items SET v = 'still' WHERE id = 5")


def test_a_revert_brings_back_the_old_table_with_what_was_written_since(items: CopyStand) -> None:
    items.begin("ALTER TABLE items DROP COLUMN n, ADD COLUMN z INT NOT NULL DEFAULT 1", hold_hours=24)
    items.execute("UPDATE items SET n = id")
    items.finish()
    items.execute(
        "UPDATE items SET v = 'x' WHERE id = 5",
        "DELETE FROM items WHERE id = 6",
        "INSERT INTO items (v) VALUES ('y')",
    )
    items.revert()
    items.finish()
    assert (items.entry.state, items.left_over(), items.entry.artefacts) == (EntryState.REVERTED, [], ())
    assert items.rows("SELECT v, n FROM items WHERE id IN (5, 6, 7)") == [("x", 5), ("v7", 7)]
    assert items.rows("SELECT n FROM items WHERE v = 'y'") == [(0,)]


def test_what_the_old_table_cannot_take_closes_the_way_back_and_nothing_else(stand: CopyStand) -> None:
    stand.execute(
        NUMBERED.format(rest="a INT NOT NULL"), "INSERT INTO items SELECT seq, seq FROM seq_1_to_30"
    )
    stand.begin("ALTER TABLE items MODIFY COLUMN a INT NULL", hold_hours=24)
    stand.finish()
    stand.execute("UPDATE items SET a = NULL WHERE id = 3")
    stand.revert()
    with pytest.raises(MigrationFailed, match="the way back is closed"):
        stand.advance()
    assert stand.rows("SELECT a FROM items WHERE id = 3") == [(None,)]


def test_a_revert_refuses_an_old_table_that_differs(items: CopyStand) -> None:
    items.begin(ADD, hold_hours=24)
    items.finish()
    items.execute(f"UPDATE {NAMES.old} SET v = 'rot' WHERE id = 9")
    items.revert()
    with pytest.raises(MigrationFailed, match=r"the way back is closed.*differ"):
        items.finish()
    assert items.rows("SELECT z FROM items WHERE id = 9") == [(7,)]


@pytest.mark.parametrize("stage", ["watching", "copying", "swapping"])
def test_a_revert_before_the_cut_over_clears_away(items: CopyStand, stage: str) -> None:
    before = items.contents("items", COLUMNS)
    items.begin(ADD, hold_hours=24)
    items.until(stage)
    items.advance() if stage == "copying" else None
    items.revert()
    items.finish()
    assert (items.entry.state, items.left_over(), items.entry.artefacts) == (EntryState.REVERTED, [], ())
    assert items.contents("items", [*COLUMNS]) == before
    assert len(items.rows("SHOW COLUMNS FROM items")) == 4


def test_a_revert_of_what_was_not_begun_changes_nothing(items: CopyStand) -> None:
    """It must not be begun: it would be the way up."""
    items.begin(ADD)
    items.revert()
    items.finish()
    assert (items.entry.state, items.left_over()) == (EntryState.REVERTED, [])
    assert len(items.rows("SHOW COLUMNS FROM items")) == 4


def test_a_revert_of_what_was_given_up_changes_nothing(items: CopyStand) -> None:
    items.begin(ADD)
    items.until("comparing")
    items.execute(f"DELETE FROM {NAMES.copy} WHERE id = 3")
    with pytest.raises(MigrationFailed, match="differ"):
        items.finish()
    items.note(attempts=2)
    items.revert()
    items.finish()
    assert (items.entry.state, items.left_over()) == (EntryState.REVERTED, [])
    assert len(items.rows("SHOW COLUMNS FROM items")) == 4


def test_what_is_done_is_not_begun_again_by_who_has_not_heard_of_it(items: CopyStand) -> None:
    """Its process died between the end of the copy and that of the migration."""
    items.begin(ADD)
    items.until("done")
    items.execute(f"UPDATE podwork_migrations SET state = 'running', open = 1 WHERE version = {VERSION}")
    items.finish()
    assert (items.entry.state, items.stage) == (EntryState.APPLIED, "done")
    assert items.rows("SELECT DISTINCT z FROM items") == [(7,)]
    items.execute(f"UPDATE podwork_migrations SET state = 'running', open = 1 WHERE version = {VERSION}")
    items.revert()
    items.advance()
    entry = items.entry
    assert (entry.state, entry.stage, entry.route, entry.change) == (EntryState.REVERTING, "", "", "")


@pytest.fixture
def other(mariadb_url: str) -> Iterator[Any]:
    with other_client(mariadb_url) as cursor:
        yield cursor


# Locks


@pytest.mark.parametrize(
    "stage",
    [
        pytest.param("watching", marks=pytest.mark.slow),
        "swapping",
        pytest.param("keeping", marks=pytest.mark.slow),
    ],
)
def test_a_lock_that_is_not_to_be_had_is_asked_for_again_and_makes_nobody_wait_long(
    items: CopyStand, other: Any, stage: str
) -> None:
    items.begin(ADD, hold_hours=1)
    items.until(stage)
    other.execute(f"SELECT * FROM {NAMES.old if stage == 'keeping' else 'items'} WHERE id = 1")
    items.advance()
    assert items.stage == stage, "it did not come further"
    assert "items" in items.entry.throttle_reason or stage == "keeping"
    items.note(tries=PATIENT_TRIES)
    for _ in range(2):  # now it waits
        began = time.monotonic()
        items.advance()
        assert time.monotonic() - began < 5
    assert items.stage == stage
    other.connection.commit()
    items.finish()
    assert items.entry.error == ""
    assert items.contents("items", COLUMNS) == items.contents(NAMES.old, COLUMNS)


def test_a_row_that_is_locked_keeps_only_the_copy_waiting(items: CopyStand, other: Any) -> None:
    items.begin(ADD)
    items.until("copying")
    other.execute("DELETE FROM items WHERE id = 25")
    items.advance()
    items.work_on_runs()  # it tries, and goes away for a while
    assert items.rows(f"SELECT COUNT(*) FROM {NAMES.copy} WHERE id <= 20") == [(20,)]
    other.execute("UPDATE items SET n = 4 WHERE id = 3")  # copied and committed: nobody holds it
    other.connection.commit()
    items.finish()
    assert items.rows("SELECT COUNT(*), SUM(id = 25) FROM items") == [(49, 0)]


def test_the_cut_over_waits_for_a_person_if_it_shall(items: CopyStand) -> None:
    items.begin(ADD, postpone_cutover=True)
    items.until("postponed")
    for _ in range(3):
        items.advance()
    assert items.stage == "postponed"
    items.execute("UPDATE items SET v = 'meanwhile' WHERE id = 2")
    with items.line.enter("person") as turn:
        assert turn is not None
        items.applier.release(items.work(turn))
    items.finish()
    assert items.rows("SELECT v, z FROM items WHERE id = 2") == [("meanwhile", 7)]


def test_a_runner_that_lost_its_connection_does_nothing_more(items: CopyStand) -> None:
    items.begin(ADD)
    items.until("watching")
    with items.line.enter("first") as first:
        assert first is not None
        work = items.work(first)
        [(number,)] = first.ask("SELECT CONNECTION_ID()")
        with items.line.enter("second") as second:
            assert second is None, "the first one has the line"
        items.execute(f"KILL {number}")
        items.finish()
        with pytest.raises(LineLost):
            items.applier.advance(work)
    assert (items.entry.state, items.left_over()) == (EntryState.APPLIED, [])
