"""What the linter says: severities, facts, routes, overrides, data migrations, whole libraries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from podwork_migrations.change.routes import Limits, Route
from podwork_migrations.lint import (
    ColumnFacts,
    Count,
    Dialect,
    Finding,
    IndexFacts,
    Severity,
    TableFacts,
    lint_library,
    lint_migration,
    record_any,
    record_data,
)
from podwork_migrations.lint.reading.columns import read_type
from podwork_migrations.lint.widening import Circumstances, Kind, judge
from tests.support.migration_files import HEAD, data_migration, migration_of, schema_migration

REFUSE, ROUTE, WARN = Severity.REFUSE, Severity.ROUTE, Severity.WARN
Lint = Callable[..., list[Finding]]


@pytest.fixture
def lint(tmp_path: Path) -> Lint:
    """Lint a schema migration's body, on MariaDB if nothing else is said, with facts of `orders`."""

    def run(body: str, dialect: str = "mariadb", decorator: str = "", **facts: Any) -> list[Finding]:
        migration = schema_migration(tmp_path / "migrations", body, decorator)
        known = {"orders": TableFacts(name="orders", **facts)} if facts else None
        return lint_library([migration], dialect, known)

    return run


@pytest.fixture
def lint_data(tmp_path: Path) -> Lint:
    """Lint a data migration's body, with facts of `orders`."""

    def run(body: str, dialect: str = "mariadb", decorator: str = "", **facts: Any) -> list[Finding]:
        migration = data_migration(tmp_path / "migrations", body, decorator)
        known = {"orders": TableFacts(name="orders", **facts)} if facts else None
        return lint_library([migration], dialect, known)

    return run


def of(findings: list[Finding], rule: str) -> Finding | None:
    """Return the rule's only finding."""
    found = [finding for finding in findings if finding.rule == rule]
    assert len(found) < 2, found
    return found[0] if found else None


def verdict(findings: list[Finding], rule: str) -> tuple[Severity, Route | None] | None:
    found = of(findings, rule)
    return None if found is None else (found.severity, found.route)


def column(type_: str, nullable: bool = True) -> ColumnFacts:
    return ColumnFacts(read_type(type_), nullable)


# Severities and what they depend on.


def test_a_finding_says_where_and_why(lint: Lint) -> None:
    found = of(lint('op.drop_column("orders", "note")'), "drop-column")
    assert found is not None
    assert found.where == "operation 1, ALTER TABLE orders DROP COLUMN note"
    assert found.migration == "20261201120000_made"
    assert "orders.note" in found.why
    assert found.refuses
    assert str(found).startswith("20261201120000_made: refuse drop-column: operation 1, ALTER TABLE")


TIGHTEN = 'op.alter_column("orders", "note", existing_type=sa.String(20), nullable=False)'
NULLABLE = {"note": column("varchar(20)")}


def test_nulls(lint: Lint) -> None:
    def found(**facts: Any) -> tuple[Severity, Route | None] | None:
        return verdict(lint(TIGHTEN, columns=NULLABLE, **facts), "null-to-not-null")

    assert verdict(lint(TIGHTEN), "null-to-not-null") == (WARN, None)
    assert found() == (WARN, None)
    assert found(nulls={"note": Count(3)}) == (REFUSE, None)
    assert found(nulls={"note": Count(3, whole=False)}) == (REFUSE, None)
    assert found(nulls={"note": Count(0, whole=False)}) == (WARN, None)
    assert found(nulls={"note": Count(0)}) == (ROUTE, Route.COPY)
    assert found(nulls={"note": Count(0)}, rows=100) == (ROUTE, Route.INPLACE)
    assert found(nulls={"note": Count(0)}, rows=1_000_000) == (ROUTE, Route.COPY)
    assert verdict(lint(TIGHTEN, columns={"note": column("text", False)}), "null-to-not-null") is None
    assert (
        of(lint(TIGHTEN.replace("nullable=", "existing_nullable=False, nullable=")), "null-to-not-null")
        is None
    )


def test_nulls_on_sqlite_have_no_route(lint: Lint) -> None:
    def found(count: Count) -> tuple[Severity, Route | None] | None:
        return verdict(lint(TIGHTEN, "sqlite", columns=NULLABLE, nulls={"note": count}), "null-to-not-null")

    assert found(Count(0)) is None
    assert found(Count(1)) == (REFUSE, None)


