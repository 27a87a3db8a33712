"""The migrations of a fleet under fire: each way that one can go, and one that fails until it is mended."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

HEAD = '"""Made for a test."""\n\nimport sqlalchemy as sa\n\nfrom podwork_migrations import data, schema\n\n'


class File(NamedTuple):
    """A migration. `does` is the body of its `up`; `declares` stands in its decorator."""

    name: str
    kind: str
    does: str
    declares: str = ""
    finalizes: str = ""
    """The name of the one that it finalizes."""


AFTER_DEPLOY = File(
    "add_first", "schema", 'op.add_column("items", sa.Column("first", sa.Integer))', 'phase="after_deploy"'
)
INDEX = File("index_code", "schema", 'op.create_index("ix_code", "items", ["code"])')
_FILLING = 'data.execute("INSERT INTO told VALUES (:w)", w="{name}")\n    data.backfill("increment")'
FILL = File("fill_once", "data", _FILLING)
FAILING = File("unique_codes", "schema", 'op.create_index("uq_codes", "codes", ["code"], unique=True)')
INSTANT = File("add_second", "schema", 'op.add_column("items", sa.Column("second", sa.Integer))')
COPY = File(
    "widen_hits",
    "schema",
    'op.alter_column("items", "hits", type_=sa.BigInteger(), existing_type=sa.Integer(), '
    'existing_nullable=False, existing_server_default="0")',
    "hold_hours=0",
)
FILL_AGAIN = File("fill_again", "data", _FILLING)
CREATE = File("create_extra", "schema", 'op.create_table("extra", sa.Column("what", sa.String(32)))')
SMALL_SQL = File(
    "fill_extra",
    "data",
    'data.execute("INSERT INTO extra VALUES (:w)", w="{name}")\n'
    '    data.execute("INSERT INTO told VALUES (:w)", w="{name}")',
)
FINALIZING = File("drop_legacy", "schema", 'op.drop_column("items", "legacy")', finalizes="fill_again")
DROP_INDEX = File("drop_index_code", "schema", 'op.drop_index("ix_code", "items")')
LAST = File(
    "add_third", "schema", 'op.add_column("items", sa.Column("third", sa.Integer))', 'phase="after_deploy"'
)

TWELVE = (
    AFTER_DEPLOY,
    INDEX,
    FILL,
    FAILING,
    INSTANT,
    COPY,
    FILL_AGAIN,
    CREATE,
    SMALL_SQL,
    FINALIZING,
    DROP_INDEX,
    LAST,
)
FIVE = (INSTANT, FAILING, COPY, FILL_AGAIN, FINALIZING)


def write(folder: Path, files: tuple[File, ...]) -> dict[str, File]:
    """Write the files; return them by version."""
    version_of: dict[str, str] = {}
    for number, file in enumerate(files):
        version = version_of[file.name] = f"{20260101000000 + number}"
        declares = file.declares
        if file.finalizes:
            declares = f'finalizes=["{version_of[file.finalizes]}"]'
        parameter = "op" if file.kind == "schema" else "data"
        body = file.does.replace("{name}", file.name)
        text = f"{HEAD}@{file.kind}({declares})\ndef up({parameter}):\n    {body}\n"
        (folder / f"{version}_{file.name}.py").write_text(text)
    return {version_of[file.name]: file for file in files}
