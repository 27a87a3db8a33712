"""What a run does, made ready in one process: a job with its parameters, and its collection.

Owns: `Task`, `task_of`, `Opened`. Leaves to others: the run itself (`opening`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from podwork.context import JobContext
from podwork.errors import ConfigurationError
from podwork.iteration.declaration import Declaration
from podwork.iteration.job import IterationJob
from podwork.job import JobClass
from podwork_pods.iteration.run import Run


class Task(NamedTuple):
    """What works, and on what."""

    declared: Declaration
    job: IterationJob
    collection: Any
    """A `Collection`, and a `RangeCollection` where the job has `each_range`: the declaration has checked."""
    apart: Any = None
    """The same without the rows of shops that a pod's run leaves out; None: it cannot leave out any."""


class Opened(NamedTuple):
    """A run as it was found, and its task."""

    run: Run
    task: Task


def task_of(
    job_class: JobClass[Any], params: Mapping[str, Any], context: JobContext, shop_id: int | None
) -> Task:
    """Return a task of the class. Raises InvalidArguments, ConfigurationError, and what collection() does."""
    declared = declaration_of(job_class)
    job = declared.job(context, params, shop_id)
    return Task(declared, job, declared.collection(job))


def declaration_of(job_class: JobClass[Any]) -> Declaration:
    """Return the declaration of an iteration job. Raises ConfigurationError: it is none."""
    if job_class.declaration is None:
        raise ConfigurationError(f"{job_class.name} is no iteration job", "derive it from IterationJob")
    return job_class.declaration
