"""What a migration changes, in one form for Alembic's operations and for SQL.

Owns: the changes, each a small value, and `Step`. Promises: a rule that knows these has seen everything that
was read; what was not understood is an `Unread`, never left out. Leaves to others: making them (`reading`),
judging them (`rules`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from podwork_migrations.lint.column import Column, ColumnType, Default


@dataclass(frozen=True, slots=True)
class Change:
    """Anything that is done to a table; "" stands for none, or for one that is not known."""

    table: str


@dataclass(frozen=True, slots=True)
class AddColumn(Change):
    """A column more."""

    column: Column


@dataclass(frozen=True, slots=True)
class DropColumn(Change):
    """A column less."""

    column: str


@dataclass(frozen=True, slots=True)
class RenameColumn(Change):
    """A column under another name."""

    column: str
    to: str


@dataclass(frozen=True, slots=True)
class AlterColumn(Change):
    """A column that becomes another; None: not said, so it stays; of what was: not known."""

    column: str
    type: ColumnType | None = None
    nullable: bool | None = None
    default: Default | None = None
    old_type: ColumnType | None = None
    old_nullable: bool | None = None


@dataclass(frozen=True, slots=True)
class AddIndex(Change):
    """An index more; None: an expression, or a column's beginning. `kind`: "", fulltext, spatial."""

    name: str
    columns: tuple[str | None, ...]
    unique: bool = False
    kind: str = ""


@dataclass(frozen=True, slots=True)
class DropIndex(Change):
    """An index less."""

    name: str


@dataclass(frozen=True, slots=True)
class DropConstraint(Change):
    """A constraint less, whose kind the statement does not say."""

    name: str


@dataclass(frozen=True, slots=True)
class AddForeignKey(Change):
    """A foreign key more."""

    to: str


@dataclass(frozen=True, slots=True)
class AddCheck(Change):
    """A CHECK more."""


@dataclass(frozen=True, slots=True)
class AddPrimaryKey(Change):
    """A primary key."""

    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DropPrimaryKey(Change):
    """No primary key."""


@dataclass(frozen=True, slots=True)
class CreateTable(Change):
    """A new table. `like`: it is made as another one is."""

    columns: tuple[Column, ...] = ()
    primary: bool = False
    foreign_keys: tuple[str, ...] = ()
    engine: str | None = None
    like: bool = False


@dataclass(frozen=True, slots=True)
class DropTable(Change):
    """A table less."""


@dataclass(frozen=True, slots=True)
class RenameTable(Change):
    """A table under another name."""

    to: str


@dataclass(frozen=True, slots=True)
class Truncate(Change):
    """A table without its rows."""


@dataclass(frozen=True, slots=True)
class ConvertCharset(Change):
    """All texts of a table in another character set."""

    charset: str


@dataclass(frozen=True, slots=True)
class SetEngine(Change):
    """A table in another storage engine."""

    engine: str


@dataclass(frozen=True, slots=True)
class Rebuild(Change):
    """A table written anew. `by`: the words that ask for it."""

    by: str


@dataclass(frozen=True, slots=True)
class BlockingClause(Change):
    """Words that make others wait: `ALGORITHM=COPY`, `LOCK=EXCLUSIVE`, `LOCK TABLES`."""

    clause: str


@dataclass(frozen=True, slots=True)
class Write(Change):
    """Rows that are written: `verb` INSERT, UPDATE, DELETE or REPLACE.

    `given`: the rows stand in the statement. `filtered`: there is a condition on a column. `fixed`: columns
    that the condition ties to values of the statement. `limit`: the most rows. `sources`: read from.
    """

    verb: str
    given: bool = False
    filtered: bool = False
    fixed: frozenset[str] = frozenset()
    limit: int | None = None
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Routine(Change):
    """Code in the database. `kind`: TRIGGER, VIEW, PROCEDURE, FUNCTION, EVENT. `definer`: names one."""

    kind: str
    definer: bool = False


@dataclass(frozen=True, slots=True)
class Harmless(Change):
    """Anything that no rule is about. `what`: for people."""

    what: str


@dataclass(frozen=True, slots=True)
class Unread(Change):
    """A statement, or a part of one, that was not understood."""

    why: str


class Step(NamedTuple):
    """One operation of a migration.

    `where`: for people. `statements`: how many of the schema's it comes to. `raw`: it was given as SQL.
    `no_route`: why MariaDB and MySQL cannot be brought there by any route; "" if that is not so.
    """

    where: str
    changes: tuple[Change, ...]
    statements: int
    raw: bool = False
    no_route: str = ""
