"""The supervisor of a worker: forks children, keeps their number, passes signals on.

Owns: the life and death of the children. It runs no job, speaks to no Redis, and its main thread is the
only one that forks (see `offspring`). Signals:

| signal | effect |
| --- | --- |
| TSTP | children claim nothing more, give back what is unstarted, finish what runs |
| CONT | they claim again |
| TERM, INT | children run on for at most `drain_seconds`, give back the rest, end; so does the worker |
| TERM, INT again | children give back at once |
| HUP | children are restarted one by one (see `roll`) |
| USR1 | every child writes the stacks of its threads to standard error |

Promises: while it is not stopping there are `processes` children, or one is about to start, but for those
that a person stopped one by one (`podctl processes stop`): nobody follows them, and with the last the worker
ends. A child above the memory limit drains and is replaced; one with a job past its hard limit is replaced at
once, while it drains. A child that does not end in time is killed, and its lease gives its jobs back. `run`
returns 0 after a drain, and 1 if no child ever became ready. Leaves to others: what children do (`child`),
metrics (they are handed to `observe`), who calls `run` (the composition root, in the main thread).
"""

from __future__ import annotations

import gc
import logging
import os
import selectors
import signal
import time
from collections.abc import Callable
from typing import Final

from podwork.observation import Observation
from podwork.worker.channel import Fatal, Observed, Quiet, Report, Resume, Stopping
from podwork.worker.offspring import Offspring, bury_strangers, give_birth
from podwork.worker.rebirth import Rebirth
from podwork.worker.roll import Roll
from podwork.worker.signals import SignalPipe
from podwork.worker.spec import Health, WorkerSpec

HEARD: Final = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGTSTP,
    signal.SIGCONT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGCHLD,
)
TICK_SECONDS: Final = 0.5
START_ATTEMPTS: Final = 3
FORK_PAUSE_SECONDS: Final = 5.0

log = logging.getLogger("podwork.worker")


