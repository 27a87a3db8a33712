"""What ends an online copy: what it cannot take, what others did to it, and what is refused at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from podwork import points
from podwork.errors import PodworkError
from podwork_migrations.copy import applier
from podwork_migrations.copy.names import Event, Names
from podwork_migrations.errors import MigrationFailed
from podwork_migrations.ledger.states import EntryState
from podwork_migrations.lint import CATALOGUE
from tests.support.copy_stand import VERSION, CopyStand
from tests.support.scribbling import COLUMNS, fill, table

NAMES = Names(VERSION)
NO_NULLS = "ALTER TABLE items MODIFY COLUMN n INT NOT NULL"
NULL_44 = "UPDATE items SET n = NULL WHERE id = 44"
TOO_LATE = r"could not take what was written: 1048.*key 44"
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


# What is found out


def test_a_run_that_fails_ends_with_nothing_left_and_a_second_try_may_succeed(items: CopyStand) -> None:
    items.execute("ALTER TABLE items MODIFY COLUMN n INT NULL", "UPDATE items SET n = NULL WHERE id = 33")
    items.begin(NO_NULLS)
    with pytest.raises(MigrationFailed, match=r"cannot be null|1048"):
        items.finish()
    assert (items.left_over(), items.entry.artefacts, items.stage) == ([], (), "aborted.1")
    items.execute("UPDATE items SET n = 3 WHERE id = 33")
    items.note(attempts=2, error="")
    items.finish()
    assert (items.entry.state, items.left_over()) == (EntryState.APPLIED, [])


def test_what_the_copy_cannot_take_is_no_error_of_the_application_and_ends_the_copy(items: CopyStand) -> None:
    items.execute("ALTER TABLE items MODIFY COLUMN n INT NULL")
    items.begin(NO_NULLS)
    items.until("comparing")
    items.execute(NULL_44)
    items.advance()
    assert items.stage == "aborting", "nothing is changed any more"
    with pytest.raises(MigrationFailed, match=TOO_LATE):
        items.finish()
    assert items.rows("SELECT n FROM items WHERE id = 44") == [(None,)]
    assert (items.left_over(), items.entry.artefacts) == ([], ())


def test_while_a_run_is_under_way_faults_are_asked_for_each_time_and_the_catalogue_now_and_then(
    items: CopyStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    items.execute("ALTER TABLE items MODIFY COLUMN n INT NULL")
    items.begin(NO_NULLS)
    items.until("comparing")
    items.advance()  # begins the run
    _drop_trigger(items)
    items.advance()
    assert items.stage == "comparing", "it was looked at closely when the run began"
    items.execute("UPDATE items SET n = NULL WHERE id = 45", "DELETE FROM items WHERE id = 45")
    monkeypatch.setattr(applier, "CLOSELY_SECONDS", 0.0)
    items.advance()
    assert items.stage == "aborting"
    with pytest.raises(MigrationFailed, match="a trigger is gone"):
        items.finish()
    items.note(attempts=2, error="")
    monkeypatch.undo()
    items.until("comparing")
    items.advance()
    items.execute(NULL_44)
    items.advance()
    assert items.stage == "aborting", "what the triggers say is heard at once"


@pytest.mark.parametrize(
    "statement",
    ["ALTER TABLE items ADD COLUMN v INT", "ALTER TABLE items NONSENSE", "DROP INDEX none ON items"],
)
def test_a_change_that_the_server_does_not_take_leaves_nothing(items: CopyStand, statement: str) -> None:
    items.begin(statement)
    with pytest.raises(MigrationFailed):
        items.finish()
    assert (items.left_over(), items.entry.artefacts) == ([], ())


def _drop_trigger(stand: CopyStand) -> None:
    stand.execute(f"DROP TRIGGER {NAMES.forward(Event.UPDATE)}")


def _other_trigger(stand: CopyStand) -> None:
    name = NAMES.forward(Event.DELETE)
    stand.execute(f"DROP TRIGGER {name}", f"CREATE TRIGGER {name} AFTER DELETE ON items FOR EACH ROW DO 0")


def _truncate(stand: CopyStand) -> None:
    stand.execute("TRUNCATE TABLE items")


def _alter(stand: CopyStand) -> None:
    stand.execute("ALTER TABLE items ADD COLUMN by_hand INT NULL")


def _lose_copy(stand: CopyStand) -> None:
    stand.execute(f"DROP TABLE {NAMES.copy}")


FOUND = {
    "a dropped trigger": (_drop_trigger, "a trigger is gone"),
    "another trigger": (_other_trigger, "a trigger is gone or was changed"),
    "an emptied table": (_truncate, "changed or emptied"),
    "a changed table": (_alter, "changed or emptied"),
    "a copy that is gone": (_lose_copy, "is gone"),
}


@pytest.mark.parametrize(
    "stage",
    [
        pytest.param("copying", marks=pytest.mark.slow),
        pytest.param("comparing", marks=pytest.mark.slow),
        "swapping",
    ],
)
@pytest.mark.parametrize(("act", "why"), FOUND.values(), ids=FOUND)
def test_what_others_did_to_it_is_seen_before_the_cut_over(
    items: CopyStand, stage: str, act: Callable[[CopyStand], None], why: str
) -> None:
    items.begin(ADD, hold_hours=1)
    items.until(stage)
    act(items)
    items.execute("INSERT INTO items (v) VALUES ('the application goes on')")
    with pytest.raises(MigrationFailed, match=why):
        items.finish()
    assert (items.left_over(), items.entry.artefacts) == ([], ())
    assert items.rows("SHOW TABLES LIKE 'items'")


CORRUPTED = {
    "a byte": f"UPDATE {NAMES.copy} SET v = 'v3_' WHERE id = 30",
    "a row missing": f"DELETE FROM {NAMES.copy} WHERE id = 30",
    "a row too many, behind the last": f"INSERT INTO {NAMES.copy} (id, v) VALUES (5000, 'x')",
    "a row too many, before the first": f"INSERT INTO {NAMES.copy} (id, v) VALUES (-5000, 'x')",
    "a null": f"UPDATE {NAMES.copy} SET u = NULL WHERE id = 30",
}

SEEN = [CORRUPTED[name] for name in ("a null", "a row too many, behind the last")]


@pytest.mark.parametrize(
    "act",
    [*SEEN, *(pytest.param(one, marks=pytest.mark.slow) for one in CORRUPTED.values() if one not in SEEN)],
)
def test_a_copy_that_differs_does_not_take_the_tables_place(items: CopyStand, act: str) -> None:
    before = items.contents("items", COLUMNS)
    items.begin(ADD)
    items.until("comparing")
    items.execute(act)
    with pytest.raises(MigrationFailed, match="differ"):
        items.finish()
    assert (items.left_over(), items.contents("items", COLUMNS)) == ([], before)


def test_the_row_that_differs_is_named(items: CopyStand) -> None:
    items.begin(ADD)
    items.until("comparing")
    items.execute(CORRUPTED["a byte"])
    with pytest.raises(MigrationFailed, match=r"behind \(29,\) up to \(30,\)"):
        items.finish()


# Refusals


NUMBER, TEXT, LONG = (NUMBERED.format(rest=f"v {kind}") for kind in ("INT", "VARCHAR(9)", "BIGINT"))
MODIFY = "ALTER TABLE items MODIFY COLUMN v "
REFUSED = {
    "a foreign key of it": (
        ["CREATE TABLE p (id INT PRIMARY KEY) ENGINE=InnoDB",
         NUMBERED.format(rest="p INT, FOREIGN KEY (p) REFERENCES p (id)")], ADD, "copy-foreign-key",
    ),
    "a foreign key to it": (
        [NUMBER, "CREATE TABLE c (i INT, FOREIGN KEY (i) REFERENCES items (id)) ENGINE=InnoDB"],
        ADD, "copy-foreign-key",
    ),
    "a trigger": (
        [NUMBER, "CREATE TRIGGER theirs BEFORE INSERT ON items FOR EACH ROW DO 0"], ADD, "copy-trigger",
    ),
    "another engine": (["CREATE TABLE items (id INT PRIMARY KEY) ENGINE=Aria"], ADD, "copy-engine"),
    "a view": (["CREATE VIEW items AS SELECT 1 AS id"], ADD, "copy-engine"),
    "no table": ([], ADD, "copy-engine"),
    "no key": (["CREATE TABLE items (v INT, UNIQUE (v)) ENGINE=InnoDB"], ADD, "copy-no-key"),
    "a key of floats": (["CREATE TABLE items (k FLOAT PRIMARY KEY) ENGINE=InnoDB"], ADD, "copy-no-key"),
    "a key that changes": ([NUMBER], "ALTER TABLE items MODIFY COLUMN id BIGINT NOT NULL", "copy-no-key"),
    "a key that is dropped": ([NUMBER], "ALTER TABLE items DROP PRIMARY KEY", "copy-no-key"),
    "a unique index": ([NUMBER], "CREATE UNIQUE INDEX one ON items (v)", "add-unique"),
    "a smaller number": ([LONG], f"{MODIFY} INT", "narrow-type"),
    "a number without sign": ([NUMBER], f"{MODIFY} INT UNSIGNED", "narrow-type"),
    "a shorter text": ([TEXT], f"{MODIFY} VARCHAR(8)", "narrow-type"),
    "a smaller charset": ([TEXT], f"{MODIFY} VARCHAR(9) CHARACTER SET latin1", "narrow-type"),
    "text to number": ([TEXT], f"{MODIFY} INT", "narrow-type"),
    "fewer digits": ([NUMBERED.format(rest="v DECIMAL(9, 3)")], f"{MODIFY} DECIMAL(10, 2)", "narrow-type"),
    "another enum": ([NUMBERED.format(rest="v ENUM('a', 'b')")], f"{MODIFY} ENUM('b', 'a')", "enum-reorder"),
    "a zone": ([NUMBERED.format(rest="v TIMESTAMP NULL")], f"{MODIFY} DATETIME", "timestamp-datetime"),
    "a number for each": (
        [NUMBER], "ALTER TABLE items ADD n INT AUTO_INCREMENT, ADD KEY (n)", "auto-increment-column",
    ),
    "not null": ([NUMBER], "ALTER TABLE items ADD n INT NOT NULL", "not-null-without-default"),
}  # fmt: skip


def test_what_a_copy_could_do_wrong_is_refused(stand: CopyStand) -> None:
    seen = {}
    for name, (made, statement, _) in REFUSED.items():
        stand.execute("DELETE FROM podwork_migrations", *made)
        stand.begin(statement)
        try:
            stand.finish()
            seen[name] = "done"
        except PodworkError as error:
            seen[name] = str(error)
        assert stand.left_over() == [], name
        stand.execute("DROP VIEW IF EXISTS items", "DROP TABLE IF EXISTS c", "DROP TABLE IF EXISTS items")
    assert {name: said for name, said in seen.items() if REFUSED[name][2] not in said} == {}


def test_refusals_are_rules_of_the_linter() -> None:
    assert {code for _, _, code in REFUSED.values()} <= {rule.code for rule in CATALOGUE}


def test_names_that_somebody_else_has_taken_are_left_alone(items: CopyStand) -> None:
    items.execute(f"CREATE TABLE {NAMES.copy} (theirs INT)")
    items.begin(ADD)
    with pytest.raises(MigrationFailed, match="made by somebody else"):
        items.advance()
    assert items.left_over() == [NAMES.copy]


# In the last moment


LastMoment = Callable[[str, Callable[[], None]], None]


@pytest.fixture
def last_moment() -> Iterator[LastMoment]:
    """Let something happen when all has been looked at, and the tables are about to change their names."""

    def install(point: str, act: Callable[[], None]) -> None:
        def reached(name: str) -> None:
            if name == point:
                points.install(None)
                act()

        points.install(reached)

    yield install
    points.install(None)


@pytest.fixture
def nullable(items: CopyStand) -> CopyStand:
    items.execute("ALTER TABLE items MODIFY COLUMN n INT NULL")
    return items


@pytest.mark.parametrize("hold_hours", [0.0, 1.0])
def test_what_the_copy_cannot_take_in_the_last_moment_is_not_lost(
    nullable: CopyStand, last_moment: LastMoment, hold_hours: float
) -> None:
    """It is written between the last look and RENAME; what is written after that is not lost either."""
    nullable.begin(NO_NULLS, hold_hours=hold_hours)
    nullable.until("swapping")

    def write() -> None:
        nullable.execute(NULL_44)
        last_moment("copy.swap.done", lambda: nullable.execute("UPDATE items SET n = 5 WHERE id = 43"))

    last_moment("copy.swap", write)
    with pytest.raises(MigrationFailed, match=TOO_LATE):
        nullable.finish()
    assert nullable.rows("SELECT n FROM items WHERE id IN (43, 44)") == [(5,), (None,)]
    assert (nullable.left_over(), nullable.entry.artefacts) == ([], ())


def test_killed_before_that_was_seen_it_is_seen_by_the_next(
    nullable: CopyStand, last_moment: LastMoment
) -> None:
    _die_after_the_last_moment(nullable, last_moment)
    with pytest.raises(MigrationFailed, match=TOO_LATE):
        nullable.finish()
    assert (nullable.left_over(), nullable.rows("SELECT n FROM items WHERE id = 44")) == ([], [(None,)])


def test_a_person_who_reverts_before_that_was_seen_loses_nothing(
    nullable: CopyStand, last_moment: LastMoment
) -> None:
    _die_after_the_last_moment(nullable, last_moment)
    nullable.revert()
    nullable.finish()
    assert (nullable.entry.state, nullable.left_over()) == (EntryState.REVERTED, [])
    assert nullable.rows("SELECT n FROM items WHERE id = 44") == [(None,)]


def _die_after_the_last_moment(stand: CopyStand, last_moment: LastMoment) -> None:
    def die() -> None:
        raise KeyboardInterrupt

    def write() -> None:
        stand.execute(NULL_44)
        last_moment("copy.swap.done", die)

    stand.begin(NO_NULLS)
    stand.until("swapping")
    last_moment("copy.swap", write)
    with pytest.raises(KeyboardInterrupt):
        stand.advance()


def test_where_neither_table_has_all_both_are_kept_for_a_person(
    items: CopyStand, last_moment: LastMoment
) -> None:
    """The copy could not take one row before the cut-over, the old table another one after it."""
    items.execute("ALTER TABLE items MODIFY COLUMN u INT NOT NULL, MODIFY COLUMN n INT NULL")
    items.begin("ALTER TABLE items MODIFY COLUMN u INT NULL, MODIFY COLUMN n INT NOT NULL")
    items.until("swapping")

    def write() -> None:
        items.execute(NULL_44)
        last_moment("copy.swap.done", lambda: items.execute("UPDATE items SET u = NULL WHERE id = 43"))

    last_moment("copy.swap", write)
    for _ in range(2):
        with pytest.raises(MigrationFailed, match=rf"key 44.*could not take: 1048.*key 43.*{NAMES.faults}"):
            items.advance()
    assert items.rows(f"SELECT n FROM {NAMES.old} WHERE id = 44") == [(None,)]
    assert items.rows("SELECT u FROM items WHERE id = 43") == [(None,)]
    items.execute("UPDATE items SET n = 0 WHERE id = 44", f"DELETE FROM {NAMES.faults}")
    items.finish()
    assert (items.entry.state, items.left_over()) == (EntryState.APPLIED, [])


def test_what_the_old_table_cannot_take_in_the_last_moment_of_a_revert_is_kept(
    nullable: CopyStand, last_moment: LastMoment
) -> None:
    nullable.execute("UPDATE items SET n = 1", "ALTER TABLE items MODIFY COLUMN n INT NOT NULL")
    nullable.begin("ALTER TABLE items MODIFY COLUMN n INT NULL", hold_hours=1.0)
    nullable.finish()
    nullable.revert()
    nullable.until("back_swapping")
    last_moment("copy.swap_back", lambda: nullable.execute(NULL_44))
    for _ in range(2):
        with pytest.raises(MigrationFailed, match=rf"last moment: 1048.*key 44.*{NAMES.copy} has it"):
            nullable.advance()
    assert nullable.rows(f"SELECT n FROM {NAMES.copy} WHERE id = 44") == [(None,)]
    nullable.execute("UPDATE items SET n = 0 WHERE id = 44", f"DELETE FROM {NAMES.faults}")
    nullable.finish()
    assert (nullable.entry.state, nullable.left_over()) == (EntryState.REVERTED, [])
