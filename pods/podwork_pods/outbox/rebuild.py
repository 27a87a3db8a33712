"""What `podctl pods rebuild` does: gives an emptied Redis back what the shard knows.

Owns: `Rebuild` and its counts. It goes over all rows of the outbox, marked or not, and takes the relay's
steps with each page (`relay`): begin, read, push under the token, mark. So it may run at any time, also
while workers and relays run, over a Redis that was never emptied, twice at once, or again after it was
killed: what is here or has ended is left as it is. At its end it gives Redis its name back (`standing`).
What may start only once is not pushed again if it was brought to Redis before, because it may have started:
a person decides. Promises: nothing that did not fail is pushed twice. Leaves to others: jobs that were
pushed without a transaction, and holds, limits and schedules that were set at run time: they stood in Redis
alone.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from podwork.errors import StoreUnavailable
from podwork.points import reach
from podwork_pods.errors import ForeignRedis, RelaySuperseded
from podwork_pods.outbox.arrivals import Arrivals, Job
from podwork_pods.outbox.gates import Gates
from podwork_pods.outbox.relay import BATCH_ROWS, SETTLED, locks_of, portions
from podwork_pods.outbox.rows import OutboxRow, OutboxRows
from podwork_pods.outbox.standing import Standing, known_generation, look

TRIES: Final = 20
KNOWN: Final = frozenset({"there", "ended"})
"""Fates of jobs that Redis still knows."""
NOT_RESTORED: Final = (
    "jobs pushed without a transaction",
    "jobs enqueued by other jobs that ended",
    "the dead set: its jobs from the outbox run again",
    "holds, limits and weights set at run time",
    "pauses of schedules and when they ran last",
)


class Once(StrEnum):
    """What becomes of jobs that may start only once, and that may have started."""

    LEAVE = "leave"
    RUN = "run"
    DROP = "drop"


@dataclass(slots=True)
class Rebuilt:
    """What was done, or would be. `standing`: how Redis stood before."""

    standing: Standing
    gates: int = 0
    rows: int = 0
    pushed: int = 0
    there: int = 0
    ended: int = 0
    on_hold: int = 0
    """Their shops are being switched; run it again when they are not."""
    moved: int = 0
    """Their shops have left; the rows follow them."""
    once: list[str] = field(default_factory=list)
    """Ids of jobs that may start only once, and may have."""


Progress = Callable[[Rebuilt], None]


def _in_silence(_: Rebuilt) -> None:
    """Say nothing."""


class Rebuild:
    """One run over one pod's outbox."""

    def __init__(self, rows: OutboxRows, arrivals: Arrivals, gates: Gates, once: Once = Once.LEAVE) -> None:
        self._rows = rows
        self._arrivals = arrivals
        self._gates = gates
        self._once = once
        self._generation = ""
        self._highest = 0
        self._token: str | None = None
        self._last_batch = 0

    def look(self, progress: Progress = _in_silence) -> Rebuilt:
        """Return what `run` would do; change nothing. Raises as `run` does."""
        done = Rebuilt(self._standing())
        done.gates = sum(1 for _ in self._gates.missing(self._arrivals.store))
        self._walk(done, progress, self._look_at)
        return done

    def run(self, progress: Progress = _in_silence) -> Rebuilt:
        """Give Redis back what it lacks.

        Raises:
            ForeignRedis: the pod's Redis belongs to another shard; nothing was changed.
            StoreUnavailable, ShardUnavailable, ...: run it again, it goes on from there.
        """
        before = self._standing()
        self._generation = known_generation(self._rows, self._arrivals)
        self._highest = self._rows.highest_batch()
        for _ in range(TRIES):
            done = Rebuilt(before)
            since = self._begin()
            done.gates = self._gates.restore(self._arrivals.store)
            self._walk(done, progress, self._bring)
            reach("rebuild.walked")
            # A relay does not come back to a row that was marked before: only this does, the next time.
            if done.on_hold or self._arrivals.complete(
                self._generation, self._highest, since, self._last_batch
            ):
                return done
        raise StoreUnavailable(self._arrivals.store.address, "it loses its keys again and again")

    def _standing(self) -> Standing:
        standing = look(self._rows, self._arrivals).standing
        if standing is Standing.FOREIGN:
            raise ForeignRedis(self._rows.pod_id, self._arrivals.store.address)
        return standing

    def _begin(self) -> str:
        """Begin as a relay does; return since when Redis has its keys."""
        self._last_batch = 0
        self._token = f"rebuild {secrets.token_hex(8)}"
        return self._arrivals.begin(self._token, self._generation, 0).since

    def _walk(self, done: Rebuilt, progress: Progress, deal: Callable[[Rebuilt, int], int | None]) -> None:
        after: int | None = 0
        while after is not None:
            after = deal(done, after)
            progress(done)

    def _look_at(self, done: Rebuilt, after: int) -> int | None:
        rows = self._rows.page(after, BATCH_ROWS)
        fates = self._arrivals.look([Job(row, ()) for row in rows])
        self._count(done, rows, fates)
        return rows[-1].id if rows else None

    def _bring(self, done: Rebuilt, after: int) -> int | None:
        """Push one page; read it again when another relay has begun meanwhile."""
        for _ in range(TRIES):
            try:
                return self._bring_once(done, after)
            except RelaySuperseded:
                self._token = f"rebuild {secrets.token_hex(8)}"
                self._arrivals.begin(self._token, self._generation, 0)
        return self._bring_once(done, after)

    def _bring_once(self, done: Rebuilt, after: int) -> int | None:
        assert self._token is not None
        rows = self._rows.page(after, BATCH_ROWS)
        reach("rebuild.read")
        if not rows:
            return None
        doubtful = self._doubtful(rows)
        fates = dict.fromkeys((row.id for row in rows), "stored")
        for portion in portions([row for row in rows if row.id not in doubtful]):
            batch, answers = self._arrivals.push(self._token, [Job(row, locks_of(row)) for row in portion])
            reach("rebuild.pushed")
            fates.update(zip((row.id for row in portion), answers, strict=True))
            settled = [row.id for row in portion if fates[row.id] in SETTLED]
            if settled:
                self._rows.mark(batch, settled)
            reach("rebuild.marked")
            self._last_batch = batch
        if doubtful and self._once is Once.DROP:
            self._rows.delete([row.job_id for row in rows if row.id in doubtful])
        self._count(done, rows, list(fates.values()))
        return rows[-1].id

    def _doubtful(self, rows: Sequence[OutboxRow]) -> set[int]:
        """Return the rows whose jobs may have started already, may not start twice, and are not in Redis."""
        once = [row for row in rows if self._leaves(row)]
        fates = self._arrivals.look([Job(row, ()) for row in once]) if once else []
        return {row.id for row, fate in zip(once, fates, strict=True) if fate not in KNOWN}

    def _leaves(self, row: OutboxRow) -> bool:
        return bool(row.at_most_once and row.relayed) and self._once is not Once.RUN

    def _count(self, done: Rebuilt, rows: Sequence[OutboxRow], fates: Sequence[str]) -> None:
        done.rows += len(rows)
        for row, fate in zip(rows, fates, strict=True):
            if self._leaves(row) and fate not in KNOWN:
                done.once.append(row.job_id)
            elif fate == "stored":
                done.pushed += 1
            elif fate == "there":
                done.there += 1
            elif fate == "ended":
                done.ended += 1
            elif fate == "HOLD":
                done.on_hold += 1
            else:
                done.moved += 1
