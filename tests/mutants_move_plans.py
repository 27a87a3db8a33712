"""The guards of plans of moves that promises rest on, for `tests.mutants`.

Owns the list only, as (name, file, guard, broken, tests); how one is taken out and judged is `tests.mutants`'.
"""

# ruff: noqa: E501 - a guard is quoted as it stands

from __future__ import annotations

_PLANS = "pods/podwork_pods/mover/plans"
_CONTRACT = "tests/contract/test_move_plans.py"
_PACE = "tests/integration/test_move_plan_pace.py"
_DECIDING = "tests/unit/test_move_plan_deciding.py"
_SELECTION = "tests/unit/test_move_plan_selection.py"
_CALENDAR = "tests/unit/test_move_plan_calendar.py"
_CLI = "tests/acceptance/test_cli_move_plans.py"
_RUNNING = "tests/acceptance/test_cli_move_plans_running.py"
_READING = "tests/contract/test_move_plan_reading.py"
_WAITING = "tests/contract/test_mover_waiting.py"
_APART = "tests/contract/test_migrations_apart.py"

Guard = tuple[str, str, str, str, str]


def _in(file: str, name: str, guard: str, broken: str, tests: str) -> Guard:
    return (f"move plans: {name}", f"{_PLANS}/{file}.py", guard, broken, tests)


