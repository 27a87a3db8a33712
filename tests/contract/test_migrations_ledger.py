"""The ledger of a pod, on SQLite and MariaDB: what is written there, and by whom it may be changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podwork_migrations.errors import MigrationConflict, UnknownMigration
from podwork_migrations.gate import Go
from podwork_migrations.ledger.entry import Artefact, Direction, Entry
from podwork_migrations.ledger.states import EntryState
from tests.support.migration_stand import NOW, ONE, TWO, MigrationStand

GIVEN: dict[str, Any] = {"owner": "me", "epoch": 1, "code_revision": "r1"}


@pytest.fixture(params=["sqlite", "mariadb"])
def stand(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MigrationStand]:
    made = MigrationStand(str(request.getfixturevalue(f"{request.param}_url")), tmp_path)
    made.prepare()
    made.add_column(ONE, "first")
    made.add_column(TWO, "second", '@schema(override={"a": "because", "b": "ß😀"})')
    yield made
    made.close()


def begin(stand: MigrationStand, version: str = ONE, go: Go = Go(), **values: Any) -> Entry:  # noqa: B008 - a value
    with stand.engine.begin() as connection:
        return stand.ledger.begin(connection, stand.library()[version], go, **GIVEN, **values)


def note(stand: MigrationStand, entry: Entry, **values: Any) -> Entry:
    with stand.engine.begin() as connection:
        return stand.ledger.note(connection, entry, **values)


def enter(stand: MigrationStand, entry: Entry, to: EntryState, **values: Any) -> Entry:
    with stand.engine.begin() as connection:
        return stand.ledger.enter(connection, entry, to, **values)


def test_an_entry_is_read_as_it_was_written(stand: MigrationStand) -> None:
    begun = begin(stand, TWO, Go("plan-7", 3))
    assert begun == stand.entry(TWO)
    assert (begun.plan_id, begun.wave, begun.state) == ("plan-7", 3, EntryState.RUNNING)
    assert begun.override_reason == "a: because; b: ß😀"
    stand.clock.advance(9)
    noted = note(
        stand,
        begun,
        stage="copying",
        artefacts=[Artefact("table", "_new", "ß"), Artefact("trigger", "t")],
        run_ids=["r1", "r2"],
        rows_done=2**40,
        hold_until=NOW + 0.25,
        change="x" * 100_000,
        cutover_attempts=2,
    )
    assert noted == stand.entry(TWO)
    assert noted.artefacts == (Artefact("table", "_new", "ß"), Artefact("trigger", "t", ""))
    assert (noted.run_ids, noted.rows_done, noted.heartbeat) == (("r1", "r2"), 2**40, NOW + 9)
    ended = enter(stand, noted, EntryState.APPLIED, fingerprint_after="f")
    assert ended == stand.entry(TWO) == stand.ledger.entries()[0]
    assert (ended.completed, ended.direction) == (NOW + 9, Direction.UP)


def test_an_error_does_not_fail_for_its_own_length(stand: MigrationStand) -> None:
    failed = enter(stand, begin(stand), EntryState.FAILED, error="e" * 100_000 + "\udc80")
    assert failed == stand.entry(ONE)
    assert len(failed.error) <= 4_000


def test_marks_say_what_has_to_be_known_of_all(stand: MigrationStand) -> None:
    enter(stand, begin(stand), EntryState.APPLIED, hold_until=NOW + 5)
    begin(stand, TWO)
    marks = stand.ledger.marks()
    assert [(mark.version, mark.state, mark.reported) for mark in marks.values()] == [
        (ONE, EntryState.APPLIED, ""),
        (TWO, EntryState.RUNNING, ""),
    ]
    assert marks[ONE].checksum == stand.library()[ONE].checksum
    assert (marks[ONE].is_overdue(NOW + 4), marks[ONE].is_overdue(NOW + 5)) == (False, True)
    assert stand.ledger.done() == {ONE}
    assert [entry.version for entry in stand.ledger.held()] == [ONE]


def test_a_state_is_not_changed_by_the_way(stand: MigrationStand) -> None:
    entry = begin(stand)
    for values in ({"state": EntryState.APPLIED}, {"version": TWO}, {"open": None}):
        with pytest.raises(ValueError, match="cannot be noted"):
            note(stand, entry, **values)
    assert stand.entry(ONE) == entry


def test_what_somebody_has_changed_since_is_not_overwritten(stand: MigrationStand) -> None:
    entry = begin(stand)
    enter(stand, entry, EntryState.FAILED)
    with pytest.raises(MigrationConflict, match="it is no longer running"):
        note(stand, entry, stage="late")
    with pytest.raises(MigrationConflict, match="it is no longer running"):
        enter(stand, entry, EntryState.APPLIED)
    assert (stand.entry(ONE).state, stand.entry(ONE).stage) == (EntryState.FAILED, "")


def test_there_are_only_the_ways_of_the_table(stand: MigrationStand) -> None:
    applied = enter(stand, begin(stand), EntryState.APPLIED)
    with pytest.raises(MigrationConflict, match="it is applied and cannot become running"):
        enter(stand, applied, EntryState.RUNNING)


def test_one_is_open_at_a_time(stand: MigrationStand) -> None:
    failed = enter(stand, begin(stand), EntryState.FAILED)
    begin(stand, TWO)
    with pytest.raises(MigrationConflict, match="another migration is under way"):
        enter(stand, failed, EntryState.RUNNING)
    with pytest.raises(MigrationConflict, match="begun by somebody else"):
        begin(stand, TWO)
    assert stand.states() == {ONE: "failed", TWO: "running"}


def test_what_is_rolled_back_never_was(stand: MigrationStand) -> None:
    entry = begin(stand)

    def fail() -> None:
        with stand.engine.begin() as connection:
            stand.ledger.enter(connection, entry, EntryState.APPLIED)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert stand.entry(ONE) == entry


def test_an_entry_that_is_not_there_is_said(stand: MigrationStand) -> None:
    assert stand.ledger.get(ONE) is None
    assert stand.ledger.marks() == {}
    with stand.engine.begin() as connection, pytest.raises(UnknownMigration, match=f"{ONE} in the ledger"):
        stand.ledger.lock(connection, ONE)
