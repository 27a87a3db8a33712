"""Comparing what two shards on MariaDB or MySQL have of a shop that trades meanwhile.

Owns: `differing_rows`, `differing_touched`, `differing_tables`. Promises: a row that differs because it has
just changed is compared again when its change has been brought; what is named differs though nobody has
changed it meanwhile, so that no further bringing would mend it. Nothing is written. Leaves to others: digests
(`mover.verify`), bringing, and what follows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy import Connection, Engine

from podwork_pods.mover.rows.literals import Key
from podwork_pods.mover.rows.stream.watch import Keys
from podwork_pods.mover.tables.digests import check_digests, digest_of
from podwork_pods.mover.tables.keys import Place, Span
from podwork_pods.mover.tables.table import MovedTable
from podwork_pods.mover.tables.values import canonical_session
from podwork_pods.mover.tables.walking import let_go
from podwork_pods.mover.verify import compare, compare_keys

VERIFY_ROUNDS: Final = 3
FRESH_SECONDS: Final = 0.1
"""So old may be what was brought when the next range is compared: what has changed since differs, and is
narrowed down to its keys, which takes many times as long as the range."""
NAMED_ROWS: Final = 3
"""So many of a table's rows that differ are named."""

_KEYS_AT_ONCE: Final = 500


def differing_rows(
    here: Engine,
    there: Engine,
    tables: Sequence[MovedTable],
    shop_id: int,
    bring: Callable[[], Keys],
    between: Callable[[], None],
) -> list[str]:
    """Name what differs, though it was brought and compared again.

    Args:
        here, there: the shards; bring: brings what has changed here up to now, and returns which keys.
        between: called between two ranges.
    """
    found: list[str] = []
    brought_at = time.monotonic()
    with here.connect() as source, there.connect() as target:
        for table in tables:
            differing: list[Place] = []
            for compared in compare(source, target, table, shop_id):
                differing += compared.differing
                between()
                if time.monotonic() >= brought_at + FRESH_SECONDS:
                    bring()
                    brought_at = time.monotonic()
            for _ in range(VERIFY_ROUNDS if differing else 0):
                bring()
                let_go(source, target)
                differing = list(compare_keys(source, target, table, shop_id, differing))
                let_go(source, target)  # the next round may wait for its pace
                changed = bring().get(table.name, {}) if differing else {}
                # What has changed meanwhile is compared again under the fence (step 17).
                still = set(_places(source, list(changed)).values())
                differing = [key for key in differing if key not in still]
            if differing:
                found.append(_named(table, differing))
    return found


def differing_touched(
    here: Engine,
    there: Engine,
    tables: Sequence[MovedTable],
    shop_id: int,
    touched: Keys,
    between: Callable[[], None],
) -> Keys:
    """Return those of the touched keys whose rows differ."""
    found: Keys = {}
    with here.connect() as source, there.connect() as target:
        for table in tables:
            mine = touched.get(table.name, {})
            places = _places(source, list(mine))
            compared = list(places.values())
            differing = set(compare_keys(source, target, table, shop_id, compared))
            if differing:
                # What is not found again by its place may be any of them.
                are_known = differing <= {*compared}
                known = [key for key in mine if places[key] in differing] if are_known else []
                found[table.name] = dict.fromkeys(known or mine)
            between()
    return found


def differing_tables(here: Engine, there: Engine, tables: Sequence[MovedTable], shop_id: int) -> list[str]:
    """Name the tables of which the two have different rows of a shop that stands still, and is small."""
    with here.connect() as source, there.connect() as target, canonical_session(source, target):
        check_digests(source, target)
        return [
            table.name
            for table in tables
            if digest_of(source, table, shop_id, Span()) != digest_of(target, table, shop_id, Span())
        ]


def _named(table: MovedTable, differing: Sequence[Place]) -> str:
    """Say how many rows of a table differ, and which the first of them are."""
    rows = [
        " ".join(f"{name}={value}" for name, value in zip(table.key, place, strict=False))
        for place in differing[:NAMED_ROWS]
    ]
    more = "" if len(differing) <= NAMED_ROWS else ", ..."
    return f"{table.name}: {len(differing)} rows ({'; '.join(rows)}{more})"


def _places(connection: Connection, keys: Sequence[Key]) -> dict[Key, Place]:
    """Return the values of keys that are literals, as the driver gives them."""
    found: dict[Key, Place] = {}
    for first in range(0, len(keys), _KEYS_AT_ONCE):
        some = keys[first : first + _KEYS_AT_ONCE]
        asked = (f"SELECT {number}, {', '.join(key)}" for number, key in enumerate(some))
        for number, *place in connection.exec_driver_sql(" UNION ALL ".join(asked)):
            found[some[number]] = tuple(place)
    return found
