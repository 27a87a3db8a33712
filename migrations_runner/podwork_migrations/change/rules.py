"""Documentation as a table: the kind of an operation, and the way that it goes.

Owns: `Rules`, `way_of`, `costs_an_index`, `new_index`. Leaves to others: the tables (`mariadb`, `mysql`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from alembic.operations import ops

from podwork_migrations.change.routes import Way

Rules = Mapping[type[ops.MigrateOperation], Way | Callable[[Any], Way]]
"""A way, or what it depends on."""


def way_of(op: ops.MigrateOperation, rules: Rules) -> Way:
    """Return the way of an operation; what is not in the table goes the dearest."""
    rule = rules.get(type(op), Way.BLOCKING)
    return rule if isinstance(rule, Way) else rule(op)


def costs_an_index(op: ops.AddColumnOp) -> bool:
    """Whether a new column comes with an index."""
    return bool(op.column.index or op.column.unique or op.column.foreign_keys)


def new_index(op: ops.CreateIndexOp | ops.CreateUniqueConstraintOp) -> Way:
    """Return the way of a new index: FULLTEXT and SPATIAL ones are built with writers waiting."""
    is_special = any(name.endswith("_prefix") and value for name, value in op.kw.items())
    return Way.BLOCKING if is_special else Way.INDEX
