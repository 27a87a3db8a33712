"""Plans over a fleet of pods that are only numbers, for tests: what each asks and tells is said by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from podwork.settings import ShardSettings
from podwork.testing.clock import VirtualClock
from podwork_migrations.gate import Go, Wait
from podwork_migrations.ledger.entry import Direction, Entry
from podwork_migrations.ledger.states import EntryState
from podwork_migrations.migration import Kind, Migration
from podwork_migrations.plan import rows, watching
from podwork_migrations.plan.blocking import Blocking
from podwork_migrations.plan.fleet import Fleet
from podwork_migrations.plan.gate import PlanGate
from podwork_migrations.plan.halting import Alarm
from podwork_migrations.plan.plan import Plan, PlanOptions
from podwork_migrations.plan.plans import Plans
from podwork_migrations.plan.status import Status
from podwork_migrations.plan.store import PlanStore
from podwork_pods.pod import Pod, PodState

NOW = 1_795_000_000.0
AT_ONCE = PlanOptions(soak_seconds=0, waves=("1", "50%", "100%"), max_migrating_pods=100)


def options(**given: Any) -> PlanOptions:
    """Return `AT_ONCE` with other values."""
    return msgspec.structs.replace(AT_ONCE, **given)


def version(number: int) -> str:
    """Return the version of a migration by its number."""
    return f"20260101{number:06d}"


def migration(number: int, **given: Any) -> Migration:
    """Return a migration."""
    made = {"kind": Kind.SCHEMA, "checksum": f"c{number}", "path": Path("x.py"), "up": lambda _: None}
    finalizes = tuple(version(each) for each in given.pop("finalizes", ()))
    return Migration(version(number), f"m{number}", **{**made, **given}, finalizes=finalizes)


def entry(migration: Migration, state: str, **given: Any) -> Entry:
    """Return an entry of a ledger."""
    empty: dict[str, Any] = dict.fromkeys(Entry._fields, "")
    empty |= dict.fromkeys(("plan_id", "wave", "ready", "completed", "not_before", "hold_until"))
    empty |= dict.fromkeys(("rows_done", "rows_total"))
    empty |= dict.fromkeys(("requested", "tries", "cutover_attempts"), 0)
    is_back = state in ("reverting", "reverted")
    known = {
        "version": migration.version,
        "name": migration.name,
        "kind": migration.kind,
        "checksum": migration.checksum,
        "state": EntryState(state),
        "direction": Direction.DOWN if is_back else Direction.UP,
        "lease_epoch": 1,
        "attempts": 1,
        "started": NOW,
        "heartbeat": NOW,
        "run_ids": (),
        "artefacts": (),
    }
    return Entry(**{**empty, **known, **given})


class PlanStand:
    """Plans over the pods from 1; `states` is the registry, which a test changes as it likes."""

    def __init__(self, url: str, pods: int = 4, lock_wait_seconds: int = 20) -> None:
        self.clock = VirtualClock(NOW)
        settings = ShardSettings(pool_size=10, lock_wait_seconds=lock_wait_seconds)
        self.store = PlanStore(url, settings, self.clock)
        self.store.prepare()
        self.states = dict.fromkeys(range(1, pods + 1), PodState.ACTIVE)
        self.plans = Plans(self.store, self.registered)
        self.blocking = Blocking(self.store, self.plans)
        self.alarms: list[Alarm] = []
        self.registry: Callable[[], Sequence[Pod]] = self.registered
        self.gate = PlanGate(self.store, self._ask_registry, self.alarms)
        self.migrations: list[Migration] = []
        self.epochs = dict.fromkeys(range(1, 1000), 1)

    def registered(self) -> list[Pod]:
        """Return the registry's pods."""
        states = sorted(self.states.items())
        return [Pod(pod_id, "sqlite:///x.db", "redis://h:1/0", state=state) for pod_id, state in states]

    def _ask_registry(self) -> Sequence[Pod]:
        return self.registry()

    def begin(self, *numbers: int, options: PlanOptions = AT_ONCE, **given: Any) -> Plan:
        """Plan plain migrations of these numbers, and start."""
        self.migrations = [migration(number) for number in numbers]
        return self.begin_with(self.migrations, options, **given)

    def begin_with(
        self, migrations: Sequence[Migration], options: PlanOptions = AT_ONCE, **given: Any
    ) -> Plan:
        """Plan these migrations, and start."""
        self.migrations = list(migrations)
        made = self.plans.create(migrations, options=options, **given)
        return self.plans.start(made.number, migrations)

    def of(self, number: int) -> Migration:
        """Return the migration of a number, as it was planned last."""
        return next(each for each in self.migrations if each.version == version(number))

    def ask(self, pod_id: int, number: int = 1, epoch: int | None = None) -> Go | Wait:
        """Ask for a pod, under its present epoch."""
        return self.gate.may_start(pod_id, self.of(number), epoch or self.epochs[pod_id])

    def may(self, pod_id: int, number: int = 1) -> bool:
        """Return whether a pod is let go."""
        return isinstance(self.ask(pod_id, number), Go)

    def why(self, pod_id: int, number: int = 1) -> str:
        """Return why a pod has to wait."""
        answer = self.ask(pod_id, number)
        assert isinstance(answer, Wait), answer
        return answer.reason

    def tell(self, pod_id: int, number: int, state: str, **given: Any) -> None:
        """Report an entry of a pod."""
        given.setdefault("lease_epoch", self.epochs[pod_id])
        self.gate.report(pod_id, entry(self.of(number), state, **given))

    def do(self, pod_id: int, *numbers: int) -> None:
        """Let a pod go and apply migrations, one after the other."""
        for number in numbers:
            answer = self.ask(pod_id, number)
            assert isinstance(answer, Go), answer
            self.tell(pod_id, number, "running")
            self.tell(pod_id, number, "applied")

    def fail(self, pod_id: int, number: int = 1, **given: Any) -> None:
        """Let a pod go and fail."""
        answer = self.ask(pod_id, number)
        assert isinstance(answer, Go), answer
        self.tell(pod_id, number, "running", **given)
        self.tell(pod_id, number, "failed", error="duplicate key", **given)

    def plan(self, number: int = 1) -> Plan:
        """Return a plan as it stands."""
        return self.plans.get(number)

    def status(self, number: int | None = None) -> Status:
        """Return what people see."""
        return watching.read(self.store, self.registered(), number)

    def cells(self) -> dict[int, str]:
        """Return the matrix."""
        return {line.pod_id: line.cells for line in self.status().pods}

    def places(self) -> dict[int, str]:
        """Return the pods that have a place, with what they were let go for."""
        notes = self.store.read(rows.notes).values()
        return {note.pod_id: note.version for note in notes if note.version is not None}

    def blocking_now(self) -> set[int]:
        """Return the pods that are left out for now."""
        found = self.store.read(rows.notes)
        return Fleet.of(self.registered(), found).blocked(self.states)

    def close(self) -> None:
        """Close what was opened."""
        self.store.close()
