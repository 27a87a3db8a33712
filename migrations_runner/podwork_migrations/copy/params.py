"""What the runs of an online copy are given.

Owns: `copy_params`, `compare_params`. Leaves to others: the runs (`runs`), what they do with it (`job`).
"""

from __future__ import annotations

from typing import Any

from podwork_migrations.copy.build import Changed
from podwork_migrations.copy.chunks import CopyParams
from podwork_migrations.copy.journal import Journal
from podwork_migrations.copy.verify import CompareParams, expressions


def copy_params(journal: Journal, both: Changed) -> dict[str, Any]:
    """Return what the run that copies is given."""
    counter = next((ours.name for _, ours in both.pairs.shared if ours.counts_up), "")
    if counter and _counts_without_lock(journal):
        counter = ""
    names = [[theirs.name, ours.name] for theirs, ours in both.pairs.shared]
    return CopyParams(
        both.table.name, both.copy.name, list(both.key.columns), both.key.table_index, names, counter
    )._asdict()


def compare_params(_journal: Journal, both: Changed) -> dict[str, Any]:
    """Return what the run that compares is given."""
    key = both.key
    return CompareParams(
        both.table.name,
        both.copy.name,
        list(key.columns),
        key.table_index,
        key.copy_index,
        expressions(both.pairs),
    )._asdict()


def _counts_without_lock(journal: Journal) -> bool:
    with journal.work.turn.looking() as connection:
        return int(connection.exec_driver_sql("SELECT @@innodb_autoinc_lock_mode").scalar_one()) > 1
