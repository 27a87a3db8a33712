"""What stands in a move's way, before anything is changed.

Owns: `MovePreflight`. Promises: it only reads, and names every obstacle at once, each with its remedy: the
pods' states, backfills over whole pods, tables, servers, keys that clash (`mover.tables`), and what further
looks say. Leaves to others: these, such as the comparison of ledgers, which the package above makes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import Engine

from podwork_pods.engines import reader
from podwork_pods.mover.crossing import Found
from podwork_pods.mover.joined.pod_runs import PodRuns
from podwork_pods.mover.passage import Passage
from podwork_pods.mover.rehearsal import COPIED, UNDER_FENCE
from podwork_pods.mover.tables import blockers, catalogue
from podwork_pods.mover.tables.declaration import ShopTables
from podwork_pods.mover.tables.size import size_of
from podwork_pods.pod import Pod, PodState

LEAVING = frozenset({PodState.ACTIVE, PodState.DRAINING})
"""In which a pod lets its shops leave."""


class Obstacle(NamedTuple):
    """What stands in the way, for people. `passes`: by itself, so that the move waits for it."""

    what: str
    passes: bool = False


Look = Callable[[Passage], Iterable[Obstacle]]
"""Names what else stands in the way of a leg; it changes nothing."""


class MovePreflight:
    """What is looked at before a leg begins. `pod_of` and `engine` give a pod's."""

    def __init__(
        self,
        passage: Passage,
        declaration: ShopTables,
        pod_of: Callable[[int], Pod],
        engine: Callable[[int], Engine],
        runs: PodRuns,
        further: Sequence[Look] = (),
    ) -> None:
        self._passage = passage
        self._declaration = declaration
        self._pod_of = pod_of
        self._engine = engine
        self._runs = runs
        self._further = further

    def look(self) -> Found:
        """Step 2."""
        states = list(self._states())
        if states:  # a pod that is down is not asked
            return Found(states, {})
        seen = self._look_further()
        found = [*self._runs.in_the_way(), *(each.what for each in seen if not each.passes)]
        if waits := _passing(seen):  # tables may differ meanwhile: they are looked at when it has passed
            return Found(found, {}, waits)
        here, there = reader(self._engine(self._passage.source)), reader(self._engine(self._passage.target))
        with here.connect() as source, there.connect() as target:
            blocked = blockers.find(source, target, self._declaration, self._passage.shop_id)
            found += [f"{blocker.what} - {blocker.remedy}" for blocker in blocked]
            if found:
                # What differs may have begun to after the first look, and pass by itself.
                waits = _passing(self._look_further()) if blocked else []
                return Found([] if waits else found, {}, waits)
            facts = catalogue.facts_of(source)
            tables = catalogue.compose(facts, self._declaration)
            sizes = size_of(source, facts, tables, self._passage.shop_id)
        rows = {size.table: {"rows": size.rows, "bytes": size.estimated_bytes} for size in sizes}
        late = {COPIED: UNDER_FENCE} if facts.dialect == "sqlite" else {}
        return Found((), {"tables": rows, **late})

    def _look_further(self) -> list[Obstacle]:
        return [obstacle for look in self._further for obstacle in look(self._passage)]

    def _states(self) -> Iterator[str]:
        source, target = (self._pod_of(pod_id) for pod_id in (self._passage.source, self._passage.target))
        if source.state not in LEAVING:
            yield f"pod {source.id} is {source.state}: no shop leaves it - see: podctl pods get"
        if target.state is not PodState.ACTIVE:
            yield f"pod {target.id} is {target.state}: it takes no shops - see: podctl pods get"


def _passing(obstacles: Iterable[Obstacle]) -> list[str]:
    return [each.what for each in obstacles if each.passes]
