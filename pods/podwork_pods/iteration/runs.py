"""Runs in a pod's shard: how each stands, what it was told, and its one end.

Owns: `Runs` and its statements. Promises: a run is made once, whoever else makes it at the same time; a
change is made under the lock of the run's row, is one of the ways of `podwork.iteration.states`, and is part
of the caller's transaction, so that what a hook writes there is true if and only if the change is; `finish`
is true once. Leaves to others: when a state is right (the loop), and who holds what of a run (`partitions`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, and_, bindparam, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from podwork.errors import RunConflict
from podwork.interfaces import Clock, SystemClock
from podwork.iteration import states
from podwork.iteration.collection import Slice
from podwork.iteration.states import RunState
from podwork.points import reach
from podwork_pods import standstill
from podwork_pods.iteration.errors import InvalidRunSetting, UnknownRun
from podwork_pods.iteration.partition import PartitionState, new_row
from podwork_pods.iteration.run import NewRun, Orders, Run, entering
from podwork_pods.iteration.run import read as _run
from podwork_pods.iteration.schema import NAME_CHARACTERS, partitions, runs
from podwork_pods.iteration.statements import Statements, shortened, unprepared

_READ_AGAIN = "nothing was changed; read it again"

_encode = msgspec.json.Encoder().encode

_READ = select(runs).where(runs.c.id == bindparam("run_id"))
_LOCK = _READ.with_for_update()
_ORDERS = select(
    runs.c.state, runs.c.rows_per_second, runs.c.batch_most, runs.c.parallel_most, runs.c.revision
).where(runs.c.id == bindparam("run_id"))
_UNFINISHED = (
    select(partitions.c.number)
    .where(partitions.c.run_id == bindparam("run_id"), partitions.c.state != PartitionState.DONE)
    .limit(1)
)


class Runs:
    """The runs of one pod.

    Methods that take a connection are part of the transaction that it is in; the others only read.

    Args:
        pod_id: the pod.
        engine: gives an engine of its shard that commits every statement by itself (`make_engine`).
        clock: dates changes.
    """

    def __init__(self, pod_id: int, engine: Callable[[], Engine], clock: Clock | None = None) -> None:
        self.pod_id = pod_id
        self._statements = Statements(pod_id, engine)
        self._clock = clock or SystemClock()

    def create(self, connection: Connection, run: NewRun, slices: Sequence[Slice]) -> Run:
        """Make a run with a partition of each slice; if there is one with its id, return that one.

        Without slices it is not cut yet: nothing of it is handed out before `cut`, and it has no end.

        Raises:
            InvalidRunSetting: nobody could go on so.
            UnusableCursor: a slice's end cannot be kept.
            ShardUnprepared: the tables are missing.
        """
        _check(run.id, run.rows_per_second, run.batch_most, run.parallel)
        now = self._clock.now()
        rows = [new_row(run.id, number, part, now) for number, part in enumerate(slices)]
        with unprepared(self.pod_id):
            if run.shop_id is None:
                # Not between a moving shop's look at the pod's runs and its word that they leave it out.
                standstill.lock(connection)
            try:
                connection.execute(insert(runs).values(self._new_row(run, len(rows), now)))
            except IntegrityError:
                # The first one's transaction has ended: only then is a second row with the id refused.
                # Read without a lock: two who were refused at once would wait for one another.
                made = connection.execute(_READ, {"run_id": run.id}).first()
                if made is None:
                    raise
                return _run(made)
            reach("runs.creating")
            if rows:
                connection.execute(insert(partitions), rows)
        return self.lock(connection, run.id)

    def cut(
        self,
        connection: Connection,
        run_id: str,
        slices: Sequence[Slice],
        rows_total: int | None,
        *,
        leaves_out: bool = False,
    ) -> Run:
        """Give a run its partitions, unless somebody has; return it.

        `rows_total` is what was counted; `leaves_out`: it can leave out shops (`shop_rows`).

        Raises:
            UnusableCursor: a slice's end cannot be kept.
        """
        now = self._clock.now()
        rows = [new_row(run_id, number, part, now) for number, part in enumerate(slices)]
        run = self.lock(connection, run_id)
        if run.partitions:
            return run
        connection.execute(insert(partitions), rows)
        reach("runs.cutting")
        return self._write(
            connection,
            run,
            revision=run.revision + 1,
            partitions=len(rows),
            rows_total=rows_total,
            leaves_out=int(leaves_out),
        )

    def get(self, run_id: str) -> Run | None:
        """Return a run; None: there is none such."""
        with self._statements.reading() as connection:
            row = connection.execute(_READ, {"run_id": run_id}).first()
        return None if row is None else _run(row)

    def page(
        self,
        states: Collection[RunState] = (),
        job_class: str | None = None,
        group_id: str | None = None,
        shop_id: int | None = None,
        *,
        limit: int = 100,
        after: Run | None = None,
    ) -> list[Run]:
        """Return runs, the latest first; all states, classes, groups and shops unless some are named.

        `after` is the last run of the page before.
        """
        query = select(runs).order_by(runs.c.created.desc(), runs.c.id.desc()).limit(limit)
        if states:
            query = query.where(runs.c.state.in_(states))
        if job_class is not None:
            query = query.where(runs.c.job_class == job_class)
        if group_id is not None:
            query = query.where(runs.c.group_id == group_id)
        if shop_id is not None:
            query = query.where(runs.c.shop_id == shop_id)
        if after is not None:
            earlier = and_(runs.c.created == after.created, runs.c.id < after.id)
            query = query.where(or_(runs.c.created < after.created, earlier))
        with self._statements.reading() as connection:
            return [_run(row) for row in connection.execute(query)]

    def orders(self, connection: Connection, run_id: str) -> Orders:
        """Return what is to be obeyed, without a lock; asked before every batch. Raises UnknownRun."""
        row = connection.execute(_ORDERS, {"run_id": run_id}).first()
        if row is None:
            raise UnknownRun(self.pod_id, run_id)
        return Orders(RunState(row[0]), *row[1:])

    def lock(self, connection: Connection, run_id: str) -> Run:
        """Return the run, and let nobody else change its state until the transaction ends.

        Batches go on meanwhile: they read the run and do not lock it.

        Raises:
            UnknownRun: there is none such.
        """
        with unprepared(self.pod_id):
            run = self._locked(connection, run_id)
        if run is None:
            raise UnknownRun(self.pod_id, run_id)
        return run

    def transition(
        self,
        connection: Connection,
        run_id: str,
        to: RunState,
        *,
        reason: str = "",
        revision: int | None = None,
    ) -> Run:
        """Bring a run into a state and return it; one that is in it already only gets the reason.

        Args:
            connection: the transaction; a hook that belongs to the change writes into it too.
            run_id: the run.
            to: the state; `SUCCEEDED` is `finish`'s.
            reason: why, for people.
            revision: refuse if somebody has changed the run since it had this one.

        Raises:
            RunConflict: there is no such way, or somebody was quicker.
            UnknownRun: there is no such run.
        """
        run = self._at(connection, run_id, revision)
        if run.state is to:
            return self._write(connection, run, reason=shortened(reason))
        if to is RunState.SUCCEEDED:
            raise RunConflict(run_id, "only the end of its last partition lets it succeed", "call finish")
        states.check(run_id, run.state, to)
        return self._enter(connection, run, to, reason)

    def force(
        self, connection: Connection, run_id: str, *, reason: str = "", revision: int | None = None
    ) -> Run:
        """End the wait of a stuck run for those who work on it, and return it as it is now.

        Leases of its partitions from before are void: at their next batch `lock` refuses them, and anybody
        may take the partitions over. A batch that had passed `lock` before may still be committed; who takes
        its partition over waits for that.

        Raises:
            RunConflict: it waits for nobody, or somebody was quicker.
            UnknownRun: there is no such run.
        """
        run = self._at(connection, run_id, revision)
        to = states.forced(run_id, run.state)
        return self._enter(connection, run, to, reason, forced=run.forced + 1)

    def set_rate(
        self,
        connection: Connection,
        run_id: str,
        rows_per_second: float | None,
        *,
        revision: int | None = None,
    ) -> Run:
        """Limit how many rows are done in a second; None: no limit. Raises as `set_parallel`."""
        _check(run_id, rows_per_second=rows_per_second)
        return self._set(connection, run_id, revision, rows_per_second=rows_per_second)

    def set_batch(
        self, connection: Connection, run_id: str, batch_most: int | None, *, revision: int | None = None
    ) -> Run:
        """Limit how many rows a batch has; None: as the class says. Raises as `set_parallel`."""
        _check(run_id, batch_most=batch_most)
        return self._set(connection, run_id, revision, batch_most=batch_most)

    def set_parallel(
        self, connection: Connection, run_id: str, parallel: int, *, revision: int | None = None
    ) -> Run:
        """Limit how many partitions are held at once; who holds one too many gives it back after its batch.

        Raises:
            InvalidRunSetting: nobody could go on so.
            RunConflict: the run is over for good, or somebody was quicker.
            UnknownRun: there is no such run.
        """
        _check(run_id, parallel=parallel)
        return self._set(connection, run_id, revision, parallel_most=parallel)

    def finish(self, connection: Connection, run_id: str) -> bool:
        """Let the run succeed if every partition is done; return whether this call did it.

        True once in a run: whoever asks at the same time waits for this transaction. If it is rolled back,
        with what `on_complete` wrote in it, the next one to ask gets True. To be asked after the commit of a
        last batch, and by whoever finds nothing left to take: the one who did the last batch may have died.
        """
        run = self.lock(connection, run_id)
        if RunState.SUCCEEDED not in states.WAYS[run.state] or not run.partitions:
            return False
        # A batch that ends its partition just now is not seen here; whoever commits it asks after us.
        if connection.execute(_UNFINISHED, {"run_id": run_id}).first() is not None:
            return False
        self._enter(connection, run, RunState.SUCCEEDED, "")
        reach("runs.finishing")
        return True

    def _locked(self, connection: Connection, run_id: str) -> Run | None:
        row = connection.execute(_LOCK, {"run_id": run_id}).first()
        return None if row is None else _run(row)

    def _at(self, connection: Connection, run_id: str, revision: int | None) -> Run:
        run = self.lock(connection, run_id)
        if revision is not None and run.revision != revision:
            why = f"somebody changed it since revision {revision}; it is at {run.revision}"
            raise RunConflict(run_id, why, _READ_AGAIN)
        return run

    def _set(self, connection: Connection, run_id: str, revision: int | None, **values: Any) -> Run:
        run = self._at(connection, run_id, revision)
        if not states.WAYS[run.state]:
            raise RunConflict(run_id, f"it is {run.state} for good", "start another run")
        return self._write(connection, run, revision=run.revision + 1, **values)

    def _enter(self, connection: Connection, run: Run, to: RunState, reason: str, **values: Any) -> Run:
        changes = entering(run, to, shortened(reason), self._clock.now())
        return self._write(connection, run, revision=run.revision + 1, **changes, **values)

    def _write(self, connection: Connection, run: Run, **values: Any) -> Run:
        # The revision guards a caller whose connection commits every statement: it keeps no lock.
        change = update(runs).where(runs.c.id == run.id, runs.c.revision == run.revision)
        if connection.execute(change.values(updated=self._clock.now(), **values)).rowcount != 1:
            raise RunConflict(run.id, "somebody else changed it just now", _READ_AGAIN)
        return self.lock(connection, run.id)

    def _new_row(self, run: NewRun, parts: int, now: float) -> dict[str, Any]:
        given = run._asdict()
        given["params"] = _encode(given["params"]).decode()
        given["parallel_most"] = given.pop("parallel")
        given["created_by"] = given["created_by"][:NAME_CHARACTERS]
        zeros = ("forced", "quarantined", "idle_seconds", "interruptions", "pauses", "throttled")
        return {
            **given,
            **dict.fromkeys(zeros, 0),
            "pod_id": self.pod_id,
            "state": RunState.ENQUEUED,
            "reason": "",
            "revision": 1,
            "partitions": parts,
            "created": now,
            "updated": now,
            "idle_since": now,
        }


def _check(
    run_id: str, rows_per_second: float | None = None, batch_most: int | None = None, parallel: int = 1
) -> None:
    if rows_per_second is not None and not 0 < rows_per_second < math.inf:
        raise InvalidRunSetting(
            run_id, f"{rows_per_second} rows a second", "give a number above 0; pause the run to stop it"
        )
    if batch_most is not None and batch_most < 1:
        raise InvalidRunSetting(run_id, f"{batch_most} rows in a batch", "give a whole number from 1")
    if parallel < 1:
        raise InvalidRunSetting(
            run_id, f"{parallel} partitions at once", "give a whole number from 1; pause the run to stop it"
        )
