"""The states of a migration on a pod, and the ways between them, as one table.

Owns: `EntryState`, `REASONS`, `check`. A migration without an entry is pending.

| state | what it means |
| --- | --- |
| running | begun; whoever has the pod's line goes on with it |
| failed | it stopped with an error, and the line with it, until a person says `retry`, `skip` or `revert` |
| applied | done, on this pod, once |
| skipped | a person said that it counts as done here, and why |
| reverting | a person asked for its way back; whoever has the line goes it |
| reverted | the way back was gone to its end; it is not begun again by itself |

Promises: at most one entry of a pod is running or reverting (a unique column of the table sees to it).
Leaves to others: changing a state under the line's epoch (`ledger`).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from podwork_migrations.errors import MigrationConflict


class EntryState(StrEnum):
    """How a migration stands on a pod; see the table of the module."""

    RUNNING = "running"
    FAILED = "failed"
    APPLIED = "applied"
    SKIPPED = "skipped"
    REVERTING = "reverting"
    REVERTED = "reverted"

    @property
    def is_open(self) -> bool:
        """Whether somebody has to go on with it."""
        return self in (EntryState.RUNNING, EntryState.REVERTING)

    @property
    def counts_as_done(self) -> bool:
        """Whether what requires it may begin."""
        return self in (EntryState.APPLIED, EntryState.SKIPPED)


REASONS: Final[Mapping[EntryState, Mapping[EntryState, str]]] = {
    EntryState.RUNNING: {
        EntryState.APPLIED: "its last step is done",
        EntryState.FAILED: "a step failed for good",
        EntryState.REVERTING: "a person gave it up; what was made for it is taken away",
    },
    EntryState.FAILED: {
        EntryState.RUNNING: "a person mended the cause and said retry",
        EntryState.REVERTING: "a person said retry, of a way back; or revert",
        EntryState.SKIPPED: "a person said that it counts as done, and why",
        EntryState.REVERTED: "a person said that its way back counts as gone, and why",
    },
    EntryState.APPLIED: {
        EntryState.REVERTING: "a person said revert",
    },
    EntryState.SKIPPED: {
        EntryState.RUNNING: "a person said retry after all",
    },
    EntryState.REVERTING: {
        EntryState.REVERTED: "its last step back is done",
        EntryState.FAILED: "a step back failed for good",
    },
    EntryState.REVERTED: {
        EntryState.RUNNING: "a person said retry: it is wanted again",
    },
}
"""From a state to those that may follow it, each with its reason."""


def check(pod_id: int, version: str, old: EntryState, new: EntryState) -> None:
    """Raise MigrationConflict unless a migration may go from one state to the other."""
    if new in REASONS[old]:
        return
    onward = ", ".join(REASONS[old])
    why = f"it is {old} and cannot become {new}"
    raise MigrationConflict(pod_id, version, why, f"from there it becomes: {onward}")
