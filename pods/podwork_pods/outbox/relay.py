"""The relay: brings committed rows of the outbox to Redis, and deletes them when their jobs have ended.

Owns: the order of the steps. Every child of a worker can relay; one of them does, but nothing rests on that:
any number of relays, late, paused or killed anywhere, store each job once. A relay's tenure:

| step | where | what |
| 1 begin | Redis | its token, which nobody had before, replaces the last one (`relay_begin.lua`) |
| 2 read | shard | rows that are not marked |
| 3 push | Redis | under the token: what is neither here nor ended is stored (`relay.lua`) |
| 4 mark | shard | the rows, with the number of the batch |
| 5 ask | Redis | which jobs have ended: their end put the row's id into `podwork:ended`, in the same script |
| 6 delete | shard | their rows |
| 7 forget | Redis | under the token: those ids leave `podwork:ended` (`relay_forget.lua`) |

Steps 2 to 4 and 5 to 7 are repeated; each of them is one script, or one statement that commits by itself.
After any doubt (an answer that did not come, a refusal) the relay starts at 1 again.

**Nothing is lost.** A row is marked only after Redis has said that its job is stored or has ended, and
deleted only after Redis has said that it ended. Until then the next round, or the next relay, comes upon it.

**Nothing is doubled.** Take a push under token T. It is made only if nobody has begun since T did. So
whatever was forgotten between T's beginning and this push, T's own relay forgot, and it does so between its
rounds: before it read the rows of this push. Whatever was forgotten earlier had its row deleted before that.
In short: no id of this push was forgotten, for its row was still there when it was read. A job of this push
that was ever stored therefore is either in `ended`, or it has not ended, and then its record is here, or
`carried` names the job that has its content. The script looks at all three, in the step that stores. So it
holds

- after a crash between 3 and 4, or a lost answer: the row is read again, and its job is found here or ended;
- after a crash between 6 and 7: the row is gone; the next relay deletes nothing, and forgets the id;
- when a relay sleeps anywhere and wakes up after others have done all the rest: its push is refused, and its
  forgetting is, too; its late mark or deletion says of a row what is true of it anyway;
- when a push is still on its way after its relay has given it up: that relay has begun anew, under another
  token, or died, and the next one has.

A job that is not stored because another stands for it (`unique`, an idempotency key) has ended for the
outbox. One that replaced the content of another is carried by it: its row ends with that job
(`parts/outbox.lua`).

Rests on: Redis and the shard keep what they acknowledged. Where Redis did not (`standing`), `rebuild` takes
the same steps over all rows. Leaves to others: when to work (`service`), rows (`rows`), scripts
(`arrivals`).
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from podwork.points import reach
from podwork.unique import Lock
from podwork_pods.errors import ForeignRedis
from podwork_pods.outbox.arrivals import Arrivals, Job
from podwork_pods.outbox.rows import OutboxRow, OutboxRows
from podwork_pods.outbox.standing import Standing, judge, known_generation

BATCH_ROWS: Final = 200
PUSH_BYTES: Final = 1 << 20
HOLD_RETRY_SECONDS: Final = 0.25
MOVED_RETRY_SECONDS: Final = 30.0
SETTLED: Final = frozenset({"stored", "there", "ended"})
"""Fates after which a row needs no push any more."""

log = logging.getLogger("podwork.outbox")


class Relay:
    """One relay of one pod. Not safe to share between threads; make as many as you like.

    Args:
        name: of the process, to be seen in Redis.
        nothing_to_rebuild: whether an emptied Redis lacks nothing that the shard knows.
        stored: told of rows whose jobs were stored just now.
    """

    def __init__(
        self,
        name: str,
        rows: OutboxRows,
        arrivals: Arrivals,
        *,
        nothing_to_rebuild: Callable[[], bool] | None = None,
        stored: Callable[[Sequence[OutboxRow]], None] = lambda _: None,
    ) -> None:
        self._name = name
        self._rows = rows
        self._arrivals = arrivals
        self._nothing_to_rebuild = nothing_to_rebuild or rows.is_empty
        self._stored = stored
        self._token: str | None = None
        self._standing = Standing.COMPLETE
        self._retry_at: dict[int, float] = {}
        self._said_moved: set[int] = set()

    def begin(self) -> str:
        """Begin a tenure, unless this one still stands; return its token.

        Raises:
            ForeignRedis: it belongs to another shard. Nothing may be pushed there.
        """
        if self._token is None:
            known = known_generation(self._rows, self._arrivals)
            highest = self._rows.highest_batch()
            token = f"{self._name} {secrets.token_hex(8)}"
            found = self._arrivals.begin(token, known, highest) if known else None
            standing = Standing.FOREIGN if found is None else judge(known, highest, found)
            if standing is Standing.EMPTIED and self._nothing_to_rebuild():
                self._arrivals.name(known)
                log.warning(
                    "pod %d: its Redis was emptied; nothing that the shard knows was in it", self._rows.pod_id
                )
                standing = Standing.COMPLETE
            self._notice(standing)
            self._token = token
        reach("relay.begun")
        return self._token

    @property
    def standing(self) -> Standing:
        """How Redis stood when this relay began last."""
        return self._standing

    def resign(self) -> None:
        """Begin anew the next time: after a doubt, or a pause in which others relayed."""
        self._token = None

    def turn(self) -> int:
        """Bring what was committed to Redis (steps 2 to 4); return how many rows need no push any more.

        Raises:
            RelaySuperseded: another relay has begun since.
            StoreUnavailable, StoreRefused, ShardUnavailable, ...: what was not done is done the next time.
        """
        with _Doubts(self):
            token = self.begin()
            rows = self._rows.unrelayed(BATCH_ROWS, self._waiting())
            reach("relay.selected")
            return sum(self._bring(token, portion) for portion in portions(rows))

    def settle(self) -> int:
        """Delete rows whose jobs have ended (steps 5 to 7); return how many ended. Raises as `turn` does."""
        with _Doubts(self):
            token = self.begin()
            ended = self._arrivals.ended(BATCH_ROWS)
            reach("relay.asked")
            if ended:
                self._rows.delete(ended)
                reach("relay.deleted")
                self._arrivals.forget(token, ended)
                reach("relay.forgotten")
            return len(ended)

    def next_retry(self) -> float | None:
        """Return in how many seconds a shop that had to wait is tried again; None: none waits."""
        now = time.monotonic()
        return max(0.0, min(self._retry_at.values()) - now) if self._retry_at else None

    def _bring(self, token: str, rows: Sequence[OutboxRow]) -> int:
        batch, fates = self._arrivals.push(token, [Job(row, locks_of(row)) for row in rows])
        reach("relay.pushed")
        done = [row.id for row, fate in zip(rows, fates, strict=True) if fate in SETTLED]
        if done:
            self._rows.mark(batch, done)
        reach("relay.marked")
        self._stored([row for row, fate in zip(rows, fates, strict=True) if fate == "stored"])
        for row, fate in zip(rows, fates, strict=True):
            if fate not in SETTLED:
                self._leave(row.shop_id or 0, fate)
        return len(done)

    def _leave(self, shop_id: int, fate: str) -> None:
        """Pass over the shop for a while, so that its rows do not stand in front of the others'."""
        pause = HOLD_RETRY_SECONDS if fate == "HOLD" else MOVED_RETRY_SECONDS
        self._retry_at[shop_id] = time.monotonic() + pause
        if fate == "MOVED" and shop_id not in self._said_moved:
            self._said_moved.add(shop_id)
            log.warning(
                "pod %d: shop %d has moved away; its jobs in the outbox stay until its rows follow it",
                self._rows.pod_id,
                shop_id,
            )

    def _waiting(self) -> list[int]:
        now = time.monotonic()
        self._retry_at = {shop_id: at for shop_id, at in self._retry_at.items() if at > now}
        return list(self._retry_at)

    def _notice(self, standing: Standing) -> None:
        """Say it once when Redis turns out to have lost something; raise if it may not be written to."""
        pod_id, before, self._standing = self._rows.pod_id, self._standing, standing
        if standing is Standing.FOREIGN:
            raise ForeignRedis(pod_id, self._arrivals.store.address)
        if standing is before:
            return
        if standing is Standing.COMPLETE:
            log.warning("pod %d: its Redis has been given back what it had lost", pod_id)
        else:
            what = "was emptied" if standing is Standing.EMPTIED else "has lost its last writes"
            log.error(
                "pod %d: its Redis %s; jobs whose transactions committed are missing there, new ones are not "
                "- run: podctl pods rebuild %d",
                pod_id,
                what,
                pod_id,
            )


class _Doubts:
    """Whatever goes wrong inside, the relay begins anew: what it sent may still arrive."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._relay.resign()


def locks_of(row: OutboxRow) -> list[Lock]:
    """Return the row's locks. A row that somebody broke by hand asks for none: its job runs all the same."""
    try:
        return row.read_locks()
    except ValueError:
        log.error(
            "job %s: the locks of its row in the outbox cannot be read; it is pushed without", row.job_id
        )
        return []


def portions(rows: Sequence[OutboxRow]) -> Iterator[list[OutboxRow]]:
    """Cut rows so that no push keeps Redis for long."""
    portion: list[OutboxRow] = []
    size_bytes = 0
    for row in rows:
        if portion and size_bytes + len(row.record) > PUSH_BYTES:
            yield portion
            portion, size_bytes = [], 0
        portion.append(row)
        size_bytes += len(row.record)
    if portion:
        yield portion
