"""An application: the registry of its job classes and the client through which it pushes them.

Owns the names. The client is bound once, by whoever composes the process (`podwork_ops.connect` in a web
process, the worker's child), and in a worker what runs iteration jobs; nothing here reads settings or opens
connections.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from podwork.errors import ConfigurationError, InvalidArguments, UnknownJob
from podwork.job import Call, Job, JobClass, P
from podwork.limits import Limit
from podwork.policy import JobPolicy
from podwork.retry import RetryPolicy
from podwork.schedules.catalogue import Catalogue, call_of
from podwork.unique import Unique

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from podwork.client import Client
    from podwork.interfaces import Iterations
    from podwork.schedules.plan import CatchUp
    from podwork.schedules.rhythm import NextRun


J = TypeVar("J", bound=Job)


class App:
    """The jobs of one application."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.job_classes: dict[str, JobClass[Any]] = {}
        self.schedules = Catalogue(name)
        self._client: Client | None = None
        self._iterations: Callable[[], Iterations] | None = None

    def job(
        self,
        *,
        queue: str = "default",
        retry: int | RetryPolicy | None = None,
        name: str | None = None,
        version: int = 1,
        unique: Unique | None = None,
        limits: Sequence[Limit] = (),
        expires_in: float | None = None,
        at_most_once: bool = False,
        soft_limit_seconds: float | None = None,
        hard_limit_seconds: float | None = None,
        requires_migration: str | None = None,
    ) -> _Declare:
        """Declare a function or a `Job` subclass as a job; used as a decorator.

        Args:
            queue: where its jobs are queued.
            retry: attempts after the first, or a `RetryPolicy`; then the job is buried in the dead set.
            name: its name in the queue. Give one when the function may move to another module.
            version: raise it when workers of older code must not run its jobs any more.
            unique: which of its jobs are the same, and what becomes of the second.
            limits: how many may run at once, or start in a while.
            expires_in: seconds within which a job must have started.
            at_most_once: a job that has started never starts again, not even after a crash.
            soft_limit_seconds: then `TimeLimitExceeded` is raised in the job.
            hard_limit_seconds: then the process that runs it is replaced.
            requires_migration: version of a migration; on a pod that has not had it its jobs wait.
        """
        if retry is None:
            retry = 0 if at_most_once else RetryPolicy()
        policy = JobPolicy(
            retry=retry if isinstance(retry, RetryPolicy) else RetryPolicy(retry),
            version=version,
            unique=unique,
            limits=tuple(limits),
            expires_in_seconds=expires_in,
            at_most_once=at_most_once,
            soft_limit_seconds=soft_limit_seconds,
            hard_limit_seconds=hard_limit_seconds,
            requires_migration=requires_migration,
        )
        return _Declare(self, queue, name, policy)

    def schedule(
        self,
        name: str,
        job: Call | JobClass[Any] | type[Job],
        args: Mapping[str, Any] | None = None,
        *,
        cron: str | None = None,
        every: float | timedelta | None = None,
        next_run: NextRun | None = None,
        zone: str = "UTC",
        queue: str | None = None,
        jitter: float | timedelta | None = None,
        catch_up: CatchUp = "one",
        at_least_every: float | timedelta | None = None,
        description: str = "",
    ) -> None:
        """Run a job again and again, once in every pod; give one of `cron`, `every` and `next_run`.

        Args:
            name: the schedule's, unique in the application.
            job, args: `job.call(...)`, which the type checker checks, or a job and its arguments by name.
            cron: `minute hour day month weekday` in `zone`, as Debian's cron reads it.
            every: seconds or a timedelta, one second or more; the slots are its multiples since 1970.
            next_run: a function from the last slot (None: there was none) to the next one.
            queue: instead of the job's own.
            jitter: each run begins up to so much later, by a fixed number for each pod and slot.
            catch_up: of the slots that nobody was there for, run `none`, the last `one`, or `all` (1,000).
            at_least_every: how often it has to succeed; logged and measured when it does not.

        Raises:
            ConfigurationError: it cannot be meant so.
        """
        try:
            call = call_of(job, args)
        except InvalidArguments as error:
            raise ConfigurationError(f"schedule {name}: {error.what}", error.remedy) from None
        self.schedules.declare(
            name,
            call,
            cron=cron,
            every=every,
            next_run=next_run,
            zone=zone,
            queue=queue,
            jitter=jitter,
            catch_up=catch_up,
            at_least_every=at_least_every,
            description=description,
        )

    def job_class(self, name: str) -> JobClass[Any]:
        """Return the declared job of that name. Raises UnknownJob."""
        try:
            return self.job_classes[name]
        except KeyError:
            raise UnknownJob(name, list(self.job_classes)) from None

    def bind(self, client: Client | None, iterations: Callable[[], Iterations] | None = None) -> None:
        """Let `enqueue` push through this client from now on, and iteration jobs run with these.

        `iterations` is called each time such a job runs: what it returns need not be there before.
        """
        self._client = client
        self._iterations = iterations

    @property
    def client(self) -> Client:
        """The bound client. Raises ConfigurationError when nothing was bound."""
        if self._client is None:
            raise ConfigurationError(
                f"app {self.name!r} is not connected", "call podwork_ops.connect(app) when the process starts"
            )
        return self._client

    @property
    def iterations(self) -> Iterations:
        """What runs iteration jobs. Raises ConfigurationError when nothing was bound."""
        if self._iterations is None:
            raise ConfigurationError(
                f"app {self.name!r} cannot run iteration jobs here: there is no shard",
                "a worker (podctl workers) has one; in a test, call podwork.testing.iterate() or give shard=",
            )
        return self._iterations()

    def has_iteration_jobs(self) -> bool:
        """Return whether any of its jobs is one."""
        return any(job_class.declaration is not None for job_class in self.job_classes.values())

    def _declare(self, target: Any, queue: str, name: str | None, policy: JobPolicy) -> JobClass[Any]:
        if not callable(target) or not hasattr(target, "__qualname__"):
            raise ConfigurationError(f"{target!r} is not a job", "decorate a function or a Job subclass")
        full_name = name or f"{_module_name(target.__module__)}.{target.__qualname__}"
        if full_name in self.job_classes:
            raise ConfigurationError(f"{full_name} is declared twice", "give one of the two another name=")
        job_class: JobClass[Any] = JobClass(self, target, name=full_name, queue=queue, policy=policy)
        self.job_classes[full_name] = job_class
        if isinstance(target, type):
            target.job_class = job_class  # type: ignore[attr-defined]  # a Job, which JobClass has checked
        return job_class


class _Declare:
    """The decorator that `App.job` returns; it keeps the parameters' types for the type checker."""

    def __init__(self, app: App, queue: str, name: str | None, policy: JobPolicy) -> None:
        self._app = app
        self._queue = queue
        self._name = name
        self._policy = policy

    @overload
    def __call__(self, target: type[J]) -> type[J]: ...
    @overload
    def __call__(self, target: Callable[P, Any]) -> JobClass[P]: ...
    def __call__(self, target: Any) -> Any:
        job_class = self._app._declare(target, self._queue, self._name, self._policy)
        return target if isinstance(target, type) else job_class


def _module_name(module: str) -> str:
    """Return the name by which workers import the module, also when it is the program that was started."""
    if module != "__main__":
        return module
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None:  # python -m shop
        return str(spec.name)
    file = getattr(main, "__file__", None)
    return Path(file).stem if file else module  # python shop.py
