"""What podwork asks of a pod's outbox: that it is there, is relayed, and that Redis still has its jobs."""

from __future__ import annotations

import time
from collections.abc import Iterator

from podwork_ops.cli.finding import Finding, Verdict
from podwork_ops.cli.output import age, plural
from podwork_ops.composition import Platform
from podwork_pods.outbox import standing
from podwork_pods.outbox.arrivals import Arrivals
from podwork_pods.outbox.rows import Backlog
from podwork_pods.outbox.standing import Standing

LATE_SECONDS = 60.0


def outbox_findings(platform: Platform, pod_id: int) -> Iterator[Finding]:
    """Yield what is to be said about the outbox. Raises `ShardUnprepared`, `StoreUnavailable`, ..."""
    rows = platform.topology.outbox_rows(pod_id)
    yield _backlog(rows.backlog(), pod_id)
    found = standing.look(rows, Arrivals(platform.topology.queues(pod_id))).standing
    if found is Standing.FOREIGN:
        yield Finding(
            Verdict.FAIL, "the pod's Redis belongs to another shard", f"see: podctl pods get {pod_id}"
        )
    elif found is not Standing.COMPLETE:
        lost = "was emptied" if found is Standing.EMPTIED else "has lost its last writes"
        yield Finding(
            Verdict.FAIL, f"Redis {lost}: jobs may be missing there", f"run: podctl pods rebuild {pod_id}"
        )


def _backlog(backlog: Backlog, pod_id: int) -> Finding:
    if backlog.oldest is None:
        return Finding(Verdict.OK, f"{plural(backlog.rows, 'job')} that did not end yet, all relayed")
    waited = max(0.0, time.time() - backlog.oldest)
    found = f"{plural(backlog.unrelayed, 'job')} to relay, the oldest for {age(waited)}"
    if waited < LATE_SECONDS:
        return Finding(Verdict.OK, found)
    return Finding(Verdict.WARN, found, f"a worker relays them: podctl processes list --pod {pod_id}")
