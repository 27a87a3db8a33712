"""Runs as they are read from shards, made up: for tests of what people are shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podwork.errors import PodworkError
from podwork.iteration.collection import Slice
from podwork.iteration.states import RunState
from podwork_ops.cli.run_sample import Sight
from podwork_pods.iteration.partition import Partition, PartitionState
from podwork_pods.iteration.rollup import Rollup
from podwork_pods.iteration.run import Run
from podwork_pods.iteration.status import RunStatus

NOW = 1_795_000_000.0
RUN_ID = "0199f2c1a3b5d0e1f2a3b-pod"

_RUN = Run(
    id=RUN_ID, job_class="shop.FillNetPrice", shop_id=None, pod_id=1, params={"percent": 95},
    state=RunState.RUNNING, reason="", rows_total=1000, rows_per_second=None, batch_most=None, parallel=2,
    revision=7, forced=0, partitions=2, quarantined=0, created=NOW - 30, started=NOW - 20, ended=None,
    updated=NOW - 1, idle_seconds=0.0, idle_since=None, interruptions=0, pauses=0, throttled=0, group_id=None,
    created_by="anna@web3",
)  # fmt: skip
_PART = Partition(
    run_id=RUN_ID, number=0, slice=Slice(None, (500,)), cursor=None, rows_done=0, batches=0, lease_epoch=1,
    lease_forced=0, revision=3, owner=None, leased_at=NOW - 1, slot=None, state=PartitionState.RUNNING,
    attempts=0, tried_rows=None, tried_alone=0, interruptions=0, throttle_reason=None, last_error=None,
    updated=NOW - 1,
)  # fmt: skip


def made_part(number: int = 0, rows_done: int = 0, **changes: Any) -> Partition:
    """Return a partition in which so many rows are done."""
    return _PART._replace(number=number, rows_done=rows_done, batches=rows_done // 10, **changes)


def made(rows_done: int = 200, parts: list[Partition] | None = None, **changes: Any) -> RunStatus:
    """Return a run in which so many rows are done, in one partition unless some are given."""
    run = _RUN._replace(**changes)
    return RunStatus(run, [made_part(rows_done=rows_done)] if parts is None else parts, NOW)


def sight(
    *statuses: RunStatus,
    rate: float | None = 100.0,
    failures: Mapping[int, PodworkError] | None = None,
) -> Sight:
    """Return what is seen of these runs, each of which went so fast of late."""
    return Sight(Rollup(statuses), {status.run.id: rate for status in statuses}, failures or {})
