"""What pods said last about each of their migrations.

Owns: the table of reports: which of them counts, and who has applied what. Promises: a report that is told
again changes nothing, and one that comes too late is dropped: a later turn of the pod's line (its epoch), a
later attempt, or a later state of it counts, whatever clocks say. Progress (rows, stage, heartbeat) is
written without the lock of all plans, because nothing is decided on it. Leaves to others: what follows
(`hearing`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, and_, bindparam, delete, insert, select, update

from podwork.points import reach
from podwork_migrations.ledger.entry import Direction, Entry
from podwork_migrations.ledger.states import EntryState
from podwork_migrations.plan import schema
from podwork_migrations.plan.rows import clipped

_REPORTS = schema.reports

_LAST: Final[Select[Any]] = select(_REPORTS).where(
    _REPORTS.c.pod_id == bindparam("of_pod"), _REPORTS.c.version == bindparam("of_version")
)

_NEWER: Final = 0.4
"""Weight of the latest rate against those before it."""

# In which order an attempt gets from state to state; what a person says ends it.
_RANKS: Final = {
    (Direction.UP, EntryState.RUNNING): 0,
    (Direction.UP, EntryState.FAILED): 1,
    (Direction.UP, EntryState.APPLIED): 2,
    (Direction.DOWN, EntryState.REVERTING): 3,
    (Direction.DOWN, EntryState.FAILED): 4,
}
_SAID_BY_A_PERSON: Final = 5


def renew(connection: Connection, pod_id: int, entry: Entry, now: float) -> bool:
    """Write the progress of an entry whose state was told before; return False if it is news instead."""
    last = _last(connection, pod_id, entry.version)
    if last is None or _is_news(last, entry):
        return False
    if not _is_late(last, entry):
        # The row may have changed since it was read: then this is late, and changes nothing.
        same = and_(
            _REPORTS.c.lease_epoch <= entry.lease_epoch,
            _REPORTS.c.attempts == entry.attempts,
            _REPORTS.c.state == entry.state,
            _REPORTS.c.direction == entry.direction,
        )
        reach("reports.renewing")
        this = update(_REPORTS).where(*_this(pod_id, entry.version), same)
        connection.execute(this.values(_row(last, entry, now)))
    return True


def take(connection: Connection, pod_id: int, entry: Entry, now: float) -> bool:
    """Write a report, under the lock; return whether it is news, and not one told before or too late."""
    last = _last(connection, pod_id, entry.version)
    if last is None:
        connection.execute(
            insert(_REPORTS).values(pod_id=pod_id, version=entry.version, **_row(None, entry, now))
        )
        return True
    if _is_late(last, entry):
        return False
    connection.execute(update(_REPORTS).where(*_this(pod_id, entry.version)).values(_row(last, entry, now)))
    return _is_news(last, entry)


def told(connection: Connection, versions: Collection[str]) -> dict[str, dict[int, EntryState]]:
    """Return, for each version, the pods that reported it, with the state."""
    found: dict[str, dict[int, EntryState]] = {version: {} for version in versions}
    query = select(_REPORTS.c.version, _REPORTS.c.pod_id, _REPORTS.c.state)
    for version, pod_id, state in connection.execute(query.where(_REPORTS.c.version.in_(list(found)))):
        found[version][pod_id] = EntryState(state)
    return found


def between(
    connection: Connection, first: str, last: str, pod_ids: Iterable[int]
) -> dict[int, dict[str, tuple[EntryState, str]]]:
    """Return (state, checksum) of each version from `first` to `last` that these pods reported."""
    found: dict[int, dict[str, tuple[EntryState, str]]] = {pod_id: {} for pod_id in pod_ids}
    query = select(_REPORTS.c.pod_id, _REPORTS.c.version, _REPORTS.c.state, _REPORTS.c.checksum)
    query = query.where(_REPORTS.c.version.between(first, last), _REPORTS.c.pod_id.in_(list(found)))
    for pod_id, version, state, checksum in connection.execute(query):
        found[pod_id][version] = (EntryState(state), checksum)
    return found


def unsettled(connection: Connection) -> list[Row[Any]]:
    """Return the reports of migrations that are open, or have failed."""
    states = [EntryState.RUNNING, EntryState.REVERTING, EntryState.FAILED]
    query = select(_REPORTS).where(_REPORTS.c.state.in_(states))
    return list(connection.execute(query.order_by(_REPORTS.c.pod_id, _REPORTS.c.version)))


def is_open(connection: Connection, pod_id: int) -> bool:
    """Whether the pod said last that it is in the middle of a migration."""
    query = select(_REPORTS.c.version).where(
        _REPORTS.c.pod_id == pod_id, _REPORTS.c.state.in_([EntryState.RUNNING, EntryState.REVERTING])
    )
    return connection.execute(query).first() is not None


def of_pod(connection: Connection, pod_id: int) -> dict[str, Row[Any]]:
    """Return what a pod said last of each of its migrations."""
    found = connection.execute(select(_REPORTS).where(_REPORTS.c.pod_id == pod_id))
    return {row.version: row for row in found}


def forget(connection: Connection, pod_id: int) -> None:
    """Drop what the pod said."""
    connection.execute(delete(_REPORTS).where(_REPORTS.c.pod_id == pod_id))


def _last(connection: Connection, pod_id: int, version: str) -> Row[Any] | None:
    return connection.execute(_LAST, {"of_pod": pod_id, "of_version": version}).first()


def _this(pod_id: int, version: str) -> tuple[Any, Any]:
    return _REPORTS.c.pod_id == pod_id, _REPORTS.c.version == version


def _is_late(last: Row[Any], entry: Entry) -> bool:
    told = (last.lease_epoch, last.attempts, _rank(last.direction, last.state))
    return (entry.lease_epoch, entry.attempts, _rank(entry.direction, entry.state)) < told


def _is_news(last: Row[Any], entry: Entry) -> bool:
    told = (last.state, last.direction, last.attempts, last.checksum)
    return (entry.state, entry.direction, entry.attempts, entry.checksum) != told


def _rank(direction: str, state: str) -> int:
    return _RANKS.get((Direction(direction), EntryState(state)), _SAID_BY_A_PERSON)


def _row(last: Row[Any] | None, entry: Entry, now: float) -> dict[str, Any]:
    return {
        "plan_id": entry.plan_id,
        "state": entry.state,
        "direction": entry.direction,
        "checksum": entry.checksum,
        "stage": entry.stage,
        "route": entry.route,
        "rows_done": entry.rows_done,
        "rows_total": entry.rows_total,
        "rate": _rate(last, entry, now),
        "throttle_reason": clipped(entry.throttle_reason),
        "started": entry.started,
        "heartbeat": entry.heartbeat,
        "error": clipped(entry.error),
        "lease_epoch": entry.lease_epoch,
        "attempts": entry.attempts,
        "at": now,
    }


def _rate(last: Row[Any] | None, entry: Entry, now: float) -> float | None:
    """Return the rows a second of late: what was done since the last report, smoothed."""
    if last is None or last.state != entry.state or last.rows_done is None or entry.rows_done is None:
        return None
    seconds, rows = now - last.at, entry.rows_done - last.rows_done
    if rows < 0:  # begun anew
        return None
    if seconds <= 0:
        return None if last.rate is None else float(last.rate)
    rate: float = rows / seconds
    return rate if last.rate is None else _NEWER * rate + (1 - _NEWER) * float(last.rate)
