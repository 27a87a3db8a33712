"""How loaded pods are: their shops, each with its rows, or counted.

Owns: `shops_of`, `rows_by_shop`. Promises: every shop that the directory has on a pod is there, also without
rows. Leaves to others: what follows from it (`selection`).
"""

# ruff: noqa: S608 - names are quoted, and there are no values

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import Engine

from podwork_pods.directory import Directory
from podwork_pods.engines import reader
from podwork_pods.mover.tables.table import MovedTable

_PAGE: Final = 10_000


def shops_of(directory: Directory, pod_id: int) -> list[int]:
    """Return the numbers of all shops on the pod, in ascending order."""
    found: list[int] = []
    while page := directory.shops_of(pod_id, found[-1] if found else -1, _PAGE):
        found += page
    return found


def rows_by_shop(engine: Engine, tables: Sequence[MovedTable]) -> Mapping[int, int]:
    """Return how many rows each shop has in a shard, in the tables that have the shop's number.

    Rows of tables that are joined through others are not counted: they grow with these.
    """
    rows: Counter[int] = Counter()
    with reader(engine).connect() as connection:
        for table in tables:
            if table.shop_column is None:
                continue
            column, name = table.quote(table.shop_column), table.quote(table.name)
            query = f"SELECT {column}, COUNT(*) FROM {name} WHERE {column} IS NOT NULL GROUP BY {column}"
            rows.update({int(shop): int(count) for shop, count in connection.exec_driver_sql(query)})
    return rows
