"""Schema migrations through the runner, by every route, on SQLite and on MariaDB; crashes at every point."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic.operations import ops
from sqlalchemy import text

from podwork import points
from podwork.settings import MigrationsSettings
from podwork_migrations.change import batch
from podwork_migrations.change.completing import complete
from podwork_migrations.change.patience import patient
from podwork_migrations.change.routes import Limits
from podwork_migrations.change.ways import SchemaRoutes
from podwork_migrations.fingerprint.fingerprint import fingerprint
from podwork_migrations.runner.outcome import Ending
from podwork_pods.errors import ShardUnavailable
from tests.support.migration_stand import ONE, TWO, MigrationStand
from tests.support.sampling import sampled


@contextmanager
def standing(url: str, tmp_path: Path) -> Iterator[MigrationStand]:
    folder = tmp_path / "migrations"
    folder.mkdir()
    made = MigrationStand(url, folder)
    made.prepare()
    made.execute("CREATE TABLE shops (id INTEGER PRIMARY KEY)")
    made.execute("INSERT INTO shops VALUES (1)")
    kind = "ENUM('new', 'paid')" if not made.is_sqlite else "VARCHAR(10)"
    made.execute(
        f"""CREATE TABLE items (id INTEGER PRIMARY KEY, shop_id INTEGER NOT NULL, note VARCHAR(40),
            code VARCHAR(20), n INTEGER DEFAULT 3, status {kind},
            CONSTRAINT few CHECK (n < 1000))"""
    )
    made.execute("CREATE INDEX by_note ON items (note)")
    made.execute("INSERT INTO items VALUES (1, 1, 'a', 'x', 1, 'new'), (2, 1, 'b', 'y', 2, 'paid')")
    use(made)
    yield made
    made.close()


@pytest.fixture
def sqlite(sqlite_url: str, tmp_path: Path) -> Iterator[MigrationStand]:
    with standing(sqlite_url, tmp_path) as made:
        yield made


@pytest.fixture
def mariadb(mariadb_url: str, tmp_path: Path) -> Iterator[MigrationStand]:
    with standing(mariadb_url, tmp_path) as made:
        yield made


@pytest.fixture(params=["sqlite", "mariadb"])
def stand(request: pytest.FixtureRequest) -> MigrationStand:
    found: MigrationStand = request.getfixturevalue(request.param)
    return found


def use(stand: MigrationStand, limits: Limits | None = None, **options: Any) -> None:
    """Give the stand's runner the real routes."""
    stand.routes = SchemaRoutes(limits=limits, **options)  # type: ignore[assignment]
    budget = options.get("lock_budget_seconds", 3)
    settings = MigrationsSettings(folder=str(stand.folder), lock_budget_seconds=budget)
    stand.runner = stand.new_runner(routes=stand.routes, settings=settings)


def schema_of(stand: MigrationStand) -> str:
    with stand.engine.connect() as connection:
        return fingerprint(connection)


CHANGES = {
    "add a column": (
        'op.add_column("items", sa.Column("x", sa.String(20), server_default="5 %"))',
        'op.drop_column("items", "x")',
        "instant",
    ),
    "drop a column": (
        'op.drop_column("items", "code")',
        'op.add_column("items", sa.Column("code", sa.String(20)))',
        "instant",
    ),
    "rename a column": (
        'op.alter_column("items", "code", new_column_name="sku", existing_type=sa.String(20))',
        'op.alter_column("items", "sku", new_column_name="code", existing_type=sa.String(20))',
        "instant",
    ),
    "set a default": (
        'op.alter_column("items", "n", server_default=sa.text("7"))',
        'op.alter_column("items", "n", server_default=sa.text("3"))',
        "instant",
    ),
    "append to an enum": (
        'op.alter_column("items", "status", type_=sa.Enum("new", "paid", "sent", native_enum=True) '
        'if op.get_context().dialect.name != "sqlite" else sa.String(12))',
        None,
        "instant",
    ),
    "not null": (
        'op.alter_column("items", "n", nullable=False, existing_type=sa.Integer())',
        None,
        "inplace",
    ),
    "widen": ('op.alter_column("items", "n", type_=sa.BigInteger())', None, "direct"),
    "another character set": (
        'op.alter_column("items", "note", type_=sa.String(40, collation="latin1_bin") '
        'if op.get_context().dialect.name != "sqlite" else sa.String(41))',
        None,
        "direct",
    ),
    "add an index": (
        'op.create_index("by_code", "items", ["code"])',
        'op.drop_index("by_code", "items")',
        "inplace",
    ),
    "add a unique one": (
        'op.create_index("one_code", "items", ["code"], unique=True)',
        'op.drop_index("one_code", "items")',
        "inplace",
    ),
    "drop an index": (
        'op.drop_index("by_note", "items")',
        'op.create_index("by_note", "items", ["note"])',
        "metadata",
    ),
    "add a key": (
        'op.create_foreign_key("of_shop", "items", "shops", ["shop_id"], ["id"])',
        'op.drop_constraint("of_shop", "items", type_="foreignkey")',
        "inplace",
    ),
    "rename a table": ('op.rename_table("items", "things")', 'op.rename_table("things", "items")', "instant"),
    "create a table": (
        'op.create_table("more", sa.Column("id", sa.Integer, primary_key=True), '
        'sa.Column("n", sa.Integer, index=True))',
        'op.drop_table("more")',
        "direct",
    ),
    "drop a table": ('op.drop_table("items")', None, "direct"),
}


