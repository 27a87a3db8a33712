"""The audit of moves: who changed which state, why, from what to what, under which mover epoch.

Owns: `Event`, writing and reading the log. Promises: a line is written in the transaction of the change
that it tells of, under the lock of the directory's change log, so that lines are numbered in the order of
the commits. Leaves to others: the changes (`moves`, `orders`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, insert, select

from podwork_pods.mover.schema import events

NAME_CHARACTERS: Final = 255
TEXT_CHARACTERS: Final = 4_000

_what = msgspec.json.Decoder(dict[str, Any]).decode
_COLUMNS: Final = list(events.c)


class Event(NamedTuple):
    """One line. `before` is '' for the one that planned the move; `before` == `after`: its mover changed,
    or an order left the state as it was.
    """

    seq: int
    move_id: int
    at: float
    mover_epoch: int
    who: str
    why: str
    before: str
    after: str
    what: Mapping[str, Any]


def append(
    connection: Connection,
    move_id: int,
    *,
    at: float,
    mover_epoch: int,
    who: str,
    why: str,
    before: str,
    after: str,
    what: Mapping[str, Any],
) -> None:
    """Write a line; the log of the directory has to be locked."""
    connection.execute(
        insert(events).values(
            move_id=move_id,
            at=at,
            mover_epoch=mover_epoch,
            who=clipped(who, NAME_CHARACTERS),
            why=clipped(why),
            before=before,
            after=after,
            what=encoded(what),
        )
    )


def of_move(connection: Connection, move_id: int, after: int, limit: int) -> list[Event]:
    """Return up to `limit` lines of a move after number `after`, in order."""
    query = select(*_COLUMNS).where(events.c.move_id == move_id, events.c.seq > after)
    rows = connection.execute(query.order_by(events.c.seq).limit(limit))
    return [Event(**{**row._mapping, "what": _what(row.what)}) for row in rows]


def clipped(text: str, characters: int = TEXT_CHARACTERS) -> str:
    """Return a text as its column takes it: a change must not fail for the length of its reason."""
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= characters else f"{text[: characters - 1]}…"


def encoded(what: Mapping[str, Any]) -> str:
    """Return what a column of JSON takes."""
    return msgspec.json.encode(dict(what), order="sorted").decode()
