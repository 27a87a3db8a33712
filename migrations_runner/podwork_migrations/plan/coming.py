"""Whether a migration comes to a pod by itself, because a plan has it.

Owns: `Coming`. Promises: it only reads; it says yes only of what goes on without a person: the plan that
decides about the pod (`considering`) rolls out, or is over and takes up late pods, and the pod is not left
out. Leaves to others: when that will be (the gate), and a pod whose line has stopped (its ledger says so).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy import Connection

from podwork_migrations.plan import placing, rows
from podwork_migrations.plan.fleet import Fleet
from podwork_migrations.plan.states import PlanState
from podwork_pods.directory import Directory
from podwork_pods.pod import Pod

_ROLLS_OUT: Final = frozenset({PlanState.RUNNING, PlanState.SOAKING, PlanState.SUCCEEDED})


class Coming:
    """Asks the plans. `directory` has them; `pods` gives the registry's pods as they are now."""

    def __init__(self, directory: Directory, pods: Callable[[], Sequence[Pod]]) -> None:
        self._directory = directory
        self._pods = pods

    def __call__(self, version: str, pod_id: int) -> str:
        """Name the plan that brings the version to the pod by itself; "": none does.

        Raises DirectoryUnavailable, RegistryUnavailable.
        """
        pods = self._pods()
        return self._directory.read(lambda connection: _plan(connection, version, pod_id, pods))


def _plan(connection: Connection, version: str, pod_id: int, pods: Sequence[Pod]) -> str:
    fleet = Fleet.of(pods, rows.notes(connection))
    if fleet.why_blocked(pod_id) is not None:
        return ""
    for plan, planned in rows.plans_with(connection, version):
        placed = rows.placements_of(connection, plan.id)
        if pod_id in placed or pod_id in placing.joining(plan, placed, fleet.states, pod_id):
            # As the gate has it: no other plan is asked about this pod.
            is_coming = plan.state in _ROLLS_OUT and planned.is_for(pod_id)
            return f"plan {plan.number}" if is_coming else ""
    return ""
