"""The job that is running: what job code may ask about itself, wherever it stands, and what is to follow it.

Owns: `JobContext`, and the variable that holds it while the job runs. Promises: `current_job()` answers in
the processor's thread and in every task and context that the job derives from it; outside of a job it is
`None`. It costs two assignments a job: nothing is bound, copied or logged until somebody asks. Follow-ups are
stored if and only if the job succeeds, in one step with its acknowledgement. Leaves to others: when a job has
to stop (the worker), what to do then (the job, or the iteration engine), storing what follows
(`Ended.follow_ups`, `scripts/complete.lua`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from podwork import record
from podwork.errors import InvalidRoute
from podwork.parcel import Parcel, PushOptions

if TYPE_CHECKING:
    from podwork.job import Call

_COLLECTING: Final = threading.Lock()
"""A job may have threads of its own; follow-ups are rare enough for one lock."""


class Overseer(Protocol):
    """Who runs the job: what it answers about a job, by its id."""

    def should_stop(self, job_id: str) -> bool:
        """Return whether the job is asked to end soon."""
        ...

    def is_cancelled(self, job_id: str) -> bool:
        """Return whether a person has cancelled the job."""
        ...

    def runs(self, job_id: str) -> bool:
        """Return whether the job still runs."""
        ...


class Nobody:
    """The overseer outside of a worker: nothing has to stop, and nothing ends."""

    def should_stop(self, _job_id: str) -> bool:
        """Answer no."""
        return False

    def is_cancelled(self, _job_id: str) -> bool:
        """Answer no."""
        return False

    def runs(self, _job_id: str) -> bool:
        """Answer yes."""
        return True


class JobContext(msgspec.Struct, frozen=True):
    """One attempt of one job.

    `attempt` is 1 on the first run and grows with every failure; interruptions and snoozes do not count.
    `epoch` is the one under which the fence admitted this run. `shop_id` is `None` for a job of the pod
    itself. `extras` is what the job's record says beyond that. `follow_ups` is what was collected so far.
    """

    job_id: str
    job_class: str
    queue: str
    shop_id: int | None
    pod_id: int
    epoch: int
    attempt: int = 1
    interruptions: int = 0
    overseer: Overseer = Nobody()
    extras: str = record.NO_EXTRAS
    follow_ups: tuple[Parcel, ...] = ()

    def should_stop(self) -> bool:
        """Return whether the worker wants the job to end soon: save what is done, raise `Interrupted`.

        So it is when the worker drains, when a person has cancelled the job, when its shop is about to move.
        """
        return self.overseer.should_stop(self.job_id)

    @property
    def cancelled(self) -> bool:
        """Whether a person has cancelled the job; however it ends now, it does not run again."""
        return self.overseer.is_cancelled(self.job_id)

    @property
    def snoozes(self) -> int:
        """How often the job was snoozed so far."""
        return int(record.read_extras(self.extras).get("z", 0))

    @property
    def group_id(self) -> str | None:
        """What the jobs have in common that one `enqueue_on_every_pod` of an iteration job has pushed."""
        return record.read_extras(self.extras).get("g")

    def follow_up(
        self,
        call: Call,
        *,
        in_: float | timedelta | None = None,
        at: float | datetime | None = None,
        expires_in: float | timedelta | None = None,
        idempotency_key: str | None = None,
    ) -> str:
        """Have a job stored if and only if this one succeeds, for the same shop; return its id.

        The options are those of `JobClass.enqueue`; `in_` counts from now. With a key, or of a unique class,
        it may turn out that another job stands for it.

        Raises:
            InvalidRoute: the call is for another shop, or the job that is to be followed has ended.
            InvalidArguments, InvalidTime: as `enqueue` does.
        """
        name = call.job_class.name
        if call.shop_id is not None and call.shop_id != self.shop_id:
            raise InvalidRoute(
                f"{name}: it is for shop {call.shop_id}, and to follow a job of "
                f"{'the pod' if self.shop_id is None else f'shop {self.shop_id}'}",
                "let jobs of the same shop follow; enqueue() the others",
            )
        parcel = call.job_class.app.client.parcel(
            call,
            shop_id=self.shop_id,
            pod=self.pod_id if self.shop_id is None else None,
            options=PushOptions(in_, at, expires_in, idempotency_key),
        )
        with _COLLECTING:
            # Frozen for the job; this is the one thing that grows while it runs.
            msgspec.structs.force_setattr(self, "follow_ups", (*self.follow_ups, parcel))
        # Asked last: the processor first says that the job has ended, and then looks what is to follow.
        if not self.overseer.runs(self.job_id):
            raise InvalidRoute(
                f"{name}: the job that it follows has ended", "let the job wait for its threads"
            )
        return parcel.id


CURRENT: ContextVar[JobContext | None] = ContextVar("podwork_current_job", default=None)
"""Set by the processor around a run; read it through `current_job`."""


def current_job() -> JobContext | None:
    """Return the running job's context, or `None` outside of a job."""
    return CURRENT.get()


def follow_up(
    call: Call,
    *,
    in_: float | timedelta | None = None,
    at: float | datetime | None = None,
    expires_in: float | timedelta | None = None,
    idempotency_key: str | None = None,
) -> str:
    """Have a job stored if and only if the current one succeeds; see `JobContext.follow_up`."""
    job = current_job()
    if job is None:
        raise InvalidRoute(f"{call.job_class.name}: there is no job to follow here", "push it with enqueue()")
    return job.follow_up(call, in_=in_, at=at, expires_in=expires_in, idempotency_key=idempotency_key)


@contextmanager
def running(context: JobContext) -> Iterator[JobContext]:
    """Make `context` the current job inside the block; the processor inlines the same."""
    token = CURRENT.set(context)
    try:
        yield context
    finally:
        CURRENT.reset(token)
