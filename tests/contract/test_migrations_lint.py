"""The linter's words about real databases: facts as they are, counts with bounds, and routes as the server's.

What the linter sends to a copy, MariaDB can only do with writers waiting; what it says nothing of, MariaDB
does in place while they go on. MySQL's answers are its documentation's: no MySQL runs here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError

from podwork_migrations.change.asking import REFUSALS, code_of
from podwork_migrations.change.routes import Route
from podwork_migrations.lint import (
    Count,
    Finding,
    IndexFacts,
    Severity,
    dialect_of,
    facts_for,
    gather_facts,
    lint_migration,
    record_any,
)
from podwork_migrations.lint.reading.columns import read_type
from tests.support.migration_files import data_migration, schema_migration

MARIADB = """CREATE TABLE orders (
    id INT NOT NULL AUTO_INCREMENT, shop_id BIGINT NOT NULL,
    note VARCHAR(20) NULL, long_note VARCHAR(40) NULL,
    email VARCHAR(40) NULL, state ENUM('new','paid') NOT NULL, amount INT NULL, price DECIMAL(10,2) NULL,
    tags SET('a','b') NULL, made DATETIME NULL, old VARCHAR(20) CHARACTER SET latin1 NULL,
    third VARCHAR(20) CHARACTER SET utf8mb3 NULL,
    twice INT AS (amount * 2) VIRTUAL,
    PRIMARY KEY (id), UNIQUE KEY by_number (shop_id, id), KEY by_note (note, made), KEY by_email (email)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci"""
SQLITE = """CREATE TABLE orders (
    id INTEGER PRIMARY KEY, shop_id BIGINT NOT NULL, note VARCHAR(20), email VARCHAR(40))"""
ROWS = "INSERT INTO orders (id, shop_id, note, email{}) VALUES {}"


def _connected(url: str) -> Iterator[Connection]:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.fixture
def mariadb(mariadb_url: str) -> Iterator[Connection]:
    for connection in _connected(mariadb_url):
        connection.exec_driver_sql(MARIADB)
        yield connection


@pytest.fixture(params=["mariadb", "sqlite"])
def shard(request: pytest.FixtureRequest) -> Iterator[Connection]:
    """A database with `orders`: of four rows two have no note, two the same address, two none."""
    is_mariadb = request.param == "mariadb"
    for connection in _connected(str(request.getfixturevalue(f"{request.param}_url"))):
        connection.exec_driver_sql(MARIADB if is_mariadb else SQLITE)
        state = ", 'new'" if is_mariadb else ""
        rows = [(1, 1, "'a'", "'x'"), (2, 1, "NULL", "'x'"), (3, 2, "'b'", "NULL"), (4, 2, "NULL", "NULL")]
        values = ", ".join(f"({', '.join(str(value) for value in row)}{state})" for row in rows)
        connection.exec_driver_sql(ROWS.format(", state" if is_mariadb else "", values))
        yield connection


@pytest.fixture
def lint(tmp_path: Path) -> Callable[[Connection, str], list[Finding]]:
    """Lint a schema migration against a shard, with the facts that it needs."""

    def run(connection: Connection, body: str) -> list[Finding]:
        dialect = dialect_of(connection)
        migration = schema_migration(tmp_path / "migrations", body)
        operations = record_any(migration, dialect)
        return lint_migration(migration, operations, dialect, facts_for(connection, operations))

    return run


def test_facts_of_a_table(mariadb: Connection) -> None:
    mariadb.exec_driver_sql("ALTER TABLE orders AUTO_INCREMENT=2147000000")
    mariadb.exec_driver_sql("ALTER TABLE orders ALTER INDEX by_email IGNORED")
    mariadb.exec_driver_sql("CREATE TABLE shops (id BIGINT PRIMARY KEY)")
    mariadb.exec_driver_sql("ALTER TABLE orders ADD CONSTRAINT s FOREIGN KEY (shop_id) REFERENCES shops (id)")
    mariadb.exec_driver_sql("CREATE TABLE bills (id INT, FOREIGN KEY (id) REFERENCES orders (id))")
    mariadb.exec_driver_sql("CREATE TRIGGER noted BEFORE INSERT ON orders FOR EACH ROW SET NEW.amount = 1")

    facts = gather_facts(mariadb, "orders")

    assert facts is not None
    assert (facts.name, facts.engine, facts.row_format, facts.charset) == (
        "orders",
        "InnoDB",
        "DYNAMIC",
        "utf8mb4",
    )
    assert facts.primary == ("id",)
    assert facts.indexes is not None
    assert {index.name: index for index in facts.indexes} == {
        "by_email": IndexFacts("by_email", ("email",), ignored=True),
        "by_note": IndexFacts("by_note", ("note", "made")),
        "by_number": IndexFacts("by_number", ("shop_id", "id"), unique=True),
    }
    assert (facts.references, facts.referenced_by, facts.triggers) == (("shops",), ("bills",), ("noted",))
    assert facts.auto_increment == "id"
    assert facts.key_used is not None
    assert 0.999 < facts.key_used < 1
    assert facts.columns["note"].nullable
    assert not facts.columns["shop_id"].nullable
    assert facts.columns["note"].type._replace(collation=None) == read_type(
        "varchar(20) character set utf8mb4"
    )
    assert facts.columns["old"].type.charset == "latin1"
    assert facts.columns["state"].type.values == ("new", "paid")
    assert facts.columns["twice"].generated
    assert facts.usable_keys() == [("id",), ("shop_id", "id")]
    assert facts.rows == 0
    assert facts.replica_triggers == "NO"
    assert facts.binlog_format is not None


def test_facts_of_a_server_without_a_binlog(mariadb: Connection) -> None:
    facts = gather_facts(mariadb, "orders")
    assert facts is not None
    has_binlog = bool(mariadb.exec_driver_sql("SELECT @@log_bin").scalar_one())
    assert facts.replicas == (None if has_binlog else 0)


def test_rows_of_a_table_that_was_filled_a_moment_ago(mariadb: Connection) -> None:
    mariadb.exec_driver_sql("CREATE TABLE parts (id INT PRIMARY KEY) STATS_AUTO_RECALC=0")
    mariadb.exec_driver_sql("ANALYZE TABLE parts")
    mariadb.exec_driver_sql("INSERT INTO parts SELECT seq FROM seq_1_to_12000")
    facts = gather_facts(mariadb, "parts")
    assert facts is not None
    assert facts.rows == 12_000


def test_a_table_that_is_not_there_has_no_facts(shard: Connection) -> None:
    assert gather_facts(shard, "nothing") is None


def test_counts(shard: Connection) -> None:
    facts = gather_facts(
        shard,
        "orders",
        nulls=["note", "shop_id", "gone"],
        duplicates=[("email",), ("shop_id", "id"), ("gone",)],
    )
    assert facts is not None
    assert facts.nulls == {"note": Count(2), "shop_id": Count(0)}
    assert facts.duplicates == {("email",): Count(1), ("shop_id", "id"): Count(0)}


def test_a_count_reads_no_more_than_it_may(shard: Connection) -> None:
    def counted(read_rows: int) -> tuple[Count, Count]:
        facts = gather_facts(shard, "orders", nulls=["note"], duplicates=[("email",)], read_rows=read_rows)
        assert facts is not None
        return facts.nulls["note"], facts.duplicates["email",]

    assert all(count.whole for count in counted(4))
    assert not any(count.whole for count in counted(3))
    assert [count.number for count in counted(4)] == [2, 1]
    for count in counted(0):
        assert count.number <= 1


def test_an_empty_table_is_counted_as_a_whole(shard: Connection) -> None:
    shard.exec_driver_sql("DELETE FROM orders")
    facts = gather_facts(shard, "orders", nulls=["note"], duplicates=[("email",)])
    assert facts is not None
    assert (facts.nulls, facts.duplicates) == ({"note": Count(0)}, {("email",): Count(0)})


def test_what_has_to_be_known_is_asked_for(shard: Connection, tmp_path: Path) -> None:
    body = (
        'op.alter_column("orders", "note", existing_type=sa.String(20), nullable=False)\n'
        'op.create_index("by_mail", "orders", ["email"], unique=True)'
    )
    facts = facts_for(shard, record_any(schema_migration(tmp_path / "one", body), dialect_of(shard)))
    assert facts["orders"].nulls == {"note": Count(2)}
    assert facts["orders"].duplicates == {("email",): Count(1)}
    read = data_migration(tmp_path / "two", 'data.execute("INSERT INTO news SELECT * FROM orders")')
    assert set(facts_for(shard, record_any(read, dialect_of(shard)))) == {"orders"}


def test_a_shard_s_rows_decide(shard: Connection, lint: Callable[[Connection, str], list[Finding]]) -> None:
    tighten = 'op.alter_column("orders", "note", existing_type=sa.String(20), nullable=False)'
    unique = 'op.create_index("by_mail", "orders", ["email"], unique=True)'
    for body, rule in ((tighten, "null-to-not-null"), (unique, "add-unique")):
        assert rule in {finding.rule for finding in lint(shard, body) if finding.refuses}
    shard.exec_driver_sql("UPDATE orders SET note = 'c', email = id")
    for body in (tighten, unique):
        findings = lint(shard, body)
        assert not any(finding.refuses or finding.severity is Severity.WARN for finding in findings), findings


def test_the_names_of_a_table_are_quoted(shard: Connection) -> None:
    table, column = 'odd `na"me', "of %"
    made = f"CREATE TABLE {_quoted(shard, table)} (id INT PRIMARY KEY, {_quoted(shard, column)} INT)"
    shard.exec_driver_sql(made, execution_options={"no_parameters": True})
    facts = gather_facts(shard, table, nulls=[column], duplicates=[(column,)])
    assert facts is not None
    assert (facts.nulls, facts.duplicates) == ({column: Count(0)}, {(column,): Count(0)})


def _quoted(connection: Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote_identifier(name).replace("%%", "%")


# Clause of an ALTER TABLE of `orders` -> what is asked of the server.
CLAUSES = [
    "ADD COLUMN a INT",
    "ADD COLUMN a DATETIME DEFAULT CURRENT_TIMESTAMP",
    "ADD COLUMN a INT AS (amount + 1) VIRTUAL",
    "ADD COLUMN a INT CHECK (a > 0)",
    "ADD COLUMN a INT AS (amount + 1) STORED",
    "ADD CONSTRAINT c CHECK (amount > 0)",
    "ADD FULLTEXT INDEX f (note)",
    "DEFAULT CHARACTER SET latin1",
    "MODIFY note VARCHAR(63) NULL",
    "MODIFY note VARCHAR(100) NULL",
    "MODIFY long_note VARCHAR(63) NULL",
    "MODIFY long_note VARCHAR(64) NULL",
    "MODIFY long_note TEXT NULL",
    "MODIFY amount BIGINT NULL",
    "MODIFY amount INT NULL COMMENT 'x'",
    "MODIFY amount DECIMAL(12,0) NULL",
    "MODIFY price DECIMAL(12,2) NULL",
    "MODIFY made DATETIME(6) NULL",
    "MODIFY state ENUM('new','paid','held') NOT NULL",
    "MODIFY tags SET('a','b','c') NULL",
    "MODIFY tags SET('a','b','c','d','e','f','g','h','i') NULL",
    "MODIFY old VARCHAR(20) CHARACTER SET utf8mb4 NULL",
    "MODIFY old VARCHAR(255) CHARACTER SET latin1 NULL",
    "MODIFY long_note VARCHAR(40) COLLATE utf8mb4_bin NULL",
    "MODIFY third VARCHAR(20) CHARACTER SET utf8mb4 NULL",
    "MODIFY third VARCHAR(20) CHARACTER SET utf8mb3 COLLATE utf8mb3_bin NULL",
    "ALTER INDEX by_note IGNORED",
    "COMMENT='x'",
]


@pytest.mark.parametrize("clause", CLAUSES)
def test_routes_are_what_the_server_needs(
    mariadb: Connection, lint: Callable[[Connection, str], list[Finding]], clause: str
) -> None:
    findings = lint(mariadb, f'op.execute("""ALTER TABLE orders {clause}""")')
    assert [finding for finding in findings if finding.refuses] == []
    copied = any(finding.route is Route.COPY for finding in findings)
    assert copied == (not _without_waiting(mariadb, clause)), [str(finding) for finding in findings]


REFUSED = {
    "ADD COLUMN a CHAR(36) DEFAULT (uuid())": "expression-default",
    "CONVERT TO CHARACTER SET latin1": "convert-charset",
    "MODIFY note VARCHAR(10) NULL": "narrow-type",
    "MODIFY amount INT UNSIGNED NULL": "narrow-type",
    "MODIFY state ENUM('paid','new') NOT NULL": "enum-reorder",
    "MODIFY made TIMESTAMP NULL": "timestamp-datetime",
}


@pytest.mark.parametrize("clause", REFUSED)
def test_what_is_refused_the_server_would_not_do_either_without_waiting(
    mariadb: Connection, lint: Callable[[Connection, str], list[Finding]], clause: str
) -> None:
    findings = lint(mariadb, f'op.execute("""ALTER TABLE orders {clause}""")')
    assert [finding.rule for finding in findings if finding.refuses] == [REFUSED[clause]]
    assert not _without_waiting(mariadb, clause)


def test_numbering_rows_needs_a_lock(
    mariadb: Connection, lint: Callable[[Connection, str], list[Finding]]
) -> None:
    mariadb.exec_driver_sql("CREATE OR REPLACE TABLE orders (id BIGINT PRIMARY KEY)")
    clause = "ADD COLUMN a INT AUTO_INCREMENT UNIQUE"
    findings = lint(mariadb, f'op.execute("ALTER TABLE orders {clause}")')
    assert [finding.rule for finding in findings if finding.refuses] == ["auto-increment-column"]
    assert not _without_waiting(mariadb, clause)


def test_podwork_s_own_triggers_are_not_the_application_s(mariadb: Connection) -> None:
    for name in ("_podwork_copy_1_i", "noted"):
        mariadb.exec_driver_sql(
            f"CREATE TRIGGER {name} BEFORE INSERT ON orders FOR EACH ROW SET NEW.amount = 1"
        )
    facts = gather_facts(mariadb, "orders")
    assert facts is not None
    assert facts.triggers == ("noted",)


def test_an_index_over_the_beginning_of_a_column(mariadb: Connection) -> None:
    mariadb.exec_driver_sql(
        "ALTER TABLE orders ADD INDEX by_start (note(5)), ADD UNIQUE INDEX by_end (email(5))"
    )
    facts = gather_facts(mariadb, "orders")
    assert facts is not None
    assert facts.index("by_start") == IndexFacts("by_start", (None,))
    assert facts.is_indexed("third")
    assert len(facts.keys) == 2


@pytest.mark.parametrize("length", [64, 100])
def test_a_redundant_row_format_needs_no_copy(
    mariadb: Connection, lint: Callable[[Connection, str], list[Finding]], length: int
) -> None:
    mariadb.exec_driver_sql("ALTER TABLE orders ROW_FORMAT=REDUNDANT")
    clause = f"MODIFY long_note VARCHAR({length}) NULL"
    findings = lint(mariadb, f'op.execute("ALTER TABLE orders {clause}")')
    assert [finding for finding in findings if finding.route] == []
    assert _without_waiting(mariadb, clause)


def test_a_compressed_table_is_rebuilt_for_a_column(
    mariadb: Connection, lint: Callable[[Connection, str], list[Finding]]
) -> None:
    mariadb.exec_driver_sql("ALTER TABLE orders ROW_FORMAT=COMPRESSED")
    findings = lint(mariadb, 'op.add_column("orders", sa.Column("a", sa.Integer()))')
    assert [finding.rule for finding in findings] == ["rebuild-table"]
    with pytest.raises(DBAPIError):
        mariadb.exec_driver_sql("ALTER TABLE orders ADD COLUMN a INT, ALGORITHM=NOCOPY")


def _without_waiting(connection: Connection, clause: str) -> bool:
    """Whether the server does it in place while writers go on; what it refused it has not done."""
    try:
        connection.exec_driver_sql(f"ALTER TABLE orders {clause}, ALGORITHM=INPLACE, LOCK=NONE")
    except DBAPIError as error:
        if code_of(error) not in REFUSALS:
            raise
        return False
    return True
