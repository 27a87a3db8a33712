"""The way back: the old table takes its place again, with all that was written meanwhile.

Owns: `start_back`, `both_ways`, `check`, `swap_back`, `of_nothing`. Promises: it is gone only if the old
table took all that was written since the cut-over: no fault, the triggers as they were made, and equal rows
in one snapshot. What the change has dropped comes back, for rows that are older than the cut-over. Leaves to
others: purging the other one (`hold`).
"""

from __future__ import annotations

from podwork_migrations.applying import Progress
from podwork_migrations.copy.build import Changed, are_there, between, reverse
from podwork_migrations.copy.cutover import change_places
from podwork_migrations.copy.job import COMPARE
from podwork_migrations.copy.journal import TABLE, Journal
from podwork_migrations.copy.names import quoted
from podwork_migrations.copy.runs import new_run_id
from podwork_migrations.ledger.entry import Artefact


def of_nothing(journal: Journal) -> Progress:
    """Go back from where nothing of the copy is left: it was not begun, was given up, is back, or is done."""
    stage = journal.work.entry.stage
    if stage == "done":  # it died before that was written down: the way back is a change of its own
        journal.work.record(stage="", route="", statement="", change="")
        return Progress("")
    return Progress(stage if stage == "back_done" else "aborted", done=True)


def start_back(journal: Journal) -> None:
    """See whether the way back is open. Raises MigrationFailed."""
    check(journal)
    journal.note("back_comparing", run_ids=(new_run_id(journal.work, COMPARE),))


def both_ways(journal: Journal) -> Changed:
    """Return the old table and the new one."""
    return between(journal, journal.names.old, journal.table)


def check(journal: Journal) -> None:
    """Pass if the old table is in step. Raises MigrationFailed."""
    names = journal.names
    if faults := journal.faults(names.old):
        said = "; ".join(map(str, faults))
        raise journal.failed(f"the way back is closed: the old table could not take what was written: {said}")
    mirror = reverse(journal, both_ways(journal))
    with journal.work.turn.looking() as connection:
        if not are_there(connection, mirror, names.reverse):
            raise journal.failed("the way back is closed: a trigger is gone that kept the old table in step")


def swap_back(journal: Journal) -> None:
    """Let the old table take its place again. Raises LockBusy, MigrationFailed."""
    names, table = journal.names, journal.table
    if not journal.has_made(TABLE, names.copy):
        journal.note("back_swapping", add=(Artefact(TABLE, names.copy),))
    if not journal.exists(names.copy):
        check(journal)
        change_places(journal, "swap_back", names.copy, names.old)
    elif not journal.exists(table):  # a server without atomic RENAME was killed in the middle of it
        journal.ddl("swap_back", f"RENAME TABLE {quoted(names.old)} TO {quoted(table)}", names.old)
    if faults := journal.faults(names.old):  # written between the look and the RENAME
        said = "; ".join(map(str, faults))
        raise journal.failed(
            f"the old table has its place again without what was written in the last moment: {said}. "
            f"{names.copy} has it and is kept: write it into {table}, empty {names.faults} and retry"
        )
    journal.note("purging", remove=(Artefact(TABLE, names.old),), run_ids=())