def test_a_default_that_goes(lint: Lint) -> None:
    def found(body: str, nullable: bool, has_default: bool) -> tuple[Severity, Route | None] | None:
        facts = ColumnFacts(read_type("int"), nullable, has_default=has_default)
        return verdict(lint(body, columns={"a": facts}), "drop-default")

    drop = 'op.execute("ALTER TABLE orders ALTER COLUMN a DROP DEFAULT")'
    modify = 'op.execute("ALTER TABLE orders MODIFY a INT NOT NULL")'
    for body in (drop, modify):
        assert found(body, nullable=False, has_default=True) == (REFUSE, None)
        assert found(body, nullable=False, has_default=False) is None
    assert found(drop, nullable=True, has_default=True) is None
    assert verdict(lint(drop), "drop-default") == (WARN, None)
    assert verdict(lint(modify), "drop-default") is None


UNIQUE = 'op.create_index("by_note", "orders", ["note", "shop"], unique=True)'


def test_duplicates(lint: Lint) -> None:
    def found(count: Count | None, dialect: str = "mariadb") -> tuple[Severity, Route | None] | None:
        counted = {} if count is None else {("note", "shop"): count}
        return verdict(lint(UNIQUE, dialect, duplicates=counted), "add-unique")

    assert found(Count(2)) == (REFUSE, None)
    assert found(Count(0)) == found(None) == found(Count(0, whole=False)) == (ROUTE, Route.INPLACE)
    assert "Not known" not in str(of(lint(UNIQUE, duplicates={("note", "shop"): Count(0)}), "add-unique"))
    assert "Not known" in str(of(lint(UNIQUE), "add-unique"))
    assert found(None, "sqlite") == found(Count(0, whole=False), "sqlite") == (WARN, None)
    assert found(Count(0), "sqlite") is None


def test_an_index_of_a_large_table(lint: Lint) -> None:
    index = 'op.create_index("by_note", "orders", ["note"])'
    assert verdict(lint(index), "add-index") == (WARN, None)
    assert verdict(lint(index, rows=100_000), "add-index") is None
    assert verdict(lint(index, rows=100_001), "add-index") == (ROUTE, Route.COPY)
    assert verdict(lint(index, rows=100_001, replicas=1), "add-index") == (ROUTE, Route.COPY)
    assert verdict(lint(index, rows=100_001, replicas=0), "add-index") is None
    assert verdict(lint(index, rows=3, limits=Limits(small_rows=2)), "add-index") == (ROUTE, Route.COPY)


def test_a_large_copy_is_warned_of_where_nobody_says_what_is_free(lint: Lint) -> None:
    index = 'op.create_index("by_note", "orders", ["note"])'
    large = {"rows": 100_001, "bytes": (64 << 20) + 1}
    assert verdict(lint(index, **large), "copy-no-room") == (WARN, None)
    assert verdict(lint(index, **large, free_bytes=1 << 40), "copy-no-room") is None
    assert verdict(lint(index, **large, free_bytes=1 << 20), "copy-no-room") == (Severity.REFUSE, None)
    assert verdict(lint(index, rows=100_001, bytes=64 << 20), "copy-no-room") is None, "a small one"
    assert verdict(lint(index, rows=3, bytes=3, free_bytes=1), "copy-no-room") is None, "no copy"


def test_dropping_an_index(lint: Lint) -> None:
    def found(drop: str, ignored: bool) -> tuple[Severity, Route | None] | None:
        indexes = (IndexFacts("by_note", ("note",), ignored=ignored),)
        return verdict(lint(drop, indexes=indexes), "drop-index")

    for drop in (
        'op.drop_index("BY_NOTE", "orders")',
        'op.execute("ALTER TABLE orders DROP CONSTRAINT by_note")',
    ):
        assert found(drop, ignored=False) == (REFUSE, None)
        assert found(drop, ignored=True) is None
    assert verdict(lint('op.drop_index("by_note", "orders")'), "drop-index") == (WARN, None)


def test_a_new_table_blocks_nobody(lint: Lint) -> None:
    made = (
        'op.create_table("orders", sa.Column("id", sa.BigInteger(), primary_key=True), '
        'sa.Column("note", sa.String(20)))\n'
        'op.create_index("by_note", "orders", ["note"], unique=True)'
    )
    assert lint(made) == []
    assert lint(made, "sqlite") == []


