"""Runs one job in the calling thread, as a worker's processor does.

Owns: `Runner` and `Performed`. Promises: a job starts, succeeds, fails, and is retried, snoozed, cancelled
or buried by the worker's own code (`podwork.worker.crew`); only the manager, which would claim and
acknowledge in a thread of its own, is replaced. Leaves to others: which job is next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from podwork.observation import Attempt, Tally
from podwork.signals import JobSignal
from podwork.worker.awaiting import Runnable
from podwork.worker.crew import Crew
from podwork.worker.middleware import compose
from podwork.worker.outage import Outage
from podwork.worker.spec import Connections, Surroundings, WorkerSpec

if TYPE_CHECKING:
    from types import TracebackType

    from podwork.app import App
    from podwork.client import Client
    from podwork.context import JobContext
    from podwork.interfaces import Clock, Fence
    from podwork.job import JobClass
    from podwork.lease import Lease
    from podwork.queues import Queues
    from podwork.worker.ended import Ended
    from podwork.worker.life import Life
    from podwork.worker.manager import Manager
    from podwork.worker.middleware import Middleware


class Performed(NamedTuple):
    """One run of a job.

    `outcome` is what became of it: succeeded, retried, dead, snoozed, interrupted, discarded, cancelled,
    expired or lost. `error` is what it raised, or the signal that it raised or returned.
    """

    job_id: str
    job_class: str
    shop_id: int | None
    args: dict[str, Any]
    outcome: str
    error: BaseException | None

    def failure(self, *, only_fatal: bool = False) -> BaseException | None:
        """Return the error, if it is no signal; `only_fatal`: only what is no `Exception`, as Ctrl-C."""
        if isinstance(self.error, JobSignal) or (only_fatal and isinstance(self.error, Exception)):
            return None
        return self.error

    def raise_failure(self, *, only_fatal: bool = False) -> None:
        """Raise the failure, if there is one; its traceback begins in the application's code."""
        __tracebackhide__ = True
        failure = self.failure(only_fatal=only_fatal)
        if failure is not None:
            raise failure.with_traceback(_from_the_job(failure.__traceback__))


class Runner:
    """Runs jobs of one pod."""

    def __init__(
        self,
        app: App,
        pod_id: int,
        queues: Queues,
        client: Client,
        fence: Fence,
        life: Life,
        clock: Clock,
        middleware: Sequence[Middleware] = (),
    ) -> None:
        self._tally = _Outcome()
        self._error: BaseException | None = None
        connections = Connections(queues, client, fence, _nothing)
        surroundings = Surroundings(queues, life, Outage(), self._tally, clock)
        spec = WorkerSpec(pod_id, app, lambda: connections, threads=1)
        manager = cast("Manager", _Desk(queues, life, self._tally))
        runnable = Runnable(app, whatever_they_require=True)  # a test has no migrations
        chain = compose([self._watch, *middleware])
        [self._processor] = Crew(spec, connections, surroundings, manager, runnable, chain).processors

    def run(self, lease: Lease) -> Performed:
        """Run a claimed job to its end, whatever that is."""
        self._error, self._tally.outcome = None, "lost"
        args = dict(lease.args)  # the run adds the shop
        self._processor.run_one(lease)
        return Performed(lease.id, lease.job_class, lease.shop_id, args, self._tally.outcome, self._error)

    def _watch(
        self,
        job_class: JobClass[Any],
        lease: Lease,
        context: JobContext,
        run: Callable[[JobClass[Any], Lease, JobContext], None],
    ) -> None:
        try:
            run(job_class, lease, context)
        except BaseException as error:
            self._error = error
            raise


class _Desk:
    """Stands in for the manager: an end is written down at once."""

    def __init__(self, queues: Queues, life: Life, tally: _Outcome) -> None:
        self._queues = queues
        self._life = life
        self._tally = tally

    def ended(self, ended: Ended) -> None:
        refused, _ = self._queues.turn(self._life.incarnation, [ended.end], (), 0)
        self._tally.outcome = "lost" if refused else ended.outcome

    def settled(self, lease: Lease) -> None:
        """Nothing is kept here."""


class _Outcome(Tally):
    """Remembers the outcome of the last attempt instead of counting."""

    def __init__(self) -> None:
        super().__init__()
        self.outcome = "lost"

    def attempts(self, ended: Iterable[Attempt]) -> None:
        for attempt in ended:
            self.outcome = attempt.outcome


def _from_the_job(traceback: TracebackType | None) -> TracebackType | None:
    """Return the traceback without our own frames in front; all of it if it has no others."""
    rest = traceback
    while rest is not None and rest.tb_frame.f_globals.get("__name__", "").startswith("podwork."):
        rest = rest.tb_next
    return rest or traceback


def _nothing() -> None:
    """Nothing is open."""
