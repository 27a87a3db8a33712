"""The form of a table, as the catalogue has it.

Owns: `Form`, `Column`, `form_of`, and what else is asked of the catalogue about a table. Promises: it is read
anew each time; nothing that was true in an earlier bit is taken for granted. Leaves to others: what follows.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, MetaData, Table, text
from sqlalchemy.exc import DBAPIError

from podwork_migrations.copy.names import quoted
from podwork_pods.iteration.collections.candidates import TableFacts
from podwork_pods.iteration.collections.catalogue import facts_of
from podwork_pods.iteration.throttles.server_status import is_mariadb

_COLUMNS: Final = text(
    "SELECT column_name, column_type, data_type, is_nullable, column_default, extra, character_set_name, "
    "collation_name FROM information_schema.columns "
    "WHERE table_schema = DATABASE() AND table_name = :name ORDER BY ordinal_position"
)
_TABLE: Final = text(
    "SELECT table_type, engine, auto_increment, create_time FROM information_schema.tables "
    "WHERE table_schema = DATABASE() AND table_name = :name"
)
_TRIGGERS: Final = text(
    "SELECT trigger_name, action_statement FROM information_schema.triggers "
    "WHERE event_object_schema = DATABASE() AND event_object_table = :name"
)
_DENIED: Final = 1227
_COUNTER: Final = re.compile(r" AUTO_INCREMENT=\d+")


class Column(NamedTuple):
    """A column; `type` is the server's own words, `kind` the type's name alone."""

    name: str
    type: str
    kind: str
    is_nullable: bool
    default: str | None
    extra: str
    charset: str | None
    collation: str | None

    @property
    def is_generated(self) -> bool:
        """Whether its value follows from other columns."""
        return "VIRTUAL" in self.extra or "STORED" in self.extra or "PERSISTENT" in self.extra

    @property
    def counts_up(self) -> bool:
        """Whether the server numbers it."""
        return "AUTO_INCREMENT" in self.extra


class Form(NamedTuple):
    """A table.

    `kind` is the catalogue's: a plain one is `BASE TABLE`. `definition` tells two forms apart, whatever the
    table is called and whatever number comes next. `created` changes when it is emptied by TRUNCATE.
    """

    name: str
    kind: str
    engine: str
    next_number: int | None
    created: str
    columns: Mapping[str, Column]
    facts: TableFacts
    definition: str


def form_of(connection: Connection, name: str) -> Form | None:
    """Return the form of a table; None: there is none such."""
    row = connection.execute(_TABLE, {"name": name}).first()
    if row is None:
        return None
    kind, engine, next_number, created = row
    created = f"{created} {_number_of(connection, name)}"
    columns = {
        found.name.lower(): found for found in map(_column, connection.execute(_COLUMNS, {"name": name}))
    }
    facts = facts_of(connection, Table(name, MetaData()))
    definition = definition_of(connection, name)
    return Form(name, kind, engine or "", next_number, created, columns, facts, definition)


def definition_of(connection: Connection, name: str) -> str:
    """Return what tells the table's definition from others."""
    shown = connection.exec_driver_sql(f"SHOW CREATE TABLE {quoted(name)}").one()[1]
    body = _COUNTER.sub("", shown.partition("(")[2])
    return hashlib.sha256(body.encode()).hexdigest()[:16]


def _number_of(connection: Connection, name: str) -> str:
    """Return InnoDB's own number of the table, which TRUNCATE changes; "" where we may not ask."""
    listed = "innodb_sys_tables" if is_mariadb(connection) else "innodb_tables"
    query = text(
        f"SELECT table_id FROM information_schema.{listed} WHERE name = CONCAT(DATABASE(), '/', :name)"  # noqa: S608
    )
    try:
        found = connection.execute(query, {"name": name}).scalar()
    except DBAPIError as error:
        if getattr(error.orig, "args", (None,))[0] != _DENIED:
            raise
        return ""
    return "" if found is None else str(found)


def exists(connection: Connection, name: str) -> bool:
    """Return whether there is a table of that name."""
    return connection.execute(_TABLE, {"name": name}).first() is not None


def triggers_on(connection: Connection, name: str) -> dict[str, str]:
    """Return the bodies of the triggers on a table, by name."""
    return {str(row[0]): str(row[1]) for row in connection.execute(_TRIGGERS, {"name": name})}


def table_of_trigger(connection: Connection, trigger: str) -> str | None:
    """Return the table on which a trigger is, whatever that is called now; None: there is no such trigger."""
    query = text(
        "SELECT event_object_table FROM information_schema.triggers "
        "WHERE trigger_schema = DATABASE() AND trigger_name = :name"
    )
    found: str | None = connection.execute(query, {"name": trigger}).scalar()
    return found


def _column(row: Any) -> Column:
    name, type_, kind, nullable, default, extra, charset, collation = row
    return Column(
        name, str(type_), kind.lower(), nullable == "YES", default, extra.upper(), charset, collation
    )