# Types.

CHANGES: list[tuple[str, str, Kind]] = [
    ("varchar(20)", "varchar(20)", Kind.SAME),
    ("varchar(20)", "varchar(63)", Kind.METADATA),
    ("varchar(64)", "varchar(100)", Kind.METADATA),
    ("varchar(32)", "varchar(64)", Kind.CROSSING),
    ("varchar(63)", "varchar(64)", Kind.CROSSING),
    ("varchar(100) character set latin1", "varchar(255) character set latin1", Kind.METADATA),
    ("varchar(200) character set latin1", "varchar(256) character set latin1", Kind.CROSSING),
    ("varbinary(200)", "varbinary(255)", Kind.METADATA),
    ("varbinary(200)", "varbinary(256)", Kind.CROSSING),
    ("varchar(20)", "varchar(19)", Kind.NARROWER),
    ("varchar(20)", "text", Kind.REWRITE),
    ("text", "varchar(20)", Kind.NARROWER),
    ("text", "longtext", Kind.REWRITE),
    ("longtext", "text", Kind.NARROWER),
    ("char(5)", "char(6)", Kind.REWRITE),
    ("char(5)", "varchar(5)", Kind.REWRITE),
    ("varchar(5)", "varbinary(20)", Kind.NARROWER),
    ("int", "int(5)", Kind.SAME),
    ("int", "bigint", Kind.REWRITE),
    ("bigint", "int", Kind.NARROWER),
    ("int", "int unsigned", Kind.NARROWER),
    ("int unsigned", "int", Kind.NARROWER),
    ("int unsigned", "bigint", Kind.REWRITE),
    ("int", "varchar(10)", Kind.NARROWER),
    ("int", "varchar(11)", Kind.REWRITE),
    ("int", "decimal(10, 0)", Kind.REWRITE),
    ("int", "decimal(10, 2)", Kind.NARROWER),
    ("int", "double", Kind.REWRITE),
    ("bigint", "double", Kind.NARROWER),
    ("float", "double", Kind.REWRITE),
    ("double", "float", Kind.NARROWER),
    ("decimal(10, 2)", "decimal(12, 2)", Kind.REWRITE),
    ("decimal(10, 2)", "decimal(10, 3)", Kind.NARROWER),
    ("decimal(10, 2)", "decimal(11, 1)", Kind.NARROWER),
    ("datetime", "datetime(6)", Kind.REWRITE),
    ("datetime(6)", "datetime", Kind.NARROWER),
    ("date", "datetime", Kind.REWRITE),
    ("datetime", "date", Kind.NARROWER),
    ("datetime", "timestamp", Kind.ZONE),
    ("timestamp", "datetime", Kind.ZONE),
    ("enum('a', 'b')", "enum('a', 'b', 'c')", Kind.METADATA),
    ("enum('a', 'b')", "enum('a', 'b')", Kind.SAME),
    ("enum('a', 'b')", "enum('b', 'a')", Kind.REORDERED),
    ("enum('a', 'b')", "enum('a', 'c', 'b')", Kind.REORDERED),
    ("enum('a', 'b')", "enum('a')", Kind.REORDERED),
    ("set('a', 'b')", "set('a', 'b', 'c')", Kind.METADATA),
    ("set('1','2','3','4','5','6','7','8')", "set('1','2','3','4','5','6','7','8','9')", Kind.REWRITE),
    ("varchar(20) character set utf8mb3", "varchar(20) character set utf8mb4", Kind.REWRITE),
    ("varchar(20) character set utf8mb4", "varchar(20) character set latin1", Kind.NARROWER),
    ("varchar(20) collate utf8mb4_bin", "varchar(20) collate utf8mb4_general_ci", Kind.REWRITE),
    ("json", "int", Kind.NARROWER),
]


@pytest.mark.parametrize(("old", "new", "kind"), CHANGES, ids=[f"{old} -> {new}" for old, new, _ in CHANGES])
def test_what_a_change_of_type_is(old: str, new: str, kind: Kind) -> None:
    assert judge(read_type(old), read_type(new), Circumstances(Dialect.MARIADB)).kind is kind


