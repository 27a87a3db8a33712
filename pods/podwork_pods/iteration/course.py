"""The course of a run: its changes of state while jobs work on it, each with its hook.

Owns: `Course`. Promises: a change and what its hook wrote are one transaction, under the lock of the run's
row, so that a hook is called again only if what it wrote was undone; each change is asked for by whoever sees
that it is due, and made once, whoever else asks. What a person has said last counts: a run that was paused
meanwhile is not brought on by what a job thinks. Leaves to others: when a change is due (`walk`, `shift`).

| asked for | from | to | hook |
| --- | --- | --- | --- |
| `begin` | enqueued, interrupted | running | `on_start` the first time, `on_resume` after a person's word |
| `hold_back`, `go_on` | running, throttled | throttled, running | |
| `settle`: nobody holds a partition | running, throttled | interrupted | |
| | pausing | paused | `on_pause` |
| | cancelling | cancelled | |
| `cancel` | any that may | cancelling or cancelled | |
| `finish`: every partition is done | any that may | succeeded | `on_complete` |
| `fail` | any that may | failed | `on_failure` |
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final, TypeVar

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from podwork.iteration import states
from podwork.iteration.job import IterationJob, Place
from podwork.iteration.states import RunState
from podwork.points import reach
from podwork.retry import describe
from podwork_pods.iteration.errors import HookFailed, PartitionLost
from podwork_pods.iteration.partition import Leaving, Partition, PartitionState
from podwork_pods.iteration.run import Run
from podwork_pods.iteration.shard import IterationShard
from podwork_pods.iteration.trouble import TRIES, Kind, is_crowded, kind_of, pause_seconds

T = TypeVar("T")

STANDS: Final = frozenset({RunState.ENQUEUED, RunState.INTERRUPTED})
"""Nobody works on it, and it may be begun."""
WORKED_ON: Final = frozenset({RunState.RUNNING, RunState.THROTTLED})

log = logging.getLogger("podwork.iteration")


class Course:
    """The changes of one run, for one job that works on it.

    Args:
        shard: where it is. run: as it was found.
        job: whose hooks are called; None: it could not be made, because its parameters are refused.
        lease_seconds: whose partition was renewed within these is alive.
    """

    def __init__(
        self, shard: IterationShard, run: Run, job: IterationJob | None, lease_seconds: float
    ) -> None:
        self._shard = shard
        self._leases = shard.leases(run.shop_id)
        self._runs = shard.runs
        self._run_id = run.id
        self._shop_id = run.shop_id
        self._job = job
        self._lease_seconds = lease_seconds

    def begin(self) -> Run:
        """Let a run that stands be worked on, by whoever has taken a partition of it. Raises HookFailed."""
        return self._change(self._begin)

    def hold_back(self, reason: str) -> Run:
        """Say why the run is held back. Raises HookFailed: it was not begun yet."""

        def act(session: Session, run: Run) -> Run:
            run = self._begin(session, run)
            if run.state not in WORKED_ON:
                return run
            return self._enter(session, run, RunState.THROTTLED, reason)

        return self._change(act)

    def go_on(self) -> Run:
        """Say that nothing holds the run back any more."""

        def act(session: Session, run: Run) -> Run:
            return self._enter(session, run, RunState.RUNNING) if run.state is RunState.THROTTLED else run

        return self._change(act)

    def settle(self, me: str, reason: str, *, stays_throttled: bool = False) -> Run:
        """Let a run stand if nobody holds a partition of it; asked by whoever has let go of one.

        Args:
            me: who asks; what it seems to hold was left by an earlier life of the same job.
            reason: why it stands, if no person said so.
            stays_throttled: what held it back does so still.
        """
        try:
            return self._settle(me, reason, stays_throttled, calls=True)
        except HookFailed as failed:  # what a person wants comes about all the same
            log.error("run %s: %s() failed", self._run_id, failed.hook, exc_info=failed.error)
            return self._settle(me, reason, stays_throttled, calls=False)

    def cancel(self, reason: str) -> Run:
        """Cancel the run, as far as it may be; those who work on it let go after their batches."""

        def act(session: Session, run: Run) -> Run:
            for to in (RunState.CANCELLING, RunState.CANCELLED):
                if to in states.WAYS[run.state]:
                    return self._enter(session, run, to, reason)
            return run

        return self._change(act)

    def finish(self) -> bool:
        """Let the run succeed if every partition is done; return whether this call did it.

        Raises HookFailed.
        """
        if any(part.state is not PartitionState.DONE for part in self._shard.partitions.of(self._run_id)):
            return False
        self.begin()  # it may stand: the job that did the last batch died before it came here

        def act(session: Session, _run: Run) -> bool:
            if not self._runs.finish(session.connection(), self._run_id):
                return False
            self._call(session, "on_complete")
            reach("course.finishing")
            return True

        return self._change(act)

    def fail(self, error: BaseException, reason: str, held: Partition | None = None) -> Run:
        """Let the run fail, with the partition in which it did. Raises PartitionLost: nothing was changed."""
        try:
            return self._fail(error, reason, held)
        except HookFailed as failed:
            log.error("run %s: on_failure() failed", self._run_id, exc_info=failed.error)
            return self._fail(None, f"{reason}; and on_failure() failed: {describe(failed.error)}", held)

    def _begin(self, session: Session, run: Run) -> Run:
        if run.state not in STANDS:
            return run
        begun = self._enter(session, run, RunState.RUNNING)
        if run.started is None:
            self._call(session, "on_start")
        elif run.state is RunState.ENQUEUED:
            self._call(session, "on_resume")
        return begun

    def _settle(self, me: str, reason: str, stays_throttled: bool, *, calls: bool) -> Run:
        def act(session: Session, run: Run) -> Run:
            if self._is_held(run, me):
                return run
            if run.state is RunState.CANCELLING:
                return self._enter(session, run, RunState.CANCELLED, run.reason)
            if run.state is RunState.PAUSING:
                paused = self._enter(session, run, RunState.PAUSED, run.reason)
                if calls:
                    self._call(session, "on_pause")
                return paused
            if run.state not in WORKED_ON or (stays_throttled and run.state is RunState.THROTTLED):
                return run
            return self._enter(session, run, RunState.INTERRUPTED, reason)

        return self._change(act)

    def _fail(self, error: BaseException | None, reason: str, held: Partition | None) -> Run:
        def first(connection: Connection) -> None:
            if held is not None and not self._leases.release(held, Leaving.FAILED, reason, connection):
                raise PartitionLost(held.run_id, held.number, held.lease_epoch, "somebody took it over")

        def act(session: Session, run: Run) -> Run:
            if RunState.FAILED not in states.WAYS[run.state]:
                return run
            failed = self._enter(session, run, RunState.FAILED, reason)
            if error is not None:
                self._call(session, "on_failure", error)
            return failed

        return self._change(act, first)

    def _is_held(self, run: Run, me: str) -> bool:
        alive_since = self._shard.clock.now() - self._lease_seconds
        return any(
            part.is_held_since(alive_since, run.forced) and part.owner != me
            for part in self._shard.partitions.of(self._run_id)
        )

    def _enter(self, session: Session, run: Run, to: RunState, reason: str = "") -> Run:
        return self._runs.transition(session.connection(), run.id, to, reason=reason)

    def _call(self, session: Session, hook: str, *given: object) -> None:
        """Call a hook in the transaction. Raises HookFailed for what is the application's fault."""
        if self._job is None:
            return
        reach(f"course.{hook}")
        try:
            with self._job.placed(Place(self._run_id, session)):
                getattr(self._job, hook)(*given)
            session.flush()
        except BaseException as error:
            if kind_of(error) is not Kind.FAILED:
                raise
            raise HookFailed(self._run_id, hook, error) from error

    def _change(
        self, act: Callable[[Session, Run], T], first: Callable[[Connection], None] | None = None
    ) -> T:
        """Do it in a transaction that holds the run's row; again after a deadlock.

        `first` comes before that lock: locks are taken in the order partition, run.
        """
        tries = 0
        while True:
            try:
                return self._try(act, first)
            except Exception as error:
                tries += 1
                if tries >= TRIES or not is_crowded(error):
                    raise
                time.sleep(pause_seconds(tries))

    def _try(self, act: Callable[[Session, Run], T], first: Callable[[Connection], None] | None) -> T:
        with self._shard.open(self._shop_id) as session:
            connection = session.connection()
            if first is not None:
                first(connection)
            answer = act(session, self._runs.lock(connection, self._run_id))
            reach("course.committing")
        return answer
