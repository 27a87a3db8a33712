"""Rules that halt a plan.

Owns: `verdict` (a pod failed), `dead_end` (nothing is left but what failed), and `Alarm` (something else went
wrong: errors, latency). Promises: a halt only keeps others from beginning. The first two are judged when a
pod reports something new, and not again, so that a person's `resume` stands until the next failure. An alarm
that cannot be measured lets nobody go. Leaves to others: the state (`states`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from podwork_migrations.plan import moving
from podwork_migrations.plan.plan import Placement, Plan
from podwork_migrations.plan.states import PlacementState

_NAMED = 8


class Alarm(Protocol):
    """Something that halts a plan when it goes wrong while or after pods migrate, such as jobs that fail."""

    def __call__(self, pod_ids: Sequence[int], /) -> str | None:
        """Return what is wrong on these pods, which have migrated or are about to; None: nothing.

        Asked outside of any transaction, before a pod goes and before a wave opens. Whatever it raises counts
        as not measured.
        """
        ...


def verdict(plan: Plan, placed: Mapping[int, Placement], pod_id: int) -> str | None:
    """Return why the plan halts, now that this pod has failed; None: that many may fail."""
    failed = placed[pod_id]
    if failed.wave == 0:
        return f"canary pod {pod_id} failed: {failed.error}"
    wave = [each for each in placed.values() if each.wave == failed.wave]
    failures = sorted(each.pod_id for each in wave if each.state is PlacementState.FAILED)
    allowed = max(plan.options.failures, plan.options.failures_share * len(wave))
    if len(failures) <= allowed:
        return None
    who = f"{len(failures)} of {len(wave)} pods of wave {failed.wave} failed ({named(failures)})"
    return f"{who}: {failed.error}"


def dead_end(plan: Plan, placed: Mapping[int, Placement], blocked: Collection[int]) -> str | None:
    """Return why the plan halts, if all that its open waves wait for has failed.

    A failure that was known when a person resumed the plan has no error here any more: by itself it does not
    halt again, for its pod may be about to try again, and has not said so yet.
    """
    waited_for = moving.unfinished(plan, placed, blocked)
    error = next((each.error for each in waited_for if each.error), "")
    if not error or any(each.state is not PlacementState.FAILED for each in waited_for):
        return None
    who = named([each.pod_id for each in waited_for])
    return f"{who} failed, and nothing else is left to do in wave {plan.wave}: {error}"


def named(pod_ids: Collection[int]) -> str:
    """Return the pods for people: the first few."""
    ordered = sorted(pod_ids)
    some = ", ".join(str(pod_id) for pod_id in ordered[:_NAMED])
    more = f" and {len(ordered) - _NAMED} more" if len(ordered) > _NAMED else ""
    return f"{'pod' if len(ordered) == 1 else 'pods'} {some}{more}"
