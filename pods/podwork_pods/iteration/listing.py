"""Runs as people look for them: lists, by id, by group, by the beginning of an id.

Owns: `Listing`. Promises: it only reads, and waits for no writer; a list costs two statements, however many
runs it holds. Leaves to others: changing runs (`control`), and several pods.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence

from sqlalchemy import Engine, or_, select

from podwork.interfaces import Clock, SystemClock
from podwork.iteration.states import RunState
from podwork_pods.iteration.errors import UnknownRun
from podwork_pods.iteration.partition import COLUMNS, Partition, read
from podwork_pods.iteration.run import Run
from podwork_pods.iteration.runs import Runs
from podwork_pods.iteration.schema import partitions, runs
from podwork_pods.iteration.statements import Statements
from podwork_pods.iteration.status import RunStatus


class Listing:
    """What may be asked about the runs of one pod.

    Args:
        pod_id: the pod.
        engine: gives an engine of its shard that commits every statement by itself (`make_engine`).
        clock: dates the answers.
    """

    def __init__(self, pod_id: int, engine: Callable[[], Engine], clock: Clock | None = None) -> None:
        self.pod_id = pod_id
        self._clock = clock or SystemClock()
        self._statements = Statements(pod_id, engine)
        self._runs = Runs(pod_id, engine, self._clock)

    def get(self, run_id: str) -> RunStatus:
        """Return a run with its partitions. Raises UnknownRun."""
        run = self._runs.get(run_id)
        if run is None:
            raise UnknownRun(self.pod_id, run_id)
        return self._with_partitions([run])[0]

    def page(
        self,
        states: Collection[RunState] = (),
        job_class: str | None = None,
        group_id: str | None = None,
        shop_id: int | None = None,
        *,
        limit: int = 100,
        after: Run | None = None,
    ) -> list[RunStatus]:
        """Return runs, the latest first; see `Runs.page`."""
        found = self._runs.page(states, job_class, group_id, shop_id, limit=limit, after=after)
        return self._with_partitions(found)

    def named(self, text: str, limit: int = 10) -> list[RunStatus]:
        """Return the run of this id, or those of this group; else those whose id, or group's, begins so."""
        exact = self._ids(or_(runs.c.id == text, runs.c.group_id == text), limit)
        begins = or_(*(column.startswith(text, autoescape=True) for column in (runs.c.id, runs.c.group_id)))
        return [self.get(run_id) for run_id in exact or self._ids(begins, limit)]

    def _ids(self, condition: object, limit: int) -> list[str]:
        query = select(runs.c.id).where(condition).order_by(runs.c.id).limit(limit)  # type: ignore[arg-type]
        with self._statements.reading() as connection:
            return list(connection.execute(query).scalars())

    def _with_partitions(self, found: Sequence[Run]) -> list[RunStatus]:
        of_run: dict[str, list[Partition]] = defaultdict(list)
        query = (
            select(*COLUMNS)
            .where(partitions.c.run_id.in_([run.id for run in found]))
            .order_by(partitions.c.run_id, partitions.c.number)
        )
        if found:
            with self._statements.reading() as connection:
                for row in connection.execute(query):
                    part = read(row)
                    of_run[part.run_id].append(part)
        now = self._clock.now()
        return [RunStatus(run, of_run[run.id], now) for run in found]
