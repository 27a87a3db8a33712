"""Everything that a job can wait for, brought about on a real pod."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from podwork import App, keys
from podwork.holds import Holds
from podwork.identity import new_job_id
from podwork.interventions import Interventions
from podwork.job import JobClass
from podwork.limits import Bucket, Concurrency, Limits, Window
from podwork.queues import Queues
from podwork.store import Store
from podwork.unique import Unique
from podwork.why import Code, Why, explain
from tests.support.engine import A, B, claim, push, push_call

LATER_MS = 4_000_000_000_000
HELD: dict[str, Any] = {"reason": "incident 12", "owner": "ada"}
LEASE_MS = 30_000


class Pod(NamedTuple):
    """A pod with all that may stand in a job's way."""

    queues: Queues
    holds: Holds
    limits: Limits
    hand: Interventions
    outbox: dict[str, float]
    """What the shard's outbox has: job id -> when it was written."""

    def why(self, job_id: str) -> Why:
        return explain(self.queues.store, job_id, pod_id=1, outbox=self.outbox.get)

    def one(self, **options: Any) -> str:
        [job_id] = push(self.queues, ("7", 1), **options)
        return job_id


def fields(
    queues: str = "default",
    classes: dict[str, int] | None = None,
    awaits: dict[str, str] | None = None,
    **more: int,
) -> dict[str, str | int]:
    """Return what a process says of itself."""
    known = {"shop.collect": 1} if classes is None else classes
    said: dict[str, str | int] = {
        "host": "web-3",
        "pid": 4711,
        "queues": queues,
        "slots": 5,
        "revision": "abc",
    }
    return {
        **said,
        "lease_ms": LEASE_MS,
        "classes": json.dumps(known),
        "awaits": json.dumps(awaits or {}),
        "quiet": 0,
        "stopping": 0,
        **more,
    }


def pod_at(url: str) -> Pod:
    store = Store(url)
    queues = Queues(store, lease_seconds=LEASE_MS / 1000)
    return Pod(queues, Holds(store), Limits(store), Interventions(store), {})


def hush(pod: Pod, who: str, left_ms: int) -> None:
    """Let a process be silent for so long that this is left of its lease."""
    [seconds, microseconds] = pod.queues.store.command("TIME")
    now_ms = int(seconds) * 1000 + int(microseconds) // 1000
    pod.queues.store.command("ZADD", keys.PROCESSES, now_ms + left_ms, who)


def ended(pod: Pod) -> str:
    pod.one()
    [held] = claim(pod.queues)
    pod.queues.acknowledge(A, [held])
    return held.id


def held(pod: Pod) -> str:
    job_id = pod.one()
    claim(pod.queues)
    return job_id


def dead(pod: Pod) -> str:
    pod.one()
    [lease] = claim(pod.queues)
    pod.queues.bury(A, lease, "ValueError: boom", {"e": "0123abcd"})
    return lease.id


def cancelled(pod: Pod) -> str:
    job_id = held(pod)
    pod.hand.cancel([job_id])
    return job_id


def silent(pod: Pod) -> str:
    job_id = held(pod)
    pod.queues.register(B, fields())
    hush(pod, A, 5000)
    return job_id


def on_hold(**scope: str) -> Callable[[Pod], str]:
    def place(pod: Pod) -> str:
        job_id = pod.one()
        pod.holds.place(**scope, seconds=3600, **HELD)
        return job_id

    return place


def gate(state: str) -> Callable[[Pod], str]:
    def close(pod: Pod) -> str:
        job_id = pod.one()
        pod.queues.set_gate(7, state, 5, 3)
        return job_id

    return close


def limited(limit: Concurrency | Bucket | Window) -> Callable[[Pod], str]:
    def fill(pod: Pod) -> str:
        pod.limits.set(limit, job_class="shop.collect")
        pod.one()
        claim(pod.queues)
        return pod.one()

    return fill


def after(pod: Pod) -> str:
    app = App("why")

    @app.job(name="shop.collect", unique=Unique(conflict="reschedule"))
    def collect() -> None:
        """Do nothing."""

    again: JobClass[...] = collect
    push_call(pod.queues, again)
    claim(pod.queues)
    return push_call(pod.queues, again).id


def of_unknown_class(pod: Pod) -> str:
    return pod.one(job_class="shop.newer")


def of_class_that_waits(pod: Pod) -> str:
    waits = fields(classes={"shop.collect": 1}, awaits={"shop.newer": "20261201000000"})
    pod.queues.register(A, waits)
    return of_unknown_class(pod)


def without_worker(pod: Pod) -> str:
    return pod.one(queue="low")


def quiet(pod: Pod) -> str:
    pod.queues.register(A, fields(quiet=1))
    return pod.one()


def being_let_in(pod: Pod) -> str:
    job_id = on_hold(job_class="shop.collect")(pod)
    claim(pod.queues)
    pod.queues.store.call("lift", "class=shop.collect")
    return job_id


def in_outbox(pod: Pod) -> str:
    """Return a job that the shard's outbox says it has; the shard itself is not needed for it."""
    job_id = new_job_id(1000, "7")
    pod.outbox[job_id] = 1.0
    return job_id


PROVOKED: dict[Code, Callable[[Pod], str]] = {
    Code.NOT_HERE: ended,
    Code.IN_OUTBOX: in_outbox,
    Code.DEAD: dead,
    Code.CANCELLED: cancelled,
    Code.LEASE_EXPIRED: silent,
    Code.RUNNING: held,
    Code.SCHEDULED: lambda pod: pod.one(due_ms=LATER_MS),
    Code.AFTER_JOB: after,
    Code.HELD_POD: on_hold(),
    Code.HELD_QUEUE: on_hold(queue="default"),
    Code.GATE_HOLD: gate("hold"),
    Code.GATE_MOVED: gate("moved"),
    Code.HELD_SHOP: on_hold(shop="7"),
    Code.HELD_CLASS: on_hold(job_class="shop.collect"),
    Code.LIMIT_CONCURRENCY: limited(Concurrency(1)),
    Code.LIMIT_RATE: limited(Window(1, per_seconds=3600)),
    Code.NO_WORKER: without_worker,
    Code.LETTING_IN: being_let_in,
    Code.UNKNOWN_CLASS: of_unknown_class,
    Code.AWAITS_MIGRATION: of_class_that_waits,
    Code.ALL_QUIET: quiet,
    Code.WORKERS_BUSY: lambda pod: pod.one(),
}