class Supervisor:
    """One `podctl workers` process. `observe` gets a child's pid and what it observed, in the main thread."""

    def __init__(self, spec: WorkerSpec, observe: Callable[[int, Observation], None]) -> None:
        self._spec = spec
        self._observe = observe
        self._children: list[Offspring] = []
        self._wanted = spec.processes
        self._rebirth = Rebirth()
        self._roll = Roll(self._give_birth, spec.drain_seconds)
        self._quiet = False
        self._stopping = False
        self._ever_ready = False
        self._exit_code = 0
        self._fork_not_before = 0.0
        self._selector: selectors.BaseSelector
        self._signals: SignalPipe

    def run(self) -> int:
        """Supervise until told to stop; return the exit code. Only in the main thread."""
        gc.collect()
        gc.freeze()  # what is loaded by now stays shared with the children: their collections do not touch it
        with SignalPipe(HEARD) as self._signals, selectors.DefaultSelector() as self._selector:
            self._selector.register(self._signals, selectors.EVENT_READ)
            while not self._stopping or self._children:
                self._tick()
        return self._exit_code

    def health(self) -> Health:
        """Return how the worker is; any thread may ask."""
        children = [child for child in list(self._children) if child.counts]
        enough = len(children) >= self._wanted
        well = all(child.ready and child.claims_ok for child in children)
        return Health([child.health() for child in children], self._stopping, enough and well)

    def _tick(self) -> None:
        self._give_births()
        self._selector.select(TICK_SECONDS)
        for number in self._signals.read():
            self._obey(number)
        for child in self._children:
            self._hear(child)
        self._bury_the_dead()
        self._keep_limits()

    # Births and deaths

    def _give_births(self) -> None:
        if time.monotonic() < self._fork_not_before:
            return
        try:
            self._roll.advance()  # first: a successor may count now, in place of a child that died
            self._fill_up()
        except OSError as error:  # no process, descriptor or memory left; the children that live go on
            log.error("no child can be started now: %s", error)
            self._fork_not_before = time.monotonic() + FORK_PAUSE_SECONDS

    def _fill_up(self) -> None:
        if self._stopping or time.monotonic() < self._rebirth.not_before:
            return
        while sum(child.counts for child in self._children) < self._wanted:
            self._give_birth()

    def _give_birth(self) -> Offspring:
        child = give_birth(self._spec, self._forget)
        self._children.append(child)
        self._selector.register(child.channel, selectors.EVENT_READ)
        if self._quiet:
            child.tell(Quiet())
        log.info("child %d started", child.pid)
        return child

    def _forget(self) -> None:
        """Close, in a new child, what belongs to the supervisor."""
        self._selector.close()
        self._signals.close()
        for sibling in self._children:
            sibling.channel.close()

    def _bury_the_dead(self) -> None:
        for child in [child for child in self._children if child.reap()]:
            self._hear(child)  # its last words
            self._stop_listening(child)
            child.channel.close()
            self._children.remove(child)
            if child.leaving:
                log.info("child %d ended: %s", child.pid, child.describe_end())
            else:
                self._mourn(child)
        if os.getpid() == 1:
            bury_strangers([child.pid for child in self._children])

    def _mourn(self, child: Offspring) -> None:
        """See to it that a death that nobody asked for has a consequence."""
        now = time.monotonic()
        log.log(
            logging.WARNING if self._rebirth.early_deaths < 2 else logging.DEBUG,
            "child %d died: %s; its lease gives back what it held",
            child.pid,
            child.describe_end(),
        )
        self._rebirth.died(now - child.born_at, now, child.fatal or child.describe_end())
        if self._ever_ready or self._stopping:
            return
        if child.fatal or self._rebirth.early_deaths >= START_ATTEMPTS:
            log.error("the worker cannot start: %s", child.fatal or child.describe_end())
            self._exit_code = 1
            self._stop()

    def _keep_limits(self) -> None:
        now, limit = time.monotonic(), self._spec.memory_limit_bytes
        for child in self._children:
            self._rebirth.lived(now - child.born_at if child.ready else 0.0)
            if limit and child.rss_bytes > limit and not child.leaving:
                log.warning(
                    "child %d uses %d MiB, more than %d MiB; it drains and is replaced",
                    child.pid, child.rss_bytes >> 20, limit >> 20,
                )  # fmt: skip
                child.drain(self._spec.drain_seconds)
            if child.enforce(now):
                log.error(
                    "child %d did not end in time and was killed; its lease gives back the rest", child.pid
                )

    # What comes in

    def _hear(self, child: Offspring) -> None:
        child.channel.flush()
        for report in child.channel.receive():
            self._take(child, report)
        if child.channel.closed:
            self._stop_listening(child)

    def _stop_listening(self, child: Offspring) -> None:
        # Always before the descriptor is closed: the next child's has the same number.
        if child.channel in self._selector.get_map():
            self._selector.unregister(child.channel)

    def _take(self, child: Offspring, report: Report) -> None:
        match report:
            case Observed():
                self._observe(child.pid, report.observation)
            case Fatal():
                child.fatal = report.reason
            case Stopping():
                self._let_go(child, report)
            case _:
                child.heard(report)
                if child.ready and not self._ever_ready:
                    self._ever_ready = True
                    log.info("the worker is ready")

    def _let_go(self, child: Offspring, report: Stopping) -> None:
        """Take note that a child ends by itself: it is followed at once, or not at all."""
        if child.leaving:
            return  # it was told to before, by us
        log.warning("child %d drains and ends: %s", child.pid, report.why)
        child.goes(self._spec.drain_seconds)
        self._roll.left_by(child, for_good=report.for_good)
        if report.for_good and not self._stopping:
            self._wanted -= 1
            if self._wanted == 0:
                log.info("the last child was told to stop; so does the worker")
                self._stop()

    def _obey(self, number: int) -> None:
        match number:
            case signal.SIGTERM | signal.SIGINT:
                self._stop()
            case signal.SIGTSTP | signal.SIGCONT:
                self._set_quiet(number == signal.SIGTSTP)
            case signal.SIGHUP if not self._stopping:
                log.info("restarting the children one by one")
                self._roll.begin([child for child in self._children if child.counts])
            case signal.SIGUSR1:
                for child in self._children:
                    child.dump()

    def _set_quiet(self, quiet: bool) -> None:
        if self._quiet == quiet:
            return
        self._quiet = quiet
        log.info("the worker is quiet" if quiet else "the worker claims again")
        for child in self._children:
            child.tell(Quiet() if quiet else Resume())

    def _stop(self) -> None:
        again, self._stopping = self._stopping, True
        self._roll.stop()
        log.info(
            "giving back at once" if again else "draining, for at most %g s",
            *(() if again else (self._spec.drain_seconds,)),
        )
        for child in self._children:
            if again:
                child.give_back()
            else:
                child.drain(self._spec.drain_seconds)
