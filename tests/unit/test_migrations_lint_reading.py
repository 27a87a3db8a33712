"""SQL and Alembic's operations are read alike, and what is not understood is never left out."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy.dialects import mysql

from podwork_migrations.lint import changes
from podwork_migrations.lint.changes import Change, Unread
from podwork_migrations.lint.column import ColumnType, Default
from podwork_migrations.lint.dialect import Dialect
from podwork_migrations.lint.reading.columns import read_type
from podwork_migrations.lint.reading.statements import read_sql
from podwork_migrations.lint.reading.steps import read_steps
from podwork_migrations.lint.recorded import Recording


def sql(text: str, dialect: Dialect = Dialect.MARIADB) -> list[Change]:
    return [change for statement in read_sql(text, dialect) for change in statement.changes]


def op(operation: ops.MigrateOperation) -> list[Change]:
    return list(read_steps([Recording(operation)], Dialect.MARIADB)[0].changes)


def kinds(found: list[Change]) -> list[str]:
    return [type(change).__name__ for change in found]


def added(text: str) -> Any:
    (change,) = sql(f"ALTER TABLE t ADD COLUMN {text}")
    assert isinstance(change, changes.AddColumn), change
    return change.column


ALIKE: list[tuple[str, ops.MigrateOperation]] = [
    ("ALTER TABLE t DROP COLUMN a", ops.DropColumnOp("t", "a")),
    ("ALTER TABLE t ADD COLUMN a VARCHAR(20)", ops.AddColumnOp("t", sa.Column("a", sa.String(20)))),
    (
        "ALTER TABLE t ADD COLUMN a INTEGER NOT NULL DEFAULT 5",
        ops.AddColumnOp("t", sa.Column("a", sa.Integer(), nullable=False, server_default="5")),
    ),
    (
        "ALTER TABLE t ADD COLUMN a INTEGER AS (b + 1) STORED",
        ops.AddColumnOp("t", sa.Column("a", sa.Integer(), sa.Computed("b + 1", persisted=True))),
    ),
    (
        "ALTER TABLE t ADD COLUMN a BIGINT UNSIGNED DEFAULT (uuid_short())",
        ops.AddColumnOp(
            "t", sa.Column("a", mysql.BIGINT(unsigned=True), server_default=sa.text("(uuid_short())"))
        ),
    ),
    ("ALTER TABLE t RENAME TO s", ops.RenameTableOp("t", "s")),
    ("RENAME TABLE t TO s", ops.RenameTableOp("t", "s")),
    ("RENAME TABLE here.t TO here.s", ops.RenameTableOp("t", "s")),
    ("DROP TABLE t", ops.DropTableOp("t")),
    ("ALTER TABLE t ADD UNIQUE KEY u (a, b)", ops.CreateIndexOp("u", "t", ["a", "b"], unique=True)),
    ("CREATE UNIQUE INDEX u ON t (a, b)", ops.CreateUniqueConstraintOp("u", "t", ["a", "b"])),
    ("ALTER TABLE t ADD INDEX u (a(10))", ops.CreateIndexOp("u", "t", ["a"], mysql_length=10)),
    ("ALTER TABLE t ADD FULLTEXT KEY u (a)", ops.CreateIndexOp("u", "t", ["a"], mysql_prefix="FULLTEXT")),
    ("DROP INDEX u ON t", ops.DropIndexOp("u", "t")),
    ("ALTER TABLE t DROP KEY u", ops.DropConstraintOp("u", "t", "unique")),
    ("ALTER TABLE t DROP CONSTRAINT u", ops.DropConstraintOp("u", "t")),
    ("ALTER TABLE t DROP PRIMARY KEY", ops.DropConstraintOp("PRIMARY", "t", "primary")),
    ("ALTER TABLE t ADD PRIMARY KEY (a, b)", ops.CreatePrimaryKeyOp("pk", "t", ["a", "b"])),
    (
        "ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES s (id)",
        ops.CreateForeignKeyOp("f", "t", "s", ["a"], ["id"]),
    ),
    ("ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0)", ops.CreateCheckConstraintOp("c", "t", "a > 0")),
    (
        "ALTER TABLE t ALTER COLUMN a SET DEFAULT 5",
        ops.AlterColumnOp("t", "a", modify_server_default="5"),
    ),
    ("ALTER TABLE t ALTER COLUMN a DROP DEFAULT", ops.AlterColumnOp("t", "a", modify_server_default=None)),
    (
        "CREATE TABLE t (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY) ENGINE=MyISAM",
        ops.CreateTableOp(
            "t",
            [sa.Column("id", sa.BigInteger(), primary_key=True, autoincrement=True)],
            mysql_engine="MyISAM",
        ),
    ),
]


@pytest.mark.parametrize(("text", "operation"), ALIKE, ids=[text for text, _ in ALIKE])
def test_sql_and_operations_are_read_alike(text: str, operation: ops.MigrateOperation) -> None:
    assert sql(text) == op(operation)


SEVERAL = {
    "ALTER TABLE t ADD COLUMN a INT, DROP COLUMN b": ["AddColumn", "DropColumn"],
    "ALTER TABLE t CHANGE a b INT NOT NULL": ["RenameColumn", "AlterColumn"],
    "ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (a)": ["DropPrimaryKey", "AddPrimaryKey"],
    "ALTER TABLE t ADD COLUMN a INT, ALGORITHM=COPY, LOCK=SHARED": [
        "AddColumn",
        "BlockingClause",
        "BlockingClause",
    ],
    "ALTER TABLE t ADD COLUMN a INT, ALGORITHM=INSTANT": ["AddColumn", "Harmless"],
    "CREATE INDEX i ON t (a) ALGORITHM=COPY LOCK = SHARED": ["AddIndex", "BlockingClause", "BlockingClause"],
    "CREATE FULLTEXT INDEX i ON t (a)": ["AddIndex"],
    "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin": ["ConvertCharset"],
    "ALTER TABLE t CONVERT TO CHARSET utf8mb4, LOCK=EXCLUSIVE": ["ConvertCharset", "BlockingClause"],
    "ALTER TABLE t ALTER INDEX i INVISIBLE": ["Harmless"],
    "ALTER TABLE t ALTER INDEX i IGNORED": ["Harmless"],
    "ALTER TABLE t ALTER INDEX i NOT IGNORED": ["Harmless"],
    "ALTER TABLE t RENAME INDEX a TO b": ["Harmless"],
    "ALTER TABLE t ENGINE=MyISAM": ["SetEngine"],
    "ALTER TABLE t FORCE": ["Rebuild"],
    "ALTER TABLE t ROW_FORMAT=DYNAMIC": ["Rebuild"],
    "OPTIMIZE TABLE t": ["Rebuild"],
    "LOCK TABLES t WRITE": ["BlockingClause"],
    "FLUSH TABLES WITH READ LOCK": ["BlockingClause"],
    "TRUNCATE TABLE t": ["Truncate"],
    "TRUNCATE t": ["Truncate"],
    "DROP TABLE a, b": ["DropTable", "DropTable"],
    "RENAME TABLE a TO b, c TO d": ["RenameTable", "RenameTable"],
    "CREATE TABLE t LIKE s": ["CreateTable"],
    "CREATE TABLE t AS SELECT * FROM s": ["CreateTable", "Write"],
    "CREATE DEFINER=`a`@`%` TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1": ["Routine"],
    "CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW BEGIN SET NEW.a = 1; DELETE FROM s; END": ["Routine"],
    "CREATE PROCEDURE p() BEGIN DELETE FROM s; END": ["Routine"],
    "CREATE VIEW v AS SELECT 1": ["Routine"],
    "ALTER TABLE a ADD COLUMN x INT; ALTER TABLE b DROP COLUMN y": ["AddColumn", "DropColumn"],
}


@pytest.mark.parametrize("text", SEVERAL)
def test_every_part_of_a_statement_is_read(text: str) -> None:
    assert kinds(sql(text)) == SEVERAL[text]


NOT_UNDERSTOOD = [
    "ALTER TABLE t ADD COLUMN (a INT, b INT)",
    "ALTER TABLE t ADD PARTITION (PARTITION p1 VALUES LESS THAN (5))",
    "ALTER TABLE t ADD SYSTEM VERSIONING",
    "ALTER TABLE t WAIT 5 ADD a INT",
    "ALTER IGNORE TABLE t ADD UNIQUE (a)",
    "ALTER DATABASE x CHARACTER SET utf8mb4",
    "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4, DROP COLUMN a",
    "CREATE FULLTEXT INDEX i ON t (a) WITH PARSER ngram",
    "ALTER TABLE t ADD COLUMN a INT /*!50000 , DROP COLUMN b */",
    "ALTER TABLE t /*M! DROP COLUMN b, */ ADD COLUMN a INT",
    "RENAME TABLE a /*! TO b, c */ TO d",
    "RENAME TABLE a",
    "DROP DATABASE shop",
    "LOAD DATA INFILE 'x' INTO TABLE t",
    "CALL tidy()",
    "SET foreign_key_checks = 0",
    "GRANT ALL ON *.* TO x",
    "this is no SQL",
    "ALTER TABLE t ADD COLUMN a VARCHAR('",
]


@pytest.mark.parametrize("text", NOT_UNDERSTOOD)
def test_what_is_not_understood_is_said(text: str) -> None:
    assert "Unread" in kinds(sql(text))


@pytest.mark.parametrize("text", NOT_UNDERSTOOD)
def test_and_counts_as_a_change_of_the_schema(text: str) -> None:
    assert any(statement.of_schema for statement in read_sql(text, Dialect.MARIADB))


def test_an_operation_of_somebody_else_is_not_understood() -> None:
    class Sequence(ops.MigrateOperation):
        pass

    assert kinds(op(Sequence())) == ["Unread"]


def test_what_sqlglot_does_not_read_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    sql("ALTER TABLE t ADD SYSTEM VERSIONING")
    assert caplog.records == []


def test_columns() -> None:
    assert added("a INT NOT NULL").nullable is False
    assert added("a INT NULL").nullable is True
    assert added("a INT").default is Default.NONE
    assert added("a INT DEFAULT NULL").default is Default.NONE
    assert added("a INT DEFAULT -1").default is Default.CONSTANT
    assert added("a BOOL DEFAULT TRUE").default is Default.CONSTANT
    assert added("a DATETIME DEFAULT CURRENT_TIMESTAMP").default is Default.CONSTANT
    assert added("a TIMESTAMP DEFAULT now() ON UPDATE now()").default is Default.CONSTANT
    assert added("a CHAR(36) DEFAULT (uuid())").default is Default.EXPRESSION
    assert added("a INT DEFAULT (b + 1)").default is Default.EXPRESSION
    for default in (sa.false(), sa.func.now(), sa.text("'x'"), sa.text("NULL"), "x"):
        (change,) = op(ops.AddColumnOp("t", sa.Column("a", sa.Integer(), server_default=default)))
        assert isinstance(change, changes.AddColumn)
        assert change.column.default is not Default.EXPRESSION
    assert added("a INT AS (b + 1) STORED").generated == "stored"
    assert added("a INT AS (b + 1)").generated == "virtual"
    assert added("a INT AUTO_INCREMENT").auto_increment
    assert added("a INT CHECK (a > 0)").checked


def test_types() -> None:
    assert read_type("int(11)") == read_type("INTEGER") == ColumnType("int")
    assert read_type("bigint(20) unsigned zerofill") == ColumnType("bigint", unsigned=True)
    assert read_type("VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_bin") == ColumnType(
        "varchar", 20, charset="latin1", collation="latin1_bin"
    )
    assert read_type("enum('a','b,c','it''s')").values == ("a", "b,c", "it's")
    assert read_type("set('a','b')").base == "set"
    assert read_type("NUMERIC(10, 2)") == ColumnType("decimal", 10, 2)
    assert read_type("decimal") == ColumnType("decimal", 10, 0)
    assert read_type("BOOL") == read_type("tinyint(1)") == ColumnType("tinyint")
    assert read_type("datetime") == ColumnType("datetime", 0)
    assert read_type("timestamp(6)") == ColumnType("timestamp", 6)
    assert read_type("char") == ColumnType("char", 1)
    assert read_type("inet6") == ColumnType("inet6")
    assert read_type("point") == ColumnType("point")
    assert str(read_type("varchar(20) character set latin1")) == "VARCHAR(20) CHARACTER SET latin1"
    assert str(read_type("decimal(10,2) unsigned")) == "DECIMAL(10, 2) UNSIGNED"
    assert str(read_type("enum('a')")) == "ENUM('a')"


def test_a_column_with_a_key_and_an_index_has_both() -> None:
    column = sa.Column("shop_id", sa.BigInteger(), sa.ForeignKey("shops.id"), index=True)
    assert op(ops.AddColumnOp("t", column))[1:] == [
        changes.AddForeignKey("t", "shops"),
        changes.AddIndex("t", "on shop_id", ("shop_id",)),
    ]


def test_sql_says_the_same() -> None:
    assert sql("ALTER TABLE t ADD COLUMN a BIGINT REFERENCES s (id), ADD COLUMN b INT UNIQUE")[1::2] == [
        changes.AddForeignKey("t", "s"),
        changes.AddIndex("t", "on b", ("b",), unique=True),
    ]


MANY = ", ".join(str(number) for number in range(1001))
WRITES: dict[str, dict[str, Any]] = {
    "UPDATE t SET a = 1": {},
    "UPDATE t SET a = 1 WHERE 1 = 1": {},
    "UPDATE t SET a = 1 WHERE b IS NULL": {"filtered": True},
    "UPDATE t SET a = 1 WHERE b IS NULL LIMIT 100": {"filtered": True, "limit": 100},
    "UPDATE t SET a = 1 WHERE id = 7": {"filtered": True, "fixed": frozenset({"id"})},
    "UPDATE t SET a = 1 WHERE 7 = id": {"filtered": True, "fixed": frozenset({"id"})},
    "UPDATE t SET a = :a WHERE ID = :id AND (b = 1 AND c IN (1, 2))": {
        "filtered": True,
        "fixed": frozenset({"id", "b", "c"}),
    },
    "UPDATE t SET a = 1 WHERE id = 7 OR b = 1": {"filtered": True},
    "UPDATE t SET a = 1 WHERE id = b": {"filtered": True},
    "UPDATE t SET a = 1 WHERE id > 7": {"filtered": True},
    f"UPDATE t SET a = 1 WHERE id IN ({MANY})": {"filtered": True},
    "UPDATE t SET a = 1 WHERE id IN (SELECT id FROM s)": {"filtered": True},
    "UPDATE t JOIN s ON s.id = t.id SET t.a = 1 WHERE t.id = 7": {"filtered": True},
}


@pytest.mark.parametrize("text", WRITES)
def test_whose_rows_an_update_writes(text: str) -> None:
    assert sql(text) == [changes.Write("t", "UPDATE", **WRITES[text])]


def test_whose_rows_other_statements_write() -> None:
    assert sql("DELETE FROM t") == [changes.Write("t", "DELETE")]
    assert sql("INSERT INTO t (a) VALUES (1), (2)") == [changes.Write("t", "INSERT", given=True)]
    assert sql("INSERT INTO t SELECT 1") == [changes.Write("t", "INSERT", given=True)]
    assert sql("INSERT INTO t SELECT * FROM s LIMIT 5") == [
        changes.Write("t", "INSERT", limit=5, sources=("s",))
    ]
    assert sql("REPLACE INTO t SELECT * FROM s WHERE id = 1") == [
        changes.Write("t", "REPLACE", filtered=True, fixed=frozenset({"id"}), sources=("s",))
    ]
    assert sql("REPLACE INTO t (a) VALUES (1)") == [changes.Write("t", "REPLACE", given=True)]


def test_rows_are_no_change_of_the_schema() -> None:
    for text in ("DELETE FROM t", "SELECT 1", "ANALYZE TABLE t"):
        assert [statement.of_schema for statement in read_sql(text, Dialect.MARIADB)] == [False]
    for text in ("ALTER TABLE t COMMENT='x'", "ALTER TABLE t ALTER INDEX i IGNORED"):
        assert [statement.of_schema for statement in read_sql(text, Dialect.MARIADB)] == [True]


def test_a_statement_of_sqlalchemys_is_read_as_it_is_rendered() -> None:
    table = sa.table("t", sa.column("a"), sa.column("id"))
    update = sa.update(table).where(table.c.id == 7).values(a=1)
    assert op(ops.ExecuteSQLOp(update)) == [
        changes.Write("t", "UPDATE", filtered=True, fixed=frozenset({"id"}))
    ]


def test_sqlite_has_its_own_grammar() -> None:
    assert kinds(sql("ALTER TABLE t ADD COLUMN a TEXT", Dialect.SQLITE)) == ["AddColumn"]
    assert kinds(sql("ALTER TABLE t MODIFY a BIGINT", Dialect.SQLITE)) == ["Unread"]
    assert kinds(sql("ALTER TABLE t DROP a", Dialect.SQLITE)) == ["Unread"]
    assert isinstance(sql("PRAGMA foreign_keys=OFF", Dialect.SQLITE)[0], Unread)
