"""The schedules of one pod, as operators see and change them.

Owns: `Schedules`. Promises: a change counts at once for whoever looks next, also for a leader that has
looked already but not yet ticked; it survives deployments until `reset` (a change of timing) or `resume` (a
pause); what is refused says why and changes nothing. Leaves to others: declaring (`catalogue`), ticking
(`ticker`), printing.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from podwork import identity, keys, record
from podwork.errors import PodworkError
from podwork.parcel import Parcel
from podwork.queues import Queues, Stored
from podwork.schedules import entry as entries
from podwork.schedules.declaration import Length, length_ms
from podwork.schedules.entry import Entry, Kept, Note
from podwork.schedules.jitter import jitter_ms
from podwork.schedules.ledger import Ledger, Snapshot
from podwork.schedules.plan import CatchUp
from podwork.schedules.rhythm import NextRun
from podwork.schedules.state import Forecast, ScheduleState, state_of, upcoming
from podwork.store import Store

TRIES: Final = 20
_KEYS = {"every_ms": "every", "jitter_ms": "jitter", "at_least_every_ms": "at_least_every"}


class UnknownSchedule(PodworkError):
    """Raised when a schedule is named that the pod does not know."""

    def __init__(self, name: str, known: list[str]) -> None:
        self.name = name
        self.known = known
        some = ", ".join(sorted(known)[:8]) or "none"
        super().__init__(f"there is no schedule {name}", f"the pod's schedules are: {some}")


class ScheduleBusy(PodworkError):
    """Raised when a schedule is changed by others faster than by this process."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"schedule {name} keeps changing", "try again")


