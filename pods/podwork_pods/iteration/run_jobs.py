"""The jobs of a run, pushed by whoever sees that it needs them.

Owns: `RunJobs`. Promises: it may be called at any time and from everywhere; a job that is in Redis is left as
it is. A run whose class this code does not know is left to a process that does. Leaves to others: when a run
needs jobs (`keeper`), how they are pushed (`podwork.iteration.pushing`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podwork.iteration.pushing import push_run

if TYPE_CHECKING:
    from podwork.app import App
    from podwork.job import JobClass
    from podwork_pods.iteration.run import Run


class RunJobs:
    """Pushes what runs lack, through the client to which the application is bound."""

    def __init__(self, app: App) -> None:
        self._app = app

    def of_known(self, run: Run) -> None:
        """Push the jobs of a run, if its class is known here. Raises as `of_class` does."""
        job_class = self._app.job_classes.get(run.job_class)
        if job_class is not None:
            self.of_class(job_class, run)

    def of_class(self, job_class: JobClass[Any], run: Run) -> None:
        """Push the jobs of a run of this class that are not in Redis.

        Raises:
            StoreUnavailable, StoreRefused, ShopOnHold, RedirectLoop: not all of them are there; push again.
        """
        push_run(
            self._app.client,
            job_class,
            run.id,
            run.params,
            shop_id=run.shop_id,
            pod_id=run.pod_id,
            parallel=run.parallel,
        )
