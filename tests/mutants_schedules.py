"""The guards of recurring schedules that promises rest on, for `tests.mutants`.

Owns the list only, as (name, file, guard, broken, tests); how one is taken out and judged is `tests.mutants`'.
"""

# ruff: noqa: E501 - a guard is quoted as it stands

from __future__ import annotations

_SCRIPTS = "platform/podwork/scripts"
_PACKAGE = "platform/podwork/schedules"
_TICKER = "tests/integration/test_schedules_ticker.py"
_HISTORIES = "tests/integration/test_schedules_histories.py"
_REGISTRATION = "tests/integration/test_schedules_registration.py"
_CHANGES = "tests/integration/test_schedules_changes.py"
_RHYTHM = "tests/unit/test_schedules_rhythm.py"
_PLAN = "tests/unit/test_schedules_plan.py"
_DECLARATION = "tests/unit/test_schedules_declaration.py"
_SURVEYOR = "tests/integration/test_worker_surveyor.py"
_METRICS = "tests/unit/test_metrics_worker.py"

Guard = tuple[str, str, str, str, str]


def _script(script: str, name: str, guard: str, broken: str = "", tests: str = _TICKER) -> Guard:
    return (f"schedules: {name}", f"{_SCRIPTS}/{script}.lua", guard, broken, tests)


def _module(module: str, name: str, guard: str, broken: str, tests: str) -> Guard:
    return (f"schedules: {name}", f"{_PACKAGE}/{module}.py", guard, broken, tests)


