"""An application whose shops change pods, and a move without the copying, for tests.

`record` leaves one row for each run that committed, without any key: a run too many is a row too many.
"""

from __future__ import annotations

from sqlalchemy import insert, select, text
from sqlalchemy import update as sql_update

from podwork import App, current_job
from podwork.interfaces import Route
from podwork_ops.composition import Platform
from podwork_pods import shop_transaction
from podwork_pods.fence import FenceState, table

app = App("moving-shop")
RUNS = "CREATE TABLE IF NOT EXISTS runs (job_id VARCHAR(64), shop_id BIGINT, epoch BIGINT)"
BUDGET = {"mover_epoch": 1, "lock_wait_seconds": 10}


@app.job()
def record(shop_id: int) -> None:
    """Write down which job ran, and under which epoch."""
    job = current_job()
    assert job is not None
    with shop_transaction(shop_id) as session:
        session.execute(
            text("INSERT INTO runs VALUES (:job, :shop, :epoch)"),
            {"job": job.job_id, "shop": shop_id, "epoch": job.epoch},
        )


def prepare(platform: Platform, pod_ids: tuple[int, ...] = (1, 2)) -> None:
    """Make the table of runs in the shards."""
    for pod_id in pod_ids:
        with platform.engine(pod_id).begin() as connection:
            connection.execute(text(RUNS))


def runs(platform: Platform, pod_id: int, shop_id: int) -> list[tuple[str, int]]:
    """Return (job id, epoch) of every run that committed on the pod, in order."""
    with platform.engine(pod_id).connect() as connection:
        rows = connection.execute(text("SELECT job_id, epoch FROM runs WHERE shop_id = :s"), {"s": shop_id})
        return [(row.job_id, row.epoch) for row in rows]


class Move:
    """The steps of a move of one shop as a mover will take them, except for rows and jobs."""

    def __init__(self, platform: Platform, shop_id: int, to_pod: int) -> None:
        self._platform = platform
        self._shop_id = shop_id
        self._from = platform.directory.locate(shop_id)
        self._to = Route(to_pod, self._from.epoch + 1)

    def close(self) -> None:
        """Hold pushes at the source; wait for its transactions in flight, and turn away the later ones."""
        self._gate(self._from.pod_id, "hold", self._from)
        source = self._platform.topology.shard_fence(self._from.pod_id)
        source.close(self._shop_id, self._from.epoch, **BUDGET)

    def switch(self) -> None:
        """Commit: the directory, then the fences, then the gates.

        The source's gate is left open for claims, so that workers come upon what is queued there, and tells
        every push where the shop is.
        """
        self._leave_row(self._to.pod_id, self._to.epoch, FenceState.INCOMING)
        arrived = self._platform.directory.compare_and_set(self._shop_id, self._from, self._to.pod_id)
        assert arrived == self._to
        self._leave_row(self._from.pod_id, self._from.epoch, FenceState.MOVED)
        target = self._platform.topology.shard_fence(self._to.pod_id)
        target.open(self._shop_id, self._to.epoch, **BUDGET)
        self._gate(self._to.pod_id, "open", self._to)
        self._gate(self._from.pod_id, "open", self._to)

    def retire(self) -> None:
        """Close the source's gate for good, when nothing of the shop is left behind it."""
        self._gate(self._from.pod_id, "moved", self._to)

    def _gate(self, pod_id: int, state: str, route: Route) -> None:
        queues = self._platform.topology.queues(pod_id)
        assert queues.set_gate(self._shop_id, state, route.epoch, route.pod_id)

    def _leave_row(self, pod_id: int, epoch: int, state: FenceState) -> None:
        """What the mover will do over the fence's own methods."""
        values = {"epoch": epoch, "state": state, "mover_epoch": 1, "updated_at": 0.0}
        with self._platform.engine(pod_id).begin() as connection:
            mine = table.c.shop_id == self._shop_id
            if connection.execute(select(table.c.epoch).where(mine)).first() is None:
                connection.execute(insert(table).values(shop_id=self._shop_id, **values))
            else:
                connection.execute(sql_update(table).where(mine).values(values))
