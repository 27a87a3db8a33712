"""More jobs of the worker shop: those that harm their process, or run for too long.

Loaded by `python -m tests.support.isolated_shop URL JSON`, which is otherwise `tests.support.worker_shop`.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time

from podwork import Bury, Cancel, Interrupted, RetryPolicy, Snooze, current_job, follow_up
from podwork.context import JobContext
from podwork.limits import Concurrency
from tests.support.worker_shop import app, effect, mark, marks, stand_until


def job() -> JobContext:
    """The running job."""
    found = current_job()
    assert found is not None
    return found


def say_pid() -> None:
    """Tell the test in which process the job runs."""
    marks().hset("pids", job().job_id, os.getpid())


@app.job()
def where() -> None:
    """Say where it runs: pid, parent, threads, and whether this is the main one."""
    is_main = threading.current_thread() is threading.main_thread()
    facts = [os.getpid(), os.getppid(), threading.active_count(), is_main]
    marks().hset("where", job().job_id, json.dumps(facts))


@app.job()
def segfault(times: int) -> None:
    """Read where nothing is, on the first runs."""
    if _runs() <= times:
        ctypes.string_at(0)


@app.job()
def vanish(code: int) -> None:
    """End the process without a word, on the first run."""
    if _runs() == 1:
        os._exit(code)


@app.job(at_most_once=True)
def vanish_once() -> None:
    """End the process without a word."""
    mark("runs")
    os._exit(9)


@app.job()
def kill_parent() -> None:
    """Kill what forked it, on the first run."""
    if _runs() == 1:
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)


@app.job()
def stand_here(go: str) -> None:
    """Say its pid, and run until told to go on, deaf to the worker's wish to stop."""
    say_pid()
    mark("started")
    stand_until(go)
    mark("finished")


@app.job(at_most_once=True)
def once_here(go: str) -> None:
    """Run until told to go on, or asked to stop: then it is buried."""
    mark("started")
    stand_until(go, job().should_stop)
    if job().should_stop():
        raise Interrupted


@app.job()
def stoppable_here(go: str) -> None:
    """Run until told to stop, and say why."""
    mark("started")
    stand_until(go, job().should_stop)
    marks().set("stopped-because", json.dumps([job().should_stop(), job().cancelled]))
    raise Interrupted


@app.job()
def asks() -> None:
    """Say whether it is asked to stop, and whether it was cancelled."""
    answers = [job().should_stop(), job().cancelled]
    marks().hset("asked", job().job_id, " ".join("yes" if answer else "no" for answer in answers))


@app.job(version=3)
def newest() -> None:
    """Do nothing, in its third version."""


@app.job(limits=[Concurrency(1)])
def lonely() -> None:
    """Do nothing, one at a time."""


@app.job(at_most_once=True)
def stand_once(go: str) -> None:
    """The same, at most once."""
    mark("started")
    stand_until(go)


@app.job(retry=RetryPolicy(schedule=(3600.0,)), hard_limit_seconds=1.0)
def stuck(go: str) -> None:
    """Run past its hard limit, with a process of its own that does so, too."""
    sleeper = subprocess.Popen(["sleep", "600"])
    marks().hset("sleepers", job().job_id, sleeper.pid)
    say_pid()
    mark("started")
    stand_until(go)
    mark("finished")


@app.job(retry=0, hard_limit_seconds=0.5)
def stuck_last() -> None:
    """Run past its hard limit, without a retry left."""
    mark("started")
    stand_until("never")


@app.job(retry=0, soft_limit_seconds=0.2)
def slow_here() -> None:
    """Run past its soft limit, in Python."""
    while True:
        time.sleep(0.005)


@app.job(retry=0)
def greedy(mebibytes: int) -> None:
    """Take memory and keep it."""
    say_pid()  # first: it may be killed as soon as it has the memory
    taken = bytearray(os.urandom(1024) * 1024 * mebibytes)
    mark("started")
    stand_until("never")
    del taken


@app.job()
def deaf(go: str) -> None:
    """Be sent every signal that ends a child in order, and go on."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGTSTP):
        os.kill(os.getpid(), number)
    stand_until(go)
    mark("finished")


@app.job()
def talkative(pushes: int, fails: bool) -> None:
    """Push jobs and have one follow."""
    for _ in range(pushes):
        effect.enqueue(shop_id=job().shop_id)
    follow_up(effect.call())
    if fails:
        raise ValueError("after it had pushed")


def _advice(error: BaseException, _failures: int) -> Bury:
    """Say what was seen, and where."""
    where = "the job" if os.getpid() == int(str(marks().hget("pids", job().job_id))) else "a processor"
    return Bury(f"a hook saw {type(error).__name__} in the process of {where}")


@app.job(retry=RetryPolicy(hook=_advice))
def failing_by_hook() -> None:
    """Fail with an error that only its own process can know."""

    class Local(Exception):
        pass

    say_pid()
    raise Local("of this process alone")


@app.job()
def snoozing_once() -> None:
    """Come again in a moment, on the first run."""
    if _runs() == 1:
        raise Snooze(0.0, "not yet")


@app.job()
def cancelling() -> None:
    """End because a rule says so."""
    raise Cancel("not to be done")


@app.job()
def heavy(size: int) -> None:
    """Have a job of many bytes follow: more than a socket holds."""
    follow_up(keep.call(text="x" * size))


@app.job()
def keep(text: str) -> None:
    """Say how long the text is."""
    marks().set("kept", len(text))


@app.job()
def late_logger() -> None:
    """Log and print right before the end."""
    logging.getLogger("shop").warning("logged at the very end")
    sys.stdout.write("printed at the very end")  # no end of line: it stays in the buffer


def _runs() -> int:
    """Count this run and return which one it is."""
    mark("runs")
    return int(str(marks().hget("mark:runs", job().job_id)))


if __name__ == "__main__":
    sys.exit(importlib.import_module("tests.support.worker_shop").main())
