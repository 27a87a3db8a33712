"""A job process: one job, in a process that begins with it and ends with it.

Owns: the road of one job inside its process: make lease and context again, connect, run the chain of
middlewares, say how it ended. Promises: whatever the run does, the process says one end, or none if it died;
it changes nothing of a queue but by pushing; its end is `os._exit`, after what was logged and printed is
written, and asks no thread. Its main thread runs the job, so that a signal handler of the job's own works.
Leaves to others: who hears the end (`isolation`), what follows from it (`Fates`).
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
from typing import TYPE_CHECKING, Any, NoReturn

from podwork.context import CURRENT, JobContext
from podwork.errors import PodworkError
from podwork.lease import Lease
from podwork.points import reach
from podwork.worker.isolation import ends
from podwork.worker.isolation.ends import End
from podwork.worker.isolation.words import Errand, framed
from podwork.worker.life import EXIT_BROKEN, EXIT_DRAINED, end_process
from podwork.worker.middleware import compose

if TYPE_CHECKING:
    from podwork.job import JobClass
    from podwork.worker.isolation.flags import StopFlags
    from podwork.worker.spec import JobConnections, WorkerSpec

log = logging.getLogger("podwork.worker")


class SharedFlags:
    """The overseer of a job in a process of its own: asks the memory that it shares with the child."""

    def __init__(self, flags: StopFlags, slot: int) -> None:
        self._flags = flags
        self._slot = slot
        self.has_ended = False

    def should_stop(self, _job_id: str) -> bool:
        """Return whether the job is asked to end soon."""
        return self._flags.should_stop(self._slot)

    def is_cancelled(self, _job_id: str) -> bool:
        """Return whether a person has cancelled the job."""
        return self._flags.is_cancelled(self._slot)

    def runs(self, _job_id: str) -> bool:
        """Return whether the job still runs."""
        return not self.has_ended


def live(spec: WorkerSpec, slot: int, errand: Errand, report: int, flags: StopFlags) -> NoReturn:
    """Run the job, say how it ended, and end the process."""
    code = EXIT_BROKEN
    try:
        with socket.socket(fileno=report) as voice:
            connections = _run(spec, errand, SharedFlags(flags, slot), voice)
        if connections is not None:
            connections.close()
        code = EXIT_DRAINED
    except BaseException:
        log.critical("a job process ends with an error of its own", exc_info=True)
    finally:
        sys.stdout.flush()
        if threading.active_count() == 1:  # nobody can hold a lock of the log: no need of a thread's help
            logging.shutdown()
            os._exit(code)
        end_process(code)
        raise AssertionError("not reached; tells the type checker that nothing returns")


def _run(
    spec: WorkerSpec, errand: Errand, overseer: SharedFlags, voice: socket.socket
) -> JobConnections | None:
    lease = Lease(errand.incarnation, errand.shop, errand.job_id, errand.stored)
    try:
        connections = spec.open_in_job()
    except PodworkError as error:
        _say(voice, End(ends.NotBegun(str(error))))
        return None
    pushed: list[tuple[str, str]] = []
    connections.client.observe_push = lambda queue, name, jobs: pushed.extend([(queue, name)] * jobs)
    spec.app.bind(connections.client, connections.iterations)
    job_class = spec.app.job_classes[lease.job_class]
    context = JobContext(
        lease.id, lease.job_class, lease.queue, lease.shop_id, spec.pod_id, errand.epoch,
        lease.attempts + 1, lease.interruptions, overseer, lease.head.extras,
    )  # fmt: skip
    what = _end_of(spec, job_class, lease, context)
    overseer.has_ended = True
    if isinstance(what, ends.Succeeded):
        what.follow_ups = context.follow_ups  # looked at after it has ended: nothing is collected any more
    _say(voice, End(what, pushed))
    reach("job-process.reported")
    return connections


def _end_of(spec: WorkerSpec, job_class: JobClass[Any], lease: Lease, context: JobContext) -> ends.What:
    """Run the chain; return how it ended."""
    CURRENT.set(context)
    reach("job-process.started")
    try:
        compose(spec.middleware)(job_class, lease, context)
    except BaseException as error:  # as in a processor: `SystemExit` is a failure of the job
        return ends.of_error(error, lease, job_class)
    reach("job-process.ran")
    return ends.Succeeded()


def _say(voice: socket.socket, end: End) -> None:
    voice.sendall(framed(ends.encode(end)))
