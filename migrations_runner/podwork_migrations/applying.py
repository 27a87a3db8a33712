"""How a route goes on with a migration: the interface between the runner and those who know how.

Owns: the protocols `Applier` and `ChangePlan`, and `Work` and `Progress`, which pass between them. Promises:
what `Work.record` writes is written under the line's epoch; if the line was lost it raises `LineLost`, and
whoever has it goes on from what the ledger says. Leaves to others: the order of things (`runner.turn`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

from sqlalchemy import Connection

from podwork.settings import MigrationsSettings
from podwork_migrations.ledger.entry import Direction, Entry
from podwork_migrations.ledger.ledger import Ledger
from podwork_migrations.line import Turn
from podwork_migrations.migration import Migration
from podwork_pods.iteration.run import Run
from podwork_pods.iteration.shard import IterationShard


class ChangePlan(Protocol):
    """How a migration is done on a shard: the cheapest way that is safe there."""

    @property
    def statement(self) -> str:
        """What is run, in SQL; several statements stand apart by `;` and a line's end."""
        ...

    @property
    def table(self) -> str | None:
        """The table that is changed; None: several, or none."""
        ...

    @property
    def route(self) -> str:
        """The route, by its name in the ledger."""
        ...

    @property
    def reason(self) -> str:
        """Why this route, for people."""
        ...

    def encode(self) -> str:
        """Return it as text, kept as the entry's `change`: what the applier needs to know after a crash."""
        ...


class Progress(NamedTuple):
    """How far a bit of work has brought a migration.

    `stage`: the route's own word for where it stands, written into the ledger. `done`: it has ended.
    `wait_seconds`: before that nothing is to be tried. `note`: what it waits for, for people.
    """

    stage: str
    done: bool = False
    wait_seconds: float = 0.0
    note: str = ""
    rows_done: int | None = None
    rows_total: int | None = None


@dataclass
class Work:
    """What an applier is given; `entry` is what the ledger says now, and `record` brings both on."""

    turn: Turn
    ledger: Ledger
    entry: Entry
    migration: Migration
    shard: IterationShard
    push: Callable[[Run], object]
    settings: MigrationsSettings

    @property
    def direction(self) -> Direction:
        """Which way it goes."""
        return self.entry.direction

    def record(self, connection: Connection | None = None, **values: Any) -> Entry:
        """Write columns of the entry (see `Entry`) and return it as it is then.

        In the transaction of `connection`, which is one of `turn.step()`; without one in a transaction of its
        own. Written before what it says is done: after a crash it is all that is known.

        Raises:
            LineLost: somebody else has the line; nothing was written.
        """
        if connection is not None:
            self.entry = self.ledger.note(connection, self.entry, **values)
        else:
            with self.turn.step() as own:
                self.entry = self.ledger.note(own, self.entry, **values)
        return self.entry

    def step(self) -> AbstractContextManager[Connection]:
        """Open a transaction under the line's epoch."""
        return self.turn.step()


class Applier(Protocol):
    """A route: how a migration is brought on, up or down, bit by bit.

    The plan stands in `work.entry` (`route`, `statement`, `change`) before `advance` is first called.
    """

    def advance(self, work: Work) -> Progress:
        """Do one bounded bit, some seconds at most, and say how far it is; called again until done.

        After a crash it is called with what the ledger says, whatever happened since: it looks at the
        database before it does anything, and never runs a statement again that may have been run.

        Raises:
            LockBusy: a lock was not to be had; the runner tries again, later and later.
            LineLost: somebody else goes on.
            Exception: anything else fails the migration, and stops the line.
        """
        ...


@runtime_checkable
class Tidies(Protocol):
    """An applier that keeps something for the way back of what it has done."""

    def tidy(self, work: Work) -> Progress:
        """Clear away a bit of what was kept; called again until done, at any later time.

        `work.entry` is applied, or reverted, and stays so. When it is done, nothing of `artefacts` and
        `hold_until` is left. Raises as `Applier.advance` does; nothing fails for it: it is tried again.
        """
        ...


class Routes(Protocol):
    """Which way a migration goes, and who goes it."""

    def plan(self, connection: Connection, migration: Migration, direction: Direction) -> ChangePlan:
        """Return how the migration is done on this shard; `connection` is one of `Turn.looking`.

        Raises:
            MigrationFailed: there is no safe way.
        """
        ...

    def applier(self, route: str) -> Applier:
        """Return who goes the route. Raises MigrationFailed: nobody here does."""
        ...

    def clashes(
        self, connection: Connection, migration: Migration, direction: Direction, held: Entry
    ) -> bool:
        """Return whether the migration is about a table of which `held` keeps an old form."""
        ...

    def fingerprint(self, connection: Connection) -> str:
        """Return the fingerprint of the shard's schema; "" where nobody takes one."""
        ...
