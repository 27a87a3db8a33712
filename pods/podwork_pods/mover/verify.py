"""Whether a shop's rows are the same on both sides, by digests of ranges.

Owns: `compare`, `compare_keys`, `Compared`. Promises: every row of the shop on either side lies in a range
that is compared; ranges whose digests differ are narrowed down to the keys that do; nothing is written and
nothing is locked. What it costs grows with the shop's rows, and only differences travel over the network.
Leaves to others: what follows (a key that differs while the shop trades may be one that has just changed: it
is compared again when its change has been applied; `copy.verify`: what then still differs never switches).
Under the closed fence `compare_keys` looks at the touched keys alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection

from podwork.points import reach
from podwork_pods.mover.tables.digests import (
    NOTHING,
    Digest,
    check_digests,
    digest_of,
    digests_by_key,
    digests_of_keys,
)
from podwork_pods.mover.tables.keys import Place, Span, spans, within
from podwork_pods.mover.tables.table import MovedTable
from podwork_pods.mover.tables.values import canonical_session
from podwork_pods.mover.tables.walking import let_go

ROWS_IN_A_RANGE: Final = 5_000
ROWS_ONE_BY_ONE: Final = 250
"""So many rows are compared key by key, and not halved again."""


class Compared(NamedTuple):
    """A range that was compared: its rows at the source, and the keys that differ."""

    table: str
    span: Span
    rows: int
    differing: tuple[Place, ...]


def compare(
    source: Connection,
    target: Connection,
    table: MovedTable,
    shop_id: int,
    *,
    after: Place | None = None,
    rows_in_a_range: int = ROWS_IN_A_RANGE,
) -> Iterator[Compared]:
    """Compare range by range, behind `after` (the `span.upto` of the last one that was compared).

    Each is yielded when it is done, so that the caller may throttle, stop, and go on later from there. Until
    then the connections are used for nothing else: their transactions are ended after each range.

    Raises:
        DigestsMissing: a server cannot make digests; nothing can be said.
    """
    with canonical_session(source, target):
        check_digests(source, target)
        for span in spans(source, table, shop_id, rows_in_a_range, after):
            reach("move.verify.range")
            ours = digest_of(source, table, shop_id, span)
            theirs = digest_of(target, table, shop_id, span)
            keys = () if ours == theirs else _narrow(source, target, table, shop_id, span, ours, theirs)
            let_go(source, target)
            yield Compared(table.name, span, ours.rows, tuple(keys))


def compare_keys(
    source: Connection, target: Connection, table: MovedTable, shop_id: int, keys: Sequence[Place]
) -> tuple[Place, ...]:
    """Return those of the keys whose rows differ, or which only one side has.

    Raises:
        DigestsMissing: as `compare`.
    """
    if not keys:
        return ()
    with canonical_session(source, target):
        check_digests(source, target)
        ours = digests_of_keys(source, table, shop_id, keys)
        theirs = digests_of_keys(target, table, shop_id, keys)
    return _differing(ours, theirs)


def _narrow(
    source: Connection,
    target: Connection,
    table: MovedTable,
    shop_id: int,
    span: Span,
    ours: Digest,
    theirs: Digest,
) -> tuple[Place, ...]:
    """Return the keys of a span that differ: halve it until it is small, on the side that has more rows."""
    most = max(ours.rows, theirs.rows)
    larger = source if ours.rows >= theirs.rows else target
    halves = list(_halves(larger, table, shop_id, span, most)) if most > ROWS_ONE_BY_ONE else []
    if len(halves) < 2:
        condition, values = within(table, span)
        return _differing(
            digests_by_key(source, table, shop_id, condition, values),
            digests_by_key(target, table, shop_id, condition, values),
        )
    found: list[Place] = []
    for half in halves:
        here = digest_of(source, table, shop_id, half)
        there = digest_of(target, table, shop_id, half)
        if here != there:
            found += _narrow(source, target, table, shop_id, half, here, there)
    return tuple(found)


def _halves(connection: Connection, table: MovedTable, shop_id: int, span: Span, rows: int) -> Iterator[Span]:
    first = next(spans(connection, table, shop_id, max(1, rows // 2), span.after))
    if first.upto is None or first.upto == span.upto:
        return
    yield first
    yield Span(first.upto, span.upto)


def _differing(ours: dict[Place, Digest], theirs: dict[Place, Digest]) -> tuple[Place, ...]:
    keys = dict.fromkeys([*ours, *theirs])
    return tuple(key for key in keys if ours.get(key, NOTHING) != theirs.get(key, NOTHING))
