"""More jobs of the worker shop: those whose class, or whose end, is out of the ordinary.

Loaded by every worker of `tests.support.worker_shop`; they leave marks as its jobs do.
"""

from __future__ import annotations

import json
import time

from podwork import (
    Bury,
    Call,
    Cancel,
    Discard,
    Interrupted,
    Job,
    Retry,
    RetryPolicy,
    Snooze,
    TimeLimitExceeded,
    Unique,
    current_job,
    follow_up,
)
from podwork.context import JobContext
from podwork.signals import JobSignal
from tests.support.worker_shop import app, effect, mark, marks, stand_until


def _job() -> JobContext:
    job = current_job()
    assert job is not None
    return job


def _signal(kind: str) -> JobSignal:
    signals: dict[str, JobSignal] = {
        "interrupted": Interrupted(),
        "snooze": Snooze(0.0, "not yet"),
        "discard": Discard("nothing to do"),
        "cancel": Cancel("not allowed to"),
        "bury": Bury("somebody has to look"),
        "retry": Retry(0.0, "once more"),
    }
    return signals[kind]


def _speak_once(kind: str) -> JobSignal | None:
    """The signal on the first run; on the second, say how it stands, and succeed."""
    mark("runs")
    job = _job()
    if marks().set(f"spoken:{job.job_id}", 1, nx=True):
        return _signal(kind)
    marks().set("second-run", json.dumps([job.attempt, job.interruptions, job.snoozes]))
    return None


@app.job(retry=3)
def returning(kind: str) -> JobSignal | None:
    """Return a signal once."""
    return _speak_once(kind)


@app.job(retry=3)
def raising(kind: str) -> None:
    """Raise a signal once, after collecting a job to follow."""
    follow_up(effect.call())
    if signal := _speak_once(kind):
        raise signal


@app.job(retry=RetryPolicy(schedule=(0.0, 0.0)))
def on_schedule() -> None:
    """Fail, with a schedule of its own."""
    mark("runs")
    raise ValueError(f"order {time.time_ns()} of 'somebody' is broken")


@app.job(retry=RetryPolicy(for_seconds=2.0, schedule=(0.05,)))
def for_a_while() -> None:
    """Fail for two seconds."""
    mark("runs")
    raise ValueError("still broken")


def _advice(error: BaseException, failures: int) -> float | Discard | Bury | None:
    """Do as the error's message says."""
    match str(error):
        case "again":
            return 0.0 if failures < 3 else Discard("three are enough")
        case "bury":
            return Bury("a hook said so")
        case "raise":
            raise RuntimeError("the hook itself is broken")
        case "nonsense":
            return "soon"  # type: ignore[return-value]  # what it is for
    return None


@app.job(retry=RetryPolicy(hook=_advice))
def advised(message: str) -> None:
    """Fail with the message."""
    mark("runs")
    raise ValueError(message)


@app.job(at_most_once=True)
def once(go: str = "") -> None:
    """Run until told to go on, deaf to the worker's wish to stop."""
    mark("started")
    if go:
        stand_until(go)
    mark("finished")


@app.job(at_most_once=True)
def once_speaking(kind: str) -> JobSignal:
    """End with a signal after which others run again."""
    mark("started")
    return _signal(kind)


@app.job(unique=Unique(until="start"))
def lone_until_start(go: str) -> None:
    """Keep others like it out until it starts."""
    mark("started")
    stand_until(go)


@app.job(retry=0, soft_limit_seconds=0.2)
def slow(catches: bool) -> None:
    """Run for too long, in Python."""
    mark("started")
    try:
        while True:
            time.sleep(0.005)
    except TimeLimitExceeded:
        mark("limited")
        if not catches:
            raise


@app.job()
def stoppable(go: str) -> None:
    """Run until told to stop, and say why."""
    mark("started")
    job = _job()
    stand_until(go, job.should_stop)
    marks().set("stopped-because", json.dumps([job.should_stop(), job.cancelled]))
    if job.should_stop():
        raise Interrupted


@app.job()
def leading(calls: int = 1, fails: bool = False) -> None:
    """Have effects follow, then succeed or fail."""
    mark("runs")
    for _ in range(calls):
        follow_up(effect.call())
    if fails:
        raise ValueError("after it had collected")


@app.job()
class Leading(Job):
    """The same as a class."""

    def run(self) -> None:
        """Have one effect follow at once and one later."""
        mark("runs")
        self.context.follow_up(effect.call())
        self.context.follow_up(effect.call(), in_=3600)


@app.job()
def leading_astray(shop_id: int) -> None:
    """Try to have a job of another shop follow."""
    mark("runs")
    follow_up(Call(leading_astray, (), {"shop_id": shop_id + 1}))
