"""The demo's migrations: a column for net prices and a backfill of it, under a plan, while jobs go on.

Through a rolling restart, a kill, and a pod on which one fails once. Owns: the order of its steps, and its
pace: a backfill is held back until its rate is set, and let go when it was interrupted, however few lines
there are. Promises: it fails when nothing is done for `STALL_SECONDS`, and when it was over before it could
be interrupted. Leaves to others: the job (`jobs`), the files (`migration_files`), the check (`net_prices`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path

from sqlalchemy import text

from podwork.iteration.states import RunState
from podwork_migrations.ledger.states import EntryState
from podwork_migrations.migration import Kind
from podwork_migrations.plan.plan import PlanOptions
from podwork_migrations.plan.states import PlanState
from podwork_ops.composition import Platform
from podwork_ops.demo.errors import BackfillFailed, NothingToKill, Stalled
from podwork_ops.demo.jobs import FillNetPrices, collect_order
from podwork_ops.demo.progress import Parts, Steps
from podwork_ops.demo.report import Backfill, Kill
from podwork_ops.demo.workers import Workers
from podwork_pods.iteration.control import Settings
from podwork_pods.iteration.status import RunStatus

STALL_SECONDS = 60.0
POLL_SECONDS = 0.1
SLOW_SECONDS = 12.0
"""How long a pod's backfill would take at the rate at which it begins."""
LEFT_SECONDS = 10.0
"""How much is left at least, at the rate of then, when it is interrupted."""
RESTART_AT, KILL_AT = 0.15, 0.5
JOBS_EACH_LOOK = 5
"""So many jobs are enqueued again with each look, so that others than the backfill are to be done."""
ADD_COLUMN = "ALTER TABLE order_lines ADD COLUMN net_cents BIGINT NOT NULL DEFAULT 0"
DROP_COLUMN = "ALTER TABLE order_lines DROP COLUMN net_cents"
WHO = "podctl demo"

Basket = tuple[int, int]
"""(shop_id, basket_id)"""


def run_migrations(
    platform: Platform,
    workers: Workers,
    lines: Mapping[int, int],
    baskets: Sequence[Basket],
    logs: Path,
    steps: Steps,
) -> Backfill:
    """Apply both migrations on all pods; return what came of it. `lines` says how many each pod has."""
    with steps.parts(
        "add and fill net prices", {f"pod {pod}": number for pod, number in lines.items()}
    ) as parts:
        filling = _Filling(platform, workers, lines, baskets, logs, parts)
        canary, *others = lines
        spoilt = others[-1] if others else canary
        with platform.engine(spoilt).begin() as shard:
            shard.execute(text(ADD_COLUMN))
        steps.say(f"  somebody has added the column to pod {spoilt} by hand")
        filling.start()
        steps.say(f"  plan 1 runs: pod {canary} first, then {len(others)} more")
        kill = None
        for wave in ([canary], others) if others else ([canary],):
            if spoilt in wave:
                error = filling.mend(spoilt)
                steps.say(f"  pod {spoilt} failed: {error}")
                steps.say("  the column is dropped, the migration retried, the plan released")
            filling.pace(wave)
            for pod_id in wave:
                filling.wait(lambda pod_id=pod_id: filling.share([pod_id]) >= RESTART_AT)  # type: ignore[misc]
                restarted = filling.restart(pod_id)
                steps.say(f"  restarted the worker of pod {pod_id} (SIGHUP) at {restarted:,} lines")
            if spoilt in wave:
                filling.wait(lambda wave=wave: filling.share(wave) >= KILL_AT)  # type: ignore[misc]
                kill, seconds = filling.kill(wave)
                held = f"holding {kill.held} part" + ("s" if kill.held > 1 else "")
                steps.say(f"  killed the worker of pod {kill.pod_id} (SIGKILL, pid {kill.pid}) {held}")
                steps.say(f"  another worker took over after {seconds:.1f} s; no more limit on rows/s")
            filling.let_go(wave)
        assert kill is not None
        filling.wait(filling.is_done)
        filling.finish_jobs()
    return filling.result(kill)


