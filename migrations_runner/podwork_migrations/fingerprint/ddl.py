"""Parts of a schema, written as DDL.

Owns: `Writer`: columns, indexes, constraints and tables in the words of their dialect. Leaves to others:
which of them are wanted (`drift`). SQLite cannot change most of these; there it is for people to read.
"""

from __future__ import annotations

from collections.abc import Iterator

from podwork_migrations.fingerprint.canonical import Check, Column, ForeignKey, Index, Part, Table

_OPTIONS = {
    "engine": "ENGINE={}",
    "collation": "COLLATE={}",
    "row_format": "ROW_FORMAT={}",
    "comment": "COMMENT={}",
    "create_options": "{}",
    "partitions": "/* PARTITION BY {} */",
}


class Writer:
    """Writes for one dialect: `mariadb`, `mysql` or `sqlite`."""

    def __init__(self, dialect: str) -> None:
        self._is_sqlite = dialect == "sqlite"
        self._is_mariadb = dialect == "mariadb"

    def name(self, name: str) -> str:
        """Return a name, quoted."""
        quote = '"' if self._is_sqlite else "`"
        return ".".join(quote + part.replace(quote, 2 * quote) + quote for part in name.split("."))

    def literal(self, value: str) -> str:
        """Return a text, quoted."""
        return "'" + value.replace("\\", "\\\\" if not self._is_sqlite else "\\").replace("'", "''") + "'"

    def column(self, column: Column) -> str:
        """Return a column's definition."""
        words = [self.name(column.name), column.type]
        if column.collation:
            words += [f"COLLATE {column.collation}"]
        if column.generated:
            stored = "STORED" if "stored" in column.extra else "VIRTUAL"
            words += [f"GENERATED ALWAYS AS ({column.generated}) {stored}"]
        else:
            words += ["NULL" if column.nullable else "NOT NULL"]
            words += [] if column.default is None else [f"DEFAULT {column.default}"]
            words += [column.extra.replace("generated", "").strip().upper()] if column.extra else []
        if column.comment:
            words += [f"COMMENT {self.literal(column.comment)}"]
        return " ".join(words)

    def index(self, index: Index) -> str:
        """Return an index's definition."""
        parts = ", ".join(self._part(part) for part in index.parts)
        if index.name == "PRIMARY":
            return f"PRIMARY KEY ({parts})"
        if index.kind == "CONSTRAINT":
            name = f"CONSTRAINT {self.name(index.name)} " if index.name else ""
            return f"{name}UNIQUE ({parts})"
        special = f"{index.kind} " if index.kind in ("FULLTEXT", "SPATIAL") else ""
        words = [f"{'UNIQUE ' if index.unique else special}INDEX {self.name(index.name)} ({parts})"]
        if index.kind == "HASH":
            words.append("USING HASH")
        if index.note:
            words.append(index.note if self._is_sqlite else f"COMMENT {self.literal(index.note)}")
        if index.ignored:
            words.append(self.visibility(index))
        return " ".join(words)

    def visibility(self, index: Index) -> str:
        """Return whether the optimizer looks at an index, in the dialect's words."""
        if self._is_mariadb:
            return "IGNORED" if index.ignored else "NOT IGNORED"
        return "INVISIBLE" if index.ignored else "VISIBLE"

    def _part(self, part: Part) -> str:
        written = part.of if part.of.startswith("(") else self.name(part.of)
        length = f"({part.length})" if part.length else ""
        return f"{written}{length}{' DESC' if part.descending else ''}"

    def foreign_key(self, key: ForeignKey) -> str:
        """Return a foreign key's definition."""
        name = f"CONSTRAINT {self.name(key.name)} " if key.name else ""
        return (
            f"{name}FOREIGN KEY ({self._names(key.columns)}) REFERENCES {self.name(key.table)} "
            f"({self._names(key.references)}) ON DELETE {key.on_delete} ON UPDATE {key.on_update}"
        )

    def check(self, check: Check) -> str:
        """Return a check's definition."""
        name = f"CONSTRAINT {self.name(check.name)} " if check.name else ""
        return f"{name}CHECK ({check.clause})"

    def options(self, options: dict[str, str]) -> str:
        """Return a table's options; what names none gives ""."""
        quoted = {**options, "comment": self.literal(options["comment"])} if "comment" in options else options
        return " ".join(_OPTIONS[name].format(quoted[name]) for name in _OPTIONS if name in quoted)

    def create(self, table: Table) -> str:
        """Return CREATE TABLE, without foreign keys: they may need tables that come later."""
        lines = ",\n".join(f"  {line}" for line in self._lines(table))
        options = self.options(dict(table.options))
        return f"CREATE TABLE {self.name(table.name)} (\n{lines}\n){' ' if options else ''}{options}"

    def _lines(self, table: Table) -> Iterator[str]:
        yield from (self.column(column) for column in table.columns)
        yield from (self.index(index) for index in table.indexes)
        yield from (self.check(check) for check in table.checks)

    def _names(self, names: tuple[str, ...]) -> str:
        return ", ".join(self.name(name) for name in names)
