"""A pod's question, decided: in one transaction, under the lock of all plans.

Owns: `decide`, and the pod's place among those who migrate at the same time. Promises: what was considered
without the lock is considered again under it; whoever is let go has a place from then on, the same one if it
asks again; who asks under an epoch that was overtaken gets nothing and moves nothing. Leaves to others:
alarms, which are measured before (`gate`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from sqlalchemy import Connection

from podwork.points import reach
from podwork_migrations.gate import Go, Wait
from podwork_migrations.plan import placing, rows
from podwork_migrations.plan.considering import Considered, Question, consider
from podwork_migrations.plan.plan import Plan
from podwork_migrations.plan.states import WAYS, PlanState


class Warned(NamedTuple):
    """What an alarm said; not `is_measured`: it could not be told, and nobody goes for now."""

    why: str
    is_measured: bool


def decide(connection: Connection, asked: Question, warned: Warned | None, now: float) -> Go | Wait:
    """Return the answer, and write what follows from it."""
    seen = consider(connection, asked, now)
    if seen.before is not None and seen.joining:
        placing.join(connection, seen.before, seen.joining, now)
        seen = consider(connection, asked, now)
    if asked.epoch < seen.note.epoch:
        why = f"somebody asked or reported under epoch {seen.note.epoch} of its line"
        hint = f"if its shard was restored from a backup: podctl migrations restored --pod {asked.pod_id}"
        return Wait(f"pod {asked.pod_id}: this turn of {asked.epoch} is over: {why}; {hint}")
    if warned is not None and (warned.is_measured or seen.moves or isinstance(seen.answer, Go)):
        seen = _warn(seen, warned)
    if seen.plan is not None and seen.plan != seen.before:
        rows.update_plan(connection, seen.plan)
    _place(connection, asked, seen, now)
    reach("plans.decided")
    return seen.answer


def _warn(seen: Considered, warned: Warned) -> Considered:
    """Return what is so when an alarm rings: nobody goes, and no wave opens."""
    return seen._replace(answer=Wait(warned.why), plan=_halted(seen.before, warned))


def _halted(plan: Plan | None, warned: Warned) -> Plan | None:
    if plan is None or not warned.is_measured or PlanState.HALTED not in WAYS[plan.state]:
        return plan
    return replace(plan, state=PlanState.HALTED, soak_until=None, reason=warned.why)


def _place(connection: Connection, asked: Question, seen: Considered, now: float) -> None:
    note, answer = seen.note, seen.answer
    if isinstance(answer, Go):
        since = note.since if note.version == asked.migration.version else now
        note = note._replace(version=asked.migration.version, plan_id=answer.plan_id, since=since)
    else:
        # Nothing is open on the pod, or it would not ask: a place that it still has is not in use.
        note = note._replace(version=None, plan_id=None, since=None)
    rows.write_note(connection, note._replace(epoch=asked.epoch, asked=now), is_new=seen.is_unknown)
