"""Random histories: relays and rebuilds, interleaved and killed at every statement, while jobs come and end.

Whatever the order: every job of a committed transaction runs once, no content runs twice, and in the end
neither the shard nor Redis has anything left of them. Where Redis is emptied in between, only what ran, or
was running, when that happened, and whose end had not reached the shard, may run once more.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from podwork import keys
from podwork.job import JobClass
from podwork.lease import Lease
from podwork_pods import shop_transaction
from podwork_pods.errors import RelaySuperseded
from podwork_pods.outbox import rebuild as rebuilding
from podwork_pods.outbox import relay as relaying
from tests.support.outbox import (
    NEIGHBOUR,
    SHOP,
    OutboxStand,
    drop,
    note,
    replacing,
    rescheduling,
    sqlite_stand,
)
from tests.support.stepping import Stepper, stepping

RELAYS = 3
REBUILDS = 0.2
KINDS: list[JobClass[Any]] = [note, note, drop, replacing, rescheduling]
STEPS = 1500


@pytest.fixture
def stand(tmp_path: Path, valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[OutboxStand]:
    monkeypatch.setattr(relaying, "BATCH_ROWS", 3)
    monkeypatch.setattr(rebuilding, "BATCH_ROWS", 3)
    made = sqlite_stand(tmp_path, valkey_url)
    yield made
    made.close()


class History:
    """One random run; `ran` counts how often each content ran to its end."""

    def __init__(
        self,
        seed: int,
        stand: OutboxStand,
        start: Callable[[str, Callable[[], object]], Stepper],
        flushes: int,
    ) -> None:
        self.random = random.Random(seed)
        self.stand = stand
        self.start = start
        self.numbers = 0
        self.plain: set[int] = set()
        self.ran: Counter[int] = Counter()
        self.held: list[Lease] = []
        self.log: list[str] = []
        self.asleep: list[Stepper] = []
        self.may_run_again: set[int] = set()
        self.flushes = flushes
        self.relays = [self.new_relay() for _ in range(RELAYS)]

    def new_relay(self) -> Stepper:
        name = f"relay-{self.random.randrange(10**6)}"
        if self.random.random() < REBUILDS:
            return self.start(f"rebuild-{name}", lambda: self.stand.rebuild().run())
        relay = self.stand.relay(name)

        def act() -> None:
            with suppress(RelaySuperseded):
                relay.turn()
                relay.settle()

        return self.start(name, act)

    def step(self) -> None:
        """Do one thing."""
        (act,) = self.random.choices(
            (
                self.relay,
                self.nod_off,
                self.kill,
                self.commit,
                self.roll_back,
                self.work,
                self.fail,
                self.flush,
            ),
            (60, 3, 1, 8, 1, 20, 2, self.flushes),
        )
        act()

    def relay(self) -> None:
        awake = [relay for relay in self.relays if relay not in self.asleep]
        if awake:
            relay = self.random.choice(awake)
            self.log.append(f"{relay.name} {relay.step()}")

    def nod_off(self) -> None:
        """Let a relay sleep while others go on, or wake it up."""
        relay = self.random.choice(self.relays)
        (self.asleep.remove if relay in self.asleep else self.asleep.append)(relay)
        self.log.append(f"{relay.name} {'sleeps' if relay in self.asleep else 'wakes up'} at {relay.at}")

    def work(self) -> None:
        self.claim()
        self.finish()

    def kill(self) -> None:
        relay = self.relays.pop(self.random.randrange(RELAYS))
        relay.kill()
        self.log.append(f"{relay.name} killed at {relay.at}")
        self.relays.append(self.new_relay())

    def commit(self) -> None:
        self.numbers += 1
        shop_id, text = self.random.choice([SHOP, NEIGHBOUR]), self.random.choice("ab")
        job = self.random.choice(KINDS)
        args = {"text": str(self.numbers)} if job is note else {"text": text, "number": self.numbers}
        with shop_transaction(shop_id) as session:
            job_id = job.enqueue(**args, shop_id=shop_id, transaction=session)
        if job is note:
            self.plain.add(self.numbers)
        self.log.append(f"committed {job.name} {args} {job_id}")

    def roll_back(self) -> None:
        with shop_transaction(SHOP) as session:
            note.enqueue(text="0", shop_id=SHOP, transaction=session)
            session.rollback()

    def claim(self) -> None:
        self.held += self.stand.claim(self.random.randint(1, 3))

    def finish(self) -> None:
        if not self.held:
            return
        lease = self.held.pop(self.random.randrange(len(self.held)))
        self.stand.finish([lease])
        number = number_of(lease)
        self.ran[number] += 1
        self.log.append(f"ended {lease.id} {number}")

    def fail(self) -> None:
        if self.held:
            lease = self.held.pop()
            assert self.stand.queues.retry("host:1:worker", lease, 1.0, "it failed")
            self.stand.queues.promote()
            self.log.append(f"failed {lease.id}")

    def flush(self) -> None:
        """Empty Redis. The worker learns of it; its jobs may have had their effect already."""
        rows = self.stand.rows.page(0, 10_000)
        self.may_run_again |= {number_of(Lease("", row.shop, row.job_id, row.record)) for row in rows}
        self.held.clear()
        self.stand.empty_redis()
        self.log.append("Redis emptied")

    def end(self) -> None:
        """Let everything come to its end, and look at what is left."""
        self.stand.rebuild().run()
        last = self.stand.relay("last")
        self.claim()  # what only the rebuild has brought may be all there is
        while last.turn() or self.held or self.stand.arrivals.ended(1):
            self.claim()
            self.finish()
            last.settle()
            self.claim()
        store, told = self.stand.queues.store, "\n".join(self.log)
        assert self.ran[0] == 0, told
        assert self.plain <= set(self.ran), told
        twice = {number for number, times in self.ran.items() if times > 1}
        assert twice <= self.may_run_again, told
        assert self.stand.count() == 0, told
        left = [store.command("EXISTS", key) for key in (keys.ENDED, keys.CARRIED, keys.PARKED)]
        left += [store.command("HLEN", keys.jobs(str(shop))) for shop in (SHOP, NEIGHBOUR)]
        assert left == [0, 0, 0, 0, 0], told


def number_of(lease: Lease) -> int:
    """Return what tells a content from all others."""
    return int(lease.args.get("number") or lease.args["text"])


def run(seed: int, stand: OutboxStand, steps: int, flushes: int = 0) -> None:
    with stepping("re") as start:
        history = History(seed, stand, start, flushes)
        for _ in range(steps):
            history.step()
        history.end()


@pytest.mark.parametrize("seed", range(12))
def test_every_history_ends_well(stand: OutboxStand, seed: int) -> None:
    run(seed, stand, STEPS)


@pytest.mark.parametrize("seed", range(50, 56))
def test_histories_in_which_redis_is_emptied_end_well(stand: OutboxStand, seed: int) -> None:
    run(seed, stand, STEPS, flushes=1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(100, 110))
def test_long_histories_end_well(stand: OutboxStand, seed: int) -> None:
    run(seed, stand, 20_000, flushes=seed % 2)