class _Filling:
    """The plan and the runs of its backfill, watched and interrupted."""

    def __init__(
        self,
        platform: Platform,
        workers: Workers,
        lines: Mapping[int, int],
        baskets: Sequence[Basket],
        logs: Path,
        parts: Parts,
    ) -> None:
        self._platform = platform
        self._workers = workers
        self._lines = lines
        self._logs = logs
        self._parts = parts
        self._begun = self._moved = time.monotonic()
        self._seen: object = None
        self._statuses: dict[int, RunStatus] = {}
        # Over and over: a job that is done again changes no order.
        self._jobs: Iterator[Basket] = cycle(baskets)
        self._enqueued = 0
        self._retried = 0
        self._number = 0
        for pod_id in lines:
            self._brake(pod_id).touch()

    def start(self) -> None:
        """Make a plan and start it: the first pod is the canary, then all others."""
        migrations = self._platform.migrations
        options = PlanOptions(canary=min(self._lines), waves=("1", "100%"), soak_seconds=1.0)
        draft = migrations.plans.create(migrations.library.migrations, options=options, by=WHO)
        self._number = migrations.plans.start(draft.number, migrations.library.migrations, by=WHO).number

    def share(self, pods: Sequence[int]) -> float:
        """What part of these pods' lines is done."""
        done = sum(self._statuses[pod].rows_done for pod in pods if pod in self._statuses)
        return done / max(1, sum(self._lines[pod] for pod in pods))

    def is_done(self) -> bool:
        """Whether the plan has succeeded."""
        return self._platform.migrations.plans.get(self._number).state is PlanState.SUCCEEDED

    def mend(self, pod_id: int) -> str:
        """Wait until the schema migration has failed on the pod, mend it, and go on; return the error."""
        control, ledger = self._platform.migrations.control(pod_id), self._platform.migrations.ledger(pod_id)
        failed = next(one for one in self._platform.migrations.library if one.kind is Kind.SCHEMA)

        def has_failed() -> bool:
            entry = ledger.get(failed.version)
            return entry is not None and entry.state is EntryState.FAILED

        self.wait(has_failed)
        entry = ledger.get(failed.version)
        assert entry is not None
        with self._platform.engine(pod_id).begin() as shard:
            shard.execute(text(DROP_COLUMN))
        self._retried += control.retry(failed.version, reason="the column is dropped", by=WHO).did_change
        plans = self._platform.migrations.plans

        def goes_on() -> bool:
            if plans.get(self._number).state is PlanState.HALTED:
                plans.resume(self._number, by=WHO)
            state = ledger.get(failed.version)
            return state is not None and state.state is EntryState.APPLIED

        self.wait(goes_on)
        return entry.error.partition(" [SQL")[0].rpartition(f"{entry.id}: ")[2].partition(" - ")[0]

    def pace(self, pods: Sequence[int]) -> None:
        """Wait until the pods' runs are there, give each its rate, and take the brake off."""
        self.wait(lambda: all(pod in self._statuses for pod in pods))
        for pod_id in pods:
            rate = max(1.0, self._lines[pod_id] / SLOW_SECONDS)
            settings = Settings(rows_per_second=rate, parallel=self._workers.threads)
            self._platform.runs(pod_id).set(self._statuses[pod_id].run.id, settings)
            self._brake(pod_id).unlink()

    def wait(self, over: Callable[[], bool]) -> None:
        """Look until it is so. Raises WorkerEnded, Stalled, BackfillFailed."""
        while True:
            self._look()
            if over():
                return
            self._workers.check()
            for pod_id, status in self._statuses.items():
                if status.run.state is RunState.FAILED:
                    raise BackfillFailed(pod_id, status.words, self._logs)
            idle_seconds = time.monotonic() - self._moved
            if idle_seconds > STALL_SECONDS:
                raise Stalled(idle_seconds, self._described(), self._logs)
            time.sleep(POLL_SECONDS)

    def restart(self, pod_id: int) -> int:
        """Have the pod's worker replace its child; return how many lines were done when it was asked.

        Raises NothingToKill: they were all done.
        """
        self._leave_enough(pod_id)
        before = {process.incarnation for process in self._platform.inspection(pod_id).processes()}
        done = self._statuses[pod_id].rows_done
        self._workers.of(pod_id).restart()

        def is_new() -> bool:
            now = {process.incarnation for process in self._platform.inspection(pod_id).processes()}
            return bool(now) and before.isdisjoint(now)

        self.wait(is_new)
        return done

    def kill(self, pods: Sequence[int]) -> tuple[Kill, float]:
        """Kill the worker of the pod with most to do, while it works, and start another.

        Returns what was killed, and after how many seconds another one held what it had held. Raises
        NothingToKill: all lines were done.
        """
        left = {pod: self._lines[pod] - self._statuses[pod].rows_done for pod in pods}
        pod_id = max(left, key=lambda pod: left[pod])
        self._leave_enough(pod_id)
        self.wait(lambda: self._statuses[pod_id].run.state.is_over or self._statuses[pod_id].held > 0)
        worker = self._workers.of(pod_id)
        worker.kill()
        killed_at = time.monotonic()
        self._look()
        held = {part.number: part.lease_epoch for part in self._statuses[pod_id].partitions if part.owner}
        if not held:
            raise NothingToKill
        self._workers.start(pod_id)
        self.wait(
            lambda: any(
                part.lease_epoch > held.get(part.number, part.lease_epoch)
                for part in self._statuses[pod_id].partitions
            )
        )
        return Kill(pod_id, worker.pid, len(held)), time.monotonic() - killed_at

    def let_go(self, pods: Sequence[int]) -> None:
        """Take the limit away."""
        for pod_id in pods:
            run = self._statuses[pod_id].run
            if not run.state.is_over:
                self._platform.runs(pod_id).set(run.id, Settings(rows_per_second=None))

    def finish_jobs(self) -> None:
        """Wait until the jobs are done that were enqueued meanwhile."""
        self._jobs = iter(())
        self.wait(lambda: not any(self._unfinished(pod_id) for pod_id in self._lines))

    def result(self, kill: Kill) -> Backfill:
        """Return what came of it."""
        statuses = list(self._statuses.values())
        return Backfill(
            lines=sum(self._lines.values()),
            rows_done=sum(status.rows_done for status in statuses),
            states=[status.run.state.value for status in statuses],
            interruptions=sum(status.interruptions for status in statuses),
            kill=kill,
            seconds=time.monotonic() - self._begun,
            applied={pod_id: self._applied(pod_id) for pod_id in self._lines},
            retries=self._retried,
            jobs_meanwhile=self._enqueued,
        )

    def _applied(self, pod_id: int) -> int:
        return sum(entry.state is EntryState.APPLIED for entry in self._platform.migrations.entries(pod_id))

    def _leave_enough(self, pod_id: int) -> None:
        """Slow it down where it would be over too soon. Raises NothingToKill: it is over."""
        status = self._statuses[pod_id]
        left, rate = self._lines[pod_id] - status.rows_done, status.run.rows_per_second
        if status.run.state.is_over or not left:
            raise NothingToKill
        if rate and left / rate < LEFT_SECONDS:
            slower = Settings(rows_per_second=left / LEFT_SECONDS)
            self._platform.runs(pod_id).set(status.run.id, slower)

    def _look(self) -> None:
        some = [{"shop_id": shop, "basket_id": basket} for shop, basket in islice(self._jobs, JOBS_EACH_LOOK)]
        if some:
            collect_order.enqueue_bulk(some)
            self._enqueued += len(some)
        for pod_id in self._lines:
            found = self._platform.runs(pod_id).listing.page(job_class=FillNetPrices.job_class.name, limit=1)
            if found:
                self._statuses[pod_id] = found[0]
        plan = self._platform.migrations.plans.current()
        seen = (plan, {pod: (status.run, status.partitions) for pod, status in self._statuses.items()})
        if seen != self._seen:
            self._seen, self._moved = seen, time.monotonic()
        for pod_id, status in self._statuses.items():
            self._parts.reach(f"pod {pod_id}", status.rows_done)

    def _unfinished(self, pod_id: int) -> int:
        """Return how many jobs of baskets are left, without those of the platform's own schedules."""
        counts = self._platform.inspection(pod_id).counts()
        return counts.ready + counts.held

    def _brake(self, pod_id: int) -> Path:
        return self._logs / f"brake-{pod_id}"

    def _described(self) -> str:
        return "; ".join(
            f"pod {pod_id}: {status.run.state}, {status.rows_done:,} of {self._lines[pod_id]:,} lines"
            for pod_id, status in self._statuses.items()
            if not status.run.state.is_over
        )
