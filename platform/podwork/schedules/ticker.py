"""The thread of a child that keeps the pod's schedules: looks, ticks, and tells of broken service levels.

Owns: the order of one look, and when the next one is. One child of a pod does it, the leader, but nothing
hangs on that: a look that another one was faster with is refused by the script and forgotten. Promises: a
slot becomes a job within moments of its time, on Redis's clock; a change made elsewhere counts within
`LOOK_SECONDS`; a schedule that cannot tick (its function raises, its entry is damaged) stops alone. Every
child, leader or not, puts its own declarations into the pod's memory once, if its start is the latest.
Leaves to others: the rule (`plan`), the memory (`ledger`).
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from podwork.points import reach
from podwork.schedules import entry as entries
from podwork.schedules import service_level
from podwork.schedules.jitter import jitter_ms
from podwork.schedules.ledger import Ledger, Slot, Snapshot, Tick, slot_of
from podwork.schedules.plan import CATCH_UP_LIMIT, plan
from podwork.schedules.registration import register
from podwork.schedules.rhythm import NoSlots, Rhythm
from podwork.worker.life import LifeThread
from podwork.worker.outage import TROUBLE, pause_seconds

if TYPE_CHECKING:
    from podwork.schedules.catalogue import Catalogue
    from podwork.schedules.entry import Entry, Kept
    from podwork.worker.spec import Service, Surroundings

LOOK_SECONDS: Final = 5.0
NOTHING_SECONDS: Final = 20.0
"""How long it rests where there is no schedule at all."""
FOLLOWER_SECONDS: Final = 0.5
SHORTEST_PAUSE_SECONDS: Final = 0.005
FAULT_SECONDS: Final = 60.0

log = logging.getLogger("podwork.schedules")


class _Next(NamedTuple):
    """The first slot of a schedule as it was in a turn; after a fault it is asked for again at `retry_at`."""

    turn: int
    slot_ms: int | None
    retry_at: float = 0.0


def service(catalogue: Catalogue, pod_id: int) -> Service:
    """Return the service that keeps the pod's schedules, for `Connections.services`."""
    return lambda surroundings: Ticker(catalogue, pod_id, surroundings)


