"""The guards of the passage of a shop's jobs between pods that promises rest on, for `tests.mutants`.

Owns the list only, as (name, file, guard, broken, tests); how one is taken out and judged is `tests.mutants`'.
Names are those of ops/docs/moves.md where a guard has one there.
"""

# ruff: noqa: E501 - a guard is quoted as it stands

from __future__ import annotations

_SCRIPTS = "platform/podwork/scripts"
_TRANSFER = "platform/podwork/transfer"
_WORKER = "platform/podwork/worker"
_STEPS = "tests/integration/test_transfer_steps.py"
_GUARDS = "tests/integration/test_transfer_guards.py"
_KILLS = "tests/integration/test_transfer_kills.py"
_HISTORIES = "tests/integration/test_transfer_histories.py"
_COST = "tests/integration/test_transfer_cost.py"
_YIELD = "tests/integration/test_worker_yield.py"

Guard = tuple[str, str, str, str, str]


def _script(script: str, name: str, guard: str, broken: str, tests: str = _GUARDS) -> Guard:
    return (f"transfer: {name}", f"{_SCRIPTS}/{script}.lua", guard, broken, tests)


def _python(file: str, name: str, guard: str, broken: str, tests: str = _STEPS) -> Guard:
    return (f"transfer: {name}", f"{_TRANSFER}/{file}.py", guard, broken, tests)


