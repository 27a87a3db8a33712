"""Jobs as the application declares them, and the handle through which it pushes them.

Owns `Job` (the class form), `JobClass` (the declared job, through which either form is pushed and run) and
`Call` (a job with its arguments, checked by the type checker). A parameter named `shop_id` is given the
job's shop.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Generic, ParamSpec

from podwork.arguments import Parameters
from podwork.errors import ConfigurationError
from podwork.policy import JobPolicy

if TYPE_CHECKING:
    from podwork.app import App
    from podwork.context import JobContext
    from podwork.iteration.declaration import Declaration
    from podwork.lease import Lease

P = ParamSpec("P")
_LAZY = (inspect.iscoroutinefunction, inspect.isasyncgenfunction, inspect.isgeneratorfunction)
QUEUE_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
JOB_NAME = re.compile(r"[\w.<>-]+")
"""Job classes are named in Redis beside other words: no blanks, commas, quotes, @, : or |."""


class Job:
    """The base of jobs written as a class: define `run`, read `self.context`, decorate with `App.job`."""

    job_class: ClassVar[JobClass[...]]
    """The declared job; the decorator sets it."""
    context: JobContext

    def __init__(self, context: JobContext) -> None:
        self.context = context

    @classmethod
    def enqueue(cls, *args: Any, **kwargs: Any) -> str:
        """Push the job; see `JobClass.enqueue`."""
        return cls._declared().enqueue(*args, **kwargs)

    @classmethod
    def enqueue_on_every_pod(cls, *args: Any, **kwargs: Any) -> list[str]:
        """Push the job to every pod; see `JobClass.enqueue_on_every_pod`."""
        return cls._declared().enqueue_on_every_pod(*args, **kwargs)

    @classmethod
    def enqueue_bulk(cls, rows: Iterable[Mapping[str, Any]], *, transaction: object = None) -> list[str]:
        """Push one job a row; see `JobClass.enqueue_bulk`."""
        return cls._declared().enqueue_bulk(rows, transaction=transaction)

    @classmethod
    def _declaration(cls, name: str) -> Declaration | None:  # noqa: ARG003 - iteration jobs use it
        """Return what an iteration job is made of; None for any other job."""
        return None

    @classmethod
    def _declared(cls) -> JobClass[...]:
        """Return the class's own declaration: with an inherited one the parent's `run` would be pushed."""
        declared: JobClass[...] | None = vars(cls).get("job_class")
        if declared is None:
            raise ConfigurationError(
                f"{cls.__qualname__} is not declared", "decorate it with App.job(), as its parent may be"
            )
        return declared


class JobClass(Generic[P]):
    """A declared job.

    Attributes:
        name: how it is called in the queue; `module.function` unless `name=` was given.
        queue: where it is queued. policy: what else was declared about it.
        declaration: what an iteration job is made of; None for any other job.
    """

    def __init__(
        self, app: App, target: Callable[P, Any] | type[Job], *, name: str, queue: str, policy: JobPolicy
    ) -> None:
        if not QUEUE_NAME.fullmatch(queue):
            raise ConfigurationError(
                f"{name}: {queue!r} is not a queue's name", "use lower-case letters, digits, - _ and ."
            )
        if not JOB_NAME.fullmatch(name) or not name.isprintable():
            raise ConfigurationError(
                f"{name!r} is not a job's name", "use a dotted name of letters, digits, _, -, < and >"
            )
        self.app = app
        self.target = target
        self.name = name
        self.queue = queue
        self.policy = policy
        self.declaration: Declaration | None = None
        if isinstance(target, type) and issubclass(target, Job):
            self.declaration = target._declaration(name)
        self.parameters = self.declaration.parameters if self.declaration else _parameters(name, target)
        policy.check(name, self.parameters.names)
        if self.declaration is not None:
            self.declaration.check_policy(policy)
        self.__doc__ = target.__doc__
        self.__module__ = target.__module__

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Call the function here and now, without the queue (function form only)."""
        if isinstance(self.target, type):
            raise TypeError(f"{self.name} is a class, not a function: push it")
        return self.target(*args, **kwargs)

    def call(self, *args: P.args, **kwargs: P.kwargs) -> Call:
        """Return the job with its arguments, type-checked, for `Client.push`.

        A parameter `shop_id` must be given here too and must equal the one that `push` is given.
        """
        return Call(self, (), {**self.parameters.by_name(args), **kwargs})

    def enqueue(
        self,
        *args: Any,
        shop_id: int | None = None,
        pod: int | None = None,
        in_: float | timedelta | None = None,
        at: float | datetime | None = None,
        expires_in: float | timedelta | None = None,
        idempotency_key: str | None = None,
        transaction: object = None,
        **kwargs: Any,
    ) -> str:
        """Push the job to the pod that owns the shop, or to the given pod; return its id.

        Args:
            *args: the job's own arguments, as its signature declares them; likewise `**kwargs`.
            shop_id: the shop for which it works. pod: the pod, for work without a shop.
            in_: run it so long from now, in seconds or as a timedelta.
            at: run it then, in seconds since 1970 or as a datetime with a zone.
            expires_in: drop it if it has not started so long after it became due.
            idempotency_key: for a day, a push of the same shop with the same key is this one, and
                answers this one's id.
            transaction: a session of the shop's shard: the job exists if and only if that commits.

        Raises:
            InvalidArguments: the arguments do not fit or are not JSON.
            InvalidRoute: neither or both of `shop_id` and `pod`.
            InvalidTime: `in_`, `at` or `expires_in` is no time.
            StoreUnavailable, StoreRefused, ShopOnHold: the pod did not accept it.
        """
        return self.app.client.push(
            Call(self, args, kwargs),
            shop_id=shop_id,
            pod=pod,
            in_=in_,
            at=at,
            expires_in=expires_in,
            idempotency_key=idempotency_key,
            transaction=transaction,
        )

    def enqueue_on_every_pod(self, *args: Any, **kwargs: Any) -> list[str]:
        """Push the job once to every pod that accepts jobs; return the ids in the order of the pods."""
        call = Call(self, args, kwargs)
        if self.declaration is not None:
            from podwork.iteration.pushing import push_to_every_pod  # noqa: PLC0415 - few workers need it

            return list(push_to_every_pod(self.app.client, call).ids.values())
        return [self.app.client.push(call, pod=pod_id) for pod_id in self.app.client.pod_ids()]

    def enqueue_bulk(self, rows: Iterable[Mapping[str, Any]], *, transaction: object = None) -> list[str]:
        """Push one job a row; a row holds what `enqueue` takes by name, `shop_id` or `pod` included.

        Costs about a twentieth of single pushes, for rows with nothing but a shop and arguments. Returns the
        ids in the order of the rows. Jobs are accepted in portions of 1,000 rows: after an error those before
        it stand, and `error.accepted` holds their ids; of the one at which it happened some may stand, none
        if a row was wrong. With `transaction`, all of them exist if and only if that commits.
        """
        return self.app.client.push_bulk(self, rows, transaction=transaction)

    def run(self, lease: Lease, context: JobContext) -> Any:
        """Run the job for a lease, in the calling thread."""
        args = lease.args
        if self.declaration is not None:
            return self.app.iterations.work(self, args, context)
        if self.parameters.takes_shop_id:
            args["shop_id"] = lease.shop_id
        target: Any = self.target  # the arguments were bound by name at push, against this signature
        return target(context).run(**args) if isinstance(target, type) else target(**args)

    def __repr__(self) -> str:
        return f"<JobClass {self.name}>"


