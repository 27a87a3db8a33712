"""What can be wrong with the tables of a move, as part of the one tree of errors."""

from __future__ import annotations

from collections.abc import Sequence

from podwork.errors import ConfigurationError, PodworkError
from podwork_pods.mover.tables.blocker import Blocker

_SHOWN = 5


class InvalidTables(ConfigurationError):
    """Raised when an application's declaration of its tables cannot be meant."""

    def __init__(self, table: str, why: str, remedy: str) -> None:
        self.table = table
        self.why = why
        super().__init__(f"the declaration of {table} is wrong: {why}", remedy)


class TablesBlocked(PodworkError):
    """Raised when a shard's tables cannot be moved by the rows of a shop; every reason is in `blockers`."""

    def __init__(self, blockers: Sequence[Blocker]) -> None:
        self.blockers = tuple(blockers)
        shown = "; ".join(blocker.what for blocker in self.blockers[:_SHOWN])
        more = len(self.blockers) - _SHOWN
        super().__init__(
            f"shops cannot be moved: {shown}{f', and {more} more' if more > 0 else ''}",
            "; ".join(dict.fromkeys(blocker.remedy for blocker in self.blockers[:_SHOWN])),
        )


class DigestsMissing(PodworkError):
    """Raised when a server cannot make digests of rows, so that nothing can be compared."""

    def __init__(self, why: str, remedy: str) -> None:
        self.why = why
        super().__init__(f"rows cannot be compared: {why}", remedy)
