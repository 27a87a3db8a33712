"""After the cut-over: the old table is kept for a while, then it goes.

Owns: `keep`, `purge`. Promises: as long as it is kept, triggers keep it in step with the new one, so that the
way back loses nothing (`revert`); what it could not take is a fault, which closes the way back and costs the
application nothing; its rows are deleted in batches before it is dropped. Leaves to others: when the time is
over (the runner).
"""

from __future__ import annotations

from collections.abc import Sequence

from podwork_migrations.copy.columns import readable_key
from podwork_migrations.copy.job import PURGE
from podwork_migrations.copy.journal import SOURCE, TABLE, Journal
from podwork_migrations.copy.names import Event
from podwork_migrations.copy.runs import RunStands, begin_run, look, new_run_id


def keep(journal: Journal) -> None:
    """Write down that the old table is kept, after taking away what kept the copy in step."""
    work, names = journal.work, journal.names
    journal.drop_triggers(names.forward)
    hours = work.migration.hold_hours
    until = work.shard.clock.now() + hours * 3600 if hours > 0 else None
    kept = {names.old, names.faults, *(names.reverse(event) for event in Event)}
    gone = tuple(one for one in work.entry.artefacts if one.name not in kept and one.kind != SOURCE)
    journal.note("held" if hours > 0 else "purging", remove=gone, hold_until=until, run_ids=())


def purge(journal: Journal, table: str) -> RunStands | None:
    """Delete the rows of a table that is not used any more, and drop it; None: all of it is gone."""
    work, names = journal.work, journal.names
    journal.drop_triggers(names.forward)
    journal.drop_triggers(names.reverse)
    if (form := journal.form(table)) is not None and journal.has_made(TABLE, table):
        stands = _emptied(journal, table, readable_key(form))
        if not stands.has_succeeded:
            return stands
        journal.drop_table(table)
    if journal.has_made(TABLE, names.faults):
        journal.drop_table(names.faults)
    journal.note("back_done" if journal.goes_back else "done", remove=work.entry.artefacts, hold_until=None)
    return None


def _emptied(journal: Journal, table: str, key: Sequence[str]) -> RunStands:
    work = journal.work
    if not work.entry.run_ids:
        journal.note("purging", run_ids=(new_run_id(work, PURGE),))
    [run_id] = work.entry.run_ids
    begin_run(work, run_id, PURGE, {"table": table, "key": list(key)})
    return look(work, run_id)
