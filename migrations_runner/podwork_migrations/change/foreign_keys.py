"""A new foreign key without a lock that lasts.

Owns: `looking_for_orphans`. MariaDB and MySQL check the rows of a new key only by copying the table, with
writers waiting. So the key is added unchecked (`foreign_key_checks=0`), which is instant; from then on
every write is checked. Then the writers on the parent that began before are waited for, and the rows that
were there already are looked through: a plain read. If one has no parent the key is taken away again, and
the migration fails. Promises: a key that stays holds for all rows.
"""

from __future__ import annotations

from collections.abc import Sequence

from podwork_migrations.change.rendering import quoted
from podwork_migrations.fingerprint.canonical import ForeignKey, Table


def looking_for_orphans(table: str, key: ForeignKey) -> str:
    """Return a query that gives a row if some row of the table has no parent."""
    child, parent = quoted(table), quoted(key.table)
    pairs = " AND ".join(
        f"parent.{_names((theirs,))} = child.{_names((ours,))}" for ours, theirs in _pairs(key)
    )
    has_all = " AND ".join(f"child.{_names((column,))} IS NOT NULL" for column in key.columns)
    return (
        f"SELECT {', '.join(f'child.{_names((column,))}' for column in key.columns)} FROM {child} AS child "  # noqa: S608 - quoted
        f"LEFT JOIN {parent} AS parent ON {pairs} "
        f"WHERE {has_all} AND parent.{_names(key.references[:1])} IS NULL LIMIT 1"
    )


def undoing(before: Table, after: Table) -> str:
    """Return the statement that takes new keys away again, and the indexes that came with them."""
    keys = [key.name for key in after.foreign_keys if key not in before.foreign_keys]
    indexes = [index.name for index in after.indexes if index not in before.indexes]
    dropped = [
        *(f"DROP FOREIGN KEY {quoted(name)}" for name in keys),
        *(f"DROP INDEX {quoted(name)}" for name in indexes),
    ]
    return f"ALTER TABLE {quoted(after.name)} {', '.join(dropped)}"


def _pairs(key: ForeignKey) -> list[tuple[str, str]]:
    return list(zip(key.columns, key.references, strict=True))


def _names(names: Sequence[str]) -> str:
    return ", ".join(quoted(name) for name in names)
