"""The guards of plans of migrations that their promises rest on, for `tests.mutants`.

Owns the list only, as (name, file, guard, broken, tests); how one is taken out and judged is `tests.mutants`'.
"""

# ruff: noqa: E501 - a guard is quoted as it stands

from __future__ import annotations

_FOLDER = "migrations_runner/podwork_migrations/plan"
_GATE = "tests/contract/test_migrations_gate.py"
_PLANS = "tests/contract/test_migrations_plans.py"
_STATUS = "tests/contract/test_migrations_status.py"
_FLEET = "tests/contract/test_migrations_fleet.py"
_ALARMS = "tests/integration/test_migrations_alarms.py"
_WAVES = "tests/unit/test_migrations_waves.py"

Guard = tuple[str, str, str, str, str]


def _plan(name: str, module: str, guard: str, broken: str, tests: str = _GATE) -> Guard:
    return (f"plans, {module}: {name}", f"{_FOLDER}/{module}.py", guard, broken, tests)


GUARDS: list[Guard] = [
    _plan("the lock of all plans", "store", ".where(schema.counters.c.name == schema.PLANS).with_for_update()", ".where(schema.counters.c.name == schema.PLANS)"),
    _plan("the lock is taken", "store", "            connection.execute(_LOCK).scalar_one()\n            reach", "            reach", _FLEET + " -k thread"),
    _plan("plans are numbered once", "store", ".values(value=number)", ".values(value=0)", _PLANS),
    _plan("what was seen is seen again under the lock", "gate", "return self._store.decide(lambda connection: decide(connection, asked, warned, clock.now()))", "return seen.answer"),
    _plan("who is not heard of is written down", "gate", "is_known = was_heard and note.version is None", "is_known = note.version is None", _STATUS),
    _plan("a place that is not used is looked at", "gate", "is_known = was_heard and note.version is None and", "is_known = was_heard and"),
    _plan("a wave opens though nobody goes", "gate", "isinstance(seen.answer, Wait) and is_known and not seen.moves", "isinstance(seen.answer, Wait) and is_known", _PLANS + " " + _GATE),
    _plan("an alarm that cannot be measured", "gate", 'return Warned(f"an alarm cannot be measured: {error}", is_measured=False)', "continue"),
    _plan("a plan is watched while it soaks", "gate", "is_watched and now - self._watched >= _WATCH_SECONDS", "False"),
    _plan("alarms are not asked all the time", "gate", " and now - self._watched >= _WATCH_SECONDS", ""),
    _plan("only a plan under way is watched", "gate", "seen.before is not None and seen.before.state in WATCHED", "seen.before is not None"),
    _plan("the registry is away", "gate", "            pods = None  # who", "            pods = ()  # who"),
    _plan("a turn that was overtaken", "deciding", "if asked.epoch < seen.note.epoch:", "if False:"),
    _plan("an alarm lets nobody go", "deciding", "answer=Wait(warned.why), plan", "plan"),
    _plan("an alarm opens no wave", "deciding", "plan=_halted(seen.before, warned)", "plan=_halted(seen.plan, warned)"),
    _plan("what is not measured halts nothing", "deciding", "not warned.is_measured or ", ""),
    _plan("whoever goes has a place", "deciding", "note._replace(version=asked.migration.version, plan_id", "note._replace(plan_id"),
    _plan("a place that was not used is free", "deciding", "note = note._replace(version=None, plan_id=None, since=None)", "pass"),
    _plan("the epoch of who asks is kept", "deciding", "note._replace(epoch=asked.epoch, asked=now)", "note._replace(asked=now)"),
    _plan("who joins is written down", "deciding", "        placing.join(connection, seen.before, seen.joining, now)\n", ""),
    _plan("who is blocked", "judging", "if why_blocked is not None:", "if False:"),
    _plan("pods that are down have no alarms", "considering", " and each.pod_id not in blocked]", "]"),
    _plan("the canary is looked at", "considering", "key=lambda each: (each.wave == 0, each.started)", "key=lambda each: each.started or 0"),
    _plan("a latency above the limit", "alarms", "if worst is None or worst[0] <= self._limit_seconds:", "if True:", _ALARMS),
    _plan("a share above the limit", "alarms", "if worst is None or worst[0] <= self._limit:", "if True:", _ALARMS),
    _plan("a few say nothing", "alarms", "if ended < self._least:", "if False:", _ALARMS),
    _plan("what was before is not counted", "alarms", "            before = self._before.get(pod_id)\n", "            before = self._before.get(pod_id, _Counted(0, 0))\n", _ALARMS),
    _plan("for which pods", "judging", "if not planned.is_for(pod_id):", "if False:"),
    _plan("the signed file", "judging", "if case.migration.checksum != planned.checksum:", "if False:"),
    _plan("in which states", "judging", "if plan.state not in MAY_GO:", "if False:"),
    _plan("open waves", "judging", "if not _is_open(plan, planned, case.placed[pod_id]):", "if False:"),
    _plan("open legs", "judging", "return planned.leg < plan.leg or (planned.leg == plan.leg and placement.wave <= plan.wave)", "return planned.leg < plan.leg or placement.wave <= plan.wave"),
    _plan("what is finalized", "judging", "if case.missing:", "if False:"),
    _plan("how many at a time", "judging", "if fleet.places_of_others(pod_id) >= plan.options.max_migrating_pods:", "if False:"),
    _plan("skipped is not applied", "judging", "if states.get(pod_id) is not EntryState.APPLIED]", "if states.get(pod_id) is None]"),
    _plan("all pods of the fleet", "judging", "for pod_id in fleet.states if only is None or pod_id in only]", "for pod_id in states_of_none]".replace("states_of_none", "told.get(version, {})")),
    _plan("one's own place is no other's", "fleet", "if other != pod_id)", ")"),
    _plan("frozen and down", "fleet", "        if state in _STOPPED:\n            return", "        if False:\n            return"),
    _plan("gone from the registry", "fleet", "        if state is None:\n            return", "        if False:\n            return"),
    _plan("a person's block", "fleet", "return None if note.blocked is None else", "return None if True else"),
    _plan("a canary that is done", "moving", "if not any(each.legs_done > plan.leg for each in canaries):", "if False:"),
    _plan("blocked ones are not waited for", "moving", " and each.pod_id not in blocked", ""),
    _plan("the waves before are waited for", "moving", "return not unfinished(plan, placed, blocked)", "return True"),
    _plan("the leg is waited for", "moving", "each.wave <= plan.wave and each.legs_done <= plan.leg", 'each.wave <= plan.wave and each.state != "done"'),
    _plan("it soaks", "moving", "    if watch_seconds:\n", "    if False:\n"),
    _plan("a soak takes its time", "moving", "plan.soak_until is None or now >= plan.soak_until", "True"),
    _plan("a soak is of what is done", "moving", "        if not is_complete(plan, placed, blocked):\n            return replace(plan, state=PlanState.RUNNING", "        if False:\n            return replace(plan, state=PlanState.RUNNING"),
    _plan("the last wave ends it", "moving", "    if plan.is_at_its_end:\n", "    if plan.wave == plan.waves - 1:\n"),
    _plan("each leg has its canary", "moving", "else (plan.leg + 1, 0)", "else (plan.leg + 1, plan.wave)"),
    _plan("a canary's failure", "halting", "if failed.wave == 0:", "if False:"),
    _plan("how many may fail", "halting", "if len(failures) <= allowed:", "if True:"),
    _plan("of a later wave one may fail", "halting", "max(plan.options.failures, plan.options.failures_share * len(wave))", "0"),
    _plan("the share of a large wave", "halting", "max(plan.options.failures, plan.options.failures_share * len(wave))", "plan.options.failures"),
    _plan("nothing is left but failures", "halting", "    if not waited_for or any(", "    if True or any("),
    _plan("while others go on", "halting", "any(each.state is not PlacementState.FAILED for each in waited_for)", "False"),
    _plan("told again", "hearing", "    if not reports.take(connection, pod_id, entry, now):\n        return\n", "    reports.take(connection, pod_id, entry, now)\n"),
    _plan("what is open has a place", "hearing", "note = note._replace(version=entry.version, plan_id", "note = note._replace(plan_id"),
    _plan("what has ended frees its place", "hearing", "note._replace(version=None, plan_id=None, epoch=epoch, since=None)", "note._replace(epoch=epoch)"),
    _plan("only its own place", "hearing", "elif note.version == entry.version:", "else:\n        note = note._replace(version=None)\n    if False:"),
    _plan("the epoch of who reports is kept", "hearing", "epoch = max(note.epoch, entry.lease_epoch)", "epoch = note.epoch"),
    _plan("a failure halts", "hearing", "after = _halted(plan, halting.verdict(plan, placed, pod_id))", "pass"),
    _plan("a hold is no halt", "hearing", "plan.state in WATCHED and entry.state", "entry.state"),
    _plan("an end opens the next wave", "hearing", "after = moving.advance(plan, placed, blocked, now)", "after = plan"),
    _plan("an earlier turn", "reports", "    if _is_late(last, entry):\n        return False\n", ""),
    _plan("progress of an earlier turn", "reports", "    if not _is_late(last, entry):\n", "    if True:\n"),
    _plan("progress that was overtaken", "reports", "            _REPORTS.c.lease_epoch <= entry.lease_epoch,\n            _REPORTS.c.attempts == entry.attempts,\n            _REPORTS.c.state == entry.state,\n", ""),
    _plan("a way back counts after the way", "reports", "    (Direction.DOWN, EntryState.FAILED): 4,\n", "    (Direction.DOWN, EntryState.FAILED): 0,\n"),
    _plan("a later attempt is news", "reports", "told = (last.state, last.direction, last.attempts, last.checksum)\n    return (entry.state, entry.direction, entry.attempts, entry.checksum) != told", "told = (last.state, last.direction, last.checksum)\n    return (entry.state, entry.direction, entry.checksum) != told"),
    _plan("begun anew has no rate", "reports", "if rows < 0:", "if False:", _STATUS),
    _plan("edited files are seen", "cells", "if state is EntryState.APPLIED and checksum != signed:", "if False:", _WAVES),
    _plan("legs from the first on", "cells", "return min(open_legs, default=1 + max(legs, default=-1))", "return max(open_legs, default=1 + max(legs, default=-1))", _WAVES),
    _plan("what finalizes begins a leg", "legs", "leg = max(leg, leg_of[finalized] + 1)", "pass", _WAVES),
    _plan("legs never fall", "legs", "leg = legs[-1] if legs else 0", "leg = 0", _WAVES),
    _plan("the canary first", "waves", "ordered = [canary, *sorted(set(pod_ids) - {canary})]", "ordered = sorted(pod_ids)", _WAVES),
    _plan("whatever is left over", "waves", "bounds = sorted({*ends, len(ordered)})", "bounds = sorted({*ends})", _WAVES),
    _plan("a signature covers the evidence", "signing", "sorted(evidence.items())", "[]", _WAVES),
    _plan("a signature covers the files", "signing", "each.name, each.checksum, each.kind", "each.name, each.kind", _WAVES),
    _plan("the same again is the first one", "making", "        if owner.digest == signed:\n            return owner\n", "", _PLANS),
    _plan("in one plan at a time", "making", '        raise PlanConflict(owner.number, f"it is', '        PlanConflict(owner.number, f"it is', _PLANS),
    _plan("what some pods have is planned for the others", "making", "plan.state is PlanState.SUCCEEDED and not plan.options.only_these_pods", "plan.state is PlanState.SUCCEEDED", _PLANS),
    _plan("a canary that may migrate", "making", "free = [each for each in pod_ids if fleet.why_blocked(each) is None] or pod_ids", "free = pod_ids", _PLANS),
    _plan("no pods are not all pods", "making", "fleet.states if wanted.pod_ids is None else set(wanted.pod_ids)", "wanted.pod_ids or fleet.states", _PLANS),
    _plan("one plan under way", "plans", "            if others:\n", "            if False:\n", _PLANS),
    _plan("started once", "plans", "            if plan.state is not PlanState.DRAFT:\n", "            if False:\n", _PLANS),
    _plan("the ways of the table", "plans", "            states.check(number, plan.state, to)\n", "", _PLANS),
    _plan("what is stored is what was signed", "plans", "if digest(planned, plan.evidence) != plan.digest:", "if False:", _PLANS),
    _plan("files are those that were signed", "plans", "if checksums.get(each.version) != each.checksum:", "if False:", _PLANS),
    _plan("evidence is what was signed", "plans", "if evidence.get(name) != plan.evidence.get(name):", "if False:", _PLANS),
    _plan("what pods have is known at the start", "plans", "            placing.refresh(connection, plan, now)\n", "", _PLANS),
    _plan("a hold keeps the soak", "plans", "to = PlanState.RUNNING if plan.soak_until is None else PlanState.SOAKING", "to = PlanState.RUNNING", _PLANS),
    _plan("a change opens what follows", "plans", "plan = moving.advance(plan, placed, fleet.blocked(placed), now)", "pass"),
    _plan("a canary is chosen before others go", "plans", "if plan.wave or plan.leg or plan.state.is_over:", "if False:"),
    _plan("the old canary goes with its wave", "plans", "rows.update_placement(connection, replace(each, wave=wave))", "pass"),
    _plan("what is open keeps its place", "blocking", "            if reports.is_open(connection, pod_id):\n", "            if False:\n"),
    _plan("only who is gone is forgotten", "blocking", "        if registered:\n", "        if False:\n"),
    _plan("a block opens what follows", "blocking", "            rows.write_note(connection, note, is_new=pod_id not in known.notes)\n\n        self._store.decide(decide)\n        self._plans.settle()", "            rows.write_note(connection, note, is_new=pod_id not in known.notes)\n\n        self._store.decide(decide)"),
    _plan("some pods only", "placing", "    if plan.options.only_these_pods:\n        return []\n", "", _PLANS),
    _plan("who is added joins", "placing", "    if plan.state.is_live:\n        return [", "    if False:\n        return ["),
    _plan("who is late catches up", "placing", "return [asking] if is_late and asking in fleet else []", "return []"),
    _plan("a row is for its pods", "placing", "    if not planned.is_for(pod_id):\n        return Cell.ELSEWHERE\n", "", _PLANS),
    _plan("the live plan rules", "rows", "return sorted(found, key=lambda pair: not pair[0].state.is_live)", "return found"),
    _plan("cancelled plans rule nothing", "rows", '.where(_VERSIONS.c.version == bindparam("asked"), _PLANS.c.state != PlanState.CANCELLED)', '.where(_VERSIONS.c.version == bindparam("asked"))', _PLANS),
    _plan("the plan under way is shown", "rows", "_PLANS.c.state.in_(sorted(LIVE)), _PLANS.c.number == number)", "_PLANS.c.number == number)", _STATUS),
    _plan("errors of any length", "rows", "return text if len(text) <= characters else", "return text if True else"),
    _plan("who is late is seen", "watching", "late |= (behind & set(seen.fleet.states)) | added", "pass", _STATUS),
    _plan("what failed is seen", "watching", "if failed or any(plan.state is PlanState.HALTED for plan in live):", "if False:", _STATUS),
    _plan("what is stuck is seen", "watching", "if any(_is_stuck(seen, plan) for plan in live) or (", "if (", _STATUS),
]  # fmt: skip
