"""An application: the registry of its job classes and the client through which it pushes them.

Owns the names. The client is bound once, by whoever composes the process (`podwork_ops.connect` in a web
process, the worker's child); nothing here reads settings or opens connections.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from podwork.errors import ConfigurationError, UnknownJob
from podwork.job import DEFAULT_RETRY, Job, JobClass, P

if TYPE_CHECKING:
    from podwork.client import Client


J = TypeVar("J", bound=Job)


class App:
    """The jobs of one application."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.job_classes: dict[str, JobClass[Any]] = {}
        self._client: Client | None = None

    def job(self, *, queue: str = "default", retry: int = DEFAULT_RETRY, name: str | None = None) -> _Declare:
        """Declare a function or a `Job` subclass as a job; used as a decorator.

        Args:
            queue: where its jobs are queued.
            retry: attempts after the first; then the job is buried in the dead set.
            name: its name in the queue. Give one when the function may move to another module.
        """
        return _Declare(self, queue, retry, name)

    def job_class(self, name: str) -> JobClass[Any]:
        """Return the declared job of that name. Raises UnknownJob."""
        try:
            return self.job_classes[name]
        except KeyError:
            raise UnknownJob(name, list(self.job_classes)) from None

    def bind(self, client: Client | None) -> None:
        """Let `enqueue` push through this client from now on."""
        self._client = client

    @property
    def client(self) -> Client:
        """The bound client. Raises ConfigurationError when nothing was bound."""
        if self._client is None:
            raise ConfigurationError(
                f"app {self.name!r} is not connected", "call podwork_ops.connect(app) when the process starts"
            )
        return self._client

    def _declare(self, target: Any, queue: str, retry: int, name: str | None) -> JobClass[Any]:
        if not callable(target) or not hasattr(target, "__qualname__"):
            raise ConfigurationError(f"{target!r} is not a job", "decorate a function or a Job subclass")
        full_name = name or f"{_module_name(target.__module__)}.{target.__qualname__}"
        if full_name in self.job_classes:
            raise ConfigurationError(f"{full_name} is declared twice", "give one of the two another name=")
        job_class: JobClass[Any] = JobClass(self, target, name=full_name, queue=queue, retry=retry)
        self.job_classes[full_name] = job_class
        if isinstance(target, type):
            target.job_class = job_class  # type: ignore[attr-defined]  # a Job, which JobClass has checked
        return job_class


class _Declare:
    """The decorator that `App.job` returns; it keeps the parameters' types for the type checker."""

    def __init__(self, app: App, queue: str, retry: int, name: str | None) -> None:
        self._app = app
        self._queue = queue
        self._retry = retry
        self._name = name

    @overload
    def __call__(self, target: type[J]) -> type[J]: ...
    @overload
    def __call__(self, target: Callable[P, Any]) -> JobClass[P]: ...
    def __call__(self, target: Any) -> Any:
        job_class = self._app._declare(target, self._queue, self._retry, self._name)
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