def test_a_short_varchar_grows_beyond_255_bytes(lint: Lint) -> None:
    old, new = read_type("varchar(31)"), read_type("varchar(64)")
    assert judge(old, new, Circumstances(Dialect.MARIADB)).kind is Kind.METADATA
    assert judge(old, new, Circumstances(Dialect.MYSQL)).kind is Kind.CROSSING
    longer = read_type("varchar(32)")
    assert judge(longer, new, Circumstances(Dialect.MARIADB)).kind is Kind.CROSSING
    assert judge(longer, new, Circumstances(Dialect.MARIADB, row_format="Redundant")).kind is Kind.METADATA
    assert judge(longer, new, Circumstances(Dialect.MYSQL, row_format="Redundant")).kind is Kind.CROSSING
    assert judge(longer, new, Circumstances(Dialect.MARIADB, charset="latin1")).kind is Kind.METADATA


def test_facts_say_the_type_better_than_the_file(lint: Lint) -> None:
    body = 'op.alter_column("orders", "note", existing_type=sa.String(200), type_=sa.String(40))'
    assert verdict(lint(body), "narrow-type") == (REFUSE, None)
    assert verdict(lint(body, columns={"note": column("varchar(20)")}), "narrow-type") is None


def test_a_type_that_is_not_known(lint: Lint) -> None:
    modify = 'op.execute("ALTER TABLE orders MODIFY note {}")'
    found = of(lint(modify.format("VARCHAR(40)")), "change-type")
    assert found is not None
    assert found.severity is WARN
    assert "orders.note" in found.why
    assert verdict(lint(modify.format("ENUM('a')")), "enum-reorder") == (WARN, None)
    assert verdict(
        lint(modify.format("ENUM('a')"), columns={"note": column("enum('b')")}), "enum-reorder"
    ) == (
        REFUSE,
        None,
    )
    assert verdict(lint(modify.format("BIGINT"), columns={"note": column("int")}), "change-type") == (
        ROUTE,
        Route.COPY,
    )


def test_a_smaller_character_set(lint: Lint) -> None:
    body = 'op.execute("ALTER TABLE orders CONVERT TO CHARACTER SET latin1")'
    assert verdict(lint(body), "convert-charset") == (ROUTE, Route.COPY)
    assert verdict(lint(body, charset="utf8mb4"), "convert-charset") == (REFUSE, None)
    assert verdict(lint(body, charset="latin1"), "convert-charset") is None


# Copies.


def test_a_copy_is_refused_only_where_there_is_one(lint: Lint) -> None:
    bigger = 'op.alter_column("orders", "amount", existing_type=sa.Integer(), type_=sa.BigInteger())'
    assert verdict(lint(bigger, triggers=("noted",)), "copy-trigger") == (REFUSE, None)
    assert (
        verdict(
            lint('op.add_column("orders", sa.Column("a", sa.Integer()))', triggers=("noted",)), "copy-trigger"
        )
        is None
    )
    overridden = 'override={"change-type": "night of the move"}'
    assert verdict(lint(bigger, decorator=overridden, triggers=("noted",)), "copy-trigger") is None


def test_keys_along_which_a_copy_can_go() -> None:
    def keys(*indexes: IndexFacts, **columns: ColumnFacts) -> list[tuple[str, ...]]:
        return TableFacts(name="t", indexes=indexes, columns=columns).usable_keys()

    whole, number = column("bigint", nullable=False), IndexFacts("k", ("a",), unique=True)
    assert keys(number, a=whole) == [("a",)]
    assert keys(IndexFacts("k", ("a",)), a=whole) == []
    assert keys(IndexFacts("k", (None,), unique=True), a=whole) == []
    assert keys(number, a=column("bigint")) == []
    assert keys(number, a=column("float", nullable=False)) == []
    assert keys(number, a=whole._replace(generated=True)) == []


# Overrides.


def test_an_override_is_said_and_no_longer_refuses(lint: Lint) -> None:
    findings = lint(
        'op.drop_column("orders", "note")', decorator='override={"drop-column": "unused since May"}'
    )
    found = of(findings, "drop-column")
    assert found is not None
    assert (found.severity, found.overridden_by, found.refuses) == (REFUSE, "unused since May", False)
    assert "(overridden: unused since May)" in str(found)
    assert not any(finding.refuses for finding in findings)


def test_an_override_of_a_rule_of_another_database_is_used_there(lint: Lint) -> None:
    bigger = 'op.alter_column("orders", "a", existing_type=sa.Integer(), type_=sa.BigInteger())'
    override = 'override={"change-type": "small table"}'
    assert verdict(lint(bigger, "sqlite", override), "unused-override") is None
    assert verdict(
        lint('op.add_column("orders", sa.Column("a", sa.Integer()))', decorator=override), "unused-override"
    ) == (
        WARN,
        None,
    )


