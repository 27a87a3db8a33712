"""The tables of iteration in a shard.

Owns their columns and what each row means. They stand in the shard, so that progress commits with the work
and outlives Redis. Text is compared exactly, whatever the database's own collation is: ids and owners are
names. `after_cursor`, `upto_cursor` and `last_cursor` are cursors as `podwork.iteration.cursor` writes them.
"""

from __future__ import annotations

from sqlalchemy import Column, Connection, Double, Index, Integer, MetaData, String, Table, Text

from podwork_pods import standstill
from podwork_pods.columns import EXACT, LONG_TEXT, NUMBER

NAME_CHARACTERS = 255
"""Of a job class, an owner, a person."""

metadata = MetaData()

runs = Table(
    "podwork_runs",
    metadata,
    Column("id", String(64), primary_key=True, comment="of the job that started it"),
    Column("job_class", String(NAME_CHARACTERS), nullable=False),
    Column("shop_id", NUMBER, nullable=True, comment="null: work of the pod, without a shop"),
    Column("pod_id", Integer, nullable=False),
    Column("params", LONG_TEXT, nullable=False, comment="JSON object"),
    Column("state", String(16), nullable=False, comment="see podwork.iteration.states"),
    Column("reason", Text, nullable=False, comment="of the state, for people"),
    Column("rows_total", NUMBER, nullable=True, comment="counted at the start; null: not known"),
    Column("rows_per_second", Double, nullable=True, comment="null: as many as can be done"),
    Column("batch_most", Integer, nullable=True, comment="rows in a batch; null: as the class says"),
    # Not `parallel`, which is a reserved word from MySQL 8.4 on.
    Column("parallel_most", Integer, nullable=False, comment="partitions that may be held at once"),
    Column("revision", NUMBER, nullable=False, comment="grows with every state, setting and force"),
    Column("forced", Integer, nullable=False, comment="how often; leases from before it are void"),
    Column("partitions", Integer, nullable=False, comment="how many it has; the next one's number"),
    Column("quarantined", Integer, nullable=False, comment="items that stand in quarantine"),
    Column("created", Double, nullable=False, comment="wall time, seconds since 1970, as all times here"),
    Column("started", Double, nullable=True, comment="of its first batch"),
    Column("ended", Double, nullable=True),
    Column("updated", Double, nullable=False),
    Column("idle_seconds", Double, nullable=False, comment="since the start, when it was not to work"),
    Column("idle_since", Double, nullable=True, comment="not yet in idle_seconds; null: it works"),
    Column("interruptions", Integer, nullable=False),
    Column("pauses", Integer, nullable=False),
    Column("throttled", Integer, nullable=False, comment="how often"),
    Column("group_id", String(64), nullable=True, comment="the same for the runs of all pods"),
    Column("created_by", String(NAME_CHARACTERS), nullable=False),
    Column("leaves_out", Integer, nullable=True, comment="1: it can leave out shops; null: not cut yet"),
    Column("cut_from", String(64), nullable=True, comment="the run of which it is what a shop owes"),
    Index("podwork_runs_by_created", "created", "id"),
    Index("podwork_runs_by_state", "state", "created", "id"),
    Index("podwork_runs_by_group", "group_id"),
    **EXACT,
)

partitions = Table(
    "podwork_partitions",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("after_cursor", Text, nullable=True, comment="it begins behind this; null: at the beginning"),
    Column("upto_cursor", Text, nullable=True, comment="its end, included; null: whatever is added"),
    Column("last_cursor", Text, nullable=True, comment="of the last row done; null: none yet"),
    Column("rows_done", NUMBER, nullable=False),
    Column("batches", NUMBER, nullable=False),
    Column("lease_epoch", NUMBER, nullable=False, comment="grows with every take-over; 0: never taken"),
    Column("lease_forced", Integer, nullable=False, comment="the run's `forced` when it was taken"),
    Column("revision", NUMBER, nullable=False, comment="grows with its lease, bounds and cursor"),
    Column("owner", String(NAME_CHARACTERS), nullable=True),
    Column("leased_at", Double, nullable=False, comment="when the owner took it, or last said that it lives"),
    # Held ones have numbers from 0 to the limit, each one once: so many, and no more, are held.
    Column("slot", Integer, nullable=True, comment="null: nobody holds it"),
    Column("state", String(16), nullable=False, comment="waiting, running, done, failed"),
    Column("attempts", Integer, nullable=False, comment="failed or broken off since the last progress"),
    Column("tried_rows", Integer, nullable=True, comment="asked for by the last of them; null: not known"),
    Column("tried_alone", Integer, nullable=False, comment="how many of them had a single row"),
    Column("interruptions", Integer, nullable=False),
    Column("throttle_reason", Text, nullable=True),
    Column("last_error", Text, nullable=True),
    Column("updated", Double, nullable=False),
    Index("podwork_partitions_by_slot", "run_id", "slot", unique=True),
    **EXACT,
)

quarantined = Table(
    "podwork_quarantined",
    metadata,
    Column("id", NUMBER, primary_key=True, autoincrement=True),
    Column("run_id", String(64), nullable=False),
    Column("number", Integer, nullable=False, comment="of the partition"),
    Column("after_cursor", Text, nullable=True, comment="of the item in front of it; null: it was the first"),
    Column("last_cursor", Text, nullable=False, comment="of the item"),
    Column("error", Text, nullable=False),
    Column("failed_at", Double, nullable=False, comment="the last time"),
    Column("retried", Double, nullable=True, comment="when it was done after all"),
    Index("podwork_quarantined_by_run", "run_id", "id"),
    **EXACT,
)

left_out = Table(
    "podwork_left_out",
    metadata,
    Column("group_id", String(64), primary_key=True, comment="of the runs that leave it out; *: of all"),
    Column("shop_id", NUMBER, primary_key=True, autoincrement=False),
    **EXACT,
)


def create(connection: Connection) -> None:
    """Make the tables that are missing, and the row that beginnings of runs lock."""
    metadata.create_all(connection)
    standstill.create(connection)
