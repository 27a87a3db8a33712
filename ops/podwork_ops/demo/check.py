"""The demo's check: what lies in the shards against what must lie there.

Owns: reading every row of every shard back and comparing it with the `Expectation` and the directory.
Promises: each basket has exactly one order, with the right totals; each shop's revenue of each day is
right; no line is missing; every row lies in the pod that owns its shop. Each departure is one `Finding`.
Leaves to others: the dead sets (`runbook` reads them) and showing the findings (`report`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

from sqlalchemy import Column, Engine, Table, func, select

from podwork_ops.demo import schema
from podwork_ops.demo.expectation import Expectation, Order, Revenue

Key = TypeVar("Key", bound=Hashable)
Row = TypeVar("Row", Order, Revenue, int)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it must be: what kind, and which row."""

    kind: str
    where: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.where}"


@dataclass(frozen=True, slots=True)
class Contents:
    """What one pod's shard holds."""

    pod_id: int
    orders: dict[tuple[int, int], Order]
    revenue: dict[tuple[int, date], Revenue]
    rows: dict[str, dict[int, int]]
    """By table, then by shop: how many rows."""


def check(expected: Expectation, owners: Mapping[int, int], shards: list[Contents]) -> list[Finding]:
    """Return every departure; none means that the check held.

    Args:
        expected: the truth about the orders.
        owners: the pod of every shop, from the directory.
        shards: what each pod holds.
    """
    return [
        *_misplaced(owners, shards),
        *_compare("order", expected.orders, [shard.orders for shard in shards]),
        *_compare("revenue", expected.revenue, [shard.revenue for shard in shards]),
        *_compare("number of lines", expected.lines, [shard.rows["order_lines"] for shard in shards]),
    ]


def read_contents(pod_id: int, engine: Engine) -> Contents:
    """Read what the check needs from one shard."""
    with engine.connect() as connection:
        orders = {
            (row[0], row[1]): Order._make(row[2:])
            for row in connection.execute(select(*_columns(schema.orders, Order, "basket_id")))
        }
        revenue = {
            (row[0], row[1]): Revenue._make(row[2:])
            for row in connection.execute(select(*_columns(schema.daily_revenue, Revenue, "sold_on")))
        }
        rows = {
            table.name: {
                row[0]: row[1]
                for row in connection.execute(select(table.c.shop_id, func.count()).group_by(table.c.shop_id))
            }
            for table in schema.metadata.sorted_tables
        }
    return Contents(pod_id, orders, revenue, rows)


def _columns(table: Table, kind: type[Order | Revenue], second: str) -> list[Column[Any]]:
    return [table.c[name] for name in ("shop_id", second, *kind._fields)]


def _misplaced(owners: Mapping[int, int], shards: list[Contents]) -> Iterator[Finding]:
    for shard in shards:
        for table, counts in sorted(shard.rows.items()):
            for shop_id, count in sorted(counts.items()):
                owner = owners.get(shop_id)
                if owner != shard.pod_id:
                    belongs = f"pod {owner}" if owner is not None else "no pod"
                    yield Finding(
                        "row in the wrong pod",
                        f"{count} of {table}, shop {shop_id}: in pod {shard.pod_id}, belongs to {belongs}",
                    )


def _compare(what: str, expected: Mapping[Key, Row], found: list[dict[Key, Row]]) -> Iterator[Finding]:
    seen: Counter[Key] = Counter()
    for rows in found:
        for key, row in rows.items():
            seen[key] += 1
            if key not in expected:
                yield Finding(f"unknown {what}", f"{_name(key)}: {row}")
            elif row != expected[key]:
                yield Finding(f"wrong {what}", f"{_name(key)}: {row}, expected {expected[key]}")
    for key, row in expected.items():
        if seen[key] != 1:
            kind = f"missing {what}" if seen[key] == 0 else f"{what} in {seen[key]} pods"
            yield Finding(kind, f"{_name(key)}: expected {row}")


def _name(key: object) -> str:
    return "/".join(str(part) for part in key) if isinstance(key, tuple) else f"shop {key}"
