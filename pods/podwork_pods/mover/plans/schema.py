"""The tables of plans of moves, in the directory's database.

Owns their columns and what each row means. They stand beside `podwork_moves`, because a plan begins a move in
the transaction that notes it with the shop. Whether a shop has arrived is said by its move only.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Connection, Double, Index, Integer, MetaData, String, Table, Text

from podwork_pods.columns import EXACT, LONG_TEXT, NUMBER

metadata = MetaData()

plans = Table(
    "podwork_move_plans",
    metadata,
    Column("id", NUMBER, primary_key=True, autoincrement=True),
    Column("aim", String(255), nullable=False, comment="what it is for, in words: pod 7 is left"),
    Column("state", String(16), nullable=False, comment="see podwork_pods.mover.plans.states"),
    Column("reason", Text, nullable=False, comment="of its state, for people"),
    Column("options", LONG_TEXT, nullable=False, comment="JSON: see podwork_pods.mover.plans.plan"),
    Column("shops", Integer, nullable=False, comment="how many there are"),
    Column("canary_shops", Integer, nullable=False, comment="how many of them go first"),
    Column("forgiven", Integer, nullable=False, comment="failures that a person knew of who let it go on"),
    Column("wanted_by", String(255), nullable=False),
    Column("created", Double, nullable=False, comment="wall time, as all times"),
    Column("begun", Double, nullable=True, comment="when its first move began"),
    Column("ended", Double, nullable=True),
    Index("podwork_move_plans_by_state", "state", "id"),
    **EXACT,
)

shops = Table(
    "podwork_move_plan_shops",
    metadata,
    Column("plan_id", NUMBER, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False, comment="from 0: the order of turns"),
    Column("shop_id", NUMBER, nullable=False),
    Column("from_pod", Integer, nullable=False, comment="where the shop was when it was chosen"),
    Column("to_pod", Integer, nullable=False),
    Column("load", NUMBER, nullable=False, comment="rows, or 1 a shop: what the choice was made by"),
    Column("move_id", NUMBER, nullable=True, unique=True, comment="null: its turn has not come"),
    Column("skipped", Boolean, nullable=False, comment="it does not move with this plan"),
    Column("reason", Text, nullable=False, comment="why it was skipped"),
    Index("podwork_move_plan_shops_by_shop", "plan_id", "shop_id", unique=True),
    **EXACT,
)

events = Table(
    "podwork_move_plan_events",
    metadata,
    Column("seq", NUMBER, primary_key=True, autoincrement=True, comment="in the order of the commits"),
    Column("plan_id", NUMBER, nullable=False),
    Column("at", Double, nullable=False),
    Column("who", String(255), nullable=False),
    Column("why", Text, nullable=False),
    Column("before", String(16), nullable=False, comment="the state; '': it was made"),
    Column("after", String(16), nullable=False),
    Index("podwork_move_plan_events_by_plan", "plan_id", "seq"),
    **EXACT,
)

bandwidth = Table(
    "podwork_move_bandwidth",
    metadata,
    Column("pod_id", Integer, primary_key=True, autoincrement=False, comment="the source of copies"),
    Column("free_at", Double, nullable=False, comment="when the bytes are through that were let pass"),
    **EXACT,
)


def create(connection: Connection) -> None:
    """Make the tables that are missing."""
    metadata.create_all(connection)
