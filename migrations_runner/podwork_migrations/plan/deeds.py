"""What persons did to plans: who, when and why.

Owns: `Deed`, and its rows. Promises: a deed is written in the transaction that changes the plan, so that it
stands there if and only if the change does. Leaves to others: the lock (`store`), the changes (`plans`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection, func, insert, select

from podwork_migrations.plan import schema
from podwork_migrations.plan.rows import clipped

_DEEDS = schema.deeds


class Deed(NamedTuple):
    """Something that a person did to a plan. `at`: wall time in seconds since 1970."""

    at: float
    what: str
    by: str
    reason: str


def write(connection: Connection, plan_id: str, deed: Deed) -> None:
    """Write what was done; under the lock of all plans."""
    query = select(func.coalesce(func.max(_DEEDS.c.number), 0)).where(_DEEDS.c.plan_id == plan_id)
    number = 1 + int(connection.execute(query).scalar_one())
    row = {"at": deed.at, "what": deed.what, "done_by": clipped(deed.by, 255), "reason": clipped(deed.reason)}
    connection.execute(insert(_DEEDS).values(plan_id=plan_id, number=number, **row))


def read(connection: Connection, plan_ids: Iterable[str]) -> dict[str, list[Deed]]:
    """Return what was done to each plan, in order."""
    found: dict[str, list[Deed]] = {plan_id: [] for plan_id in plan_ids}
    query = (
        select(_DEEDS).where(_DEEDS.c.plan_id.in_(list(found))).order_by(_DEEDS.c.plan_id, _DEEDS.c.number)
    )
    for row in connection.execute(query):
        found[row.plan_id].append(Deed(row.at, row.what, row.done_by, row.reason))
    return found
