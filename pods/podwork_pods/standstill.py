"""Where migrations and moving shops meet in a shard: one row that both lock, and what each says there.

Owns: the tables `podwork_standstill` (one row) and `podwork_transit`, and their statements. Promises: no
migration is under way on a pod while one of its shops is in the middle of its cut-over: whoever comes second
finds the other's word under the lock, and turns back. Beginnings of runs over a whole pod lock the row too,
so that a moving shop sees each of them, or is seen by it. Every function is part of the caller's transaction.
Leaves to others: what is to be done about it (`mover.joined`, the ledger of migrations).
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, delete, insert, select, update

from podwork_pods.columns import EXACT, NUMBER

ROW: Final = 1

metadata = MetaData()

standstill = Table(
    "podwork_standstill",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("migration", String(64), nullable=False, comment="that is under way; empty: none"),
    **EXACT,
)

transit = Table(
    "podwork_transit",
    metadata,
    Column("shop_id", NUMBER, primary_key=True, autoincrement=False),
    Column("move_id", NUMBER, nullable=False),
    **EXACT,
)

_LOCK: Final = select(standstill.c.migration).where(standstill.c.id == ROW).with_for_update()
_NOTE: Final = update(standstill).where(standstill.c.id == ROW)


def create(connection: Connection) -> None:
    """Make the tables that are missing, and the row."""
    metadata.create_all(connection)
    if connection.execute(select(standstill.c.id).where(standstill.c.id == ROW)).first() is None:
        connection.execute(insert(standstill).values(id=ROW, migration=""))


def lock(connection: Connection) -> str:
    """Hold the row until the transaction ends; return which migration is under way, or ""."""
    return str(connection.execute(_LOCK).scalar_one())


def shops_in_transit(connection: Connection) -> list[int]:
    """Return the shops that are in their cut-over, and hold the row until the transaction ends."""
    lock(connection)
    return list(connection.execute(select(transit.c.shop_id).order_by(transit.c.shop_id)).scalars())


def begin_migration(connection: Connection, version: str) -> None:
    """Say that a migration is under way; after `shops_in_transit`, which has to have found none."""
    connection.execute(_NOTE.values(migration=version))


def end_migration(connection: Connection) -> None:
    """Say that no migration is under way."""
    connection.execute(_NOTE.values(migration=""))


def enter_transit(connection: Connection, shop_id: int, move_id: int) -> str:
    """Say that a shop is in its cut-over; return the migration that is under way, or "": it was said."""
    migration = lock(connection)
    if not migration:
        leave_transit(connection, shop_id)
        connection.execute(insert(transit).values(shop_id=shop_id, move_id=move_id))
    return migration


def leave_transit(connection: Connection, shop_id: int) -> None:
    """Say that a shop's cut-over is over."""
    connection.execute(delete(transit).where(transit.c.shop_id == shop_id))
