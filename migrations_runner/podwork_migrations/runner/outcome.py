"""How a turn of the runner ended, and when another one is worth while.

Owns: `Outcome`, `Ending`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Ending(StrEnum):
    """Why a turn was over."""

    IDLE = "idle"
    """Nothing is pending."""
    WAITING = "waiting"
    """Something is pending that may not begin yet, or that other workers have to go on with."""
    UNDER_WAY = "under way"
    """A migration runs; another turn goes on with it."""
    STOPPED = "stopped"
    """One has failed, or the files cannot be used: a person is needed."""
    HELD = "held"
    """A person holds the line."""
    TAKEN = "taken"
    """Somebody else is in the line."""
    LOST = "lost"
    """Somebody else got into the line meanwhile, or may have."""
    AWAY = "away"
    """The shard, Redis or the directory does not answer."""


class Outcome(NamedTuple):
    """The end of a turn; `again_seconds`: another one then is worth while; None: as the schedule has it."""

    ending: Ending
    reason: str = ""
    again_seconds: float | None = None