class Ticker(LifeThread):
    """Keeps the schedules of one pod while its process leads it."""

    def __init__(
        self, catalogue: Catalogue, pod_id: int, surroundings: Surroundings, ledger: Ledger | None = None
    ) -> None:
        super().__init__("podwork-schedules", surroundings.life)
        self._catalogue = catalogue
        self._pod_id = pod_id
        self._outage = surroundings.outage
        self._ledger = ledger or Ledger(surroundings.queues.store)
        self._registered = False
        self._next: dict[str, _Next] = {}

    def work(self) -> None:
        """Look for ever."""
        failures = 0
        while True:
            try:
                pause = self.look()
                failures = 0
            except TROUBLE as error:
                self._outage.began(error)
                pause = pause_seconds(failures)
                failures += 1
            self._rest(pause)

    def look(self) -> float:
        """Do what is due; return for how many seconds nothing will be."""
        if self._registered and not self.life.is_leader:
            return FOLLOWER_SECONDS
        snapshot = self._ledger.read(self._catalogue.app)
        self._registered = register(self._ledger, self._catalogue, snapshot)
        if not self._registered:
            return SHORTEST_PAUSE_SECONDS  # something was written: read it again
        if not self.life.is_leader:
            return FOLLOWER_SECONDS
        if self._judge(snapshot):
            return SHORTEST_PAUSE_SECONDS
        return self._tick(snapshot)

    def _rest(self, seconds: float) -> None:
        """Sleep in short pieces, so that who comes to lead begins at once."""
        until, was_leader = time.monotonic() + seconds, self.life.is_leader
        while (left := until - time.monotonic()) > 0 and self.life.is_leader == was_leader:
            time.sleep(min(left, FOLLOWER_SECONDS))

    # Service levels

    def _judge(self, snapshot: Snapshot) -> bool:
        """Write down what has begun or ended; return whether anything was."""
        wrote = False
        for name, kept in snapshot.kept.items():
            success_ms = snapshot.successes.get(name, 0)
            if success_ms > snapshot.now_ms:  # the clock has gone back since
                self._ledger.set_success(name, snapshot.now_ms)
                wrote = True
            after = service_level.judged(kept.entry, success_ms, snapshot.now_ms)
            if after is not kept.entry and self._ledger.write(name, kept, after):
                service_level.tell(name, kept.entry, after, success_ms, snapshot.now_ms)
                wrote = True
        return wrote

    # Slots

    def _tick(self, snapshot: Snapshot) -> float:
        """Tick what is due; return the time until the next slot."""
        if not snapshot.kept:
            return NOTHING_SECONDS
        now_ms, due, ahead_ms = snapshot.now_ms, {}, int(LOOK_SECONDS * 1000)
        ticking = {name: kept for name, kept in snapshot.kept.items() if kept.entry.is_ticking}
        if self._rewind(snapshot):
            return 0.0
        for name, kept in ticking.items():
            slot_ms = self._first_slot(name, kept)
            if slot_ms is not None and slot_ms <= now_ms:
                due[name] = kept
            elif slot_ms is not None:
                ahead_ms = min(ahead_ms, slot_ms - now_ms)
        if due:
            self._tick_due(due, now_ms)
            return 0.0
        return max(SHORTEST_PAUSE_SECONDS, ahead_ms / 1000)

    def _rewind(self, snapshot: Snapshot) -> bool:
        """Go back with a clock that has gone back; return whether it has."""
        now_ms = snapshot.now_ms
        ahead = {name: kept for name, kept in snapshot.kept.items() if kept.entry.watched_ms > now_ms}
        for name, kept in ahead.items():
            self._ledger.write(name, kept, entries.rewound(kept.entry, now_ms))
        if ahead:
            back_seconds = (max(kept.entry.watched_ms for kept in ahead.values()) - now_ms) / 1000
            log.warning(
                "Redis's clock has gone back by %.3f s; slots that have ticked are passed by", back_seconds
            )
        return bool(ahead)

    def _tick_due(self, due: dict[str, Kept], now_ms: int) -> None:
        runs = self._ledger.runs({name: kept.entry.watched_ms for name, kept in due.items()})
        ticks = []
        for name, kept in due.items():
            rhythm = self._rhythm(name, kept.entry)
            assert rhythm is not None, "it had a first slot"
            watched_ms, timing = kept.entry.watched_ms, kept.entry.timing
            try:
                seen = rhythm.due(self._next[name].slot_ms or 0, watched_ms, now_ms, CATCH_UP_LIMIT)
            except NoSlots as fault:
                self._fault(name, kept, fault)
                continue
            made = plan(seen, timing.catch_up, watched_ms, now_ms, runs[name])
            jobs = [self._job(name, kept.entry, slot_ms, now_ms) for slot_ms in made.slots]
            last_job = jobs[-1].id if jobs else ""
            after = entries.ticked(kept.entry, seen, made, last_job)
            ticks.append(Tick(name, kept.turn, after, made, jobs))
            if seen.following is None:
                self._next.pop(name, None)  # to be asked for again
            else:
                self._next[name] = _Next(kept.turn + 1, seen.following)
        if not ticks:
            return
        reach("schedules.planned")
        answers = self._ledger.tick(ticks)
        reach("schedules.ticked")
        for tick, answer in zip(ticks, answers, strict=True):
            _tell(tick, answer)

    def _job(self, name: str, entry: Entry, slot_ms: int, now_ms: int) -> Slot:
        due_ms = slot_ms + jitter_ms(name, self._pod_id, slot_ms, entry.timing.jitter_ms)
        return slot_of(name, entry.declaration.work, slot_ms, due_ms, now_ms)

    def _first_slot(self, name: str, kept: Kept) -> int | None:
        """Return the first slot after what was watched; worked out once a turn."""
        known = self._next.get(name)
        if known and known.turn == kept.turn and not 0 < known.retry_at <= time.monotonic():
            return known.slot_ms
        rhythm = self._rhythm(name, kept.entry)
        if rhythm is None:
            return None  # its function is in code that this process does not have
        try:
            slot_ms = rhythm.first_after(kept.entry.watched_ms, kept.entry.recent)
        except NoSlots as fault:
            self._fault(name, kept, fault)
            return None
        self._next[name] = _Next(kept.turn, slot_ms)
        if kept.entry.timing.computed and (slot_ms != kept.entry.next_ms or kept.entry.fault):
            self._publish(name, kept, slot_ms or 0, "")
        return slot_ms

    def _rhythm(self, name: str, entry: Entry) -> Rhythm | None:
        return entry.timing.rhythm(self._catalogue.functions.get(name))

    def _fault(self, name: str, kept: Kept, fault: NoSlots) -> None:
        """Leave the schedule alone for a while; what is the matter is said once."""
        retry_at = time.monotonic() + FAULT_SECONDS
        self._next[name] = _Next(kept.turn, None, retry_at)
        if kept.entry.fault != str(fault):
            log.error("schedule %s does not tick: %s", name, fault, exc_info=fault.__cause__)
            self._publish(name, kept, 0, str(fault))

    def _publish(self, name: str, kept: Kept, next_ms: int, fault: str) -> None:
        """Let others see what only this process can work out; the turn grows, what is known stays known."""
        after = entries.foreseen(kept.entry, next_ms, fault)
        if self._ledger.write(name, kept, after):
            self._next[name] = self._next[name]._replace(turn=kept.turn + 1)


def _tell(tick: Tick, answer: list[str] | None) -> None:
    if answer is None:
        return log.debug("schedule %s: another process was faster", tick.name)
    if tick.plan.given_up or not tick.plan.complete:
        count = f"{tick.plan.given_up}" if tick.plan.complete else f"more than {CATCH_UP_LIMIT}"
        log.warning(
            "schedule %s: %s missed slots do not run (catch_up=%s, at most %d at once)",
            tick.name, count, tick.after.timing.catch_up, CATCH_UP_LIMIT,
            extra={"event_name": "schedule_slots_given_up", "schedule": tick.name},
        )  # fmt: skip
    for job_id in answer:
        log.debug("schedule %s: job %s", tick.name, job_id)
    return None
