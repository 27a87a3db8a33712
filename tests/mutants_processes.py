"""The guards around processes that promises rest on (isolation, hard limits, orders), for `tests.mutants`.

Owns the list only, as (name, file, guard, broken, tests); how one is taken out and judged is `tests.mutants`'.
"""

# ruff: noqa: E501 - a guard is quoted as it stands

from __future__ import annotations

_WORKER = "platform/podwork/worker"
_SCRIPTS = "platform/podwork/scripts"
_UNIT = "tests/unit/test_worker_isolation.py"
_CRASH = "tests/integration/test_engine_crash.py"
_STOPPING = "tests/unit/test_worker_stopping.py"
_ISOLATION = "tests/integration/test_worker_isolation.py"
_KILLS = "tests/crash/test_worker_isolation_kills.py"
_HARD = "tests/integration/test_worker_hard_limit.py"
_RUNS = "tests/unit/test_worker_isolation_runs.py"
_ORDERS = "tests/integration/test_worker_orders.py"
_TIME = "tests/integration/test_worker_timekeeper.py"

Guard = tuple[str, str, str, str, str]


def _in(module: str, name: str, guard: str, broken: str, tests: str) -> Guard:
    label = module.rsplit("/", 1)[-1]
    return (f"{label}: {name}", f"{_WORKER}/{module}.py", guard, broken, tests)


def _isolation(name: str, guard: str, broken: str, tests: str) -> Guard:
    return _in("isolation/isolation", name, guard, broken, tests)


def _hatchery(name: str, guard: str, broken: str, tests: str) -> Guard:
    return _in("isolation/hatchery", name, guard, broken, tests)


def _script(name: str, guard: str, broken: str) -> Guard:
    return (f"crash: {name}", f"{_SCRIPTS}/crash.lua", guard, broken, _CRASH)


