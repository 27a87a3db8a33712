"""Moves in workers: the job that is a mover, and the thread that sees to it that every move has one.

Owns: `declare`, `bind`, `moves_service`, and the job class `podwork.move`. Promises: a move has one such job
on a pod at a time, queued or running, whoever pushes it; any worker of the queue goes on where another one
stopped: asked to stop, a mover lets go of the move at the next place where nobody waits for it, and is queued
again. A job whose move has a mover that lives elsewhere ends. Leaves to others: what a mover does (`mover`),
and the composition: `declare` once, before the worker forks; in each child `bind`, with parts made from the
topology and the application's tables, and `moves_service` among its services.
"""

from __future__ import annotations

import logging
import os
import socket
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from sqlalchemy.exc import DBAPIError

from podwork.app import App
from podwork.context import current_job
from podwork.errors import ConfigurationError, PodworkError
from podwork.queues import Queues
from podwork.signals import Discard, Interrupted, JobSignal, Snooze
from podwork.unique import Unique
from podwork.worker.life import LifeThread
from podwork.worker.spec import Service, Surroundings
from podwork_pods.fence import ShardFence
from podwork_pods.mover.crossing import CrossingOf
from podwork_pods.mover.move import Move
from podwork_pods.mover.mover import Ending, Mover
from podwork_pods.mover.moves import Moves
from podwork_pods.mover.plans.turns import PlanTurns
from podwork_pods.mover.reconciler import SILENT_SECONDS, Reconciler
from podwork_pods.mover.sweeper import Sweeper
from podwork_pods.pod import Pod

JOB: Final = "podwork.move"
"""The job class's name."""
QUEUE: Final = "control"
STANDBY_SECONDS: Final = 0.5
LOOK_SECONDS: Final = 5.0
BUSY_SECONDS: Final = 0.2
"""Who has begun moves of a plan looks again so soon for a while: small ones take less than a second."""
SWEEP_SECONDS: Final = 15.0

log = logging.getLogger("podwork.mover")

Parts = tuple[Moves, CrossingOf]
_BOUND: weakref.WeakKeyDictionary[App, Callable[[], Parts]] = weakref.WeakKeyDictionary()


def declare(app: App, queue: str = QUEUE) -> None:
    """Declare the job; once for an application, before its worker forks.

    Raises:
        ConfigurationError: the queue's name is none.
    """
    if JOB in app.job_classes:
        return
    application = weakref.ref(app)

    def move(move_id: int) -> JobSignal | None:
        """Go on with a move."""
        found = application()
        assert found is not None
        return _go_on(found, move_id)

    app.job(name=JOB, queue=queue, retry=0, unique=Unique())(move)


def bind(app: App, parts: Callable[[], Parts]) -> None:
    """Let the application's job move shops with these parts, made when it first runs in this process."""
    made: list[Parts] = []

    def get() -> Parts:
        if not made:
            made.append(parts())
        return made[0]

    _BOUND[app] = get


def push(app: App, move: Move, pod_id: int) -> str:
    """Push a move's job to a pod, unless it is there; return its id. The client has to be bound."""
    return app.job_classes[JOB].enqueue(move.id, pod=pod_id)


def moves_service(
    app: App,
    store: Moves,
    pod_id: int,
    fence: Callable[[int], ShardFence],
    queues: Callable[[int], Queues],
    pods: Callable[[], Sequence[Pod]],
) -> Service:
    """Return what makes the thread in a child that looks after the pod's moves, and after all plans."""

    def make(around: Surroundings) -> LifeThread:
        reconciler = Reconciler(store, pod_id, lambda move: push(app, move, pod_id))
        sweeper = Sweeper(store, pod_id, fence, queues)
        # The target's workers go first (`reconciler`); the source's leader may be the one who looks.
        plans = PlanTurns(store, pods, lambda move: push(app, move, move.away_pod))
        return MovesThread(plans, reconciler, sweeper, around)

    return make


class MovesThread(LifeThread):
    """Looks after moves while its process leads the pod."""

    def __init__(
        self, plans: PlanTurns, reconciler: Reconciler, sweeper: Sweeper, around: Surroundings
    ) -> None:
        super().__init__("podwork-moves", around.life)
        self._plans = plans
        self._reconciler = reconciler
        self._sweeper = sweeper
        self._sweep_at = self._busy_until = 0.0
        self._trouble = ""

    def work(self) -> None:
        """Look again and again, whenever this process leads."""
        while True:
            if not self.life.is_leader:
                time.sleep(STANDBY_SECONDS)
                continue
            self.turn()
            time.sleep(BUSY_SECONDS if time.monotonic() < self._busy_until else LOOK_SECONDS)

    def turn(self) -> None:
        """Look once; what is in the way is said once."""
        troubles = [trouble for look in self._looks() if (trouble := _tried(look))]
        if troubles and self._trouble != troubles[0].partition(":")[0]:
            log.warning("moves are not looked after: %s", troubles[0])
        self._trouble = troubles[0].partition(":")[0] if troubles else ""

    def _looks(self) -> Iterator[Callable[[], object]]:
        """Yield what is to be done now; what fails does not keep the others from being done."""
        yield self._plan
        yield self._reconciler.turn
        if time.monotonic() >= self._sweep_at:
            yield self._sweeper.turn
            self._sweep_at = time.monotonic() + SWEEP_SECONDS

    def _plan(self) -> None:
        if self._plans.turn():
            self._busy_until = time.monotonic() + LOOK_SECONDS


def _tried(look: Callable[[], object]) -> str:
    """Return what stood in the way, its kind first; "": nothing."""
    try:
        look()
    except (PodworkError, DBAPIError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _go_on(app: App, move_id: int) -> JobSignal | None:
    if app not in _BOUND:
        raise ConfigurationError("moves are not bound here", "run it in a worker: podctl workers")
    store, crossing_of = _BOUND[app]()
    job = current_job()
    owner = f"{socket.gethostname()}:{os.getpid()}" + (f":{job.job_id}" if job else "")
    move = store.get(move_id)
    if move.state.is_over:
        return Discard(f"it is {move.state}")
    if _has_another(move, owner, store.directory.clock.now()):
        return Discard(f"{move.owner} is at work on it")
    turn = Mover(store, crossing_of, owner, job.should_stop if job else lambda: False).turn(move_id)
    if turn.ending is Ending.STOPPED:
        raise Interrupted
    if turn.ending is Ending.RESTS:
        # It comes back every few seconds for as long as it is reversible, or held.
        return Snooze(turn.rest_seconds, turn.reason, quiet=turn.reason == move.throttle_reason)
    return Discard(turn.reason) if turn.ending is Ending.LOST else None


def _has_another(move: Move, owner: str, now: float) -> bool:
    """Whether a mover that lives is at work: to take it over would only undo what it is about to do."""
    return move.owner not in ("", owner) and move.heartbeat >= now - SILENT_SECONDS
