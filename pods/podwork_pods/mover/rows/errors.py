"""What can go wrong with a shop's rows on their way, below `podwork.errors.PodworkError`.

Owns: errors of logs, tables and values. Leaves to others: fences and shards that cannot be reached
(`podwork_pods.errors`). Each says whether the copy goes on from its stored position or has to be made
anew.
"""

from __future__ import annotations

from podwork.errors import PodworkError


class LogLost(PodworkError):
    """Raised when a shard's binlog does not reach back any more to where a move has to go on."""

    def __init__(self, pod_id: int, position: str, why: str) -> None:
        self.pod_id = pod_id
        self.position = position
        self.why = why
        super().__init__(
            f"pod {pod_id}: its binlog cannot be read from {position}: {why}",
            "copy the shop anew; keep binlogs for longer than a move takes",
        )


class SourceReplaced(PodworkError):
    """Raised when a shard is served by another server than the one whose binlog a position is of."""

    def __init__(self, pod_id: int, expected: str, found: str) -> None:
        self.pod_id = pod_id
        self.expected = expected
        self.found = found
        super().__init__(
            f"pod {pod_id}: its shard is on {found} now, the position is of {expected}",
            "copy the shop anew: a position means nothing on another server",
        )


class LogUnfit(PodworkError):
    """Raised when a binlog does not say which rows have changed."""

    def __init__(self, pod_id: int, position: str, why: str) -> None:
        self.pod_id = pod_id
        self.position = position
        self.why = why
        super().__init__(
            f"pod {pod_id}: its binlog at {position} holds {why}",
            "set binlog_format=ROW, binlog_row_image=FULL, binlog_row_metadata=FULL and no compression for "
            "every session, and copy the shop anew",
        )


class TableAltered(PodworkError):
    """Raised when the definition of a table that is being followed was changed."""

    def __init__(self, pod_id: int, table: str, statement: str) -> None:
        self.pod_id = pod_id
        self.table = table
        self.statement = statement
        super().__init__(
            f"pod {pod_id}: table {table} was changed under a move: {statement}",
            "copy the shop anew when the migration is done on both pods",
        )


class StreamEnded(PodworkError):
    """Raised when the connection over which a binlog was followed is gone."""

    def __init__(self, pod_id: int, why: str) -> None:
        self.pod_id = pod_id
        self.why = why
        super().__init__(
            f"pod {pod_id}: its binlog is not followed any more: {why}", "follow it from the stored position"
        )


class LogBehind(PodworkError):
    """Raised when a binlog was not read up to a position in time."""

    def __init__(self, pod_id: int, wanted: str, reached: str, waited_seconds: float) -> None:
        self.pod_id = pod_id
        self.wanted = wanted
        self.reached = reached
        self.waited_seconds = waited_seconds
        super().__init__(
            f"pod {pod_id}: its binlog was read to {reached}, not to {wanted}, in {waited_seconds:.1f} s",
            "try again; if it does not come nearer, move shops when less is written",
        )


class RowClash(PodworkError):
    """Raised when a row cannot be inserted, because a row that is not the shop's has its unique values."""

    def __init__(self, table: str, why: str) -> None:
        self.table = table
        self.why = why
        super().__init__(
            f"table {table}: a row of the shop clashes at the target: {why}",
            "nothing was overwritten; unique keys across shops need values that no two pods give",
        )


class ValueChanged(PodworkError):
    """Raised when a server would store another value than the one it was given."""

    def __init__(self, table: str, why: str) -> None:
        self.table = table
        self.why = why
        super().__init__(
            f"table {table}: the target would store another value: {why}",
            "nothing was stored; compare the definitions of the table on both pods",
        )


class RowsUnreadable(PodworkError):
    """Raised when a shard does not give a row's values whole."""

    def __init__(self, table: str, why: str) -> None:
        self.table = table
        self.why = why
        super().__init__(
            f"table {table}: a row cannot be read whole: {why}",
            "raise max_allowed_packet on the pod's server",
        )


class RowsBusy(PodworkError):
    """Raised when rows could not be read or written in time, because transactions hold them."""

    def __init__(self, shop_id: int, why: str) -> None:
        self.shop_id = shop_id
        self.why = why
        super().__init__(f"shop {shop_id}: its rows are locked: {why}", "nothing was lost; try again")
