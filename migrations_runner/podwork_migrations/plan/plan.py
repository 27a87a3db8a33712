"""A plan as it is read: which versions go to which pods, in which order, and how far that is.

Owns: `Plan`, `PlanOptions`, `Planned`, `Placement`, `PodNote`: values that nobody changes. Leaves to others:
their rows (`rows`), and what follows from them (`moving`, `halting`, `judging`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from podwork_migrations.migration import Migration
from podwork_migrations.plan.errors import InvalidPlan
from podwork_migrations.plan.states import PlacementState, PlanState

_LONGEST_SECONDS = 30 * 86_400.0


class PlanOptions(msgspec.Struct, frozen=True):
    """How a plan goes about it.

    Attributes:
        canary: the pod that goes first; None: the first that is not blocked.
        waves: how many pods have migrated at the end of each; see `waves`.
        soak_seconds: how long the canary is watched before others follow.
        rest_seconds: the same after each later wave.
        max_migrating_pods: how many pods migrate at the same time, late ones included.
        failures: how many pods of a later wave may fail. failures_share: or that share, if it is more.
        only_these_pods: pods that are added to the fleet are none of its business.
    """

    canary: int | None = None
    waves: tuple[str, ...] = ("1", "10%", "50%", "100%")
    soak_seconds: float = 600.0
    rest_seconds: float = 0.0
    max_migrating_pods: int = 10
    failures: int = 1
    failures_share: float = 0.05
    only_these_pods: bool = False

    def check(self) -> None:
        """Raise InvalidPlan unless a plan could be carried out so."""
        if self.max_migrating_pods < 1:
            raise InvalidPlan(
                f"{self.max_migrating_pods} pods at a time", "give a number from 1; hold it to stop it"
            )
        for seconds in (self.soak_seconds, self.rest_seconds):
            if not 0 <= seconds <= _LONGEST_SECONDS:
                raise InvalidPlan(f"a soak of {seconds} s", "give 0 s to 30 days")
        if self.failures < 0 or not 0 <= self.failures_share <= 1:
            raise InvalidPlan(
                f"{self.failures} failures, or a share of {self.failures_share}", "give 0 or more, and 0 to 1"
            )

    def watch_seconds(self, wave: int) -> float:
        """Return how long a wave is watched when it is done."""
        return self.rest_seconds if wave else self.soak_seconds


class Planned(NamedTuple):
    """A version in a plan, as it was signed."""

    position: int
    version: str
    name: str
    kind: str
    checksum: str
    leg: int
    finalizes: tuple[str, ...]
    pods: tuple[int, ...] | None

    @classmethod
    def of(cls, position: int, migration: Migration, leg: int) -> Planned:
        """Return what a plan keeps of a migration."""
        one = migration
        return cls(position, one.version, one.name, one.kind, one.checksum, leg, one.finalizes, one.pods)

    @property
    def id(self) -> str:
        """How people call it: `20261124120000_add_status`."""
        return f"{self.version}_{self.name}"

    def is_for(self, pod_id: int) -> bool:
        """Return whether it runs on the pod."""
        return self.pods is None or pod_id in self.pods


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan. `leg` and `wave` are open: pods of waves up to it may take versions of legs up to it."""

    id: str
    number: int
    state: PlanState
    reason: str
    digest: str
    options: PlanOptions
    legs: int
    waves: int
    created: float
    created_by: str
    purpose: str
    leg: int = 0
    wave: int = 0
    soak_until: float | None = None
    started: float | None = None
    ended: float | None = None
    evidence: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_at_its_end(self) -> bool:
        """Whether no wave is left to be opened."""
        return self.leg == self.legs - 1 and self.wave == self.waves - 1


@dataclass(frozen=True, slots=True)
class Placement:
    """A pod in a plan. `cells` is "" where they were not asked for; see `cells`."""

    plan_id: str
    pod_id: int
    wave: int
    state: PlacementState
    legs_done: int
    started: float | None = None
    ended: float | None = None
    error: str = ""
    cells: str = ""


class PodNote(NamedTuple):
    """What is known of a pod, whatever the plan: whether it has a place, and whether a person blocked it."""

    pod_id: int
    version: str | None
    plan_id: str | None
    epoch: int
    since: float | None
    asked: float | None
    blocked: str | None
    blocked_by: str | None
    blocked_at: float | None

    @classmethod
    def none(cls, pod_id: int) -> PodNote:
        """Return the note of a pod of which nothing is known."""
        return cls(pod_id, None, None, 0, None, None, None, None, None)
