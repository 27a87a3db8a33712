"""The cut-over: the copy takes the table's place, in one statement.

Owns: `settle`, `arm`, `objection`, `not_taken`, `swap`, `regret`, `where`. Promises: RENAME TABLE changes
both names at once, after every transaction that wrote to the table has ended, so that the copy has all that
was written; it is tried again and again with the lock budget, later and later, and after `TRIES` times a
person is asked. It is done only while the triggers are as they were made, no fault was written down, and the
table is the one that was copied. A fault that is written between that look and RENAME is seen after it, and
the table takes its place again (`regret`): the application keeps what it wrote, whatever the moment. An
answer that was lost is not guessed at: the names in the catalogue say whether it was done (`where`). Leaves
to others: what comes after (`hold`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from podwork_migrations.copy.build import (
    Changed,
    are_there,
    changed,
    forward,
    make_triggers,
    reverse,
    source_note,
)
from podwork_migrations.copy.doorway import writers_outside
from podwork_migrations.copy.journal import TABLE, TRIGGER, Journal
from podwork_migrations.copy.names import Event, quoted
from podwork_migrations.errors import LockBusy
from podwork_migrations.ledger.entry import Artefact

BACK_OFF_SECONDS: Final = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Before the second try, the third, and so on; then as the last."""
TRIES: Final = 30


class Where(StrEnum):
    """Which table has which name."""

    BEFORE = "before"
    AFTER = "after"
    BETWEEN = "between"
    """A server without atomic RENAME was killed in the middle of it: the table's name is free."""


def settle(journal: Journal) -> None:
    """Let the copy count on from where the table is, and know its own statistics."""
    both = changed(journal)
    if (both.copy.next_number or 0) < (both.table.next_number or 0):
        number = f"ALTER TABLE {quoted(both.copy.name)} AUTO_INCREMENT = {both.table.next_number}"
        journal.ddl("count_on", number, both.copy.name)
    journal.work.turn.ddl(f"ANALYZE TABLE {quoted(both.copy.name)}")


def arm(journal: Journal) -> None:
    """Make the triggers for the way back on the copy: from the first write after the cut-over they work.

    For a table that is not kept too: the way back from the last moment needs them.
    """
    names = journal.names
    if not journal.has_made(TRIGGER, names.reverse(Event.DELETE)):
        journal.note("arming", add=tuple(Artefact(TRIGGER, names.reverse(event)) for event in Event))
    make_triggers(journal, reverse(journal, changed(journal)), names.reverse)
    journal.note("swapping", add=(Artefact(TABLE, names.old),))


def objection(journal: Journal, both: Changed) -> str | None:
    """Return why the copy must not take the table's place, or None."""
    if source_note(journal, both.table) != journal.source:
        return f"{both.table.name} was changed or emptied by somebody else since the copy began"
    if (why := not_taken(journal)) is not None:
        return why
    with journal.work.turn.looking() as connection:
        if not are_there(connection, forward(journal, both), journal.names.forward):
            return "a trigger is gone or was changed: what was written since then is not in the copy"
    return None


def not_taken(journal: Journal) -> str | None:
    """Return what the triggers wrote down that the copy could not take, or None."""
    if faults := journal.faults(journal.names.copy):
        return f"the copy could not take what was written: {'; '.join(map(str, faults))}"
    return None


def where(journal: Journal) -> Where:
    """Return how far a cut-over has come, by the names that there are."""
    names = journal.names
    if not (journal.has_made(TABLE, names.old) and journal.exists(names.old)):
        return Where.BEFORE
    if journal.exists(journal.table):
        return Where.AFTER
    return Where.BETWEEN


def change_places(journal: Journal, what: str, old: str, new: str) -> None:
    """Give the table the name `old`, and the table `new` the table's name. Raises LockBusy."""
    table = journal.table
    rename = f"RENAME TABLE {quoted(table)} TO {quoted(old)}, {quoted(new)} TO {quoted(table)}"
    if not journal.waits:
        journal.ddl(what, rename, table)
        return
    first_seconds = max(1, journal.budget_seconds // 2)
    with writers_outside(journal, table, first_seconds):
        journal.ddl(what, rename, table, max(1, journal.budget_seconds - first_seconds))


def swap(journal: Journal) -> float | None:
    """Let the copy take the table's place; return None, or how long to wait before it is tried again.

    Raises LockBusy: it was tried so often that a person should look.
    """
    names, table, entry = journal.names, journal.table, journal.work.entry
    place = where(journal)
    if place is Where.BETWEEN:
        journal.ddl("swap_back", f"RENAME TABLE {quoted(names.old)} TO {quoted(table)}", names.old)
    if place is Where.AFTER:
        return None
    try:
        change_places(journal, "swap", names.old, names.copy)
    except LockBusy as busy:
        tries = entry.cutover_attempts + 1
        journal.work.record(cutover_attempts=tries, throttle_reason=busy.what)
        if tries % TRIES == 0:
            raise
        return BACK_OFF_SECONDS[min(tries, len(BACK_OFF_SECONDS)) - 1]
    return None


def regret(journal: Journal) -> str | None:
    """After the cut-over: give the table its place again if the copy had not taken all; return why.

    RENAME has waited for all who wrote to the table, so what they wrote down as faults is there; what was
    written since is in the table too, by the triggers for the way back.

    Raises LockBusy. Raises MigrationFailed: neither of the two has all, both are kept for a person.
    """
    names = journal.names
    if (why := not_taken(journal)) is None:
        return None
    if since := journal.faults(names.old):
        raise journal.failed(
            f"{why}; and what was written since, {names.old} could not take: {'; '.join(map(str, since))}. "
            f"Write both into {journal.table}, empty {names.faults} and retry"
        )
    change_places(journal, "swap_back", names.copy, names.old)
    return why