def test_an_override_of_nothing(lint: Lint) -> None:
    findings = lint('op.drop_column("orders", "note")', decorator='override={"drop-colum": "unused"}')
    assert [finding.rule for finding in findings if finding.refuses] == ["drop-column", "unknown-override"]


# Several operations.

TWO = (
    'op.add_column("orders", sa.Column("a", sa.Integer()))\nop.add_column("{}", sa.Column("b", sa.Integer()))'
)


@pytest.mark.parametrize("dialect", Dialect)
def test_several_statements(lint: Lint, dialect: Dialect) -> None:
    assert verdict(lint(TWO.format("orders"), dialect), "one-ddl") is None
    assert verdict(lint(TWO.format("lines"), dialect), "one-ddl") == (REFUSE, None)
    assert verdict(lint("pass", dialect), "one-ddl") == (REFUSE, None)


def test_only_sqlite_takes_several_tables_with_a_reason(lint: Lint) -> None:
    override = 'override={"one-ddl": "one transaction"}'
    for dialect in Dialect:
        found = of(lint(TWO.format("lines"), dialect, override), "one-ddl")
        assert found is not None
        assert found.refuses is (dialect is not Dialect.SQLITE)


def test_several_statements_in_one_text(lint: Lint) -> None:
    findings = lint('op.execute("ALTER TABLE orders ADD COLUMN a INT; ALTER TABLE orders DROP COLUMN b")')
    assert {"raw-not-alter", "drop-column"} <= {finding.rule for finding in findings if finding.refuses}


def test_every_operation_is_judged(lint: Lint) -> None:
    body = 'op.drop_column("orders", "a")\nop.drop_column("orders", "b")'
    findings = [finding for finding in lint(body) if finding.rule == "drop-column"]
    assert [finding.where.partition(",")[0] for finding in findings] == ["operation 1", "operation 2"]


def test_batch_mode_is_judged_as_the_operations_in_it(lint: Lint) -> None:
    body = 'with op.batch_alter_table("orders") as batch:\n    batch.drop_column("a")'
    for dialect in Dialect:
        assert verdict(lint(body, dialect), "drop-column") == (REFUSE, None)


# Rows.


def test_bounds_of_a_write(lint_data: Lint) -> None:
    def found(sql: str, **facts: Any) -> tuple[Severity, Route | None] | None:
        return verdict(lint_data(f'data.execute("{sql}")', **facts), "unbounded-write")

    by_key = {"primary": ("shop_id", "id"), "rows": 5_000_000}
    assert found("UPDATE orders SET a = 1") == (REFUSE, None)
    assert found("UPDATE orders SET a = 1 WHERE 1 = 1") == (REFUSE, None)
    assert found("UPDATE orders SET a = 1 WHERE b = 2") == (WARN, None)
    assert found("UPDATE orders SET a = 1 LIMIT 1000") is None
    assert found("UPDATE orders SET a = 1 LIMIT 1001") == (REFUSE, None)
    assert found("UPDATE orders SET a = 1", rows=10_000) is None
    assert found("UPDATE orders SET a = 1", rows=10_001) == (REFUSE, None)
    assert found("UPDATE orders SET a = 1 WHERE shop_id = 1", **by_key) == (REFUSE, None)
    assert found("UPDATE orders SET a = 1 WHERE shop_id = 1 AND ID = 7", **by_key) is None
    assert found("DELETE FROM orders") == (REFUSE, None)
    assert found("DELETE FROM orders WHERE id IN (1, 2)", primary=("id",), rows=5_000_000) is None
    assert found("INSERT INTO orders (a) VALUES (1)") is None
    assert found("INSERT INTO news SELECT * FROM orders") == (REFUSE, None)
    assert found("INSERT INTO news SELECT * FROM orders", rows=10) is None
    assert found("INSERT INTO news SELECT * FROM orders JOIN lines USING (id)", rows=10) == (REFUSE, None)
    assert found("REPLACE INTO news SELECT * FROM orders") == (REFUSE, None)


def test_backfills_are_bounded_by_themselves(lint_data: Lint) -> None:
    assert lint_data('data.backfill("shop.FillNetPrice", percent=95)') == []


