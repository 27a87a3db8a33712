"""A fleet in memory under real plans: pods with lines, ledgers and crashes, and what must hold of them.

A pod's step is what a turn of its runner does, broken off anywhere. Everything is judged when it happens: how
many ledgers are open, whether the waves before are done, whether what is finalized is applied everywhere.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

from podwork_migrations.gate import Go
from podwork_migrations.ledger.entry import Entry
from podwork_migrations.ledger.states import EntryState
from podwork_migrations.migration import Migration
from podwork_migrations.plan.legs import legs_of
from podwork_migrations.plan.plan import Plan
from podwork_migrations.plan.states import PlanState
from tests.support.plan_stand import PlanStand, entry


class Chances(NamedTuple):
    """How likely a step fails for good, dies half-way, or does something that is out of date."""

    fail: float = 0.0
    die: float = 0.0
    stray: float = 0.0


class Events:
    """What happened in the fleet, in order, and what must not."""

    def __init__(self, most: int) -> None:
        self.lock = threading.Lock()
        self.most = most
        self.begun: list[tuple[int, str]] = []
        self.applied: list[tuple[int, str]] = []
        self.widest = 0


class ModelPod:
    """One pod: its ledger, and the epoch of its line."""

    def __init__(self, stand: PlanStand, pod_id: int, migrations: Sequence[Migration], seed: int) -> None:
        self.pod_id = pod_id
        self.ledger: dict[str, Entry] = {}
        self.epoch = 0
        self._stand = stand
        self._migrations = migrations
        self._random = random.Random(f"{seed}/{pod_id}")
        self._unreported: Entry | None = None
        self._sent: list[Entry] = []
        self._frozen: list[tuple[Migration, int]] = []

    @property
    def open(self) -> Entry | None:
        """The entry that is under way."""
        return next((each for each in self.ledger.values() if each.state.is_open), None)

    @property
    def is_done(self) -> bool:
        """Whether it has applied everything, and said so."""
        applied = [each for each in self.ledger.values() if each.state is EntryState.APPLIED]
        return len(applied) == len(self._migrations) and self._unreported is None

    def has(self, version: str) -> bool:
        """Return whether a version is applied here."""
        found = self.ledger.get(version)
        return found is not None and found.state is EntryState.APPLIED

    def step(self, chances: Chances, fleet: Fleet) -> None:
        """Do what one turn does, or part of it."""
        self.epoch += 1
        if self._happens(chances.stray):
            self._do_what_is_out_of_date()
        if self._unreported is not None:
            if self._happens(chances.die):
                return
            self._send(self._unreported)
        under_way = self.open
        if under_way is not None:
            self._go_on(under_way, chances, fleet)
            return
        wanted = next((each for each in self._migrations if not self.has(each.version)), None)
        if wanted is None:
            return
        if self._happens(chances.die):
            self._frozen.append((wanted, self.epoch))
            return
        answer = self._stand.gate.may_start(self.pod_id, wanted, self.epoch)
        if isinstance(answer, Go) and not self._happens(chances.die):
            self._begin(wanted, answer, chances, fleet)

    def _begin(self, wanted: Migration, go: Go, chances: Chances, fleet: Fleet) -> None:
        before = self.ledger.get(wanted.version)
        attempts = 1 if before is None else before.attempts + 1
        begun = entry(
            wanted, "running", lease_epoch=self.epoch, attempts=attempts, plan_id=go.plan_id, wave=go.wave
        )
        with fleet.events.lock:
            self.ledger[wanted.version] = begun
            fleet.judge_beginning(self, wanted)
        self._keep(begun, chances)

    def _go_on(self, under_way: Entry, chances: Chances, fleet: Fleet) -> None:
        going = under_way._replace(lease_epoch=self.epoch)
        kind = self._random.random()
        if kind < 0.4:
            going = going._replace(rows_done=(going.rows_done or 0) + 10, rows_total=1000)
        elif self._happens(chances.fail):
            going = going._replace(state=EntryState.FAILED, error="duplicate key")
        else:
            going = going._replace(state=EntryState.APPLIED)
        with fleet.events.lock:
            self.ledger[going.version] = going
            if going.state is EntryState.APPLIED:
                fleet.events.applied.append((self.pod_id, going.version))
        self._keep(going, chances)

    def _keep(self, changed: Entry, chances: Chances) -> None:
        """Report what the ledger says; whoever dies before that, reports it in its next turn."""
        self._unreported = changed
        if not self._happens(chances.die):
            self._send(changed)

    def _send(self, changed: Entry) -> None:
        self._stand.gate.report(self.pod_id, changed)
        self._unreported = None
        self._sent.append(changed)

    def _do_what_is_out_of_date(self) -> None:
        """A turn that was frozen wakes: it tells what is long known, or asks what it was about to ask."""
        if self._sent and self._random.random() < 0.5:
            self._stand.gate.report(self.pod_id, self._random.choice(self._sent))
        elif self._frozen:
            # Whatever it hears: its line refuses to begin anything under this epoch.
            self._stand.gate.may_start(self.pod_id, *self._frozen.pop())

    def _happens(self, chance: float) -> bool:
        return self._random.random() < chance


class Fleet:
    """The pods of a stand, with one plan over these migrations."""

    def __init__(self, stand: PlanStand, plan: Plan, migrations: Sequence[Migration], seed: int) -> None:
        self.stand = stand
        self.plan_number = plan.number
        self.events = Events(plan.options.max_migrating_pods)
        self._migrations = migrations
        self._seed = seed
        self._legs = dict(zip([each.version for each in migrations], legs_of(migrations), strict=True))
        self.pods = {pod_id: self._new(pod_id) for pod_id in stand.states}
        self._waves = {line.pod_id: line.wave for line in stand.status(plan.number).pods}
        self.may_be_late: set[int] = set()
        self.is_judged_alone = False

    def add(self, pod_id: int) -> None:
        """Let a pod join, in the last wave."""
        self.pods[pod_id] = self._new(pod_id)
        self._waves[pod_id] = max(self._waves.values())

    def judge_beginning(self, pod: ModelPod, wanted: Migration) -> None:
        """Raise unless the pod may begin this now; under the lock of the events."""
        events = self.events
        events.begun.append((pod.pod_id, wanted.version))
        width = sum(each.open is not None for each in self.pods.values())
        events.widest = max(events.widest, width)
        assert width <= events.most, f"{width} pods migrate at the same time"
        assert sum(each.state.is_open for each in pod.ledger.values()) == 1
        for other in self.pods.values():
            for each in self._before(pod, wanted, other):
                is_late = other.pod_id in self.may_be_late
                assert other.has(each) or is_late, (
                    f"{wanted.id} on {pod.pod_id} before {each} on {other.pod_id}"
                )
            for each in wanted.finalizes:
                assert other.has(each), f"{wanted.id} on {pod.pod_id}, and {each} not on {other.pod_id}"
        if self.is_judged_alone:
            state = self.stand.plan(self.plan_number).state
            assert state in (PlanState.RUNNING, PlanState.SUCCEEDED), state

    def run(self, pod_ids: Callable[[], Sequence[int]], seed: int, chances: Chances, steps: int) -> None:
        """Let pods step, one after the other, in an order that follows from the seed."""
        chosen = random.Random(seed)
        for _ in range(steps):
            self.pods[chosen.choice(pod_ids())].step(chances, self)

    def _new(self, pod_id: int) -> ModelPod:
        return ModelPod(self.stand, pod_id, self._migrations, self._seed)

    def _before(self, pod: ModelPod, wanted: Migration, other: ModelPod) -> list[str]:
        """Return what the other pod must have, for this pod to begin this one."""
        leg, is_before = self._legs[wanted.version], self._waves[other.pod_id] < self._waves[pod.pod_id]
        return [version for version, own in self._legs.items() if own < leg or (own == leg and is_before)]
