"""In which order tables are filled, and where no order helps.

Owns: `ranks`, `unchecked`. Promises: a table has a higher rank than all to whose rows its own refer, but for
those that refer to one another in a circle, which have the same. Leaves to others: writing rows in that order
and in sessions that do not check where `unchecked` says so.

Foreign keys need not be checked where rows come from a database that has checked them: with
FOREIGN_KEY_CHECKS=0 (on SQLite `PRAGMA foreign_keys=OFF` before the transaction begins) InnoDB neither
refuses a row nor deletes others along with it. It has to be so where an order does not exist, and where a
changed row is deleted and inserted again while others refer to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Set


def ranks(parents: Mapping[str, Set[str]]) -> dict[str, int]:
    """Return each table's rank; `parents`: table -> those to which it refers, all of them keys."""
    reach = {name: _above(name, parents) for name in parents}
    found: dict[str, int] = {}

    def rank(name: str) -> int:
        if name not in found:
            found[name] = 0  # for those of the same circle, which are not followed
            circle = {other for other in reach[name] if name in reach[other]} | {name}
            over = {above for member in circle for above in parents[member]} - circle
            found.update(dict.fromkeys(circle, max((rank(above) + 1 for above in over), default=0)))
        return found[name]

    for name in parents:
        rank(name)
    return found


def unchecked(name: str, parents: Mapping[str, Set[str]]) -> str:
    """Return why foreign keys are not to be checked in sessions that write the table; "": they may be."""
    if name in parents[name]:
        return f"{name} refers to itself: its rows have no order in which each comes after what it refers to"
    others = sorted(other for other in _above(name, parents) - {name} if name in _above(other, parents))
    if others:
        return f"{name} and {', '.join(others)} refer to one another: neither can be filled first"
    children = sorted(child for child, above in parents.items() if name in above)
    if children:
        return (
            f"changed rows of {name} are deleted and inserted again while {', '.join(children)} refer to them"
        )
    return ""


def _above(name: str, parents: Mapping[str, Set[str]]) -> set[str]:
    """Return all to which a table refers, directly or not; itself too, if it is in a circle."""
    found: set[str] = set()
    waiting = list(parents[name])
    while waiting:
        above = waiting.pop()
        if above not in found:
            found.add(above)
            waiting += parents[above]
    return found
