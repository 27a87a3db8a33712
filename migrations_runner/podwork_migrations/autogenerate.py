"""Migrations that lead from a shard's schema to the application's metadata.

Owns: `autogenerate`, `Draft`. Promises: a draft for each change, because a migration is one statement: a
new table with its indexes is one, every other operation one of its own, in an order in which they can run.
podwork's own tables are not looked at. Leaves to others: Alembic compares and renders; what it cannot see
(renamed columns and tables look like a drop and an add) is the author's to mend; writing files (`writing`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from alembic.autogenerate import produce_migrations
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import render_op_text
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData

from podwork_migrations.change.rendering import table_of
from podwork_migrations.fingerprint.canonical import is_own


@dataclass(frozen=True)
class Draft:
    """A migration that somebody should read before it is kept.

    Attributes:
        name: for its file: `add_column_orders_status`. summary: for its docstring.
        up, down: the lines of its functions, not indented. imports: what they need besides `sa`.
    """

    name: str
    summary: str
    up: str
    down: str
    imports: tuple[str, ...] = ()


def autogenerate(metadata: MetaData | Sequence[MetaData], connection: Connection) -> list[Draft]:
    """Return what leads from the connection's schema to the metadata; nothing if they are the same."""
    options: dict[str, Any] = {
        "target_metadata": metadata,
        "compare_type": True,
        "compare_server_default": True,
        "include_name": lambda name, kind, _parents: not (kind == "table" and is_own(name or "")),
        "include_object": lambda _object, name, kind, *_: not (kind == "table" and is_own(name or "")),
        "alembic_module_prefix": "op.",
        "sqlalchemy_module_prefix": "sa.",
        "user_module_prefix": None,
        "render_as_batch": False,
        "render_item": None,
    }
    context = MigrationContext.configure(connection, opts=options)
    given: Any = metadata
    found = produce_migrations(context, given).upgrade_ops
    assert found is not None
    return [_draft(context, group) for group in _groups(list(_flat(found.ops)))]


def _flat(found: Sequence[ops.MigrateOperation]) -> Iterator[ops.MigrateOperation]:
    for op in found:
        if isinstance(op, ops.OpContainer):
            yield from _flat(op.ops)
        else:
            yield op


def _groups(found: list[ops.MigrateOperation]) -> list[list[ops.MigrateOperation]]:
    """Put the indexes of a table that comes or goes to it; its own operation stands first."""
    whole = [op for op in found if isinstance(op, ops.CreateTableOp | ops.DropTableOp)]
    tables: dict[str | None, list[ops.MigrateOperation]] = {table_of(op): [op] for op in whole}
    groups: list[list[ops.MigrateOperation]] = []
    for op in found:
        if op in whole:
            groups.append(tables[table_of(op)])
        elif isinstance(op, ops.CreateIndexOp | ops.DropIndexOp) and table_of(op) in tables:
            tables[table_of(op)].append(op)
        else:
            groups.append([op])
    return groups


def _draft(context: MigrationContext, group: list[ops.MigrateOperation]) -> Draft:
    first = group[0]
    rendering = AutogenContext(context)
    there = group[:1] if isinstance(first, ops.DropTableOp) else group
    back = [op.reverse() for op in (group[:1] if isinstance(first, ops.CreateTableOp) else group)]
    verb, what = _words(first)
    return Draft(
        "_".join([*verb.split(), *what.replace(".", "_").split()]).lower(),
        f"{verb.capitalize()} {what}.",
        "\n".join(render_op_text(rendering, op) for op in there),
        "\n".join(render_op_text(rendering, op) for op in back),
        tuple(sorted(rendering.imports)),
    )


_VERBS: Final[tuple[tuple[type[ops.MigrateOperation], str], ...]] = (
    (ops.AddColumnOp, "add column"),
    (ops.DropColumnOp, "drop column"),
    (ops.AlterColumnOp, "change column"),
    (ops.CreateIndexOp, "add index"),
    (ops.DropIndexOp, "drop index"),
    (ops.AddConstraintOp, "add constraint"),
    (ops.DropConstraintOp, "drop constraint"),
    (ops.CreateTableOp, "create table"),
    (ops.DropTableOp, "drop table"),
)


def _words(op: ops.MigrateOperation) -> tuple[str, str]:
    """Return the operation's verb and object: (`add column`, `orders.status`)."""
    verb = next((verb for kind, verb in _VERBS if isinstance(op, kind)), "change table")
    table = table_of(op) or ""
    column = op.column.name if isinstance(op, ops.AddColumnOp) else getattr(op, "column_name", None)
    if column is not None:
        return verb, f"{table}.{column}"
    return verb, str(getattr(op, "index_name", None) or getattr(op, "constraint_name", None) or table)
