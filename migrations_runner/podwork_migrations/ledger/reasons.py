"""Why a migration went another way than its file alone says: what a ledger's `override_reason` has.

Owns: `overrides`, `with_overrides`, `added`. Promises: what was said once stays, the rules that the file
overrides first, then each word of a person with when, who and why; if that gets too long for its column, the
middle is left out. Leaves to others: when something is said (`control`, `ledger`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from podwork_migrations.migration import Migration

MOST_CHARACTERS: Final = 3_000
"""Less than its column takes, so that the last word is never cut off there."""
_BETWEEN: Final = "; "
_LEFT_OUT: Final = " [...] "


def overrides(migration: Migration) -> str:
    """Return the rules that a migration's file overrides, each with its reason; "": none."""
    return _BETWEEN.join(f"{rule}: {why}" for rule, why in migration.override.items())


def with_overrides(before: str, migration: Migration) -> str:
    """Return what was said before, and what an edited file overrides beside it."""
    said = overrides(migration)
    return before if said in before else _BETWEEN.join(filter(None, (before, said)))


def added(before: str, now: float, what: str, by: str, reason: str) -> str:
    """Return what was said before, and that a person did `what` now; `by` and `reason` may be empty."""
    moment = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%MZ")
    said = f"{moment} {what} by {by or 'somebody'}" + (f": {reason}" if reason else "")
    whole = _BETWEEN.join(filter(None, (before, said)))
    if len(whole) <= MOST_CHARACTERS:
        return whole
    half = MOST_CHARACTERS // 2
    return f"{whole[:half]}{_LEFT_OUT}{whole[-half:]}"
