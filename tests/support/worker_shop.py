"""An application and its worker, for tests: `python -m tests.support.worker_shop URL JSON`.

Its jobs leave marks in the pod's own Redis (`mark:*`), where a test can see and steer them from outside.
"""

from __future__ import annotations

import functools
import importlib
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import redis

from podwork import App, Discard, Interrupted, Retry, Snooze, current_job
from podwork.client import Client
from podwork.errors import ShopOnHold, StaleEpoch
from podwork.interfaces import Route
from podwork.queues import Queues
from podwork.single import SingleFence, SingleRouter
from podwork.store import Store
from podwork.worker import Connections, Supervisor, WorkerSpec, timekeeper
from tests.support.wait import until

app = App("worker-shop")
POD = 1


@functools.cache
def _marks_of(pid: int) -> redis.Redis:
    return redis.Redis.from_url(os.environ["WORKER_SHOP_REDIS"], decode_responses=True)


def marks() -> redis.Redis:
    """The jobs' own connection, one for each process."""
    return _marks_of(os.getpid())


def mark(kind: str) -> None:
    """Count one event of the running job: `mark:{kind}` is a hash job id -> count."""
    job = current_job()
    assert job is not None
    marks().hincrby(f"mark:{kind}", job.job_id, 1)


def stand_until(go: str, stop: Callable[[], bool] = lambda: False) -> bool:
    """Wait until the test sets the key `go:{go}`; True, or False if `stop` answered yes before."""
    while not marks().exists(f"go:{go}"):
        if stop():
            return False
        time.sleep(0.005)
    return True


@app.job()
def nothing() -> None:
    """Do nothing."""


@app.job()
def nap(seconds: float) -> None:
    """Take that long without using a processor."""
    time.sleep(seconds)


@app.job()
def effect() -> None:
    """Leave one effect, whatever happens around it: the set of ids; and count the runs."""
    mark("runs")
    job = current_job()
    assert job is not None
    marks().sadd("effects", job.job_id)


@app.job()
def stand(go: str) -> None:
    """Run until told to go on, deaf to the worker's wish to stop."""
    mark("started")
    stand_until(go)
    mark("finished")


@app.job()
def polite(go: str) -> None:
    """Run until told to go on, or give itself back when the worker wants to stop."""
    mark("started")
    job = current_job()
    assert job is not None
    if not stand_until(go, job.should_stop):
        raise Interrupted
    mark("finished")


@app.job(retry=2)
def failing() -> None:
    """Fail."""
    mark("runs")
    raise ValueError("always fails")


@app.job()
def snoozing() -> None:
    """Come back after a moment, three times."""
    mark("runs")
    job = current_job()
    assert job is not None
    if job.snoozes < 3:
        raise Snooze(0.05)


@app.job(retry=1)
def again_soon() -> None:
    """Ask for another run at once."""
    mark("runs")
    raise Retry(0.0)


@app.job()
def discarding() -> None:
    """End without success."""
    mark("runs")
    raise Discard("not needed")


@app.job(retry=0)
def exiting() -> None:
    """Leave, as far as the thread is asked."""
    mark("runs")
    sys.exit(3)


@app.job(retry=0)
def dying() -> None:
    """Take the whole process along, once."""
    mark("runs")
    if marks().set("died", 1, nx=True):
        os._exit(9)


@app.job()
def interrupted_once() -> None:
    """Give itself back on the first run."""
    mark("runs")
    if marks().set("interrupted", 1, nx=True):
        raise Interrupted
    job = current_job()
    assert job is not None
    marks().set("second-run", json.dumps([job.attempt, job.interruptions]))


@app.job()
def interrupted_at_first() -> None:
    """Give itself back on the first run of each."""
    mark("runs")
    job = current_job()
    assert job is not None
    if not job.interruptions:
        raise Interrupted


@app.job()
def on_hold_once() -> None:
    """Find, inside the job, that the shop is being switched, on the first run."""
    mark("runs")
    if marks().set("held", 1, nx=True):
        raise ShopOnHold(7, 0.0)
    job = current_job()
    assert job is not None
    marks().set("second-run", json.dumps([job.attempt, job.interruptions]))


