"""When a child that died may be followed by the next: at once, unless children keep dying young.

Owns: the growing pause and its two log lines. Promises: a child that lived for `ADULT_SECONDS` is replaced
at once; after deaths in a row before that age the pause doubles, up to `LONGEST_PAUSE_SECONDS`.
"""

from __future__ import annotations

import logging
from typing import Final

ADULT_SECONDS: Final = 10.0
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 30.0

log = logging.getLogger("podwork.worker")


class Rebirth:
    """Remembers early deaths."""

    def __init__(self) -> None:
        self.early_deaths = 0
        self.not_before = 0.0

    def died(self, age_seconds: float, now: float, how: str) -> None:
        """Take note of a death that nobody asked for."""
        if age_seconds >= ADULT_SECONDS:
            self.early_deaths = 0
            return
        self.early_deaths += 1
        pause_seconds = early_pause_seconds(self.early_deaths)
        self.not_before = now + pause_seconds
        if self.early_deaths == 2:  # one early death may be a job's doing; the second makes a habit
            log.error("children die right after their start (%s); the pauses between starts grow", how)

    def lived(self, age_seconds: float) -> None:
        """Take note of a child that is alive at this age."""
        if self.early_deaths and age_seconds >= ADULT_SECONDS:
            if self.early_deaths >= 2:
                log.warning("children stay alive again")
            self.early_deaths = 0


def early_pause_seconds(early_deaths: int) -> float:
    """Return the pause after that many early deaths in a row; the first costs none."""
    if early_deaths <= 1:
        return 0.0
    return float(min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(early_deaths - 2, 16)))
