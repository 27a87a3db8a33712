"""Opening a run: by the job that makes it, and by every job that goes on with it.

Owns: `Opening`. A run is made in two steps, each a transaction: its row, and its partitions. What happens in
between loses nothing: whoever comes next cuts it. Promises: its parameters and its collection are checked
before its first batch; one that is refused is a failed run, with the reason, which a person can resume when
that is mended; further jobs are there as soon as there are partitions for them. Leaves to others: working on
it (`shift`), pushing jobs (`push`), and pushing them again where that has failed (`keeper`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from podwork.context import JobContext
from podwork.errors import PodworkError
from podwork.identity import run_of
from podwork.iteration.declaration import Declaration
from podwork.iteration.states import RunState
from podwork.job import JobClass
from podwork.points import reach
from podwork.retry import describe
from podwork_pods.iteration.collections.errors import InvalidCollection
from podwork_pods.iteration.course import Course
from podwork_pods.iteration.run import HANDS_OUT, NewRun, Run
from podwork_pods.iteration.shard import IterationShard
from podwork_pods.iteration.shop_rows import task_of_run
from podwork_pods.iteration.task import Opened, declaration_of
from podwork_pods.iteration.trouble import Kind, kind_of

log = logging.getLogger("podwork.iteration")


class Opening:
    """Opens the runs of one pod.

    Args:
        shard: where they are. push: pushes the jobs of a run that are missing.
        lease_seconds: who has not said for so long that it lives is taken for dead.
    """

    def __init__(
        self, shard: IterationShard, push: Callable[[JobClass[Any], Run], object], lease_seconds: float
    ) -> None:
        self._shard = shard
        self._push = push
        self._lease_seconds = lease_seconds

    def open(self, job_class: JobClass[Any], args: Mapping[str, Any], context: JobContext) -> Opened | None:
        """Return the run on which this job works; None: there is nothing to be done for it."""
        declared = declaration_of(job_class)
        run = self._find(declared, args, context)
        if run is None or run.state.is_over or run.state is RunState.PAUSED:
            return None
        opened = self._prepare(declared, run, context)
        if opened is None or opened.run.state in HANDS_OUT:
            return opened if opened is None else self._cut(job_class, opened)
        Course(self._shard, run, opened.task.job, self._lease_seconds).settle(context.job_id, "")
        return None

    def _find(self, declared: Declaration, args: Mapping[str, Any], context: JobContext) -> Run | None:
        run_id = run_of(context.job_id)
        run = self._shard.runs.get(run_id)
        if run is not None:
            return run
        if context.job_id != run_id:
            log.warning("job %s: there is no run %s here", context.job_id, run_id)
            return None
        new = NewRun(
            run_id,
            declared.name,
            dict(args),
            shop_id=context.shop_id,
            parallel=declared.target.parallel,
            group_id=context.group_id,
        )
        reach("opening.making")
        with self._shard.open(context.shop_id) as session:
            run = self._shard.runs.create(session.connection(), new, ())
        reach("opening.made")
        return run

    def _prepare(self, declared: Declaration, run: Run, context: JobContext) -> Opened | None:
        """Make the job and its collection; None: they are refused, and the run has failed."""
        job = None
        try:
            job = declared.job(context, run.params, run.shop_id)
            return Opened(run, task_of_run(self._shard.tables(), declared, job, run))
        except BaseException as error:
            self._refused(Course(self._shard, run, job, self._lease_seconds), run, error)
            return None

    def _cut(self, job_class: JobClass[Any], opened: Opened) -> Opened | None:
        """Give the run its partitions, if it has none."""
        run = opened.run
        if run.partitions:
            return opened
        try:
            with self._shard.open(run.shop_id) as session:
                connection = session.connection()
                slices = opened.task.collection.slices(connection, run.parallel)
                if not slices:
                    raise InvalidCollection(
                        f"{run.job_class}: slices() returned none", "return one at least, though it be empty"
                    )
                total = opened.task.collection.count(connection)
                can_leave_out = opened.task.apart is not None
                run = self._shard.runs.cut(connection, run.id, slices, total, leaves_out=can_leave_out)
        except BaseException as error:
            self._refused(Course(self._shard, run, opened.task.job, self._lease_seconds), run, error)
            return None
        reach("opening.cut")
        self._push_further(job_class, run)
        return opened._replace(run=run)

    def _push_further(self, job_class: JobClass[Any], run: Run) -> None:
        if run.parallel <= 1:
            return
        try:
            self._push(job_class, run)
        except PodworkError as error:
            log.warning("run %s: its further jobs come later: %s", run.id, error)

    def _refused(self, course: Course, run: Run, error: BaseException) -> None:
        if kind_of(error) is not Kind.FAILED:
            raise error
        reason = f"it cannot be begun: {describe(error)}"
        course.fail(error, reason)
        log.error("run %s of %s failed: %s", run.id, run.job_class, reason, exc_info=error)
