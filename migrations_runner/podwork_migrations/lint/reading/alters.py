"""ALTER TABLE in sqlglot's trees.

Owns: `alter`. Promises: each action and each option becomes a change, an `Unread` at worst. Leaves to others:
columns (`columns`), constraints inside of CREATE TABLE (`statements`, which asks `constraint` here).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlglot import exp

from podwork_migrations.lint import changes
from podwork_migrations.lint.changes import Change, Unread
from podwork_migrations.lint.column import Column, Default
from podwork_migrations.lint.reading.columns import column, default_of

_BLOCKING = {"ALGORITHM": {"COPY"}, "LOCK": {"SHARED", "EXCLUSIVE"}}
_HARMLESS = (
    exp.AlterIndex,
    exp.RenameIndex,
    exp.CharacterSetProperty,
    exp.CollateProperty,
    exp.AutoIncrementProperty,
    exp.SchemaCommentProperty,
)


def alter(tree: exp.Alter) -> Iterator[Change]:
    """Yield what an ALTER does."""
    table = tree.this.name
    if str(tree.args.get("kind")).upper() != "TABLE":
        yield Unread(table, f"ALTER {tree.args.get('kind')}")
        return
    for action in tree.args.get("actions") or ():
        yield from _action(table, action)
    for option in tree.args.get("options") or ():
        yield from _option(table, option)


def added(table: str, made: Column) -> Iterator[Change]:
    """Yield a column that is added, with the key and the index that it brings along."""
    yield changes.AddColumn(table, made)
    if made.references is not None:
        yield changes.AddForeignKey(table, made.references)
    if made.indexed or made.unique:
        yield changes.AddIndex(table, f"on {made.name}", (made.name,), unique=made.unique)


def clause(table: str, name: str, value: str) -> Iterator[Change]:
    """Yield what `ALGORITHM=` or `LOCK=` means."""
    words = f"{name}={value}".upper()
    if value.upper() in _BLOCKING.get(name.upper(), ()):
        yield changes.BlockingClause(table, words)
    else:
        yield changes.Harmless(table, words)


def constraint(table: str, tree: exp.Expr, name: str = "") -> Iterator[Change]:
    """Yield what a constraint or an index adds."""
    if isinstance(tree, exp.Constraint):
        for inner in tree.expressions:
            yield from constraint(table, inner, tree.name)
    elif isinstance(tree, exp.IndexColumnConstraint):
        kind = str(tree.args.get("kind") or "").lower()
        yield changes.AddIndex(table, tree.name or name, _columns(tree.expressions), kind=kind)
    elif isinstance(tree, exp.UniqueColumnConstraint):
        named = tree.this.name if isinstance(tree.this, exp.Schema) else ""
        columns = tree.this.expressions if isinstance(tree.this, exp.Schema) else []
        yield changes.AddIndex(table, named or name, _columns(columns), unique=True)
    elif isinstance(tree, exp.ForeignKey):
        referred = tree.find(exp.Table)
        yield changes.AddForeignKey(table, referred.name if referred else "")
    elif isinstance(tree, exp.CheckColumnConstraint):
        yield changes.AddCheck(table)
    elif isinstance(tree, exp.PrimaryKey):
        yield changes.AddPrimaryKey(table, tuple(part.name for part in tree.expressions))
    else:
        yield Unread(table, f"sqlglot's {type(tree).__name__}")


def _action(table: str, tree: exp.Expr) -> Iterator[Change]:
    if isinstance(tree, exp.ColumnDef):
        yield from added(table, column(tree))
    elif isinstance(tree, exp.AddConstraint):
        for inner in tree.expressions:
            yield from constraint(table, inner)
    elif isinstance(tree, exp.Drop):
        yield from _drop(table, tree)
    elif isinstance(tree, exp.DropPrimaryKey):
        yield changes.DropPrimaryKey(table)
    elif isinstance(tree, exp.RenameColumn):
        yield changes.RenameColumn(table, tree.this.name, tree.args["to"].name)
    elif isinstance(tree, exp.ModifyColumn):
        yield from _modify(table, tree)
    elif isinstance(tree, exp.AlterColumn):
        yield from _alter_column(table, tree)
    elif isinstance(tree, exp.AlterRename):
        yield changes.RenameTable(table, tree.this.name)
    elif isinstance(tree, exp.ForceProperty):
        yield changes.Rebuild(table, "FORCE")
    elif isinstance(tree, _HARMLESS):
        yield changes.Harmless(table, type(tree).__name__)
    else:
        yield Unread(table, f"sqlglot's {type(tree).__name__}: {tree.sql()[:60]}")


def _drop(table: str, tree: exp.Drop) -> Iterator[Change]:
    kind = str(tree.args.get("kind")).upper()
    for dropped in tree.args.get("tables") or ():
        if kind == "COLUMN":
            yield changes.DropColumn(table, dropped.name)
        elif kind in ("INDEX", "KEY"):
            yield changes.DropIndex(table, dropped.name)
        elif kind == "CONSTRAINT":
            yield changes.DropConstraint(table, dropped.name)
        elif kind in ("FOREIGN KEY", "CHECK"):
            yield changes.Harmless(table, f"DROP {kind}")
        else:
            yield Unread(table, f"DROP {kind}")


def _modify(table: str, tree: exp.ModifyColumn) -> Iterator[Change]:
    """MODIFY and CHANGE state the whole column: what they leave out, NOT NULL and the default, is gone."""
    made = column(tree.this)
    before = tree.args.get("rename_from")
    name = before.name if before is not None else made.name
    if name.lower() != made.name.lower():
        yield changes.RenameColumn(table, name, made.name)
    if made.auto_increment:
        yield changes.AlterColumn(table, name, type=made.type, nullable=False)
        return
    yield changes.AlterColumn(table, name, type=made.type, nullable=made.nullable, default=made.default)
    if made.generated == "stored":
        yield changes.Rebuild(table, "a stored column")


def _alter_column(table: str, tree: exp.AlterColumn) -> Iterator[Change]:
    default = tree.args.get("default")
    if default is not None:
        yield changes.AlterColumn(table, tree.name, default=default_of(default))
    elif tree.args.get("drop") and not tree.args.get("allow_null"):
        yield changes.AlterColumn(table, tree.name, default=Default.NONE)
    else:
        yield Unread(table, f"ALTER COLUMN {tree.name}")


def _option(table: str, tree: exp.Expr) -> Iterator[Change]:
    if isinstance(tree, exp.AlgorithmProperty):
        yield from clause(table, "ALGORITHM", tree.name)
    elif isinstance(tree, exp.LockProperty):
        yield from clause(table, "LOCK", tree.name)
    elif isinstance(tree, exp.EngineProperty):
        yield changes.SetEngine(table, tree.name)
    elif isinstance(tree, exp.RowFormatProperty):
        yield changes.Rebuild(table, "ROW_FORMAT")
    elif isinstance(tree, _HARMLESS):
        yield changes.Harmless(table, type(tree).__name__)
    else:
        yield Unread(table, f"sqlglot's {type(tree).__name__}")


def _columns(trees: Iterable[exp.Expr]) -> tuple[str | None, ...]:
    """Return the names of an index's columns; None for an expression, or for the beginning of a column."""
    inner = (tree.this if isinstance(tree, exp.Ordered) else tree for tree in trees)
    return tuple(tree.name if isinstance(tree, exp.Column | exp.Identifier) else None for tree in inner)
