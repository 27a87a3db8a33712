"""The outbox's tables in a shard.

Owns their columns and what each row means. `podctl pods add` makes them, also in a shard that has jobs
already: it makes only what is missing. A row of `podwork_outbox` exists from the commit of the application's
transaction until its job has ended.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
)
from sqlalchemy.dialects.mysql import MEDIUMBLOB

# SQLite makes a rowid of INTEGER only.
_Number = BigInteger().with_variant(Integer, "sqlite")
_Record = LargeBinary().with_variant(MEDIUMBLOB(), "mysql", "mariadb")

metadata = MetaData()

outbox = Table(
    "podwork_outbox",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("job_id", String(64), nullable=False, unique=True),
    Column("shop_id", _Number, nullable=True, comment="null: work of the pod, without a shop"),
    Column("queue", String(255), nullable=False),
    Column("due_ms", _Number, nullable=False, comment="ms since 1970; 0: at once"),
    Column(
        "epoch", _Number, nullable=False, comment="the shop's, under which the transaction passed the fence"
    ),
    Column("record", _Record, nullable=False, comment="as it stands in Redis, see podwork.record"),
    Column(
        "locks", Text, nullable=False, comment="JSON: [digest, period ms, conflict] of each lock it asks for"
    ),
    Column("at_most_once", SmallInteger, nullable=False, comment="1: its class may not start it twice"),
    Column("relayed", _Number, nullable=False, comment="the batch that brought it to Redis; 0: none did yet"),
    Column("created", Double, nullable=False, comment="wall time, seconds since 1970"),
    # What is to be relayed, in order; with the shop, so that one that waits is passed over in the index.
    Index("podwork_outbox_by_relayed", "relayed", "id", "shop_id"),
    mysql_engine="InnoDB",
)

# Which Redis the shard's jobs were brought to; a row for each pod that ever had this shard.
generations = Table(
    "podwork_generation",
    metadata,
    Column("pod_id", Integer, primary_key=True, autoincrement=False),
    Column("generation", String(64), nullable=False, comment="as in podwork:generation of the pod's Redis"),
    mysql_engine="InnoDB",
)


def create(connection: Connection) -> None:
    """Make the tables that are missing."""
    metadata.create_all(connection)
