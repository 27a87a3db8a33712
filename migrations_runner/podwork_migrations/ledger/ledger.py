"""The ledger of one pod: what ran there, what runs, and how far it is.

Owns: `Ledger` and its statements. Promises: a change is one of the ways of `states`, is part of the caller's
transaction, and is refused if somebody changed the entry's state since it was read; at most one entry is
open; each change raises the revision in the line's row. Leaves to others: that only who has the line changes
an open entry (`line`: the transaction is one of `Turn.step`, or has locked the line's row), and when a change
is right (`runner`, `control`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Engine, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from podwork.interfaces import Clock, SystemClock
from podwork_migrations.errors import MigrationConflict, UnknownMigration
from podwork_migrations.gate import Go
from podwork_migrations.ledger import states
from podwork_migrations.ledger.entry import Artefact, Direction, Entry, Mark
from podwork_migrations.ledger.reasons import overrides
from podwork_migrations.ledger.schema import LINE, NAME_CHARACTERS, line, migrations
from podwork_migrations.ledger.states import EntryState
from podwork_migrations.migration import Kind, Migration
from podwork_pods import standstill
from podwork_pods.driver_errors import is_missing_table
from podwork_pods.engines import reader
from podwork_pods.errors import ShardUnprepared
from podwork_pods.iteration.statements import shortened

_TABLE = migrations.c
_COLUMNS = tuple(_TABLE[name] for name in Entry._fields)
_REVISION = select(line.c.revision).where(line.c.id == LINE)
_MARKS = select(_REVISION.scalar_subquery(), *(_TABLE[name] for name in Mark._fields))
_CHANGED = update(line).where(line.c.id == LINE).values(revision=line.c.revision + 1)
_JSON: Final = ("run_ids", "artefacts")
_PROSE: Final = ("throttle_reason", "override_reason", "error")
_OWN: Final = frozenset({"version", "state", "open"})
"""Columns that are not simply noted."""

_encode = msgspec.json.encode
_decode_runs = msgspec.json.Decoder(tuple[str, ...]).decode
_decode_artefacts = msgspec.json.Decoder(tuple[Artefact, ...]).decode


class Ledger:
    """What ran in one pod's shard.

    Methods that take a connection are part of the transaction that it is in; the others only read.

    Args:
        pod_id: the pod.
        engine: gives an engine of its shard that commits every statement by itself (`make_engine`).
        clock: dates changes.
    """

    def __init__(self, pod_id: int, engine: Callable[[], Engine], clock: Clock | None = None) -> None:
        self.pod_id = pod_id
        self._engine = engine
        self._clock = clock or SystemClock()

    def revision(self) -> int:
        """Return a number that is another one after every change of the ledger; a query of one row."""
        return int(self._read(_REVISION)[0][0])

    def marks(self) -> dict[str, Mark]:
        """Return what has to be known of every entry, by version."""
        return self.look()[1]

    def look(self) -> tuple[int | None, dict[str, Mark]]:
        """Return revision and marks of one and the same moment, by one query; None: there is no entry."""
        rows = self._read(_MARKS)
        marks = (Mark(*row[1:]) for row in rows)
        found = {mark.version: mark._replace(state=EntryState(mark.state)) for mark in marks}
        return (int(rows[0][0]) if rows else None), found

    def done(self) -> set[str]:
        """Return the versions that count as done."""
        return {version for version, mark in self.marks().items() if mark.state.counts_as_done}

    def entries(self) -> list[Entry]:
        """Return all entries, by version."""
        return [_entry(row) for row in self._read(select(*_COLUMNS).order_by(_TABLE.version))]

    def held(self) -> list[Entry]:
        """Return the entries that keep something for their way back, by version."""
        kept = _TABLE.hold_until.is_not(None)
        return [_entry(row) for row in self._read(select(*_COLUMNS).where(kept).order_by(_TABLE.version))]

    def get(self, version: str) -> Entry | None:
        """Return an entry; None: it is pending."""
        rows = self._read(select(*_COLUMNS).where(_TABLE.version == version))
        return _entry(rows[0]) if rows else None

    def lock(self, connection: Connection, version: str) -> Entry:
        """Return an entry, which nobody else changes before the transaction ends. Raises UnknownMigration."""
        query = select(*_COLUMNS).where(_TABLE.version == version).with_for_update()
        row = connection.execute(query).first()
        if row is None:
            raise UnknownMigration(version, f"in the ledger of pod {self.pod_id}")
        return _entry(row)

    def begin(
        self,
        connection: Connection,
        migration: Migration,
        go: Go,
        *,
        owner: str,
        epoch: int,
        code_revision: str,
        **values: Any,
    ) -> Entry:
        """Write that a pending migration runs, and return its entry; `values` are columns that differ.

        Raises:
            MigrationConflict: it has an entry, or another one is open, or a shop is in its cut-over.
        """
        now = self._clock.now()
        entry = Entry(
            version=migration.version,
            name=migration.name[:NAME_CHARACTERS],
            kind=migration.kind,
            checksum=migration.checksum,
            code_revision=code_revision[:NAME_CHARACTERS],
            plan_id=go.plan_id,
            wave=go.wave,
            state=EntryState.RUNNING,
            direction=Direction.UP,
            stage="",
            route="",
            statement="",
            change="",
            requested=now,
            started=now,
            heartbeat=now,
            ready=None,
            completed=None,
            lease_owner=owner[:NAME_CHARACTERS],
            lease_epoch=epoch,
            attempts=1,
            tries=0,
            not_before=None,
            rows_done=None,
            rows_total=None,
            run_ids=(),
            throttle_reason="",
            cutover_attempts=0,
            artefacts=(),
            hold_until=None,
            fingerprint_before="",
            fingerprint_after="",
            override_reason=overrides(migration),
            error="",
            reported="",
        )
        entry = entry._replace(**values)
        row = {**_row(entry._asdict()), "open": 1 if entry.state.is_open else None}
        self._keep_shops_still(connection, entry, is_open=False, opens=entry.state.is_open)
        try:
            connection.execute(_CHANGED)
            connection.execute(insert(migrations).values(row))
        except IntegrityError:
            raise self._conflict(
                entry.version, "it, or another one, has been begun by somebody else"
            ) from None
        return entry

    def note(self, connection: Connection, entry: Entry, **values: Any) -> Entry:
        """Write columns of an entry, its state excepted, and return it as it is then.

        Raises:
            MigrationConflict: its state is no longer what it was.
        """
        if strangers := _OWN & set(values):
            raise ValueError(f"{', '.join(sorted(strangers))} cannot be noted")
        return self._write(connection, entry, {"heartbeat": self._clock.now(), **values})

    def enter(self, connection: Connection, entry: Entry, to: EntryState, **values: Any) -> Entry:
        """Bring an entry into another state, write columns with it, and return it as it is then.

        Raises:
            MigrationConflict: there is no such way, its state is no longer what it was, another is open, or
                a shop is in its cut-over.
        """
        states.check(self.pod_id, entry.version, entry.state, to)
        self._keep_shops_still(connection, entry, is_open=entry.state.is_open, opens=to.is_open)
        now = self._clock.now()
        changes = {"state": to, "heartbeat": now, "completed": None if to.is_open else now, **values}
        try:
            return self._write(connection, entry, changes, open=1 if to.is_open else None)
        except IntegrityError:
            raise self._conflict(entry.version, "another migration is under way") from None

    def _keep_shops_still(self, connection: Connection, entry: Entry, *, is_open: bool, opens: bool) -> None:
        """Say to shops that would be switched that the schema is being changed, or is not any more.

        A data migration is under way for as long as its backfills are: from these a shop is cut out.
        """
        is_schema = entry.kind is Kind.SCHEMA
        if opens and not is_open:
            shops = standstill.shops_in_transit(connection)
            if shops:
                raise self._conflict(entry.version, in_transit(shops))
            if is_schema:
                standstill.begin_migration(connection, entry.version)
        elif is_schema and is_open and not opens:
            standstill.end_migration(connection)

    def _write(self, connection: Connection, entry: Entry, values: dict[str, Any], **further: Any) -> Entry:
        this = update(migrations).where(_TABLE.version == entry.version, _TABLE.state == entry.state)
        values = {name: _short(name, value) for name, value in values.items()}
        connection.execute(_CHANGED)
        if connection.execute(this.values(**_row(values), **further)).rowcount != 1:
            raise self._conflict(entry.version, f"it is no longer {entry.state}")
        return entry._replace(**values)

    def _conflict(self, version: str, why: str) -> MigrationConflict:
        return MigrationConflict(self.pod_id, version, why, "see: podctl migrations status")

    def _read(self, query: Any) -> list[Any]:
        try:
            with reader(self._engine()).connect() as connection:
                return list(connection.execute(query))
        except DBAPIError as error:
            if is_missing_table(error):
                raise ShardUnprepared(self.pod_id, migrations.name) from None
            raise


def in_transit(shops: Sequence[int]) -> str:
    """Say for people which shops a migration has to wait for."""
    return f"shop {', '.join(map(str, shops))}: in the middle of the cut-over of a move"


def _entry(row: Any) -> Entry:
    entry = Entry(*row)
    return entry._replace(
        kind=Kind(entry.kind),
        state=EntryState(entry.state),
        direction=Direction(entry.direction),
        run_ids=_decode_runs(row.run_ids),
        artefacts=_decode_artefacts(row.artefacts),
    )


def _row(values: dict[str, Any]) -> dict[str, Any]:
    """Return the columns of these fields."""
    return {name: _encode(value).decode() if name in _JSON else value for name, value in values.items()}


def _short(name: str, value: Any) -> Any:
    if name in _PROSE:
        return shortened(value)
    return tuple(value) if name in _JSON else value