def write(stand: MigrationStand, up: str, down: str | None, version: str = ONE) -> None:
    back = f"\ndef down(op):\n    {down}\n" if down else ""
    stand.write(version, f"@schema\ndef up(op):\n    {up}\n{back}")


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_and_its_way_back(stand: MigrationStand, name: str) -> None:
    up, down, route = CHANGES[name]
    before = schema_of(stand)
    write(stand, up, down)

    assert stand.until_done().ending is Ending.IDLE, stand.entry(ONE).error
    entry = stand.entry(ONE)
    assert (entry.state, entry.route) == ("applied", "batch" if stand.is_sqlite else route)
    assert entry.fingerprint_before == before
    assert entry.fingerprint_after == schema_of(stand) != before
    assert entry.statement
    if name not in ("drop a table", "rename a table"):
        assert stand.column("SELECT id FROM items ORDER BY id") == [1, 2]

    if down is not None:
        stand.control.revert(ONE, "a test", "me")
        stand.until_done()
        assert stand.states() == {ONE: "reverted"}, stand.entry(ONE).error
        if name not in ("drop a column", "add a key"):  # last in the table then; the key's index stays
            assert schema_of(stand) == before


class Killed(BaseException):
    """The process ends here."""


def die_at(stand: MigrationStand, point: str) -> None:
    """Take turns until the point is reached, and end there."""

    def hook(reached: str) -> None:
        if reached == point:
            raise Killed

    points.install(hook)
    try:
        with pytest.raises(Killed):
            stand.until_done()
    finally:
        points.install(None)


CRASHES = {
    "sqlite": (
        "turn.planning",
        "turn.advancing",
        "batch.done",
        "turn.committing",
        "turn.advanced",
        "turn.finishing",
    ),
    "mariadb": (
        "asking.cloned",
        "turn.planning",
        "turn.advancing",
        "turn.ddl",
        "turn.ddl_done",
        "execute.done",
        "applier.changed",
        "turn.advanced",
        "turn.finishing",
    ),
}
CRASHED = ("add a column", "add a key", "create a table", "rename a table")
CRASH_CASES = [
    (kind, point, name)
    for kind, found in CRASHES.items()
    for point in found
    for name in CRASHED
    if (point, name) != ("asking.cloned", "rename a table")  # nothing is asked
]


@pytest.mark.parametrize(("kind", "point", "name"), sampled(CRASH_CASES, 5))
def test_killed_anywhere_it_is_done_once(
    request: pytest.FixtureRequest, kind: str, point: str, name: str
) -> None:
    stand: MigrationStand = request.getfixturevalue(kind)
    up, down, _ = CHANGES[name]
    write(stand, up, down)
    sent = stand.count_statements()

    die_at(stand, point)
    stand.until_done()

    assert stand.states() == {ONE: "applied"}, stand.entry(ONE).error
    statement = stand.entry(ONE).statement
    if not stand.is_sqlite:
        assert sent.count(statement) == 1
        assert stand.column("SHOW TABLES LIKE '\\_podwork%'") == []
    assert schema_of(stand) == stand.entry(ONE).fingerprint_after


def own_connection(stand: MigrationStand) -> int:
    (found,) = stand.column(
        "SELECT IS_USED_LOCK(CONCAT('podwork.migrations.', "
        "IF(CHAR_LENGTH(DATABASE()) > 40, MD5(DATABASE()), DATABASE())))"
    )
    return int(found)


