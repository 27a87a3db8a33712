"""podwork, the engine: jobs, queues, workers, schedules and iteration for one pod.

Owns the transitions of jobs in a pod's Redis and the processes that run them. Knows no pods, no directory
and no SQL: a shop is an opaque number, and where its work belongs is asked through `podwork.interfaces`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from podwork.app import App
from podwork.context import JobContext, current_job, follow_up
from podwork.errors import PodworkError, TimeLimitExceeded
from podwork.job import Call, Job, JobClass
from podwork.limits import Bucket, Concurrency, Window
from podwork.retry import RetryPolicy
from podwork.signals import Bury, Cancel, Discard, Interrupted, Retry, Snooze
from podwork.unique import Unique

if TYPE_CHECKING:
    from podwork.iteration.collection import Batch, Collection, Cursor, Range, RangeCollection, Slice
    from podwork.iteration.job import IterationJob
    from podwork.iteration.throttle import Held, Surroundings, Throttle

__all__ = [
    # declaring and pushing
    "App",
    "Job",
    "JobClass",
    "Call",
    # what is declared beside the code
    "RetryPolicy",
    "Unique",
    "Concurrency",
    "Bucket",
    "Window",
    # long jobs over large collections; a collection and a throttle of one's own
    "IterationJob",
    "Collection",
    "RangeCollection",
    "Cursor",
    "Slice",
    "Batch",
    "Range",
    "Throttle",
    "Surroundings",
    "Held",
    # inside a running job
    "JobContext",
    "current_job",
    "follow_up",
    "Interrupted",
    "Snooze",
    "Retry",
    "Discard",
    "Cancel",
    "Bury",
    # what may go wrong
    "PodworkError",
    "TimeLimitExceeded",
]

_ITERATION = {
    "IterationJob": "podwork.iteration.job",
    **dict.fromkeys(
        ("Collection", "RangeCollection", "Cursor", "Slice", "Batch", "Range"), "podwork.iteration.collection"
    ),
    **dict.fromkeys(("Throttle", "Surroundings", "Held"), "podwork.iteration.throttle"),
}
"""Where the names stand that a worker without iteration jobs does not load."""


if not TYPE_CHECKING:  # a type checker knows the names from above, and no others

    def __getattr__(name: str) -> Any:
        if name not in _ITERATION:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_ITERATION[name]), name)
