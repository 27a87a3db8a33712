"""Asking throttles: how often, and how long a run waits that is held back.

Owns: `PodThrottles`, one for a pod in each process. Promises:

- *Closed.* A throttle that raises, answers nonsense, or does not answer while another thread asks it, holds
  the run back, and the reason says so.
- *Seldom.* A throttle is asked once a second at most, for all runs of the process on the pod that have an
  equal one; one that holds, after `retry_seconds`, then 2, 4, 8 times as much, and so on up to half a minute,
  if it said no longer time itself. Until then its answer stands, also for a run that comes back meanwhile.
- *Not all at once.* Each of these times is up to a quarter longer, by chance, so that those who were held
  back by the same thing do not come back together.

Leaves to others: waiting (the loop), and what each throttle looks at.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from podwork.errors import TimeLimitExceeded
from podwork.interfaces import Clock, SystemClock
from podwork.iteration.job import IterationJob
from podwork.iteration.throttle import Held, Surroundings, Throttle
from podwork.queues import Queues

FRESH_SECONDS: Final = 1.0
LONGEST_SECONDS: Final = 30.0
"""How long a throttle is not asked for at most, unless it said a longer time itself."""
PATIENCE_SECONDS: Final = 1.0
"""How long a thread waits for the answer that another one is asking for."""
SHORTEST_SECONDS: Final = 0.01
LONGER: Final = 0.25
MOST_READINGS: Final = 1000
"""More come about only with throttles that are asked for each shop; then those that are over are dropped."""
_REASON_CHARACTERS: Final = 300

Asked = Callable[[], Held | None]
"""Returns why a run has to wait, and for how long; None: it may go on."""


class _Answer(NamedTuple):
    """What a throttle said, until when it stands (monotonic seconds), and how often in a row it held."""

    held: Held | None
    until: float
    times: int


_NOTHING: Final = _Answer(None, -math.inf, 0)


class _Reading:
    """The last answer of one throttle. `lock` is held by the thread that asks."""

    def __init__(self) -> None:
        self.answer = _NOTHING
        self.lock = threading.Lock()


class PodThrottles:
    """The throttles of the runs on one pod.

    Args:
        pod_id: the pod.
        single: gives an engine of its shard that commits every statement by itself (`make_engine`).
        queues: gives the pod's queues.
        clock: wall time, for throttles. monotonic: seconds, for how long an answer stands.
    """

    def __init__(
        self,
        pod_id: int,
        single: Callable[[], Engine],
        queues: Callable[[], Queues],
        clock: Clock | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.pod_id = pod_id
        self._single = single
        self._queues = queues
        self._clock = clock or SystemClock()
        self._monotonic = monotonic
        self._readings: dict[tuple[Throttle, int | None], _Reading] = {}

    def of(self, job: IterationJob, shop_id: int | None) -> Asked:
        """Return what is to be asked before each batch of the job."""
        return partial(self.held, job.throttles, shop_id)

    def held(self, throttles: Sequence[Throttle], shop_id: int | None) -> Held | None:
        """Return why a run with these throttles has to wait, all reasons, and for how long."""
        if not throttles:
            return None
        answers = [self._ask(throttle, shop_id if throttle.per_shop else None) for throttle in throttles]
        holding = [held for held in answers if held is not None]
        if not holding:
            return None
        return Held("; ".join(held.reason for held in holding), max(held.retry_seconds for held in holding))

    def _ask(self, throttle: Throttle, shop_id: int | None) -> Held | None:
        reading = self._readings.get((throttle, shop_id)) or self._new(throttle, shop_id)
        now = self._monotonic()
        if now >= reading.answer.until:
            if not reading.lock.acquire(timeout=PATIENCE_SECONDS):
                return Held(f"{throttle.name} cannot be read: it has not answered yet")
            try:
                now = self._monotonic()
                if now >= reading.answer.until:
                    reading.answer = self._answer(throttle, shop_id, reading.answer.times)
            finally:
                reading.lock.release()
        held, until, _ = reading.answer
        if held is None:
            return None
        return Held(held.reason, max(SHORTEST_SECONDS, until - self._monotonic()))

    def _answer(self, throttle: Throttle, shop_id: int | None, times: int) -> _Answer:
        held = self._read(throttle, shop_id)
        now = self._monotonic()  # reading it may have taken a while
        if held is None:
            return _Answer(None, now + FRESH_SECONDS, 0)
        first = held.retry_seconds if 0 < held.retry_seconds < math.inf else FRESH_SECONDS
        wait = max(first, min(first * 2.0 ** min(times, 30), LONGEST_SECONDS))
        until = now + wait * (1 + random.uniform(0, LONGER))  # noqa: S311 - spreads waiters, guards nothing
        return _Answer(held, until, times + 1)

    def _read(self, throttle: Throttle, shop_id: int | None) -> Held | None:
        try:
            queues = self._queues()
            around = Surroundings(self.pod_id, shop_id, self._single(), queues.store, queues, self._clock)
            held = throttle.held(around)
            if held is not None and not isinstance(held, Held):
                raise TypeError(f"it answered {held!r}, neither a Held nor None")
        except TimeLimitExceeded:
            raise  # it is about the job, and came about while it asked
        except Exception as error:
            # Whatever it is: the throttle said nothing good.
            return Held(f"{throttle.name} cannot be read: {_said(error)}")
        return held

    def _new(self, throttle: Throttle, shop_id: int | None) -> _Reading:
        if len(self._readings) >= MOST_READINGS:
            now = self._monotonic()
            for key, reading in list(self._readings.items()):
                if reading.answer.until + LONGEST_SECONDS < now:
                    self._readings.pop(key, None)
        return self._readings.setdefault((throttle, shop_id), _Reading())


def _said(error: Exception) -> str:
    """Return the first line of what an error says; of SQLAlchemy's, what the driver said."""
    text = str(error.orig if isinstance(error, DBAPIError) else error).strip()
    first = text.splitlines()[0] if text else ""
    kind = type(error).__name__
    return f"{kind}: {first}"[:_REASON_CHARACTERS] if first else kind
