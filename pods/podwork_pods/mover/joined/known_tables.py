"""The tables of a leg, as the shards of both pods have them, while rows are brought.

Owns: `KnownTables`. Promises: a table that changes during the move is found out before the switch: both
shards' catalogues are read before writes stand still, and under the fence their definitions again, whose
words are read far faster; if these differ, the catalogues decide. Leaves to others: what a table is
(`mover.tables`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Engine

from podwork_pods.mover.crossing import GivesUp
from podwork_pods.mover.tables.definitions import definitions
from podwork_pods.mover.tables.errors import TablesBlocked
from podwork_pods.mover.tables.table import MovedTable


class KnownTables:
    """Of one leg. `read`: reads from a shard's engine which tables have rows of shops."""

    def __init__(self, read: Callable[[Engine], Sequence[MovedTable]], here: Engine, there: Engine) -> None:
        self._read = read
        self._here = here
        self._there = there
        self._tables: Sequence[MovedTable] = ()
        self._defined: tuple[tuple[str, ...], ...] | None = None

    @property
    def are_read(self) -> bool:
        """Whether they have been read."""
        return bool(self._tables)

    def read(self) -> Sequence[MovedTable]:
        """Return the tables as the source has them; read once."""
        if not self._tables:
            self._tables = self._read(self._here)
        return self._tables

    def settle(self) -> None:
        """Compare both shards' with those of preflight, once; from then on their words are enough.

        Raises GivesUp: a table has changed.
        """
        if self._defined is None:
            self._defined = self._definitions()
            self._check()

    def check_under_fence(self) -> None:
        """Pass if nothing has changed since `settle`. Raises GivesUp."""
        if self._definitions() != self._defined:
            self._check()

    def _definitions(self) -> tuple[tuple[str, ...], ...]:
        found: list[tuple[str, ...]] = []
        for engine in (self._here, self._there):
            with engine.connect() as connection:
                found.append(definitions(connection, self.read()))
        return tuple(found)

    def _check(self) -> None:
        for engine, where in ((self._here, "source"), (self._there, "target")):
            try:
                found = tuple(self._read(engine))
            except TablesBlocked as error:
                raise GivesUp(f"at the {where}, since the move began: {error.what}") from error
            if found != tuple(self.read()):
                raise GivesUp(f"a table was changed at the {where} during the move")
