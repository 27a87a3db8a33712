"""What a person does to a pod's migrations: retry, skip, revert, cut over, hold and release.

Owns: `LineControl`, and `Changed`. Promises: each is decided and written under the lock of the line's row, so
that no step of a migration is taken meanwhile, with when, who and why, beside what was said before; asked for
again it changes nothing, or says what is in the way. What is to be done then, the pod's next turn does.
Leaves to others: doing it (`runner`), and the plan, which hears of it from the runner.

| the migration is | retry | skip | revert |
| --- | --- | --- | --- |
| pending | - | skipped | refused |
| running | - | refused | reverting |
| failed, on its way up | running | skipped | reverting |
| failed, on its way back | reverting | reverted | reverting |
| applied | refused | refused | reverting |
| skipped | running | - | refused |
| reverting | - | refused | - |
| reverted | running | - | - |

`-`: nothing is to be changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy import Connection, update
from sqlalchemy.exc import DBAPIError

from podwork_migrations.errors import MigrationConflict, UnknownMigration
from podwork_migrations.gate import Go
from podwork_migrations.ledger.entry import Direction, Entry
from podwork_migrations.ledger.ledger import Ledger
from podwork_migrations.ledger.reasons import added, with_overrides
from podwork_migrations.ledger.schema import NAME_CHARACTERS, line, migrations
from podwork_migrations.ledger.states import EntryState
from podwork_migrations.library import Library
from podwork_migrations.line import Line, LineState
from podwork_migrations.migration import Kind
from podwork_pods.errors import ShardUnavailable
from podwork_pods.iteration.statements import shortened
from podwork_pods.iteration.trouble import is_crowded

T = TypeVar("T")
_AFRESH: Final[Mapping[str, Any]] = {
    "stage": "",
    "route": "",
    "statement": "",
    "change": "",
    "fingerprint_before": "",
    "fingerprint_after": "",
}
_AGAIN: Final[Mapping[str, Any]] = {
    "error": "",
    "throttle_reason": "",
    "tries": 0,
    "not_before": None,
    "reported": "",
}
_SEE: Final = "see: podctl migrations status"
COPY: Final = "copy"
POSTPONED: Final = "postponed"
READY: Final = "ready"
"""The route, and the stages before and after a person's word; as `podwork_migrations.copy` calls them."""


class Changed(NamedTuple):
    """A migration's entry before and after something was done to it (or would be). None: it is pending."""

    before: Entry | None
    entry: Entry | None

    @property
    def did_change(self) -> bool:
        """Whether anything was changed, or would be."""
        return self.before != self.entry


class _Undo(Exception):
    """Ends a transaction that was only to say what it would do."""


