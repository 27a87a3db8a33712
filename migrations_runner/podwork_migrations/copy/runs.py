"""The runs that work for a migration: beginning them, and seeing how they are.

Owns: `begin_run`, `RunStands`, `look`, `look_seconds`, `end_run`. Promises: a run's id is in the ledger
before the run is there; begun twice it is one run; nobody works on a run any more once `end_run` has said so.
A run is looked at soon after it has begun and ever more seldom: its end is seen when a twentieth of its time
more has passed (50 ms at least, half a second at most), and the looks at a long one cost next to nothing.
Leaves to others: what they do (`job`).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from podwork import keys
from podwork.identity import derived_job_id
from podwork.iteration.states import RunState
from podwork_migrations.applying import Work
from podwork_migrations.copy.job import parallel_of
from podwork_pods.iteration.beginning import begin
from podwork_pods.iteration.control import CANCELS
from podwork_pods.iteration.run import NewRun

FORCED_AFTER_SECONDS: Final = 30.0
"""Whoever works on a cancelled run has had time for a batch, and for losing his lease."""

FIRST_LOOK_SECONDS: Final = 0.05
LOOK_SECONDS: Final = 0.5
"""After so long something is looked at again: at least, and at most."""
AGE_SHARE: Final = 1 / 20


class RunStands(NamedTuple):
    """How a run is; `state` None: it was not begun yet."""

    state: RunState | None
    reason: str
    rows_done: int
    rows_total: int | None
    age_seconds: float = 0.0

    @property
    def has_succeeded(self) -> bool:
        """Whether all of it is done."""
        return self.state is RunState.SUCCEEDED

    @property
    def is_lost(self) -> bool:
        """Whether it will not go on by itself."""
        return self.state in (RunState.FAILED, RunState.CANCELLED, RunState.CANCELLING)

    @property
    def is_under_way(self) -> bool:
        """Whether it has begun, and nothing else is known of it."""
        return self.state is not None and not self.has_succeeded and not self.is_lost

    @property
    def look_again_seconds(self) -> float:
        """Before that nothing new is to be expected of it."""
        return look_seconds(self.age_seconds)


def new_run_id(work: Work, what: str) -> str:
    """Return the id for one more run of a migration."""
    moment_ms = int(work.shard.clock.now() * 1000)
    origin = (
        f"{work.entry.version}:{work.entry.direction}:{work.entry.attempts}:{len(work.entry.run_ids)}:{what}"
    )
    return derived_job_id(moment_ms, keys.POD_LANE, f"{work.shard.pod_id}:{origin}")


def begin_run(work: Work, run_id: str, job_class: str, params: dict[str, Any]) -> None:
    """Make the run, unless it is there; jobs that could not be pushed are pushed by the keeper."""
    by = f"migration {work.entry.id}"
    parallel = parallel_of(job_class, params)
    begin(work.shard, NewRun(run_id, job_class, params, parallel=parallel, created_by=by), work.push)


def look(work: Work, run_id: str) -> RunStands:
    """Return how a run is."""
    run = work.shard.runs.get(run_id)
    if run is None:
        return RunStands(None, "", 0, None)
    done = work.shard.partitions.rows_done([run_id])[run_id]
    age_seconds = work.shard.clock.now() - run.created
    return RunStands(run.state, run.reason, done, run.rows_total, age_seconds)


def look_seconds(age_seconds: float) -> float:
    """Return how long to wait before a run of this age is looked at again; a clock may have been set back."""
    return min(LOOK_SECONDS, max(FIRST_LOOK_SECONDS, age_seconds * AGE_SHARE))


def end_run(work: Work, run_id: str) -> bool:
    """Ask for the end of a run; return whether nobody works on it any more."""
    if work.shard.runs.get(run_id) is None:
        return True
    with work.shard.open(None) as session:
        connection = session.connection()
        run = work.shard.runs.lock(connection, run_id)
        if run.state.is_over:
            return True
        if run.state is RunState.CANCELLING:
            if work.shard.clock.now() - run.updated < FORCED_AFTER_SECONDS:
                return False
            run = work.shard.runs.force(connection, run_id, reason="its migration was given up")
        else:
            to = CANCELS[run.state]
            run = work.shard.runs.transition(connection, run_id, to, reason="its migration was given up")
        return run.state.is_over
