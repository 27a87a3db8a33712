"""A job may run twice: its process can die between its last effect and its acknowledgement. Does it matter?

Owns: `assert_idempotent`. Promises: both runs are attempts of the same job, as after such a crash: same id,
same arguments out of JSON, and nothing in between was acknowledged; what the first run did must be visible
to `observe` or in its pushes, or else the check would prove nothing and fails. Leaves to others: reading
tables (`podwork.testing.tables`).
"""

from __future__ import annotations

import copy
import difflib
import pprint
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from podwork import context, identity
from podwork.job import Call
from podwork.lease import Lease
from podwork.signals import Cancel, Discard, JobSignal
from podwork.testing.criteria import JobRef, criteria
from podwork.testing.draining import INCARNATION
from podwork.testing.jobs import NO_ARGS
from podwork.testing.modes import ONE_POD, Stand, bound
from podwork.testing.pods import RouterFence
from podwork.worker.middleware import compose

if TYPE_CHECKING:
    from podwork.interfaces import Router
    from podwork.testing.enqueued import EnqueuedJob
    from podwork.worker.middleware import Middleware

Observe = Callable[[], object]


def assert_idempotent(
    job: JobRef,
    *,
    shop_id: int | None = None,
    pod: int | None = None,
    observe: Observe | None = None,
    pushes: bool = True,
    router: Router | None = None,
    middleware: Sequence[Middleware] = (),
    args: Mapping[str, Any] = NO_ARGS,
    **named: Any,
) -> None:
    """Run the job twice, and fail if the second run changes what `observe` returns, or pushes jobs again.

        assert_idempotent(charge, shop_id=7, order_id=3, observe=tables(engine, "charges"))

    Args:
        job: the declared function or class, or a `.call()` of it. shop_id, pod: where it is pushed.
        observe: returns what the job has left behind, as plain values: rows, texts, counts, what a fake mail
            server got. Or `tables(...)`.
        pushes: jobs that the second run pushes count as a difference. Unique ones, ones with an idempotency
            key, and `follow_up` do not come twice.
        router, middleware: as of `draining`. args, named: the job's arguments.

    Raises:
        AssertionError: it is not idempotent, or nothing that the first run did was seen.
        Exception: what the first run raises.
    """
    __tracebackhide__ = True
    observe = observe or _nothing
    wanted = criteria(job, {**args, **named}, shop_id=shop_id, pod=pod)
    assert wanted.job_class is not None
    call = Call(wanted.job_class, (), wanted.args)
    stand = Stand.of(None, (pod,) if pod is not None else ONE_POD, router)
    with bound(call.job_class.app, stand.client):
        job_id = stand.client.push(call, shop_id=wanted.shop_id, pod=pod)
        before = copy.deepcopy(observe())
        _run(stand, call, job_id, middleware, "first")
        once, pushed_once = copy.deepcopy(observe()), stand.pods.jobs()[1:]
        if before == once and not pushed_once:
            raise AssertionError(
                f"{call.job_class.name}: the first run changed nothing that is observed, so the check proves "
                "nothing - let observe= look at what the job does"
            )
        _run(stand, call, job_id, middleware, "second")
        again = stand.pods.jobs()[1 + len(pushed_once) :] if pushes else []
        differences = [*_difference(once, observe()), *_pushed_again(again)]
    if differences:
        raise AssertionError(
            "\n".join([f"{call.job_class.name} is not idempotent: run twice,", *differences])
        )


def _run(stand: Stand, call: Call, job_id: str, middleware: Sequence[Middleware], which: str) -> None:
    """Run the job as a worker does that dies before it acknowledges."""
    __tracebackhide__ = True
    pod_id = stand.pods.jobs()[0].pod_id
    stored = stand.pods.store(pod_id).places.records[job_id]
    lease = Lease(INCARNATION, identity.shop_text(job_id), job_id, stored)
    epoch = lease.epoch
    if lease.shop_id is not None:
        epoch = RouterFence(stand.router, pod_id).admit(lease.shop_id, lease.epoch)
    job = context.JobContext(
        job_id, lease.job_class, lease.queue, lease.shop_id, pod_id, epoch, extras=lease.head.extras
    )
    try:
        with context.running(job):
            compose(middleware)(call.job_class, lease, job)
    except (Discard, Cancel):
        return  # ended: there was nothing (more) to do
    except JobSignal as signal:
        raise AssertionError(f"the {which} run did not end: {signal!r} - make it run through") from signal
    except Exception as error:
        if which == "first":
            raise
        raise AssertionError(
            f"{call.job_class.name} is not idempotent: its second run raised {error!r}"
        ) from error


def _difference(once: object, twice: object) -> list[str]:
    if once == twice:
        return []
    compared = difflib.unified_diff(
        _lines(once), _lines(twice), "after the first run", "after the second", n=1, lineterm=""
    )
    return [f"  {line}" for line in compared if not line.startswith("@@")]


def _lines(observed: object) -> list[str]:
    lines = getattr(observed, "lines", None)
    return list(lines()) if callable(lines) else pprint.pformat(observed, width=100).splitlines()


def _pushed_again(jobs: Sequence[EnqueuedJob]) -> list[str]:
    if not jobs:
        return []
    return [
        "  pushed again (let them follow with follow_up(), or give unique= or idempotency_key=):",
        *(f"    {job}" for job in jobs),
    ]


def _nothing() -> None:
    """Observe nothing but pushes."""