class Schedules:
    """The schedules of the pod whose Redis is `store`. Every method raises StoreUnavailable.

    Args:
        store: the pod's Redis. pod_id: the pod's number, which has a part in jitter.
        functions: of computed intervals, by schedule (`app.schedules.functions`), for longer forecasts.
    """

    def __init__(self, store: Store, pod_id: int = 1, functions: Mapping[str, NextRun] | None = None) -> None:
        self._queues = Queues(store)
        self._ledger = Ledger(store)
        self._pod_id = pod_id
        self._functions = functions or {}

    def list(self, *, removed: bool = False) -> list[ScheduleState]:
        """Return the schedules by name; with `removed` also those that the code has ceased to declare."""
        snapshot = self._ledger.read()
        found = [(name, kept.entry) for name, kept in sorted(snapshot.kept.items())]
        return [
            self._state(name, entry, snapshot) for name, entry in found if removed or not entry.removed_ms
        ]

    def get(self, name: str) -> ScheduleState:
        """Return one schedule. Raises UnknownSchedule."""
        snapshot, kept = self._read(name)
        return self._state(name, kept.entry, snapshot)

    def run(self, name: str) -> str:
        """Push its job now, out of turn, paused or not; return the job's id. Its slots are not touched.

        Of a unique job that is there already, the id is that one's.

        Raises:
            UnknownSchedule: the pod does not know it.
            StoreRefused: Redis takes no jobs.
        """
        snapshot, kept = self._read(name)
        work, now_ms = kept.entry.declaration.work, snapshot.now_ms
        extras = {"s": name, **record.read_extras(work.extras)}
        if work.expires_in_ms:
            extras["x"] = str(now_ms + work.expires_in_ms)
        parcel = Parcel(
            work.queue, None, identity.new_job_id(now_ms, keys.POD_LANE), work.job_class, work.version,
            work.args.encode(), now_ms, 0, record.write_extras(extras), work.locks,
        )  # fmt: skip
        stored = self._queues.push_locked(parcel, 0)
        assert isinstance(stored, Stored), "a pod's own lane has no gate"
        return stored.id

    def pause(self, name: str, *, reason: str, owner: str) -> ScheduleState:
        """Stop its slots until `resume`; jobs that it has made already run. Raises UnknownSchedule."""
        return self._change(name, lambda entry, now_ms: entries.paused(entry, Note(owner, reason, now_ms)))

    def resume(self, name: str) -> ScheduleState:
        """Let its slots go on; those of the pause are not caught up. Raises UnknownSchedule."""
        return self._change(
            name, lambda entry, now_ms: entries.resumed(entry, now_ms) if entry.pause else entry
        )

    def set(
        self,
        name: str,
        *,
        reason: str,
        owner: str,
        cron: str | None = None,
        zone: str | None = None,
        every: Length | None = None,
        jitter: Length | None = None,
        catch_up: CatchUp | None = None,
        at_least_every: Length | None = None,
    ) -> ScheduleState:
        """Change its timing until `reset`; what is not given stays; a jitter or service level of 0 is none.

        Raises:
            UnknownSchedule: the pod does not know it.
            ConfigurationError: it cannot be meant so.
        """
        where = f"schedule {name}"
        fields: dict[str, Any] = {}
        if cron is not None:
            fields = {"cron": cron, "zone": zone or "UTC", "every_ms": 0, "computed": False}
        elif zone is not None:
            fields["zone"] = zone
        if every is not None:
            fields |= {} if cron else {"cron": "", "zone": "UTC", "computed": False}
            fields["every_ms"] = length_ms(where, "every", every)
        for field, length in (("jitter_ms", jitter), ("at_least_every_ms", at_least_every)):
            if length is not None:
                fields[field] = length_ms(where, _KEYS[field], length or None)
        if catch_up is not None:
            fields["catch_up"] = catch_up

        def change(entry: Entry, now_ms: int) -> Entry:
            changed = entries.changed(entry, fields, Note(owner, reason, now_ms))
            changed.timing.check(where, _KEYS)
            return changed

        return self._change(name, change)

    def reset(self, name: str) -> ScheduleState:
        """Return its timing to what the code declares; a pause stays. Raises UnknownSchedule."""
        return self._change(
            name, lambda entry, now_ms: entries.reset(entry, now_ms) if entry.change else entry
        )

    def forecast(
        self, n: int = 10, start: float | None = None, name: str | None = None
    ) -> Sequence[Forecast]:
        """Return the next `n` runs after `start` (default: now) of one schedule, or all not paused.

        Raises:
            UnknownSchedule: the pod does not know it.
        """
        snapshot = self._ledger.read()
        if name is not None and name not in snapshot.kept:
            raise UnknownSchedule(name, [*snapshot.kept])
        chosen = [name] if name is not None else sorted(snapshot.kept)
        start_ms = snapshot.now_ms if start is None else int(start * 1000)
        each = [self._forecast(each, snapshot.kept[each].entry, start_ms, n) for each in chosen]
        return [*itertools.islice(heapq.merge(*each), n)]

    def _forecast(self, name: str, entry: Entry, start_ms: int, n: int) -> Sequence[Forecast]:
        slots = upcoming(entry, start_ms, n, self._functions.get(name))
        delays = [jitter_ms(name, self._pod_id, slot, entry.timing.jitter_ms) for slot in slots]
        job_class = entry.declaration.work.job_class
        return [
            Forecast(slot / 1000, (slot + delay) / 1000, name, job_class)
            for slot, delay in zip(slots, delays, strict=True)
        ]

    def _change(self, name: str, change: Callable[[Entry, int], Entry]) -> ScheduleState:
        for _ in range(TRIES):
            snapshot, kept = self._read(name)
            after = change(kept.entry, snapshot.now_ms)
            if after is kept.entry or self._ledger.write(name, kept, after):
                return self._state(name, after, snapshot)
        raise ScheduleBusy(name)

    def _read(self, name: str) -> tuple[Snapshot, Kept]:
        snapshot = self._ledger.read()
        if name not in snapshot.kept:
            raise UnknownSchedule(name, [*snapshot.kept])
        return snapshot, snapshot.kept[name]

    def _state(self, name: str, entry: Entry, snapshot: Snapshot) -> ScheduleState:
        function = self._functions.get(name)
        return state_of(entry, snapshot.successes.get(name, 0), snapshot.now_ms, function)