class Call:
    """A job with its arguments, bound and checked."""

    __slots__ = ("args", "job_class", "shop_id")

    def __init__(
        self, job_class: JobClass[Any], positional: tuple[Any, ...], named: Mapping[str, Any]
    ) -> None:
        named = dict(named)
        self.job_class = job_class
        self.shop_id: int | None = named.pop("shop_id", None) if job_class.parameters.takes_shop_id else None
        self.args = job_class.parameters.bind(positional, named)


def _parameters(name: str, target: Callable[..., Any] | type[Job]) -> Parameters:
    is_class = isinstance(target, type)
    run = getattr(target, "run", None) if is_class else target
    if not callable(run) or (isinstance(target, type) and not issubclass(target, Job)):
        raise ConfigurationError(
            f"{name} is not a job", "derive it from podwork.Job and define run(), or decorate a function"
        )
    if is_class and isinstance(inspect.getattr_static(target, "run"), staticmethod | classmethod):
        raise ConfigurationError(f"{name}: run() is not a method", "define run(self, ...)")
    if any(is_lazy(run) for is_lazy in _LAZY):
        raise ConfigurationError(
            f"{name}: calling it would not run it (it is async, or a generator)",
            "declare a plain function; asyncio.run() inside it runs a coroutine",
        )
    return Parameters(name, run, skip_self=is_class)
