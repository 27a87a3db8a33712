"""One statement of a migration's operations.

Owns: `Alter`, `Create`, `Drop`, `Rename`, `one_change`. Promises: what one migration wants of MariaDB and
MySQL is one statement, because each is committed by itself: operations on one table become the clauses of
one ALTER TABLE, the indexes of a new table stand in its CREATE TABLE; what cannot be one is refused. Leaves
to others: SQLite, where all of a migration is one transaction.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from alembic.operations import ops
from sqlalchemy import Constraint, Index
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateIndex, CreateTable

from podwork_migrations.change.raw import NotOneStatement, raw_alter
from podwork_migrations.change.recording import Operation, context_for, dialect_for
from podwork_migrations.fingerprint.ddl import Writer

_INDEX = re.compile(r"CREATE (UNIQUE |FULLTEXT |SPATIAL |)INDEX ", re.DOTALL)


@dataclass(frozen=True)
class Clause:
    """What stands behind ALTER TABLE and the table's name, and the operation that wants it."""

    sql: str
    op: ops.MigrateOperation


@dataclass(frozen=True)
class Alter:
    """A change of one table."""

    table: str
    clauses: tuple[Clause, ...]

    def sql(self, *, table: str | None = None, algorithm: str = "") -> str:
        """Return the statement, for another table if one is named."""
        wanted = [clause.sql for clause in self.clauses] + ([algorithm] if algorithm else [])
        return f"ALTER TABLE {quoted(table or self.table)} {', '.join(wanted)}"

    def without_dropped_keys(self) -> Alter:
        """Return what an empty clone can do: it has no foreign keys that could be dropped."""
        return Alter(self.table, tuple(clause for clause in self.clauses if not drops_foreign_key(clause.op)))


@dataclass(frozen=True)
class Create:
    """A new table."""

    table: str
    op: ops.CreateTableOp
    indexes: tuple[ops.CreateIndexOp, ...] = ()

    def sql(self, *, table: str | None = None) -> str:
        """Return the statement, for another table if one is named."""
        made = self.op.to_table(context_for("mariadb"))
        if table is not None:
            made.name = cast(Any, table)
        dialect = dialect_for("mariadb")
        indexes = sorted(made.indexes, key=lambda index: str(index.name))
        for index in [*indexes, *(wanted.to_index(context_for("mariadb")) for wanted in self.indexes)]:
            made.append_constraint(_InTable(_index_clause(index, dialect)))
        return str(CreateTable(made).compile(dialect=dialect)).strip()


@dataclass(frozen=True)
class Drop:
    """A table's end."""

    table: str

    def sql(self) -> str:
        """Return the statement."""
        return f"DROP TABLE {quoted(self.table)}"


@dataclass(frozen=True)
class Rename:
    """Another name for a table."""

    table: str
    to: str

    def sql(self) -> str:
        """Return the statement."""
        return f"ALTER TABLE {quoted(self.table)} RENAME TO {quoted(self.to)}"


Change = Alter | Create | Drop | Rename


def one_change(operations: Sequence[Operation]) -> Change:
    """Return the one statement that the operations are, on MariaDB and MySQL.

    Raises:
        NotOneStatement: they are none, several, or something that is not looked into.
    """
    if not operations:
        raise NotOneStatement("it changes nothing")
    others = [schema for operation in operations if (schema := getattr(operation.op, "schema", None))]
    if others:
        raise NotOneStatement(f"it names another database, {others[0]}; a shard is one database")
    first, rest = operations[0].op, [operation.op for operation in operations[1:]]
    if isinstance(first, ops.CreateTableOp):
        indexes = [
            op for op in rest if isinstance(op, ops.CreateIndexOp) and op.table_name == first.table_name
        ]
        if len(indexes) != len(rest):
            raise NotOneStatement(
                "besides a new table and its indexes it wants more: make it a migration each"
            )
        return Create(first.table_name, first, tuple(indexes))
    if isinstance(first, ops.DropTableOp | ops.RenameTableOp):
        if rest:
            raise NotOneStatement(
                "besides dropping or renaming a table it wants more: make it a migration each"
            )
        if isinstance(first, ops.DropTableOp):
            return Drop(first.table_name)
        return Rename(first.table_name, first.new_table_name)
    return _alter(operations)


def _alter(operations: Sequence[Operation]) -> Alter:
    found = [pair for operation in operations for pair in _clauses(operation)]
    tables = {table for table, _ in found}
    if len(tables) != 1:
        raise NotOneStatement(
            f"it changes several tables: {', '.join(sorted(tables))}; make it a migration each"
        )
    return Alter(found[0][0], tuple(clause for _, clause in found))


def _clauses(operation: Operation) -> list[tuple[str, Clause]]:
    op = operation.op
    if isinstance(op, ops.ExecuteSQLOp):
        altered, sql = raw_alter(operation.sql)
        return [(altered, Clause(sql, op))]
    if isinstance(op, ops.BulkInsertOp | ops.CreateTableOp | ops.DropTableOp | ops.RenameTableOp):
        raise NotOneStatement(f"{type(op).__name__} does not go together with a change of a table")
    table = table_of(op)
    if table is None:
        raise NotOneStatement(f"{type(op).__name__} does not say which table: give table_name=")
    unnamed = isinstance(op, ops.AddConstraintOp) and op.to_constraint(context_for("mariadb")).name is None
    if unnamed or any(f"ALTER TABLE {_bare(table)} ADD FOREIGN KEY" in sql for sql in operation.sql):
        raise NotOneStatement("a constraint without a name: give it one, so that it is the same on every pod")
    return [(table, Clause(_clause(sql, table), op)) for sql in operation.sql]


def _clause(sql: str, table: str) -> str:
    """Return what stands behind the table's name; CREATE and DROP INDEX become clauses of ALTER TABLE."""
    name = _bare(table)
    if sql.startswith(f"ALTER TABLE {name} "):
        return sql.removeprefix(f"ALTER TABLE {name} ")
    head, _, tail = sql.partition(f" ON {name}")
    if head.startswith("DROP INDEX "):
        return head
    return _INDEX.sub(r"ADD \1INDEX ", head, count=1) + tail


def _bare(table: str) -> str:
    """Return the table's name as SQLAlchemy writes it: quoted only if it has to be."""
    return str(dialect_for("mariadb").identifier_preparer.quote(table))


def _index_clause(index: Index, dialect: Any) -> str:
    assert index.table is not None
    name = dialect.identifier_preparer.format_table(index.table)
    head, _, tail = str(CreateIndex(index).compile(dialect=dialect)).partition(f" ON {name}")
    return _INDEX.sub(r"\1INDEX ", head, count=1) + tail


class _InTable(Constraint):
    """An index within CREATE TABLE, for which SQLAlchemy has no words."""

    def __init__(self, sql: str) -> None:
        super().__init__()
        self.sql = sql


@compiles(_InTable)
def _write(element: _InTable, _compiler: object, **_options: object) -> str:
    return element.sql


def table_of(op: ops.MigrateOperation) -> str | None:
    """Return the table that an operation is about."""
    name = getattr(op, "source_table", None) or getattr(op, "table_name", None)
    return None if name is None else str(name)


def drops_foreign_key(op: ops.MigrateOperation) -> bool:
    """Whether the operation drops a foreign key."""
    return isinstance(op, ops.DropConstraintOp) and op.constraint_type == "foreignkey"


def quoted(name: str) -> str:
    """Return a table's name, quoted for MariaDB and MySQL."""
    return Writer("mariadb").name(name)
