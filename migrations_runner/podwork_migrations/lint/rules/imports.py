"""What a migration's file imports, by its syntax tree."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator

from podwork_migrations.lint.case import Case
from podwork_migrations.lint.rule import Example, Rule, Verdict, refuse

ALLOWED = frozenset({"podwork", "podwork_migrations", "podwork_pods", "sqlalchemy", "alembic"})
"""Beside Python's own modules."""
_BY_NAME = {"import_module", "__import__"}


def _imports(case: Case) -> Iterator[Verdict]:
    if not case.source:
        return
    try:
        tree = ast.parse(case.source)
    except SyntaxError as error:
        yield refuse(f"line {error.lineno}", "It is no Python.")
        return
    for node in ast.walk(tree):
        for module in _modules(node):
            if module.partition(".")[0] not in ALLOWED | sys.stdlib_module_names:
                yield refuse(
                    f"line {getattr(node, 'lineno', 0)}", f"It imports {module or 'from its own package'}."
                )


def _modules(node: ast.AST) -> Iterator[str]:
    """Yield the modules that a node imports; "" for one that is relative."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield "" if node.level else node.module or ""
    elif isinstance(node, ast.Call):
        called = node.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        given = node.args[0] if node.args else None
        if name in _BY_NAME and isinstance(given, ast.Constant) and isinstance(given.value, str):
            yield "" if given.value.startswith(".") else given.value


RULES = (
    Rule(
        code="model-import",
        title="A migration imports the application, or a library",
        says="refuses imports other than Python's, SQLAlchemy's, Alembic's and podwork's",
        why="The code moves on and the migration does not: a model of next year, or none, meets the tables "
        "of today, and the file of an old migration can no longer be read.",
        alternative='Name a backfill instead of importing it: data.backfill("shop.FillNetPrice"). Write '
        "out tables with sa.table(), and constants.",
        judge=_imports,
        bad=Example(
            kind="data", imports="from shop.models import Order", body="data.backfill(Order.fill_net_price)"
        ),
        good=Example(kind="data", body='data.backfill("shop.FillNetPrice")'),
    ),
)
