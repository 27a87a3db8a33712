"""Every module says what it owns; everything public says what it is for."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.architecture.sources import python_files

Documented = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def test_every_module_has_a_docstring() -> None:
    assert [source.path for source in python_files() if not ast.get_docstring(source.tree)] == []


def test_everything_public_has_a_docstring() -> None:
    bare = [
        f"{source.path}:{node.lineno} {node.name}"
        for source in python_files()
        for node in _public(source.tree)
        if not ast.get_docstring(node)
    ]
    assert bare == []


def _public(node: ast.Module | ast.ClassDef) -> Iterator[Documented]:
    for child in node.body:
        if not isinstance(child, Documented) or child.name.startswith("_"):
            continue
        yield child
        if isinstance(child, ast.ClassDef):
            yield from _public(child)