def test_statements_with_parameters(lint_data: Lint) -> None:
    body = 'data.execute("UPDATE orders SET a = :a WHERE id = :id", a=1, id=7)'
    assert lint_data(body, primary=("id",), rows=5_000_000) == []


def test_who_looks_at_rows_is_judged_by_what_is_written_out(lint_data: Lint) -> None:
    body = (
        'if data.execute("SELECT COUNT(*) FROM orders").scalar():\n    data.execute("DELETE FROM orders")\n'
        'else:\n    data.execute("TRUNCATE TABLE orders")'
    )
    findings = lint_data(body)
    assert verdict(findings, "unbounded-write") == (REFUSE, None)
    assert verdict(findings, "truncate") == (REFUSE, None)
    looped = 'for row in data.execute("SELECT id FROM orders"):\n    data.execute("DELETE FROM orders")'
    assert verdict(lint_data(looped), "unbounded-write") == (REFUSE, None)


def test_recording_a_data_migration_runs_nothing_twice(tmp_path: Path) -> None:
    body = 'data.execute("DELETE FROM a")\ndata.execute("SELECT 1").scalar()\ndata.execute("DELETE FROM b")'
    recorded = record_data(data_migration(tmp_path, body))
    assert [recording.sql for recording in recorded] == [
        ("DELETE FROM a",),
        ("SELECT 1",),
        ("DELETE FROM b",),
    ]


IMPORTS: Mapping[str, bool] = {
    "import datetime as dt": True,
    "from collections.abc import Mapping": True,
    "from sqlalchemy.dialects import mysql": True,
    "from podwork_migrations import errors": True,
    "from tests.support import wait": False,
    "import tests.support.wait": False,
    "import importlib; importlib.import_module('tests.support.wait')": False,
    "from importlib import import_module; import_module('tests.support.wait')": False,
    "__import__('tests.support.wait')": False,
}


@pytest.mark.parametrize("line", IMPORTS)
@pytest.mark.parametrize("kind", ["data", "schema"])
def test_what_a_migration_may_import(tmp_path: Path, line: str, kind: str) -> None:
    migration = migration_of(tmp_path, f"{line}\n\n@{kind}\ndef up(it):\n    pass")
    found = of(lint_library([migration], "mariadb"), "model-import")
    assert (found is None) is IMPORTS[line]
    if found is not None:
        number = HEAD.count("\n") + 1
        assert found.where == f"line {number}"


def test_an_import_within_up_is_found(tmp_path: Path) -> None:
    migration = data_migration(tmp_path, "from tests.support import wait\ndata.backfill(wait)")
    assert verdict(lint_library([migration], "mariadb"), "model-import") == (REFUSE, None)


# What cannot be recorded, and libraries.


@pytest.mark.parametrize("body", ['raise KeyError("x")', "op.no_such_thing()", "op.get_bind()"])
def test_what_cannot_be_recorded_is_refused_with_its_error(lint: Lint, body: str) -> None:
    found = of(lint(body), "unrecordable")
    assert found is not None
    assert found.refuses
    assert "up(): " in found.why


def test_one_bad_file_does_not_hide_the_others(tmp_path: Path) -> None:
    first = migration_of(tmp_path, '@schema\ndef up(op):\n    raise KeyError("x")', "20261201120000")
    second = migration_of(tmp_path, '@data\ndef up(data):\n    raise KeyError("x")', "20261201120001")
    third = migration_of(tmp_path, '@schema\ndef up(op):\n    op.drop_table("a")', "20261201120002")
    findings = lint_library([first, second, third], "mariadb")
    assert [(finding.migration[:14], finding.rule) for finding in findings] == [
        ("20261201120000", "unrecordable"),
        ("20261201120001", "unrecordable"),
        ("20261201120002", "drop-table"),
    ]


def test_the_same_is_said_of_what_is_recorded_by_somebody_else(tmp_path: Path) -> None:
    migration = schema_migration(tmp_path, 'op.drop_column("orders", "note")')
    operations = record_any(migration, "mysql")
    assert lint_migration(migration, operations, "mysql") == lint_library([migration], "mysql")


def test_a_good_migration_is_not_spoken_of(lint: Lint) -> None:
    for dialect in Dialect:
        assert lint('op.add_column("orders", sa.Column("status", sa.String(20)))', dialect) == []
