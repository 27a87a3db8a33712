"""What keeps a schema from being another, as DDL.

Owns: `differences`. Promises: nothing for equal schemas; on MariaDB and MySQL, running what it says, in
order, on a shard whose schema is `found` gives one with the fingerprint of `expected` (generated columns,
partitions and foreign keys that the server named are shown, but are for a person to change). It only says;
nobody runs it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from podwork_migrations.fingerprint.canonical import Column, ForeignKey, Index, Schema, Table
from podwork_migrations.fingerprint.ddl import Writer


def differences(expected: Schema, found: Schema) -> list[str]:
    """Return the statements that lead from `found` to `expected`; on SQLite some are only for reading."""
    write = Writer(expected.dialect)
    pairs = [(table, found.table(table.name)) for table in expected.tables]
    missing = [table for table, there in pairs if there is None]
    changed = [(table, there) for table, there in pairs if there is not None and there != table]
    surplus = _children_first([table for table in found.tables if expected.table(table.name) is None])
    return [
        *(write.create(table) for table in missing),
        *(sql for table, there in changed for sql in _drop_foreign_keys(write, table, there)),
        *(sql for table, there in changed for sql in _alter(write, table, there)),
        *(sql for table in missing for sql in _foreign_keys(write, "ADD", table, table.foreign_keys)),
        *(sql for table, there in changed for sql in _add_foreign_keys(write, table, there)),
        *(f"DROP TABLE {write.name(table.name)}" for table in surplus),
    ]


def _children_first(tables: list[Table]) -> list[Table]:
    """Return the tables so that none comes before one that refers to it; a circle is cut somewhere."""
    rest, ordered = list(tables), []
    while rest:
        parents = {key.table for table in rest for key in table.foreign_keys if key.table != table.name}
        free = [table for table in rest if table.name not in parents] or rest[:1]
        ordered += free
        rest = [table for table in rest if table not in free]
    return ordered


def _alter(write: Writer, expected: Table, found: Table) -> Iterator[str]:
    """One statement for a table, so that no state in between has to be allowed."""
    wanted = {index.name: index for index in expected.indexes}
    # Dropped and added in one statement it would stay as it is: to MariaDB both are the same index.
    turned = [
        (index, wanted[index.name])
        for index in found.indexes
        if index.name in wanted and wanted[index.name] == replace(index, ignored=not index.ignored)
    ]
    there = [index for index in found.indexes if index not in [old for old, _ in turned]]
    missing = [index for index in expected.indexes if index not in [new for _, new in turned]]
    clauses = [
        *(
            f"DROP CONSTRAINT {write.name(check.name)}"
            for check in found.checks
            if check not in expected.checks
        ),
        *(_drop_index(write, index) for index in there if index not in expected.indexes),
        *(f"DROP COLUMN {write.name(column.name)}" for column in found.columns if _gone(column, expected)),
        *_columns(write, expected.columns, [c for c in found.columns if not _gone(c, expected)]),
        *(f"ADD {write.index(index)}" for index in missing if index not in found.indexes),
        *(f"ALTER INDEX {write.name(new.name)} {write.visibility(new)}" for _, new in turned),
        *(f"ADD {write.check(check)}" for check in expected.checks if check not in found.checks),
        *_options(write, expected, found),
    ]
    if clauses:
        separator = ",\n  "
        yield f"ALTER TABLE {write.name(expected.name)}\n  {separator.join(clauses)}"


def _gone(column: Column, expected: Table) -> bool:
    return all(column.name != wanted.name for wanted in expected.columns)


def _columns(write: Writer, expected: Sequence[Column], kept: Sequence[Column]) -> Iterator[str]:
    """Add, change and move columns; `order` is what the clauses so far have led to."""
    there = {column.name: column for column in kept}
    order = [column.name for column in kept]
    for position, column in enumerate(expected):
        place = f"AFTER {write.name(expected[position - 1].name)}" if position else "FIRST"
        if column.name not in there:
            yield f"ADD COLUMN {write.column(column)} {place}"
            order.insert(position, column.name)
        elif order[position] != column.name:
            yield f"MODIFY COLUMN {write.column(column)} {place}"
            order.remove(column.name)
            order.insert(position, column.name)
        elif there[column.name] != column:
            yield f"MODIFY COLUMN {write.column(column)}"


def _drop_index(write: Writer, index: Index) -> str:
    return "DROP PRIMARY KEY" if index.name == "PRIMARY" else f"DROP INDEX {write.name(index.name)}"


def _options(write: Writer, expected: Table, found: Table) -> Iterator[str]:
    """Options that differ; one that is not wanted is only known by being empty."""
    wanted = {name: value for name, value in expected.options.items() if found.options.get(name) != value}
    if "comment" in found.options and "comment" not in expected.options:
        wanted["comment"] = ""
    if wanted:
        yield write.options(wanted)
    for name in sorted(set(found.options) - set(expected.options) - {"comment"}):
        yield f"/* {name} is {found.options[name]}, expected the default */"


def _drop_foreign_keys(write: Writer, expected: Table, found: Table) -> Iterator[str]:
    surplus = [key for key in found.foreign_keys if key not in expected.foreign_keys]
    return _foreign_keys(write, "DROP", found, surplus)


def _add_foreign_keys(write: Writer, expected: Table, found: Table) -> Iterator[str]:
    missing = [key for key in expected.foreign_keys if key not in found.foreign_keys]
    return _foreign_keys(write, "ADD", expected, missing)


def _foreign_keys(write: Writer, verb: str, table: Table, keys: Sequence[ForeignKey]) -> Iterator[str]:
    for key in keys:
        if verb == "ADD":
            what = write.foreign_key(key)
        elif key.name:
            what = f"FOREIGN KEY {write.name(key.name)}"
        else:
            what = f"FOREIGN KEY /* that the server named: {write.foreign_key(key)} */"
        yield f"ALTER TABLE {write.name(table.name)} {verb} {what}"
