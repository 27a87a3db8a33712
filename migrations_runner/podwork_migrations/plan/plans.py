"""Plans, as people ask for them.

Owns: `Plans`: making, starting, holding and ending plans, and leaving pods out for now; a transaction under
the lock of all plans each. Promises: one plan at a time is under way; whatever is asked, what has begun goes
on; what was looked at is what runs. Leaves to others: pods' questions (`gate`), and what people see
(`status`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

import msgspec
from sqlalchemy import Connection

from podwork_migrations.migration import Migration
from podwork_migrations.plan import deeds, moving, placing, rows, states
from podwork_migrations.plan.deeds import Deed
from podwork_migrations.plan.errors import InvalidPlan, PlanChanged, PlanConflict
from podwork_migrations.plan.fleet import Fleet
from podwork_migrations.plan.making import Proposal, Wanted, make, propose
from podwork_migrations.plan.plan import Plan, Planned, PlanOptions
from podwork_migrations.plan.signing import digest
from podwork_migrations.plan.states import LIVE, PlanState
from podwork_migrations.plan.store import PlanStore
from podwork_pods.pod import Pod


class _Undone(Exception):
    """Ends a transaction that was only to say what it would do."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan


class Plans:
    """The plans of a fleet.

    Every method may raise `DirectoryUnavailable`; those that change one, `RegistryUnavailable`, and
    `UnknownPlan` when they are given its number.

    Args:
        store: the plans.
        pods: the registry's pods, as they are now.
        dry_run: changes of plans are checked and undone, and return what they would have made.
    """

    def __init__(self, store: PlanStore, pods: Callable[[], Sequence[Pod]], *, dry_run: bool = False) -> None:
        self._store = store
        self._pods = pods
        self._dry_run = dry_run

    def create(
        self,
        migrations: Sequence[Migration],
        *,
        versions: Collection[str] | None = None,
        pods: Collection[int] | None = None,
        options: PlanOptions | None = None,
        evidence: Mapping[str, str] | None = None,
        by: str = "",
        purpose: str = "",
    ) -> Plan:
        """Make a draft, and return it; made again over the same files, it is the first one.

        Args:
            migrations: the application's, all of them.
            versions: those to plan; None: all that are in no plan yet.
            pods: those that migrate; None: all, and whichever are added.
            options: how to go about it.
            evidence: what else was looked at and is signed: findings of the linter, routes.
            by: who makes it. purpose: why; for people.

        Raises:
            InvalidPlan: there is nothing to plan, or nobody could carry it out.
            PlanConflict: another plan, which is not over, has one of the versions.
        """
        chosen = options or PlanOptions()
        if pods is not None:
            chosen = msgspec.structs.replace(chosen, only_these_pods=True)
        wanted = Wanted(migrations, versions, pods, chosen, evidence or {}, by, purpose)
        registered, now = self._pods(), self._store.clock.now()
        return self._store.decide(
            lambda connection: make(connection, wanted, Fleet.of(registered, rows.notes(connection)), now)
        )

    def propose(
        self,
        migrations: Sequence[Migration],
        *,
        versions: Collection[str] | None = None,
        pods: Collection[int] | None = None,
        options: PlanOptions | None = None,
    ) -> Proposal:
        """Return what `create` would make of the same, whatever other drafts there are; nothing is written.

        Raises:
            InvalidPlan: there is nothing to plan, or nobody could carry it out.
        """
        wanted = Wanted(migrations, versions, pods, options or PlanOptions(), {}, "", "")
        registered = self._pods()
        return self._store.read(
            lambda connection: propose(connection, wanted, Fleet.of(registered, rows.notes(connection)))
        )

    def start(
        self,
        number: int,
        migrations: Sequence[Migration] | None = None,
        evidence: Mapping[str, str] | None = None,
        *,
        by: str = "",
    ) -> Plan:
        """Open the first wave. `migrations`, `evidence`: as they are now; compared with what was signed.

        Here and below `by` is who does it, which is kept with the plan.

        Raises:
            PlanChanged: a file, or the evidence, is another one now.
            PlanConflict: it is no draft, or another plan is under way.
        """

        def change(connection: Connection, plan: Plan) -> Plan:
            states.check(plan.number, plan.state, PlanState.RUNNING)
            if plan.state is not PlanState.DRAFT:
                raise PlanConflict(number, f"it is {plan.state}", "release it, or resume it")
            others = rows.plans_in(connection, LIVE)
            if others:
                why = f"plan {others[0].number} is {others[0].state}"
                raise PlanConflict(number, why, "one plan at a time: let that one end, or cancel it")
            self._compare(connection, plan, migrations, evidence)
            now = self._store.clock.now()
            placing.refresh(connection, plan, now)
            return replace(plan, state=PlanState.RUNNING, started=now, reason="")

        return self._change(number, change, ("started", by, ""))

    def hold(self, number: int, reason: str, by: str = "") -> Plan:
        """Let nobody else begin, until a person says `release`. Raises PlanConflict: it is not under way."""
        return self._enter(number, PlanState.HELD, by, reason, keep_soak=True)

    def release(self, number: int, *, by: str = "") -> Plan:
        """Go on with a plan that is held. Raises PlanConflict: it is not."""

        def change(_: Connection, plan: Plan) -> Plan:
            if plan.state is not PlanState.HELD:
                raise PlanConflict(number, f"it is {plan.state}, not held", "see: podctl migrations status")
            to = PlanState.RUNNING if plan.soak_until is None else PlanState.SOAKING
            return replace(plan, state=to, reason="")

        return self._change(number, change, ("released", by, ""))

    def resume(self, number: int, *, by: str = "") -> Plan:
        """Go on with a plan that halted: what failed until now is known. Raises PlanConflict: it did not."""

        def change(connection: Connection, plan: Plan) -> Plan:
            if plan.state is not PlanState.HALTED:
                raise PlanConflict(number, f"it is {plan.state}, not halted", "see: podctl migrations status")
            for each in rows.placements_of(connection, plan.id, cells=True).values():
                if each.error:  # known from now on: see `halting.dead_end`
                    rows.update_placement(connection, replace(each, error=""))
            return replace(plan, state=PlanState.RUNNING, reason="")

        return self._change(number, change, ("resumed", by, ""))

    def cancel(self, number: int, reason: str, by: str = "") -> Plan:
        """Give a plan up: nobody else begins, its versions may be planned anew.

        Raises:
            PlanConflict: it is over.
        """
        return self._enter(number, PlanState.CANCELLED, by, reason)

    def limit(self, number: int, max_migrating_pods: int, *, by: str = "") -> Plan:
        """Set how many pods migrate at the same time; who has begun goes on.

        Raises:
            InvalidPlan: nobody could go on so.
            PlanConflict: it was cancelled.
        """

        def change(_: Connection, plan: Plan) -> Plan:
            if plan.state is PlanState.CANCELLED:
                raise PlanConflict(number, "it was cancelled", "make another plan")
            options = msgspec.structs.replace(plan.options, max_migrating_pods=max_migrating_pods)
            options.check()
            return replace(plan, options=options)

        return self._change(number, change, (f"limited to {max_migrating_pods} pods at a time", by, ""))

    def set_canary(self, number: int, pod_id: int, *, by: str = "") -> Plan:
        """Let another pod go first, in the place of a canary that is blocked.

        Raises:
            InvalidPlan: the plan does not have the pod.
            PlanConflict: others than the canary may go already.
        """

        def change(connection: Connection, plan: Plan) -> Plan:
            if plan.wave or plan.leg or plan.state.is_over:
                raise PlanConflict(number, "its canary has gone first", "nothing is left to choose")
            placed = rows.placements_of(connection, plan.id, cells=True)
            if pod_id not in placed:
                raise InvalidPlan(f"pod {pod_id} cannot be the canary", "it is not among the plan's pods")
            wave = placed[pod_id].wave
            for each in placed.values():
                if each.wave == 0 and wave:
                    rows.update_placement(connection, replace(each, wave=wave))
            rows.update_placement(connection, replace(placed[pod_id], wave=0))
            return replace(plan, options=msgspec.structs.replace(plan.options, canary=pod_id))

        return self._change(number, change, (f"given the canary {pod_id}", by, ""))

    def get(self, number: int) -> Plan:
        """Return a plan. Raises UnknownPlan."""
        return self._store.read(lambda connection: rows.plan_of(connection, number))

    def versions(self, plan: Plan) -> list[Planned]:
        """Return what it was signed over, in order."""
        return self._store.read(lambda connection: rows.versions_of(connection, [plan.id])[plan.id])

    def deeds(self, plan: Plan) -> Sequence[Deed]:
        """Return what persons did to it, in order."""
        return self._store.read(lambda connection: deeds.read(connection, [plan.id])[plan.id])

    def list(self, limit: int = 20) -> list[Plan]:
        """Return the latest plans, the latest first."""
        return self._store.read(lambda connection: rows.latest(connection, limit))

    def current(self) -> Plan | None:
        """Return the plan that is under way; None: none is."""
        found = self._store.read(lambda connection: rows.plans_in(connection, LIVE))
        return found[0] if found else None

    def settle(self) -> Plan | None:
        """Let the plan that is under way move on where nobody asked or reported; return it.

        Pods that are blocked, or back, are noticed when a pod asks; where all others are done, nobody does.
        Where nothing follows it only reads, and takes no lock.
        """
        plan = self.current()
        if plan is None or not self._is_behind(plan):
            return plan
        return self._change(plan.number, lambda _, found: found, None)

    def _is_behind(self, plan: Plan) -> bool:
        """Whether a plan would be another one if it moved on now."""
        registered, now = self._pods(), self._store.clock.now()

        def look(connection: Connection) -> bool:
            placed = rows.placements_of(connection, plan.id)
            fleet = Fleet.of(registered, rows.notes(connection))
            after = moving.advance(plan, placed, fleet.blocked(placed), now)
            return after != plan or bool(placing.joining(plan, placed, fleet.states, 0))

        return self._store.read(look)

    def _enter(self, number: int, to: PlanState, by: str, reason: str, *, keep_soak: bool = False) -> Plan:
        def change(_: Connection, plan: Plan) -> Plan:
            states.check(number, plan.state, to)
            soak_until = plan.soak_until if keep_soak else None
            ended = None if states.WAYS[to] else self._store.clock.now()
            return replace(plan, state=to, reason=_said(by, reason), soak_until=soak_until, ended=ended)

        return self._change(number, change, (to.value, by, reason))

    def _change(
        self, number: int, change: Callable[[Connection, Plan], Plan], done: tuple[str, str, str] | None
    ) -> Plan:
        """Make a change, with what follows from it; `done` is what, who and why, if a person did it."""
        registered, now = self._pods(), self._store.clock.now()

        def decide(connection: Connection) -> Plan:
            before = rows.plan_of(connection, number)
            fleet = Fleet.of(registered, rows.notes(connection))
            plan = change(connection, before)
            if done is not None:
                deeds.write(connection, plan.id, Deed(now, *done))
            if plan.state.is_live:
                placed = rows.placements_of(connection, plan.id)
                joining = placing.joining(plan, placed, fleet.states, 0)
                placed |= placing.join(connection, plan, joining, now) if joining else {}
                plan = moving.advance(plan, placed, fleet.blocked(placed), now)
            if plan != before:
                rows.update_plan(connection, plan)
            if self._dry_run:
                raise _Undone(plan)
            return plan

        try:
            return self._store.decide(decide)
        except _Undone as undone:
            return undone.plan

    @staticmethod
    def _compare(
        connection: Connection,
        plan: Plan,
        migrations: Sequence[Migration] | None,
        evidence: Mapping[str, str] | None,
    ) -> None:
        """Raise PlanChanged unless what was signed is what is there now."""
        planned = rows.versions_of(connection, [plan.id])[plan.id]
        if digest(planned, plan.evidence) != plan.digest:
            raise PlanChanged(plan.number, "what is stored")
        if migrations is not None:
            checksums = {each.version: each.checksum for each in migrations}
            for each in planned:
                if checksums.get(each.version) != each.checksum:
                    raise PlanChanged(plan.number, f"the file of {each.id}")
        if evidence is not None:
            for name in sorted({*evidence, *plan.evidence}):
                if evidence.get(name) != plan.evidence.get(name):
                    raise PlanChanged(plan.number, name)


def _said(by: str, reason: str) -> str:
    return f"{by}: {reason}" if by else reason
