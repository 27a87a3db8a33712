"""The tables of plans, in the directory's database.

Owns their columns and what each row means. They stand beside the directory because they are about all pods;
what is true of one pod stands in its shard (`podwork_migrations.ledger`), and is only reported here.
"""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Connection,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    insert,
    select,
)

from podwork_pods.columns import EXACT, LONG_TEXT, NUMBER

metadata = MetaData()

plans = Table(
    "podwork_plans",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("number", Integer, nullable=False, unique=True, comment="how people call it; grows"),
    Column("state", String(16), nullable=False, comment="see podwork_migrations.plan.states"),
    Column("reason", Text, nullable=False, comment="of the state, for people"),
    Column("digest", String(64), nullable=False, comment="SHA-256 over its versions and evidence"),
    Column("settings", LONG_TEXT, nullable=False, comment="JSON: canary, waves, soak, limits"),
    Column("evidence", LONG_TEXT, nullable=False, comment="JSON: what else it was signed over"),
    Column("legs", Integer, nullable=False, comment="how many times it goes through the waves"),
    Column("waves", Integer, nullable=False, comment="how many it has"),
    Column("leg", Integer, nullable=False, comment="the open one, from 0"),
    Column("wave", Integer, nullable=False, comment="the latest open one of that leg, from 0: the canary"),
    Column("soak_until", Double, nullable=True, comment="wall time, seconds since 1970, as all times here"),
    Column("created", Double, nullable=False),
    Column("created_by", String(255), nullable=False),
    Column("purpose", Text, nullable=False, comment="why it was made, for people"),
    Column("started", Double, nullable=True),
    Column("ended", Double, nullable=True),
    Index("podwork_plans_by_state", "state"),
    Index("podwork_plans_by_digest", "digest"),
    **EXACT,
)

versions = Table(
    "podwork_plan_versions",
    metadata,
    Column("plan_id", String(64), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False, comment="from 0, by version"),
    Column("version", String(14), nullable=False),
    Column("name", String(255), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("checksum", String(64), nullable=False),
    Column("leg", Integer, nullable=False),
    Column("finalizes", Text, nullable=False, comment="JSON: versions that all pods must have applied"),
    Column("pods", Text, nullable=True, comment="JSON: the pods it is for; null: all"),
    Index("podwork_plan_versions_by_version", "version"),
    **EXACT,
)

placements = Table(
    "podwork_plan_pods",
    metadata,
    Column("plan_id", String(64), primary_key=True),
    Column("pod_id", Integer, primary_key=True, autoincrement=False),
    Column("wave", Integer, nullable=False),
    Column("state", String(16), nullable=False, comment="waiting, running, failed, done"),
    Column("legs_done", Integer, nullable=False),
    Column("cells", LONG_TEXT, nullable=False, comment="a letter for each version; see plan.cells"),
    Column("started", Double, nullable=True, comment="of its first migration of the plan"),
    Column("ended", Double, nullable=True),
    Column("error", Text, nullable=False, comment="of what failed, or ''"),
    **EXACT,
)

# What pods said last about each of their migrations. The truth is their ledger's; this is for all to see.
reports = Table(
    "podwork_migration_reports",
    metadata,
    Column("pod_id", Integer, primary_key=True, autoincrement=False),
    Column("version", String(14), primary_key=True),
    Column("plan_id", String(64), nullable=True),
    Column("state", String(16), nullable=False, comment="see podwork_migrations.ledger.states"),
    Column("direction", String(8), nullable=False),
    Column("checksum", String(64), nullable=False),
    Column("stage", String(64), nullable=False),
    Column("route", String(32), nullable=False),
    Column("rows_done", NUMBER, nullable=True),
    Column("rows_total", NUMBER, nullable=True),
    Column("rate", Double, nullable=True, comment="rows a second of late"),
    Column("throttle_reason", Text, nullable=False),
    Column("started", Double, nullable=False),
    Column("heartbeat", Double, nullable=False),
    Column("error", Text, nullable=False),
    Column("lease_epoch", NUMBER, nullable=False, comment="of the pod's line; earlier ones are out of date"),
    Column("attempts", Integer, nullable=False),
    Column("at", Double, nullable=False, comment="when it was told"),
    Index("podwork_migration_reports_by_state", "state"),
    Index("podwork_migration_reports_by_version", "version", "state"),
    **EXACT,
)

# One row per pod that ever asked, or was blocked. With a version it has one of the places of those who
# migrate at the same time.
pods = Table(
    "podwork_migration_pods",
    metadata,
    Column("pod_id", Integer, primary_key=True, autoincrement=False),
    Column("version", String(14), nullable=True, comment="which it was let go for; null: it has no place"),
    Column("plan_id", String(64), nullable=True),
    Column("epoch", NUMBER, nullable=False, comment="of the pod's line, when it last asked"),
    Column("since", Double, nullable=True, comment="when it took its place"),
    Column("asked", Double, nullable=True, comment="when it was last heard asking"),
    Column("blocked", Text, nullable=True, comment="why a person left it out for now"),
    Column("blocked_by", String(255), nullable=True),
    Column("blocked_at", Double, nullable=True),
    **EXACT,
)

# What persons did to plans.
deeds = Table(
    "podwork_plan_deeds",
    metadata,
    Column("plan_id", String(64), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False, comment="of the plan's, from 1"),
    Column("at", Double, nullable=False),
    Column("what", String(64), nullable=False),
    Column("done_by", String(255), nullable=False, comment="who; '': nobody said"),
    Column("reason", Text, nullable=False),
    **EXACT,
)

# Its one row is the lock under which plans change and pods are let go; its value is the last plan's number.
counters = Table(
    "podwork_plan_counters",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", NUMBER, nullable=False),
    **EXACT,
)

PLANS = "plans"
"""Counter: the number of the last plan."""


def create(connection: Connection) -> None:
    """Make the tables that are missing, and the counter."""
    metadata.create_all(connection)
    present = connection.execute(select(counters.c.name).where(counters.c.name == PLANS)).first()
    if present is None:
        connection.execute(insert(counters).values(name=PLANS, value=0))