@pytest.mark.parametrize("point", ["turn.ddl", "turn.ddl_done"])
def test_the_connection_is_lost_around_the_statement(mariadb: MigrationStand, point: str) -> None:
    """After `turn.ddl_done` the statement was run, and nobody hears of it."""
    stand = mariadb
    write(stand, *CHANGES["add a column"][:2])
    sent = stand.count_statements()

    def hook(reached: str) -> None:
        if reached == point:
            points.install(None)
            stand.execute(f"KILL {own_connection(stand)}")

    points.install(hook)
    try:
        outcome = stand.turn()
    finally:
        points.install(None)
    assert outcome.ending is Ending.LOST

    stand.until_done()
    assert stand.states() == {ONE: "applied"}, stand.entry(ONE).error
    expected = 2 if point == "turn.ddl" else 1  # the first was sent into a dead connection
    assert sent.count(stand.entry(ONE).statement) == expected


def test_a_session_that_was_lost_is_not_set_as_it_was(mariadb: MigrationStand) -> None:
    """Why it was lost is what is heard, not that nothing can be set any more."""

    def change() -> None:
        with mariadb.single.connect() as connection, patient(connection, 5):
            [own] = connection.exec_driver_sql("SELECT CONNECTION_ID()").one()
            mariadb.execute(f"KILL {own}")
            connection.exec_driver_sql("SELECT 1")

    with pytest.raises(ShardUnavailable):
        change()


def test_after_a_look_at_a_column_a_lost_connection_is_said_in_our_words(mariadb: MigrationStand) -> None:
    def change() -> None:
        with mariadb.single.connect() as connection:
            complete(ops.AlterColumnOp("orders", "n", modify_nullable=True), connection)
            [own] = connection.exec_driver_sql("SELECT CONNECTION_ID()").one()
            mariadb.execute(f"KILL {own}")
            connection.exec_driver_sql("SELECT 1")

    with pytest.raises(ShardUnavailable):
        change()


def test_what_somebody_else_changed_meanwhile_stops_the_line_with_the_difference(
    stand: MigrationStand,
) -> None:
    write(stand, *CHANGES["add a column"][:2])
    die_at(stand, "turn.advancing")
    stand.execute("ALTER TABLE items ADD COLUMN mine INTEGER")
    sent = stand.count_statements()

    assert stand.until_done().ending is Ending.STOPPED
    entry = stand.entry(ONE)
    assert entry.state == "failed"
    assert "changed by somebody else" in entry.error
    assert "DROP COLUMN" in entry.error
    assert "mine" in entry.error
    assert entry.statement not in sent

    stand.execute("ALTER TABLE items DROP COLUMN mine")
    stand.control.retry(ONE)
    stand.until_done()
    assert stand.states() == {ONE: "applied"}


def test_another_table_may_be_changed_meanwhile(stand: MigrationStand) -> None:
    write(stand, *CHANGES["add a column"][:2])
    die_at(stand, "turn.advancing")
    stand.execute("ALTER TABLE shops ADD COLUMN mine INTEGER")
    stand.until_done()
    assert stand.states() == {ONE: "applied"}


def test_a_table_that_has_a_key_is_changed(stand: MigrationStand) -> None:
    """The empty table that the server is asked with has none."""
    stand.execute("DROP TABLE items")
    stand.execute(
        "CREATE TABLE items (id INTEGER PRIMARY KEY, shop_id INTEGER, up INTEGER, "
        "CONSTRAINT of_shop FOREIGN KEY (shop_id) REFERENCES shops (id) ON DELETE CASCADE, "
        "CONSTRAINT of_item FOREIGN KEY (up) REFERENCES items (id))"
    )
    stand.execute("INSERT INTO items VALUES (1, 1, NULL), (2, 1, 1)")
    write(stand, *CHANGES["add a column"][:2])
    write(stand, 'op.rename_table("items", "things")', None, TWO)
    stand.until_done()
    assert stand.states() == {ONE: "applied", TWO: "applied"}, stand.entry(ONE).error
    assert stand.column("SELECT up FROM things ORDER BY id") == [None, 1]


def test_rows_that_do_not_fit_fail_it_and_nothing_is_changed(stand: MigrationStand) -> None:
    stand.execute("UPDATE items SET code = 'x'")
    before = schema_of(stand)
    write(stand, 'op.create_index("one_code", "items", ["code"], unique=True)', None)
    assert stand.until_done().ending is Ending.STOPPED
    assert stand.entry(ONE).state == "failed"
    assert "x" in stand.entry(ONE).error
    assert schema_of(stand) == before


def test_not_null_bends_no_value_whatever_the_servers_mode(mariadb: MigrationStand) -> None:
    stand = mariadb
    (mode,) = stand.column("SELECT @@GLOBAL.sql_mode")
    stand.execute("SET GLOBAL sql_mode = ''")
    try:
        stand.single.dispose()  # connections from now on are lenient
        stand.execute("UPDATE items SET note = NULL WHERE id = 1")
        write(stand, 'op.alter_column("items", "note", nullable=False)', None)
        assert stand.until_done().ending is Ending.STOPPED
        assert stand.column("SELECT note FROM items ORDER BY id") == [None, "b"]
    finally:
        stand.execute(f"SET GLOBAL sql_mode = '{mode}'")


