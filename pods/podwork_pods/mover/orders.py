"""What people order about a move: abort, hold, release, cut over, reverse, complete.

Owns: `MoveOrders`. Promises: an order is a change of the move's row under its table of states, with a line
in its log, in one transaction; it works when no mover lives, and a mover meets it at its next step. A move
at rest is due at once. Leaves to others: doing it (the mover), and who may order (callers).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, update

from podwork_pods.mover import changing, events
from podwork_pods.mover.changing import NOTHING, Author
from podwork_pods.mover.errors import MoveConflict
from podwork_pods.mover.move import Move
from podwork_pods.mover.moves import Moves
from podwork_pods.mover.schema import moves
from podwork_pods.mover.states import HELD_IN, By, MoveState

_CUT_OVER_IN = (MoveState.READY, MoveState.REVERSING)
_NEVER_HELD = frozenset({MoveState.ABORTING, MoveState.PURGING})


class MoveOrders:
    """Orders about moves; each returns the move as it is then.

    Raises:
        UnknownMove: there is no such move.
        MoveConflict: in its state the order has no sense.
        DirectoryUnavailable: it cannot be reached.
    """

    def __init__(self, store: Moves, *, dry_run: bool = False) -> None:
        """`dry_run`: orders are checked and undone, and return what they would have made."""
        self._store = store
        self._write = store.directory.rehearse if dry_run else store.directory.write

    def abort(self, move_id: int, who: str, why: str) -> Move:
        """Give the move up; only before the switch. On the way back: the shop stays where it is,
        reversible.
        """
        return self._enter(move_id, MoveState.ABORTING, who, why, NOTHING)

    def complete(self, move_id: int, who: str, why: str, *, despite_stale_writes: bool = False) -> Move:
        """Delete what the shop left behind; from then on there is no way back. Only when reversible.

        `despite_stale_writes`: also if somebody has written to the kept rows past the fence, which is lost
        then, or if that cannot be known; this may be said later, too, of a move that waits for it.
        """
        if not despite_stale_writes:
            return self._enter(move_id, MoveState.PURGING, who, why, NOTHING, _check_comparable)
        accepted = {"stale_accepted": True}
        if self._store.get(move_id).state is MoveState.PURGING:
            return self._note(move_id, who, why, lambda _: accepted)
        return self._enter(move_id, MoveState.PURGING, who, why, accepted)

    def reverse(self, move_id: int, who: str, why: str, *, held: bool = False) -> Move:
        """Bring the shop back, as leg 2; only when reversible, and the kept rows were fed up to now.

        `held`: stop before its cut-over.
        """
        values: dict[str, Any] = {"tries": 0, "not_before": None, "cut_until": None}
        held_reason = events.clipped(why) if held else ""
        values |= {"held": held, "held_reason": held_reason}
        return self._enter(move_id, MoveState.REVERSING, who, why, values, _check_way_back)

    def hold(self, move_id: int, who: str, why: str) -> Move:
        """Let the move wait where it may: before a cut-over, and as long as it is reversible."""

        def held(found: Move) -> Mapping[str, Any]:
            if found.state.is_over or found.state in _NEVER_HELD:
                raise MoveConflict(found.id, f"it is {found.state}, which nothing holds", "wait for its end")
            return {"held": True, "held_reason": events.clipped(why)}

        return self._note(move_id, who, why, held)

    def release(self, move_id: int, who: str, why: str) -> Move:
        """Let a held move go on; one that is not held stays as it is."""

        def released(found: Move) -> Mapping[str, Any]:
            if found.state.is_over:
                raise MoveConflict(found.id, f"it is {found.state}", "there is nothing to release")
            return {"held": False, "held_reason": ""}

        return self._note(move_id, who, why, released)

    def cut_over(self, move_id: int, who: str, why: str) -> Move:
        """Let the cut-over begin now: it is not held, and does not wait for its next try."""

        def now(found: Move) -> Mapping[str, Any]:
            if found.is_rehearsal:
                raise MoveConflict(found.id, "it is a rehearsal, which switches nothing", "start a move")
            if found.state not in _CUT_OVER_IN:
                raise MoveConflict(
                    found.id, f"it is {found.state}", "it has to be ready, or on its way back: reversing"
                )
            return {"held": False, "held_reason": "", "not_before": None}

        return self._note(move_id, who, why, now)

    def _enter(
        self,
        move_id: int,
        to: MoveState,
        who: str,
        why: str,
        values: Mapping[str, Any],
        check: Callable[[Move], None] = lambda _: None,
    ) -> Move:
        def change(connection: Connection) -> Move:
            found = changing.locked(connection, move_id)
            check(found)
            author, at = Author(who, By.PERSON), self._now()
            return changing.change_state(connection, found, to, author, at, why, {**values, **_due(found)})

        return self._write(change)

    def _note(self, move_id: int, who: str, why: str, decide: Callable[[Move], Mapping[str, Any]]) -> Move:
        def change(connection: Connection) -> Move:
            found = changing.locked(connection, move_id)
            values = decide(found)
            written = {**values, **_due(found)}
            connection.execute(update(moves).where(moves.c.id == move_id).values(written))
            events.append(
                connection,
                move_id,
                at=self._now(),
                mover_epoch=found.mover_epoch,
                who=who,
                why=why,
                before=found.state,
                after=found.state,
                what=values,
            )
            return changing.get(connection, move_id)

        return self._write(change)

    def _now(self) -> float:
        return self._store.directory.clock.now()


def waits(move: Move) -> bool:
    """Whether a person holds the move where it is now."""
    return move.held and move.state in HELD_IN


def _check_way_back(found: Move) -> None:
    if found.state is MoveState.REVERSIBLE and found.back_closed:
        why = f"there is no way back, its kept rows are behind: {found.back_closed}"
        remedy = f"complete it, and start a move to pod {found.home_pod}: that copies"
        raise MoveConflict(found.id, why, remedy)


def _check_comparable(found: Move) -> None:
    if found.state is MoveState.REVERSIBLE and found.back_closed:
        why = f"whether somebody has written to its kept rows cannot be known: {found.back_closed}"
        remedy = f"podctl moves complete {found.id} --despite-stale-writes deletes them uncompared"
        raise MoveConflict(found.id, why, remedy)


def _due(found: Move) -> dict[str, float]:
    """Return what lets a reconciler see a move at once whose mover is at rest."""
    return {} if found.owner else {"heartbeat": 0.0}
