"""Whether a move that is ready may cut over, as its plan sees it.

Owns: `why_it_waits`, which a mover asks right before a cut-over. Promises: no cut-over of a plan begins
while the plan is paused or has halted, nor in a freeze. One that has begun goes on, and so does a way back:
who wants a shop back has a reason. Leaves to others: what a person holds (`orders`).
"""

from __future__ import annotations

from podwork_pods.directory import Directory
from podwork_pods.mover.move import Move
from podwork_pods.mover.plans import rows
from podwork_pods.mover.plans.calendar import why_frozen
from podwork_pods.mover.plans.states import STANDING


def why_it_waits(directory: Directory, move: Move) -> str:
    """Say for people why the move does not cut over now; "": its plan lets it.

    Raises DirectoryUnavailable.
    """
    if move.leg != 1:
        return ""
    plan = directory.read(lambda connection: rows.of_move(connection, move.id))
    if plan is None:
        return ""
    if plan.state in STANDING:
        return f"plan {plan.id} is {plan.state}: {plan.reason}"
    return why_frozen(plan.options.calendar, directory.clock.now())
