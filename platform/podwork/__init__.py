"""podwork, the engine: jobs, queues, workers, schedules and iteration for one pod.

Owns the transitions of jobs in a pod's Redis and the processes that run them. Knows no pods, no directory
and no SQL: a shop is an opaque number, and where its work belongs is asked through `podwork.interfaces`.
"""

from podwork.app import App
from podwork.context import JobContext, current_job, follow_up
from podwork.errors import PodworkError, TimeLimitExceeded
from podwork.job import Call, Job, JobClass
from podwork.limits import Bucket, Concurrency, Window
from podwork.retry import RetryPolicy
from podwork.signals import Bury, Cancel, Discard, Interrupted, Retry, Snooze
from podwork.unique import Unique

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
