"""Isolation as a child has it: its hatchery, and the slots in which its processors run jobs.

Owns: the birth of the hatchery, `Isolation.run` (what a processor calls in place of the chain of middlewares:
it returns or raises as that would), and what the child's main thread does to job processes: ask them to stop,
kill them, see their memory. Promises: a run comes back when its process is gone, not before, so no transition
of a job is made while its code still runs; a process that died without a word raises `JobProcessDied`; one
that the child killed raises the reason given. Leaves to others: what follows from it (`Fates`), when to kill
(`Child`).
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from podwork.points import reach
from podwork.worker.isolation import ends, hatchery
from podwork.worker.isolation.flags import StopFlags
from podwork.worker.isolation.words import Died, Errand, Hatched, Kill, Line, Stillborn, line_pair, unframed

if TYPE_CHECKING:
    from podwork.context import JobContext
    from podwork.job import JobClass
    from podwork.lease import Lease
    from podwork.worker.spec import WorkerSpec

ORPHANED: Final = "ended with its hatchery"
ORPHAN_SECONDS: Final = 1.0
"""How long a process whose hatchery has died is waited for; nobody else says that it is gone."""
_PORTION: Final = 65536


class JobProcess(NamedTuple):
    """A job's process, as it runs now."""

    lease: Lease
    pid: int


class Slot:
    """A processor's place: its line to the hatchery, and the job that runs there."""

    def __init__(self, number: int, line: Line) -> None:
        self.number = number
        self.line = line
        self.lock = threading.Lock()
        """Between the processor that begins and ends a run, and the main thread that kills it."""
        self.lease: Lease | None = None
        self.pid: int | None = None
        self.killed_for: Exception | None = None


