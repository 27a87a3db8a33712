"""What an online copy writes down before it does it, and how it runs statements.

Owns: `Journal`, one bit's view of the ledger's entry and the catalogue. Promises: a name is in the ledger
before the thing is made, and leaves it after the thing is gone: after a crash the ledger names at least what
is there. What is not named there is never dropped. No statement waits for a lock longer than the budget.
Leaves to
others: in which order things are done (`applier`).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import cached_property
from typing import Any, Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from podwork.points import reach
from podwork_migrations.applying import Work
from podwork_migrations.change.blockers import blockers, spell
from podwork_migrations.change.change_plan import ChangePlan
from podwork_migrations.copy.names import Event, Names, quoted
from podwork_migrations.copy.statement import table_of
from podwork_migrations.copy.table import Form, exists, form_of, table_of_trigger
from podwork_migrations.errors import LockBusy, MigrationFailed
from podwork_migrations.ledger.entry import Direction
from podwork_pods.driver_errors import is_lock_timeout, is_missing_table
from podwork_pods.iteration.throttles.server_status import is_mariadb

ASKING_SECONDS: Final = 1.0
ASK_AGAIN_SECONDS: Final = (0.001, 0.008)
PATIENT_TRIES: Final = 5
"""So often it is enough that no moment was found; then a statement waits, within the budget."""
TABLE: Final = "table"
TRIGGER: Final = "trigger"
SOURCE: Final = "source"
"""Not a thing that was made: how the application's table was when the copy began."""


class Fault(NamedTuple):
    """What the copy could not take."""

    code: int
    message: str
    key: str

    def __str__(self) -> str:
        return f"{self.code}, {self.message} (key {self.key})"


