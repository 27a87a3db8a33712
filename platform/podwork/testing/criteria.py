"""What a test expects of a job, compared with the jobs that were enqueued.

Owns: `Criteria`, and the messages of failed assertions: what was wanted, the nearest miss and why it is one,
all that was enqueued. Promises: an argument that the job does not take is a mistake of the test and said at
once, also where nothing is expected. Leaves to others: which jobs there are (`podwork.testing.pods`).
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from podwork.errors import InvalidArguments
from podwork.job import Call, Job, JobClass
from podwork.testing.enqueued import EnqueuedJob
from podwork.testing.places import State

JobRef: TypeAlias = JobClass[Any] | type[Job] | Call
"""A job in an assertion: the declared function or class, or a call of it, whose arguments mypy checks."""
LINES_SHOWN = 20
CLOSE_SECONDS = 0.0015


@dataclass(frozen=True, slots=True)
class Criteria:
    """What is expected; None is whatever it is.

    Attributes:
        job_class: the job. args: some of its arguments; `defaults` are those of its signature.
        at: when it was to run, seconds since 1970. in_: so long after its push, in seconds.
    """

    job_class: JobClass[Any] | None
    args: Mapping[str, Any]
    defaults: Mapping[str, Any]
    shop_id: int | None
    pod: int | None
    queue: str | None
    state: State | None
    at: float | None
    in_: float | None

    def differences(self, job: EnqueuedJob) -> list[str]:
        """Return in which ways the job is another one; none: it is such a job."""
        if self.job_class is not None and job.job_class != self.job_class.name:
            return [f"it is {job.job_class}"]
        found = []
        for name, wanted in self.args.items():
            if name not in job.args and name not in self.defaults:
                found.append(f"{name} is not given")
            elif wanted != (given := job.args.get(name, self.defaults.get(name))):
                found.append(f"{name} is {given!r}, not {wanted!r}")
        for label, wanted, given in (
            ("shop_id", self.shop_id, job.shop_id),
            ("pod", self.pod, job.pod_id),
            ("queue", self.queue, job.queue),
            ("state", self.state, job.state),
        ):
            if wanted is not None and wanted != given:
                found.append(f"{label} is {given!r}, not {wanted!r}")
        if self.at is not None and abs(job.due_at - self.at) > CLOSE_SECONDS:
            found.append(f"at is {job.due_at - self.at:+.3f} s off: {_moment(job.due_at)}")
        if self.in_ is not None and abs(job.in_seconds - self.in_) > CLOSE_SECONDS:
            found.append(f"in_ is {job.in_seconds:g}, not {self.in_:g}")
        return found

    def __str__(self) -> str:
        parts = [self.job_class.name if self.job_class else "any job"]
        if self.shop_id is not None:
            parts.append(f"shop_id={self.shop_id}")
        if self.pod is not None:
            parts.append(f"pod={self.pod}")
        parts += [f"{name}={value!r}" for name, value in self.args.items()]
        if self.queue is not None:
            parts.append(f"queue={self.queue}")
        if self.at is not None:
            parts.append(f"at={_moment(self.at)}")
        if self.in_ is not None:
            parts.append(f"in_={self.in_:g}")
        if self.state is not None:
            parts.append(f"({self.state})")
        return " ".join(parts)


def criteria(
    job: JobRef | None,
    args: Mapping[str, Any],
    *,
    shop_id: int | None = None,
    pod: int | None = None,
    queue: str | None = None,
    state: State | None = None,
    at: float | datetime | None = None,
    in_: float | timedelta | None = None,
) -> Criteria:
    """Return the criteria. Raises InvalidArguments: the job takes no such argument."""
    wanted = dict(args)
    if isinstance(job, Call):
        wanted = {**job.args, **wanted}
        shop_id = job.shop_id if shop_id is None else shop_id
    job_class = declared(job)
    defaults: dict[str, Any] = {}
    if job_class is not None:
        unknown = wanted.keys() - set(job_class.parameters.names)
        if unknown:
            raise InvalidArguments(
                job_class.name, f"it takes no {', '.join(sorted(unknown))}: the test is wrong"
            )
        defaults = _defaults(job_class)
    return Criteria(
        job_class,
        wanted,
        defaults,
        shop_id,
        pod,
        queue,
        state,
        at.timestamp() if isinstance(at, datetime) else at,
        in_.total_seconds() if isinstance(in_, timedelta) else in_,
    )


def declared(job: JobRef | None) -> JobClass[Any] | None:
    """Return the declared job."""
    if isinstance(job, Call):
        return job.job_class
    return job._declared() if isinstance(job, type) else job


def not_found(wanted: Criteria, jobs: Sequence[EnqueuedJob]) -> str:
    """Return why an assertion failed that expected such a job."""
    lines = ["no such job was enqueued", f"  wanted    {wanted}"]
    misses = [job for job in jobs if wanted.job_class is None or job.job_class == wanted.job_class.name]
    if misses:
        nearest = min(misses, key=lambda job: len(wanted.differences(job)))
        lines += [f"  nearest   {nearest}", f"            {'; '.join(wanted.differences(nearest))}"]
    return "\n".join(lines + listed(jobs))


def miscounted(
    wanted: Criteria, count: int, found: Sequence[EnqueuedJob], jobs: Sequence[EnqueuedJob]
) -> str:
    """Return why an assertion failed that expected another number of such jobs."""
    if not found:
        return not_found(wanted, jobs)
    return "\n".join(
        [f"expected {count} such jobs, found {len(found)}", f"  wanted    {wanted}", *listed(found)]
    )


def unexpected(wanted: Criteria, found: Sequence[EnqueuedJob]) -> str:
    """Return why an assertion failed that expected no such job."""
    return "\n".join(["such a job was enqueued", f"  unwanted  {wanted}", *listed(found)])


def listed(jobs: Sequence[EnqueuedJob]) -> list[str]:
    """Return the jobs as lines."""
    lines = [f"  enqueued  {'nothing' if not jobs else f'{len(jobs)} in all:'}"]
    lines += [f"            {job}" for job in jobs[:LINES_SHOWN]]
    if len(jobs) > LINES_SHOWN:
        lines.append(f"            and {len(jobs) - LINES_SHOWN} more")
    return lines


def _defaults(job_class: JobClass[Any]) -> dict[str, Any]:
    if job_class.declaration is not None:
        return job_class.declaration.defaults
    target = job_class.target
    # A class is a Job, which its declaration has checked.
    signature = inspect.signature(target.run if isinstance(target, type) else target)  # type: ignore[attr-defined]
    return {
        parameter.name: parameter.default
        for parameter in signature.parameters.values()
        if parameter.default is not parameter.empty
    }


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(sep=" ", timespec="milliseconds")
