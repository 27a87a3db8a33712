"""One shop, two pods, and all that a move writes: the state of the model of moves.

Pods are 0 and 1 (`A` and `B` in traces). The shop begins on A at epoch 1, so that it is on A at odd epochs
and on B at even ones. What stands in a database or in Redis outlives its writer; what a mover remembers
(`Mover`) does not. One row of the shop stands for all rows, one job for all jobs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar

Part = TypeVar("Part")

# Fences. INCOMING: being filled. MOVED: not here; its rows may be a kept copy. PURGING: rows are deleted.
OPEN, CLOSED, INCOMING, MOVED, PURGING = "open", "closed", "incoming", "moved", "purging"
# Gates, beside OPEN and MOVED. PAUSING: nothing is claimed, pushes are accepted. HOLD: neither.
PAUSING, HOLD = "pausing", "hold"

# What the move's row in the directory says.
COPYING, READY, CUTTING, SWITCHED = "copying", "ready", "cutting", "switched"
REVERSIBLE, PURGE, DONE = "reversible", "purging", "done"
ABORTING, ABORTED = "aborting", "aborted"
ENDED: Final = (DONE, ABORTED)
BEFORE_COMMIT: Final = (COPYING, READY, CUTTING)

NOWHERE, QUEUED, HELD, BROUGHT = 0, 1, 2, 3
"""Where the job stands on a pod. BROUGHT is QUEUED, and known as stored there by a mover."""
WAITING: Final = (QUEUED, BROUGHT)


class Fence(NamedTuple):
    """A pod's `podwork_fence` row."""

    state: str
    epoch: int
    mover: int = 0


class Gate(NamedTuple):
    """A pod's field in `podwork:gate`; no field is an open gate at epoch 0."""

    state: str = OPEN
    epoch: int = 0
    mover: int = 0


class Mover(NamedTuple):
    """A mover's memory: its mover epoch, what it does next, and for which passage.

    `seen`: how far it has followed the log. `dirty`: the row changed since it was read last. `took`: what it
    has read and not written yet, with the log's position that this stands for. `jobs`: the id
    of the job that it has read.
    `leg`: 2 on the way back.
    """

    epoch: int
    next: str
    src: int
    at: int
    seen: int = 0
    dirty: int = 0
    took: tuple[()] | tuple[int, int] = ()
    jobs: int = 0
    leg: int = 1

    @property
    def dst(self) -> int:
        return 1 - self.src


class Writer(NamedTuple):
    """A transaction that has passed a fence. `value`: what it has written to the log; -1: nothing yet."""

    pod: int
    epoch: int
    value: int = -1


class Left(NamedTuple):
    """How often something may still happen: `rots` of the copied row, `retries` of a cut-over, `aborts` by a
    person, `losses` of the source's gate by a Redis that forgot its last writes, the others as in `Scope`.
    """

    writes: int = 0
    moves: int = 0
    rots: int = 0
    retries: int = 0
    aborts: int = 0
    losses: int = 0


class World(NamedTuple):
    """Everything.

    `rows`, `log`, `upto` and `whole` are by pod: the row (0: absent), how many events its log has, how far
    of the other pod's log the rows have, and whether they are a whole copy. `acked`: the row as the last
    acknowledged commit left it. `jobs`: where the job stands, by pod. `pushed`: how many there were;
    the number of the present one is its id. `brought`: the ids that the source has marked as brought to the
    target, as bits. `lost`: a gate was forgotten. `hurt`: a promise that a single statement broke.
    """

    home: int = 0
    epoch: int = 1
    stage: str = COPYING
    drawn: int = 1
    src: int = 0
    at: int = 1
    leg: int = 1
    fence: tuple[Fence, Fence] = (Fence(OPEN, 1), Fence(MOVED, 0))
    gate: tuple[Gate, Gate] = (Gate(), Gate())
    movers: tuple[Mover, ...] = ()
    rows: tuple[int, int] = (1, 0)
    acked: int = 1
    log: tuple[int, int] = (0, 0)
    upto: tuple[int, int] = (0, 0)
    whole: tuple[int, int] = (0, 0)
    writer: tuple[Writer, ...] = ()
    jobs: tuple[int, int] = (NOWHERE, NOWHERE)
    pushed: int = 0
    runs: int = 0
    neighbour: int = 0
    brought: int = 0
    lost: int = 0
    left: Left = Left()
    hurt: str = ""


@dataclass(frozen=True)
class Scope:
    """What is looked at, and within which bounds.

    Attributes:
        rows: `none`; `whole`: a copy is one reading and one writing; `logged`: with snapshot and log.
        writes: of the shop, in all. writers: transactions at once. jobs: whether there is a job.
        movers: mover epochs that are drawn in all.
        legs: 2 with the way back. moves: how many moves one after the other.
        clash: another shop's row on B has the unique value of the shop's row.
        rots: how often the copied row may rot before it is verified.
        retries: how often a cut-over may be undone and tried again.
        aborts: how often a person may say abort, whoever the mover is.
        losses: how often the Redis of the source may forget the gate.
        silent: it may not answer after the switch, so that the mover goes on without it.
    """

    name: str
    rows: str = "none"
    writes: int = 0
    writers: int = 1
    jobs: bool = False
    movers: int = 2
    legs: int = 1
    moves: int = 1
    clash: bool = False
    rots: int = 0
    retries: int = 0
    aborts: int = 0
    losses: int = 0
    silent: bool = False


def start(scope: Scope) -> World:
    """Return the state in which the first mover has just begun."""
    return World(
        movers=(Mover(1, "incoming", 0, 1),),
        jobs=(QUEUED if scope.jobs else NOWHERE, NOWHERE),
        pushed=int(scope.jobs),
        rows=(int(scope.rows != "none"), 0),
        acked=int(scope.rows != "none"),
        neighbour=int(scope.clash),
        left=Left(scope.writes, scope.moves - 1, scope.rots, scope.retries, scope.aborts, scope.losses),
    )


def swapped(pair: tuple[Part, Part], pod: int, value: Part) -> tuple[Part, Part]:
    """Return the pair with the pod's part replaced."""
    return (value, pair[1]) if pod == 0 else (pair[0], value)


def name(pod: int) -> str:
    return "AB"[pod]
