"""A move: its row, as everybody reads it.

Owns: `Move`, `Wanted`, and reading a row. Leaves to others: changing it (`moves`, `orders`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from sqlalchemy import Row

from podwork.interfaces import Route
from podwork_pods.mover.passage import Passage
from podwork_pods.mover.states import MoveState

MAX_BLOCK_SECONDS: Final = 5.0
"""For how long writes of the shop may stand still, unless somebody says otherwise."""

_times = msgspec.json.Decoder(dict[str, float]).decode
_found = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is wanted of a new move.

    `held`: it stops where it is ready, until a person says `cutover`. `grace_seconds`: how long it stays
    reversible; None: until a person says `complete` or `reverse`. `is_rehearsal`: it is given up where it is
    ready, so that one knows what the move would meet and how long it would take.
    """

    shop_id: int
    to_pod: int
    wanted_by: str
    reason: str = ""
    held: bool = False
    max_block_seconds: float = MAX_BLOCK_SECONDS
    grace_seconds: float | None = None
    is_rehearsal: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """A move as its row says; see `schema.moves` for what each field means."""

    id: int
    shop_id: int
    open_shop: int | None
    home_pod: int
    away_pod: int
    leg: int
    source_epoch: int
    state: MoveState
    mover_epoch: int
    owner: str
    heartbeat: float
    tries: int
    not_before: float | None
    cut_until: float | None
    max_block_seconds: float
    grace_seconds: float | None
    stale_accepted: bool
    is_rehearsal: bool
    held: bool
    held_reason: str
    wanted_by: str
    reason: str
    throttle_reason: str
    back_position: str
    back_closed: str
    times: Mapping[str, float]
    found: Mapping[str, Any] = field(repr=False)
    created: float

    @property
    def passage(self) -> Passage:
        """The leg that it is on, in the hands of its latest mover. On leg 2 the pods swap their roles."""
        there = (self.home_pod, self.away_pod)
        pods = there if self.leg == 1 else there[::-1]
        epoch = self.source_epoch + self.leg - 1
        return Passage(self.id, self.shop_id, pods[0], pods[1], epoch, self.mover_epoch, self.leg)

    @property
    def route_before(self) -> Route:
        """Where the shop is before this leg's switch."""
        return Route(self.passage.source, self.passage.epoch)

    @property
    def route_after(self) -> Route:
        """Where the shop is after this leg's switch."""
        return Route(self.passage.target, self.passage.epoch + 1)

    @property
    def entered(self) -> float:
        """When it entered its state."""
        return self.times.get(self.state, self.created)


def read_move(row: Row[Any]) -> Move:
    """Return the move in a row of the whole table."""
    fields = dict(row._mapping)
    fields |= {
        "state": MoveState(row.state),
        "held": bool(row.held),
        "is_rehearsal": bool(row.is_rehearsal),
        "stale_accepted": bool(row.stale_accepted),
        "times": _times(row.times),
        "found": _found(row.found),
    }
    return Move(**fields)
