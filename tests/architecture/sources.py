"""Walks the sources of the four packages, so that every rule looks at the same files.

Owns: which files count as the product (`python_files`, `lua_files`) and which as the repository
(`repository_files`).
"""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
SOURCE_ROOTS = ("platform", "pods", "migrations_runner", "ops")
PACKAGES = ("podwork", "podwork_pods", "podwork_migrations", "podwork_ops")


class Source(NamedTuple):
    """One Python file of the product."""

    path: str
    """Relative to the repository, with slashes."""
    tree: ast.Module
    lines: int


@cache
def python_files() -> list[Source]:
    """Return every Python file of the four packages."""
    found = []
    for package_root, package in zip(SOURCE_ROOTS, PACKAGES, strict=True):
        for path in sorted((ROOT / package_root / package).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            found.append(Source(path.relative_to(ROOT).as_posix(), ast.parse(text), len(text.splitlines())))
    return found


def lua_files() -> list[Path]:
    """Return every script of the engine."""
    return sorted((ROOT / "platform" / "podwork").rglob("*.lua"))


def repository_files() -> list[Path]:
    """Return every file that is, or is about to be, in the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    names = [name for name in listed.stdout.decode().split("\0") if name]
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def imported_modules(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield (module, line) for every import anywhere in the file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module, node.lineno
