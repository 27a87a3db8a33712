"""The state of the source from which a copy is made, and the place in its log that goes with it.

Owns: `Snapshot`. Promises (`copy.snapshot`): a change that the snapshot does not show lies behind its
position. MariaDB gives the position of the snapshot itself. MySQL has none such: there the position is
read first, and rows are read under a lock, which waits for those whose change is in the log and cannot be
seen yet.

A snapshot may be renewed: what is read later than the position lacks no change from before it, and later
ones are noted. So no snapshot is kept for as long as a large copy takes, for which the server would keep
old rows.
"""

from __future__ import annotations

import time
from typing import Final

from podwork.points import reach
from podwork_pods.mover.rows.session import RowSession
from podwork_pods.mover.rows.stream.position import Position, position_now

RENEW_AFTER_SECONDS: Final = 300.0
_OF_SNAPSHOT: Final = "SHOW STATUS LIKE 'binlog_snapshot_%'"


class Snapshot:
    """A snapshot of the session's shard. `locking`: as on MySQL, also where the server could do better."""

    def __init__(self, session: RowSession, *, locking: bool | None = None) -> None:
        self._session = session
        self.is_locking = not session.is_mariadb if locking is None else locking
        self._taken = 0.0

    def take(self) -> Position:
        """Take a snapshot, in place of the last one, and return its position."""
        self._taken = time.monotonic()
        self._session.rollback()
        if self.is_locking:
            return position_now(self._session)
        self._session.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        self._session.run("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        found = {_text(name).lower(): value for name, value in self._session.rows(_OF_SNAPSHOT)}
        reach("rows.snapshot")
        return Position(_text(found["binlog_snapshot_file"]), int(found["binlog_snapshot_position"]))

    def renew_if_old(self) -> None:
        """Called between two reads; takes another one when this one is old. Gives locks back at once."""
        if self.is_locking:
            self._session.rollback()
        elif time.monotonic() - self._taken > RENEW_AFTER_SECONDS:
            self.take()

    def release(self) -> None:
        """Give it back."""
        self._session.rollback()


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
