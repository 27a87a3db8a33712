"""The directory's tables.

Owns their columns and what each row means. A shop that was never moved and whose number lies in an extent
has no row of its own: ten million shops are a few thousand extents.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    insert,
    select,
)

# SQLite makes a rowid of INTEGER only.
_Number = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData()

shops = Table(
    "directory_shops",
    metadata,
    Column("shop_id", _Number, primary_key=True, autoincrement=False),
    Column("pod_id", Integer, nullable=False),
    Column("epoch", _Number, nullable=False, comment="grows at every cut-over, never falls"),
    Index("directory_shops_by_pod", "pod_id", "shop_id"),
)

extents = Table(
    "directory_extents",
    metadata,
    Column("first_id", _Number, primary_key=True, autoincrement=False),
    Column("last_id", _Number, nullable=False, comment="the last shop number of the range, included"),
    Column(
        "pod_id",
        Integer,
        nullable=False,
        comment="the pod of every shop in the range without a row, at epoch 1",
    ),
    Index("directory_extents_by_pod", "pod_id", "first_id"),
)

# One row per pod: the extent from which its new shops get their numbers. Numbers from next_id on are not
# given out yet: such a shop does not exist.
allocations = Table(
    "directory_allocations",
    metadata,
    Column("pod_id", Integer, primary_key=True, autoincrement=False),
    Column("first_id", _Number, nullable=False, unique=True),
    Column("next_id", _Number, nullable=False),
    Column("last_id", _Number, nullable=False),
)

changes = Table(
    "directory_changes",
    metadata,
    Column("seq", _Number, primary_key=True, autoincrement=False, comment="in the order of the commits"),
    Column("shop_id", _Number, nullable=False),
    Column("from_pod_id", Integer, nullable=True, comment="null: the shop was assigned for the first time"),
    Column("pod_id", Integer, nullable=False),
    Column("epoch", _Number, nullable=False),
    Column("changed_at", Double, nullable=False, comment="wall time, seconds since 1970"),
    Index("directory_changes_by_shop", "shop_id", "seq"),
)

# The row CHANGES is the lock of every change to who owns what; see `changes`.
counters = Table(
    "directory_counters",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", _Number, nullable=False),
)

CHANGES = "changes"
"""Counter: the number of the last change."""
NEXT_SHOP = "next_shop"
"""Counter: the lowest shop number above everything that was assigned or lies in an extent."""
MOVER_EPOCHS = "mover_epochs"
"""Counter: the last mover epoch that was drawn, for whichever move."""

_START = {CHANGES: 0, NEXT_SHOP: 1, MOVER_EPOCHS: 0}


def create(connection: Connection) -> None:
    """Make the tables that are missing, and the counters."""
    metadata.create_all(connection)
    present = set(connection.execute(select(counters.c.name)).scalars())
    missing = [{"name": name, "value": value} for name, value in _START.items() if name not in present]
    if missing:
        connection.execute(insert(counters), missing)
