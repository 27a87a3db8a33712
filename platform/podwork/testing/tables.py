"""The rows of tables, for `assert_idempotent`.

Owns: `tables` and `Rows`. Promises: rows are compared as a whole and in no order; columns that may differ
are left out. Leaves to others: SQLAlchemy, which is only imported when rows are read: the engine knows no
SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine
    from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of some tables at one moment, each as a line of text."""

    by_table: Mapping[str, Sequence[str]]

    def lines(self) -> list[str]:
        """Return a line for each row, by table."""
        return [f"{table}: {row}" for table, rows in self.by_table.items() for row in rows]


def tables(
    bind: Engine | Connection | Session, *names: str | Any, ignore: Collection[str] = ()
) -> Callable[[], Rows]:
    """Return what reads the rows of the tables.

    Args:
        bind: an engine; or the connection or session with which the job itself works, if the test gives one.
        names: the tables: names (`orders`, `billing.charges`), `Table`s or mapped classes.
        ignore: columns that may differ, as `updated_at`.
    """

    def read() -> Rows:
        with _connection(bind) as connection:
            return Rows({_name(table): _rows(connection, table, ignore) for table in names})

    return read


@contextmanager
def _connection(bind: Any) -> Iterator[Connection]:
    from sqlalchemy import Engine  # noqa: PLC0415 - see the module's docstring
    from sqlalchemy.orm import Session  # noqa: PLC0415 - the engine knows SQLAlchemy only if the tests pass its objects

    if isinstance(bind, Engine):
        with bind.connect() as connection:
            yield connection
    elif isinstance(bind, Session):
        bind.flush()
        yield bind.connection()
    else:
        yield bind


def _rows(connection: Connection, table: Any, ignore: Collection[str]) -> list[str]:
    import sqlalchemy  # noqa: PLC0415 - see the module's docstring

    if isinstance(table, str):
        schema, _, name = table.rpartition(".")
        table = sqlalchemy.table(name, schema=schema or None)
    found = connection.execute(sqlalchemy.select(sqlalchemy.text("*")).select_from(table)).mappings()
    return sorted(
        " ".join(f"{column}={value!r}" for column, value in row.items() if column not in ignore)
        for row in found
    )


def _name(table: Any) -> str:
    return table if isinstance(table, str) else str(getattr(table, "__tablename__", table))
