"""A run of an iteration job, as its row in the shard says.

Owns: `NewRun`, `Run`, `Orders`, and what a change of state writes (`entering`). Promises: the time during
which a run was not to work is counted apart, from whatever state to whatever state. Leaves to others: which
ways there are between states (`podwork.iteration.states`), and the statements (`runs`).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from podwork.iteration.states import RunState

_decode_params = msgspec.json.Decoder(dict[str, Any]).decode

_WORKING: Final = frozenset(
    {RunState.RUNNING, RunState.THROTTLED, RunState.PAUSING, RunState.CANCELLING, RunState.SUCCEEDED}
)
_COUNTED: Final = {
    RunState.INTERRUPTED: "interruptions",
    RunState.PAUSED: "pauses",
    RunState.THROTTLED: "throttled",
}
HANDS_OUT: Final = frozenset({RunState.ENQUEUED, RunState.RUNNING, RunState.THROTTLED, RunState.INTERRUPTED})
"""In these states partitions of a run are given to those who ask."""


class NewRun(NamedTuple):
    """What is known of a run before it begins; see `schema.runs` for what each means."""

    id: str
    job_class: str
    params: dict[str, Any]
    shop_id: int | None = None
    rows_total: int | None = None
    rows_per_second: float | None = None
    batch_most: int | None = None
    parallel: int = 1
    group_id: str | None = None
    created_by: str = ""
    leaves_out: int | None = None
    cut_from: str | None = None


class Orders(NamedTuple):
    """What whoever works on a run has to obey from its next batch on.

    Who holds a slot that is not below `parallel` gives its partition back.
    """

    state: RunState
    rows_per_second: float | None
    batch_most: int | None
    parallel: int
    revision: int


class Run(NamedTuple):
    """A run. Times are wall time in seconds since 1970."""

    id: str
    job_class: str
    shop_id: int | None
    pod_id: int
    params: dict[str, Any]
    state: RunState
    reason: str
    rows_total: int | None
    rows_per_second: float | None
    batch_most: int | None
    parallel: int
    revision: int
    forced: int
    partitions: int
    quarantined: int
    created: float
    started: float | None
    ended: float | None
    updated: float
    idle_seconds: float
    idle_since: float | None
    interruptions: int
    pauses: int
    throttled: int
    group_id: str | None
    created_by: str
    leaves_out: int | None = None
    cut_from: str | None = None

    @property
    def backfill(self) -> str:
        """What it is a part of on its pod: its group, or itself."""
        return self.group_id or self.id

    def idle_at(self, now: float) -> float:
        """Return for how many seconds it was not to work between its start and its end, or now."""
        if self.started is None or self.idle_since is None:
            return self.idle_seconds
        return self.idle_seconds + max(0.0, (now if self.ended is None else self.ended) - self.idle_since)


def read(row: Any) -> Run:
    """Return the run in a row of all columns."""
    run = Run(*row)
    return run._replace(params=_decode_params(row.params), state=RunState(row.state))


def entering(run: Run, to: RunState, reason: str, now: float) -> dict[str, Any]:
    """Return what is written when a run goes into another state, except for its revision."""
    values: dict[str, Any] = {
        "state": to,
        "reason": reason,
        "ended": now if to.is_over else None,
        "idle_seconds": run._replace(ended=None).idle_at(now),
        "idle_since": None if to in _WORKING else now,
    }
    if run.started is None and to in (RunState.RUNNING, RunState.THROTTLED):
        values["started"] = now
    if to in _COUNTED:
        counter = _COUNTED[to]
        values[counter] = getattr(run, counter) + 1
    return values
