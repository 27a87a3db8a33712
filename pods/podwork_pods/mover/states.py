"""The states of a move, and the ways between them, as one table.

Owns: `MoveState`, `By`, `WAYS` and the questions about them. Promises: a move's row goes from state to
state by this table only (`moves.state`), whoever changes it; a person's order is one of its ways. Leaves to
others: the change itself (`moves`, `orders`, `switching`) and what is done in a state (`runbook`).

| state | what it means |
| --- | --- |
| planned | wanted; waits for its turn |
| preflight | everything that could stop it is looked at; nothing is changed |
| copying | the target is incoming; snapshot, stream, chunks |
| catchup | the copy is whole; changed keys are read again and applied, in rounds |
| verifying | ranges are compared by checksum on both sides |
| ready | equal up to the last second, and kept so; may be held here |
| pausing_jobs | no job of the shop starts; those that run come to an end; jobs are brought |
| fenced | the source's fence is being closed, or is; its gate is on hold |
| drained | the last change is applied |
| jobs_copied | the last jobs are brought, both manifests agree |
| switched | the directory has the shop on the target: from here only forward |
| open | both fences and both gates say so |
| reversible | the source's rows are kept, and fed |
| purging | what the shop left behind is deleted in small batches |
| done | over |
| aborting | the source trades again; the target is cleared |
| aborted | over, and nothing is left of it |
| reversing | as ready, the other way round: leg 2 begins |
| reversed | as done, of the way back |
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple


class MoveState(StrEnum):
    """How a move stands; see the table of the module."""

    PLANNED = "planned"
    PREFLIGHT = "preflight"
    COPYING = "copying"
    CATCHUP = "catchup"
    VERIFYING = "verifying"
    READY = "ready"
    PAUSING_JOBS = "pausing_jobs"
    FENCED = "fenced"
    DRAINED = "drained"
    JOBS_COPIED = "jobs_copied"
    SWITCHED = "switched"
    OPEN = "open"
    REVERSIBLE = "reversible"
    PURGING = "purging"
    DONE = "done"
    ABORTING = "aborting"
    ABORTED = "aborted"
    REVERSING = "reversing"
    REVERSED = "reversed"

    @property
    def is_over(self) -> bool:
        """Whether it stays so."""
        return not WAYS[self]


class By(StrEnum):
    """Who goes a way: the mover at work, a person, or the one transaction that also moves the shop's row."""

    MOVER = "mover"
    PERSON = "person"
    SWITCH = "switch"


class Way(NamedTuple):
    """A way between two states: why it is gone, on which leg (that of the state before), and by whom."""

    why: str
    legs: frozenset[int] = frozenset({1, 2})
    by: frozenset[By] = frozenset({By.MOVER})


_S = MoveState
_THERE: Final = frozenset({1})
_BACK: Final = frozenset({2})
_ORDERED: Final = frozenset({By.PERSON})
_EITHER: Final = frozenset({By.PERSON, By.MOVER})

# Giving up, there: to `aborted`; on the way back: to `reversible`, and the feed goes on.
_GIVEN_UP_THERE: Final = {_S.ABORTING: Way("a person said so, or it will not do", _THERE, _EITHER)}
_GIVEN_UP: Final = {_S.ABORTING: Way("a person said so, or three cut-overs gave way", by=_EITHER)}
_GIVES_WAY: Final = {
    _S.READY: Way("the cut-over gave way; it is tried again", _THERE),
    _S.REVERSING: Way("the cut-over of the way back gave way; it is tried again", _BACK),
}