GUARDS: list[Guard] = [
    _in("turns", "a leader counts again under the lock", "        changes.lock(connection)\n        plan = rows.get(connection, plan_id, locked=True)\n        reach(\"plans.turn\")\n        decision, turns = _look(connection, plan, pods)\n", "        plan = rows.get(connection, plan_id)\n        decision, turns = _look(connection, plan, pods)\n        reach(\"plans.turn\")\n        changes.lock(connection)\n", _CONTRACT),
    _in("turns", "only from where it was chosen", "if route is None or route.pod_id != turn.from_pod:", "if route is None:", _CONTRACT),
    _in("turns", "room of both pods", "if all(taken[pod_id] < room(pod_id) for pod_id in ends):", "if True:", _CONTRACT),
    _in("turns", "moves of others take room too", "        used[away] += count\n", "", _CONTRACT),
    _in("turns", "a move at rest takes no room", ", moves.c.state.not_in(_AT_REST)", "", _CONTRACT),
    _in("turns", "only to an active pod", "if pod.state is PodState.ACTIVE and room(pod.id)]", "if room(pod.id)]", _CONTRACT),
    _in("turns", "only from a pod that lets shops go", "if pod.state in _LEAVING and room(pod.id)]", "if room(pod.id)]", _CONTRACT),
    _in("rows", "a shop that somebody moves waits", ", ~moving)", ")", _CONTRACT),
    _in("rows", "the canary first", ".where(_SHOPS.c.position < first", ".where(_SHOPS.c.position >= 0", _CONTRACT),
    _in("plans", "what was given up is known at the resume", "forgiven=rows.standing(connection, plan).failed", "forgiven=0", _CONTRACT),
    _in("plans", "no shop twice", "if len({choice.shop_id for choice in choices}) < len(choices):", "if False:", _CONTRACT),
    _in("plans", "only what stands is resumed", "if plan.state not in STANDING:", "if False:", _CONTRACT),
    _in("holding", "a paused plan cuts nothing over", "if plan.state in STANDING:", "if False:", _CONTRACT),
    _in("holding", "no freeze on the way back", "if move.leg != 1:", "if False:", _CONTRACT),
    ("move plans: a mover asks before it cuts over", "pods/podwork_pods/mover/mover.py", "if why := why_it_waits(self._store.directory, move):", "if why := '':", _CONTRACT),
    _in("bandwidth", "one line for all movers", "max(since if free_at is None else free_at, since) + seconds", "since + seconds", _CONTRACT),
    _in("bandwidth", "little is saved up", "max(since if free_at is None else free_at, since) + seconds", "(since if free_at is None else free_at) + seconds", _CONTRACT),
    _in("bandwidth", "the first two come one after the other", "            changes.lock(connection)  # two that are the first come one after the other\n", "", _CONTRACT),
    _in("bandwidth", "who waits is heard of", "            pulse(f\"the bandwidth of copies from pod {self._pod_id}: {self._rate / 1e6:g} MB/s\")\n", "", _CONTRACT),
    _in("pace", "the bytes are told", "self._bandwidth.passed(copied_bytes)", "pass", _PACE),
    _in("pace", "both pods are asked", "(passage.source, passage.target) if asked", "(passage.source,) if asked", _PACE),
    ("move plans: every chunk of a copy is told", "pods/podwork_pods/mover/rows/passing.py", "self._pace(chunk.walked.bytes - walked.bytes, pulse)", "pulse('')", _PACE),
    ("move plans: a chunk is told once", "pods/podwork_pods/mover/rows/passing.py", "                        walked = chunk.walked\n", "", _PACE),
    ("move plans: a purge is throttled", "pods/podwork_pods/mover/joined/served_rows.py", "self._pace(0, pulse)", "pulse('')", _PACE),
    _in("deciding", "the rest waits for the canary", "plan.canary_shops if standing.canary_left else plan.shops", "plan.shops", f"{_DECIDING} {_CONTRACT}"),
    _in("deciding", "one canary halts", "if is_canary and standing.canary_failed > plan.forgiven:", "if False:", _DECIDING),
    _in("deciding", "more than one", "max(1, FAILED_SHARE * plan.shops)", "FAILED_SHARE * plan.shops", _DECIDING),
    _in("deciding", "what is known is not counted again", "standing.failed - plan.forgiven", "standing.failed", _DECIDING),
    _in("deciding", "nothing begins unless it runs", "if plan.state is not PlanState.RUNNING:", "if False:", _DECIDING),
    _in("deciding", "room", "max(0, plan.options.concurrency - standing.under_way)", "plan.options.concurrency", _DECIDING),
    _in("plan", "taken back is no success", "if leg == 2 or state in _GIVEN_UP:", "if state in _GIVEN_UP:", _DECIDING),
    _in("selection", "nothing to a pod that takes none", "if pod.takes and pod.weight and pod.pod_id != from_pod}", "if pod.weight and pod.pod_id != from_pod}", _SELECTION),
    _in("selection", "weights", "return held[0] / weight, held[1] / weight", "return float(held[0]), float(held[1])", _SELECTION),
    _in("selection", "only where it helps", "if nearest is None or distance(shops[nearest][0]) >= distance(0):", "if nearest is None:", _SELECTION),
    _in("calendar", "by the clock of the zone", "datetime.fromtimestamp(now, self.zone)", "datetime.fromtimestamp(now, UTC)", _CALENDAR),
    _in("calendar", "its end by that clock", "end.replace(tzinfo=self.zone).timestamp()", "now + left * 60", _CALENDAR),
    _in("calendar", "over midnight", "length = (self.last - self.first) % self.period", "length = self.last - self.first", _CALENDAR),
    ("move plans: no bandwidth is promised where none is kept", "ops/podwork_ops/cli/move_plan.py", "if options.bandwidth_bytes is not None and is_copied_at_once:", "if False:", _CLI),
    ("move plans: an order that a plan does not let happen", "ops/podwork_ops/cli/move_changes.py", "        check(platform, after)\n", "", _CLI),
    _in("turns", "who has another move is named", "rows.moved_elsewhere(connection, plan, decision.first)", "()", _READING),
    _in("turns", "a pod that takes none is named", 'why_not(to_pod, (PodState.ACTIVE,), "it takes no shops")', '""', _READING),
    _in("rows", "what a shop waits for", "return f\"held: {row.held_reason}\" if row.held else str(row.throttle_reason)", 'return ""', _READING),
    ("moves: what passes by itself is waited for", "pods/podwork_pods/mover/runbook.py", "        if found.waits:\n            raise HasToWait(\"; \".join(found.waits))\n", "", _WAITING),
    ("moves: what is waited for is said until it is over", "pods/podwork_pods/mover/mover.py", "self._beat(move.throttle_reason)", 'self._beat("")', _WAITING),
    ("move plans: leaders let plans go on", "pods/podwork_pods/mover/service.py", "        yield self._plan\n", "", f"{_RUNNING} -k evacuated"),
    ("moves: what a person has to end is not waited for", "pods/podwork_pods/mover/joined/looking.py", "(each.what for each in seen if not each.passes)", "()", _WAITING),
    ("moves: tables may differ while a migration is under way", "pods/podwork_pods/mover/joined/looking.py", "            return Found(found, {}, waits)\n", "            pass\n", _WAITING),
    ("moves: a migration that begins meanwhile", "pods/podwork_pods/mover/joined/looking.py", "waits = _passing(self._look_further()) if blocked else []", "waits: list[str] = []", _WAITING),
    ("moves: only a plan that rolls out is waited for", "migrations_runner/podwork_migrations/plan/coming.py", "plan.state in _ROLLS_OUT and ", "", _APART),
    ("moves: no pod that is left out is waited for", "migrations_runner/podwork_migrations/plan/coming.py", "if fleet.why_blocked(pod_id) is not None:", "if False:", _APART),
    ("moves: no line that has stopped is waited for", "migrations_runner/podwork_migrations/apart.py", "if is_stopped or theirs is not None else", "if theirs is not None else", _APART),
    ("moves: nothing that a person took back is waited for", "migrations_runner/podwork_migrations/apart.py", "if is_stopped or theirs is not None else", "if is_stopped else", _APART),
]  # fmt: skip
