"""The outbox after a move: its rows travelled behind the relay's back, and wait for it from now on.

Owns: step 24. Promises: it is done only while the shop's fence here is open and this mover's, under a
shared lock: a late mover's word cannot let the relay bring jobs of a shop that is on its way again. Leaves
to others: relays (`podwork_pods.outbox`), which pass over rows that travel.
"""

from __future__ import annotations

from sqlalchemy import Engine, update

from podwork_pods.fence import FenceState, ShardFence
from podwork_pods.mover.passage import Passage
from podwork_pods.outbox.schema import outbox

ON_THE_WAY = -1
"""`relayed` of rows that travel, and of kept ones."""


def let_relay(engine: Engine, fence: ShardFence, passage: Passage) -> None:
    """Let the target's relay have the rows. Raises FenceConflict."""
    travelled = (outbox.c.shop_id == passage.shop_id) & (outbox.c.relayed == ON_THE_WAY)
    with engine.begin() as connection:
        fence.hold_to_fill(connection, passage.shop_id, (FenceState.OPEN,), passage.mover)
        connection.execute(update(outbox).where(travelled).values(relayed=0))