@app.job()
def stale() -> None:
    """Find, inside the job, that the shop has moved."""
    mark("runs")
    raise StaleEpoch(330, 1, "found in a transaction")


@app.job()
def stale_once() -> None:
    """Find a stale epoch once, though the shop is here."""
    mark("runs")
    if marks().set("stale", 1, nx=True):
        raise StaleEpoch(330, 1, "a cache that was late")


@app.job(retry=0)
def unspeakable() -> None:
    """Fail with a message that no UTF-8 can hold, as the name of a file may."""
    raise OSError("no file caf\udce9")


@app.job()
def forking() -> None:
    """End a process of its own by TERM, and say how it ended."""
    pid = os.fork()
    if pid == 0:
        while True:
            time.sleep(60)
    os.kill(pid, signal.SIGTERM)
    until(lambda: os.waitpid(pid, os.WNOHANG)[0] == pid, 5.0, "the job's own process ended")
    mark("finished")


@app.job()
def hog(mebibytes: int) -> None:
    """Keep memory, and say in which process."""
    _hogged.append(bytearray(os.urandom(1024) * 1024 * mebibytes))
    marks().set("hogged", os.getpid())


_hogged: list[bytearray] = []


@app.job(requires_migration="20261201000000")
def migrated() -> None:
    """Runs once its migration is applied: a test says so by the mark `applied`."""
    mark("runs")


def applied_migrations() -> set[str]:
    """Return what a test says is applied."""
    return {str(version) for version in marks().smembers("applied")}


def newer() -> None:
    """Declared by a newer revision only."""
    mark("runs")


def connect(url: str, elsewhere: str | None, lease_seconds: float) -> Connections:
    """Connect to the pod; `elsewhere` is the Redis of pod 2."""
    stores = {POD: Store(url, socket_timeout_seconds=1.0)}
    if elsewhere:
        stores[2] = Store(elsewhere, socket_timeout_seconds=1.0)
    router = SingleRouter(POD)
    if elsewhere and marks().exists("fence-knows"):
        router.learn(330, Route(2, 2))
    client = Client(router, lambda pod_id: Queues(stores[pod_id]), hold_timeout_seconds=0.2)
    return Connections(
        queues=Queues(stores[POD], lease_seconds=lease_seconds),
        client=client,
        fence=SingleFence(router, POD),
        close=stores[POD].close,
        applied_migrations=applied_migrations,
    )


def main() -> int:
    """Run a worker until it is told to stop."""
    url, options = sys.argv[1], json.loads(sys.argv[2])
    os.environ["WORKER_SHOP_REDIS"] = url
    logging.basicConfig(stream=sys.stderr, level="INFO", format="%(process)d %(levelname)s %(message)s")
    importlib.import_module("tests.support.ends_shop")
    if options.pop("knows_newer", False):
        app.job()(newer)
    timekeeper.LONGEST_PAUSE_SECONDS = options.pop(  # type: ignore[misc]  # Final, but not for a test
        "longest_pause_seconds", timekeeper.LONGEST_PAUSE_SECONDS
    )
    elsewhere = options.pop("elsewhere", None)
    fields: dict[str, Any] = {"queues": ("default",), "lease_seconds": 2.0, "drain_seconds": 10.0, **options}
    fields["queues"] = tuple(fields["queues"])
    spec = WorkerSpec(
        pod_id=POD, app=app, connect=lambda: connect(url, elsewhere, fields["lease_seconds"]), **fields
    )
    observed: dict[str, int] = {}

    def observe(_pid: int, observation: Any) -> None:
        for key, count in observation.attempts.items():
            observed[key.rsplit("|")[2]] = observed.get(key.rsplit("|")[2], 0) + count

    code = Supervisor(spec, observe).run()
    print(json.dumps(observed), flush=True)  # noqa: T201
    return code


if __name__ == "__main__":
    # Under its own name: jobs are called after their module.
    sys.exit(importlib.import_module("tests.support.worker_shop").main())
