"""What a pod's runs have not done of a shop that goes, made runs of the shop's own.

Owns: `Owing`. Promises: what is owed of a run is exactly what lies behind its cursors, and what stands in its
quarantine; of a run that has left the shop out from its first row on, and of a backfill that only the other
pod has begun, it is all. The shop's run has the class, the parameters and the pace of the run out of which it
was cut, and is paused if that one was. Leaves to others: the locks under which this is so (`debts`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, select

from podwork.identity import derived_job_id, pushed_at_seconds
from podwork.iteration.collection import Slice
from podwork.iteration.states import RunState
from podwork_pods.iteration.partition import Partition, PartitionState
from podwork_pods.iteration.run import NewRun, Run
from podwork_pods.iteration.schema import quarantined
from podwork_pods.iteration.shard import IterationShard
from podwork_pods.iteration.statements import cursor_of
from podwork_pods.mover.joined.pod_runs import is_owed_there
from podwork_pods.mover.passage import Passage

_RESTS = frozenset({RunState.PAUSED, RunState.PAUSING})


class Owing:
    """The debts of one shop on the pod where it lives, in a transaction that holds the runs' partitions.

    `locked`: these partitions, by run. `was_out`: the pod's runs that are not settled yet have left the shop
    out from their first row on.
    """

    def __init__(
        self,
        passage: Passage,
        shard: IterationShard,
        connection: Connection,
        locked: Mapping[str, Sequence[Partition]],
        *,
        was_out: bool,
    ) -> None:
        self._passage = passage
        self._shard = shard
        self._connection = connection
        self._locked = locked
        self._was_out = was_out

    def settle(self, mine: Mapping[str, Run], theirs: Mapping[str, Run], settled: set[str]) -> set[str]:
        """Make the shop's runs for backfills of this pod and of the other; return what is settled by that.

        Those in `settled` are passed over: what the shop owes of them is its own already.
        """
        done = set()
        for which in sorted((mine.keys() | theirs.keys()) - settled):
            if self._settle(mine.get(which), theirs.get(which)):
                done.add(which)
        return done

    def _settle(self, mine: Run | None, theirs: Run | None) -> bool:
        """Return whether the backfill is to leave the shop out for good."""
        model = mine or theirs
        assert model is not None
        if self._was_out:
            if not model.leaves_out:  # it waits while a shop is left out, and has done nothing yet
                return False
            self._make(model, ())
        elif mine is None:
            if is_owed_there(model):
                self._make(model, ())
        elif owed := self._owed(mine):
            self._make(mine, owed)
        return True

    def _owed(self, run: Run) -> list[Slice]:
        if not run.leaves_out:  # it has succeeded, or the move would not have come here
            return []
        parts = self._locked.get(run.id, ())
        rest = [
            part.slice if part.cursor is None else Slice(part.cursor, part.slice.upto)
            for part in parts
            if part.state is not PartitionState.DONE
        ]
        items = select(quarantined.c.after_cursor, quarantined.c.last_cursor).where(
            quarantined.c.run_id == run.id, quarantined.c.retried.is_(None)
        )
        return [
            *rest,
            *(Slice(cursor_of(after), cursor_of(last)) for after, last in self._connection.execute(items)),
        ]

    def _make(self, model: Run, ranges: Sequence[Slice]) -> None:
        """Make the shop's run with these ranges; without any it owes all, and cuts itself."""
        shop_id = self._passage.shop_id
        moment_ms = int(pushed_at_seconds(model.id) * 1000)
        origin = f"cut:{model.id}:{self._passage.move_id}:{self._passage.leg}:{self._passage.mover}"
        new = NewRun(
            derived_job_id(moment_ms, str(shop_id), origin),
            model.job_class,
            model.params,
            shop_id=shop_id,
            rows_per_second=model.rows_per_second,
            batch_most=model.batch_most,
            parallel=min(model.parallel, len(ranges) or model.parallel),
            group_id=model.group_id,
            created_by=model.created_by,
            cut_from=model.id,
        )
        run = self._shard.runs.create(self._connection, new, ranges)
        if model.state in _RESTS:
            self._shard.runs.transition(self._connection, run.id, RunState.PAUSED, reason=model.reason)
