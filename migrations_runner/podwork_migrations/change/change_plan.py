"""How a schema migration is done on a shard, as it stands in the ledger.

Owns: `ChangePlan`. Promises: all that is needed to go on after a crash is in it; nothing is planned again
once a statement may have been run. Leaves to others: making it (`planning`), doing it (`applier`,
`batch_applier`).
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from podwork_migrations.change.routes import Route


class ChangePlan(msgspec.Struct, frozen=True):
    """A plan.

    Attributes:
        statement: what is run; on SQLite several, with `;` and a line's end between them.
        table: that is changed; None: several, on SQLite. direction: `up` or `down`.
        route: see `Route`. reason: why this one, for people.
        tables: whose form tells whether it was done. before, after: fingerprints of these tables.
        after_schema: what `after` is of, as `Schema.encode` writes it, to say what differs.
        session: variables of the session while the statement is run.
        waits_for: tables whose writers have to have come to an end before the orphans are looked for.
        orphans: a query that must give no row afterwards. undo: what is run if it gives one.
        deadline_seconds: the server ends the statement after so long; 0: never.
    """

    statement: str
    table: str | None
    route: Route
    reason: str
    direction: str = "up"
    tables: tuple[str, ...] = ()
    before: str = ""
    after: str = ""
    after_schema: str = ""
    session: Mapping[str, int] = {}
    waits_for: tuple[str, ...] = ()
    orphans: str = ""
    undo: str = ""
    deadline_seconds: int = 0

    def encode(self) -> str:
        """Return it as JSON, for the ledger."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def decode(cls, text: str) -> ChangePlan:
        """Return what `encode` wrote down."""
        return msgspec.json.decode(text, type=cls)
