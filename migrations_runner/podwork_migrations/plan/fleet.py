"""The fleet as a plan sees it: which pods there are, and which are left out for now.

Owns: `Fleet`. Promises: a pod that is frozen, down, gone from the registry, or blocked by a person does not
begin a migration and is not waited for; it is taken up when it is back. Nothing is concluded from silence: a
pod that nobody hears of is shown, and a person blocks it. Leaves to others: the registry, and the notes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from podwork_migrations.plan.plan import PodNote
from podwork_pods.pod import Pod, PodState

_STOPPED = (PodState.FROZEN, PodState.DOWN)


class Fleet(NamedTuple):
    """The registry's pods with their states, and what is known of each (`PodNote`)."""

    states: Mapping[int, PodState]
    notes: Mapping[int, PodNote]

    @classmethod
    def of(cls, pods: Sequence[Pod], notes: Mapping[int, PodNote]) -> Fleet:
        """Return the fleet of the registry's pods."""
        return cls({pod.id: pod.state for pod in pods}, notes)

    def note(self, pod_id: int) -> PodNote:
        """Return what is known of a pod."""
        return self.notes.get(pod_id) or PodNote.none(pod_id)

    def why_blocked(self, pod_id: int) -> str | None:
        """Return why the pod is left out for now; None: it is not."""
        state = self.states.get(pod_id)
        if state is None:
            return "it is not in the registry"
        if state in _STOPPED:
            return f"it is {state}"
        note = self.note(pod_id)
        return None if note.blocked is None else f"blocked by {note.blocked_by}: {note.blocked}"

    def blocked(self, pod_ids: Iterable[int]) -> set[int]:
        """Return those that are left out for now."""
        return {pod_id for pod_id in pod_ids if self.why_blocked(pod_id) is not None}

    def places_of_others(self, pod_id: int) -> int:
        """Return how many other pods migrate, or were let go."""
        return sum(note.version is not None for other, note in self.notes.items() if other != pod_id)
