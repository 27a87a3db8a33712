"""Asking the server: what it can do with a change, and what the table would then be.

Owns: `ask`, `ask_create`, `sweep`. The question is an empty table of the same form (`CREATE TABLE ...
LIKE`) on which the statement is tried with one ALGORITHM after the other, from the cheapest; the server
refuses what it cannot do so. The form that the empty table then has is what the real one will have: after a
crash that tells whether the statement was run. Promises: the empty table's name says which connection made
it, and the next question takes away those of connections that are gone; nothing else is touched. A
connection that is not in a transaction is needed. Leaves to others: the statements (`rendering`), the route
(`routes`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from podwork.points import reach
from podwork_migrations.change.rendering import Alter, Create, drops_foreign_key, quoted
from podwork_migrations.change.routes import Way
from podwork_migrations.fingerprint.canonical import Check, ForeignKey, Table, canonical
from podwork_pods.driver_errors import is_lock_timeout

PREFIX = "_podwork_probe_"
# Not supported; not supported, with a reason; MySQL: too many row versions.
REFUSALS = (1845, 1846, 4092)

_LEFT_BEHIND = """SELECT table_name FROM information_schema.tables
    WHERE table_schema = DATABASE() AND table_name LIKE :names"""


class Answer(NamedTuple):
    """What the server said. `clause`: with which the statement was accepted."""

    way: Way
    clause: str
    before: Table
    after: Table


class ServerRefused(Exception):
    """Says why the server does not do a statement at all."""


def ask(connection: Connection, alter: Alter, ladder: Sequence[tuple[Way, str]]) -> Answer:
    """Return the cheapest way that the server accepts, and the table before and after.

    Raises:
        ServerRefused: the table is missing, or the statement is wrong.
        DBAPIError: a lock on the table was not to be had.
    """
    before = _form(connection, alter.table)
    if before is None:
        raise ServerRefused(f"there is no table {alter.table}")
    asked = alter.without_dropped_keys()
    dropped = {
        str(getattr(clause.op, "constraint_name", ""))
        for clause in alter.clauses
        if drops_foreign_key(clause.op)
    }
    unknown = dropped - {key.name for key in before.foreign_keys}
    if unknown:
        raise ServerRefused(f"{alter.table} has no foreign key {', '.join(sorted(unknown))}")
    kept = tuple(key for key in before.foreign_keys if key.name not in dropped)
    if not asked.clauses:
        after = msgspec.structs.replace(before, foreign_keys=kept)
        return Answer(*ladder[0], before, after)
    with _clone(connection, alter.table) as name:
        was = _form(connection, name)
        way, clause = _climb(connection, asked, name, ladder)
        became = _form(connection, name)
    assert was is not None
    assert became is not None
    if _as(was, before.name, (), before.checks) != msgspec.structs.replace(before, foreign_keys=()):
        raise ServerRefused(f"an empty copy of {alter.table} is not like it: {_unlike(was, before)}")
    keys = tuple(sorted((*kept, *became.foreign_keys), key=lambda key: (key.name, key.columns, key.table)))
    return Answer(way, clause, before, _as(became, before.name, keys, before.checks))


def ask_create(connection: Connection, create: Create) -> Table:
    """Return the form that a new table would have.

    Raises:
        ServerRefused: the statement is wrong.
    """
    name = _name(connection)
    with _cleared(connection, name):
        _run(connection, create.sql(table=name))
        reach("asking.cloned")
        made = _form(connection, name)
    assert made is not None
    return _as(made, create.table, made.foreign_keys, ())


def sweep(connection: Connection) -> None:
    """Take away what connections that are gone left behind."""
    found = (
        connection.execute(text(_LEFT_BEHIND), {"names": PREFIX.replace("_", r"\_") + "%"}).scalars().all()
    )
    if not found:
        return
    # Asked for after the tables: who makes one later was there, or its table was not.
    living = {
        str(row[0]) for row in connection.execute(text("SELECT id FROM information_schema.processlist"))
    }
    for name in found:
        if name.removeprefix(PREFIX) not in living:
            _drop(connection, name)


@contextmanager
def _clone(connection: Connection, table: str) -> Iterator[str]:
    name = _name(connection)
    with _cleared(connection, name):
        _run(connection, f"CREATE TABLE {quoted(name)} LIKE {quoted(table)}")
        reach("asking.cloned")
        yield name


@contextmanager
def _cleared(connection: Connection, name: str) -> Iterator[None]:
    """Nothing of the name is there before, and nothing afterwards."""
    sweep(connection)
    _drop(connection, name)  # this connection's own, after a question that was broken off
    checks = int(connection.exec_driver_sql("SELECT @@SESSION.foreign_key_checks").scalar_one())
    connection.exec_driver_sql("SET SESSION foreign_key_checks = 0")
    try:
        yield
    finally:
        _drop(connection, name)
        connection.exec_driver_sql(f"SET SESSION foreign_key_checks = {checks}")


def _climb(
    connection: Connection, alter: Alter, name: str, ladder: Sequence[tuple[Way, str]]
) -> tuple[Way, str]:
    for way, clause in ladder:
        try:
            _execute(connection, alter.sql(table=name, algorithm=clause))
        except DBAPIError as error:
            if is_lock_timeout(error):
                raise
            if code_of(error) not in REFUSALS:
                raise ServerRefused(said(error)) from None
        else:
            return way, clause
    raise ServerRefused("in none of the ways that podwork may take")


def _name(connection: Connection) -> str:
    return f"{PREFIX}{connection.exec_driver_sql('SELECT CONNECTION_ID()').scalar_one()}"


def _form(connection: Connection, table: str) -> Table | None:
    return canonical(connection, [table]).table(table)


def _as(table: Table, name: str, keys: tuple[ForeignKey, ...], checks: Sequence[Check]) -> Table:
    """Return the clone under the table's name, with its checks' names: MySQL gives the clone's others."""
    names = {check.clause: check.name for check in checks}
    renamed = [Check(names.get(check.clause, check.name), check.clause) for check in table.checks]
    return msgspec.structs.replace(
        table,
        name=name,
        foreign_keys=keys,
        checks=tuple(sorted(renamed, key=lambda check: check.name)),
    )


def _unlike(clone: Table, table: Table) -> str:
    parts = ("columns", "indexes", "checks", "options")
    return ", ".join(part for part in parts if getattr(clone, part) != getattr(table, part))


def _run(connection: Connection, statement: str) -> None:
    try:
        _execute(connection, statement)
    except DBAPIError as error:
        if is_lock_timeout(error):
            raise
        raise ServerRefused(said(error)) from None


def _drop(connection: Connection, name: str) -> None:
    _execute(connection, f"DROP TABLE IF EXISTS {quoted(name)}")


def _execute(connection: Connection, statement: str) -> None:
    connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def code_of(error: DBAPIError) -> object:
    """Return the server's number of an error."""
    args = getattr(error.orig, "args", ())
    return args[0] if args else None


def said(error: DBAPIError) -> str:
    """Return the server's words."""
    return str(error.orig.args[-1] if error.orig is not None and error.orig.args else error)
