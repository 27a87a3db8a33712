"""The relay as a thread of a worker's child.

Owns: the rhythm. Promises: only the pod's leader relays, others look twice a second whether they lead now,
which asks nobody; a commit is relayed as soon as its hint arrives, and without a hint at the next look at
the shard, within `BRISK_SECONDS`, or `PATIENT_SECONDS` when the outbox was empty the last time; an unused
outbox costs one command of Redis and one query every `PATIENT_SECONDS`. Trouble with Redis or the shard is
said once and waited out. Leaves to others: why any number of relays is safe (`relay`).
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

from sqlalchemy.exc import DBAPIError

from podwork.errors import PodworkError
from podwork.lease import Lease
from podwork.observation import Tally
from podwork.worker.life import LifeThread
from podwork.worker.outage import TROUBLE, pause_seconds
from podwork.worker.spec import Service, Surroundings
from podwork_pods.errors import RelaySuperseded
from podwork_pods.outbox.arrivals import Arrivals
from podwork_pods.outbox.gates import Gates
from podwork_pods.outbox.relay import BATCH_ROWS, Relay
from podwork_pods.outbox.rows import OutboxRow, OutboxRows
from podwork_pods.outbox.standing import Standing

STANDBY_SECONDS: Final = 0.5
BRISK_SECONDS: Final = 1.0
PATIENT_SECONDS: Final = 8.0
SETTLE_SECONDS: Final = 1.0
SETTLE_ROUNDS: Final = 5
ECHO_SECONDS: Final = (0.01, 0.05, 0.2)
"""After a hint that led to nothing: its commit may be under way."""

log = logging.getLogger("podwork.outbox")


def relay_service(rows: OutboxRows, gates: Gates) -> Service:
    """Return what makes the relay's thread in a child."""

    def make(around: Surroundings) -> LifeThread:
        arrivals = Arrivals(around.queues)
        relay = Relay(
            around.life.incarnation,
            rows,
            arrivals,
            nothing_to_rebuild=lambda: rows.is_empty() and gates.is_empty(),
            stored=lambda stored: _count(around.tally, stored),
        )
        return RelayThread(relay, rows, arrivals, around)

    return make


class RelayThread(LifeThread):
    """Relays while its process leads the pod."""

    def __init__(self, relay: Relay, rows: OutboxRows, arrivals: Arrivals, around: Surroundings) -> None:
        super().__init__("podwork-outbox", around.life)
        self._relay = relay
        self._rows = rows
        self._arrivals = arrivals
        self._outage = around.outage
        self._tally = around.tally
        self._trouble = ""
        self._settle_at = 0.0
        self._is_unused = False
        self._echoes: list[float] = []

    def work(self) -> None:
        """Relay for ever, whenever this process leads."""
        failures = 0
        while True:
            if not self.life.is_leader:
                self._relay.resign()
                self._settle_at = 0.0
                time.sleep(STANDBY_SECONDS)
                continue
            failures = 0 if self._try() else failures + 1
            if failures:
                time.sleep(pause_seconds(failures))

    def _try(self) -> bool:
        """Do one round; answer whether that went well."""
        try:
            self._round()
        except TROUBLE as error:
            self._outage.began(error)
            return False
        except RelaySuperseded:
            return False  # two lead for a moment, or a rebuild runs: they take turns
        except (PodworkError, DBAPIError) as error:
            self._in_trouble(error)
            return False
        self._out_of_trouble()
        return True

    def _round(self) -> None:
        relayed = self._relay.turn()
        now = time.monotonic()
        if now >= self._settle_at and not (self._is_unused and self._settle_at):
            self._settle()
            self._settle_at = now + SETTLE_SECONDS
        self._compare()
        if relayed:
            self._is_unused, self._echoes = False, []
        elif self._echoes:
            time.sleep(self._echoes.pop(0))
        else:
            self._is_unused = self._rows.is_empty()
            if self._arrivals.wait(self._patience_seconds()):
                self._echoes = list(ECHO_SECONDS)
            self._outage.over()

    def _compare(self) -> None:
        """Tell the metrics whether Redis lost jobs; if so, look again next time: somebody may rebuild it."""
        if self._relay.standing is not Standing.COMPLETE:
            self._relay.resign()
        self._tally.compared(lacks_jobs=self._relay.standing is not Standing.COMPLETE)

    def _settle(self) -> None:
        for _ in range(SETTLE_ROUNDS):
            if self._relay.settle() < BATCH_ROWS:
                break

    def _patience_seconds(self) -> float:
        retry_seconds = self._relay.next_retry()
        usual_seconds = PATIENT_SECONDS if self._is_unused else BRISK_SECONDS
        return usual_seconds if retry_seconds is None else max(0.01, min(usual_seconds, retry_seconds))

    def _in_trouble(self, error: Exception) -> None:
        self._tally.compared(lacks_jobs=self._relay.standing is not Standing.COMPLETE)
        if self._trouble != type(error).__name__:
            self._trouble = type(error).__name__
            log.warning("the outbox waits: %s", error)

    def _out_of_trouble(self) -> None:
        if self._trouble:
            self._trouble = ""
            log.warning("the outbox is relayed again")


def _count(tally: Tally, stored: Sequence[OutboxRow]) -> None:
    """Count them as pushed, by their class."""
    classes = Counter((row.queue, Lease("", row.shop, row.job_id, row.record).job_class) for row in stored)
    for (queue, job_class), jobs in classes.items():
        tally.enqueued(queue, job_class, jobs)
