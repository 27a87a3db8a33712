"""A place in a server's binlog, and which server it is.

Owns: `Position`, `position_now`, `server_of`. Promises: positions of one server are ordered as its log is.
Leaves to others: taking one together with a snapshot (`rows.snapshot`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import total_ordering

from podwork_pods.mover.rows.session import RowSession

_SERVER = {
    True: "SELECT CONCAT(@@server_id, ' ', @@hostname, ':', @@port, ' ', @@datadir)",
    False: "SELECT @@server_uuid",
}
_STATUS = ("SHOW BINARY LOG STATUS", "SHOW MASTER STATUS")


@total_ordering
@total_ordering
@dataclass(frozen=True, slots=True)
class Position:
    """Where in a binlog: the bytes of `file` up to `offset` have been read."""

    file: str
    offset: int

    def __lt__(self, other: Position) -> bool:
        return self._order() < other._order()

    def _order(self) -> tuple[int, int]:
        """Files count up; after 999999 they have one digit more, so their names do not order them."""
        return int(self.file.rpartition(".")[2]), self.offset

    def __str__(self) -> str:
        return f"{self.file}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """Read what `str` has written."""
        file, _, offset = text.rpartition(":")
        return cls(file, int(offset))


def position_now(session: RowSession) -> Position:
    """Return the end of the server's log: whatever has been committed lies before it."""
    statement = _STATUS[1] if session.is_mariadb else _STATUS[0]
    [row] = session.rows(statement)
    return Position(_text(row[0]), int(row[1]))


def server_of(session: RowSession) -> str:
    """Return what tells this server from others, as far as it does."""
    [(found,)] = session.rows(_SERVER[session.is_mariadb])
    return _text(found)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
