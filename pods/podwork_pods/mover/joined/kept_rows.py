"""The rows that a leg's source keeps after the switch, on MariaDB or MySQL: fed, and looked at.

Owns: `KeptRows`: step 29, and the look before step 30. Promises: kept rows get every change of the shop's,
from the stored position on, and no other word of a log: where that cannot be read to its end any more, they
can neither be kept equal nor be told from what somebody has written to them, and it is said (`NoWayBack`).
A stream that ends for a reason that passes is followed once more before that. Leaves to others: their
fence, and what follows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from podwork.errors import PodworkError
from podwork_pods.fence import FenceState
from podwork_pods.mover.crossing import GivesUp, NoWayBack, Pulse
from podwork_pods.mover.joined.comparing import differing_rows
from podwork_pods.mover.joined.served_shard import HOPELESS, ServedShard, bring, count, passing
from podwork_pods.mover.passage import Passage
from podwork_pods.mover.rows.errors import LogLost, LogUnfit, SourceReplaced, TableAltered
from podwork_pods.mover.rows.passing import Pace
from podwork_pods.mover.rows.stream.position import Position
from podwork_pods.mover.rows.stream.watch import Keys
from podwork_pods.mover.tables.table import MovedTable

_FOR_GOOD: Final[tuple[type[PodworkError], ...]] = (LogLost, SourceReplaced, LogUnfit, TableAltered)
"""What everybody meets again who begins at the stored position."""


class KeptRows:
    """The rows that are kept `here`, of a shop that trades `there`; the passage is that of the way there.

    Args:
        since: where the way back begins in the log of `there`, as the switch has stored it.
    """

    def __init__(
        self,
        passage: Passage,
        tables: Sequence[MovedTable],
        here: ServedShard,
        there: ServedShard,
        since: str,
        pace: Pace,
    ) -> None:
        back = passage._replace(source=passage.target, target=passage.source, epoch=passage.epoch + 1, leg=2)
        self._shop_id = passage.shop_id
        self._tables = tables
        self._here = here
        self._there = there
        self._since = since
        self._rows = passing(back, tables, there, here, FenceState.MOVED, pace)
        self._follows = False

    def feed(self, pulse: Pulse) -> int:
        """Bring what has changed up to now; return how many keys it was. Raises NoWayBack, GivesUp."""
        return count(self._bring(pulse))

    def stale(self, pulse: Pulse, between: Callable[[], None]) -> Sequence[str]:
        """Name what differs from the shop's, though it was just fed. Raises NoWayBack, GivesUp."""
        self._bring(pulse)
        here, there = self._here.engine, self._there.engine
        return differing_rows(there, here, self._tables, self._shop_id, lambda: self._bring(pulse), between)

    def close(self) -> None:
        """Follow no log any more."""
        self._rows.close()

    def _bring(self, pulse: Pulse) -> Keys:
        for tries_left in (1, 0):
            try:
                if not self._follows:
                    self._rows.follow(self._begin())
                    self._follows = True
                return bring(self._rows, pulse)
            except _FOR_GOOD as error:
                self._follows = False
                if not tries_left:
                    raise NoWayBack(error.what) from error
            except HOPELESS as error:
                raise GivesUp(error.what) from error
        raise AssertionError("unreachable")

    def _begin(self) -> Position:
        if not self._since:  # a new snapshot in its place would leave out what changed before it
            raise NoWayBack("it is not known where the way back begins")
        return Position.parse(self._since)
