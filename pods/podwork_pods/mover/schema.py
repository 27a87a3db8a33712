"""The tables of moves, in the directory's database.

Owns their columns and what each row means. They stand beside the directory's, because the switch changes a
move's row and the shop's in one transaction. What is true of one pod (rows copied, positions) stands in its
shard.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Connection, Double, Index, Integer, MetaData, String, Table, Text

from podwork_pods.columns import EXACT, LONG_TEXT, NUMBER
from podwork_pods.mover.plans import schema as plans_schema

metadata = MetaData()

moves = Table(
    "podwork_moves",
    metadata,
    Column("id", NUMBER, primary_key=True, autoincrement=True),
    Column("shop_id", NUMBER, nullable=False),
    Column("open_shop", NUMBER, nullable=True, unique=True, comment="the shop until it ends, then null"),
    Column("home_pod", Integer, nullable=False, comment="where the shop was when it was planned"),
    Column("away_pod", Integer, nullable=False, comment="where it is to go"),
    Column("leg", Integer, nullable=False, comment="1 there, 2 back"),
    Column("source_epoch", NUMBER, nullable=False, comment="of the shop on its home pod"),
    Column("state", String(16), nullable=False, comment="see podwork_pods.mover.states"),
    Column("mover_epoch", NUMBER, nullable=False, comment="of its latest mover; 0: none yet"),
    Column("owner", String(255), nullable=False, comment="its mover, for people; '': at rest"),
    Column("heartbeat", Double, nullable=False, comment="wall time, as all times; when at rest: until when"),
    Column("tries", Integer, nullable=False, comment="how many cut-overs of this leg gave way"),
    Column("not_before", Double, nullable=True, comment="when the next cut-over may begin"),
    Column("cut_until", Double, nullable=True, comment="when the block of the cut-over under way is over"),
    Column("max_block_seconds", Double, nullable=False, comment="for how long writes may stand still"),
    Column(
        "grace_seconds", Double, nullable=True, comment="reversible for so long; null: until a person says"
    ),
    Column(
        "stale_accepted", Boolean, nullable=False, comment="kept rows may go: compared, or a person said so"
    ),
    Column(
        "is_rehearsal", Boolean, nullable=False, comment="given up where it is ready: nothing is switched"
    ),
    Column("held", Boolean, nullable=False),
    Column("held_reason", Text, nullable=False),
    Column("wanted_by", String(255), nullable=False),
    Column("reason", Text, nullable=False, comment="of its state, for people"),
    Column("throttle_reason", Text, nullable=False, comment="what it waits for, or ''"),
    Column("back_position", Text, nullable=False, comment="where the way back begins in the target's log"),
    Column("back_closed", Text, nullable=False, comment="why there is no way back any more, or ''"),
    Column("times", LONG_TEXT, nullable=False, comment="JSON: when each state was last entered"),
    Column("found", LONG_TEXT, nullable=False, comment="JSON: what preflight has found"),
    Column("created", Double, nullable=False),
    Index("podwork_moves_by_shop", "shop_id", "id"),
    Index("podwork_moves_by_state", "state", "id"),
    Index("podwork_moves_by_heartbeat", "heartbeat"),
    **EXACT,
)

events = Table(
    "podwork_move_events",
    metadata,
    Column("seq", NUMBER, primary_key=True, autoincrement=True, comment="in the order of the commits"),
    Column("move_id", NUMBER, nullable=False),
    Column("at", Double, nullable=False),
    Column("mover_epoch", NUMBER, nullable=False, comment="of the move's latest mover at that time"),
    Column("who", String(255), nullable=False),
    Column("why", Text, nullable=False),
    Column("before", String(16), nullable=False, comment="the state; '': it was planned"),
    Column("after", String(16), nullable=False),
    Column("what", LONG_TEXT, nullable=False, comment="JSON: what else was written"),
    Index("podwork_move_events_by_move", "move_id", "seq"),
    **EXACT,
)


def create(connection: Connection) -> None:
    """Make the tables that are missing, those of plans too."""
    metadata.create_all(connection)
    plans_schema.create(connection)
