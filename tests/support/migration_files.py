"""Files of migrations, made for a test and read as an application's are."""

from __future__ import annotations

from pathlib import Path

from podwork_migrations.library import Library
from podwork_migrations.migration import Migration

HEAD = '''"""Made for a test."""

import sqlalchemy as sa

from podwork_migrations.declared import data, schema

'''


def migration_of(folder: Path, text: str, version: str = "20261201120000") -> Migration:
    """Write a file with the decorators and `sa` imported, and read it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{version}_made.py").write_text(HEAD + text + "\n")
    return Library.load(folder)[version]


def schema_migration(folder: Path, body: str, decorator: str = "") -> Migration:
    """Write a schema migration whose `up(op)` has this body."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return migration_of(folder, f"@schema({decorator})\ndef up(op):\n{lines}")


def data_migration(folder: Path, body: str, decorator: str = "") -> Migration:
    """Write a data migration whose `up(data)` has this body."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return migration_of(folder, f"@data({decorator})\ndef up(data):\n{lines}")
