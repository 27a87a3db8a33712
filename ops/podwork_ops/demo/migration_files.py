"""The demo's migrations: a column for net prices, and the backfill that fills it.

Owns: `write_migrations`. Promises: they lie in the stack's folder, and its settings file names them, so that
workers and podctl have the same ones, also when the stack is kept. Leaves to others: applying them.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from podwork_migrations.writing import new_file

FOLDER: Final = "migrations"
_ADD: Final = """
column = sa.Column("net_cents", sa.BigInteger(), nullable=False, server_default="0")
op.add_column("order_lines", column)
"""
_DROP: Final = 'op.drop_column("order_lines", "net_cents")'
_FILL: Final = 'data.backfill("podwork_ops.demo.jobs.FillNetPrices")'


def write_migrations(directory: Path, config: Path) -> None:
    """Write them, and say in the settings where they are."""
    folder, now = directory / FOLDER, time.time()
    new_file(folder, "add net cents to order lines", now=now, up=_ADD, down=_DROP)
    new_file(folder, "fill net cents", now=now, is_data=True, up=_FILL)
    with config.open("a", encoding="utf-8") as settings:
        settings.write(f'\n[migrations]\nfolder = "{folder}"\nevery_seconds = 1.0\n')
