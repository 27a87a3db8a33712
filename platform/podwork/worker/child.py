"""One child of a worker: boots after the fork, obeys the supervisor and orders, ends in order.

Owns: the control loop of the main thread, and the order of a child's life: signals, hatchery (`--isolate`),
connections, registration, threads (`boot`), work, end (`farewell`). Promises:

- the main thread only waits for commands and beats; nothing that jobs do can keep it from ending the
  process, because the end is `os._exit` and asks no thread;
- the supervisor's death is seen as the end of the pipe, and drains like a TERM: no child outlives it for
  longer than the drain time;
- it is gone within the drain time and `FAREWELL_SECONDS`, even if Redis does not answer;
- a job past its hard limit that no process of its own can be killed for ends the child: the supervisor starts
  a successor at once, the other jobs have the drain time, and then the job is failed.

| order (`podctl processes`) | effect |
| --- | --- |
| `quiet`, `resume` | as TSTP and CONT, for this child |
| `stop` | drains and ends; nobody follows it, and with the last child the worker ends |
| `dump` | stacks of all threads, and of job processes, to standard error |
| `cancel {id}` | the job is asked to stop (`JobContext.should_stop`, `cancelled`) and never runs again |
| `yield {shop}` | the shop is about to move: its jobs are given back, and those that run are asked to stop |

Leaves to others: jobs (`Processor`), claims (`Manager`), the lease (`Heartbeat`), restarting it
(`Supervisor`).
"""

from __future__ import annotations

import faulthandler
import logging
import os
import selectors
import signal
import sys
import time
from typing import TYPE_CHECKING, Final, NoReturn

from podwork.errors import PodworkError
from podwork.identity import new_incarnation
from podwork.observation import Tally
from podwork.worker import boot, life, signals
from podwork.worker.awaiting import Runnable
from podwork.worker.channel import (
    Beat,
    Channel,
    Command,
    Drain,
    Dump,
    Fatal,
    GiveBack,
    Observed,
    Quiet,
    Ready,
    Resume,
    Stopping,
)
from podwork.worker.farewell import Farewell
from podwork.worker.isolation import isolation as isolated
from podwork.worker.life import Life, end_process
from podwork.worker.memory import rss_bytes
from podwork.worker.orders import Orders
from podwork.worker.outage import Outage, pause_seconds
from podwork.worker.overruns import Overruns
from podwork.worker.portrait import Portrait
from podwork.worker.spec import Connections, Surroundings, WorkerSpec

if TYPE_CHECKING:
    from podwork.worker.isolation.isolation import Isolation

BEAT_SECONDS: Final = 1.0
SWITCH_SECONDS: Final = 0.0005
"""How long a thread keeps the interpreter when others want it. With Python's 5 ms the manager has its turn
only when the processors have run dry, and they wait for Redis then; with this it claims while they run: more
and smaller turns, and 6 % more no-op jobs a second (ops/docs/performance.md)."""
HEARD: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGTSTP)

log = logging.getLogger("podwork.worker")


def live(spec: WorkerSpec, channel: Channel[Command]) -> NoReturn:
    """Be a child until the end of the process. Called right after the fork, with signals blocked."""
    code = life.EXIT_BROKEN
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGUSR1, signal.SIGCONT):
            signal.signal(number, signal.SIG_DFL)
        faulthandler.enable(file=2)
        faulthandler.register(signal.SIGUSR1, file=2, all_threads=True)
        # Now or never: this process is about to have threads, and must not fork any more.
        isolation = isolated.give_birth(spec, channel.close) if spec.isolate else None
        with signals.SignalPipe(HEARD) as pipe:
            signals.unblock()
            signals.let_go_in_forks()
            code = Child(spec, channel, pipe, isolation).live()
        if isolation is not None:
            isolation.close()
    except BaseException:
        log.critical("a child ends with an error of its own", exc_info=True)
    finally:
        end_process(code)
        os._exit(code)  # not reached; tells the type checker that nothing returns


