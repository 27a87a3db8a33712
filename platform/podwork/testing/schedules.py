"""The application's schedules by a test's clock.

Owns: `Slots`. Promises: a slot becomes the job that the schedule's own code makes of it, when the clock
stands there. Leaves out what no test of an application needs: pauses, changes by operators, catching up,
service levels. Leaves to others: moving the clock (`podwork.testing.draining`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwork.parcel import Parcel
from podwork.schedules.jitter import jitter_ms
from podwork.schedules.ledger import slot_of

if TYPE_CHECKING:
    from podwork.queues import Queues
    from podwork.schedules.catalogue import Catalogue
    from podwork.schedules.declaration import Declaration


class Slots:
    """The slots of a catalogue's schedules after a moment (ms), one after the other."""

    def __init__(self, catalogue: Catalogue, since_ms: int) -> None:
        self._functions = catalogue.functions
        self._declared = {declaration.name: declaration for declaration in catalogue}
        self._next = {name: self._after(name, since_ms, ()) for name in self._declared}

    def next_ms(self) -> int | None:
        """Return when the next slot is."""
        return min((slot for slot in self._next.values() if slot is not None), default=None)

    def tick(self, now_ms: int, pods: dict[int, Queues]) -> None:
        """Push the jobs of all slots up to now to every pod."""
        for name in self._declared:
            while (slot_ms := self._next[name]) is not None and slot_ms <= now_ms:
                for pod_id, queues in pods.items():
                    queues.push_locked(_parcel(self._declared[name], pod_id, slot_ms, now_ms), 0)
                self._next[name] = self._after(name, slot_ms, (slot_ms,))

    def _after(self, name: str, moment_ms: int, recent: tuple[int, ...]) -> int | None:
        rhythm = self._declared[name].timing.rhythm(self._functions.get(name))
        return None if rhythm is None else rhythm.first_after(moment_ms, recent)


def _parcel(declared: Declaration, pod_id: int, slot_ms: int, now_ms: int) -> Parcel:
    work = declared.work
    due_ms = slot_ms + jitter_ms(declared.name, pod_id, slot_ms, declared.timing.jitter_ms)
    slot = slot_of(declared.name, work, slot_ms, due_ms, now_ms)
    return Parcel(
        work.queue, None, slot.id, work.job_class, work.version, b"", now_ms, slot.due_ms,
        locks=work.locks, stored=slot.record,
    )  # fmt: skip
