"""Which runs are meant: by a run's id, a group's, or the beginning of one, on whatever pods they are.

Owns: `find`, `Found`. Promises: a run that nobody has begun yet is found by its job; a pod that does not
answer is named, and hides none of the others. Leaves to others: the runs of one pod
(`podwork_pods.iteration.listing`).
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from podwork.errors import PodworkError
from podwork.identity import InvalidJobId, shop_text
from podwork.inspection import JobState
from podwork.iteration.pushing import run_in_group
from podwork.iteration.states import RunState
from podwork.keys import POD_LANE
from podwork_ops.cli.each_pod import ask_each
from podwork_ops.cli.job_places import named
from podwork_ops.composition import Platform
from podwork_ops.errors import RunAmbiguous, RunNotFound
from podwork_pods.iteration.rollup import Rollup
from podwork_pods.iteration.run import Run
from podwork_pods.iteration.status import RunStatus

SHOWN = 5


class Found(NamedTuple):
    """The runs that are meant, by their whole name, on one pod or several; the pods that did not answer."""

    name: str
    rollup: Rollup
    failures: Mapping[int, PodworkError]


def find(platform: Platform, text: str, pod_id: int | None = None) -> Found:
    """Return the run, or the group of runs, with this id or the only one whose id begins so.

    Raises:
        RunNotFound, RunAmbiguous: no pod has it, or several begin so.
        PodworkError: no pod has it, and one did not answer.
    """
    pods = platform.chosen(pod_id)
    answers, failures = ask_each(pods, lambda pod: _on_pod(platform, pod, text))
    fits: dict[str, list[RunStatus]] = defaultdict(list)
    for status in (status for statuses in answers.values() for status in statuses):
        for name in (status.run.id, status.run.group_id or ""):
            if name.startswith(text):
                fits[name].append(status)
    if text in fits:
        return Found(text, Rollup(fits[text]), failures)
    if len(fits) > 1:
        raise RunAmbiguous(text, sorted(fits)[:SHOWN])
    for name, statuses in fits.items():
        return Found(name, Rollup(statuses), failures)
    raise next(iter(failures.values()), RunNotFound(text, named(pods)))


def _on_pod(platform: Platform, pod_id: int, text: str) -> list[RunStatus]:
    """Return the pod's runs that fit; if it has none, those that its jobs are to begin."""
    return platform.runs(pod_id).listing.named(text) or _not_begun(platform, pod_id, text)


def _not_begun(platform: Platform, pod_id: int, text: str) -> list[RunStatus]:
    with suppress(InvalidJobId, PodworkError):  # Redis is not what has the say about runs
        candidates: Sequence[tuple[str, str | None]] = [(text, None)]
        if shop_text(text) == POD_LANE:
            candidates = [*candidates, (run_in_group(text, pod_id), text)]
        jobs = platform.inspection(pod_id).jobs_of([run_id for run_id, _ in candidates])
        return [
            to_begin(pod_id, job, group_id)
            for job, (_, group_id) in zip(jobs, candidates, strict=True)
            if job is not None
        ]
    return []


def to_begin(pod_id: int, job: JobState, group_id: str | None = None) -> RunStatus:
    """Return the run that a job is to begin."""
    reason = f"its job is {job.state}, no worker has begun it"
    if job.state == "dead":
        reason = f"its job is in the dead set: {job.error}"
    run = Run(
        id=job.id,
        job_class=job.job_class,
        shop_id=job.shop_id,
        pod_id=pod_id,
        params=dict(job.args),
        state=RunState.ENQUEUED,
        reason=reason,
        rows_total=None,
        rows_per_second=None,
        batch_most=None,
        parallel=1,
        revision=0,
        forced=0,
        partitions=0,
        quarantined=0,
        created=job.pushed_at,
        started=None,
        ended=None,
        updated=job.pushed_at,
        idle_seconds=0.0,
        idle_since=None,
        interruptions=0,
        pauses=0,
        throttled=0,
        group_id=group_id,
        created_by="",
    )
    return RunStatus(run, [], time.time())
