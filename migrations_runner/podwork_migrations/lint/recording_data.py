"""What a data migration would do, without doing it.

Owns: `record_data`. Promises: `up(data)` is called with something that keeps statements and
runs none. Where `up` asks for what a statement found, nothing more can be kept; then the statements that
stand in the file's text are added, so that each that is written out is judged. Leaves to others: judging.
"""

from __future__ import annotations

import ast
from typing import Any, NoReturn

from alembic.operations.ops import ExecuteSQLOp

from podwork.retry import describe
from podwork_migrations.errors import MigrationFailed
from podwork_migrations.lint.recorded import Recording
from podwork_migrations.migration import Migration


class _Asked(Exception):
    """Says that `up` looks at rows that are not here."""


class _Nothing:
    """The result of a statement that was not run: whoever looks at it is stopped."""

    def __getattr__(self, name: str) -> NoReturn:
        raise _Asked

    def __iter__(self) -> NoReturn:
        raise _Asked


class _Kept:
    """Keeps what `up` says; see `podwork_migrations.declared.Backfills`."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def backfill(self, job: Any, **params: Any) -> None:
        """Keep nothing: an iteration job is bounded by itself."""

    def execute(self, sql: str, **params: Any) -> Any:  # noqa: ARG002 - as it is called
        """Keep the statement."""
        self.statements.append(str(sql))
        return _Nothing()


def record_data(migration: Migration) -> list[Recording]:
    """Return the statements of a data migration.

    Raises:
        MigrationFailed: its code raises.
    """
    kept = _Kept()
    try:
        migration.up(kept)
    except _Asked:
        kept.statements += [sql for sql in _written_out(migration) if sql not in kept.statements]
    except Exception as error:
        raise MigrationFailed(migration.id, f"up(): {describe(error)}", "mend its file") from error
    return [Recording(ExecuteSQLOp(sql), (sql,)) for sql in kept.statements]


def _written_out(migration: Migration) -> list[str]:
    """Return the texts that the file gives to a method `execute`."""
    tree = ast.parse(migration.path.read_text(encoding="utf-8"))
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args)
    given = (
        call.args[0] for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "execute"
    )
    return [
        value.value for value in given if isinstance(value, ast.Constant) and isinstance(value.value, str)
    ]
