"""How far replicas are behind on the pods that migrate: what `podctl migrations status` asks beside plans.

Owns: `with_lags`. Promises: only shards that are in the middle of a migration are asked, a few at most and
side by side; one that does not answer, or whose replicas may not be asked, says so and hides nothing. Leaves
to others: asking replicas (`podwork_pods.iteration.throttles.replicas`), what waits for them
(`migrations.replica_lag_seconds`).
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.exc import DBAPIError

from podwork.errors import PodworkError
from podwork_migrations.plan.status import Lag, Status
from podwork_ops.cli.each_pod import AT_ONCE, ask_each
from podwork_ops.composition import Platform
from podwork_ops.masking import mask
from podwork_pods.iteration.throttles import replicas


def with_lags(platform: Platform, status: Status) -> Status:
    """Return the status with how far the slowest replica of each pod under way is behind."""
    going = {line.pod_id for line in status.moving if line.state is not None and line.state.is_open}
    if not going:
        return status
    lags, _ = ask_each(sorted(going)[:AT_ONCE], lambda pod_id: _lag(platform, pod_id))
    moving = [
        replace(line, lag=lags.get(line.pod_id)) if line.pod_id in going else line for line in status.moving
    ]
    return replace(status, moving=moving)


def _lag(platform: Platform, pod_id: int) -> Lag | None:
    """Return it; None: the shard has no replica that is seen."""
    try:
        found = replicas.slowest(pod_id, platform.engine(pod_id))
    except (PodworkError, LookupError, DBAPIError) as error:
        said = str(error.orig) if isinstance(error, DBAPIError) else str(error)
        return Lag(None, mask(said), is_known=False)
    return None if found is None else Lag(found.behind_seconds, mask(found.why))