def test_giving_up_what_was_not_done_takes_nothing_back(stand: MigrationStand) -> None:
    stand.execute("UPDATE items SET code = 'x'")
    before = schema_of(stand)
    write(stand, *CHANGES["add a unique one"][:2])
    stand.until_done()
    assert stand.states() == {ONE: "failed"}
    stand.control.revert(ONE, "a test", "me")
    stand.until_done()
    assert stand.states() == {ONE: "reverted"}, stand.entry(ONE).error
    assert schema_of(stand) == before


def test_orphans_take_the_key_away_again(stand: MigrationStand) -> None:
    stand.execute("INSERT INTO items VALUES (3, 77, 'c', 'z', 3, 'new')")
    before = schema_of(stand)
    write(stand, *CHANGES["add a key"][:2])
    assert stand.until_done().ending is Ending.STOPPED
    entry = stand.entry(ONE)
    assert entry.state == "failed"
    assert "not there" in entry.error
    assert stand.is_sqlite or "77" in entry.error
    assert schema_of(stand) == before

    stand.execute("DELETE FROM items WHERE shop_id = 77")
    stand.control.retry(ONE)
    stand.until_done()
    assert stand.states() == {ONE: "applied"}, stand.entry(ONE).error


def test_a_key_waits_for_those_who_write_its_parent(mariadb: MigrationStand) -> None:
    """Whoever deleted a parent before the key was there is not checked; the look at the rows must see it."""
    stand = mariadb
    use(stand, lock_budget_seconds=1)
    write(stand, *CHANGES["add a key"][:2])
    with stand.engine.connect() as other:
        other.execute(text("DELETE FROM shops WHERE id = 1"))
        outcome = stand.turn()
        assert outcome.ending is not Ending.IDLE
        assert "shops" in stand.entry(ONE).throttle_reason
        assert (
            f"session {other.exec_driver_sql('SELECT CONNECTION_ID()').scalar_one()}"
            in stand.entry(ONE).throttle_reason
        )
        other.commit()
    stand.clock.advance(10)
    assert stand.until_done().ending is Ending.STOPPED
    assert "refer to rows that are not there" in stand.entry(ONE).error


def test_sqlite_keeps_children_checks_and_indexes(sqlite: MigrationStand) -> None:
    stand = sqlite
    stand.execute(
        "CREATE TABLE parts (id INTEGER PRIMARY KEY AUTOINCREMENT, "
        "line_id INTEGER REFERENCES items (id) ON DELETE CASCADE)"
    )
    stand.execute("INSERT INTO parts (line_id) VALUES (1), (2)")
    write(stand, 'op.alter_column("items", "code", type_=sa.String(30))', None)
    write(stand, 'op.alter_column("parts", "line_id", nullable=False, existing_type=sa.Integer())', None, TWO)
    stand.until_done()

    assert stand.states() == {ONE: "applied", TWO: "applied"}, stand.entry(ONE).error
    assert stand.column("SELECT line_id FROM parts ORDER BY id") == [1, 2]
    assert stand.column("SELECT COUNT(*) FROM sqlite_master WHERE name = 'by_note'") == [1]
    (sql,) = stand.column("SELECT sql FROM sqlite_master WHERE name = 'items'")
    assert "CHECK (n < 1000)" in sql
    (sql,) = stand.column("SELECT sql FROM sqlite_master WHERE name = 'parts'")
    assert "AUTOINCREMENT" in sql
    with stand.engine.begin() as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1


def test_sqlite_refuses_to_lose_a_trigger(sqlite: MigrationStand) -> None:
    stand = sqlite
    stand.execute("CREATE TRIGGER t AFTER INSERT ON items BEGIN UPDATE orders SET n = 1; END")
    write(stand, 'op.alter_column("items", "code", type_=sa.String(30))', None)
    stand.until_done()
    assert "would lose trigger t" in stand.entry(ONE).error


def test_sqlite_does_what_was_planned_or_nothing(
    sqlite: MigrationStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand = sqlite
    write(stand, *CHANGES["add a column"][:2])
    die_at(stand, "turn.advancing")
    before = schema_of(stand)
    monkeypatch.setattr(batch, "run", lambda connection, _: connection.exec_driver_sql("DROP TABLE items"))
    stand.until_done()
    assert stand.states() == {ONE: "failed"}
    assert schema_of(stand) == before
