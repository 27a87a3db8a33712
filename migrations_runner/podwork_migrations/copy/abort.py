"""Giving up a copy: whatever it had come to, nothing of it is left.

Owns: `give_up`, `clear`. Promises: triggers are dropped before the copy and the table of faults, so that no
statement of the application finds a table missing; a run that still works is ended first; only what the
ledger names is dropped. Leaves to others: why.
"""

from __future__ import annotations

from podwork_migrations.copy.journal import TABLE, Journal
from podwork_migrations.copy.runs import end_run


def give_up(journal: Journal, why: str) -> None:
    """Write down that and why the copy is given up."""
    journal.note("aborting", error=why)


def clear(journal: Journal) -> bool:
    """Take away what was made; return whether all of it is gone. Raises LockBusy."""
    work, names = journal.work, journal.names
    still = [run_id for run_id in work.entry.run_ids if not end_run(work, run_id)]
    if still:
        return False
    journal.drop_triggers(names.forward)
    journal.drop_triggers(names.reverse)
    # Never the old table: before the cut-over there is none, and after it this is not called.
    for name in (names.copy, names.faults):
        if journal.has_made(TABLE, name):
            journal.drop_table(name)
    journal.note(f"aborted.{work.entry.attempts}", remove=work.entry.artefacts)
    return True