class Isolation:
    """One for each child. `run` is called by as many threads as there are slots, the rest by the main one."""

    def __init__(self, pid: int, lines: list[Line], watch: Line, flags: StopFlags) -> None:
        self.pid = pid
        self.observe_push: Callable[[str, str, int], None] | None = None
        """Called with (queue, job class, how many) for what job processes pushed."""
        self._watch = watch
        self._flags = flags
        self._slots = [Slot(number, line) for number, line in enumerate(lines)]
        self._free: SimpleQueue[Slot] = SimpleQueue()
        for slot in self._slots:
            self._free.put(slot)
        self._abandoned = False

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when the hatchery has died."""
        return self._watch.fileno()

    # Called by processors

    def run(self, job_class: JobClass[Any], lease: Lease, context: JobContext) -> None:  # noqa: ARG002 - a `Run`
        """Run the job in a process of its own, and return or raise as its run did.

        Raises:
            JobProcessDied: the process ended without a word. NoJobProcess: there was none.
            FailedElsewhere, JobSignal, StaleEpoch, ShopOnHold: so did the run.
            Exception: what `kill` was given.
        """
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            raise ends.NoJobProcess(error.strerror or str(error)) from None
        slot = self._free.get()
        try:
            with ours:
                with theirs:
                    self._begin(slot, lease, context, theirs)
                stream, how = self._follow(slot, ours)
        finally:
            killed_for = self._end(slot)
            self._free.put(slot)
        body = unframed(stream)
        if body is None:
            if self._abandoned and killed_for is None:
                _wait_for_the_end()
            raise killed_for or ends.JobProcessDied(how)
        end = ends.decode(body)
        if self.observe_push is not None:
            for queue, name in end.pushed:
                self.observe_push(queue, name, 1)
        ends.come_back(end.what, context)

    def _begin(self, slot: Slot, lease: Lease, context: JobContext, theirs: socket.socket) -> None:
        """Ask for the process. In one step with making the job known: a kill before it would be lost."""
        stored = lease.record(error=lease.error)
        errand = Errand(lease.incarnation, lease.shop, lease.id, stored, context.epoch)
        with slot.lock:
            abandoned = self._abandoned
            if not abandoned:
                self._flags.clear(slot.number)
                if context.cancelled:  # who cancels from now on finds the slot
                    self._flags.cancel(slot.number)
                elif context.should_stop():  # likewise
                    self._flags.ask(slot.number)
                slot.lease, slot.pid, slot.killed_for = lease, None, None
                try:
                    slot.line.say(errand, theirs.fileno())
                except OSError:
                    raise ends.NoJobProcess("the hatchery has died") from None
        if abandoned:
            _wait_for_the_end()

    def _end(self, slot: Slot) -> Exception | None:
        with slot.lock:
            slot.lease = slot.pid = None
            return slot.killed_for

    def _follow(self, slot: Slot, ours: socket.socket) -> tuple[bytes, str]:
        """Wait for the end of the process; return what it said, and how it ended."""
        stream = bytearray()
        poll = select.poll()
        poll.register(slot.line, select.POLLIN)
        poll.register(ours, select.POLLIN)
        how = ""
        while not how:
            ready = [descriptor for descriptor, _ in poll.poll()]
            if ours.fileno() in ready and not _take(ours, stream):
                poll.unregister(ours)
            if slot.line.fileno() in ready:
                how = self._hear(slot)
        ours.settimeout(ORPHAN_SECONDS if how == ORPHANED else 0.0)
        while _take(ours, stream):  # what it said last may be heard after its death
            pass
        return bytes(stream), how

    def _hear(self, slot: Slot) -> str:
        """Take in what the hatchery says; return how the process ended, if it has."""
        heard = slot.line.hear()
        match heard.word if heard else None:
            case None:
                # On Linux job processes die with their hatchery, elsewhere here. Whether it had forked this
                # one may be unknown; then the job counts as begun, or it might begin twice.
                if slot.pid is not None:
                    with suppress(OSError):
                        os.killpg(slot.pid, signal.SIGKILL)
                return ORPHANED
            case Hatched(pid):
                slot.pid = pid
                reach("isolation.hatched")
            case Stillborn(reason):
                raise ends.NoJobProcess(reason)
            case Died(status):
                return _in_words(status)
        return ""

    # Called by the main thread

    def stop(self) -> None:
        """Ask all jobs to end soon."""
        self._flags.stop_all()

    def cancel(self, job_id: str) -> None:
        """Tell a job that a person has cancelled it."""
        for slot in self._slots:
            with slot.lock:
                if slot.lease is not None and slot.lease.id == job_id:
                    self._flags.cancel(slot.number)

    def ask(self, job_id: str) -> None:
        """Ask one job to end soon."""
        for slot in self._slots:
            with slot.lock:
                if slot.lease is not None and slot.lease.id == job_id:
                    self._flags.ask(slot.number)

    def kill(self, job_id: str, reason: Exception) -> bool:
        """Kill the job's process; its run then raises the reason. False: it has none, or is being killed."""
        for slot in self._slots:
            with slot.lock:
                if slot.lease is not None and slot.lease.id == job_id and slot.killed_for is None:
                    slot.killed_for = reason
                    _say_kill(slot.line)
                    return True
        return False

    def running(self) -> list[JobProcess]:
        """Return the processes of jobs that run now."""
        found = [(slot.lease, slot.pid) for slot in self._slots]
        return [JobProcess(lease, pid) for lease, pid in found if lease is not None and pid is not None]

    def dump(self) -> None:
        """Let each job process write the stacks of its threads to standard error."""
        for _, pid in self.running():
            with suppress(OSError):
                os.kill(pid, signal.SIGUSR1)

    def abandon(self, timeout_seconds: float) -> None:
        """Kill all job processes, to give their jobs back: who waits for one does so for ever."""
        self._abandoned = True
        for slot in self._slots:
            with slot.lock:
                _say_kill(slot.line)
        deadline = time.monotonic() + timeout_seconds
        while self.running() and time.monotonic() < deadline:
            time.sleep(0.005)

    def close(self) -> None:
        """End the hatchery and take leave of it; job processes that are left end with it."""
        with suppress(OSError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


def give_birth(spec: WorkerSpec, forget: Callable[[], None]) -> Isolation:
    """Fork the hatchery of this child, which has one thread and holds signals back.

    `forget` closes in the hatchery what belongs to the child alone.
    """
    lines = [line_pair() for _ in range(spec.threads)]
    our_watch, their_watch = line_pair()
    flags = StopFlags(spec.threads)
    me = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        forget()
        for ours, _ in lines:
            ours.close()
        our_watch.close()
        hatchery.live(spec, [theirs for _, theirs in lines], their_watch, flags, me)
    for _, theirs in lines:
        theirs.close()
    their_watch.close()
    return Isolation(pid, [ours for ours, _ in lines], our_watch, flags)


def _take(ours: socket.socket, stream: bytearray) -> bool:
    """Take in what the process has said; False: there is nothing (any more)."""
    try:
        portion = ours.recv(_PORTION)
    except OSError:
        return False
    stream += portion
    return bool(portion)


def _wait_for_the_end() -> None:
    """Wait for ever: this process ends without asking its threads, and its farewell gives the job back."""
    threading.Event().wait()


def _say_kill(line: Line) -> None:
    with suppress(OSError):  # the hatchery has died, and they with it
        line.say(Kill())


def _in_words(status: int) -> str:
    if status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return f"ended with exit code {status}"