GUARDS: list[Guard] = [
    _script("parts/claiming", "gate.claim", "~= 'open ' or holds", "== 'hold ' or holds", _STEPS),
    _script("parts/gates", "gate.hold", "if state == 'hold' then return { 'HOLD' } end", "", _STEPS),
    _script("parts/gates", "gate.moved", "if state == 'moved' then return { 'MOVED', pod, gate_epoch } end", "", _STEPS),
    _script("gate", "gate.mover", "if epoch < gate_epoch or mover < gate_mover or", "if epoch < gate_epoch or"),
    _script("pause", "gate.mover, pausing", "if epoch < gate_epoch or mover < gate_mover then", "if epoch < gate_epoch then"),
    _script("gate", "a hold only after a pause", "ARGV[6] == '1' and not paused", "false"),
    _script("gate", "an open gate has no marks", "redis.call('UNLINK', BROUGHT .. shop, ARRIVED .. shop, SINCE .. shop)", "redis.call('TIME')", _STEPS),
    _script("gate", "an order that is obsolete", "redis.call('LREM', ORDERS .. incarnation, 0, 'yield ' .. shop)", "redis.call('TIME')", _YIELD),
    _script("pause", "marks of an earlier pause", "redis.call('UNLINK', BROUGHT .. shop, SINCE .. shop)", "redis.call('TIME')", _KILLS),
    _script("pause", "marks of the same pause", "if state ~= 'pausing' or gate_mover ~= mover then", "if true then", _STEPS),
    _script("pause", "holders are told at once", "redis.call('PUBLISH', 'podwork:ear:' .. incarnation, order)", "redis.call('TIME')", _STEPS),
    _script("pause", "holders are told with a heartbeat", "redis.call('RPUSH', ORDERS .. incarnation, order)", "redis.call('TIME')", _STEPS),
    _script("pause", "told once", "if not redis.call('LPOS', ORDERS .. incarnation, order) then", "if true then", _STEPS),
    _script("parts/travelling", "jobs.drained", "if #holders == 0 then return nil end", "if true then return nil end"),
    _script("parts/travelling", "a mark under an earlier mover", "if gate_mover == mover and string.find", "if string.find"),
    _script("parts/travelling", "a mark without its gate", "and string.find(states, state, 1, true) then", "then"),
    _script("parts/travelling", "what waits for this pod is ready", "string.match(room, '^!after:(.*)$')", "string.match(room, '^!(.*)$')", _STEPS),
    _script("parts/noting", "jobs.delta", "redis.call('ZADD', SINCE .. shop, math.max", "redis.call('ZADD', SINCE .. 'nobody', math.max", _STEPS),
    _script("push", "pushes are noted", "for _, id in ipairs(ids) do note(shop, id) end", "", _STEPS),
    _script("parts/storing", "what replaces is noted", "redis.call('HSET', JOBS .. shop, owner, record)\n  note(shop, owner)", "redis.call('HSET', JOBS .. shop, owner, record)", _STEPS),
    _script("parts/storing", "locks are noted", "    note(shop, 'lock ' .. lock[1])\n", "", _STEPS),
    _script("parts/ending", "what a dead set drops is noted", "      note(shop_of(dropped), dropped)\n", "", _STEPS),
    _script("export", "what is noted comes in its order", " and not redis.call('ZSCORE', SINCE .. shop, id) then", " then", _HISTORIES),
    _script("export_lane", "a job that has left a room", "(not is_room or redis.call('HGET', PARKED, id) == queue)", "true", _STEPS),
    _script("bring", "jobs.arrive", "if state ~= 'hold' or gate_mover", "if gate_mover"),
    _script("bring", "jobs.arrive, by its own mover", "or gate_mover ~= mover or epoch ~= tonumber(ARGV[2]) then", "or epoch ~= tonumber(ARGV[2]) then"),
    _script("bring", "jobs.gone", "for _, id in ipairs(next_list(1)) do take_away(id) end", "next_list(1)", _STEPS),
    _script("bring", "nothing is stored twice", "if not stays then put(id, place, time, record) end", "put(id, place, time, record)", _STEPS),
    _script("bring", "a job stands in one place", "if not stays then displace(id, before, old_place, room) end", "", _STEPS),
    _script("bring", "lanes wait for the gate", "redis.call('SADD', OUTSIDE .. queue, shop)", "redis.call('RPUSH', RING .. queue, shop)", _STEPS),
    _script("bring", "a period's alarm", "redis.call('ZADD', ALARMS, till, 'lock:' .. shop .. ':' .. digest)", "redis.call('TIME')", _STEPS),
    _script("bring", "rows that were taken over", "if new then redis.call('HSET', CARRIED, new, id) end", "", _STEPS),
    _script("bring_policies", "holds that are none any more", "if not told[holds[k]] and", "if false and", _STEPS),
    _script("bring_policies", "policies under an earlier mover", "gate_mover ~= tonumber(ARGV[3]) or", "", _GUARDS),
    _script("mark", "what was noted is brought", "redis.call('ZREMRANGEBYSCORE', SINCE .. shop, '-inf', ARGV[3])", "redis.call('UNLINK', SINCE .. shop)", _HISTORIES),
    _script("manifest", "what is due soon", "tonumber(time) <= soon then", "false then", _STEPS),
    _script("manifest", "records are compared", "count(place, id .. ' ' .. time .. ' ' .. found)", "count(place, id)"),
    _script("leave", "jobs.drop", "not_mine(shop, mover, 'moved') or", "not_mine(shop, mover, 'moved hold') or"),
    _script("leave", "jobs.left", "redis.call('RENAME', jobs, aside)", "redis.call('COPY', jobs, aside)"),
    _script("leave", "what came since", "if redis.call('EXISTS', jobs) == 1 and not is_all_brought and", "if false and"),
    _script("leave", "held jobs", "'moved') or still_held(shop)", "'moved')"),
    _script("sweep", "jobs.late", "if redis.call('ZSCORE', marks, id) then", "if true then"),
    _script("sweep", "only under its own gate", "local refusal = not_mine(shop, mover, 'moved')", "local refusal"),
    _script("sweep", "sizes", "redis.call('HINCRBY', SIZES, queue, -ready)", "redis.call('TIME')", _STEPS),
    _script("sweep", "rooms", "if redis.call('UNLINK', LANE .. room .. ':' .. shop) == 1 then", "if false then", _STEPS),
    _script("push_dead", "an id that is there", "if redis.call('HSETNX', JOBS .. shop, id, ARGV[4]) == 1 then", "if redis.call('HSETNX', JOBS .. shop, id, ARGV[4]) then", _GUARDS),
    _script("cancel", "cancel while jobs travel", "  if travels(shop) then return 'travelling' end\n", "", _STEPS),
    _script("revive", "revive while jobs travel", "  if travels(shop) then return 'travelling' end\n", "", _STEPS),
    _script("move_queue", "move_queue while jobs travel", "  if travels(shop) then return 'travelling' end\n", "", _STEPS),
    _python("sweeping", "jobs.strays", "        push_on(waiting)\n", "        pass\n", _GUARDS),
    _python("sweeping", "the dead stay dead", 'if job.place != b"dead"]', "]", _GUARDS),
    _python("sweeping", "what is later stays later", 'if job.place == b"scheduled" else 0', "if False else 0", _GUARDS),
    _python("sweeping", "locks go along", "locks=carried_locks(lease.extras), ", "", _GUARDS),
    _python("transfer", "the last look", "        self.look()\n", "", _GUARDS),
    _python("transfer", "the marks of both sides", "here.brought == there.arrived <= there.jobs", "here.brought", _GUARDS),
    _python("transfer", "all is marked", "if not here.jobs <= here.brought", "if not here.brought", _GUARDS),
    _python("transfer", "a target that is open", "also_late=there_is_open", "also_late=False", _GUARDS),
    _python("transfer", "an earlier attempt is cleared", "            Bringing(self._here, self._there).clear()\n", "            pass\n", _KILLS),
    _python("bringing", "what is gone", "        self._take_away()\n", "", _KILLS),
    _python("bringing", "rooms first", "[*sorted(rooms), *self._queues()]", "self._queues()", _STEPS),
    _python("bringing", "ended ids", "        self._ended()\n", "", _STEPS),
    _python("manifest", "a difference is raised", "        raise JobsDiffer(here.shop_id, str(found.here), str(found.there))\n", "        pass\n", _GUARDS),
    ("yield: unstarted", f"{_WORKER}/manager.py", "            self._outgoing += self._ready.take_back(self._yielding.popleft())\n", "            self._yielding.popleft()\n", _YIELD),
    ("yield: other shops", f"{_WORKER}/running.py", "one.shop == shop or one in self._yielding)", "True)", _YIELD),
    ("yield: the lease, not the job", f"{_WORKER}/running.py", "entry[0] in self._yielding and not", "not", _YIELD),
    ("yield: at most once", f"{_WORKER}/running.py", " and not entry[1].policy.at_most_once\n", "\n", _YIELD),
    ("yield: in a process of its own", f"{_WORKER}/child.py", "                self._isolation.ask(job_id)\n", "                pass\n", _YIELD),
    ("yield: at once", f"{_WORKER}/intake.py", "                    self._told(one.order)\n", "                    pass\n", _STEPS),
]  # fmt: skip
