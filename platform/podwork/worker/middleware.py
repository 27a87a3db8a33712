"""The chain around every run: each policy is a middleware in a file of its own.

Owns: the shape of a middleware and its composition. A middleware is called as `middleware(job_class, lease,
context, run)`; it calls `run(job_class, lease, context)` once, or raises; what it raises is the end of the
attempt like any error of the job's. The first of the list is the outermost. Promises: the chain is composed
once, at boot; a chain without middleware is the bare run and costs nothing. Leaves to others: the job's
context and its trace in logs: `podwork.context` is set by the processor and `worker/log_context.py` reads
it when a line is written, so that a job that logs nothing pays nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

from podwork.context import JobContext
from podwork.job import JobClass
from podwork.lease import Lease

Run: TypeAlias = Callable[[JobClass[Any], Lease, JobContext], None]


class Middleware(Protocol):
    """One policy around a run."""

    def __call__(self, job_class: JobClass[Any], lease: Lease, context: JobContext, run: Run, /) -> None:
        """Call `run` once, or raise."""
        ...


def run_job(job_class: JobClass[Any], lease: Lease, context: JobContext) -> None:
    """Run the job itself: the innermost link."""
    job_class.run(lease, context)


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
