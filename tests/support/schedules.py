"""Schedules under a clock that the test turns: leaders of one pod that share a Redis and a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from podwork import App, keys, record
from podwork.identity import new_incarnation
from podwork.observation import Tally
from podwork.queues import Queues
from podwork.schedules.catalogue import Catalogue
from podwork.schedules.ledger import Ledger
from podwork.schedules.ticker import SHORTEST_PAUSE_SECONDS, Ticker
from podwork.store import Store
from podwork.worker.life import Life
from podwork.worker.outage import Outage
from podwork.worker.spec import Surroundings

NOON_MS = 1_767_268_800_000
"""1 January 2026, 12:00 UTC."""
MINUTE_MS = 60_000


class Clock:
    """Redis's clock, turned by hand, in ms."""

    def __init__(self, now_ms: int = NOON_MS) -> None:
        self.now_ms = now_ms

    def pass_(self, minutes: float) -> None:
        """Let so many minutes pass; negative: somebody sets it back."""
        self.now_ms += int(minutes * MINUTE_MS)


class TurnedLedger(Ledger):
    """A ledger that reads the test's clock."""

    def __init__(self, store: Store, clock: Clock) -> None:
        super().__init__(store)
        self._clock = clock

    def _moment(self, redis_ms: int) -> int:
        return self._clock.now_ms


class Leader:
    """One process that believes that it leads the pod."""

    def __init__(self, store: Store, catalogue: Catalogue, clock: Clock, pod_id: int = 1) -> None:
        self.life = Life(new_incarnation(), 15.0)
        self.life.is_leader = True
        surroundings = Surroundings(Queues(store), self.life, Outage(), Tally())
        self.ticker = Ticker(catalogue, pod_id, surroundings, TurnedLedger(store, clock))

    def look(self) -> float:
        """Look until nothing is due; return for how long."""
        for _ in range(20):
            pause = self.ticker.look()
            if pause > SHORTEST_PAUSE_SECONDS:
                break
        return pause  # a slot may be so near that it looks again and again


def an_app(name: str = "shop", declare: Callable[[App], None] = lambda _app: None) -> App:
    """Return an application with a job `work(n)` and the schedules that `declare` adds."""
    app = App(name)

    @app.job(name="work")
    def work(n: int = 0) -> None: ...

    declare(app)
    return app


def jobs(store: Store) -> dict[str, tuple[record.Head, dict[str, Any]]]:
    """Return the pod's jobs: id -> head and arguments."""
    flat = iter(store.command("HGETALL", keys.jobs(keys.POD_LANE)))
    found = {}
    for job_id, stored in zip(flat, flat, strict=True):
        head, payload, _ = record.split(stored)
        found[job_id.decode()] = (head, record.decode_payload(payload).args)
    return found


def slots(store: Store, schedule: str | None = None) -> list[int]:
    """Return the slots of the jobs in Redis, in minutes since noon, ascending."""
    mine = [
        int(job_id[:11], 16)
        for job_id, (head, _) in jobs(store).items()
        if schedule is None or record.read_extras(head.extras).get("s") == schedule
    ]
    return [(slot - NOON_MS) // MINUTE_MS for slot in sorted(mine)]
