"""Data migrations: what their `up` does in one transaction, and the runs that it leaves behind.

Owns: `Backfilling`, the applier of data migrations, and `Recorder`, which their `up` is given. Promises: what
`up` writes, the runs that it asks for and the word of both in the ledger are one transaction, so that each is
there once, whoever dies when; the ids of its runs follow from the entry, so that for every shop one can tell
from ledger, runs and partitions which backfills its rows have had. The migration ends when all of its runs
have succeeded, and fails if one fails or is cancelled. Leaves to others: working on runs
(`podwork_pods.iteration`).

| stage | what comes next |
| --- | --- |
| (empty) | `up` is run |
| backfilling | its runs are waited for |
| resuming | a person said retry: failed runs are resumed, cancelled ones begun anew |
| undoing | `down` was run; its runs are waited for |
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, CursorResult, text

from podwork import identity, keys
from podwork.errors import ConfigurationError, PodworkError
from podwork.iteration.states import RunState
from podwork.points import reach
from podwork_migrations.applying import Progress, Work
from podwork_migrations.errors import MigrationFailed
from podwork_migrations.ledger.entry import Direction, Entry
from podwork_migrations.ledger.ledger import in_transit
from podwork_pods import standstill, unbroken
from podwork_pods.iteration.run import NewRun, Run

if TYPE_CHECKING:
    from podwork.app import App
    from podwork.job import Job, JobClass
    from podwork_pods.iteration.control import RunControl
    from podwork_pods.iteration.status import RunStatus

BACKFILLING: Final = "backfilling"
RESUMING: Final = "resuming"
UNDOING: Final = "undoing"
ROUTE: Final = "data"
LOOK_SECONDS: Final = 2.0


class Recorder:
    """What the `up` of a data migration is given (`declared.Backfills`)."""

    def __init__(self, app: App, connection: Connection) -> None:
        self._app = app
        self._connection = connection
        self.asked: list[tuple[JobClass[Any], dict[str, Any]]] = []

    def backfill(self, job: Any, **params: Any) -> None:
        """Enqueue an iteration job, by its class or its name, when this transaction commits."""
        found = self._app.job_class(job) if isinstance(job, str) else _class_of(job)
        if found.declaration is None or found.parameters.takes_shop_id:
            raise ConfigurationError(
                f"{found.name} cannot be a backfill", "name an iteration job that works without a shop"
            )
        self.asked.append((found, found.parameters.bind((), params)))

    def execute(self, sql: str, **params: Any) -> CursorResult[Any]:
        """Run one small statement with parameters `:name`, and return its result."""
        return self._connection.execute(text(sql), params)


class Backfilling:
    """Goes on with data migrations.

    Args:
        app: knows the iteration jobs. control: resumes and cancels runs, and looks at them.
    """

    def __init__(self, app: App, control: RunControl) -> None:
        self._app = app
        self._control = control

    def advance(self, work: Work) -> Progress:
        """Run `up` or `down`, or look how far its runs are."""
        entry = work.entry
        if entry.stage == RESUMING:
            return self._resume(work)
        if entry.direction is Direction.DOWN and entry.stage != UNDOING:
            return self._turn_back(work)
        if entry.stage == "":
            return self._run(work, BACKFILLING)
        return self._watch(entry)

    def _run(self, work: Work, stage: str) -> Progress:
        """Run what the migration does in its direction, and make the runs that it asks for."""
        step = work.migration.step(work.direction)
        if step is None:
            raise MigrationFailed(work.entry.id, "it has no down()", "write one, or skip the way back")
        with work.step() as connection:
            # What it writes passes no fence: until it is committed no shop is switched.
            if shops := standstill.shops_in_transit(connection):
                return Progress(work.entry.stage, wait_seconds=LOOK_SECONDS, note=in_transit(shops))
            unbroken.enclose(connection, None)
            recorder = Recorder(self._app, connection)
            step(recorder)
            new = [_new_run(work.entry, number, *asked) for number, asked in enumerate(recorder.asked)]
            runs = [work.shard.runs.create(connection, run, ()) for run in new]
            reach("turn.backfilling")
            work.record(connection, route=ROUTE, stage=stage, run_ids=[run.id for run in runs])
        reach("turn.backfilled")
        _push(work, runs)
        return self._watch(work.entry)

    def _watch(self, entry: Entry) -> Progress:
        """Say how far the runs are."""
        found = [self._control.listing.get(run_id) for run_id in entry.run_ids]
        for status in found:
            if status.run.state in (RunState.FAILED, RunState.CANCELLED):
                words = f": {status.words}" if status.words else ""
                raise MigrationFailed(
                    entry.id,
                    f"its run {status.run.id} {_HAS_BEEN[status.run.state]}{words}",
                    "mend the cause; then: podctl migrations retry",
                )
        is_done = all(status.run.state is RunState.SUCCEEDED for status in found)
        totals = [status.run.rows_total for status in found]
        return Progress(
            entry.stage,
            is_done,
            wait_seconds=LOOK_SECONDS,
            note="" if is_done else "; ".join(_notes(found)),
            rows_done=sum(status.rows_done for status in found) if found else None,
            rows_total=sum(total for total in totals if total is not None)
            if totals and None not in totals
            else None,
        )

    def _resume(self, work: Work) -> Progress:
        """Let failed runs go on from where they stand; those that were cancelled are over for good."""
        entry, run_ids, begun = work.entry, [], []
        for number, run_id in enumerate(entry.run_ids):
            run = self._control.listing.get(run_id).run
            if run.state is RunState.FAILED:
                self._control.resume(run_id, f"migration {entry.id} is tried again")
            if run.state is RunState.CANCELLED:
                job_class = self._app.job_class(run.job_class)
                begun.append(_new_run(entry, number, job_class, run.params))
                run_id = begun[-1].id  # noqa: PLW2901 - in its place
            run_ids.append(run_id)
        with work.step() as connection:
            runs = [work.shard.runs.create(connection, run, ()) for run in begun]
            stage = UNDOING if entry.direction is Direction.DOWN else BACKFILLING
            work.record(connection, route=ROUTE, stage=stage, run_ids=run_ids)
        _push(work, runs)
        return Progress(stage, wait_seconds=LOOK_SECONDS)

    def _turn_back(self, work: Work) -> Progress:
        """End the runs of `up`, and run `down` when nobody works on them any more."""
        entry = work.entry
        if entry.stage == "":  # nothing of it was done
            return Progress("", done=True)
        runs = [self._control.listing.get(run_id).run for run_id in entry.run_ids]
        for run in runs:
            if run.state is not RunState.SUCCEEDED:
                self._control.cancel(run.id, f"migration {entry.id} is taken back")
        states = [self._control.listing.get(run_id).run.state for run_id in entry.run_ids]
        if any(state not in (RunState.SUCCEEDED, RunState.CANCELLED) for state in states):
            return Progress(entry.stage, wait_seconds=LOOK_SECONDS, note="its runs are being cancelled")
        if work.migration.down is None and RunState.CANCELLED in states:
            return Progress(entry.stage, done=True)  # given up half-way, where there is no way back
        return self._run(work, UNDOING)


_HAS_BEEN: Final[Mapping[RunState, str]] = {
    RunState.FAILED: "has failed",
    RunState.CANCELLED: "was cancelled",
}


def _class_of(job: type[Job] | JobClass[Any]) -> JobClass[Any]:
    return job._declared() if isinstance(job, type) else job


def _new_run(entry: Entry, number: int, job_class: JobClass[Any], params: Mapping[str, Any]) -> NewRun:
    """Return the run that this entry's request with this number has, in this attempt and direction."""
    assert job_class.declaration is not None
    moment_ms = int(entry.started * 1000)
    origin = f"migration:{entry.version}:{entry.direction}:{number}"
    return NewRun(
        identity.derived_job_id(moment_ms, keys.POD_LANE, f"{origin}:{entry.attempts}:{entry.started!r}"),
        job_class.name,
        dict(params),
        parallel=job_class.declaration.target.parallel,
        # The same on every pod, so that all of them are looked at together.
        group_id=identity.derived_job_id(_moment_ms(entry.version), keys.POD_LANE, origin),
        created_by=f"migration {entry.id}",
    )


def _moment_ms(version: str) -> int:
    return int(datetime.strptime(version, "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp() * 1000)


def _push(work: Work, runs: list[Run]) -> None:
    for run in runs:
        try:
            work.push(run)
        except PodworkError:
            return  # the keeper pushes what is missing


def _notes(found: list[RunStatus]) -> list[str]:
    notes = []
    for status in found:
        state = status.run.state
        if state in (RunState.PAUSED, RunState.PAUSING):
            notes.append(f"run {status.run.id} is {state}")
        notes += status.throttle_reasons
    return notes
