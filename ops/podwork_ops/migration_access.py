"""Migrations as people reach them from one process: files, plans, and what each pod says.

Owns: `Migrations`, which `Platform` gives out, and what a shard is asked that a plan goes by. Promises:
nothing is connected before it is used; nothing here applies a migration. Leaves to others: the worker's side
(`podwork_ops.migrations`), printing (`podwork_ops.cli`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from sqlalchemy import Connection

from podwork.errors import ConfigurationError, PodworkError
from podwork.schedules.schedules import Schedules
from podwork_migrations.applying import Routes, Work
from podwork_migrations.control import LineControl
from podwork_migrations.errors import MigrationFailed
from podwork_migrations.fingerprint.expected import Expectations
from podwork_migrations.ledger.entry import Entry
from podwork_migrations.ledger.history import lost_runs
from podwork_migrations.ledger.ledger import Ledger
from podwork_migrations.library import Library
from podwork_migrations.migration import Migration
from podwork_migrations.plan import watching
from podwork_migrations.plan.blocking import Blocking
from podwork_migrations.plan.deeds import Deed
from podwork_migrations.plan.plans import Plans
from podwork_migrations.plan.restoring import Restoring
from podwork_migrations.plan.status import Status
from podwork_migrations.plan.store import PlanStore
from podwork_migrations.runner import service
from podwork_migrations.runner.known import Witnesses
from podwork_pods.pod import Pod

if TYPE_CHECKING:
    from podwork_migrations.change.routes import Limits
    from podwork_ops.composition import Platform


class Migrations:
    """The migrations of a fleet, for those who operate them."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._settings = platform.settings

    @cached_property
    def store(self) -> PlanStore:
        """The plans, in the directory's database."""
        return PlanStore.open(self._settings)

    @cached_property
    def plans(self) -> Plans:
        """What a person does with plans."""
        return Plans(self.store, self._pods)

    def plans_to_change(self, *, dry_run: bool) -> Plans:
        """Return the same; with `dry_run` what is changed is only checked."""
        return Plans(self.store, self._pods, dry_run=True) if dry_run else self.plans

    @cached_property
    def blocking(self) -> Blocking:
        """What a person does with a pod in all plans."""
        return Blocking(self.store, self.plans)

    @cached_property
    def restoring(self) -> Restoring:
        """What a person does with a pod whose shard was restored from a backup."""
        return Restoring(self.store, self.plans)

    @property
    def folder(self) -> Path:
        """The folder of the application's files. Raises ConfigurationError: none is set."""
        return folder_of(self._settings.migrations.folder)

    @cached_property
    def library(self) -> Library:
        """The application's files. Raises ConfigurationError, InvalidMigration."""
        return Library.load(self.folder)

    @cached_property
    def expectations(self) -> Expectations:
        """The schemas that pods should have."""
        return Expectations(lambda: self.store.engine)

    @cached_property
    def routes(self) -> Routes:
        """Which way schema migrations would go; nobody goes it from here."""
        from podwork_migrations.change.ways import SchemaRoutes  # noqa: PLC0415 - Alembic

        budget_seconds = self._settings.migrations.lock_budget_seconds
        return SchemaRoutes(_Elsewhere(), self.limits, lock_budget_seconds=budget_seconds)

    @property
    def limits(self) -> Limits:
        """Up to what a table is small."""
        from podwork_migrations.change.routes import Limits  # noqa: PLC0415 - with Alembic

        return Limits.of(self._settings.migrations)

    def control(self, pod_id: int) -> LineControl:
        """Return what a person does to the migrations of a pod; the files are read when they are needed."""
        line = service.line_of(self._platform.topology, pod_id, self._settings.migrations)
        return LineControl(self.ledger(pod_id), line, lambda: self.library)

    def ledger(self, pod_id: int) -> Ledger:
        """Return what has been done on a pod."""
        engine = self._platform.topology.connections.engine
        return Ledger(pod_id, partial(engine, pod_id, autocommit=True))

    def entries(self, pod_id: int) -> Sequence[Entry]:
        """Return the pod's ledger, by version. Raises ShardUnavailable, ShardUnprepared."""
        return self.ledger(pod_id).entries()

    def lost_runs(self, pod_id: int) -> Sequence[str]:
        """Return the migrations whose runs are no longer in the shard, so that nobody knows what they did."""
        entries = self.entries(pod_id)
        with self.looking(pod_id) as connection:
            return lost_runs(connection, entries)

    def objection(self, pod_id: int, migration: Migration) -> str:
        """Return why the pod's workers keep it from beginning a migration; "": they do not.

        Raises StoreUnavailable: its Redis does not answer.
        """
        processes = self._platform.inspection(pod_id).processes()
        live = [process.fields for process in processes if process.lease_seconds >= 0]
        return Witnesses(live).objection(migration, self.library.digest)

    def names(self, entries: Mapping[int, Iterable[Entry]]) -> dict[str, str]:
        """Return the names of the versions in ledgers and, where there are any, in the files."""
        known = {one.version: one.name for of_pod in entries.values() for one in of_pod}
        files = self.library if self._settings.migrations.folder else ()
        return known | {one.version: one.name for one in files}

    def status(self, number: int | None = None) -> Status:
        """Return how all plans stand, with the pods of one of them; see `watching.read`."""
        return watching.read(self.store, self._pods(), number)

    def deeds(self, number: int) -> Sequence[Deed]:
        """Return what persons did to a plan, in order. Raises UnknownPlan."""
        return self.plans.deeds(self.plans.get(number))

    @contextmanager
    def looking(self, pod_id: int) -> Iterator[Connection]:
        """Open a connection to a pod's shard to look with; each statement is a transaction of its own.

        Raises:
            UnknownPod, ShardUnavailable: there is none, or it does not answer.
        """
        engine = self._platform.topology.connections.engine(pod_id, autocommit=True)
        with engine.connect() as connection:
            yield connection

    def wake(self, pod_id: int) -> None:
        """Let the pod look for a migration now; it would by itself, on its schedule."""
        try:
            Schedules(self._platform.store(pod_id), pod_id).run(service.JOB)
        except PodworkError:
            return  # nobody has declared the schedule yet, or Redis is away: it looks a little later

    def close(self) -> None:
        """Close what was opened for plans."""
        if "store" in vars(self):
            self.store.close()

    def _pods(self) -> list[Pod]:
        return self._platform.pods()


class _Elsewhere:
    """Stands for the online copy, which workers go: here it is only to be told that it would be the way."""

    def advance(self, work: Work) -> NoReturn:
        """Refuse."""
        raise MigrationFailed(work.entry.id, "only workers apply migrations")


def folder_of(setting: str) -> Path:
    """Return the folder of migration files that a setting names. Raises ConfigurationError: it names none."""
    if not setting:
        raise ConfigurationError(
            "no folder of migrations is set",
            "set migrations.folder in podwork.toml, or PODWORK_MIGRATIONS_FOLDER",
        )
    return Path(setting)
