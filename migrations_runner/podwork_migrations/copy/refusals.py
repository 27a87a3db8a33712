"""What is not changed by an online copy, and what to do instead.

Owns: `Refusal`, `copy_refusals` (about the table, and the server), `change_refusals` (about what the change
does to it). Promises: what a copy could do wrong without anybody noticing is refused before the application's
table is touched. The codes are rules of the linter (`podwork_migrations.lint`). Leaves to others: whether the
disk has room for a second table (`change.ways`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from sqlalchemy import Connection, text

from podwork.errors import PodworkError
from podwork_migrations.copy.columns import Pairs, pairs_of, shared_key, widens
from podwork_migrations.copy.table import Form, form_of, triggers_on

_FOREIGN_KEYS = text(
    "SELECT table_name, constraint_name FROM information_schema.referential_constraints "
    "WHERE constraint_schema = DATABASE() AND (table_name = :name OR referenced_table_name = :name)"
)


class Refusal(NamedTuple):
    """A reason not to copy: the linter's rule, what is there, and what to do instead."""

    code: str
    why: str
    alternative: str

    def __str__(self) -> str:
        return f"{self.code}: {self.why} - {self.alternative}"


class CopyRefused(PodworkError):
    """Raised when a table cannot be changed by an online copy."""

    def __init__(self, table: str, refusals: list[Refusal]) -> None:
        self.table = table
        self.refusals = refusals
        super().__init__(
            f"{table} cannot be copied online: {'; '.join(f'{one.code}: {one.why}' for one in refusals)}",
            "; ".join(dict.fromkeys(one.alternative for one in refusals)),
        )


def copy_refusals(connection: Connection, table: str, own: frozenset[str] = frozenset()) -> list[Refusal]:
    """Return why the table cannot be copied, whatever the change is; `own`: its own triggers."""
    if connection.dialect.name not in ("mysql", "mariadb"):
        return [
            Refusal(
                "copy-engine", "only MariaDB and MySQL copy online", "SQLite changes it in one transaction"
            )
        ]
    form = form_of(connection, table)
    if form is None:
        return [Refusal("copy-engine", f"there is no table {table}", "mend its name")]
    return [*_of_table(connection, form, own), *_of_server(connection)]


def change_refusals(table: Form, copy: Form, renames: Mapping[str, str]) -> list[Refusal]:
    """Return why what the change does to the table's form cannot be done by copying rows."""
    pairs = pairs_of(table, copy, renames)
    found = [*_of_columns(pairs), *_of_uniques(table, copy, renames)]
    key = shared_key(table, copy, pairs)
    if isinstance(key, str):
        found.append(
            Refusal("copy-no-key", key, "give the table a primary key first, of numbers, text or dates")
        )
    return found


def _of_table(connection: Connection, form: Form, own: frozenset[str]) -> Iterator[Refusal]:
    if form.kind != "BASE TABLE":
        yield Refusal("copy-engine", f"{form.name} is a {form.kind.lower()}", "change it by hand")
    elif form.engine.lower() != "innodb":
        yield Refusal("copy-engine", f"{form.name} is of {form.engine}", "make it InnoDB first")
    for row in connection.execute(_FOREIGN_KEYS, {"name": form.name}):
        what = f"foreign key {row[1]} of {row[0]}"
        yield Refusal(
            "copy-foreign-key", f"{what} would bind the old table", "drop it first, or change it in place"
        )
    foreign = sorted(set(triggers_on(connection, form.name)) - own)
    if foreign:
        why = f"{form.name} has triggers: {', '.join(foreign)}"
        yield Refusal(
            "copy-trigger", why, "drop them first; those of podwork go when the old table is given up"
        )


def _of_server(connection: Connection) -> Iterator[Refusal]:
    variables = {
        str(row[0]): str(row[1])
        for row in connection.exec_driver_sql(
            "SHOW GLOBAL VARIABLES WHERE variable_name IN "
            "('log_bin', 'binlog_format', 'slave_run_triggers_for_rbr')"
        )
    }
    if variables.get("log_bin") == "ON" and variables.get("binlog_format", "ROW") == "STATEMENT":
        why = "binlog_format is STATEMENT: replicas would run the copy's statements in another order"
        yield Refusal("copy-binlog-statement", why, "set binlog_format=ROW")
    if variables.get("slave_run_triggers_for_rbr", "NO") != "NO":
        why = "slave_run_triggers_for_rbr is not NO: replicas would write each change twice"
        yield Refusal("copy-replica-triggers", why, "set it to NO")


def _of_columns(pairs: Pairs) -> Iterator[Refusal]:
    for old, new in pairs.shared:
        if {old.kind, new.kind} == {"timestamp", "datetime"}:
            why = f"{old.name}: {old.type} becomes {new.type} by the time zone of whoever writes"
            yield Refusal("timestamp-datetime", why, "add a new column and backfill it")
        elif not widens(old, new):
            code = "enum-reorder" if old.kind in ("enum", "set") else "narrow-type"
            why = f"{old.name}: not every {old.type} is a {new.type}"
            yield Refusal(code, why, "add a new column, backfill it, and let the code change over")
    for column in pairs.added:
        if column.counts_up:
            why = f"{column.name}: rows would be numbered anew whenever they change"
            yield Refusal("auto-increment-column", why, "add it in place")
        elif not column.is_nullable and column.default is None:
            why = f"{column.name} may not be null and has no default: the old code's inserts would fail"
            yield Refusal(
                "not-null-without-default", why, "give it a default, or let it be null and backfill it"
            )


def _of_uniques(table: Form, copy: Form, renames: Mapping[str, str]) -> Iterator[Refusal]:
    renamed = {old.lower(): new.lower() for old, new in renames.items()}
    had = {
        frozenset(renamed.get(name, name) for name in index.columns)
        for index in table.facts.indexes
        if index.unique
    }
    for index in copy.facts.indexes:
        # What contains a unique set of columns is unique by itself.
        if index.unique and not any(columns <= set(index.columns) for columns in had):
            why = f"{index.name} is unique, and nothing says that the rows are"
            yield Refusal(
                "add-unique", why, "find duplicates first, and add it in place, which tells of them"
            )