class LineControl:
    """The migrations of one pod, for those who operate them.

    Args:
        ledger, line: of the pod. library: gives the application's files.
    """

    def __init__(self, ledger: Ledger, line: Line, library: Callable[[], Library]) -> None:
        self.pod_id = line.pod_id
        self._ledger = ledger
        self._line = line
        self._library = library

    def state(self) -> LineState:
        """Return how the line stands."""
        return self._line.state()

    def retry(
        self, version: str, *, reason: str = "", by: str = "", afresh: bool = False, dry_run: bool = False
    ) -> Changed:
        """Let a failed migration go on, or a skipped or reverted one begin after all.

        It goes on from the stage that the ledger has; `afresh`, or if its file was edited since, from the
        beginning: then nothing may be left of what it has made.

        Raises:
            UnknownMigration: the ledger, or the files, do not have it.
            MigrationConflict: it is applied, something is left of it, or another one is under way.
        """

        def retry(connection: Connection) -> Changed:
            before = self._ledger.lock(connection, version)
            if before.state.is_open:
                return Changed(before, before)
            is_back = before.state is EntryState.FAILED and before.direction is Direction.DOWN
            to = EntryState.REVERTING if is_back else EntryState.RUNNING
            values = self._going_on(before, afresh=afresh or before.state is not EntryState.FAILED)
            if reason or by:
                known = str(values.get("override_reason", before.override_reason))
                values["override_reason"] = added(known, self._line.now(), "tried again", by, reason)
            entry = self._ledger.enter(connection, before, to, **values, attempts=before.attempts + 1)
            return Changed(before, entry)

        return self._change(retry, dry_run)

    def skip(self, version: str, reason: str, by: str = "", *, dry_run: bool = False) -> Changed:
        """Let a migration count as done, or its way back as gone; `reason` is recorded.

        Raises:
            UnknownMigration: no file, and no entry, is of this version.
            MigrationConflict: it is applied, or under way.
        """
        if not reason.strip():
            raise MigrationConflict(self.pod_id, version, "skipped without a reason", "say why")

        def skip(connection: Connection) -> Changed:
            before = self._find(connection, version)
            if before is None:
                return Changed(None, self._skip_pending(connection, version, reason, by))
            if before.state in (EntryState.SKIPPED, EntryState.REVERTED):
                return Changed(before, before)
            is_back = before.state is EntryState.FAILED and before.direction is Direction.DOWN
            to = EntryState.REVERTED if is_back else EntryState.SKIPPED
            said = added(before.override_reason, self._line.now(), "skipped", by, reason)
            # Its error stays: that is why it was skipped.
            return Changed(
                before, self._ledger.enter(connection, before, to, override_reason=said, reported="")
            )

        return self._change(skip, dry_run)

    def revert(self, version: str, reason: str = "", by: str = "", *, dry_run: bool = False) -> Changed:
        """Let a migration go its way back; one that is under way is given up, and cleared away.

        Raises:
            UnknownMigration: the ledger, or the files, do not have it.
            MigrationConflict: it has no way back, one that is applied requires it, or another is under way.
        """

        def revert(connection: Connection) -> Changed:
            before = self._ledger.lock(connection, version)
            if before.state in (EntryState.REVERTING, EntryState.REVERTED):
                return Changed(before, before)
            self._check_way_back(before)
            values: dict[str, Any] = {**_AGAIN, "direction": Direction.DOWN, "attempts": before.attempts + 1}
            if reason or by:
                said = added(before.override_reason, self._line.now(), "taken back", by, reason)
                values["override_reason"] = said
            if _begins_anew(before):
                values |= _AFRESH
            return Changed(before, self._ledger.enter(connection, before, EntryState.REVERTING, **values))

        return self._change(revert, dry_run)

    def cut_over(self, version: str, by: str = "", *, dry_run: bool = False) -> Changed:
        """Let an online copy whose cut-over was postponed take the table's place.

        Raises:
            UnknownMigration: the ledger does not have it.
            MigrationConflict: it is no copy that is under way.
        """

        def cut_over(connection: Connection) -> Changed:
            before = self._ledger.lock(connection, version)
            if not before.state.is_open or before.route != COPY:
                why = f"it is {before.state}, and no online copy that waits for its cut-over"
                raise MigrationConflict(self.pod_id, version, why, _SEE)
            if before.stage != POSTPONED:
                return Changed(before, before)
            values: dict[str, Any] = {"stage": READY, "not_before": None, "throttle_reason": ""}
            if by:
                said = added(before.override_reason, self._line.now(), "cut over", by, "")
                values["override_reason"] = said
            return Changed(before, self._ledger.note(connection, before, **values))

        return self._change(cut_over, dry_run)

    def hold(self, reason: str, by: str = "") -> LineState:
        """Let no further step be taken on this pod until `release`; the first one's reason stays.

        Runs of backfills and of online copies go on; `podctl runs pause` pauses them.
        """
        with self._line.locked() as (connection, found):
            if not found.is_held:
                now = self._line.now()
                values = {"hold_reason": shortened(reason), "hold_by": by[:NAME_CHARACTERS], "held_at": now}
                connection.execute(update(line).values(**values))
        return self.state()

    def release(self) -> LineState:
        """Let the line go on."""
        with self._line.locked() as (connection, _):
            connection.execute(update(line).values(hold_reason=None, hold_by="", held_at=None, trouble=""))
        return self.state()

    def restored(self, epoch: int) -> LineState:
        """Bring the line of a restored shard past `epoch`, which others know of, and let all be told again.

        Whoever is in the line loses it; whoever was, before the shard was restored, cannot come back.
        """
        with self._line.locked() as (connection, found):
            reached = max(found.epoch, epoch) + 1
            connection.execute(update(line).values(epoch=reached, revision=line.c.revision + 1, owner=""))
            connection.execute(update(migrations).values(reported=""))
        return self.state()

    def _find(self, connection: Connection, version: str) -> Entry | None:
        try:
            return self._ledger.lock(connection, version)
        except UnknownMigration:
            return None

    def _skip_pending(self, connection: Connection, version: str, reason: str, by: str) -> Entry:
        """Write an entry for a migration that has none, which then never begins by itself."""
        now = self._line.now()
        return self._ledger.begin(
            connection,
            self._library()[version],
            Go(),
            owner="",
            epoch=0,
            code_revision="",
            state=EntryState.SKIPPED,
            attempts=0,
            completed=now,
            override_reason=shortened(added("", now, "skipped", by, reason)),
        )

    def _going_on(self, before: Entry, *, afresh: bool) -> dict[str, Any]:
        """Return what is written with a retry. Raises MigrationConflict: the text of its file is another."""
        migration = self._library()[before.version]
        is_edited = migration.checksum != before.checksum
        values = {**_AGAIN, "checksum": migration.checksum, "name": migration.name, "completed": None}
        if is_edited:
            values["override_reason"] = with_overrides(before.override_reason, migration)
        if not (afresh or is_edited):
            is_to_resume = before.kind is Kind.DATA and before.run_ids
            return {**values, **({"stage": "resuming"} if is_to_resume else {})}
        if before.artefacts or (is_edited and before.run_ids and before.state is EntryState.FAILED):
            why = "something is left of what it made" + (", and its file was edited" if is_edited else "")
            raise MigrationConflict(self.pod_id, before.version, why, "revert it first, then retry")
        if before.state is not EntryState.FAILED:
            values["direction"] = Direction.UP
        return {**values, **_AFRESH, "run_ids": (), "rows_done": None, "rows_total": None}

    def _check_way_back(self, before: Entry) -> None:
        if before.state is EntryState.APPLIED:
            library = self._library()
            migration = library[before.version]
            if migration.down is None and not before.artefacts:
                raise MigrationConflict(
                    self.pod_id, before.version, "it has no down()", "write a migration that undoes it"
                )
            marks = self._ledger.marks()
            for later in library:
                mark = marks.get(later.version)
                if before.version in later.requires and mark and mark.state.counts_as_done:
                    remedy = "take that one back first"
                    raise MigrationConflict(self.pod_id, before.version, f"{later.id} requires it", remedy)

    def _change(self, work: Callable[[Connection], T], dry_run: bool) -> T:
        changed: list[T] = []
        try:
            with self._line.locked() as (connection, _):
                changed.append(work(connection))
                if dry_run:
                    raise _Undo
        except _Undo:
            pass
        except DBAPIError as error:
            if not is_crowded(error):
                raise
            raise ShardUnavailable(self.pod_id, "the shard", "rows of the ledger were locked") from None
        return changed[0]


def _begins_anew(before: Entry) -> bool:
    """Whether its way back is a change of its own; else its route knows what it did, and undoes that."""
    return before.state is EntryState.APPLIED and before.kind is Kind.SCHEMA and not before.artefacts
