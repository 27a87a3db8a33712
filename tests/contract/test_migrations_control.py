"""What a person does to a pod's migrations, on SQLite and MariaDB."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import pytest
from sqlalchemy import update

from podwork_migrations.control import Changed, LineControl
from podwork_migrations.errors import LineLost, MigrationConflict, UnknownMigration
from podwork_migrations.ledger.entry import Artefact, Direction
from podwork_migrations.ledger.reasons import MOST_CHARACTERS, added
from podwork_migrations.ledger.schema import migrations
from podwork_migrations.ledger.states import EntryState
from podwork_migrations.runner.outcome import Ending
from podwork_pods.errors import ShardUnavailable
from tests.support.migration_stand import NOW, ONE, THREE, TWO, MigrationStand


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.slow)])
def stand(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MigrationStand]:
    folder = tmp_path / "migrations"
    folder.mkdir()
    made = MigrationStand(str(request.getfixturevalue(f"{request.param}_url")), folder, lock_wait_seconds=1)
    made.prepare()
    yield made
    made.close()


def put(stand: MigrationStand, version: str, state: EntryState, **values: object) -> None:
    """Bring an entry into a state, whatever way leads there."""
    this = update(migrations).where(migrations.c.version == version)
    with stand.engine.begin() as connection:
        open_ = 1 if state.is_open else None
        connection.execute(this.values(state=state, open=open_, reported=str(state), **values))


def applied(stand: MigrationStand, version: str = ONE, column: str = "first") -> None:
    stand.add_column(version, column)
    assert stand.turn().ending is Ending.IDLE


# The table of actions

AT = "2026-11-18 11:06Z"
UP, DOWN = Direction.UP, Direction.DOWN
ACTIONS: dict[str, Callable[[LineControl, bool], Changed]] = {
    "retry": lambda control, dry_run: control.retry(ONE, dry_run=dry_run),
    "skip": lambda control, dry_run: control.skip(ONE, "made by hand", "anna", dry_run=dry_run),
    "revert": lambda control, dry_run: control.revert(ONE, "it was wrong", "anna", dry_run=dry_run),
}
STANDS = [
    (EntryState.RUNNING, UP),
    (EntryState.FAILED, UP),
    (EntryState.FAILED, DOWN),
    (EntryState.APPLIED, UP),
    (EntryState.SKIPPED, UP),
    (EntryState.REVERTING, DOWN),
    (EntryState.REVERTED, DOWN),
]
TABLE: dict[str, list[str | None]] = {
    # In the order of STANDS: the state that follows; None: refused.
    "retry": ["running", "running", "reverting", None, "running", "reverting", "running"],
    "skip": [None, "skipped", "reverted", None, "skipped", None, "reverted"],
    "revert": ["reverting", "reverting", "reverting", "reverting", None, "reverting", "reverted"],
}


@pytest.mark.parametrize(("action", "number"), list(product(ACTIONS, range(len(STANDS)))))
def test_every_action_in_every_state_does_what_its_table_says(
    stand: MigrationStand, action: str, number: int
) -> None:
    state, direction = STANDS[number]
    applied(stand)
    put(stand, ONE, state, direction=direction)
    before = stand.entry(ONE)
    expected = TABLE[action][number]
    act = ACTIONS[action]
    if expected is None:
        for dry_run in (True, False):
            with pytest.raises(MigrationConflict, match=f"it is {state}"):
                act(stand.control, dry_run)
        assert stand.entry(ONE) == before
        return
    planned = act(stand.control, True)
    assert stand.entry(ONE) == before, "a dry run changes nothing"
    changed = act(stand.control, False)
    assert changed == planned
    after = stand.entry(ONE)
    assert (changed.before, changed.entry) == (before, after)
    assert after.state == expected
    assert changed.did_change == (expected != state)
    if changed.did_change:
        assert after.reported == "", "the plan is to hear of it"
        assert (after.completed is None) == after.state.is_open
    again = act(stand.control, False) if expected in ("running", "reverting", "skipped", "reverted") else None
    assert again is not None
    assert not again.did_change, "asked for again it changes nothing"


def test_the_reason_of_an_override_stays_whatever_a_person_does_later(stand: MigrationStand) -> None:
    declared = '@schema(override={"raw-sql": "measured it"})'
    stand.add_column(ONE, "first", declared)
    assert stand.turn().ending is Ending.IDLE
    put(stand, ONE, EntryState.FAILED, direction=UP)
    stand.control.retry(ONE, reason="the disk was full", by="anna")
    put(stand, ONE, EntryState.FAILED, direction=UP)
    stand.control.skip(ONE, "made by hand", "bob")
    stand.control.retry(ONE, by="carl")
    put(stand, ONE, EntryState.APPLIED, direction=UP)
    stand.control.revert(ONE, "it was wrong", "dora")
    said = stand.entry(ONE).override_reason.split("; ")
    assert said == [
        "raw-sql: measured it",
        f"{AT} tried again by anna: the disk was full",
        f"{AT} skipped by bob: made by hand",
        f"{AT} tried again by carl",
        f"{AT} taken back by dora: it was wrong",
    ]


def test_an_edited_file_brings_its_own_overrides(stand: MigrationStand) -> None:
    stand.add_column(ONE, "first", '@schema(override={"raw-sql": "measured it"})')
    assert stand.turn().ending is Ending.IDLE
    put(stand, ONE, EntryState.FAILED, direction=UP)
    stand.add_column(ONE, "other", '@schema(override={"drop-column": "unused"})')
    stand.control.retry(ONE)
    assert stand.entry(ONE).override_reason == "raw-sql: measured it; drop-column: unused"


def test_however_much_was_said_the_first_and_the_last_word_stay() -> None:
    said = "raw-sql: measured it"
    for number in range(200):
        said = added(said, NOW, "tried again", "anna", f"time {number}")
    assert said.startswith("raw-sql: measured it; ")
    assert said.endswith("tried again by anna: time 199")
    assert len(said) <= MOST_CHARACTERS + 10


def test_a_restored_line_gets_past_what_others_know_and_tells_all_again(stand: MigrationStand) -> None:
    applied(stand)
    stand.gate.reports.clear()
    assert stand.control.restored(41).epoch == 42
    assert stand.turn().ending is Ending.IDLE
    assert stand.gate.reports == [(ONE, "applied")]
    assert stand.line.state().epoch == 43
    assert stand.control.restored(5).epoch == 44, "never back"


def test_who_has_the_line_loses_it_when_the_shard_is_said_to_be_restored(stand: MigrationStand) -> None:
    with stand.line.enter("somebody") as turn:
        assert turn is not None
        stand.control.restored(0)
        with pytest.raises(LineLost), turn.step():
            raise AssertionError("not reached")


# Retry


def test_a_retry_goes_on_from_where_it_stood(stand: MigrationStand) -> None:
    applied(stand)
    kept = {
        "stage": "copying",
        "route": "copy",
        "change": "{}",
        "tries": 3,
        "not_before": NOW + 99,
        "error": "x",
    }
    put(stand, ONE, EntryState.FAILED, **kept, artefacts='[["table","_new",""]]')
    entry = stand.control.retry(ONE).entry
    assert entry is not None
    assert (entry.stage, entry.route, entry.change, entry.attempts) == ("copying", "copy", "{}", 2)
    assert (entry.tries, entry.not_before, entry.error) == (0, None, "")


def test_a_retry_afresh_forgets_how_it_was_to_be_done(stand: MigrationStand) -> None:
    applied(stand)
    put(stand, ONE, EntryState.FAILED, stage="s", route="inplace", change="{}")
    entry = stand.control.retry(ONE, afresh=True).entry
    assert entry is not None
    assert (entry.stage, entry.route, entry.change, entry.statement) == ("", "", "", "")


def test_a_retry_takes_the_file_as_it_is_now(stand: MigrationStand) -> None:
    stand.write(ONE, "@schema\ndef up(op):\n    raise ValueError\n")
    stand.turn()
    stand.add_column(ONE, "mended")
    entry = stand.control.retry(ONE).entry
    assert entry is not None
    assert entry.checksum == stand.library()[ONE].checksum
    assert stand.until_done().ending is Ending.IDLE
    assert stand.columns() == ["mended"]


@pytest.mark.parametrize("left", [{"artefacts": '[["table","_new",""]]'}, {"run_ids": '["r"]'}])
def test_a_file_is_not_changed_under_what_it_has_made(stand: MigrationStand, left: dict[str, str]) -> None:
    applied(stand)
    put(stand, ONE, EntryState.FAILED, **left)
    stand.add_column(ONE, "other")
    with pytest.raises(MigrationConflict, match="something is left of what it made, and its file was edited"):
        stand.control.retry(ONE)


def test_a_retry_afresh_is_refused_while_something_is_left(stand: MigrationStand) -> None:
    applied(stand)
    put(stand, ONE, EntryState.FAILED, artefacts='[["table","_new",""]]')
    with pytest.raises(MigrationConflict, match="something is left of what it made"):
        stand.control.retry(ONE, afresh=True)


def test_what_was_reverted_can_be_had_again(stand: MigrationStand) -> None:
    applied(stand)
    stand.control.revert(ONE)
    assert stand.until_done().ending is Ending.IDLE
    assert stand.columns() == []
    assert stand.until_done().ending is Ending.IDLE
    assert stand.states() == {ONE: "reverted"}, "not by itself"
    stand.control.retry(ONE)
    assert stand.until_done().ending is Ending.IDLE
    assert stand.columns() == ["first"]
    assert (stand.entry(ONE).direction, stand.entry(ONE).attempts) == (Direction.UP, 3)


def test_one_at_a_time_holds_for_what_a_person_wants_too(stand: MigrationStand) -> None:
    applied(stand)
    applied(stand, TWO, "second")
    stand.control.revert(TWO)
    with pytest.raises(MigrationConflict, match="another migration is under way"):
        stand.control.revert(ONE)
    assert stand.states() == {ONE: "applied", TWO: "reverting"}


# Skip


def test_a_skip_says_why(stand: MigrationStand) -> None:
    stand.add_column(ONE, "first")
    for reason in ("", "  "):
        with pytest.raises(MigrationConflict, match="without a reason"):
            stand.control.skip(ONE, reason)
    planned = stand.control.skip(ONE, "made by hand", "anna", dry_run=True)
    assert planned.before is None
    assert planned.entry is not None
    assert stand.states() == {}
    assert stand.control.skip(ONE, "made by hand", "anna") == planned
    entry = stand.entry(ONE)
    assert (entry.state, entry.override_reason) == (EntryState.SKIPPED, f"{AT} skipped by anna: made by hand")
    assert (entry.attempts, entry.completed) == (0, NOW)
    assert stand.turn().ending is Ending.IDLE
    assert stand.columns() == []


def test_a_skip_keeps_the_error_and_lets_the_line_go_on(stand: MigrationStand) -> None:
    stand.write(ONE, "@schema\ndef up(op):\n    raise ValueError('broken')\n")
    stand.add_column(TWO, "second")
    assert stand.turn().ending is Ending.STOPPED
    stand.control.skip(ONE, "not wanted here")
    assert stand.turn().ending is Ending.IDLE
    assert stand.columns() == ["second"]
    assert "broken" in stand.entry(ONE).error


# Revert


def test_a_revert_says_who_wanted_it(stand: MigrationStand) -> None:
    applied(stand)
    stand.control.revert(ONE, "it was wrong", "anna")
    assert stand.until_done().ending is Ending.IDLE
    entry = stand.entry(ONE)
    assert (entry.state, entry.override_reason) == (
        EntryState.REVERTED,
        f"{AT} taken back by anna: it was wrong",
    )
    assert entry.statement.startswith("ALTER TABLE orders DROP COLUMN first")


def test_what_has_no_way_back_is_not_reverted(stand: MigrationStand) -> None:
    stand.write(ONE, '@schema\ndef up(op):\n    op.add_column("orders", sa.Column("x", sa.Integer))\n')
    stand.turn()
    with pytest.raises(MigrationConflict, match=r"it has no down\(\)"):
        stand.control.revert(ONE)
    put(stand, ONE, EntryState.APPLIED, artefacts='[["table","_old",""]]', route="copy", stage="held")
    entry = stand.control.revert(ONE).entry
    assert entry is not None, "the old table is a way back"
    assert (entry.route, entry.stage, entry.artefacts) == ("copy", "held", (Artefact("table", "_old"),))


def test_what_others_require_is_not_reverted_before_them(stand: MigrationStand) -> None:
    applied(stand)
    stand.add_column(TWO, "second", f'@schema(requires=["{ONE}"])')
    assert stand.turn().ending is Ending.IDLE
    with pytest.raises(MigrationConflict, match=f"{TWO}_change requires it"):
        stand.control.revert(ONE)
    stand.control.revert(TWO)
    stand.until_done()
    stand.control.revert(ONE)
    stand.until_done()
    assert stand.columns() == []


def test_a_way_back_that_fails_stops_the_line_and_is_tried_again(stand: MigrationStand) -> None:
    applied(stand)
    stand.execute("ALTER TABLE orders DROP COLUMN first")
    stand.control.revert(ONE)
    assert stand.until_done().ending is Ending.STOPPED
    assert (stand.entry(ONE).state, stand.entry(ONE).direction) == (EntryState.FAILED, Direction.DOWN)
    stand.execute("ALTER TABLE orders ADD COLUMN first INTEGER")
    stand.control.retry(ONE)
    assert stand.until_done().ending is Ending.IDLE
    assert stand.states() == {ONE: "reverted"}


# What there is not


@pytest.mark.parametrize("action", ACTIONS)
def test_a_migration_that_is_not_there_is_said(stand: MigrationStand, action: str) -> None:
    with pytest.raises(UnknownMigration, match=ONE):
        ACTIONS[action](stand.control, False)


def test_who_finds_the_line_locked_hears_of_it(stand: MigrationStand) -> None:
    applied(stand)
    with stand.line.enter("me") as turn:
        assert turn is not None
        with turn.step(), pytest.raises(ShardUnavailable):
            stand.control.skip(THREE, "why")


# A hold


def test_the_first_hold_counts_until_the_release(stand: MigrationStand) -> None:
    held = stand.control.hold("a sale is on", "anna")
    assert (held.hold_reason, held.hold_by, held.held_at) == ("a sale is on", "anna", NOW)
    assert stand.control.hold("another reason", "bert") == held
    released = stand.control.release()
    assert not released.is_held
    assert (released.hold_by, released.held_at) == ("", None)
    assert stand.control.release() == released
