"""That there is nothing to be done on a pod, remembered until something has changed.

Owns: `Quiet`. Reading the whole ledger takes milliseconds where hundreds of migrations have run; that it has
not changed since it was read, one row says. Promises: what was remembered counts for the same files and the
same revision of the ledger only, not beyond the moment at which something has to be done by itself, and not
for ever: somebody may have changed the ledger by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from podwork_migrations.ledger.entry import Mark
from podwork_migrations.runner.outcome import Outcome

LONGEST_SECONDS: Final = 600.0


class Quiet(NamedTuple):
    """Since when, and until when, nothing is to be done, and how a turn ends meanwhile."""

    digest: str
    revision: int
    since: float
    until: float
    outcome: Outcome

    @classmethod
    def since_now(
        cls, digest: str, revision: int, marks: Iterable[Mark], now: float, outcome: Outcome
    ) -> Quiet:
        """Remember what was found for these files in a ledger of this revision."""
        held = (max(mark.hold_until, mark.not_before or 0.0) for mark in marks if mark.hold_until is not None)
        return cls(digest, revision, now, min([now + LONGEST_SECONDS, *held]), outcome)

    def is_so(self, digest: str, now: float, revision: Callable[[], int]) -> bool:
        """Return whether it still counts; asks for the ledger's revision if nothing else is against it."""
        return digest == self.digest and self.since <= now < self.until and revision() == self.revision
