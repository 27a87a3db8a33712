"""One child of a worker: boots after the fork, obeys the supervisor, ends in order.

Owns: the order of the boot (signals, incarnation, connections, registration, threads, ready) and of the end
(give back what is unstarted, let run what runs until the deadline, give back the rest, deregister).
Promises:

- the main thread only waits for commands and beats; nothing that jobs do can keep it from ending the
  process, because the end is `os._exit` and asks no thread;
- the supervisor's death is seen as the end of the pipe, and drains like a TERM: no child outlives it for
  longer than the drain time;
- it is gone within the drain time and `FAREWELL_SECONDS`, even if Redis does not answer.

Leaves to others: jobs (`Processor`), claims (`Manager`), the lease (`Heartbeat`), restarting it
(`Supervisor`).
"""

from __future__ import annotations

import faulthandler
import logging
import os
import selectors
import signal
import socket
import sys
import threading
import time
from typing import Final, NoReturn

from podwork.errors import PodworkError
from podwork.identity import new_incarnation
from podwork.observation import Tally
from podwork.points import reach
from podwork.worker import signals
from podwork.worker.channel import (
    Beat,
    Channel,
    Command,
    Drain,
    Fatal,
    GiveBack,
    Observed,
    Quiet,
    Ready,
    Resume,
)
from podwork.worker.fates import Fates
from podwork.worker.heartbeat import Heartbeat
from podwork.worker.life import EXIT_BROKEN, EXIT_DRAINED, EXIT_NOT_STARTED, Life, end_process
from podwork.worker.manager import Manager
from podwork.worker.memory import rss_bytes
from podwork.worker.middleware import compose
from podwork.worker.outage import TROUBLE, Outage, pause_seconds
from podwork.worker.prefetch import Prefetch
from podwork.worker.processor import Processor
from podwork.worker.spec import Connections, WorkerSpec
from podwork.worker.timekeeper import Timekeeper

BEAT_SECONDS: Final = 1.0
FAREWELL_SECONDS: Final = 2.0
SWITCH_SECONDS: Final = 0.0005
"""How long a thread keeps the interpreter when others want it. With Python's 5 ms the manager has its turn
only when the processors have run dry, and they wait for Redis then; with this it claims while they run: more
and smaller turns, and 6 % more no-op jobs a second (ops/docs/performance.md)."""
HEARD: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGTSTP)

log = logging.getLogger("podwork.worker")


def live(spec: WorkerSpec, channel: Channel[Command]) -> NoReturn:
    """Be a child until the end of the process. Called right after the fork, with signals blocked."""
    code = EXIT_BROKEN
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGUSR1, signal.SIGCONT):
            signal.signal(number, signal.SIG_DFL)
        faulthandler.enable(file=2)
        faulthandler.register(signal.SIGUSR1, file=2, all_threads=True)
        with signals.SignalPipe(HEARD) as pipe:
            signals.unblock()
            signals.let_go_in_forks()
            code = Child(spec, channel, pipe).live()
    except BaseException:
        log.critical("a child ends with an error of its own", exc_info=True)
    finally:
        end_process(code)
        os._exit(code)  # not reached; tells the type checker that nothing returns


