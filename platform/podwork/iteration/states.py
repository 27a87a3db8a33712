"""The states of a run, and the ways between them, as one table.

Owns: `RunState`, `REASONS` (every way with its reason), `WAYS`, `FORCED`, `check`, `forced`.

| state | what it means |
| --- | --- |
| enqueued | its job waits for a worker; nobody works on it |
| running | one job or several work on it |
| throttled | jobs work on it and wait: a throttle, a rate or a window holds them back; it goes on by itself |
| interrupted | its jobs gave it back (deployment, end of a time slice, crash); one goes on by itself |
| pausing | a person asked for a pause; a batch may still be under way |
| paused | nobody works on it, until a person resumes it |
| cancelling | a person asked for its end; a batch may still be under way |
| cancelled | ended by a person; what was committed stands |
| failed | ended by an error; a person may resume it from its cursors |
| succeeded | every partition is done |

Promises: a pause, a throttle, an interruption and a failure are four things, each with a state of its own.
Nobody works on a run that is enqueued, interrupted or paused, so that it is paused and cancelled at once;
otherwise those who work on it are waited for, at most one batch long. Where nobody answers any more, the wait
is ended by force. Leaves to others: changing a state under the lock of the run's row
(`podwork_pods.iteration`), and seeing to it that after a forced change nobody who still believes to hold a
partition can write (its lease epoch).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from podwork.errors import RunConflict


class RunState(StrEnum):
    """How a run stands; see the table of the module."""

    ENQUEUED = "enqueued"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    THROTTLED = "throttled"
    INTERRUPTED = "interrupted"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    FAILED = "failed"
    SUCCEEDED = "succeeded"

    @property
    def is_over(self) -> bool:
        """Whether it stays so unless a person wants otherwise: nobody works on it, and no job will."""
        return self in (RunState.CANCELLED, RunState.FAILED, RunState.SUCCEEDED)


REASONS: Final[Mapping[RunState, Mapping[RunState, str]]] = {
    RunState.ENQUEUED: {
        RunState.RUNNING: "a job of it has begun",
        RunState.THROTTLED: "a job of it has begun, and was held back before its first batch",
        RunState.PAUSED: "a person paused it; nobody works on it",
        RunState.CANCELLED: "a person cancelled it; nobody works on it",
        RunState.FAILED: "its parameters or its collection are refused, or its job is in the dead set",
    },
    RunState.RUNNING: {
        RunState.THROTTLED: "a throttle, a rate or a window holds it back",
        RunState.INTERRUPTED: "the last job that worked on it gave it back, or its lease ran out",
        RunState.PAUSING: "a person paused it; a batch may be under way",
        RunState.CANCELLING: "a person cancelled it; a batch may be under way",
        RunState.FAILED: "a batch failed for good, or more items than may be were quarantined",
        RunState.SUCCEEDED: "the last partition is done",
    },
    RunState.THROTTLED: {
        RunState.RUNNING: "what held it back has let go",
        RunState.INTERRUPTED: "the last job that waited gave it back, or its lease ran out",
        RunState.PAUSING: "a person paused it; a job waits, and has to hear of it",
        RunState.CANCELLING: "a person cancelled it; a job waits, and has to hear of it",
        RunState.FAILED: "the batch that was under way when another job was held back failed for good",
        RunState.SUCCEEDED: "the batch that was under way when another job was held back was the last one",
    },
    RunState.INTERRUPTED: {
        RunState.RUNNING: "a job goes on with it",
        RunState.THROTTLED: "a job goes on with it, and was held back before its first batch",
        RunState.PAUSED: "a person paused it; nobody works on it",
        RunState.CANCELLED: "a person cancelled it; nobody works on it",
        RunState.FAILED: "the job that was to go on with it is in the dead set",
    },
    RunState.PAUSING: {
        RunState.PAUSED: "the last job that worked on it has let go, or a person forced it",
        RunState.CANCELLING: "a person cancelled it before it had paused",
        RunState.FAILED: "the batch that was under way failed for good",
        RunState.SUCCEEDED: "the batch that was under way was the last one",
    },
    RunState.PAUSED: {
        RunState.ENQUEUED: "a person resumed it",
        RunState.CANCELLED: "a person cancelled it; nobody works on it",
    },
    RunState.CANCELLING: {
        RunState.CANCELLED: "the last job that worked on it has let go, or a person forced it",
        RunState.FAILED: "the batch that was under way failed for good",
        RunState.SUCCEEDED: "the batch that was under way was the last one",
    },
    RunState.FAILED: {
        RunState.ENQUEUED: "a person mended the cause and resumed it",
        RunState.CANCELLED: "a person gave it up",
    },
    RunState.CANCELLED: {},  # for good: jobs and partitions of it may be purged
    RunState.SUCCEEDED: {},  # for good: `on_complete` was called
}
"""From a state to those that may follow it, each with its reason. To stay is none of them."""

WAYS: Final[Mapping[RunState, frozenset[RunState]]] = {
    state: frozenset(reasons) for state, reasons in REASONS.items()
}
"""The same without the reasons."""

FORCED: Final[Mapping[RunState, RunState]] = {
    # Those who were to answer are gone, and no lease tells it: their worker was stopped, Redis was emptied.
    RunState.PAUSING: RunState.PAUSED,
    RunState.CANCELLING: RunState.CANCELLED,
    # Nobody works on it, whatever it says: a new job may go on with it.
    RunState.RUNNING: RunState.INTERRUPTED,
    RunState.THROTTLED: RunState.INTERRUPTED,
}
"""Where a run goes that is stuck, when a person forces it; each is a way of the table too."""


def check(run_id: str, old: RunState, new: RunState) -> None:
    """Raise RunConflict unless a run may go from one state to the other."""
    if new in WAYS[old]:
        return
    onward = ", ".join(REASONS[old])
    remedy = f"from there it becomes: {onward}" if onward else "it stays so; start another run"
    raise RunConflict(run_id, f"it is {old} and cannot become {new}", remedy)


def forced(run_id: str, old: RunState) -> RunState:
    """Return the state into which a stuck run is forced. Raises RunConflict when it waits for nobody."""
    if old not in FORCED:
        raise RunConflict(
            run_id,
            f"it is {old}, and nobody is waited for",
            f"force one that is {', '.join(FORCED)}",
        )
    return FORCED[old]
