"""What a migration would do, as the linter is given it.

Owns: the protocol `Recorded`, and `Recording`, its plainest form. Leaves to others: running `up` against
Alembic's operations without a database (`podwork_migrations.change.recording`), data migrations
(`recording_data`).
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from alembic.operations.ops import MigrateOperation


class Recorded(Protocol):
    """One operation of a migration: Alembic's object, and the statements it comes to, without `;`."""

    @property
    def op(self) -> MigrateOperation:
        """What was called, with its arguments."""
        ...

    @property
    def sql(self) -> tuple[str, ...]:
        """What would be sent; `add_column` with an index is two statements, for example."""
        ...


class Recording(NamedTuple):
    """A `Recorded` that holds both."""

    op: MigrateOperation
    sql: tuple[str, ...] = ()
