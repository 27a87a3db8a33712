"""What follows from a report of a pod, in one transaction under the lock of all plans.

Owns: `hear`. Promises: the report, the pod's place, its cells in every plan that has the version, and the
halt or the next wave that follow, are true together or not at all; told again, nothing follows again. An open
migration has a place even where none was free: it is a fact, and others have to wait for it. Leaves to
others: dating and sending reports (`gate`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from podwork.points import reach
from podwork_migrations.ledger.entry import Entry
from podwork_migrations.ledger.states import EntryState
from podwork_migrations.plan import halting, moving, placing, reports, rows
from podwork_migrations.plan.fleet import Fleet
from podwork_migrations.plan.plan import Plan
from podwork_migrations.plan.states import WATCHED, PlanState
from podwork_pods.pod import Pod


def hear(connection: Connection, pod_id: int, entry: Entry, pods: Sequence[Pod] | None, now: float) -> None:
    """Take a report. `pods`: the registry's; None: it does not answer, and no further wave is opened now."""
    if not reports.take(connection, pod_id, entry, now):
        return
    reach("plans.heard")
    _place(connection, pod_id, entry, now)
    for plan, planned in rows.plans_with(connection, entry.version):
        if placing.mark(connection, plan, planned, pod_id, entry, now) and plan.state.is_live:
            _follow(connection, plan, pod_id, entry, pods, now)


def _place(connection: Connection, pod_id: int, entry: Entry, now: float) -> None:
    known = Fleet.of((), rows.notes(connection))
    note = known.note(pod_id)
    epoch = max(note.epoch, entry.lease_epoch)
    if entry.state.is_open:
        since = note.since if note.version == entry.version else now
        note = note._replace(version=entry.version, plan_id=entry.plan_id, epoch=epoch, since=since)
    elif note.version == entry.version:
        note = note._replace(version=None, plan_id=None, epoch=epoch, since=None)
    else:
        note = note._replace(epoch=epoch)
    rows.write_note(connection, note, is_new=pod_id not in known.notes)


def _follow(
    connection: Connection, plan: Plan, pod_id: int, entry: Entry, pods: Sequence[Pod] | None, now: float
) -> None:
    placed = rows.placements_of(connection, plan.id)
    after = plan
    if plan.state in WATCHED and entry.state is EntryState.FAILED:
        after = _halted(plan, halting.verdict(plan, placed, pod_id))
    if pods is not None and after is plan:
        blocked = Fleet.of(pods, rows.notes(connection)).blocked(placed)
        after = moving.advance(plan, placed, blocked, now)
        if after.state is PlanState.RUNNING:
            after = _halted(after, halting.dead_end(after, placed, blocked))
    if after != plan:
        rows.update_plan(connection, after)


def _halted(plan: Plan, why: str | None) -> Plan:
    return plan if why is None else replace(plan, state=PlanState.HALTED, soak_until=None, reason=why)
