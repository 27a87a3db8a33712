"""The chain around every run: each policy of the application's is a middleware in a file of its own.

Owns: the shape of a middleware and its composition. A middleware is called as `middleware(job_class, lease,
context, run)`; it calls `run(job_class, lease, context)` once, or raises; what it raises is the end of the
attempt like any error of the job's. The first of the list is the outermost. Promises: the chain is composed
once, at boot; a chain without middleware is the bare run and costs nothing. A signal that the job returns is
raised by the innermost link, so that every middleware sees it in one form; so is `TimeLimitExceeded`, which
hits the job and nothing around it. Leaves to others: the job's context and its trace in logs:
`podwork.context` is set by the processor and `worker/log_context.py` reads it when a line is written, so that
a job that logs nothing pays nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

from podwork.context import JobContext
from podwork.job import JobClass
from podwork.lease import Lease
from podwork.signals import Interrupted, JobSignal
from podwork.worker.soft_limit import WATCHDOG

Run: TypeAlias = Callable[[JobClass[Any], Lease, JobContext], None]


class Middleware(Protocol):
    """One policy around a run."""

    def __call__(self, job_class: JobClass[Any], lease: Lease, context: JobContext, run: Run, /) -> None:
        """Call `run` once, or raise."""
        ...


def run_job(job_class: JobClass[Any], lease: Lease, context: JobContext) -> None:
    """Run the job itself, within its soft limit: the innermost link. Raises what the job signals, too."""
    limit_seconds = job_class.policy.soft_limit_seconds
    if limit_seconds is None:
        answer = job_class.run(lease, context)
    else:
        answer = WATCHDOG.run(limit_seconds, job_class.run, lease, context)
    if answer is not None and (isinstance(answer, JobSignal) or answer is Interrupted):
        raise answer


def compose(middleware: Sequence[Middleware], innermost: Run = run_job) -> Run:
    """Return one callable that runs `innermost` inside all of `middleware`."""
    run = innermost
    for outer in reversed(middleware):
        run = _around(outer, run)
    return run


def _around(middleware: Middleware, inner: Run) -> Run:
    def run(job_class: JobClass[Any], lease: Lease, context: JobContext) -> None:
        middleware(job_class, lease, context, inner)

    return run
