"""Backfills over whole pods, as a moving shop finds them on either pod.

Owns: `PodRuns` (which runs stand in a move's way), `backfills` and `lock_batches`. A run over a pod has no
shop and passes no fence: a shop is cut out of it before it moves (`debts`). Promises: a run that cannot leave
out shops is named before anything is changed; whoever has `lock_batches` behind him waits for no batch of the
pod's runs any more, and none begins before his transaction ends. Leaves to others: what is owed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from sqlalchemy import Connection, Engine, select

from podwork.iteration.states import RunState
from podwork_pods.engines import reader
from podwork_pods.iteration.left_out import OWN_JOBS
from podwork_pods.iteration.partition import COLUMNS, Partition
from podwork_pods.iteration.partition import read as read_partition
from podwork_pods.iteration.run import Run
from podwork_pods.iteration.run import read as read_run
from podwork_pods.iteration.schema import partitions, runs
from podwork_pods.mover.passage import Passage

GIVEN_UP = frozenset({RunState.CANCELLED, RunState.CANCELLING})
"""Nothing is owed of a run that a person has ended."""


class PodRuns:
    """The runs over both pods of a leg. `engine` gives a pod's."""

    def __init__(self, passage: Passage, engine: Callable[[int], Engine]) -> None:
        self._passage = passage
        self._engine = engine

    def in_the_way(self) -> list[str]:
        """Name the runs over a whole pod for which the move has to wait, on either pod, for people."""
        found: list[dict[str, Run]] = []
        for pod_id in (self._passage.source, self._passage.target):
            with reader(self._engine(pod_id)).connect() as connection:
                found.append(backfills(connection))
                others = [run for run in all_runs(connection) if run.job_class.startswith(OWN_JOBS)]
                found[-1] |= {run.id: run for run in others if not run.state.is_over}
        return list(in_the_way(*found))


def in_the_way(here: Mapping[str, Run], there: Mapping[str, Run]) -> Iterator[str]:
    """Name those of these backfills from which a shop cannot be cut out when it goes from here to there."""
    for which in here.keys() | there.keys():
        mine, theirs = here.get(which), there.get(which)
        for run in (mine, theirs):
            if run is not None and not run.leaves_out and run.state is not RunState.SUCCEEDED:
                yield (
                    f"run {run.id} of {run.job_class} works over all of pod {run.pod_id} ({run.state}), and "
                    "no shop can be left out of it - let it end, or cancel it"
                )
        if mine is None and theirs is not None and is_owed_there(theirs) and not theirs.leaves_out:
            yield (
                f"pod {theirs.pod_id} has had the backfill {which} of {theirs.job_class}, the shop's pod has "
                "not, and no shop can be left out of it - let it run there first"
            )


def is_owed_there(theirs: Run) -> bool:
    """Whether a shop that comes from a pod without this backfill owes all of it.

    What has ended there, and was never meant for other pods, was that pod's own affair.
    """
    return theirs.group_id is not None or theirs.state is not RunState.SUCCEEDED


def all_runs(connection: Connection) -> list[Run]:
    """Return the runs over the whole pod but those that were cancelled, the earliest first."""
    query = select(runs).where(runs.c.shop_id.is_(None), runs.c.state != RunState.CANCELLED)
    return [read_run(row) for row in connection.execute(query.order_by(runs.c.created, runs.c.id))]


def backfills(connection: Connection) -> dict[str, Run]:
    """Return the latest run over the pod of each backfill, unless a person has ended it."""
    return {
        run.backfill: run
        for run in all_runs(connection)
        if run.state not in GIVEN_UP and not run.job_class.startswith(OWN_JOBS)
    }


def lock_batches(connection: Connection) -> dict[str, Sequence[Partition]]:
    """Wait for the batches of the pod's runs, and let none begin; return their partitions, by run.

    The caller has locked the standstill's row, so that no run is made meanwhile.
    """
    locked: dict[str, Sequence[Partition]] = {}
    for run in all_runs(connection):
        if run.state is RunState.SUCCEEDED:
            continue
        query = select(*COLUMNS).where(partitions.c.run_id == run.id).order_by(partitions.c.number)
        found = connection.execute(query.with_for_update()).all()
        # Then the run's row, in the order of all these locks: without partitions it is cut under that lock.
        connection.execute(select(runs.c.id).where(runs.c.id == run.id).with_for_update())
        if not found:
            found = connection.execute(query.with_for_update()).all()
        locked[run.id] = [read_partition(row) for row in found]
    return locked
