"""Whether it can still be told which rows a backfill has had.

Owns: `lost_runs`. A shop that moves to a pod which stands elsewhere needs the backfills that its rows lack;
that is told by the ledger's entries, the runs that they name, and those runs' partitions. Promises: podwork
itself never deletes any of the three (a test looks), and what somebody else deleted is noticed. Leaves to
others: saying so (`podctl migrations status --pod`, moves).
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, or_, select

from podwork_migrations.ledger.entry import Entry
from podwork_pods.iteration.schema import partitions, runs


def lost_runs(connection: Connection, entries: Iterable[Entry]) -> list[str]:
    """Return the migrations that are done and of whose runs one, or all its partitions, are gone."""
    done = [entry for entry in entries if entry.state.counts_as_done and entry.run_ids]
    if not done:
        return []
    wanted = {run_id for entry in done for run_id in entry.run_ids}
    has_its_own = select(partitions.c.run_id).where(partitions.c.run_id == runs.c.id).exists()
    query = select(runs.c.id).where(runs.c.id.in_(wanted), or_(runs.c.partitions == 0, has_its_own))
    found = set(connection.execute(query).scalars())
    return [entry.id for entry in done if not found.issuperset(entry.run_ids)]
