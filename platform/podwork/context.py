"""The job that is running: what job code may ask about itself, wherever it stands.

Owns: `JobContext`, and the variable that holds it while the job runs. Promises: `current_job()` answers in
the processor's thread and in every task and context that the job derives from it; outside of a job it is
`None`. It costs two assignments a job: nothing is bound, copied or logged until somebody asks.
Leaves to others: when a job has to stop (the worker), what to do then (the job, or the iteration engine).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import msgspec


def never() -> bool:
    """Answer no: the stop question outside of a worker."""
    return False


class JobContext(msgspec.Struct, frozen=True):
    """One attempt of one job.

    `attempt` is 1 on the first run and grows with every failure; interruptions do not count. `epoch` is the
    one under which the fence admitted this run. `shop_id` is `None` for a job of the pod itself.
    """

    job_id: str
    job_class: str
    queue: str
    shop_id: int | None
    pod_id: int
    epoch: int
    attempt: int = 1
    interruptions: int = 0
    stopping: Callable[[], bool] = never

    def should_stop(self) -> bool:
        """Return whether the worker wants the job to end soon: save what is done, raise `Interrupted`."""
        return self.stopping()


CURRENT: ContextVar[JobContext | None] = ContextVar("podwork_current_job", default=None)
"""Set by the processor around a run; read it through `current_job`."""


def current_job() -> JobContext | None:
    """Return the running job's context, or `None` outside of a job."""
    return CURRENT.get()


@contextmanager
def running(context: JobContext) -> Iterator[JobContext]:
    """Make `context` the current job inside the block; the processor inlines the same."""
    token = CURRENT.set(context)
    try:
        yield context
    finally:
        CURRENT.reset(token)
