"""One change of a move's row, with its line in the log of events.

Owns: `locked`, `change_state`, `note`. Promises: whoever changes a move's state holds the lock of the
directory's change log until the commit, so that changes come one after the other; a mover that is not the
latest changes nothing (`moves.mover`), and no change leaves the table of states (`moves.state`): both stand
in the condition of the update. Leaves to others: the transaction (`moves`, `orders`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, select, update

from podwork_pods.directory import changes
from podwork_pods.mover import events
from podwork_pods.mover.errors import MoveConflict, MoveLost, UnknownMove
from podwork_pods.mover.move import Move, read_move
from podwork_pods.mover.schema import moves
from podwork_pods.mover.states import BEFORE_SWITCH, By, MoveState, leg_after, onward, sources

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Author(NamedTuple):
    """Who changes a state, and as what. `mover`: the mover epoch of a mover; None: a person's order."""

    who: str
    by: By
    mover: int | None = None


def locked(connection: Connection, move_id: int) -> Move:
    """Return the move; nobody else changes its state until the transaction ends. Raises UnknownMove."""
    changes.lock(connection)
    return get(connection, move_id)


def get(connection: Connection, move_id: int) -> Move:
    """Return the move as it is. Raises UnknownMove."""
    row = connection.execute(select(moves).where(moves.c.id == move_id)).first()
    if row is None:
        raise UnknownMove(move_id)
    return read_move(row)


def change_state(
    connection: Connection,
    found: Move,
    to: MoveState,
    author: Author,
    now: float,
    why: str,
    values: Mapping[str, Any] = NOTHING,
) -> Move:
    """Put a move, which `locked` returned in this transaction, into another state; return it as it is then.

    Args:
        connection: of the transaction.
        found: the move as it was. to: its new state.
        author: who does so.
        now: the wall time.
        why: for people.
        values: further columns that are written with it.

    Raises:
        MoveLost: the author is a mover, and another one has been drawn.
        MoveConflict: the table has no such way for the author.
    """
    written: dict[str, Any] = {
        **values,
        "state": to,
        "leg": leg_after(to, found.leg),
        "reason": events.clipped(why),
        "throttle_reason": "",
        "times": events.encoded({**found.times, to: now}),
        **({"open_shop": None, "owner": "", "held": False} if to.is_over else {}),
    }
    if author.mover is not None:
        written["heartbeat"] = now
    allowed = moves.c.state.in_(sources(to, found.leg, author.by))
    changed = connection.execute(update(moves).where(_is(found.id, author.mover), allowed).values(written))
    if changed.rowcount != 1:
        raise _refusal(found, to, author)
    events.append(
        connection,
        found.id,
        at=now,
        mover_epoch=found.mover_epoch,
        who=author.who,
        why=why,
        before=found.state,
        after=to,
        what=values,
    )
    return get(connection, found.id)


def note(connection: Connection, move_id: int, mover: int, values: Mapping[str, Any]) -> bool:
    """Write columns of a mover's own that are no state; return False if it is not the latest mover."""
    return connection.execute(update(moves).where(_is(move_id, mover)).values(values)).rowcount == 1


def _is(move_id: int, mover: int | None) -> ColumnElement[bool]:
    """Return the condition under which a row is changed: of the move, and by its latest mover or by a
    person.
    """
    if mover is None:
        return moves.c.id == move_id
    return (moves.c.id == move_id) & (moves.c.mover_epoch == mover)


def _refusal(found: Move, to: MoveState, author: Author) -> MoveLost | MoveConflict:
    if author.mover is not None and found.mover_epoch != author.mover:
        return MoveLost(found.id, author.mover, found.mover_epoch)
    remedy = f"from there it becomes: {onward(found.state, found.leg)}"
    if to is MoveState.ABORTING and found.state not in BEFORE_SWITCH:
        remedy = "the shop is on the target: from there it only goes forward, or back by reverse"
    return MoveConflict(found.id, f"it is {found.state} and cannot become {to}", remedy)
