"""What a person does to a run: pause, resume, cancel, force it, and change its pace.

Owns: `RunControl`, the ways of each action (`PAUSES`, `CANCELS`, `RESUMES`), and `Changed`. Promises: an
action is decided and written under the lock of the run's row, with who did it and why; asked for again it
changes nothing; to a shop's run nothing is done but under the shop's fence, which is open here and stays so.
Whoever works on the run obeys at the latest after the batch that is under way; where it goes on, or more may
work on it, the keeper of the pod's workers pushes its jobs within seconds. Leaves to others: the states
(`podwork.iteration.states`), the loop that obeys, and looking (`listing`).

| the run is | pause | cancel | resume |
| --- | --- | --- | --- |
| enqueued, interrupted | paused | cancelled | - |
| running, throttled | pausing | cancelling | - |
| pausing | - | cancelling | refused: it has to have paused |
| paused | - | cancelled | enqueued |
| failed | refused | cancelled | enqueued |
| cancelling | refused | - | refused |
| cancelled, succeeded | refused | refused, a cancelled one: - | refused |

`-`: nothing is to be changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import EllipsisType
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import DBAPIError

from podwork.errors import RunConflict
from podwork.interfaces import Clock, SystemClock
from podwork.iteration import states
from podwork.iteration.states import RunState
from podwork_pods.driver_errors import is_deadlock, is_lock_timeout
from podwork_pods.errors import ShardUnavailable
from podwork_pods.fence import FenceState
from podwork_pods.fence import table as fences
from podwork_pods.iteration.listing import Listing
from podwork_pods.iteration.partitions import Partitions
from podwork_pods.iteration.quarantine import Quarantine
from podwork_pods.iteration.run import HANDS_OUT, Run
from podwork_pods.iteration.runs import Runs
from podwork_pods.iteration.schema import runs
from podwork_pods.masking import address_of

T = TypeVar("T")
TRIES: Final = 5

PAUSES: Final[Mapping[RunState, RunState]] = {
    RunState.ENQUEUED: RunState.PAUSED,
    RunState.INTERRUPTED: RunState.PAUSED,
    RunState.RUNNING: RunState.PAUSING,
    RunState.THROTTLED: RunState.PAUSING,
    RunState.PAUSING: RunState.PAUSING,
    RunState.PAUSED: RunState.PAUSED,
}
"""Where a pause leads, from each state that may be paused; the same state: nothing is to be changed."""
CANCELS: Final[Mapping[RunState, RunState]] = {
    RunState.ENQUEUED: RunState.CANCELLED,
    RunState.INTERRUPTED: RunState.CANCELLED,
    RunState.PAUSED: RunState.CANCELLED,
    RunState.FAILED: RunState.CANCELLED,
    RunState.RUNNING: RunState.CANCELLING,
    RunState.THROTTLED: RunState.CANCELLING,
    RunState.PAUSING: RunState.CANCELLING,
    RunState.CANCELLING: RunState.CANCELLING,
    RunState.CANCELLED: RunState.CANCELLED,
}
"""Likewise for a cancellation."""
RESUMES: Final[Mapping[RunState, RunState]] = {
    RunState.PAUSED: RunState.ENQUEUED,
    RunState.FAILED: RunState.ENQUEUED,
    **{state: state for state in HANDS_OUT},
}
"""Likewise for going on."""


class Settings(NamedTuple):
    """What can be set while a run goes on; `...` leaves a setting as it is, None takes a limit away."""

    rows_per_second: float | EllipsisType | None = ...
    batch_most: int | EllipsisType | None = ...
    parallel: int | EllipsisType = ...


class Changed(NamedTuple):
    """A run before and after something was done to it (or would be), and whether that is a change."""

    before: Run
    run: Run
    did_change: bool


class RunControl:
    """The runs of one pod, for those who operate them.

    Args:
        pod_id: the pod.
        engine: gives an engine of its shard, for transactions.
        single: gives one that commits every statement by itself (`make_engine`).
        clock: dates changes.
    """

    def __init__(
        self,
        pod_id: int,
        engine: Callable[[], Engine],
        single: Callable[[], Engine],
        clock: Clock | None = None,
    ) -> None:
        self.pod_id = pod_id
        clock = clock or SystemClock()
        self.listing = Listing(pod_id, single, clock)
        self.quarantine = Quarantine(pod_id, single, clock)
        self._engine = engine
        self._runs = Runs(pod_id, single, clock)
        self._partitions = Partitions(pod_id, single, clock)

    def pause(self, run_id: str, reason: str = "", *, dry_run: bool = False) -> Changed:
        """Let the run stop after the batches that are under way, until it is resumed.

        Raises:
            UnknownRun: there is none such.
            RunConflict: it is over, or is being cancelled.
        """
        return self._lead(run_id, PAUSES, RunState.PAUSED, reason, dry_run)

    def cancel(self, run_id: str, reason: str = "", *, dry_run: bool = False) -> Changed:
        """End the run after the batches that are under way; what is committed stands. Raises as `pause`."""
        return self._lead(run_id, CANCELS, RunState.CANCELLED, reason, dry_run)

    def resume(self, run_id: str, reason: str = "", *, dry_run: bool = False) -> Changed:
        """Let a paused or failed run go on from its cursors.

        Raises:
            UnknownRun: there is none such.
            RunConflict: it has not paused yet, or is over for good.
        """

        def go_on(connection: Connection) -> Changed:
            # Before the run's row, as everybody takes these locks; undone with the rest if it is refused.
            self._partitions.reopen(connection, run_id)
            return self._enter(connection, run_id, RESUMES, RunState.ENQUEUED, reason)

        if dry_run:
            return self._lead(run_id, RESUMES, RunState.ENQUEUED, reason, dry_run)
        return self._in_transaction(run_id, go_on)

    def force(self, run_id: str, reason: str = "", *, dry_run: bool = False) -> Changed:
        """End the wait of a stuck run for those who worked on it: they write nothing any more.

        Raises:
            UnknownRun: there is none such.
            RunConflict: it waits for nobody.
        """

        def forced(connection: Connection) -> Changed:
            before = self._runs.lock(connection, run_id)
            if dry_run:
                to = states.forced(run_id, before.state)
                return Changed(before, before._replace(state=to), did_change=True)
            return Changed(before, self._runs.force(connection, run_id, reason=reason), did_change=True)

        return self._in_transaction(run_id, forced)

    def set(self, run_id: str, settings: Settings, *, dry_run: bool = False) -> Changed:
        """Change how fast the run goes, from the next batch on; a limit of None is taken away.

        Raises:
            UnknownRun: there is none such.
            InvalidRunSetting: nobody could go on so.
            RunConflict: it is over for good.
        """

        def set_all(connection: Connection) -> Changed:
            before = run = self._runs.lock(connection, run_id)
            wanted = {name: value for name, value in settings._asdict().items() if value is not ...}
            for name, value in wanted.items():
                if getattr(before, name) != value:
                    run = _SETTERS[name](self._runs, connection, run_id, value)
            if dry_run:
                connection.rollback()
            return Changed(before, run, did_change=run != before)

        return self._in_transaction(run_id, set_all)

    def _lead(
        self, run_id: str, ways: Mapping[RunState, RunState], aim: RunState, reason: str, dry_run: bool
    ) -> Changed:
        def lead(connection: Connection) -> Changed:
            if not dry_run:
                return self._enter(connection, run_id, ways, aim, reason)
            before = self._runs.lock(connection, run_id)
            to = _target(before, ways, aim)
            return Changed(before, before._replace(state=to), did_change=to is not before.state)

        return self._in_transaction(run_id, lead)

    def _enter(
        self,
        connection: Connection,
        run_id: str,
        ways: Mapping[RunState, RunState],
        aim: RunState,
        reason: str,
    ) -> Changed:
        before = self._runs.lock(connection, run_id)
        to = _target(before, ways, aim)
        if to is before.state:
            return Changed(before, before, did_change=False)
        return Changed(before, self._runs.transition(connection, run_id, to, reason=reason), did_change=True)

    def _in_transaction(self, run_id: str, work: Callable[[Connection], T]) -> T:
        """Do it in one transaction; again after a deadlock.

        Raises:
            RunConflict: the run's shop is not here. ShardUnavailable: a row stays locked.
        """
        engine = self._engine()
        for tries_left in reversed(range(TRIES)):
            try:
                with engine.begin() as connection:
                    _hold_open(connection, run_id)
                    return work(connection)
            except DBAPIError as error:
                if not (is_deadlock(error) or is_lock_timeout(error)):
                    raise
                if is_lock_timeout(error) or not tries_left:
                    address = address_of(engine.url.render_as_string())
                    raise ShardUnavailable(self.pod_id, address, "rows of the run were locked") from None
        raise AssertionError("the last try returns or raises")


def _hold_open(connection: Connection, run_id: str) -> None:
    """Keep the fence of the run's shop open until the transaction ends. Raises RunConflict: it is not."""
    shop_id = connection.execute(select(runs.c.shop_id).where(runs.c.id == run_id)).scalar()
    if shop_id is None:
        return
    query = select(fences.c.state).where(fences.c.shop_id == shop_id).with_for_update(read=True)
    state = connection.execute(query).scalar()
    if state != FenceState.OPEN:
        why = f"shop {shop_id} is not on this pod, or is being moved: its fence is {state or 'missing'}"
        raise RunConflict(run_id, why, "ask again, on the pod of the shop; see: podctl shops get")


def _target(run: Run, ways: Mapping[RunState, RunState], aim: RunState) -> RunState:
    """Return where the run is led. Raises RunConflict: nowhere."""
    if run.state not in ways:
        states.check(run.id, run.state, aim)
        raise RunConflict(run.id, f"it is {run.state}", "see: podctl runs get")
    return ways[run.state]


_SETTERS: Final[Mapping[str, Callable[[Runs, Connection, str, Any], Run]]] = {
    "rows_per_second": Runs.set_rate,
    "batch_most": Runs.set_batch,
    "parallel": Runs.set_parallel,
}
