"""What a child waits on: a ring from its own process, or a message from its Redis.

Owns: the line on which pushes hand jobs to this incarnation, the dispatcher's bell, and the seat. One idle
processor at a time sits and listens itself: what it hears it runs, without another thread between the message
and the job. While nobody sits the dispatcher listens. How work finds an idle process: the claim that found
nothing lists it as idle, in the same step; a later push claims for it and publishes what it took on its
channel (`scripts/parts/handing.lua`), so that a job starts one way, not two round trips, after its push.

Promises: a ring is never lost, whenever it comes; a line that ended is reported once (`StoreUnavailable`),
and then what was handed over meanwhile has to be adopted; when the line is closed, who sits is stirred.
Leaves to others: claiming, adopting (`Manager`), and that one thread hears at a time (`Intake`).
"""

from __future__ import annotations

import select
import threading
import time
from typing import TYPE_CHECKING, Final

from podwork.transitions import Handed, handed
from podwork.worker.bell import Bell

if TYPE_CHECKING:
    from podwork.line import Line
    from podwork.store import Store


GLANCE_SECONDS: Final = 0.1
"""How long what was handed over just before a claim may lie unheard in a busy child."""


class Ear:
    """The ear of a child. Any thread may `ring` and `stir`; processors sit; the rest is the dispatcher's."""

    def __init__(self, store: Store, incarnation: str) -> None:
        self.channel = f"podwork:ear:{incarnation}"
        self.heard = False
        """Whether the dispatcher has seen that something can be heard."""
        self._store = store
        self._incarnation = incarnation
        self._line: Line | None = None
        self._number = -1
        self._bell, self._seat_bell = Bell(), Bell()
        self._seat = threading.Lock()
        self._bell_alone, self._with_line, self._from_seat = select.poll(), select.poll(), select.poll()
        self._bell_alone.register(self._bell.number, select.POLLIN)
        self._with_line.register(self._bell.number, select.POLLIN)
        self._from_seat.register(self._seat_bell.number, select.POLLIN)
        self._dispatcher_listens = False
        self._glance_at = 0.0

    def ring(self) -> None:
        """Let the dispatcher's present or next wait end."""
        self._bell.ring()

    def wait(self, timeout_seconds: float) -> None:
        """Return after a ring, when something can be heard and nobody sits, or when the time is over."""
        self._glance_at = time.monotonic() + GLANCE_SECONDS
        if self._seat.locked():
            self._bell.wait(self._bell_alone, timeout_seconds)
            return
        self._dispatcher_listens = True
        if self._bell.wait(self._with_line, timeout_seconds):
            self.heard = True
        self._dispatcher_listens = False

    def glance(self, *, often: bool) -> None:
        """Look for what can be heard, without waiting; unless `often`, only now and then.

        It lets other threads have the interpreter, and in a busy child, which is not listed as idle, nobody
        speaks.
        """
        if often or time.monotonic() >= self._glance_at:
            self.wait(0)

    # The seat

    def sit(self) -> bool:
        """Take the seat, if it is free and there is a line to listen on."""
        if self._line is None or not self._seat.acquire(blocking=False):
            return False
        if self._dispatcher_listens:
            self._bell.ring()  # it need not wake, too
        return True

    def listen(self) -> bool:
        """Wait, in the seat, until something can be heard (True), or until stirred."""
        return self._seat_bell.wait(self._from_seat, None)

    def rise(self) -> None:
        """Leave the seat: from now on the dispatcher listens, until somebody sits."""
        self._seat.release()
        self._bell.ring()

    def stir(self) -> None:
        """Let who sits see what else there is to do."""
        if self._seat.locked():
            self._seat_bell.ring()

    # The line

    def open(self) -> None:
        """Listen, if it does not yet. Raises StoreUnavailable, StoreRefused."""
        if self._line is None:
            line = self._store.listen(self.channel)
            self._number = line.fileno()
            self._with_line.register(self._number, select.POLLIN)
            self._from_seat.register(self._number, select.POLLIN)
            self._line = line

    def hear(self) -> list[Handed]:
        """Return what has been said, without waiting. Raises StoreUnavailable: it listens no more."""
        self.heard = False
        if self._line is None:
            return []
        try:
            return [handed(self._incarnation, message) for message in self._line.hear()]
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Listen no more; what was on its way is not heard. Who listens sees that the line has ended."""
        self.heard = False
        if self._line is not None:
            self._with_line.unregister(self._number)
            self._from_seat.unregister(self._number)
            self._line.close()
            self._line = None