GUARDS: list[Guard] = [
    _script("tick", "one look in a turn", "if not known or string.match(known, '^(%d+) ') ~= ARGV[2] then return false end"),
    _script("tick", "one look in a turn, in histories", "string.match(known, '^(%d+) ') ~= ARGV[2]", "false", _HISTORIES),
    _script("tick", "a slot in a run", "if not has_ticked(slot) then", "do"),
    _script("tick", "a slot before a run", "return begin and tonumber(begin) <= tonumber(slot)", "return begin"),
    _script("parts/storing", "a slot whose job is here", "  if redis.call('HEXISTS', JOBS .. shop, id) == 1 then return { 'accepted', id } end -- sent again\n"),
    _script("tick", "runs that meet", "run_begin - 1, '+inf', 'WITHSCORES'", "run_begin, '+inf', 'WITHSCORES'"),
    _script("tick", "runs that overlap", "    redis.call('ZREM', ticks, met[1])\n", "    break\n"),
    _script("tick", "a run is remembered", "  redis.call('ZADD', ticks, run_end, string.format('%.0f', run_begin))\n", "", _HISTORIES),
    _script("tick", "runs are bounded", "  redis.call('ZREMRANGEBYRANK', ticks, 0, -tonumber(ARGV[6]) - 1)\n"),
    _script("schedule", "changes: turn", "if (known and string.match(known, '^(%d+) ') or '0') ~= turn then return 0 end", "", _CHANGES),
    _script("schedule", "changes: later code", "if token ~= '' and redis.call('ZRANGE', CATALOGUES .. app, -1, -1)[1] ~= token then return 0 end", "", _REGISTRATION),
    _script("schedule", "forgetting: runs", "  redis.call('DEL', TICKS .. schedule)\n", "", _REGISTRATION),
    _script("announce", "starts: seen before", "if redis.call('ZSCORE', starts, token) then return 0 end", "", _REGISTRATION),
    _script("announce", "starts: bounded", "redis.call('ZREMRANGEBYRANK', starts, 0, -tonumber(ARGV[3]) - 1)", "", _REGISTRATION),
    _module("plan", "what has ticked is not open", " if not is_covered(slot, runs)]", "]", _PLAN),
    _module("plan", "what is given up is no run", "if due.complete and not given_up:", "if due.complete:", _PLAN),
    _module("plan", "what is given up is no run, in histories", "if due.complete and not given_up:", "if due.complete:", _HISTORIES),
    _module("plan", "what was not seen is no run", "if due.complete and not given_up:", "if not given_up:", _PLAN),
    _module("plan", "on time", "latest[0] < now_ms - ON_TIME_MS", "False", _PLAN),
    _module("plan", "one is the latest", "latest = open_slots[-1:]", "latest = open_slots[:1]", _PLAN),
    _module("plan", "both ends of a run", "runs[at].begin <= slot", "runs[at].begin < slot", _PLAN),
    _module("rhythm", "the hour that comes twice", "if slot_ms > last_ms:", "if True:", _RHYTHM),
    _module("rhythm", "a bounded look back", "if start_ms == begin_ms or len(slots) > most:", "if start_ms == begin_ms:", _RHYTHM),
    _module("rhythm", "a computed slot is later", "if last_ms is not None and slot_ms <= last_ms:", "if False:", _RHYTHM),
    _module("rhythm", "a computed interval under a clock set back", "for slot in recent if slot <= watched_ms", "for slot in recent", _RHYTHM),
    _module("rhythm", "a computed slot before a fault", "            except NoSlots:  # what", "            except ZeroDivisionError:  # what", _TICKER),
    _module("rhythm", "what the application raises", "except Exception as error:", "except ZeroDivisionError as error:", _TICKER),
    _module("rhythm", "a zone that is not known here", "except (CronSimError, ConfigurationError) as error:", "except CronSimError as error:", _TICKER),
    _module("entry", "a pause is not caught up", "return replace(entry, pause=None, watched_ms=now_ms)", "return replace(entry, pause=None)", _CHANGES),
    _module("entry", "a pause stops", "return self.pause is None and not self.removed_ms", "return not self.removed_ms", _CHANGES),
    _module("entry", "what is removed stops", "return self.pause is None and not self.removed_ms", "return self.pause is None", _REGISTRATION),
    _module("entry", "a new rhythm begins now", "if restart or not after.has_rhythm_of(before):", "if restart:", _REGISTRATION),
    _module("entry", "an old rhythm goes on", "if restart or not after.has_rhythm_of(before):", "if True:", _REGISTRATION),
    _module("entry", "a schedule that comes back", "if restart or not after.has_rhythm_of(before):", "if not after.has_rhythm_of(before):", _REGISTRATION),
    _module("entry", "changes add up", "{**already, **fields}", "{**fields}", _CHANGES),
    _module("entry", "a change outlives a deployment", "replace(entry, declaration=declaration, removed_ms=0)", "replace(entry, declaration=declaration, removed_ms=0, change=None)", _REGISTRATION),
    _module("entry", "a pause outlives a deployment", "replace(entry, declaration=declaration, removed_ms=0)", "replace(entry, declaration=declaration, removed_ms=0, pause=None)", _REGISTRATION),
    _module("entry", "a clock set back: service level", "min(entry.since_ms, now_ms)", "entry.since_ms", _TICKER),
    _module("ticker", "a clock set back", "        if self._rewind(snapshot):\n            return 0.0\n", "", _TICKER),
    _module("ticker", "a clock set back, in histories", "        if self._rewind(snapshot):\n            return 0.0\n", "", _HISTORIES),
    _module("ticker", "followers ask nothing", "if self._registered and not self.life.is_leader:", "if False:", _REGISTRATION),
    _module("ticker", "followers tick nothing", "        if not self.life.is_leader:\n            return FOLLOWER_SECONDS\n        if self._judge", "        if self._judge", _REGISTRATION),
    _module("ticker", "a fault is said once", "if kept.entry.fault != str(fault):", "if True:", _TICKER),
    _module("ticker", "an event is told by who wrote it", " and self._ledger.write(name, kept, after):\n                service", " and [self._ledger.write(name, kept, after)]:\n                service", _CHANGES),
    _module("ticker", "a success ahead of the clock", "if success_ms > snapshot.now_ms:", "if False:", _CHANGES),
    _module("service_level", "counts from its declaration", "max(success_ms, entry.since_ms)", "success_ms", _CHANGES),
    _module("service_level", "told once", "if breached == bool(entry.breached_ms):", "if False:", _CHANGES),
    _module("registration", "later code has the say", "return True  # later code", "pass  # later code", _REGISTRATION),
    _module("registration", "another application's schedule", "return entry.declaration.app != catalogue.app and not entry.removed_ms", "return False", _REGISTRATION),
    _module("registration", "another application's removal", " or kept.entry.declaration.app != catalogue.app:", ":", _REGISTRATION),
    _module("registration", "forgotten after a week", "elif now_ms - kept.entry.removed_ms > FORGOTTEN_AFTER_MS:", "elif False:", _REGISTRATION),
    _module("ledger", "jobs name their schedule", '{"s": name, **record', "{**record", _TICKER),
    _module("ledger", "an entry that cannot be read", "except (ValueError, msgspec.DecodeError) as error:", "except ZeroDivisionError as error:", _TICKER),
    _module("jitter", "each pod its own", "{schedule} {pod_id} {slot_ms}", "{schedule} {slot_ms}", _PLAN),
    _module("jitter", "each slot its own", "{schedule} {pod_id} {slot_ms}", "{schedule} {pod_id}", _PLAN),
    _module("declaration", "a schedule is for no shop", "if call.shop_id is not None or job_class.parameters.takes_shop_id:", "if False:", _DECLARATION),
    _module("catalogue", "a name is declared once", "if declaration.name in self._declared:", "if False:", _DECLARATION),
    ("surveyor: only while it leads", "platform/podwork/worker/surveyor.py", "self._look() if leads else None", "self._look()", _SURVEYOR),
    ("surveyor: no old numbers", "platform/podwork/worker/surveyor.py", "            return None\n", "            raise\n", _SURVEYOR),
    ("metrics: a pod's series vanish", "ops/podwork_ops/metrics/worker.py", "                observation.pod,\n", "                observation.pod or (self._children[child_pid].pod if child_pid in self._children else None),\n", _METRICS),
    ("metrics: the leader heard last", "ops/podwork_ops/metrics/worker.py", "latest = max(leaders", "latest = min(leaders", _METRICS),
]  # fmt: skip