WAYS: Final[Mapping[MoveState, Mapping[MoveState, Way]]] = {
    _S.PLANNED: {_S.PREFLIGHT: Way("its turn has come", _THERE), **_GIVEN_UP_THERE},
    _S.PREFLIGHT: {_S.COPYING: Way("nothing stands in its way", _THERE), **_GIVEN_UP_THERE},
    _S.COPYING: {_S.CATCHUP: Way("the copy is whole", _THERE), **_GIVEN_UP_THERE},
    _S.CATCHUP: {_S.VERIFYING: Way("little is left to apply", _THERE), **_GIVEN_UP_THERE},
    _S.VERIFYING: {
        _S.READY: Way("both sides are equal", _THERE),
        _S.CATCHUP: Way("rows differ: what has changed is brought, and they are compared again", _THERE),
        **_GIVEN_UP_THERE,
    },
    _S.READY: {
        _S.PAUSING_JOBS: Way("the cut-over begins", _THERE),
        _S.CATCHUP: Way("the log is lost: the copy begins anew, and is compared again", _THERE),
        **_GIVEN_UP_THERE,
    },
    _S.REVERSING: {_S.PAUSING_JOBS: Way("the cut-over of the way back begins", _BACK), **_GIVEN_UP},
    # The four states of the cut-over. Whoever takes over here undoes it: what was sent may still arrive.
    _S.PAUSING_JOBS: {_S.FENCED: Way("no job is held, and all are brought"), **_GIVES_WAY, **_GIVEN_UP},
    _S.FENCED: {_S.DRAINED: Way("the last change is applied"), **_GIVES_WAY, **_GIVEN_UP},
    _S.DRAINED: {_S.JOBS_COPIED: Way("the last jobs are brought"), **_GIVES_WAY, **_GIVEN_UP},
    _S.JOBS_COPIED: {
        # The commit point: in one transaction with the shop's row. Before it only back, after it only
        # forward.
        _S.SWITCHED: Way("the directory has the shop on the target", by=frozenset({By.SWITCH})),
        **_GIVES_WAY,
        **_GIVEN_UP,
    },
    _S.SWITCHED: {_S.OPEN: Way("both fences and both gates say so")},
    _S.OPEN: {
        _S.REVERSIBLE: Way("the source's jobs are gone; its rows are kept and fed", _THERE),
        _S.PURGING: Way("there is no way back from the way back", _BACK),
    },
    _S.REVERSIBLE: {
        _S.PURGING: Way("a person completed it, or its grace is over", _THERE, _EITHER),
        _S.REVERSING: Way("a person wants it back: leg 2", _THERE, _ORDERED),
    },
    _S.PURGING: {
        _S.DONE: Way("nothing is left behind", _THERE),
        _S.REVERSED: Way("nothing is left behind", _BACK),
    },
    _S.ABORTING: {
        _S.ABORTED: Way("the shop trades, and the target is cleared", _THERE),
        _S.REVERSIBLE: Way("the shop trades where it was; the kept rows are fed again", _BACK),
    },
    _S.DONE: {},  # for good
    _S.ABORTED: {},  # for good: the shop may be moved again
    _S.REVERSED: {},  # for good
}
"""From a state to those that may follow it. To stay is none of them."""

ENDED: Final = frozenset(state for state in MoveState if state.is_over)

CUTTING: Final = frozenset({_S.PAUSING_JOBS, _S.FENCED, _S.DRAINED, _S.JOBS_COPIED})
"""The four states of the cut-over."""

BEFORE_SWITCH: Final = frozenset(state for state in MoveState if _S.ABORTING in WAYS[state])
"""In which a move may be given up."""

HELD_IN: Final = frozenset({_S.READY, _S.REVERSING, _S.REVERSIBLE})
"""Where a move waits that a person holds; elsewhere it goes on to the next of these."""


def sources(to: MoveState, leg: int, by: By) -> frozenset[MoveState]:
    """Return the states from which somebody may enter a state on a leg."""
    ways = ((state, WAYS[state].get(to)) for state in MoveState)
    return frozenset(state for state, way in ways if way is not None and leg in way.legs and by in way.by)


def leg_after(to: MoveState, leg: int) -> int:
    """Return the leg on which a move is that enters a state: the way back begins and ends with a state."""
    return {_S.REVERSING: 2, _S.REVERSIBLE: 1}.get(to, leg)


def onward(state: MoveState, leg: int) -> str:
    """Return for people what may follow a state."""
    return ", ".join(to for to, way in WAYS[state].items() if leg in way.legs) or "nothing: it is over"
