"""New files of migrations.

Owns: `new_file` and the text of a migration that has just been begun. Promises: a file that is there is never
overwritten, and its version is later than all others. Leaves to others: what is to be changed, which a person
writes, or `autogenerate` (its bodies are given as `up` and `down`).
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from podwork_migrations.errors import InvalidMigration
from podwork_migrations.library import FILE_NAME

_SCHEMA: Final = '''"""{summary}"""

import sqlalchemy as sa
{imports}
from podwork_migrations import schema


@schema
def up(op):
{up}


def down(op):
{down}
'''
_DATA: Final = '''"""{summary}"""

from podwork_migrations import data


@data
def up(data):
{up}
'''
_TODO_UP: Final = """\
# One change of one table, on Alembic's operations:
# op.add_column("orders", sa.Column("status", sa.String(20)))
raise NotImplementedError("write what is to change")"""
_TODO_DOWN: Final = """\
# The way back; take this function out where there is none.
# op.drop_column("orders", "status")
raise NotImplementedError("write the way back")"""
_TODO_DATA: Final = """\
# An iteration job by its name, with its parameters; or data.execute("UPDATE ...") for a few rows.
# data.backfill("shop.FillStatus")
raise NotImplementedError("write what is to be done")"""


def new_file(
    folder: Path,
    name: str,
    *,
    now: float,
    is_data: bool = False,
    up: str = "",
    down: str = "",
    summary: str = "",
    imports: Sequence[str] = (),
) -> Path:
    """Write a new migration into the folder and return its path.

    Args:
        folder: made if it is not there. name: in words or with underscores.
        now: wall time in seconds since 1970; the version is made of it.
        is_data: a data migration. up, down: bodies of the functions; without them a hint stands there.
        summary: the docstring; without it the name's words. imports: further ones of a schema migration.

    Raises:
        InvalidMigration: the name is none.
    """
    slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:80].rstrip("_")
    if not slug:
        raise InvalidMigration(folder / f"{name}.py", "is no name", "use letters, digits and _")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{_next_version(folder, now)}_{slug}.py"
    words = summary or f"{slug.replace('_', ' ').capitalize()}."
    text = (_DATA if is_data else _SCHEMA).format(
        summary=words.replace("\\", "").replace('"', "'"),
        up=_body(up or (_TODO_DATA if is_data else _TODO_UP)),
        down=_body(down or _TODO_DOWN),
        imports="".join(f"{line}\n" for line in imports),
    )
    with path.open("x", encoding="utf-8") as stream:
        stream.write(text)
    return path


def _next_version(folder: Path, now: float) -> str:
    moment = datetime.fromtimestamp(int(now), UTC)
    names = (FILE_NAME.fullmatch(path.name) for path in folder.glob("*.py"))
    last = max((name[1] for name in names if name), default="")
    if last >= f"{moment:%Y%m%d%H%M%S}":  # somebody's clock goes before ours, or it is the same second
        moment = datetime.strptime(last, "%Y%m%d%H%M%S").replace(tzinfo=UTC) + timedelta(seconds=1)
    return f"{moment:%Y%m%d%H%M%S}"


def _body(text: str) -> str:
    return textwrap.indent(textwrap.dedent(text).strip("\n"), "    ")
