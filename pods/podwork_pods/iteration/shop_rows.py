"""Which rows of a collection are a shop's: so that a pod's run can leave shops out, and a shop's go on.

Owns: `task_of_run`. Promises: a run over a declared table that hands out items can leave out shops, and a
run that was cut out of such a one works on its shop's rows and on no others; every other one cannot: of a
range the job says by itself which rows it changes, and of a statement or a file nobody knows whose they are.
Leaves to others: the declaration (`mover.tables.declaration`), when shops are left out (`left_out`).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, FromClause, Table, column, exists, or_, select
from sqlalchemy import table as plain_table

from podwork.iteration.declaration import Declaration
from podwork.iteration.job import IterationJob
from podwork.iteration.methods import Form
from podwork_pods.iteration.collections.errors import InvalidCollection
from podwork_pods.iteration.collections.rows import Narrowing, Rows
from podwork_pods.iteration.left_out import ANY
from podwork_pods.iteration.run import Run
from podwork_pods.iteration.schema import left_out
from podwork_pods.iteration.task import Task
from podwork_pods.mover.tables.declaration import Declared, ShopTables


def task_of_run(tables: ShopTables | None, declared: Declaration, job: IterationJob, run: Run) -> Task:
    """Return what a run does.

    Raises:
        InvalidCollection: it was cut out of a pod's run, and its shop's rows cannot be told from others.
    """
    collection: Any = declared.collection(job)
    whose = None if tables is None else _whose(tables, declared, collection)
    if run.cut_from is not None:
        if whose is None:
            raise InvalidCollection(
                f"{run.job_class}: nothing says which of its rows are shop {run.shop_id}'s",
                "name the application's tables for moves; run it again with the code that began it",
            )
        return Task(declared, job, collection.narrowed(whose.only(run.shop_id)))
    if run.shop_id is not None or whose is None:
        return Task(declared, job, collection)
    return Task(declared, job, collection, collection.narrowed(whose.without(run.backfill)))


class _Whose:
    """Says of a declared table's rows which shop they are of."""

    def __init__(self, tables: ShopTables, declared: Declared) -> None:
        self._tables = tables
        self._declared = declared

    def only(self, shop_id: int | None) -> Narrowing:
        """Name the shop's rows."""

        def condition(table: Table) -> ColumnElement[bool]:
            shop, links = self._shop_of(table)
            if not links:
                return shop == shop_id
            return exists(select(shop).where(shop == shop_id, *links).correlate(table))

        return Narrowing(condition, is_filter=True)

    def without(self, group: str) -> Narrowing:
        """Name the rows of all shops but those that are left out of the group's runs."""

        def condition(table: Table) -> ColumnElement[bool]:
            shop, links = self._shop_of(table)
            groups = or_(left_out.c.group_id == ANY, left_out.c.group_id == group)
            theirs = select(left_out.c.shop_id).where(groups, left_out.c.shop_id == shop, *links)
            return ~exists(theirs.correlate(table))

        return Narrowing(condition, is_filter=False)

    def _shop_of(self, table: FromClause) -> tuple[ColumnElement[Any], list[ColumnElement[bool]]]:
        """Return the column with a row's shop, and what leads there from table to table."""
        links: list[ColumnElement[bool]] = []
        declared, depth = self._declared, 0
        while declared.through is not None:
            above = self._tables.get(declared.through)
            assert above is not None  # the declaration was checked
            depth += 1
            parent = _named(above, [theirs for _, theirs in declared.on]).alias(f"_above_{depth}")
            links += [_column(parent, theirs) == _column(table, own) for own, theirs in declared.on]
            table, declared = parent, above
        return _column(table, declared.column or ""), links


def _whose(tables: ShopTables, declared: Declaration, collection: object) -> _Whose | None:
    """Return what tells its rows' shops; None: nothing does."""
    if type(collection) is not Rows or declared.form is Form.EACH_RANGE:
        return None
    line = tables.get(collection.table_name)
    return None if line is None or not line.moves else _Whose(tables, line)


def _named(declared: Declared, further: list[str]) -> FromClause:
    names = {*further, *(own for own, _ in declared.on), *([declared.column] if declared.column else [])}
    return plain_table(declared.name, *(column(name) for name in sorted(names)))


def _column(table: FromClause, name: str) -> ColumnElement[Any]:
    for found in table.c:
        if found.name.lower() == name.lower():
            return found
    raise InvalidCollection(f"{table} has no column {name}", "mend the declaration of tables")
