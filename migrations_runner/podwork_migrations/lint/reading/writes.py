"""INSERT, UPDATE and DELETE in sqlglot's trees: whose rows, and how many.

Owns: `write`. Leaves to others: whether that is too many (`rules.writes`).
"""

from __future__ import annotations

from sqlglot import exp

from podwork_migrations.lint.changes import Write

_MOST_VALUES = 1000
"""An IN with more of them is no small set of rows."""
_VALUES = (exp.Literal, exp.Placeholder, exp.Parameter, exp.Null, exp.Boolean, exp.Neg)


def write(tree: exp.Insert | exp.Update | exp.Delete) -> Write:
    """Return what is written."""
    target = tree.this.find(exp.Table) if tree.this is not None else None
    table = target.name if target is not None else ""
    if isinstance(tree, exp.Insert):
        return _insert(tree, table)
    verb = "UPDATE" if isinstance(tree, exp.Update) else "DELETE"
    several = bool(tree.find(exp.Join)) or len(tree.args.get("tables") or ()) > 1
    where = tree.args.get("where")
    return Write(
        table,
        verb,
        filtered=where is not None and where.find(exp.Column) is not None,
        fixed=frozenset() if several or where is None else _fixed(where.this),
        limit=_limit(tree),
    )


def _insert(tree: exp.Insert, table: str) -> Write:
    verb = str(tree.meta.get("verb", "INSERT"))
    rows = tree.expression
    if not isinstance(rows, exp.Query):
        return Write(table, verb, given=True)
    read = tuple(source.name for source in rows.find_all(exp.Table))
    where = rows.args.get("where")
    return Write(
        table,
        verb,
        given=not read,
        filtered=where is not None and where.find(exp.Column) is not None,
        fixed=_fixed(where.this) if where is not None and len(read) == 1 else frozenset(),
        limit=_limit(rows),
        sources=read,
    )


def _limit(tree: exp.Expr) -> int | None:
    limit = tree.args.get("limit")
    number = limit.expression if isinstance(limit, exp.Limit) else None
    return int(number.name) if isinstance(number, exp.Literal) and number.name.isdigit() else None


def _fixed(condition: exp.Expr) -> frozenset[str]:
    """Return the columns that the condition, all of whose parts must hold, ties to values."""
    found: set[str] = set()
    for part in condition.flatten() if isinstance(condition, exp.And) else [condition]:
        inner = part.unnest()
        if isinstance(inner, exp.And):
            found |= _fixed(inner)
        elif isinstance(inner, exp.EQ):
            for one, other in ((inner.this, inner.expression), (inner.expression, inner.this)):
                if isinstance(one, exp.Column) and isinstance(other, _VALUES):
                    found.add(one.name.lower())
        elif isinstance(inner, exp.In) and isinstance(inner.this, exp.Column):
            values = inner.expressions
            if 0 < len(values) <= _MOST_VALUES and all(isinstance(value, _VALUES) for value in values):
                found.add(inner.this.name.lower())
    return frozenset(found)