class Journal:
    """Of one bit of work.

    Args:
        work: what the runner gave.
    """

    def __init__(self, work: Work) -> None:
        self.work = work
        self.names = Names(work.entry.version)

    @cached_property
    def table(self) -> str:
        """The application's table."""
        return table_of(self.work.entry.statement)

    # The ledger

    def note(self, stage: str, **columns: Any) -> None:
        """Write that the next stage begins; what it makes is given as `add`, what is gone as `remove`."""
        add, remove = columns.pop("add", ()), columns.pop("remove", ())
        gone = {(one.kind, one.name) for one in (*add, *remove)}
        kept = tuple(one for one in self.work.entry.artefacts if (one.kind, one.name) not in gone)
        reach(f"copy.note.{stage}")
        self.work.record(stage=stage, artefacts=(*kept, *add), **columns)
        reach(f"copy.noted.{stage}")

    def has_made(self, kind: str, name: str) -> bool:
        """Whether the ledger names it."""
        return any((one.kind, one.name) == (kind, name) for one in self.work.entry.artefacts)

    @property
    def source(self) -> str | None:
        """How the application's table was when the copy began; None: it was not begun."""
        found = [one.note for one in self.work.entry.artefacts if one.kind == SOURCE]
        return found[0] if found else None

    @property
    def goes_back(self) -> bool:
        """Whether what is to be taken back is this copy itself, not a change whose way back it is."""
        change = self.work.entry.change
        planned = Direction(ChangePlan.decode(change).direction) if change else Direction.UP
        return self.work.direction is Direction.DOWN and planned is Direction.UP

    @property
    def began(self) -> Direction | None:
        """The direction in which what stands in the ledger was made; None: nothing was."""
        return None if self.source is None else Direction(self.source.partition(" ")[0])

    def failed(self, why: str) -> MigrationFailed:
        """Return the error that ends the migration."""
        return MigrationFailed(self.work.entry.id, why)

    # The catalogue

    def form(self, name: str) -> Form | None:
        """Return a table's form; None: there is none such."""
        with self.work.turn.looking() as connection:
            return form_of(connection, name)

    def exists(self, name: str) -> bool:
        """Whether there is a table of that name."""
        with self.work.turn.looking() as connection:
            return exists(connection, name)

    def place_of(self, trigger: str) -> str | None:
        """Return the table on which a trigger is; None: there is no such trigger."""
        with self.work.turn.looking() as connection:
            return table_of_trigger(connection, trigger)

    def faults(self, target: str) -> list[Fault]:
        """Return some of what the triggers wrote down that a table could not take."""
        faults = quoted(self.names.faults)
        query = text(
            f"SELECT code, message, at_key FROM {faults} WHERE target = :target ORDER BY id LIMIT 3"  # noqa: S608
        )
        with self.work.turn.looking() as connection:
            try:
                rows = connection.execute(query, {"target": target}).all()
            except DBAPIError as error:
                if is_missing_table(error):
                    return []
                raise
        return [
            Fault(code, message, bytes(key or b"").decode(errors="replace")) for code, message, key in rows
        ]

    # Statements

    @property
    def budget_seconds(self) -> int:
        """How long a statement may wait for a lock; the server counts whole seconds."""
        return max(1, int(self.work.settings.lock_budget_seconds))

    def ddl(
        self, what: str, statement: str, table: str | None = None, wait_seconds: int | None = None
    ) -> None:
        """Run a statement that changes the schema, when there is a moment for it; see `at_once`.

        Args:
            what: names the point. statement: in SQL.
            table: whose lock it needs; None: the application's.
            wait_seconds: it waits so long for locks, and asks no other way.

        Raises LockBusy.
        """
        reach(f"copy.{what}")
        seconds = wait_seconds or self.budget_seconds
        is_done = wait_seconds is None and self.at_once(lambda: self._run(statement, 0))
        if not is_done and (wait_seconds or self.waits):
            is_done = self._run(statement, seconds)
        if not is_done:
            raise LockBusy(table or self.table, seconds, self.blockers_of(table or self.table))
        reach(f"copy.{what}.done")

    @property
    def waits(self) -> bool:
        """Whether it is time to wait for locks, because there was no moment without them."""
        tries = max(self.work.entry.tries, self.work.entry.cutover_attempts)
        return not self.can_ask or tries >= PATIENT_TRIES

    @cached_property
    def can_ask(self) -> bool:
        """Whether the server gives a lock at once or not at all; MySQL waits for a second at least."""
        with self.work.turn.looking() as connection:
            return is_mariadb(connection)

    def at_once(self, run: Callable[[], bool]) -> bool:
        """Try again and again, for about a second, what does not wait; return whether it was done.

        Whoever waits for a table makes all those wait that come later, and a transaction that has read the
        table and then writes to it would be ended with a deadlock. Between two statements there is often a
        moment.
        """
        if not self.can_ask:
            return False
        deadline = time.monotonic() + ASKING_SECONDS
        while True:
            if run():
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(random.uniform(*ASK_AGAIN_SECONDS))  # noqa: S311 - meets others at another moment

    def _run(self, statement: str, lock_wait_seconds: int) -> bool:
        turn = self.work.turn
        turn.set_session("lock_wait_timeout", lock_wait_seconds)
        try:
            turn.ddl(statement)
        except DBAPIError as error:
            if not is_lock_timeout(error):
                raise
            return False
        return True

    def drop_trigger(self, name: str) -> None:
        """Drop a trigger that the ledger names, if it is there."""
        assert self.has_made(TRIGGER, name), f"{name} is not ours"
        if (table := self.place_of(name)) is not None:
            self.ddl("drop_trigger", f"DROP TRIGGER IF EXISTS {quoted(name)}", table)

    def drop_table(self, name: str) -> None:
        """Drop a table that the ledger names, if it is there."""
        assert self.has_made(TABLE, name), f"{name} is not ours"
        if self.exists(name):
            self.ddl("drop_table", f"DROP TABLE IF EXISTS {quoted(name)}", name)

    def drop_triggers(self, named: Callable[[Event], str]) -> None:
        """Drop those of a direction that the ledger names."""
        for event in Event:
            if self.has_made(TRIGGER, named(event)):
                self.drop_trigger(named(event))

    def blockers_of(self, table: str) -> str:
        """Name who holds a lock on a table, for people."""
        with self.work.turn.looking() as connection:
            return spell(blockers(connection, table))
