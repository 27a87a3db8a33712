"""What can be wrong with a collection, as part of the one tree of errors."""

from __future__ import annotations

from podwork.errors import ConfigurationError, PodworkError


class InvalidCollection(ConfigurationError):
    """Raised when a collection cannot be iterated as it is declared."""


class InvalidKey(InvalidCollection):
    """Raised when the columns that should order an iteration cannot: not unique, nullable, not comparable."""

    def __init__(self, what: str, key: tuple[str, ...], why: str, remedy: str = "") -> None:
        self.collection = what
        self.key = key
        self.why = why
        super().__init__(
            f"{what}: ({', '.join(key)}) cannot be the key of an iteration: {why}",
            remedy or "name the columns of the primary key, or of a unique index without nulls, in its order",
        )


class ForeignCursor(PodworkError):
    """Raised when a cursor does not belong to the collection that is to go on from it."""

    def __init__(self, what: str, cursor: tuple[object, ...], why: str) -> None:
        self.collection = what
        self.cursor = cursor
        self.why = why
        super().__init__(
            f"{what}: cannot go on from the cursor {cursor!r}: {why}",
            "the job's collection was changed while a run of it was under way; cancel the run and start anew",
        )


class UnreadableRecord(PodworkError):
    """Raised when a file holds something at a place where a record was expected."""

    def __init__(self, path: str, offset: int, why: str) -> None:
        self.path = path
        self.offset = offset
        self.why = why
        super().__init__(f"{path}: no record at byte {offset}: {why}", "mend the file from that byte on")