class Child:
    """The main thread of a child: the control loop."""

    def __init__(
        self,
        spec: WorkerSpec,
        channel: Channel[Command],
        pipe: signals.SignalPipe,
        isolation: Isolation | None,
    ) -> None:
        self._spec = spec
        self._channel = channel
        self._pipe = pipe
        self._isolation = isolation
        self._tally = Tally()
        self._outage = Outage()
        self._life = Life(new_incarnation(), spec.lease_seconds)
        self._runnable = Runnable(spec.app)
        self._portrait = Portrait(spec, self._life, self._runnable)
        self._orders = Orders()
        self._selector = selectors.DefaultSelector()
        for source in (pipe, channel, self._orders, isolation):
            if source is not None:
                self._selector.register(source, selectors.EVENT_READ)
        self._deadline: float | None = None
        self._beat_at = 0.0
        self._orphaned = False
        self._exit_code = life.EXIT_DRAINED
        self._unsaid: Stopping | None = None
        self._threads: boot.Threads | None = None
        self._overruns: Overruns | None = None

    def live(self) -> int:
        """Boot, work, leave; return the exit code."""
        spec = self._spec
        try:
            connections = spec.connect()
        except PodworkError as error:
            self._channel.send(Fatal(str(error)))
            return life.EXIT_NOT_STARTED
        surroundings = Surroundings(connections.queues, self._life, self._outage, self._tally)

        def wait(failures: int) -> bool:
            self._listen(pause_seconds(failures - 1) if failures else 0.0)
            self._beat(connections)
            return self._deadline is None

        if not boot.register(surroundings, self._portrait, spec.app, wait):
            return life.EXIT_DRAINED
        threads = boot.start(
            spec, connections, surroundings, self._portrait, self._runnable,
            lambda pulse: self._orders.put(pulse.orders), lambda order: self._orders.put([order]),
            self._isolation,
        )  # fmt: skip
        self._threads = threads
        self._overruns = Overruns(threads.crew.running, self._isolation, spec.memory_limit_bytes)
        self._channel.send(Ready(self._life.incarnation))
        while not self._is_over(threads):
            self._listen(self._patience())
            self._beat(connections)
        Farewell(connections, surroundings, threads, self._isolation).say()
        self._observe(connections, 0)
        self._channel.flush()
        log.info("child %d ends", os.getpid())
        return self._exit_code

    # Work

    def _patience(self) -> float:
        wake_at = self._beat_at
        if self._deadline is not None:
            # Draining: jobs end without telling this thread, so look often; it lasts seconds at most.
            wake_at = min(wake_at, self._deadline, time.monotonic() + 0.02)
        return max(0.0, wake_at - time.monotonic())

    def _listen(self, timeout_seconds: float) -> None:
        """Wait for commands, orders, signals or the time-out, and obey."""
        ready = {key.fileobj for key, _ in self._selector.select(timeout_seconds)}
        for number in self._pipe.read():
            if number == signal.SIGTERM:
                self._drain(self._spec.drain_seconds)
        for order in self._orders.take():
            self._follow(order)
        if self._isolation is not None and self._isolation in ready:
            self._bereaved(self._isolation)
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
            case Dump() if self._isolation is not None:
                self._isolation.dump()  # its own stacks are written by the signal, even when it is stuck

    def _follow(self, order: str) -> None:
        """Obey what a person, or a mover of shops, told this process."""
        log.info("child %d is told: %s", os.getpid(), order)
        word, _, whom = order.partition(" ")
        match word:
            case "quiet":
                self._set_quiet(True)
            case "resume" if self._deadline is None:
                self._set_quiet(False)
            case "stop":
                self._leave("told to stop", for_good=True)
            case "dump":
                faulthandler.dump_traceback(file=2, all_threads=True)
                if self._isolation is not None:
                    self._isolation.dump()
            case "cancel" if self._threads is not None:
                self._threads.crew.running.cancel(whom)
                if self._isolation is not None:
                    self._isolation.cancel(whom)
            case "yield" if self._threads is not None:
                self._yield_shop(self._threads, whom)

    def _yield_shop(self, threads: boot.Threads, shop: str) -> None:
        """Let go of a shop that is about to move: what waits at once, what runs as soon as it can."""
        threads.manager.yield_shop(shop)
        for job_id in threads.crew.running.yield_shop(shop, threads.manager.running()):
            if self._isolation is not None:
                self._isolation.ask(job_id)

    def _set_quiet(self, quiet: bool) -> None:
        self._portrait.quiet = quiet
        if self._threads is not None:
            (self._threads.manager.quiet if quiet else self._threads.manager.resume)()
            self._threads.heartbeat.beat_soon()

    def _drain(self, seconds: float) -> None:
        """Begin to end within so many seconds; a later call can only bring the end nearer."""
        deadline = time.monotonic() + seconds
        self._deadline = deadline if self._deadline is None else min(self._deadline, deadline)
        self._life.stopping = True
        if self._isolation is not None:
            self._isolation.stop()
        self._set_quiet(True)

    def _leave(self, why: str, *, for_good: bool = False) -> None:
        """Drain by its own decision, and say so to the supervisor; once it drains, that has been decided."""
        if self._deadline is None:
            self._unsaid = Stopping(why, for_good)
            self._drain(self._spec.drain_seconds)
            self._beat_at = 0.0

    def _bereaved(self, isolation: Isolation) -> None:
        """End after the hatchery has died: this process must not fork, and cannot have another one."""
        log.error("child %d: its hatchery is gone; it drains and is replaced", os.getpid())
        self._selector.unregister(isolation)
        self._exit_code = life.EXIT_HATCHERY_LOST
        self._drain(self._spec.drain_seconds)

    def _beat(self, connections: Connections) -> None:
        now = time.monotonic()
        self._channel.flush()
        if now < self._beat_at:
            return
        self._beat_at = now + BEAT_SECONDS
        self._look_after_jobs()
        if self._unsaid is not None and self._channel.send(self._unsaid):
            self._unsaid = None
        busy = self._portrait.busy
        claims_ok = not self._outage.lasting and now < self._life.valid_until
        if self._channel.send(Beat(rss_bytes(), busy, claims_ok)):
            self._observe(connections, busy)

    def _look_after_jobs(self) -> None:
        if self._overruns is None:
            return
        self._overruns.keep()
        overdue = self._overruns.beyond_help()
        if overdue and self._deadline is None:
            first = overdue[0]
            self._exit_code = life.EXIT_HARD_LIMIT
            self._leave(f"job {first.id} ({first.job_class}) ran past its hard time limit")

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

    def _is_over(self, threads: boot.Threads) -> bool:
        """Say whether it is time to leave: nothing is left that may still end, or there is no more time."""
        if self._deadline is None:
            return False
        beyond_help = self._overruns.beyond_help() if self._overruns else []
        waited_for = threads.manager.held() - {lease.id for lease in beyond_help}
        return not waited_for or time.monotonic() >= self._deadline
