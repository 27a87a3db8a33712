"""podwork, the engine: jobs, queues, workers, schedules and iteration for one pod.

Owns the transitions of jobs in a pod's Redis and the processes that run them. Knows no pods, no directory
and no SQL: a shop is an opaque number, and where its work belongs is asked through `podwork.interfaces`.
"""

from podwork.app import App
from podwork.context import JobContext, current_job
from podwork.errors import PodworkError
from podwork.job import Call, Job, JobClass
from podwork.signals import Discard, Interrupted, Retry

__all__ = [
    # declaring and pushing
    "App",
    "Job",
    "JobClass",
    "Call",
    # inside a running job
    "JobContext",
    "current_job",
    "Interrupted",
    "Discard",
    "Retry",
    # what may go wrong
    "PodworkError",
]
