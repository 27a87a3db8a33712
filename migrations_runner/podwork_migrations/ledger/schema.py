"""The tables of migrations in a shard.

Owns their columns and what each row means. They stand in the shard, so that what was done to it and what is
known of that are committed together, and are restored together.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    Column,
    Connection,
    Double,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    insert,
    select,
)

from podwork_pods import standstill
from podwork_pods.columns import EXACT, LONG_TEXT, NUMBER

NAME_CHARACTERS: Final = 255
"""Of a migration, an owner, a person."""
LINE: Final = 1
"""The id of the line's one row."""

metadata = MetaData()

migrations = Table(
    "podwork_migrations",
    metadata,
    Column("version", String(14), primary_key=True),
    Column("name", String(NAME_CHARACTERS), nullable=False),
    Column("kind", String(16), nullable=False, comment="schema or data"),
    Column("checksum", String(64), nullable=False, comment="SHA-256 of its file"),
    Column("code_revision", String(NAME_CHARACTERS), nullable=False, comment="of the worker that began it"),
    Column("plan_id", String(64), nullable=True, comment="null: no plan let it go"),
    Column("wave", Integer, nullable=True),
    Column("state", String(16), nullable=False, comment="see podwork_migrations.ledger.states"),
    Column("direction", String(8), nullable=False, comment="up or down"),
    Column("stage", String(32), nullable=False, comment="of its route"),
    Column("route", String(32), nullable=False, comment="how it is done; empty: not decided"),
    Column("statement", LONG_TEXT, nullable=False, comment="what is run, in SQL"),
    Column("change", LONG_TEXT, nullable=False, comment="how it is done, as its route wrote it down"),
    Column("requested", Double, nullable=False, comment="wall time, seconds since 1970, as all times here"),
    Column("started", Double, nullable=False),
    Column("heartbeat", Double, nullable=False, comment="when it last did anything"),
    Column("ready", Double, nullable=True, comment="prepared up to its cut-over"),
    Column("completed", Double, nullable=True),
    Column("lease_owner", String(NAME_CHARACTERS), nullable=False),
    Column("lease_epoch", NUMBER, nullable=False, comment="of the line, when it was last gone on with"),
    Column("attempts", Integer, nullable=False, comment="how often it was begun"),
    Column("tries", Integer, nullable=False, comment="how often in a row a lock could not be had"),
    Column("not_before", Double, nullable=True, comment="nothing is tried before then"),
    Column("rows_done", NUMBER, nullable=True),
    Column("rows_total", NUMBER, nullable=True),
    Column("run_ids", Text, nullable=False, comment="JSON list of runs that work for it"),
    Column("throttle_reason", Text, nullable=False, comment="what holds it back now"),
    Column("cutover_attempts", Integer, nullable=False),
    Column("artefacts", LONG_TEXT, nullable=False, comment="JSON list of what it made and has not dropped"),
    Column("hold_until", Double, nullable=True, comment="the old table is kept until then"),
    Column("fingerprint_before", String(64), nullable=False),
    Column("fingerprint_after", String(64), nullable=False),
    Column("override_reason", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("reported", String(16), nullable=False, comment="the state that the plan has heard of"),
    # Unique, and null for all others: the database itself refuses a second one.
    Column("open", Integer, nullable=True, unique=True, comment="1: running or reverting"),
    **EXACT,
)

line = Table(
    "podwork_migration_line",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("epoch", NUMBER, nullable=False, comment="grows with every one who enters"),
    Column("revision", NUMBER, nullable=False, comment="grows with every change of the ledger"),
    Column("owner", String(NAME_CHARACTERS), nullable=False, comment="who is in it; empty: nobody"),
    Column("taken_at", Double, nullable=False),
    Column("heartbeat_at", Double, nullable=False, comment="of the owner's last step"),
    Column("hold_reason", Text, nullable=True, comment="null: it is not held"),
    Column("hold_by", String(NAME_CHARACTERS), nullable=False),
    Column("held_at", Double, nullable=True),
    Column("trouble", Text, nullable=False, comment="why it does not get on, for people"),
    **EXACT,
)


def create(connection: Connection) -> None:
    """Make the tables that are missing, the line's row, and what migrations and moves meet at."""
    metadata.create_all(connection)
    standstill.create(connection)
    if connection.execute(select(line.c.id).where(line.c.id == LINE)).first() is None:
        row = {"id": LINE, "epoch": 0, "revision": 0, "owner": "", "taken_at": 0.0, "heartbeat_at": 0.0}
        connection.execute(insert(line).values(**row, hold_by="", trouble=""))
