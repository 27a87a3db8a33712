"""The pod's memory of its schedules, in Redis.

Owns: reading all of it at one moment of Redis's clock, and the three scripts that change it (`announce`,
`schedule`, `tick`). Promises: a change is made only to an entry that nobody has changed since it was read,
and a slot makes at most one job, however many leaders there are: the script compares, not the reader.
Leaves to others: what to change (`entry`, `plan`), and when (`ticker`, `schedules`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from podwork import keys, record
from podwork.identity import derived_job_id
from podwork.schedules import entry as entries
from podwork.schedules.declaration import Work
from podwork.schedules.entry import Entry, Kept
from podwork.schedules.plan import CATCH_UP_LIMIT, RUNS_LIMIT, Plan, Run
from podwork.store import Argument, Store

CATALOGUES_LIMIT: Final = 1000
log = logging.getLogger("podwork.schedules")


class Snapshot(NamedTuple):
    """All schedules of the pod at a moment. `newest` is the token of the application's latest start."""

    now_ms: int
    kept: dict[str, Kept]
    successes: dict[str, int]
    newest: str


class Tick(NamedTuple):
    """One look at one schedule, ready to be written down: the plan, and the entry after it."""

    name: str
    turn: int
    after: Entry
    plan: Plan
    jobs: list[Slot]


class Slot(NamedTuple):
    """A slot on its way to be a job. `due_ms` of 0 is now."""

    slot_ms: int
    due_ms: int
    id: str
    record: bytes


class Ledger:
    """The schedules of the pod whose Redis is `store`. Every method raises StoreUnavailable."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._unreadable: set[str] = set()

    def read(self, app: str = "") -> Snapshot:
        """Return everything, and which start of the application is the latest."""
        time, kept, successes, newest = self.store.commands(
            ("TIME",),
            ("HGETALL", keys.SCHEDULES),
            ("HGETALL", keys.SUCCESSES),
            ("ZRANGE", keys.catalogues(app), -1, -1),
        )
        return Snapshot(
            self._moment(int(time[0]) * 1000 + int(time[1]) // 1000),
            self._readable(_pairs(kept)),
            {name: int(at) for name, at in _pairs(successes).items()},
            newest[0].decode() if newest else "",
        )

    def runs(self, watched: Mapping[str, int]) -> dict[str, list[Run]]:
        """Return, for each schedule, its runs that end after the moment given, in order."""
        answers = self.store.commands(
            *(
                ("ZRANGEBYSCORE", keys.ticks(name), moment, "+inf", "WITHSCORES")
                for name, moment in watched.items()
            )
        )
        return {name: _runs(flat) for name, flat in zip(watched, answers, strict=True)}

    def announce(self, app: str, token: str) -> bool:
        """Say that an application was started; return whether no later start is known."""
        return bool(self.store.call("announce", app, token, CATALOGUES_LIMIT))

    def write(
        self, name: str, kept: Kept | None, after: Entry | None, catalogue: tuple[str, str] = ("", "")
    ) -> bool:
        """Replace an entry, make it or forget it; False: it has changed, nothing was written.

        Args:
            name: the schedule's. kept: as it was read (None: none). after: as it shall be (None: gone).
            catalogue: application and token of the code that says so, and only counts if it is the latest.
        """
        turn = kept.turn if kept else 0
        text = entries.encode(turn + 1, after) if after else b""
        return bool(self.store.call("schedule", name, turn, text, *catalogue))

    def tick(self, ticks: Sequence[Tick]) -> list[list[str] | None]:
        """Write looks down; for each, return the ids of its jobs, or None: the schedule has changed."""
        answers = self.store.call_many([("tick", _arguments(tick)) for tick in ticks])
        return [None if made is None else [job_id.decode() for job_id in made] for made in answers]

    def set_success(self, name: str, at_ms: int) -> None:
        """Say when a schedule last succeeded; for a time that lies ahead of the clock."""
        self.store.command("HSET", keys.SUCCESSES, name, at_ms)

    def _moment(self, redis_ms: int) -> int:
        """Return the time that counts; tests turn it here."""
        return redis_ms

    def _readable(self, texts: Mapping[str, bytes]) -> dict[str, Kept]:
        kept = {}
        for name, text in texts.items():
            try:
                kept[name] = entries.decode(text)
            except (ValueError, msgspec.DecodeError) as error:
                if name not in self._unreadable:
                    log.error("schedule %s cannot be read and does not tick: %s", name, error)
                self._unreadable.add(name)
        return kept


def slot_of(name: str, work: Work, slot_ms: int, due_ms: int, now_ms: int) -> Slot:
    """Return the job of a slot, under the id that only this slot of this schedule has."""
    moment_ms = max(due_ms, now_ms)
    extras = {"s": name, **record.read_extras(work.extras)}
    if work.expires_in_ms:
        extras["x"] = str(moment_ms + work.expires_in_ms)
    prefix = record.payload_prefix(work.job_class, 0, work.version)
    stored = record.encode_first(
        work.queue, moment_ms, prefix, work.args.encode(), record.write_extras(extras)
    )
    job_id = derived_job_id(slot_ms, keys.POD_LANE, name)
    return Slot(slot_ms, due_ms if due_ms > now_ms else 0, job_id, stored)


def _arguments(tick: Tick) -> list[Argument]:
    work, run = tick.after.declaration.work, tick.plan.run or (0, 0)
    arguments: list[Argument] = [
        tick.name,
        tick.turn,
        entries.encode(tick.turn + 1, tick.after),
        *run,
        RUNS_LIMIT,
    ]
    arguments += (work.queue, len(work.locks), *(part for lock in work.locks for part in lock))
    for job in tick.jobs[-CATCH_UP_LIMIT:]:
        arguments += job
    return arguments


def _runs(flat: Sequence[bytes]) -> list[Run]:
    parts = iter(flat)
    return [Run(int(begin), int(float(end))) for begin, end in zip(parts, parts, strict=True)]


def _pairs(flat: Sequence[bytes]) -> dict[str, bytes]:
    parts = iter(flat)
    return {name.decode(): value for name, value in zip(parts, parts, strict=True)}