GUARDS: list[Guard] = [
    _script("lease", "if not hold then return false end", "hold = hold or '1'"),
    _script("it ran", "judge(record, hold, true,", "judge(record, hold, false,"),
    _script("poison pill", "if fate == 'buried' then", "if false then"),
    _script("cancelled stays cancelled", "or ended_by_cancel(shop, id, hold)", ""),
    _script("queued again", "enter(queue_of(judged), shop, { id }, true)", ""),
    _in("isolation/tether", "the system's help", "if _prctl is not None:", "if False:", _KILLS),
    _hatchery("an ended line ends it", "case None:\n                return False", "case None:\n                return True", _KILLS),
    _hatchery("it kills its job processes", "        for slot in self._alive:\n            self._kill(slot)\n", "", _KILLS),
    _hatchery("what a job started is killed with it", "os.killpg(pid, signal.SIGKILL)", "os.kill(pid, signal.SIGKILL)", _HARD),
    _hatchery("what a job forks hears signals", "signals.let_go_in_forks()", "pass", _ISOLATION),
    _hatchery("signals reach a job process", "            signals.unblock()\n            signals.let_go", "            signals.let_go", _ISOLATION),
    _isolation("a process that may have begun", 'return ORPHANED', 'raise ends.NoJobProcess("x")', _KILLS),
    _isolation("not before it is gone", "how = self._hear(slot)", "how = self._hear(slot)\n            if unframed(stream):\n                how = 'gone'", _RUNS),
    _isolation("a kill does not come before its errand", "        with slot.lock:\n            abandoned = self._abandoned", "        slot.lease = lease\n        with threading.Lock():\n            abandoned = self._abandoned", _RUNS),
    _isolation("who is abandoned begins nothing", "            if not abandoned:", "            if True:", _RUNS),
    _isolation("an orphan is waited for", "ORPHAN_SECONDS if how == ORPHANED else 0.0", "0.0", _RUNS),
    _isolation("a kill is for one job", "slot.lease.id == job_id and", "True and", _RUNS),
    _isolation("cancelled before it begins", "if context.cancelled:", "if False:", _RUNS),
    _isolation("it waits until they are gone", "while self.running() and", "while False and", _RUNS),
    _in("isolation/words", "heard as a whole", "if message:", "if True:", _RUNS),
    _isolation("orphans where nobody helps", "os.killpg(slot.pid, signal.SIGKILL)", "pass", _KILLS),
    _isolation("a slot forgets its last job", "self._flags.clear(slot.number)", "pass", _ORDERS),
    _isolation("a cancel reaches the job", "self._flags.cancel(slot.number)\n\n    def ask", "pass\n\n    def ask", _ORDERS),
    _isolation("why it was killed", "raise killed_for or ends.JobProcessDied(how)", "raise ends.JobProcessDied(how)", _HARD),
    _isolation("killed once", "and slot.killed_for is None", "", _RUNS),
    _isolation("who is given back does not come back", "if self._abandoned and killed_for is None:", "if False:", _ISOLATION),
    _isolation("the end of a large end", "if ours.fileno() in ready and not _take(ours, stream):", "if False:", _ISOLATION),
    _isolation("what is said last", "while _take(ours, stream):", "while False:", _RUNS),
    _in("isolation/ends", "odd bytes", 'str(text).encode(errors="backslashreplace").decode()', "str(text)", _UNIT),
    _in("isolation/ends", "the first failure", 'lease.extras.get("f", now * 1000)', "now * 1000", _UNIT),
    _in("isolation/ends", "what follows", 'msgspec.structs.force_setattr(context, "follow_ups", what.follow_ups)', "pass", _UNIT),
    _in("isolation/words", "half a word", "if _HEADER < end <= len(stream) else None", "", _UNIT),
    _in("isolation/job_process", "what it printed", "sys.stdout.flush()", "pass", _ISOLATION),
    _in("isolation/job_process", "SystemExit is a failure", "except BaseException as error:  # as in", "except Exception as error:  # as in", _ISOLATION),
    _in("fates", "a crash costs a reclaim", "elif isinstance(error, JobProcessDied):", "elif False:", _KILLS),
    _in("fates", "asked where the error is", "if isinstance(error, FailedElsewhere):\n            decision", "if False:\n            decision", _ISOLATION),
    _in("farewell", "killed before given back", "self._isolation.abandon(KILL_SECONDS)", "pass", _ISOLATION),
    _in("farewell", "an overdue job is failed, not given back", "if lease.id not in overdue]", "if True]", _HARD),
    _in("child", "an overdue job is not waited for", "held() - {lease.id for lease in beyond_help}", "held()", _HARD),
    _in("child", "a successor at once", "self._unsaid = Stopping(why, for_good)", "pass", _HARD),
    _in("child", "orders are heard", "self._orders.put(pulse.orders)", "None", _ORDERS),
    _in("child", "a lost hatchery", "self._bereaved(self._isolation)", "pass", _KILLS),
    _in("child", "job processes hear of the end", "self._isolation.stop()", "pass", _ISOLATION),
    _in("overruns", "only processes can be killed", "if self._isolation is None else []", "", _UNIT),
    _in("overruns", "memory", "if used_bytes > self._memory_limit_bytes:", "if False:", _UNIT + " " + _ISOLATION),
    _in("overruns", "no limit", "if self._memory_limit_bytes else []", "", _UNIT),
    _in("boot", "limits of the code", "publish_limits(surroundings.queues, app)", "pass", _ORDERS),
    _in("boot", "what a child puts off", "    queues.observe_schedule = timekeeper.expect\n", "", _TIME),
    _in("timekeeper", "what is put off wakes it", "            self._woken.set()\n", "            pass\n", _TIME),
    _in("timekeeper", "only what comes before its next look", "if due - self._redis_ahead_seconds < self._sleeps_until:", "if True:", _TIME),
    _in("timekeeper", "put off behind its look", "        self._sleeps_until = math.inf\n        self._woken.clear()", "        self._woken.clear()", _TIME),
    _in("supervisor", "nobody follows", "self._wanted -= 1", "pass", _STOPPING),
    _in("supervisor", "the last one", "if self._wanted == 0:", "if False:", _STOPPING),
    _in("supervisor", "told before", "if child.leaving:\n            return  # it was told", "if False:\n            return  # it was told", _STOPPING),
    _in("offspring", "its successor starts now", "self.counts = False\n        self._leave(None", "self._leave(None", _STOPPING),
    _in("roll", "one successor, not two", "self._new.counts = True\n            self._old = self._new = None\n\n    def advance", "pass\n            self._old = self._new = None\n\n    def advance", _STOPPING),
    _in("roll", "no successor for good", "self._new.drain(self._drain_seconds)", "pass", _STOPPING),
]  # fmt: skip
