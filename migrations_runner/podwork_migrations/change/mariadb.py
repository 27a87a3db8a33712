"""What MariaDB can do with a change of a table: how it is asked, and what its documentation says.

Owns: `LADDER`, `way_by_rules`. MariaDB answers itself: on an empty table of the same form it refuses an
ALGORITHM that the change does not allow. The rules are for where nobody can be asked; they were compared
with the answers of MariaDB 10.11 (`tests/contract/test_migrations_routes.py`) and name the dearer way where
they cannot know.
"""

from __future__ import annotations

from typing import Final

from alembic.operations import ops

from podwork_migrations.change.routes import Way
from podwork_migrations.change.rules import Rules, costs_an_index, new_index, way_of

LADDER: Final = (
    (Way.INSTANT, "ALGORITHM=INSTANT"),
    (Way.INDEX, "ALGORITHM=NOCOPY, LOCK=NONE"),
    (Way.REBUILD, "ALGORITHM=INPLACE, LOCK=NONE"),
    (Way.BLOCKING, "ALGORITHM=COPY"),
)
"""From the cheapest: what it is called, and what the statement then ends with."""


def way_by_rules(op: ops.MigrateOperation) -> Way:
    """Return the way of an operation by MariaDB's documentation, the dearer one where it depends."""
    return way_of(op, _RULES)


def _new_column(op: ops.AddColumnOp) -> Way:
    if op.column.computed is not None:
        return Way.BLOCKING if op.column.computed.persisted else Way.INSTANT
    default = getattr(op.column.server_default, "arg", None)
    is_expression = default is not None and not isinstance(default, str)
    if is_expression and "(" in str(default) and "current_timestamp" not in str(default).lower():
        return Way.BLOCKING  # evaluated for every row
    return Way.INDEX if costs_an_index(op) else Way.INSTANT


def _changed_column(op: ops.AlterColumnOp) -> Way:
    if op.modify_type is not None:
        return Way.BLOCKING  # a longer VARCHAR and a further ENUM value may be instant: the server says so
    return Way.REBUILD if op.modify_nullable is not None else Way.INSTANT


def _dropped_constraint(op: ops.DropConstraintOp) -> Way:
    return {"unique": Way.METADATA, "primary": Way.BLOCKING}.get(op.constraint_type or "", Way.INSTANT)


_RULES: Final[Rules] = {
    ops.AddColumnOp: _new_column,
    ops.DropColumnOp: Way.INSTANT,
    ops.AlterColumnOp: _changed_column,
    ops.CreateTableCommentOp: Way.INSTANT,
    ops.DropTableCommentOp: Way.INSTANT,
    ops.CreateIndexOp: new_index,
    ops.CreateUniqueConstraintOp: new_index,
    ops.DropIndexOp: Way.METADATA,
    ops.CreateForeignKeyOp: Way.INDEX,  # instant if the index that it needs is there
    ops.CreateCheckConstraintOp: Way.BLOCKING,
    ops.CreatePrimaryKeyOp: Way.REBUILD,
    ops.DropConstraintOp: _dropped_constraint,
}
