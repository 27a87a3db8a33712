"""Why pods do not begin what their plan lets them begin: what `podctl migrations status` asks beside plans.

Owns: `waits`. Promises: only pods of the open waves are asked, a few at most and side by side; one that does
not answer says so. Leaves to others: the runner's own conditions (`podwork_migrations.runner`).
"""

from __future__ import annotations

from collections.abc import Mapping

from podwork_migrations.library import Library
from podwork_migrations.plan.cells import Cell
from podwork_migrations.plan.states import PlacementState, PlanState
from podwork_migrations.plan.status import PodLine, Status
from podwork_ops.cli.each_pod import AT_ONCE, ask_each
from podwork_ops.composition import Platform
from podwork_ops.masking import mask


def waits(platform: Platform, status: Status) -> Mapping[int, str]:
    """Return why pods that may begin do not, as far as anything keeps them."""
    lines = {line.pod_id: line for line in status.pods if _may_begin(status, line)}
    asked = sorted(lines)[:AT_ONCE]
    answers, failures = ask_each(asked, lambda pod: _why(platform, status, lines[pod]))
    silent = {pod: f"it does not answer: {mask(str(error))}" for pod, error in failures.items()}
    return {pod: why for pod, why in {**answers, **silent}.items() if why}


def _may_begin(status: Status, line: PodLine) -> bool:
    plan = next((each for each in status.plans if each.number == status.number), None)
    if plan is None or plan.state is not PlanState.RUNNING or line.blocked is not None:
        return False
    is_moving = any(moving.pod_id == line.pod_id for moving in status.moving)
    return line.state is PlacementState.WAITING and line.wave <= plan.wave and not is_moving


def _why(platform: Platform, status: Status, line: PodLine) -> str:
    """Return what the pod's workers lack, else what its last turn found in the way."""
    places = [place for place, cell in enumerate(line.cells) if cell == Cell.PENDING]
    library = _library(platform)
    if places and library is not None and status.versions[places[0]].version in library:
        migration = library[status.versions[places[0]].version]
        if objection := platform.migrations.objection(line.pod_id, migration):
            return objection
    return mask(platform.migrations.control(line.pod_id).state().trouble)


def _library(platform: Platform) -> Library | None:
    return platform.migrations.library if platform.settings.migrations.folder else None
