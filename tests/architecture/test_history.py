"""Ledger, runs and partitions tell which backfills a shop's rows have had: nothing deletes from them."""

from __future__ import annotations

import ast
import re

from tests.architecture.sources import python_files

KEPT = ("runs", "partitions", "migrations")
"""As their modules call the tables."""
SQL = re.compile(
    r"\b(DELETE\s+FROM|TRUNCATE(\s+TABLE)?)\s+podwork_(runs|partitions|migrations)\b", re.IGNORECASE
)


def deletes(tree: ast.Module) -> list[int]:
    """Return the lines that delete rows of a kept table."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            called = ast.unparse(node.func).rpartition(".")[2]
            table = ast.unparse(node.args[0]).rpartition(".")[2]
            if called == "delete" and table in KEPT:
                found.append(node.lineno)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.search(node.value):
            found.append(node.lineno)
    return found


def test_what_deletes_is_recognized() -> None:
    assert deletes(ast.parse("connection.execute(delete(schema.runs).where(x))")) == [1]
    assert deletes(ast.parse("sqlalchemy.delete(partitions)")) == [1]
    assert deletes(ast.parse('text("DELETE FROM podwork_migrations")')) == [1]
    assert deletes(ast.parse("delete(outbox)")) == []


def test_nothing_deletes_the_history_of_backfills() -> None:
    assert [f"{one.path}:{line}" for one in python_files() for line in deletes(one.tree)] == []
