"""The keeper: sees to it that every run that is to go on has jobs in Redis.

Owns: `Keeper`, its thread, and `keeper_service`. A run is made, goes on and ends in its jobs; they are lost
when Redis is emptied, they may not have been pushed when their pusher died, and a person who resumes a run
has no application to push them with. So the pod's leader looks at the shard: at runs that hand out work and
have something that nobody works on, and at runs that wait to be paused or cancelled by somebody who is gone.
Promises: a job that is in Redis is left as it is, so that any number of keepers, and a mistaken one, do no
harm; a run that does not get on costs less and less. A run whose jobs are all dead fails, with what the dead
set says. Runs of shops that are not here, whose rows are kept or arriving, are left alone; one whose shop is
being moved just now, or that a person changes, is left for later. Whatever becomes of one, the others are
kept. Leaves to others: what the jobs then do.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from sqlalchemy.exc import DBAPIError

from podwork.errors import PodworkError, RedirectLoop, RunConflict
from podwork.identity import job_of_run
from podwork.iteration.states import RunState
from podwork.points import reach
from podwork.worker.life import LifeThread
from podwork.worker.spec import Service, Surroundings
from podwork_pods.iteration.partition import Partition, PartitionState
from podwork_pods.iteration.run import HANDS_OUT, Run
from podwork_pods.iteration.shard import IterationShard
from podwork_pods.iteration.trouble import Kind, kind_of

STANDBY_SECONDS: Final = 0.5
LOOK_SECONDS: Final = 2.0
LONGEST_SECONDS: Final = 60.0
PAGE_RUNS: Final = 500
WATCHED: Final = HANDS_OUT | {RunState.PAUSING, RunState.CANCELLING}

log = logging.getLogger("podwork.iteration")


class Pushed(NamedTuple):
    """When a run's jobs were pushed last, and after how long that is worth doing again."""

    revision: int
    at: float
    again_seconds: float


class Keeper:
    """Looks after the runs of one pod.

    Args:
        shard: where they are. push: pushes the jobs of a run that are missing.
        lease_seconds: who has not said for so long that it lives is taken for dead.
    """

    def __init__(self, shard: IterationShard, push: Callable[[Run], object], lease_seconds: float) -> None:
        self._shard = shard
        self._push = push
        self._lease_seconds = lease_seconds
        self._pushed: dict[str, Pushed] = {}

    def turn(self, around: Surroundings) -> None:
        """Look once at every run that is to go on.

        Raises what one of them met, after the others were looked at; at once, if they would all meet it.
        """
        seen: set[str] = set()
        met: list[PodworkError] = []
        for run in self._watched():
            seen.add(run.id)
            if self._is_due(run):
                met += self._try(run, around)
        self._pushed = {run_id: pushed for run_id, pushed in self._pushed.items() if run_id in seen}
        if met:
            raise met[0]

    def _watched(self) -> list[Run]:
        runs = self._shard.runs
        found = page = runs.page(WATCHED, limit=PAGE_RUNS)
        while len(page) == PAGE_RUNS:
            page = runs.page(WATCHED, limit=PAGE_RUNS, after=page[-1])
            found = [*found, *page]
        away = self._shard.away({run.shop_id for run in found if run.shop_id is not None})
        return [run for run in found if run.shop_id not in away]

    def _is_due(self, run: Run) -> bool:
        last = self._pushed.get(run.id)
        if last is None or last.revision != run.revision:  # somebody has done something about it
            return True
        return time.monotonic() >= last.at + last.again_seconds

    def _try(self, run: Run, around: Surroundings) -> list[PodworkError]:
        """Keep a run; return what has to be said about it, and raise what concerns the other runs, too.

        There is nothing to be said of one whose shop is on its way just now, or that a person is about to
        change. Pods that redirect to one another have not all heard of the shop's switch.
        """
        try:
            self._keep(run, around)
        except PodworkError as error:
            kind = kind_of(error)
            if kind is Kind.OUTAGE:
                raise
            if kind is not Kind.ELSEWHERE and not isinstance(error, RunConflict | RedirectLoop):
                return [error]
            log.debug("run %s is left for later: %s", run.id, error)
        return []

    def _keep(self, run: Run, around: Surroundings) -> None:
        if not self._lacks_jobs(run, self._shard.partitions.of(run.id)):
            self._pushed.pop(run.id, None)
            return
        reach("keeper.pushing")
        self._push(run)
        last = self._pushed.get(run.id)
        if last is not None and last.revision == run.revision:
            # Pushed before, and still nobody: they wait, or they are dead.
            self._bury(run, around)
        again_seconds = LOOK_SECONDS if last is None else min(2 * last.again_seconds, LONGEST_SECONDS)
        self._pushed[run.id] = Pushed(run.revision, time.monotonic(), again_seconds)

    def _lacks_jobs(self, run: Run, parts: Sequence[Partition]) -> bool:
        """Whether something is to be done for the run that nobody seems to be there for."""
        alive_since = self._shard.clock.now() - self._lease_seconds
        live = [part for part in parts if part.is_held_since(alive_since, run.forced)]
        if not live:
            return True  # to be cut, begun, finished, paused or cancelled
        if run.state not in HANDS_OUT or len(live) >= run.parallel:
            return False
        return any(
            part.state in (PartitionState.WAITING, PartitionState.RUNNING)
            for part in parts
            if part not in live
        )

    def _bury(self, run: Run, around: Surroundings) -> None:
        """Let the run fail if all of its jobs are dead. Resumed, it gets new ones."""
        from podwork.inspection import Inspection  # noqa: PLC0415 - hardly ever needed
        from podwork.interventions import Interventions  # noqa: PLC0415 - likewise

        ids = [job_of_run(run.id, number) for number in range(run.parallel)]
        jobs = [job for job in Inspection(around.queues.store).jobs_of(ids) if job is not None]
        if not jobs or any(job.state != "dead" for job in jobs):
            return
        self._fail(run, jobs[0].error)
        Interventions(around.queues.store).discard([job.id for job in jobs])  # the run says why

    def _fail(self, run: Run, error: str) -> None:
        reason = f"its job is in the dead set: {error}"
        log.error("run %s failed: %s", run.id, reason)
        with self._shard.open(run.shop_id) as session:
            self._shard.runs.transition(
                session.connection(), run.id, RunState.FAILED, reason=reason, revision=run.revision
            )


def keeper_service(
    shard: IterationShard, push: Callable[[Run], object], lease_seconds: float = 15.0
) -> Service:
    """Return what makes the keeper's thread in a child."""

    def make(around: Surroundings) -> LifeThread:
        return KeeperThread(Keeper(shard, push, lease_seconds), around)

    return make


class KeeperThread(LifeThread):
    """Keeps while its process leads the pod."""

    def __init__(self, keeper: Keeper, around: Surroundings) -> None:
        super().__init__("podwork-iteration-keeper", around.life)
        self._keeper = keeper
        self._around = around
        self._trouble = ""

    def work(self) -> None:
        """Look again and again, whenever this process leads."""
        while True:
            if not self.life.is_leader:
                time.sleep(STANDBY_SECONDS)
                continue
            self._try()
            time.sleep(LOOK_SECONDS)

    def _try(self) -> None:
        try:
            self._keeper.turn(self._around)
        except (PodworkError, DBAPIError) as error:
            if self._trouble != type(error).__name__:  # said once
                self._trouble = type(error).__name__
                log.warning("runs are not looked after: %s", error)
        else:
            self._trouble = ""
