"""The hatchery: a process with one thread that forks a process for each job.

Owns: its loop: hear errands and orders to kill on the processors' lines, fork, reap, say who has died.
Promises:

- it never has a second thread, opens nothing and runs no code of a job: what it forks is as it was at its
  birth;
- a death is said after the process is gone, and exactly once for each that was hatched;
- when a line ends, the child is gone: it kills its job processes and ends (on Linux the kernel is faster:
  `tether`);
- it kills only what it has not reaped, so no other process that came by the same number.

Leaves to others: what runs in a job process (`job_process`), what follows from a death (the child).
"""

from __future__ import annotations

import gc
import logging
import os
import selectors
import signal
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from podwork.points import reach
from podwork.worker import signals
from podwork.worker.isolation import job_process
from podwork.worker.isolation.tether import tie_to
from podwork.worker.isolation.words import Died, Errand, Hatched, Kill, Line, Stillborn
from podwork.worker.life import EXIT_BROKEN, EXIT_DRAINED

if TYPE_CHECKING:
    from podwork.worker.isolation.flags import StopFlags
    from podwork.worker.spec import WorkerSpec

log = logging.getLogger("podwork.worker")


def live(spec: WorkerSpec, lines: Sequence[Line], watch: Line, flags: StopFlags, parent_pid: int) -> NoReturn:
    """Be a hatchery until the child is gone. Called right after the fork, with signals blocked."""
    code = EXIT_BROKEN
    try:
        tie_to(parent_pid)
        gc.collect()
        gc.freeze()  # the pages of what is loaded stay shared with the job processes
        with signals.SignalPipe((signal.SIGCHLD,)) as pipe:
            signals.unblock()
            code = Hatchery(spec, lines, watch, flags, pipe).live()
    except BaseException:
        log.critical("a hatchery ends with an error of its own", exc_info=True)
    finally:
        os._exit(code)


class Hatchery:
    """The loop. Slot n is the processor at the other end of `lines[n]`; it has one job process at a time.

    On `watch` nothing is said: it ends with this process, which the child sees.
    """

    def __init__(
        self,
        spec: WorkerSpec,
        lines: Sequence[Line],
        watch: Line,
        flags: StopFlags,
        pipe: signals.SignalPipe,
    ) -> None:
        self._spec = spec
        self._lines = lines
        self._watch = watch
        self._flags = flags
        self._pipe = pipe
        self._alive: dict[int, int] = {}
        """Slot -> pid of what was hatched for it and is not reaped."""

    def live(self) -> int:
        """Work until the child is gone; return the exit code."""
        with selectors.DefaultSelector() as self._selector:
            self._selector.register(self._pipe, selectors.EVENT_READ)
            for slot, line in enumerate(self._lines):
                self._selector.register(line, selectors.EVENT_READ, slot)
            while self._turn():
                pass
        for slot in self._alive:
            self._kill(slot)
        return EXIT_DRAINED

    def _turn(self) -> bool:
        """Do what has come; answer False when the child is gone."""
        for key, _ in self._selector.select():
            if key.fileobj is self._pipe:
                self._pipe.read()
                if not self._reap():
                    return False
            elif not self._hear(key.data):
                return False
        return True

    def _hear(self, slot: int) -> bool:
        heard = self._lines[slot].hear()
        match heard:
            case None:
                return False
            case (Errand() as errand, int() as report):
                return self._say(slot, self._hatch(slot, errand, report))
            case (Kill(), _):
                self._kill(slot)
        return True

    def _hatch(self, slot: int, errand: Errand, report: int) -> Hatched | Stillborn:
        me = os.getpid()
        with signals.blocked():
            try:
                pid = os.fork()
            except OSError as error:
                os.close(report)
                return Stillborn(error.strerror or str(error))
            if pid == 0:
                self._become_job(slot, errand, report, me)
        with suppress(OSError):  # both do it: whoever comes first, a kill finds the group
            os.setpgid(pid, pid)
        os.close(report)
        self._alive[slot] = pid
        reach("hatchery.hatched")
        return Hatched(pid)

    def _become_job(self, slot: int, errand: Errand, report: int, hatchery_pid: int) -> NoReturn:
        try:
            tie_to(hatchery_pid)
            os.setpgid(0, 0)  # what the job starts can be killed with it
            self._selector.close()
            self._pipe.close()
            for line in (*self._lines, self._watch):
                line.close()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signals.unblock()
            signals.let_go_in_forks()
            job_process.live(self._spec, slot, errand, report, self._flags)
        except BaseException:
            log.critical("a job process could not begin", exc_info=True)
        finally:
            os._exit(EXIT_BROKEN)

    def _reap(self) -> bool:
        for slot, pid in list(self._alive.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del self._alive[slot]
                if not self._say(slot, Died(os.waitstatus_to_exitcode(status))):
                    return False
        return True

    def _kill(self, slot: int) -> None:
        pid = self._alive.get(slot)
        if pid is not None:
            with suppress(ProcessLookupError, PermissionError):  # macOS: nothing but zombies
                os.killpg(pid, signal.SIGKILL)

    def _say(self, slot: int, word: Hatched | Stillborn | Died) -> bool:
        try:
            self._lines[slot].say(word)
        except OSError:
            return False
        return True
