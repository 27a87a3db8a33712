"""The job classes that may run here now, and those that wait until the pod has had their migration.

Owns: `Runnable`, which the processors and the timekeeper share, and the thread that keeps it. A
class declared with `requires_migration=` is not in it before the migration is applied on this pod: to the
worker it is then a class like one that a newer revision will bring (J7), so that its jobs are parked, cost
nothing while they wait, and are queued again by whoever may run them first. Promises: fails closed: while
nobody can say what is applied, what was not known to be applied waits. Leaves to others: what is applied
(`Connections.applied_migrations`), parking (`detours`), unparking (`timekeeper`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, Final

from podwork.errors import PodworkError
from podwork.worker.life import Life, LifeThread

if TYPE_CHECKING:
    from podwork.app import App
    from podwork.job import JobClass

ASK_SECONDS: Final = 2.0
"""How often it is asked what is applied while something waits for it."""
ASK_AGAIN_SECONDS: Final = 30.0
"""Likewise when nothing waits: a migration may be reverted."""

AppliedMigrations = Callable[[], Collection[str]]
"""Returns the versions that are applied on the pod. Raises PodworkError: nobody can say."""

log = logging.getLogger("podwork.worker")


class Runnable:
    """Which of the application's job classes may run here now; `settle` changes it.

    `get` answers for the processors, and costs them no more than the application's own table.
    """

    def __init__(self, app: App, *, whatever_they_require: bool = False) -> None:
        self._awaiting = {
            name: job_class
            for name, job_class in app.job_classes.items()
            if job_class.policy.requires_migration is not None and not whatever_they_require
        }
        # Where nothing waits it is the application's table itself, to which a test may still add.
        self._classes = app.job_classes
        if self._awaiting:
            waits = self._awaiting
            self._classes = {name: it for name, it in app.job_classes.items() if name not in waits}
        self.get: Callable[[str], JobClass[Any] | None] = self._classes.get

    @property
    def may_change(self) -> bool:
        """Whether any class asks for a migration."""
        return bool(self._awaiting)

    @property
    def waits_for(self) -> dict[str, str]:
        """Job class -> the migration that it waits for."""
        return {
            name: str(job_class.policy.requires_migration)
            for name, job_class in self._awaiting.items()
            if name not in self._classes
        }

    @property
    def versions(self) -> dict[str, int]:
        """Job class -> the latest version that runs here."""
        return {name: job_class.policy.version for name, job_class in list(self._classes.items())}

    def settle(self, applied: Collection[str]) -> None:
        """Take in what is applied."""
        for name, job_class in self._awaiting.items():
            if job_class.policy.requires_migration in applied:
                self._classes[name] = job_class
            else:
                self._classes.pop(name, None)


class MigrationWatch(LifeThread):
    """Keeps a `Runnable` as the pod's migrations are; whatever is applied at the start is known soon."""

    def __init__(self, runnable: Runnable, applied: AppliedMigrations, life: Life) -> None:
        super().__init__("podwork-migration-watch", life)
        self._runnable = runnable
        self._applied = applied
        self._trouble = ""

    def work(self) -> None:
        """Ask again and again."""
        while True:
            self.look()
            time.sleep(ASK_SECONDS if self._runnable.waits_for else ASK_AGAIN_SECONDS)

    def look(self) -> None:
        """Ask once. What is known stays as it is when nobody can say."""
        try:
            self._runnable.settle(self._applied())
        except PodworkError as error:
            if self._trouble != type(error).__name__:  # said once
                self._trouble = type(error).__name__
                log.warning("nobody can say which migrations are applied: %s", error)
        else:
            self._trouble = ""
