"""What the database says about a statement before it runs it.

Owns: `estimated_rows` and `sorts`. Promises: nothing is read but statistics. Leaves to others: what follows
from the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Executable
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ClauseElement


class Explain(Executable, ClauseElement):
    """EXPLAIN before another statement."""

    inherit_cache = False

    def __init__(self, statement: ClauseElement) -> None:
        self.statement = statement


@compiles(Explain)
def _explain(element: Explain, compiler: SQLCompiler, **kw: Any) -> str:
    return "EXPLAIN " + compiler.process(element.statement, **kw)


@compiles(Explain, "sqlite")
def _explain_query_plan(element: Explain, compiler: SQLCompiler, **kw: Any) -> str:
    return "EXPLAIN QUERY PLAN " + compiler.process(element.statement, **kw)


def plan(
    connection: Connection, statement: ClauseElement, values: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Return the rows of the plan, by the names that the database gives its columns.

    `values` are for the places in the statement.
    """
    result = connection.execute(Explain(statement), values)
    # Not SQLAlchemy's names: it takes the answer's columns for those of the statement that is explained.
    names = [column[0].lower() for column in result.cursor.description]
    return [dict(zip(names, row, strict=True)) for row in result.all()]


def estimated_rows(connection: Connection, statement: ClauseElement) -> int | None:
    """Return about how many rows the statement has to look at; None: SQLite, which does not say."""
    if connection.dialect.name == "sqlite":
        return None
    return max((int(step["rows"] or 0) for step in plan(connection, statement)), default=0)


def sorts(connection: Connection, statement: ClauseElement) -> bool:
    """Return whether SQLite would put the statement's rows in order by itself, and not along an index."""
    return any("TEMP B-TREE" in step["detail"] for step in plan(connection, statement))
