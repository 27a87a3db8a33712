"""What writers of a shop were told, what is there in the end, and whether the two agree.

A writer notes each attempt before it commits and again when it is told that it did: one that was never told
may have committed or not. Orders are numbered in the order in which they committed (`trading_shop`), so a
shop of which two pods had accepted commits has a number twice, none, or epochs that go back.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple


@dataclass
class Attempt:
    """One transaction of a shop: what it wrote, and whether it was told that it committed.

    `number`: of its order. `changed`: the number of an earlier one, or 0. `job`: enqueued with it, or "".
    """

    id: int
    shop_id: int
    epoch: int
    number: int
    changed: int
    job: str
    sent_at: float
    ended_at: float = math.inf
    is_acknowledged: bool = False


class Order(NamedTuple):
    """An order as its row says; `note` is the attempt that has changed it last."""

    number: int
    attempt: int
    epoch: int
    note: str


class ShopEnd(NamedTuple):
    """A shop's rows on one pod, and where it lives: lines by their order, runs of jobs by their id."""

    epoch: int
    tickets: int
    shipped: int
    orders: Sequence[Order]
    lines: Mapping[int, str]
    runs: Mapping[str, int]


class History:
    """Everything that was tried; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._attempts: list[Attempt] = []
        self._pushed: dict[int, set[str]] = {}
        self._doubted: Counter[int] = Counter()
        self._ids = 0

    def next_id(self) -> int:
        """Return a number for an attempt."""
        with self._lock:
            self._ids += 1
            return self._ids

    def send(self, attempt: Attempt) -> None:
        """Note an attempt before it commits."""
        with self._lock:
            self._attempts.append(attempt)

    def pushed(self, shop_id: int, job_id: str) -> None:
        """Note a job that was accepted."""
        with self._lock:
            self._pushed.setdefault(shop_id, set()).add(job_id)

    def doubted(self, shop_id: int) -> None:
        """Note a push of which nobody knows whether it was accepted."""
        with self._lock:
            self._doubted[shop_id] += 1

    def acknowledged(self) -> int:
        """How many attempts have been acknowledged."""
        with self._lock:
            return sum(attempt.is_acknowledged for attempt in self._attempts)

    def jobs(self, end: ShopEnd, shop_id: int) -> set[str]:
        """Return the jobs that the shop must have run: pushed, or enqueued with what has committed."""
        there = {order.attempt for order in end.orders}
        with self._lock:
            enqueued = {each.job for each in self._of(shop_id) if each.job and each.id in there}
            return enqueued | self._pushed.get(shop_id, set())

    def faults(self, shop_id: int, end: ShopEnd, *, once: bool) -> list[str]:
        """Return what is wrong with the shop; `once`: no worker died, so that each job has one run."""
        must = self.jobs(end, shop_id)
        return [*self.of_rows(shop_id, end), *_effects(must, self._doubted[shop_id], end, once)]

    def of_rows(self, shop_id: int, end: ShopEnd) -> list[str]:
        """Return what is wrong with what the shop has written, whatever became of its jobs."""
        with self._lock:
            attempts = list(self._of(shop_id))
        return [
            *_numbering(end),
            *_origins(attempts, end),
            *_order_in_time(attempts),
            *_contents(attempts, end),
        ]

    def _of(self, shop_id: int) -> Iterator[Attempt]:
        return (attempt for attempt in self._attempts if attempt.shop_id == shop_id)


def _numbering(end: ShopEnd) -> Iterator[str]:
    """S1, S2: every number once, and epochs that only grow, up to the one at which the shop is."""
    numbers = [order.number for order in end.orders]
    if numbers != list(range(1, end.tickets + 1)):
        odd = [number for number, times in Counter(numbers).items() if times > 1]
        lost = sorted(set(range(1, end.tickets + 1)) - set(numbers))
        yield f"{len(numbers)} orders of {end.tickets} tickets: twice {odd[:5]}, lost {lost[:5]}"
    epochs = [order.epoch for order in end.orders]
    if epochs != sorted(epochs):
        yield f"epochs go back: {list(end.orders)[-20:]}"
    if epochs and epochs[-1] > end.epoch:
        yield f"an order of epoch {epochs[-1]}, and the shop is at {end.epoch}"


def _origins(attempts: Sequence[Attempt], end: ShopEnd) -> Iterator[str]:
    """S1, S3: every acknowledged attempt is there, as it was sent, and nothing that nobody sent."""
    known = {attempt.id: attempt for attempt in attempts}
    found = Counter(order.attempt for order in end.orders)
    for order in end.orders:
        sent = known.get(order.attempt)
        if sent is None:
            yield f"{order} was never sent"
        elif (sent.number, sent.epoch) != (order.number, order.epoch):
            yield f"{order} was sent as {sent}"
    for attempt in attempts:
        if attempt.is_acknowledged and found[attempt.id] != 1:
            yield f"acknowledged, and {found[attempt.id]} times there: {attempt}"


def _order_in_time(attempts: Sequence[Attempt]) -> Iterator[str]:
    """S1: what was sent after another was acknowledged has a later number, and no earlier epoch."""
    told = sorted((each for each in attempts if each.is_acknowledged), key=lambda each: each.ended_at)
    latest: Attempt | None = None
    ended = iter(told)
    upcoming = next(ended, None)
    for attempt in sorted(told, key=lambda each: each.sent_at):
        while upcoming is not None and upcoming.ended_at < attempt.sent_at:
            if latest is None or upcoming.number > latest.number:
                latest = upcoming
            upcoming = next(ended, None)
        if latest is not None and (latest.number > attempt.number or latest.epoch > attempt.epoch):
            yield f"{attempt} was sent after {latest} was acknowledged"


def _contents(attempts: Sequence[Attempt], end: ShopEnd) -> Iterator[str]:
    """S3: notes and lines are what those that committed have left, one after the other."""
    known = {attempt.id: attempt for attempt in attempts}
    notes: dict[int, str] = {}
    lines: dict[int, str] = {}
    for order in end.orders:
        notes[order.number] = lines[order.number] = str(order.attempt)
        sent = known.get(order.attempt)
        if sent is not None and sent.changed:
            notes[sent.changed] = lines[sent.changed] = str(sent.id)
            if sent.id % 3 == 0:
                del lines[sent.changed]
    for order in end.orders:
        if order.note != notes[order.number]:
            yield f"{order} has a note by another than {notes[order.number]}"
    if dict(end.lines) != lines:
        odd = sorted(set(end.lines.items()) ^ set(lines.items()))
        yield f"lines differ: {odd[:6]}"


def _effects(must: set[str], doubted: int, end: ShopEnd, once: bool) -> Iterator[str]:
    """S4: every accepted job ran, and had its effect once."""
    ran = set(end.runs)
    if must - ran:
        yield f"{len(must - ran)} jobs never ran: {sorted(must - ran)[:5]}"
    if len(ran - must) > doubted:
        yield f"{len(ran - must)} jobs ran that nobody was told of, {doubted} in doubt"
    if end.shipped != len(ran):
        yield f"{end.shipped} shipped by {len(ran)} jobs"
    again = {job_id: runs for job_id, runs in end.runs.items() if runs > 1}
    if once and again:
        yield f"jobs ran more than once: {again}"
