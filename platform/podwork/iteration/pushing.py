"""Pushing the jobs of a run, and a job to every pod as one group.

Owns: `push_run`, `push_to_every_pod`, `Pushed`, `run_in_group`. A run is worked on by jobs of its class with
ids of their own (`podwork.identity`): the one that started it, and further ones up to as many as may work on
it at once. They carry its parameters for people to see; what counts stands in the shard. Promises: a job that
is in Redis is left as it is, so that anybody may push the jobs of a run at any time, and the keeper does so
again and again. Leaves to others: which runs need jobs (`podwork_pods.iteration`), the road
(`podwork.delivery`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from podwork import identity, keys, record
from podwork.interfaces import SystemClock
from podwork.parcel import ITERATION, Parcel

if TYPE_CHECKING:
    from podwork.client import Client
    from podwork.job import Call, JobClass


class Pushed(NamedTuple):
    """What was pushed to every pod: by pod the id of its job, which is its run's, and what they share."""

    group_id: str
    ids: dict[int, str]


def push_run(
    client: Client,
    job_class: JobClass[Any],
    run_id: str,
    params: Mapping[str, Any],
    *,
    shop_id: int | None,
    pod_id: int,
    parallel: int,
) -> None:
    """Push the jobs of a run that are not in Redis.

    Args:
        client: of the process. job_class: of the run, as this code declares it.
        run_id: the run's id. params: its parameters. shop_id: its shop, if it works for one.
        pod_id: where it is; a shop's job goes where the shop is.
        parallel: how many of them there are to be.

    Raises:
        StoreUnavailable, StoreRefused, ShopOnHold, RedirectLoop: not all of them are there. Push again.
    """
    encoded = msgspec.json.encode(params)  # not checked: code that was deployed since may want others
    pushed_ms = int(SystemClock().now() * 1000)
    parcels = [
        Parcel(job_class.queue, shop_id, identity.job_of_run(run_id, number), job_class.name,
               job_class.policy.version, encoded, pushed_ms, extras=record.write_extras(ITERATION))
        for number in range(parallel)
    ]  # fmt: skip
    client.send(parcels, None if shop_id is not None else pod_id)


def push_to_every_pod(client: Client, call: Call) -> Pushed:
    """Push the call once to every pod that accepts jobs.

    Raises as `Client.push` does: the pods before the one at which it happened have their jobs.
    """
    pushed = Pushed("", {})
    for pod_id in client.pod_ids():
        parcel = client.parcel(call, pod=pod_id)
        if not pushed.group_id:
            pushed = Pushed(identity.new_job_id(parcel.pushed_ms, keys.POD_LANE), {})
        job_id = run_in_group(pushed.group_id, pod_id)
        extras = record.write_extras({**record.read_extras(parcel.extras), "g": pushed.group_id})
        client.send([parcel._replace(id=job_id, extras=extras)], pod_id)
        pushed.ids[pod_id] = job_id
    return pushed


def run_in_group(group_id: str, pod_id: int) -> str:
    """Return the id that the run of a group has on a pod: it is known before anybody has begun it."""
    moment_ms = int(group_id[:11], 16)
    return identity.derived_job_id(moment_ms, keys.POD_LANE, f"{group_id}:{pod_id}")
