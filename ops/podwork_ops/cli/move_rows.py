"""A move as commands show it: its columns, its words, and what comes next.

Owns: rows of moves and of their log. Leaves to others: the moves themselves (`podwork_pods.mover`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from podwork_ops.cli.output import Column, age, moment, span
from podwork_pods.mover.events import Event
from podwork_pods.mover.move import Move
from podwork_pods.mover.rehearsal import has_rehearsed
from podwork_pods.mover.states import CUTTING, HELD_IN, MoveState

Row = dict[str, Any]

COLUMNS: Final = [
    Column("MOVE", "move_id", right=True),
    Column("SHOP", "shop_id", right=True),
    Column("FROM", "from_pod", right=True),
    Column("TO", "to_pod", right=True),
    Column("STATE", "state"),
    Column("FOR", "in_state_seconds", age, right=True),
    Column("HELD", "held_reason", wide=True),
    Column("WAITS FOR", "waits_for", wide=True),
    Column("NEXT", "next_action", wide=True),
]
GET_COLUMNS: Final = [
    Column("Move", "move_id"),
    Column("Shop", "shop_id"),
    Column("From pod", "from_pod"),
    Column("To pod", "to_pod"),
    Column("Leg", "leg_in_words"),
    Column("State", "state"),
    Column("In it for", "in_state_seconds", age),
    Column("Waits for", "waits_for", wide=True),
    Column("No way back", "back_closed", wide=True),
    Column("Held", "held_reason", wide=True),
    Column("Cut-overs that gave way", "tries"),
    Column("Epoch", "epoch"),
    Column("Mover", "mover_in_words"),
    Column("Blocks writes at most", "max_block_seconds", span),
    Column("Grace", "grace_in_words"),
    Column("Wanted by", "wanted_by"),
    Column("Reason", "reason", wide=True),
    Column("Rows copied", "rows_in_words"),
    Column("Next", "next_action", wide=True),
]
EVENT_COLUMNS: Final = [
    Column("AT", "at"),
    Column("WHO", "who", wide=True),
    Column("BEFORE", "before"),
    Column("AFTER", "after"),
    Column("AFTER S", "after_seconds", lambda seconds: f"{seconds:.3f}", right=True),
    Column("MOVER", "mover_epoch", right=True),
    Column("WHY", "why", wide=True),
]

_TURN = "nothing: any worker of pod {home} takes the next step"
_NEXT: Final[Mapping[MoveState, str]] = {
    MoveState.REVERSIBLE: "look at the shop, then: podctl moves complete {id}, or podctl moves reverse {id}",
    MoveState.DONE: "nothing: it is over",
    MoveState.ABORTED: "nothing: the shop is where it was; it may be moved again",
    MoveState.REVERSED: "nothing: the shop is back",
}
_REHEARSED: Final = (
    "nothing: it was a rehearsal; the move itself: podctl moves start --shop {shop} --to {away}"
)
_HELD: Final[Mapping[MoveState, str]] = {
    MoveState.READY: "podctl moves cutover {id}, or podctl moves abort {id}",
    MoveState.REVERSING: "podctl moves cutover {id}, or podctl moves abort {id}",
    MoveState.REVERSIBLE: "podctl moves complete {id}, or podctl moves reverse {id}, or release {id}",
}


def row_of(move: Move, clock: Callable[[], float] = time.time) -> Row:
    """Return a move as JSON has it, and as tables are made of it."""
    passage, now = move.passage, clock()
    return {
        "move_id": move.id,
        "shop_id": move.shop_id,
        "from_pod": passage.source,
        "to_pod": passage.target,
        "home_pod": move.home_pod,
        "away_pod": move.away_pod,
        "leg": move.leg,
        "state": move.state.value,
        "is_over": move.state.is_over,
        "in_state_seconds": round(max(0.0, now - move.entered), 3),
        "entered": moment(move.entered),
        "created": moment(move.created),
        "held": move.held,
        "held_reason": move.held_reason if move.held else "",
        "waits_for": move.throttle_reason,
        "tries": move.tries,
        "tried_again": None if move.not_before is None else moment(move.not_before),
        "epoch": passage.epoch,
        "mover_epoch": move.mover_epoch,
        "mover": move.owner,
        "heartbeat_age_seconds": _since(move, now),
        "max_block_seconds": move.max_block_seconds,
        "grace_seconds": move.grace_seconds,
        "wanted_by": move.wanted_by,
        "reason": move.reason,
        "is_rehearsal": move.is_rehearsal,
        "has_rehearsed": has_rehearsed(move),
        "back_closed": move.back_closed,
        "next_action": next_action(move),
    }


def details_of(move: Move, clock: Callable[[], float] = time.time) -> Row:
    """Return the row with what is shown of one move only."""
    row = row_of(move, clock)
    grace = move.grace_seconds
    return {
        **row,
        "leg_in_words": "1: there" if move.leg == 1 else "2: back",
        "mover_in_words": _mover_in_words(row),
        "grace_in_words": "until somebody says complete" if grace is None else span(grace),
        "times": {state: moment(at) for state, at in sorted(move.times.items(), key=lambda item: item[1])},
        "found": dict(move.found),
    }


def event_row(event: Event, first_at: float) -> Row:
    """Return a line of a move's log."""
    return {
        "seq": event.seq,
        "move_id": event.move_id,
        "at": moment(event.at),
        "after_seconds": round(event.at - first_at, 3),
        "who": event.who,
        "why": event.why,
        "before": event.before,
        "after": event.after,
        "mover_epoch": event.mover_epoch,
        "what": dict(event.what),
    }


def next_action(move: Move) -> str:
    """Say for people what comes next, and who does it."""
    held_here = move.held and move.state in HELD_IN
    text = _HELD[move.state] if held_here else _NEXT.get(move.state, _TURN)
    if move.state is MoveState.REVERSIBLE and move.grace_seconds is not None and not held_here:
        text = "nothing: it is completed when its grace is over; until then: podctl moves reverse {id}"
    elif move.is_rehearsal:
        text = _REHEARSED if has_rehearsed(move) else text
    if move.state is MoveState.REVERSIBLE and move.back_closed:
        text = "podctl moves complete {id} --despite-stale-writes: there is no way back"
    if move.state in CUTTING:
        text = "nothing: writes of the shop stand still, or are about to; it gives way by itself"
    return text.format(id=move.id, home=move.home_pod, shop=move.shop_id, away=move.away_pod)


def _since(move: Move, now: float) -> float | None:
    """Return the age of the heartbeat; None: it rests, is over, or nobody has begun."""
    if move.state.is_over or not move.owner or not move.heartbeat:
        return None
    return round(max(0.0, now - move.heartbeat), 1)


def _mover_in_words(row: Row) -> str:
    if not row["mover"]:
        return ""
    beat = row["heartbeat_age_seconds"]
    heard = "" if beat is None else f", heard of {age(beat)} ago"
    return f"{row['mover']}{heard}, mover epoch {row['mover_epoch']}"
