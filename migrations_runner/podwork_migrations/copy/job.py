"""The runs of an online copy, as iteration jobs: copying rows, comparing them, purging an old table.

Owns: `declare`, the job classes, their parameters, and how many jobs work on a run at once (`parallel_of`).
Promises: they are runs as any other: progress, throttles, pausing, pace and `podctl runs` work as they do for
a backfill; a batch and its place in the run are one transaction. Leaves to others: beginning and ending them
(`runs`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from sqlalchemy import text

from podwork import App
from podwork.iteration.collection import Collection, Cursor
from podwork.iteration.job import IterationJob
from podwork.iteration.throttle import Throttle
from podwork_migrations.copy.chunks import Chunks, CopyParams
from podwork_migrations.copy.keys import KeyText, literal, values
from podwork_migrations.copy.names import quoted
from podwork_migrations.copy.parts import CopiedRows
from podwork_migrations.copy.verify import CompareParams, Comparison, Spans
from podwork_pods.iteration.collections import rows
from podwork_pods.iteration.throttles import HistoryLength, ThreadsRunning
from podwork_pods.iteration.throttles.server_status import is_mariadb

COPY: Final = "podwork.copy"
COMPARE: Final = "podwork.compare"
PURGE: Final = "podwork.purge"

THROTTLES: Final[tuple[Throttle, ...]] = (ThreadsRunning(most=25), HistoryLength(most=2_000_000))
"""Of the shard itself; `declare` takes others, such as `ReplicaLag`."""


class CopyRows(IterationJob):
    """Copies a table's rows into the copy; rows behind the greatest key of its start come by the triggers."""

    # Rows of a batch are locked against the application's changes until it is committed: in a table of a
    # million rows, two batches of this size meet less than one statement in a hundred.
    target_seconds: ClassVar[float] = 0.05
    batch_size: ClassVar[int] = 1_000
    most_rows: ClassVar[int] = 5_000
    # Some milliseconds of the server's work. Where the round trips take long, because the pod is busy
    # or far away, smaller batches would lock rows for no shorter time, and hardly copy any.
    least_rows: ClassVar[int] = 1_000
    parallel: ClassVar[int] = 2
    throttles: ClassVar[tuple[Throttle, ...]] = THROTTLES

    table: str
    copy: str
    key: list[str]
    table_index: str
    pairs: list[list[str]]
    counter: str

    _chunks: Chunks | None = None

    def collection(self) -> Collection:
        """Return the table's rows, along the key that both tables share."""
        return CopiedRows(self.table, self.key, self.table_index)

    def each_range(self, lo: Cursor, hi: Cursor, /) -> None:
        """Copy what the copy does not have."""
        connection = self.session.connection()
        if self._chunks is None:
            params = CopyParams(self.table, self.copy, self.key, self.table_index, self.pairs, self.counter)
            self._chunks = Chunks(params, is_mariadb=is_mariadb(connection))
        self._chunks.copy(connection, lo, hi)


class CompareRows(IterationJob):
    """Compares table and copy; the run fails at the first row that differs, and its error names the row."""

    batch_size: ClassVar[int] = 5_000
    most_rows: ClassVar[int] = 100_000
    least_rows: ClassVar[int] = 5_000
    parallel: ClassVar[int] = 2
    throttles: ClassVar[tuple[Throttle, ...]] = THROTTLES

    table: str
    copy: str
    key: list[str]
    table_index: str
    copy_index: str
    pairs: list[list[str]]

    def collection(self) -> Collection:
        """Return both tables' keys as spans without a gap."""
        return Spans(self._params())

    def each_range(self, lo: Cursor, hi: Cursor, /) -> None:
        """Compare a span. Raises CopyDiffers."""
        Comparison(self._params()).check(self.session.connection(), lo or None, hi)

    def _params(self) -> CompareParams:
        return CompareParams(self.table, self.copy, self.key, self.table_index, self.copy_index, self.pairs)


class PurgeRows(IterationJob):
    """Deletes the rows of a table that nobody uses any more, so that dropping it is quick."""

    batch_size: ClassVar[int] = 1_000
    throttles: ClassVar[tuple[Throttle, ...]] = THROTTLES

    table: str
    key: list[str]

    def collection(self) -> Collection:
        """Return the table's rows."""
        return rows(self.table, key=self.key)

    def each_range(self, lo: Cursor, hi: Cursor, /) -> None:
        """Delete a range."""
        key = KeyText(self.key)
        between = f"{key.bound('', '>=', 'lo')} AND {key.bound('', '<=', 'hi')}"
        statement = text(f"DELETE FROM {literal(quoted(self.table))} WHERE {between}")  # noqa: S608
        self.session.execute(statement, {**values("lo", lo), **values("hi", hi)})


_JOBS: Final[dict[str, type[IterationJob]]] = {COPY: CopyRows, COMPARE: CompareRows, PURGE: PurgeRows}


def parallel_of(job_class: str, params: Mapping[str, Any]) -> int:
    """Return how many jobs are to work on a run at once, for a person to change (`podctl runs set`).

    Where inserts wait for the copy's counter, two of them would only wait for one another.
    """
    return 1 if params.get("counter") else _JOBS[job_class].parallel


def declare(app: App, queue: str = "default", throttles: tuple[Throttle, ...] = THROTTLES) -> None:
    """Make the jobs known to an application, so that its workers work on their runs.

    Args:
        app: of the workers. queue: in which the jobs wait.
        throttles: what holds them back, such as `(*THROTTLES, ReplicaLag())` where there are replicas.
    """
    for name, base in _JOBS.items():
        # A class of its own for each application: a job class belongs to one.
        made: Any = type(base.__name__, (base,), {"__module__": base.__module__, "throttles": throttles})
        app.job(name=name, queue=queue)(made)
