"""What a migration says it does: recorded, rendered for each database, and made one statement."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from alembic.operations import ops

from podwork_migrations.change.raw import NotOneStatement, raw_alter
from podwork_migrations.change.recording import record
from podwork_migrations.change.rendering import one_change
from podwork_migrations.errors import MigrationFailed
from tests.support.schema_changes import Up, migration


def rendered(up: Up, dialect: str = "mariadb") -> list[tuple[str, ...]]:
    return [operation.sql for operation in record(migration(up), dialect)]


def one(up: Up) -> str:
    return one_change(record(migration(up), "mariadb")).sql()


def test_operations_are_kept_in_order_and_nothing_is_run() -> None:
    def up(op: Any) -> None:
        table = op.create_table("more", sa.Column("id", sa.Integer, primary_key=True))
        assert [column.name for column in table.columns] == ["id"]
        op.add_column("orders", sa.Column("x", sa.Integer))
        op.execute("ALTER TABLE orders COMMENT = '50 %'")
        with op.batch_alter_table("orders") as batch:
            batch.drop_column("y")
            batch.create_unique_constraint("one", ["x"])

    kept = [type(operation.op) for operation in record(migration(up), "mariadb")]
    assert kept == [
        ops.CreateTableOp,
        ops.AddColumnOp,
        ops.ExecuteSQLOp,
        ops.DropColumnOp,
        ops.CreateUniqueConstraintOp,
    ]
    assert rendered(up)[1:] == [
        ("ALTER TABLE orders ADD COLUMN x INTEGER",),
        ("ALTER TABLE orders COMMENT = '50 %'",),
        ("ALTER TABLE orders DROP COLUMN y",),
        ("ALTER TABLE orders ADD CONSTRAINT one UNIQUE (x)",),
    ]


def test_each_database_has_its_words() -> None:
    def up(op: Any) -> None:
        op.drop_index("by_x", "orders")
        op.create_foreign_key("of_shop", "orders", "shops", ["shop_id"], ["id"])

    key = "ALTER TABLE orders ADD CONSTRAINT of_shop FOREIGN KEY(shop_id) REFERENCES shops (id)"
    assert rendered(up, "mariadb") == rendered(up, "mysql") == [("DROP INDEX by_x ON orders",), (key,)]
    assert rendered(up, "sqlite") == [("DROP INDEX by_x",), ()], "a key needs a table made anew"


def test_options_for_mysql_count_on_mariadb_as_they_do_on_a_connection() -> None:
    def up(op: Any) -> None:
        op.create_table(
            "t", sa.Column("id", sa.Integer), mysql_engine="InnoDB", mysql_row_format="COMPRESSED"
        )
        op.create_index("p", "t", ["name"], mysql_length={"name": 10})

    (table,), (index,) = rendered(up)
    assert table.endswith(")ENGINE=InnoDB ROW_FORMAT=COMPRESSED")
    assert index == "CREATE INDEX p ON t (name(10))"


def test_a_column_that_is_not_said_in_full_is_rendered_with_the_shard_only() -> None:
    assert rendered(lambda op: op.alter_column("orders", "x", nullable=False)) == [()]
    full = rendered(lambda op: op.alter_column("orders", "x", nullable=False, existing_type=sa.Integer()))
    assert full == [("ALTER TABLE orders MODIFY x INTEGER NOT NULL",)]


@pytest.mark.parametrize(
    ("up", "why"),
    [
        (lambda op: op.get_bind().execute(""), "has no connection"),
        (lambda op: dict[str, str]()["column"], "KeyError: 'column'"),
        (lambda op: op.batch_alter_table("t", recreate="always").__enter__(), "the table's name only"),
    ],
)
def test_code_that_raises_fails_the_migration_with_its_words(up: Up, why: str) -> None:
    with pytest.raises(MigrationFailed, match=why):
        record(migration(up), "mariadb")


def test_a_way_back_that_is_not_there() -> None:
    with pytest.raises(MigrationFailed, match=r"it has no down\(\)"):
        record(migration(lambda op: None), "mariadb", "down")
    down = record(migration(lambda op: None, lambda op: op.drop_table("t")), "mariadb", "down")
    assert [operation.sql for operation in down] == [("DROP TABLE t",)]


def test_operations_on_one_table_are_one_statement() -> None:
    def up(op: Any) -> None:
        op.add_column("order", sa.Column("x", sa.Integer, index=True))
        op.drop_index("by_y", "order")
        op.create_index("words", "order", ["note"], mysql_prefix="FULLTEXT")
        op.drop_constraint("of_shop", "order", type_="foreignkey")
        op.execute("ALTER TABLE `order` COMMENT = 'a; b', DROP COLUMN z")

    assert one(up) == (
        "ALTER TABLE `order` ADD COLUMN x INTEGER, ADD INDEX ix_order_x (x), DROP INDEX by_y, "
        "ADD FULLTEXT INDEX words (note), DROP FOREIGN KEY of_shop, COMMENT = 'a; b', DROP COLUMN z"
    )


def test_a_new_table_has_its_indexes_within() -> None:
    def up(op: Any) -> None:
        op.create_table("t", sa.Column("a", sa.Integer, index=True, comment=")\n)"), sa.Column("b", sa.Text))
        op.create_index("one", "t", ["a", "b"], unique=True, mysql_length={"b": 7})

    sql = one(up)
    assert sql.startswith("CREATE TABLE t (")
    assert "INDEX ix_t_a (a)" in sql
    assert "UNIQUE INDEX one (a, b(7))" in sql
    assert "COMMENT ')\n)'" in sql


@pytest.mark.parametrize(
    ("up", "why"),
    [
        (lambda op: (op.drop_table("a"), op.drop_table("b")), "make it a migration each"),
        (lambda op: (op.rename_table("a", "b"), op.drop_column("b", "x")), "make it a migration each"),
        (
            lambda op: (op.drop_column("b", "x"), op.rename_table("b", "a")),
            "RenameTableOp does not go together",
        ),
        (lambda op: (op.create_table("a"), op.drop_column("b", "x")), "make it a migration each"),
        (lambda op: (op.drop_column("a", "x"), op.drop_column("b", "x")), "several tables: a, b"),
        (lambda op: op.drop_index("x"), "does not say which table"),
        (lambda op: op.create_unique_constraint(None, "a", ["x"]), "without a name"),
        (lambda op: op.add_column("a", sa.Column("b", sa.Integer, sa.ForeignKey("b.id"))), "without a name"),
        (
            lambda op: op.bulk_insert(sa.table("a", sa.column("x", sa.Integer)), [{"x": 1}]),
            "BulkInsertOp does not go",
        ),
        (lambda op: op.drop_table("a", schema="other"), "another database, other"),
    ],
)
def test_what_is_not_one_statement_is_refused(up: Up, why: str) -> None:
    with pytest.raises(NotOneStatement, match=why):
        one(up)


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("ALTER TABLE t ADD COLUMN x INT", ("t", "ADD COLUMN x INT")),
        ("alter table `t t` comment='a;b';", ("t t", "comment='a;b'")),
        ("ALTER TABLE t RENAME COLUMN a TO b, DROP x", ("t", "RENAME COLUMN a TO b, DROP x")),
        ("ALTER TABLE t ADD a INT, ADD `lock` INT", ("t", "ADD a INT, ADD `lock` INT")),
        ("/* why */ ALTER TABLE t DROP COLUMN a", ("t", "DROP COLUMN a")),
    ],
)  # fmt: skip
def test_alter_table_by_hand(sql: str, found: tuple[str, str]) -> None:
    assert raw_alter([sql]) == found


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("UPDATE t SET a = 1", "not ALTER TABLE"),
        ("ALTER TABLE", "not ALTER TABLE"),
        ("ALTER TABLE d.t ADD COLUMN x INT", "no plain table"),
        ("ALTER TABLE IF EXISTS t ADD COLUMN x INT", "no plain table"),
        ("ALTER TABLE t ADD COLUMN x INT; DROP TABLE t", "several statements"),
        ("ALTER TABLE t RENAME TO u", "rename_table"),
        ("ALTER TABLE t ADD COLUMN x INT, RENAME u", "rename_table"),
        ("ALTER TABLE t ADD COLUMN x INT, ALGORITHM=COPY", "leave ALGORITHM and LOCK"),
        ("ALTER TABLE t LOCK=EXCLUSIVE, ADD COLUMN x INT", "leave ALGORITHM and LOCK"),
        ("ALTER TABLE t ADD COLUMN x INT, lock none", "leave ALGORITHM and LOCK"),
    ],
)
def test_other_sql_by_hand_is_refused(sql: str, why: str) -> None:
    with pytest.raises(NotOneStatement, match=why):
        raw_alter([sql])
