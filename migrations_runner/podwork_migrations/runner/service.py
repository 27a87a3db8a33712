"""The job that takes turns: declared with the application, bound to a pod in its workers.

Owns: `declare`, `bind`, `compose`, and the job class `podwork.migrations`. Promises: there is one such job on
a pod at a time, queued or running, whoever schedules it; while a migration is under way it comes back within
seconds, and asked to stop it stops after a bit. Leaves to others: what a turn does (`runner`), the schedule's
slots (`podwork.schedules`).
"""

from __future__ import annotations

import os
import socket
import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Final

from sqlalchemy import Connection

from podwork.app import App
from podwork.context import current_job
from podwork.errors import ConfigurationError
from podwork.inspection import Inspection
from podwork.iteration.throttle import Throttle
from podwork.settings import MigrationsSettings
from podwork.signals import Discard, JobSignal, Snooze
from podwork.unique import Unique
from podwork_migrations.applying import Routes
from podwork_migrations.control import LineControl
from podwork_migrations.copy import job as copy_jobs
from podwork_migrations.gate import Gate
from podwork_migrations.ledger.ledger import Ledger
from podwork_migrations.library import Library
from podwork_migrations.line import Line
from podwork_migrations.runner.backfilling import Backfilling
from podwork_migrations.runner.outcome import Ending
from podwork_migrations.runner.runner import Parts, Runner
from podwork_pods.iteration.control import RunControl
from podwork_pods.iteration.run_jobs import RunJobs
from podwork_pods.iteration.throttles import ReplicaLag
from podwork_pods.topology import Topology

JOB: Final = "podwork.migrations"
"""The job class's name, and the schedule's."""

QUIET_SECONDS: Final = 1.0
"""Who looks again sooner than that at a migration that is under way has nothing to say."""

_BOUND: weakref.WeakKeyDictionary[App, Callable[[], Runner]] = weakref.WeakKeyDictionary()


def declare(app: App, settings: MigrationsSettings) -> None:
    """Declare the job and its schedule; once for an application, before its worker forks.

    Raises:
        ConfigurationError: the queue's name is none.
    """
    if JOB in app.job_classes:
        return
    application = weakref.ref(app)

    def take_turn() -> JobSignal | None:
        """Take a turn of the pod's migrations."""
        found = application()
        assert found is not None
        return _take_turn(found)

    copy_jobs.declare(app, settings.queue, throttles_of(settings))
    job = app.job(name=JOB, queue=settings.queue, retry=0, unique=Unique())(take_turn)
    app.schedule(
        JOB, job.call(), every=settings.every_seconds, description="Applies migrations that are pending."
    )


def throttles_of(settings: MigrationsSettings) -> tuple[Throttle, ...]:
    """Return what holds back the runs of online copies."""
    lag = settings.replica_lag_seconds
    return (*copy_jobs.THROTTLES, ReplicaLag(lag)) if lag > 0 else copy_jobs.THROTTLES


def bind(app: App, runner: Callable[[], Runner]) -> None:
    """Let the application's job take turns of this runner, made when it is first needed in this process."""
    made: list[Runner] = []

    def get() -> Runner:
        if not made:
            made.append(runner())
        return made[0]

    _BOUND[app] = get


def compose(
    topology: Topology,
    app: App,
    pod_id: int,
    settings: MigrationsSettings,
    revision: str,
    gate: Gate,
    routes: Routes,
    remember: Callable[[Connection, Collection[str]], object],
) -> Runner:
    """Return the runner of a pod, over its shard and its Redis; see `Parts`."""
    engine = partial(topology.connections.engine, pod_id)
    single = partial(topology.connections.engine, pod_id, autocommit=True)
    parts = Parts(
        ledger=Ledger(pod_id, single),
        line=line_of(topology, pod_id, settings),
        shard=topology.iteration_shard(pod_id),
        library=LoadedOnce(settings.folder),
        gate=gate,
        routes=routes,
        data=Backfilling(app, RunControl(pod_id, engine, single)),
        portraits=partial(_portraits, topology, pod_id),
        push=RunJobs(app).of_known,
        settings=settings,
        remember=remember,
        revision=revision,
    )
    return Runner(pod_id, parts)


def control_of(topology: Topology, pod_id: int, settings: MigrationsSettings) -> LineControl:
    """Return what a person does to the migrations of a pod."""
    single = partial(topology.connections.engine, pod_id, autocommit=True)
    ledger = Ledger(pod_id, single)
    return LineControl(ledger, line_of(topology, pod_id, settings), LoadedOnce(settings.folder))


def line_of(topology: Topology, pod_id: int, settings: MigrationsSettings) -> Line:
    """Return the line of a pod."""
    engine = partial(topology.connections.engine, pod_id)
    single = partial(topology.connections.engine, pod_id, autocommit=True)
    own = partial(single, answer_seconds=settings.statement_seconds)
    return Line(pod_id, engine, single, own=own)


class LoadedOnce:
    """The library of this process: its code is what was deployed, whatever happens to the folder since."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._library: Library | None = None

    def __call__(self) -> Library:
        """Return the library. Raises InvalidMigration."""
        if self._library is None:
            self._library = Library.load(self._folder)
        return self._library


def _take_turn(app: App) -> JobSignal | None:
    if app not in _BOUND:
        raise ConfigurationError("migrations are not bound here", "run it in a worker: podctl workers")
    job = current_job()
    owner = f"{socket.gethostname()}:{os.getpid()}"
    if job is None:
        outcome = _BOUND[app]().turn(owner)
    else:
        outcome = _BOUND[app]().turn(f"{owner}:{job.job_id}", job.should_stop)
    if outcome.again_seconds is not None:
        # Looking again at what goes on is nothing new, and would be twenty lines of the log in a second.
        is_look = outcome.ending is Ending.UNDER_WAY and outcome.again_seconds < QUIET_SECONDS
        return Snooze(outcome.again_seconds, outcome.reason or str(outcome.ending), quiet=is_look)
    return Discard(outcome.reason) if outcome.ending is Ending.STOPPED else None


def _portraits(topology: Topology, pod_id: int) -> Sequence[Mapping[str, str]]:
    """Return what the live workers of the pod say of themselves; the dead wait to be reclaimed."""
    processes = Inspection(topology.connections.store(pod_id)).processes()
    return [process.fields for process in processes if process.lease_seconds >= 0]
