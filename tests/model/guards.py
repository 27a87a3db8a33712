"""The guards of a move, by name: what each is, where it stands, and which promise falls without it.

`scope` is where the model is looked at to see it fall. ops/docs/moves.md has the same names (a test looks).
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Guard(NamedTuple):
    """A guard: what it says, the promise that it carries, and the scope that shows it."""

    says: str
    promise: str
    scope: str


GUARDS: Final[dict[str, Guard]] = {
    # The fence
    "fence.state": Guard("only an open fence lets a transaction pass", "S1", "writes"),
    "fence.epoch": Guard("a transaction passes under the fence's epoch only", "S1", "back"),
    "fence.waits": Guard("closing waits for transactions that have passed", "S1", "writes"),
    "fence.mover": Guard("a fence that a later mover has written refuses an earlier one", "S6", "writes"),
    # The directory
    "moves.mover": Guard("a move's state is changed by its latest mover only", "S6", "back"),
    "switch.mover": Guard("the switch is made by the latest mover only", "S1", "writes"),
    "moves.state": Guard("a move's row goes from state to state by its table only", "S1", "orders"),
    "moves.draw": Guard(
        "who takes over, or is in doubt, draws a mover epoch that nobody had", "S1", "writes"
    ),
    "moves.stamp": Guard(
        "a move comes to rest when all four places bear the epoch of the mover that brings it there",
        "S6",
        "writes",
    ),
    # The copy
    "copy.snapshot": Guard("the log is followed from the position of the snapshot itself", "S3", "log"),
    "copy.waits": Guard(
        "changed rows are read again under a lock, which waits for their writers", "S3", "log"
    ),
    "copy.order": Guard("no change is applied before the copy is whole", "S3", "log"),
    "copy.last": Guard("the last pass goes up to a position read after the fence has closed", "S3", "log"),
    "copy.position": Guard("the position is stored with the rows that it stands for", "S3", "log"),
    "copy.batch": Guard("a batch stores the position at which it was read, not the latest", "S3", "log"),
    "copy.again": Guard(
        "who follows the log anew begins at the stored position, not where it was read to", "S3", "log-again"
    ),
    "copy.fence": Guard(
        "a batch holds the target's fence: incoming, and under its own mover", "S3", "writes"
    ),
    "copy.insert": Guard("rows are inserted plainly, never in another row's place", "S5", "clash"),
    "copy.shop": Guard("only rows of the shop are deleted, whatever their keys", "S5", "clash"),
    "copy.verify": Guard("a mismatch never switches", "S3", "rot"),
    # The gate
    "gate.claim": Guard("nothing is claimed unless the gate is open", "S4", "jobs"),
    "gate.hold": Guard("a push is not accepted while the gate is on hold", "S4", "jobs"),
    "gate.moved": Guard("a push to where the shop was is redirected", "S4", "jobs"),
    "gate.mover": Guard("a gate that a later mover has set refuses an earlier one", "S6", "jobs"),
    # The jobs
    "jobs.drained": Guard("jobs are handed over when none is held", "S4", "jobs"),
    "jobs.delta": Guard("what was pushed while jobs were paused is handed over after the hold", "S4", "jobs"),
    "jobs.gone": Guard("what is no more at the source is taken away at the target", "S4", "jobs"),
    "jobs.arrive": Guard("jobs arrive only behind a gate that their own mover holds", "S4", "jobs"),
    "jobs.left": Guard("the target's gate opens when the source's jobs are dropped", "S4", "forgets"),
    "jobs.late": Guard("only jobs that are marked as brought are dropped", "S4", "forgets"),
    "jobs.strays": Guard("giving up drops only jobs that a mover has stored there", "S4", "forgets-back"),
    "jobs.drop": Guard(
        "jobs are dropped only behind a gate that their own mover has moved", "S4", "jobs-again"
    ),
    # The way back and the end
    "feed.position": Guard(
        "the way back begins at a position from before the target opened", "S3", "back-log"
    ),
    "purge.fence": Guard("rows are deleted only under a fence that says so, by its own mover", "S7", "again"),
}


class SecondLine(NamedTuple):
    """A guard that nothing falls without, as long as another one stands; what falls without both."""

    says: str
    behind: str
    promise: str
    scope: str


SECOND_LINES: Final[dict[str, SecondLine]] = {
    "fence.ways": SecondLine(
        "a fence goes from state to state by its table only", "moves.mover", "S1", "back"
    ),
    "gate.epoch": SecondLine("a gate does not go back to an earlier epoch", "gate.mover", "S6", "again"),
}

ALL: Final = frozenset(GUARDS) | frozenset(SECOND_LINES)
