"""The runner: what a pod's migrations need next, and doing it.

Owns: `Runner`, one turn of it, and `reporting` to the plan. Promises (M1, M2): a migration begins only when
what it requires is applied, every live worker of the pod knows its file, and the gate lets the pod go; only
within the line, and only when no other is under way; where one has failed nothing begins. What ran is never
run again because its file was edited. A pod with nothing to do costs one query. Leaves to others: one bit of
a migration (`advancing`), the line (`line`), when turns are taken (`service`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from podwork.errors import PodworkError
from podwork.interfaces import Clock, SystemClock
from podwork.points import reach
from podwork.settings import MigrationsSettings
from podwork_migrations.applying import Applier, Routes, Work
from podwork_migrations.errors import InvalidMigration, LineLost, MigrationConflict
from podwork_migrations.gate import Gate, Go
from podwork_migrations.ledger.entry import Entry, Mark
from podwork_migrations.ledger.ledger import Ledger, in_transit
from podwork_migrations.ledger.states import EntryState
from podwork_migrations.library import Library
from podwork_migrations.line import Line, Turn
from podwork_migrations.migration import Kind, Migration
from podwork_migrations.runner.advancing import Advance
from podwork_migrations.runner.known import Witnesses
from podwork_migrations.runner.outcome import Ending, Outcome
from podwork_migrations.runner.quiet import Quiet
from podwork_migrations.runner.standing import Standing, stand
from podwork_pods import standstill
from podwork_pods.errors import ShardUnprepared
from podwork_pods.iteration.run import Run
from podwork_pods.iteration.shard import IterationShard
from podwork_pods.iteration.trouble import OUTAGES, is_crowded

SLICE_SECONDS: Final = 20.0
AGAIN_SECONDS: Final = 2.0
AWAY_SECONDS: Final = 5.0
ASKED_AT_ONCE: Final = 20
"""For so many later migrations the gate is asked when those before them wait for what others need not."""

log = logging.getLogger("podwork.migrations")


class Parts(NamedTuple):
    """What a runner works with on its pod.

    `library` gives the files as this process has them. `portraits` gives what the live workers of the pod say
    of themselves. `push` pushes the jobs of a run. `remember` is told which schema migrations count as done,
    with a connection to look at the schema. `revision` is that of this process's code.
    """

    ledger: Ledger
    line: Line
    shard: IterationShard
    library: Callable[[], Library]
    gate: Gate
    routes: Routes
    data: Applier
    portraits: Callable[[], Sequence[Mapping[str, str]]]
    push: Callable[[Run], object]
    settings: MigrationsSettings
    remember: Callable[[Connection, Collection[str]], object] = lambda _connection, _done: None
    revision: str = "unknown"


class Runner:
    """Runs the migrations of one pod."""

    def __init__(self, pod_id: int, parts: Parts, clock: Clock | None = None) -> None:
        self.pod_id = pod_id
        self._parts = parts
        self._clock = clock or SystemClock()
        self._advance = Advance(parts.routes, parts.data, self._clock.now)
        self._told: set[str] = set()
        self._quiet: Quiet | None = None

    def turn(
        self, owner: str, should_stop: Callable[[], bool] = bool, slice_seconds: float = SLICE_SECONDS
    ) -> Outcome:
        """Do what can be done now, for `slice_seconds` or a little longer; `owner` says who does it."""
        try:
            outcome = self._turn(owner, should_stop, time.monotonic() + slice_seconds)
            if outcome.ending in (Ending.IDLE, Ending.STOPPED):
                self._tend()
            return outcome
        except InvalidMigration as error:
            log.error("no migration runs on pod %d: %s", self.pod_id, error)
            return Outcome(Ending.STOPPED, str(error))
        except LineLost as error:
            log.warning("%s", error)
            return Outcome(Ending.LOST, error.why, AGAIN_SECONDS)
        except OUTAGES as error:
            log.warning("migrations of pod %d wait: %s", self.pod_id, error)
            return Outcome(Ending.AWAY, str(error), AWAY_SECONDS)
        except DBAPIError as error:
            if not is_crowded(error):
                raise
            return Outcome(Ending.AWAY, "rows of the ledger or the line are locked", AGAIN_SECONDS)

    def _turn(self, owner: str, should_stop: Callable[[], bool], deadline: float) -> Outcome:
        library = self._parts.library()
        quiet = self._quiet
        if quiet is not None and quiet.is_so(library.digest, self._clock.now(), self._parts.ledger.revision):
            return quiet.outcome
        now = self._clock.now()
        revision, marks = self._look()
        standing = stand(library, self.pod_id, marks, now)
        self._tell_edited(standing)
        self._quiet = None
        if standing.is_quiet:
            outcome = _stopped(standing) if standing.failed else Outcome(Ending.IDLE)
            if revision is not None:
                self._quiet = Quiet.since_now(library.digest, revision, marks.values(), now, outcome)
            return outcome
        with self._parts.line.enter(owner) as turn:
            if turn is None:
                return Outcome(Ending.TAKEN, "somebody else is in the line", AGAIN_SECONDS)
            return self._within(turn, library, should_stop, deadline)

    def _look(self) -> tuple[int | None, dict[str, Mark]]:
        try:
            return self._parts.ledger.look()
        except ShardUnprepared:  # by an earlier version, which had no migrations
            self._parts.line.prepare()
            return self._parts.ledger.look()

    def _within(
        self, turn: Turn, library: Library, should_stop: Callable[[], bool], deadline: float
    ) -> Outcome:
        while True:
            outcome = self._next(turn, library)
            if outcome is not None:
                self._say(turn, outcome)
                return outcome
            if should_stop() or time.monotonic() >= deadline:
                return Outcome(Ending.UNDER_WAY, again_seconds=0.0)

    def _next(self, turn: Turn, library: Library) -> Outcome | None:
        """Do the next bit; None: there may be another one."""
        ledger = self._parts.ledger
        standing = stand(library, self.pod_id, ledger.marks(), self._clock.now())
        for version in standing.unreported:
            self._report(turn, ledger.get(version))
        held = self._parts.line.state()
        if held.is_held:
            return Outcome(Ending.HELD, f"held by {held.hold_by}: {held.hold_reason}")
        if standing.open is None and standing.overdue:
            return self._tidy(turn, library, ledger.get(standing.overdue[0]))
        if standing.open is None:
            return _stopped(standing) if standing.failed else self._begin(turn, library, standing)
        entry = ledger.get(standing.open)
        return None if entry is None else self._go_on(turn, library, entry)

    # Beginning

    def _begin(self, turn: Turn, library: Library, standing: Standing) -> Outcome | None:
        """Begin the first migration that may; None: one has begun."""
        if not standing.pending:
            return Outcome(Ending.IDLE)
        done = {version for version, mark in self._parts.ledger.marks().items() if mark.state.counts_as_done}
        witnesses = Witnesses(self._parts.portraits())
        reasons: list[str] = []
        for migration in standing.pending:
            missing = [version for version in migration.requires if version not in done]
            if missing:
                reasons.append(f"{migration.id}: it requires {', '.join(missing)}")
                continue
            objection = witnesses.objection(migration, library.digest)
            if objection:
                reasons.append(f"{migration.id}: {objection}")
                break
            answer = self._parts.gate.may_start(self.pod_id, migration, turn.epoch)
            if isinstance(answer, Go):
                return self._start(turn, migration, answer)
            reasons.append(f"{migration.id}: {answer.reason}")
            if not answer.others_may or len(reasons) > ASKED_AT_ONCE:
                break
        return Outcome(Ending.WAITING, reasons[0])

    def _start(self, turn: Turn, migration: Migration, go: Go) -> Outcome | None:
        reach("turn.beginning")
        with turn.step() as connection:
            if shops := standstill.shops_in_transit(connection):
                return Outcome(Ending.WAITING, f"{migration.id}: {in_transit(shops)}")
            entry = self._parts.ledger.begin(
                connection,
                migration,
                go,
                owner=turn.owner,
                epoch=turn.epoch,
                code_revision=self._parts.revision,
            )
        reach("turn.begun")
        log.info("migration %s begins on pod %d", entry.id, self.pod_id)
        self._report(turn, entry)
        return None

    # Going on

    def _go_on(self, turn: Turn, library: Library, entry: Entry) -> Outcome | None:
        if entry.version not in library:
            why = f"{entry.id} is under way, and the code of this worker does not have it"
            return Outcome(Ending.WAITING, why)
        migration = library[entry.version]
        if migration.checksum != entry.checksum:
            return self._edited_under_way(turn, entry)
        wait_seconds = (entry.not_before or 0.0) - self._clock.now()
        if wait_seconds > 0:
            return Outcome(Ending.UNDER_WAY, entry.throttle_reason, wait_seconds)
        work = self._work(turn, entry, migration)
        if (entry.lease_owner, entry.lease_epoch) != (turn.owner, turn.epoch):
            work.record(lease_owner=turn.owner, lease_epoch=turn.epoch)
        progress = self._advance.advance(work)
        self._report(turn, work.entry)
        if migration.kind is Kind.SCHEMA and not work.entry.state.is_open:
            self._remember(turn)
        if work.entry.state.is_open and progress.wait_seconds > 0:
            return Outcome(Ending.UNDER_WAY, progress.note, progress.wait_seconds)
        return None

    def _tidy(self, turn: Turn, library: Library, entry: Entry | None) -> Outcome | None:
        """Clear away what a migration that has ended kept for its way back."""
        if entry is None:
            return None
        if entry.version not in library:
            why = f"what {entry.id} kept is cleared away by a worker that has its file"
            return Outcome(Ending.WAITING, why)
        progress = self._advance.tidy(self._work(turn, entry, library[entry.version]))
        if progress.done:
            log.info("what migration %s kept for its way back is cleared away", entry.id)
        return None

    def _edited_under_way(self, turn: Turn, entry: Entry) -> Outcome | None:
        """Its file is another one than when it began: older code may run here, or somebody edited it."""
        if Witnesses(self._parts.portraits()).has(f"{entry.version}:{entry.checksum[:8]}"):
            return Outcome(Ending.WAITING, f"{entry.id} is under way as other workers' code has it")
        error = "its file was edited while it was under way: nobody has it as it began"
        with turn.step() as connection:
            entry = self._parts.ledger.enter(connection, entry, EntryState.FAILED, error=error)
        log.error("migration %s: %s", entry.id, error)
        self._report(turn, entry)
        return None

    def _work(self, turn: Turn, entry: Entry, migration: Migration) -> Work:
        parts = self._parts
        return Work(turn, parts.ledger, entry, migration, parts.shard, parts.push, parts.settings)

    # Telling

    def _report(self, turn: Turn, entry: Entry | None) -> None:
        """Tell the plan how an entry stands; a plan that is away hears of it in a later turn."""
        if entry is None:
            return
        try:
            self._parts.gate.report(self.pod_id, entry)
        except OUTAGES as error:
            log.warning("the plan does not hear of migration %s: %s", entry.id, error)
            return
        reach("turn.reported")
        if entry.reported == entry.state:
            return
        try:
            with turn.step() as connection:
                self._parts.ledger.note(connection, entry, reported=entry.state)
        except MigrationConflict:
            pass  # a person has changed it since: that is to be reported too

    def _remember(self, turn: Turn) -> None:
        """Leave word how the schema looks now: what other pods' schemas are compared with."""
        try:
            done = [
                entry.version
                for entry in self._parts.ledger.entries()
                if entry.kind is Kind.SCHEMA and entry.state.counts_as_done
            ]
            with turn.looking() as connection:
                self._parts.remember(connection, done)
        except LineLost:
            raise
        except (PodworkError, DBAPIError) as error:
            log.warning("the schema of pod %d is not remembered: %s", self.pod_id, error)

    def _say(self, turn: Turn, outcome: Outcome) -> None:
        """Leave word in the line's row why it does not get on."""
        waits = outcome.ending in (Ending.WAITING, Ending.HELD, Ending.STOPPED)
        self._parts.line.tell(turn, outcome.reason if waits else "")

    def _tend(self) -> None:
        """Look after plans, which nobody asks when their last pods cannot."""
        try:
            self._parts.gate.tend()
        except OUTAGES as error:
            log.info("plans are not looked after by pod %d: %s", self.pod_id, error)

    def _tell_edited(self, standing: Standing) -> None:
        for version in standing.edited:
            if version not in self._told:
                self._told.add(version)
                log.warning(
                    "migration %s: its file was edited after it ran on pod %d; it does not run again",
                    version,
                    self.pod_id,
                )


def _stopped(standing: Standing) -> Outcome:
    return Outcome(Ending.STOPPED, f"{standing.failed[0]} has failed")
