"""Plans of moves as people reach them from one process: which shops a plan would have, and its orders.

Owns: `MovePlanAccess`, `Aim`, `Proposal`. Promises: proposing reads only. Leaves to others: choosing
(`podwork_pods.mover.plans.selection`), plans (`podwork_pods.mover.plans.plans`), printing
(`podwork_ops.cli`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from podwork_ops.application import load_tables
from podwork_pods.engines import reader
from podwork_pods.mover.plans import loads
from podwork_pods.mover.plans.errors import InvalidMovePlan
from podwork_pods.mover.plans.plan import MovePlan
from podwork_pods.mover.plans.plans import MovePlans
from podwork_pods.mover.plans.selection import Choice, PodLoad, evacuate, rebalance, to_one
from podwork_pods.mover.plans.states import PlanState
from podwork_pods.pod import Pod, PodState

if TYPE_CHECKING:
    from podwork_ops.composition import Platform

_LEAVING = frozenset({PodState.ACTIVE, PodState.DRAINING})


class Aim(NamedTuple):
    """What a plan is for: exactly one of the first four. `to_pod` goes with `from_pod` and `shops`."""

    from_pod: int | None = None
    evacuated: int | None = None
    is_rebalance: bool = False
    shops: Collection[int] = ()
    to_pod: int | None = None

    def __str__(self) -> str:
        """Return it in words."""
        if self.evacuated is not None:
            return f"pod {self.evacuated} is evacuated"
        if self.is_rebalance:
            return "the pods are evened out"
        if self.from_pod is not None:
            return f"all shops of pod {self.from_pod} go to pod {self.to_pod}"
        count = len(self.shops)
        return f"{count} {'shop goes' if count == 1 else 'shops go'} to pod {self.to_pod}"


class Proposal(NamedTuple):
    """What a plan would have: its shops in the order of their turns, and how loaded each pod is and would be.

    `pods`: a row each, with `pod_id`, `weight`, `load`, `load_after`, `leave`, `come`. `moving`: those of the
    shops that have a move which is not over, and wait for it.
    """

    choices: Sequence[Choice]
    pods: Sequence[dict[str, Any]]
    moving: Sequence[int] = ()


class MovePlanAccess:
    """The plans of moves of a fleet, for those who operate them."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    @cached_property
    def store(self) -> MovePlans:
        """The plans, in the directory's database."""
        return MovePlans(self._platform.directory)

    def to_change(self, *, dry_run: bool = False) -> MovePlans:
        """Return the plans; `dry_run`: orders about them are checked and undone."""
        return MovePlans(self._platform.directory, dry_run=dry_run)

    def waits_for(self, plan: MovePlan) -> str:
        """Say for people why none of a plan's shops begins, though some wait; "": one does, or need not.

        Raises DirectoryUnavailable, RegistryUnavailable.
        """
        from podwork_pods.mover.plans.turns import why_none_begins  # noqa: PLC0415 - with what begins moves

        if plan.state is not PlanState.RUNNING:
            return ""
        pods = self._platform.pods()
        return self._platform.directory.read(lambda connection: why_none_begins(connection, plan, pods))

    def propose(self, aim: Aim, *, by_rows: bool) -> Proposal:
        """Choose a plan's shops. `by_rows`: by their rows, for which shards are asked; else by their number.

        Raises:
            InvalidMovePlan: a pod takes no shops, or lets none go, or no pod takes those that are to go.
            UnknownPod, UnknownShop: there is none.
            AppNotLoaded, TablesBlocked: the declaration cannot be used to count rows.
            ShardUnavailable, DirectoryUnavailable, RegistryUnavailable: it does not answer.
        """
        pods = self._platform.pods()
        if aim.is_rebalance or aim.evacuated is not None:
            return self._spread(aim, pods, by_rows=by_rows)
        assert aim.to_pod is not None
        _check(self._platform.pod(aim.to_pod), PodState.ACTIVE, why="takes no shops")
        if aim.from_pod is not None:
            _check(self._platform.pod(aim.from_pod), *_LEAVING, why="lets no shop go")
            leaving = [self._counted(self._platform.pod(aim.from_pod), by_rows=by_rows)]
        else:
            leaving = self._located(aim.shops, pods)
        return self._proposal(leaving, to_one(leaving, aim.to_pod))

    def _spread(self, aim: Aim, pods: Sequence[Pod], *, by_rows: bool) -> Proposal:
        if aim.evacuated is not None:
            _check(self._platform.pod(aim.evacuated), *_LEAVING, why="lets no shop go")
        counted = [
            self._counted(pod, by_rows=by_rows)
            for pod in pods
            if pod.state in _LEAVING and (pod.weight or pod.id == aim.evacuated)
        ]
        if aim.evacuated is not None:
            return self._proposal(counted, evacuate(counted, aim.evacuated))
        return self._proposal(counted, rebalance(counted))

    def _counted(self, pod: Pod, *, by_rows: bool) -> PodLoad:
        rows: Mapping[int, int] = {}
        if by_rows:
            from podwork_pods.mover.tables import catalogue  # noqa: PLC0415 - with what reads a schema

            engine = self._platform.engine(pod.id)
            with reader(engine).connect() as shard:
                tables = catalogue.read(shard, load_tables(self._platform.settings.moves.tables))
            rows = loads.rows_by_shop(engine, tables)
        shops = {
            shop_id: rows.get(shop_id, 0) if by_rows else 1
            for shop_id in loads.shops_of(self._platform.directory, pod.id)
        }
        is_active = pod.state is PodState.ACTIVE
        return PodLoad(pod.id, pod.weight, shops, takes=is_active, leaves=pod.state in _LEAVING)

    def _located(self, shops: Collection[int], pods: Sequence[Pod]) -> list[PodLoad]:
        """Return the pods that have these shops, with these only."""
        found: dict[int, dict[int, int]] = {}
        for shop_id in sorted(set(shops)):
            found.setdefault(self._platform.directory.locate(shop_id).pod_id, {})[shop_id] = 1
        known = {pod.id: pod for pod in pods}
        return [PodLoad(pod_id, known[pod_id].weight, shops) for pod_id, shops in sorted(found.items())]

    def _proposal(self, pods: Sequence[PodLoad], choices: Sequence[Choice]) -> Proposal:
        moving = self.store.moving([choice.shop_id for choice in choices])
        return Proposal(choices, _pods(pods, choices), moving)


def _check(pod: Pod, *states: PodState, why: str) -> None:
    if pod.state not in states:
        raise InvalidMovePlan(f"pod {pod.id} is {pod.state}: it {why}", "see: podctl pods get")


def _pods(pods: Sequence[PodLoad], choices: Sequence[Choice]) -> list[dict[str, Any]]:
    rows = {
        pod.pod_id: {
            "pod_id": pod.pod_id,
            "weight": pod.weight,
            "load": pod.load,
            "load_after": pod.load,
            "leave": 0,
            "come": 0,
        }
        for pod in pods
    }
    for choice in choices:
        for pod_id, verb, sign in ((choice.from_pod, "leave", -1), (choice.to_pod, "come", 1)):
            if pod_id in rows:
                rows[pod_id][verb] += 1
                rows[pod_id]["load_after"] += sign * choice.load
    return list(rows.values())
