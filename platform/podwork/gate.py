"""A shop's gate on one pod, as it is written in Redis.

Owns: the passage from the text (`podwork:gate`) to `Gate`. Leaves to others: what a gate lets through
(`scripts/parts/gates.lua`, `scripts/parts/claiming.lua`), and setting it (`scripts/gate.lua`,
`scripts/pause.lua`).
"""

from __future__ import annotations

from typing import NamedTuple


class Gate(NamedTuple):
    """What the shop's gate says; without one a shop is open.

    `state`: open; pausing (nothing is claimed, pushes are accepted); hold (neither); moved (pushes are
    redirected to `pod_id`). `mover` is the mover epoch under which it was set, 0: not by a mover.
    """

    state: str = "open"
    epoch: int = 0
    pod_id: int = 0
    mover: int = 0


def read_gate(text: bytes) -> Gate:
    """Return a gate from its text in Redis; an empty one is no gate."""
    if not text:
        return Gate()
    state, epoch, pod_id, *mover = text.decode().split(" ")
    return Gate(state, int(epoch), int(pod_id), int(mover[0]) if mover else 0)
