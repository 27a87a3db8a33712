"""On which pod a job is: its id says whose it is, the directory where that shop is.

Promises: a job that is not found is reported together with the pods that were asked; a beginning of an id
stands for the job only if it is the only one. Leaves to others: what is done there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from podwork.errors import PodworkError
from podwork.identity import InvalidJobId, shop_text
from podwork.inspection import JobState
from podwork.keys import POD_LANE
from podwork_ops.composition import Platform
from podwork_ops.errors import JobAmbiguous, JobNotFound
from podwork_pods.errors import ShardUnavailable, ShardUnprepared, UnknownShop

BEGINNING = re.compile(r"[0-9a-f]{4,21}(\.[0-9]*)?(-[0-9a-z]*)?")
SHOWN = 5


def find(platform: Platform, text: str, pod_id: int | None = None) -> tuple[int, JobState]:
    """Return the pod and the state of the job with this id, or with an id that begins so.

    Raises:
        InvalidJobId: it is no id, nor the beginning of one.
        JobNotFound, JobAmbiguous: no pod has it, or several jobs begin so.
    """
    try:
        pods = likely_pods(platform, text, pod_id)
    except InvalidJobId:
        if not BEGINNING.fullmatch(text):
            raise
        return _beginning(platform, text, platform.chosen(pod_id))
    for pod in pods:
        state = platform.inspection(pod).job(text)
        if state is not None:
            return pod, state
    raise JobNotFound(text, named(pods))


def likely_pods(platform: Platform, job_id: str, pod_id: int | None = None) -> list[int]:
    """Return all pods, the shop's own first; or only that one.

    Raises:
        InvalidJobId: the text is no job's id.
        UnknownPod: there is none of that number.
    """
    shop = shop_text(job_id)
    pods = platform.chosen(pod_id)
    if shop == POD_LANE or len(pods) == 1:
        return pods
    home = home_of(platform, job_id)
    return sorted(pods, key=lambda pod: (pod != home, pod))


def home_of(platform: Platform, job_id: str) -> int | None:
    """Return the pod of the job's shop; None: it has none, or the shop is nowhere."""
    shop = shop_text(job_id)
    if shop == POD_LANE:
        return None
    try:
        return platform.directory.locate(int(shop)).pod_id
    except UnknownShop:
        return None


def by_pod(platform: Platform, job_ids: Sequence[str], pod_id: int | None) -> dict[int | None, list[str]]:
    """Return the jobs by the pod that has them; under None those that no pod has.

    Raises:
        InvalidJobId: one of the texts is no job's id; nothing was asked then.
    """
    places = {job_id: likely_pods(platform, job_id, pod_id) for job_id in dict.fromkeys(job_ids)}
    found: dict[int | None, list[str]] = {}
    for job_id, pods in places.items():
        has_it = next((pod for pod in pods if platform.inspection(pod).job(job_id) is not None), None)
        found.setdefault(has_it, []).append(job_id)
    return found


def written_at(platform: Platform, pod_id: int, job_id: str) -> float | None:
    """Return when the job was written into the shard's outbox, if it waits there and the shard answers."""
    try:
        return platform.topology.outbox_rows(pod_id).written_at(job_id)
    except (ShardUnavailable, ShardUnprepared):
        return None


def named(pods: Sequence[int]) -> list[str]:
    """Return the pods as messages name them."""
    return [f"pod {pod}" for pod in pods] or ["any pod"]


def _beginning(platform: Platform, text: str, pods: Sequence[int]) -> tuple[int, JobState]:
    found = []
    failure: PodworkError | None = None
    for pod in pods:
        try:
            found += [(pod, job) for job in platform.inspection(pod).find(text, SHOWN)]
        except PodworkError as error:
            failure = error
    if len(found) == 1:
        return found[0]
    if found:
        raise JobAmbiguous(text, [job.id for _, job in found[:SHOWN]])
    raise failure or JobNotFound(text, named(pods))
