"""Alembic's operation objects to changes.

Owns: `read_operation`. Promises: an operation that is not known here is an `Unread`. Leaves to others: SQL
(`statements`), columns (`columns`).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import singledispatch

from alembic.operations import ops
from sqlalchemy import Column as SqlalchemyColumn
from sqlalchemy import ForeignKeyConstraint, PrimaryKeyConstraint
from sqlalchemy.schema import Constraint

from podwork_migrations.lint import changes
from podwork_migrations.lint.changes import Change, Unread
from podwork_migrations.lint.dialect import Dialect
from podwork_migrations.lint.reading.alters import added
from podwork_migrations.lint.reading.columns import (
    referred,
    sqlalchemy_column,
    sqlalchemy_default,
    sqlalchemy_type,
)


@singledispatch
def read_operation(op: ops.MigrateOperation, dialect: Dialect) -> Iterator[Change]:  # noqa: ARG001
    """Yield what an operation does."""
    yield Unread(str(getattr(op, "table_name", "")), f"the operation {type(op).__name__} is not known")


@read_operation.register
def _(op: ops.AddColumnOp, dialect: Dialect) -> Iterator[Change]:
    yield from added(op.table_name, sqlalchemy_column(op.column, dialect))


@read_operation.register
def _(op: ops.DropColumnOp, dialect: Dialect) -> Iterator[Change]:  # noqa: ARG001
    yield changes.DropColumn(op.table_name, op.column_name)


@read_operation.register
def _(op: ops.AlterColumnOp, dialect: Dialect) -> Iterator[Change]:
    if op.modify_name is not None and op.modify_name != op.column_name:
        yield changes.RenameColumn(op.table_name, op.column_name, op.modify_name)
    default = op.modify_server_default
    yield changes.AlterColumn(
        op.table_name,
        op.column_name,
        type=None if op.modify_type is None else sqlalchemy_type(op.modify_type, dialect),
        nullable=op.modify_nullable,
        default=None if default is False else sqlalchemy_default(default, dialect),
        old_type=None if op.existing_type is None else sqlalchemy_type(op.existing_type, dialect),
        old_nullable=op.existing_nullable,
    )


@read_operation.register
def _(op: ops.CreateIndexOp, dialect: Dialect) -> Iterator[Change]:  # noqa: ARG001
    whole = not (op.kw.get("mysql_length") or op.kw.get("mariadb_length"))
    columns = tuple(_column_name(part) if whole else None for part in op.columns)
    kind = str(op.kw.get("mysql_prefix") or op.kw.get("mariadb_prefix") or "").lower()
    yield changes.AddIndex(op.table_name, str(op.index_name), columns, bool(op.unique), kind)


@read_operation.register
def _(op: ops.DropIndexOp, dialect: Dialect) -> Iterator[Change]:  # noqa: ARG001
    yield changes.DropIndex(op.table_name or "", str(op.index_name))


@read_operation.register
def _(op: ops.CreateUniqueConstraintOp, dialect: Dialect) -> Iterator[Change]:  # noqa: ARG001
    columns = tuple(_column_name(part) for part in op.columns)
    yield changes.AddIndex(op.table_name, str(op.constraint_name), columns, unique=True)


@read_operation.register
def _(op: ops.CreateForeignKeyOp, dialect: Dialect) -> Iterator[Change]:  # noqa: ARG001
    yield changes.AddForeignKey(op.source_table, op.referent_table)


@read_operation.register
def _(op: ops.CreateCheckConstraintOp, dialect: Dialect) -> Iterator[Change]:  # noqa: ARG001
    yield changes.AddCheck(op.table_name)


@read_operation.register
def _(op: ops.CreatePrimaryKeyOp, dialect: Dialect) -> Iterator[Change]:  # noqa: ARG001
    yield changes.AddPrimaryKey(op.table_name, tuple(op.columns))


@read_operation.register
def _(op: ops.DropConstraintOp, dialect: Dialect) -> Iterator[Change]:  # noqa: ARG001
    if op.constraint_type == "primary":
        yield changes.DropPrimaryKey(op.table_name)
    elif op.constraint_type == "unique":
        yield changes.DropIndex(op.table_name, str(op.constraint_name))
    elif op.constraint_type in ("foreignkey", "check"):
        yield changes.Harmless(op.table_name, f"DROP {op.constraint_type}")
    else:
        yield changes.DropConstraint(op.table_name, str(op.constraint_name))


@read_operation.register
def _(op: ops.CreateTableOp, dialect: Dialect) -> Iterator[Change]:
    columns = tuple(
        sqlalchemy_column(part, dialect) for part in op.columns if isinstance(part, SqlalchemyColumn)
    )
    rules = [part for part in op.columns if isinstance(part, Constraint)]
    keys = [_referred(rule) for rule in rules if isinstance(rule, ForeignKeyConstraint)]
    keys += [made.references for made in columns if made.references is not None]
    prefix = "mariadb_engine" if dialect is Dialect.MARIADB and "mariadb_engine" in op.kw else "mysql_engine"
    yield changes.CreateTable(
        op.table_name,
        columns,
        primary=any(made.primary for made in columns)
        or any(isinstance(rule, PrimaryKeyConstraint) for rule in rules),
        foreign_keys=tuple(keys),
        engine=op.kw.get(prefix),
    )


@read_operation.register
def _(op: ops.DropTableOp, dialect: Dialect) -> Iterator[Change]:  # noqa: ARG001
    yield changes.DropTable(op.table_name)


@read_operation.register
def _(op: ops.RenameTableOp, dialect: Dialect) -> Iterator[Change]:  # noqa: ARG001
    yield changes.RenameTable(op.table_name, op.new_table_name)


@read_operation.register(ops.CreateTableCommentOp)
@read_operation.register(ops.DropTableCommentOp)
def _(op: ops.CreateTableCommentOp | ops.DropTableCommentOp, dialect: Dialect) -> Iterator[Change]:  # noqa: ARG001
    yield changes.Harmless(op.table_name, "COMMENT")


@read_operation.register
def _(op: ops.BulkInsertOp, dialect: Dialect) -> Iterator[Change]:  # noqa: ARG001
    yield changes.Write(op.table.name, "INSERT", given=True)


def _column_name(part: object) -> str | None:
    return part if isinstance(part, str) else None


def _referred(rule: ForeignKeyConstraint) -> str:
    return next((referred(key) for key in rule.elements), "")