class Child:
    """The main thread of a child: the control loop."""

    def __init__(self, spec: WorkerSpec, channel: Channel[Command], pipe: signals.SignalPipe) -> None:
        self._spec = spec
        self._channel = channel
        self._pipe = pipe
        self._tally = Tally()
        self._outage = Outage()
        self._life = Life(new_incarnation(), spec.lease_seconds)
        self._selector = selectors.DefaultSelector()
        self._selector.register(pipe, selectors.EVENT_READ)
        self._selector.register(channel, selectors.EVENT_READ)
        self._deadline: float | None = None
        self._beat_at = 0.0
        self._wants_quiet = False
        self._orphaned = False
        self._manager: Manager | None = None
        self._heartbeat: Heartbeat | None = None

    def live(self) -> int:
        """Boot, work, leave; return the exit code."""
        try:
            connections = self._spec.connect()
        except PodworkError as error:
            self._channel.send(Fatal(str(error)))
            return EXIT_NOT_STARTED
        if not self._register(connections):
            return EXIT_DRAINED
        manager = self._start_threads(connections)
        self._channel.send(Ready(self._life.incarnation))
        while not self._is_over(manager):
            self._listen(self._patience())
            self._beat(connections)
        self._leave(connections, manager)
        return EXIT_DRAINED

    # Boot

    def _register(self, connections: Connections) -> bool:
        """Register, for as long as it takes; answer False if told to end before."""
        failures = 0
        while self._deadline is None:
            asked_at = time.monotonic()
            try:
                connections.queues.register(self._life.incarnation, self._fields())
            except TROUBLE as error:
                self._outage.began(error)
                self._listen(pause_seconds(failures))
                self._beat(connections)
                failures += 1
            else:
                self._outage.over()
                self._life.renewed(asked_at)
                reach("worker.registered")
                return True
        return False

    def _start_threads(self, connections: Connections) -> Manager:
        spec, life, outage, tally, queues = (
            self._spec,
            self._life,
            self._outage,
            self._tally,
            connections.queues,
        )
        connections.client.observe_push = tally.enqueued
        spec.app.bind(connections.client)
        manager = Manager(
            queues, spec.queues, Prefetch(spec.threads, spec.prefetch_seconds), tally, life, outage
        )
        fates = Fates(spec.pod_id, queues, connections.client, manager, tally, life, outage)
        self._manager = manager
        self._heartbeat = Heartbeat(queues, life, outage, self._fields)
        self._heartbeat.start()
        Timekeeper(queues, tuple(spec.app.job_classes), tally, life, outage).start()
        chain = compose(spec.middleware)
        for number in range(1, spec.threads + 1):
            Processor(
                number, spec.pod_id, spec.app.job_classes, chain, connections.fence, manager, fates, life
            ).start()
        if self._wants_quiet:
            manager.quiet()
        manager.start()
        return manager

    def _fields(self) -> dict[str, str | int]:
        """Return what the process says of itself in Redis."""
        manager = self._manager
        return {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "pod": self._spec.pod_id,
            "revision": self._spec.revision,
            "queues": ",".join(self._spec.queues),
            "slots": self._spec.threads,
            "lease_seconds": str(self._spec.lease_seconds),
            "busy": manager.busy if manager else 0,
            "quiet": int(self._wants_quiet),
            "stopping": int(self._life.stopping),
            "lease_ms": int(self._spec.lease_seconds * 1000),
            "rss_bytes": rss_bytes(),
        }

    # Work

    def _patience(self) -> float:
        wake_at = self._beat_at
        if self._deadline is not None:
            # Draining: jobs end without telling this thread, so look often; it lasts seconds at most.
            wake_at = min(wake_at, self._deadline, time.monotonic() + 0.02)
        return max(0.0, wake_at - time.monotonic())

    def _listen(self, timeout_seconds: float) -> None:
        """Wait for commands, signals or the time-out, and obey."""
        self._selector.select(timeout_seconds)
        for number in self._pipe.read():
            if number == signal.SIGTERM:
                self._drain(self._spec.drain_seconds)
        if self._orphaned:
            return
        for command in self._channel.receive():
            self._obey(command)
        if self._channel.closed:
            self._orphaned = True
            self._selector.unregister(self._channel)
            log.warning("child %d: its supervisor is gone; it drains and ends", os.getpid())
            self._drain(self._spec.drain_seconds)

    def _obey(self, command: Command) -> None:
        match command:
            case Quiet():
                self._set_quiet(True)
            case Resume() if self._deadline is None:
                self._set_quiet(False)
            case Drain():
                self._drain(self._spec.drain_seconds)
            case GiveBack():
                self._drain(0.0)

    def _set_quiet(self, quiet: bool) -> None:
        self._wants_quiet = quiet
        if self._manager is not None:
            (self._manager.quiet if quiet else self._manager.resume)()
        if self._heartbeat is not None:
            self._heartbeat.beat_soon()

    def _drain(self, seconds: float) -> None:
        """Begin to end within so many seconds; a later call can only bring the end nearer."""
        deadline = time.monotonic() + seconds
        self._deadline = deadline if self._deadline is None else min(self._deadline, deadline)
        self._life.stopping = True
        self._set_quiet(True)

    def _beat(self, connections: Connections) -> None:
        now = time.monotonic()
        self._channel.flush()
        if now < self._beat_at:
            return
        self._beat_at = now + BEAT_SECONDS
        busy = self._manager.busy if self._manager else 0
        claims_ok = not self._outage.lasting and now < self._life.valid_until
        if self._channel.send(Beat(rss_bytes(), busy, claims_ok)):
            self._observe(connections, busy)

    def _observe(self, connections: Connections, busy: int) -> None:
        if self._channel.backlog_bytes:
            return  # the supervisor is behind: the tally goes on adding up, nothing is lost
        self._channel.send(
            Observed(
                self._tally.take(
                    busy=min(busy, self._spec.threads),
                    idle=max(0, self._spec.threads - busy),
                    directory_epoch=connections.directory_epoch(),
                    connected=connections.connected(),
                )
            )
        )

    # The end

    def _is_over(self, manager: Manager) -> bool:
        if self._deadline is None:
            return False
        return manager.holds_nothing or time.monotonic() >= self._deadline

    def _leave(self, connections: Connections, manager: Manager) -> None:
        """Give back what is left and deregister, as far as Redis answers in time; then say the last word."""
        farewell = threading.Thread(target=self._farewell, args=(connections, manager), daemon=True)
        farewell.start()
        farewell.join(FAREWELL_SECONDS)
        self._observe(connections, 0)
        self._channel.flush()
        log.info("child %d ends", os.getpid())

    def _farewell(self, connections: Connections, manager: Manager) -> None:
        queues, incarnation = connections.queues, self._life.incarnation
        try:
            if running := manager.running():
                reach("worker.before-give-back")
                # What is given back still runs here until the exit that follows: at least once (J2).
                released = queues.release(incarnation, running, interrupted=True)
                for lease in running:
                    self._tally.attempt(lease.queue, lease.job_class, "interrupted")
                log.warning("child %d gave back jobs that did not end in time: %d", os.getpid(), released)
            reach("worker.before-deregister")
            self._life.left = True
            queues.deregister(incarnation)
            connections.close()
        except PodworkError as error:
            log.warning(
                "child %d could not leave in order, its lease runs out instead: %s", os.getpid(), error
            )
