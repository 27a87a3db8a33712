"""What MySQL can do with a change of a table: how it is asked, and what its documentation says.

Owns: `ladder`, `way_by_rules`, `refine`. No MySQL ran here: all of this is from the manual ("Online DDL
Operations", 8.0 and 8.4). MySQL is asked as MariaDB is. It calls in place what reads no row and what
rebuilds the table alike, so an answer of that kind is refined by the manual's table. INSTANT is left out
for added and dropped columns from 8.0.29 to 8.0.31, whose redo log could be damaged by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from alembic.operations import ops
from sqlalchemy import String

from podwork_migrations.change.routes import Way
from podwork_migrations.change.rules import Rules, costs_an_index, new_index, way_of

_RUNGS: Final = (
    (Way.INSTANT, "ALGORITHM=INSTANT"),  # with no LOCK clause: MySQL allows none but DEFAULT
    (Way.REBUILD, "ALGORITHM=INPLACE, LOCK=NONE"),
    (Way.BLOCKING, "ALGORITHM=COPY"),
)
_NO_INSTANT: Final = ((8, 0, 29), (8, 0, 31))
_LENGTH_BYTE_ENDS = 255
_BYTES_PER_CHARACTER = 4


def ladder(version: Sequence[object], operations: Sequence[ops.MigrateOperation]) -> list[tuple[Way, str]]:
    """Return the ways to ask for, from the cheapest, and what the statement then ends with."""
    first, last = _NO_INSTANT
    unsafe = first <= tuple(version[:3]) <= last and any(
        isinstance(op, ops.AddColumnOp | ops.DropColumnOp | ops.ExecuteSQLOp) for op in operations
    )
    return [rung for rung in _RUNGS if not (unsafe and rung[0] is Way.INSTANT)]


def refine(way: Way, operations: Sequence[ops.MigrateOperation]) -> Way:
    """Return what in place means for these operations."""
    if way is not Way.REBUILD:
        return way
    ways = [way_by_rules(op) for op in operations]
    order = list(Way)
    found = max(ways, key=order.index) if ways else way
    return found if found in (Way.METADATA, Way.INDEX) else way


def way_by_rules(op: ops.MigrateOperation) -> Way:
    """Return the way of an operation by the manual, the dearer one where it depends."""
    return way_of(op, _RULES)


def _new_column(op: ops.AddColumnOp) -> Way:
    if op.column.computed is not None:
        return Way.BLOCKING if op.column.computed.persisted else Way.INSTANT
    if op.column.autoincrement is True:
        return Way.BLOCKING
    return Way.INDEX if costs_an_index(op) else Way.INSTANT


def _changed_column(op: ops.AlterColumnOp) -> Way:
    if op.modify_type is not None:
        longer = isinstance(op.modify_type, String) and isinstance(op.existing_type, String)
        return Way.METADATA if longer and _grows_within_its_length_bytes(op) else Way.BLOCKING
    return Way.REBUILD if op.modify_nullable is not None else Way.INSTANT


def _dropped_constraint(op: ops.DropConstraintOp) -> Way:
    return Way.BLOCKING if op.constraint_type == "primary" else Way.METADATA


def _grows_within_its_length_bytes(op: ops.AlterColumnOp) -> bool:
    old, new = getattr(op.existing_type, "length", None), getattr(op.modify_type, "length", None)
    if old is None or new is None or new < old:
        return False
    # A character has one to four bytes; on the safe side both ways.
    return bool(old > _LENGTH_BYTE_ENDS or new * _BYTES_PER_CHARACTER <= _LENGTH_BYTE_ENDS)


_RULES: Final[Rules] = {
    ops.AddColumnOp: _new_column,
    ops.DropColumnOp: Way.INSTANT,  # from 8.0.29 on
    ops.AlterColumnOp: _changed_column,
    ops.CreateTableCommentOp: Way.METADATA,
    ops.DropTableCommentOp: Way.METADATA,
    ops.CreateIndexOp: new_index,
    ops.CreateUniqueConstraintOp: new_index,
    ops.DropIndexOp: Way.METADATA,
    ops.CreateForeignKeyOp: Way.INDEX,  # unchecked; metadata if the index that it needs is there
    ops.CreateCheckConstraintOp: Way.BLOCKING,
    ops.CreatePrimaryKeyOp: Way.REBUILD,
    ops.DropConstraintOp: _dropped_constraint,
}
