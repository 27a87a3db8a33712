"""Which shops the runs over a whole pod leave out: those that are moving, and what was cut out for them.

Owns: `LeftOut` and the statements on `podwork_left_out`. Promises: a batch of a pod's run asks after it has
locked its partition, in the same transaction: a mover that holds the locks of all partitions when it says
that a shop is left out is heard by every batch from then on. A run that cannot leave out shops does nothing
while it has to, and says why. Leaves to others: which rows are whose (`shop_rows`), and what is owed to a
shop that was left out (`mover.joined`).

| group | left out of |
| --- | --- |
| `*` | every run over the pod: the shop is on its way, or its rows are kept here after it has left |
| any other | the runs of this backfill, for good: what it owes is done by a run of the shop's own |
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, Engine, bindparam, delete, insert, or_, select

from podwork.iteration.throttle import Held
from podwork_pods.iteration.prepared import Prepared
from podwork_pods.iteration.schema import left_out
from podwork_pods.iteration.statements import Statements

if TYPE_CHECKING:
    from podwork_pods.iteration.run import Run
    from podwork_pods.iteration.task import Opened, Task

ANY: Final = "*"
OWN_JOBS: Final = "podwork."
"""Jobs of podwork's own work on tables as such, such as an online copy: on every row, whoever's it is."""
LOOK_SECONDS: Final = 5.0
NAMED_SHOPS: Final = 3
FRESH_SECONDS: Final = 1.0
MOST_RUNS: Final = 1_000

_COLUMN: Final = left_out.c
_CONCERNED: Final = Prepared(
    select(_COLUMN.shop_id)
    .where(or_(_COLUMN.group_id == ANY, _COLUMN.group_id == bindparam("of_group")))
    .limit(NAMED_SHOPS)
)


class LeftOut:
    """The shops that the runs of one pod leave out; `single` gives an engine for single statements."""

    def __init__(self, pod_id: int, single: Callable[[], Engine]) -> None:
        self._statements = Statements(pod_id, single)
        self._asked_again: dict[str, float] = {}

    def task(self, connection: Connection, opened: Opened) -> Task | None:
        """Return what a batch of the run does, under its partition's lock; None: nothing for now."""
        if not _asks(opened.run) or not _shops(connection, opened.run):
            return opened.task
        apart = opened.task.apart
        if apart is None:
            self._asked_again.pop(opened.run.id, None)  # `held` is to say so before the next batch
            return None
        return opened.task._replace(collection=apart)

    def held(self, opened: Opened, throttled: Callable[[], Held | None]) -> Callable[[], Held | None]:
        """Return what says why a run has to wait: as `throttled`, or for shops that it cannot leave out.

        For a second nobody is asked again where there were none: what counts is what each batch sees.
        """
        if not _asks(opened.run) or opened.task.apart is not None:
            return throttled

        def held() -> Held | None:
            now, run_id = time.monotonic(), opened.run.id
            if now < self._asked_again.get(run_id, 0.0):
                return throttled()
            with self._statements.reading() as connection:
                shops = _shops(connection, opened.run)
            if not shops:
                if len(self._asked_again) >= MOST_RUNS:
                    self._asked_again.clear()
                self._asked_again[run_id] = now + FRESH_SECONDS
                return throttled()
            named = ", ".join(map(str, shops))
            why = f"shops are moving, or their rows are kept: {named}; it cannot leave them out"
            return Held(why, LOOK_SECONDS)

        return held


def _asks(run: Run) -> bool:
    return run.shop_id is None and not run.job_class.startswith(OWN_JOBS)


def _shops(connection: Connection, run: Run) -> list[int]:
    return list(_CONCERNED.execute(connection, {"of_group": run.backfill}).scalars())


def groups_of(connection: Connection, shop_id: int) -> set[str]:
    """Return the groups whose runs leave the shop out, `ANY` among them."""
    return set(connection.execute(select(_COLUMN.group_id).where(_COLUMN.shop_id == shop_id)).scalars())


def add(connection: Connection, shop_id: int, groups: set[str]) -> None:
    """Let the runs of these groups leave the shop out. Repeatable, under the standstill's lock."""
    if new := groups - groups_of(connection, shop_id):
        connection.execute(
            insert(left_out), [{"group_id": group, "shop_id": shop_id} for group in sorted(new)]
        )


def lift(connection: Connection, shop_id: int) -> None:
    """Let the pod's runs see the shop again, but for those whose work was cut out for it."""
    connection.execute(delete(left_out).where(_COLUMN.shop_id == shop_id, _COLUMN.group_id == ANY))
