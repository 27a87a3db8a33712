"""Locking a partition, and what whoever holds it need not read again in every batch.

Owns: `lock`, `Locked`, the statements, and what tells a lease from every other (`HELD`, `bound`). Promises:
in every batch the partition's lease and its state are looked at in its row; what else is remembered of it and
of its run is believed only while both rows have the revisions that it was read with: a partition's grows with
its lease, bounds and cursor, a run's with every state, setting and force. Attempts are counted by the holder
alone, who keeps the count. On MariaDB and MySQL the partition's row is locked, and no other. Leaves to
others: reading what the run was told (`runs`), what is done under the lock (`batch`, `partitions`).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, bindparam, literal_column, select, update

from podwork_pods.iteration.errors import PartitionLost
from podwork_pods.iteration.partition import COLUMNS, Partition, PartitionState, read
from podwork_pods.iteration.prepared import Prepared
from podwork_pods.iteration.schema import left_out, partitions, runs

_COLUMN: Final = partitions.c
THIS: Final = (_COLUMN.run_id == bindparam("of_run"), _COLUMN.number == bindparam("of_number"))
HELD: Final = (
    *THIS,
    _COLUMN.lease_epoch == bindparam("under_epoch"),
    _COLUMN.state == PartitionState.RUNNING,
)
"""Of a change: the partition, if it is held under this lease still."""
# The run's row is only read: batches of other partitions must not wait for this one. It hangs on the
# partition's, so that it is read after the wait for that one, and says what was committed meanwhile.
_TOLD: Final = select(runs.c.revision).where(runs.c.id == _COLUMN.run_id).correlate(partitions)
# Whether the run is one over the pod and any shop is left out by anybody: hardly ever, and then it is looked
# at closely (`left_out`). It hangs on the partition's row, too.
_LEAVES_OUT: Final = (
    select(literal_column("1"))
    .select_from(left_out.join(runs, runs.c.shop_id.is_(None)))
    .where(runs.c.id == _COLUMN.run_id)
    .correlate(partitions)
    .exists()
)
# What decides, and the revisions of the rest. Reading both rows whole, in every batch, costs a round trip
# more, and 30 columns that the driver takes apart one by one.
LOCK: Final = Prepared(
    select(
        _COLUMN.revision,
        _COLUMN.lease_epoch,
        _COLUMN.state,
        _TOLD.scalar_subquery().label("run_revision"),
        _LEAVES_OUT.label("leaves_out"),
    )
    .where(*THIS)
    .with_for_update()
)
# In most batches nothing is new, and then a statement that has no rows as its answer locks the row, too, for
# two thirds of what `LOCK` costs. It changes nothing, so that it is in no log.
_AS_REMEMBERED: Final = Prepared(
    update(partitions)
    .where(
        *HELD,
        _COLUMN.revision == bindparam("at_revision"),
        _TOLD.scalar_subquery() == bindparam("told_revision"),
        ~_LEAVES_OUT,
    )
    .values(revision=_COLUMN.revision)
)
READ: Final = select(*COLUMNS).where(*THIS)
_FORCED: Final = select(runs.c.forced).where(runs.c.id == bindparam("of_run"))


class Locked(NamedTuple):
    """A partition that a transaction holds, as it is, and the revision that its run had then.

    `leaves_out`: it is a run over the pod, and some run leaves out a shop.
    """

    partition: Partition
    run_revision: int
    leaves_out: bool


def lock(connection: Connection, partition: Partition, told_revision: int | None) -> Locked:
    """Hold a partition until the transaction ends; see `Partitions.lock_with_run`. Raises PartitionLost."""
    if told_revision is not None and _is_as_remembered(connection, partition, told_revision):
        return Locked(partition, told_revision, leaves_out=False)
    at = {"of_run": partition.run_id, "of_number": partition.number}
    found = LOCK.execute(connection, at).first()
    if found is None:
        raise lost(partition, "it does not exist any more")
    now = partition
    if found.revision != partition.revision:
        now = read(connection.execute(READ, at).one())
    if found.lease_epoch != partition.lease_epoch:
        raise lost(partition, f"{now.owner or 'somebody'} took it under {found.lease_epoch}")
    if found.state != PartitionState.RUNNING:
        raise lost(partition, f"it was given back and is {found.state}")
    if found.run_revision != told_revision:
        forced = connection.execute(_FORCED, at).scalar()
        if forced is None or now.lease_forced < forced:
            raise lost(partition, "the run was forced since")
    return Locked(now, found.run_revision, bool(found.leaves_out))


def bound(partition: Partition) -> dict[str, Any]:
    """Return the values of `HELD`."""
    return {
        "of_run": partition.run_id,
        "of_number": partition.number,
        "under_epoch": partition.lease_epoch,
    }


def _is_as_remembered(connection: Connection, partition: Partition, told_revision: int) -> bool:
    """Hold the partition; return whether neither it nor its run has changed, and no shop is left out."""
    known = {**bound(partition), "at_revision": partition.revision, "told_revision": told_revision}
    return _AS_REMEMBERED.execute(connection, known).rowcount == 1


def lost(partition: Partition, why: str) -> PartitionLost:
    """Return the error that says why a partition is not held any more."""
    return PartitionLost(partition.run_id, partition.number, partition.lease_epoch, why)
