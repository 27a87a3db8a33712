"""SQL statements to changes.

Owns: `read_sql`. Promises: at least one change a statement, and whether it is one of the schema's. Leaves to
others: taking the text apart (`grammar`), ALTER (`alters`), writes (`writes`), statements without a tree
(`words`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sqlglot import exp

from podwork_migrations.lint import changes
from podwork_migrations.lint.changes import Change, Unread
from podwork_migrations.lint.dialect import Dialect
from podwork_migrations.lint.reading.alters import alter, constraint
from podwork_migrations.lint.reading.columns import column
from podwork_migrations.lint.reading.grammar import Unparsed, parse
from podwork_migrations.lint.reading.words import worded
from podwork_migrations.lint.reading.writes import write

_ROUTINES = ("VIEW", "TRIGGER", "PROCEDURE", "FUNCTION", "EVENT")


class Statement(NamedTuple):
    """One statement. `of_schema`: it changes the schema, or may do so."""

    changes: tuple[Change, ...]
    of_schema: bool


def read_sql(sql: str, dialect: Dialect) -> list[Statement]:
    """Return what the statements of a text do."""
    return [_statement(found) for found in parse(sql, dialect)]


def _statement(found: exp.Expression | Unparsed) -> Statement:
    made = tuple(worded(found) if isinstance(found, Unparsed) else _changes(found))
    only_rows = all(isinstance(change, changes.Write | changes.Harmless) for change in made)
    is_alter = isinstance(found, exp.Alter | Unparsed)
    return Statement(made, of_schema=is_alter or not only_rows)


def _changes(tree: exp.Expression) -> Iterator[Change]:
    if isinstance(tree, exp.Alter):
        yield from alter(tree)
    elif isinstance(tree, exp.Create):
        yield from _create(tree)
    elif isinstance(tree, exp.Drop):
        yield from _drop(tree)
    elif isinstance(tree, exp.TruncateTable):
        yield from (changes.Truncate(table.name) for table in tree.expressions)
    elif isinstance(tree, exp.Insert | exp.Update | exp.Delete):
        yield write(tree)
    elif isinstance(tree, exp.Query | exp.Analyze):
        yield changes.Harmless("", type(tree).__name__)
    else:
        yield Unread("", f"sqlglot's {type(tree).__name__}")


def _create(tree: exp.Create) -> Iterator[Change]:
    kind = str(tree.args.get("kind")).upper()
    properties = tree.args.get("properties")
    options = list(properties.expressions) if properties is not None else []
    if kind == "TABLE":
        yield from _create_table(tree, options)
    elif kind == "INDEX" and isinstance(tree.this, exp.Index):
        table = tree.this.args["table"].name
        params = tree.this.args.get("params")
        columns = [part.this for part in (params.args.get("columns") or ())] if params is not None else []
        names = tuple(part.name if isinstance(part, exp.Column) else None for part in columns)
        yield changes.AddIndex(table, tree.this.name, names, unique=bool(tree.args.get("unique")))
    elif kind in _ROUTINES:
        definer = any(isinstance(option, exp.DefinerProperty) for option in options)
        yield changes.Routine("", kind, definer)
    else:
        yield Unread("", f"CREATE {kind}")


def _create_table(tree: exp.Create, options: list[exp.Expr]) -> Iterator[Change]:
    named = tree.find(exp.Table)
    table = named.name if named is not None else ""
    parts = tree.this.expressions if isinstance(tree.this, exp.Schema) else []
    columns = tuple(column(part) for part in parts if isinstance(part, exp.ColumnDef))
    inner = [
        change for part in parts if not isinstance(part, exp.ColumnDef) for change in constraint(table, part)
    ]
    keys = [change.to for change in inner if isinstance(change, changes.AddForeignKey)]
    keys += [made.references for made in columns if made.references is not None]
    engine = next((option.name for option in options if isinstance(option, exp.EngineProperty)), None)
    yield changes.CreateTable(
        table,
        columns,
        primary=any(made.primary for made in columns)
        or any(isinstance(change, changes.AddPrimaryKey) for change in inner),
        foreign_keys=tuple(keys),
        engine=engine,
        like=any(isinstance(option, exp.LikeProperty) for option in options),
    )
    yield from (change for change in inner if isinstance(change, Unread))
    if isinstance(tree.expression, exp.Query):
        sources = tuple(source.name for source in tree.expression.find_all(exp.Table))
        yield changes.Write(table, "INSERT", given=not sources, sources=sources)


def _drop(tree: exp.Drop) -> Iterator[Change]:
    kind = str(tree.args.get("kind")).upper()
    on = tree.args.get("cluster")
    for dropped in tree.args.get("tables") or ():
        if kind == "TABLE":
            yield changes.DropTable(dropped.name)
        elif kind == "INDEX":
            yield changes.DropIndex(on.this.name if on is not None else "", dropped.name)
        elif kind in _ROUTINES:
            yield changes.Harmless("", f"DROP {kind}")
        else:
            yield Unread("", f"DROP {kind}")
