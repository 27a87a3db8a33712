"""The guards around the ends of jobs that promises rest on, for `tests.mutants`.

Owns the list only, as (name, file, guard, broken, tests); how one is taken out and judged is `tests.mutants`'.
"""

# ruff: noqa: E501 - a guard is quoted as it stands

from __future__ import annotations

_ENGINE = "platform/podwork"
_WORKER = f"{_ENGINE}/worker"
_FATES = "tests/unit/test_worker_fates.py"
_PROCESSOR = "tests/unit/test_worker_processor.py"
_RETRY = "tests/unit/test_worker_retry.py"
_FOLLOW = "tests/unit/test_worker_follow_ups.py"
_PRINT = "tests/unit/test_worker_fingerprint.py"
_LIMIT = "tests/unit/test_worker_soft_limit.py"
_RUNNING = "tests/unit/test_worker_running.py"
_CHAIN = "tests/unit/test_worker_middleware.py"
_ENDS = "tests/integration/test_worker_ends.py"
_KILLS = "tests/crash/test_worker_ends.py"

Guard = tuple[str, str, str, str, str]


def _fates(name: str, guard: str, broken: str, tests: str = _FATES) -> Guard:
    return (f"fates: {name}", f"{_WORKER}/fates.py", guard, broken, tests)


def _starts(name: str, guard: str, broken: str, tests: str = _FATES) -> Guard:
    return (f"starts: {name}", f"{_WORKER}/starts.py", guard, broken, tests)


def _retry(name: str, guard: str, broken: str) -> Guard:
    return (f"retry: {name}", f"{_ENGINE}/retry.py", guard, broken, _RETRY)


def _processor(name: str, guard: str, broken: str, tests: str = _PROCESSOR) -> Guard:
    return (f"processor: {name}", f"{_WORKER}/processor.py", guard, broken, tests)


def _limit(name: str, guard: str, broken: str) -> Guard:
    return (f"soft limit: {name}", f"{_WORKER}/soft_limit.py", guard, broken, _LIMIT)


def _context(name: str, guard: str, broken: str) -> Guard:
    return (f"context: {name}", f"{_ENGINE}/context.py", guard, broken, _FOLLOW)


def _print(name: str, guard: str, broken: str) -> Guard:
    return (f"fingerprint: {name}", f"{_ENGINE}/fingerprint.py", guard, broken, _PRINT)


GUARDS: list[Guard] = [
    _fates("a person's word", "if self._running.is_cancelled(lease.id):", "if False:"),
    _fates("once means once", " and job_class.policy.at_most_once:\n            self._bury", " and False:\n            self._bury"),
    _fates("once means once, at the end", "begun and begun[lease.id].policy.at_most_once]", "begun and False]"),
    _fates("once means once, in a worker that drains", "begun and begun[lease.id].policy.at_most_once]", "begun and False]", _ENDS),
    _fates("what has not begun is not interrupted", "interrupted = [lease for lease in others if lease.id in begun]", "interrupted = others"),
    _fates("the first failure stays", 'lease.extras.get("f", str(int(now * 1000)))', "str(int(now * 1000))"),
    _fates("a fingerprint at each failure", '{**lease.extras, **more, "e": fingerprint}', "{**lease.extras, **more}"),
    _fates("snoozes are counted", 'int(extras.get("z", 0)) + 1', "1"),
    _starts("cancelled before its start", "if lease.id in self._cancelled:", "if False:"),
    _starts("expired", "if has_expired(lease, self._settlement.now()):", "if False:"),
    _starts("expired, in a worker", "if has_expired(lease, self._settlement.now()):", "if False:", _ENDS),
    _starts("at work before its expiry", "if lease.attempts or lease.interruptions:", "if False:"),
    _starts("Redis is told", "if not (once or lease.reclaims", "if not (False or lease.reclaims"),
    _starts("Redis is told, and killed after it", "if not (once or lease.reclaims", "if not (False or lease.reclaims", _KILLS),
    _starts("reclaimed before", "or lease.reclaims or", "or"),
    _starts("the lock until the start", ' or "u" in lease.extras', ""),
    _starts("what is not held", "        return held\n", "        return True\n"),
    _starts("at most once is not plain", " or job_class.policy.at_most_once or self._cancelled", " or self._cancelled"),
    _starts("cancelled is not plain", "job_class.policy.at_most_once or self._cancelled\n", "job_class.policy.at_most_once\n"),
    ("detours: nobody waits", f"{_WORKER}/detours.py", "if interrupted or not isinstance(error, ShopOnHold):", "if True:", _FATES),
    ("detours: not at once again", f"{_WORKER}/detours.py", "if interrupted or not isinstance(error, ShopOnHold):", "if False:", _FATES),
    ("detours: records that nobody can read", f"{_WORKER}/detours.py", "if lease.fault:", "if False:", _FATES),
    ("settlement: insists", f"{_WORKER}/settlement.py", "                failures += 1\n", "                return False  # type: ignore\n", _FATES),
    ("settlement: lost", f"{_WORKER}/settlement.py", 'outcome if held else "lost"', "outcome", _FATES),
    _processor("newer versions", " or lease.version > job_class.policy.version", ""),
    _processor("the register ends with the code", "  # see the module's docstring\n            runs[number] = None\n", "\n"),
    _processor("the register ends with success", "        runs[number] = None\n        reach", "        reach"),
    _processor("the register, not started", "            runs[number] = None\n            return None\n", "            return None\n"),
    _processor("follow-ups", ", context.follow_ups)", ")"),
    _processor("what may not start", " and not self._starts.may_start(lease, job_class)", " and (self._starts.may_start(lease, job_class), False)[1]"),
    _retry("count", "failures_before >= policy.most", "failures_before > policy.most"),
    _retry("the end of the time", "if left_seconds <= 0:", "if False:"),
    _retry("the last retry is within the time", "wait_seconds = min(wait_seconds, left_seconds)", "pass"),
    _retry("a hook that fails", "    except BaseException:\n", "    except ZeroDivisionError:\n"),
    _retry("a hook that answers nonsense", "    if _is_wait(answer):\n        return float(answer)", "    return answer  # type: ignore"),
    _retry("a hook makes no more retries", "if policy.most is not None and", "if advice is None and policy.most is not None and"),
    _retry("one of count, time and schedule", "if self.count not in (DEFAULT_COUNT, self.most):", "if False:"),
    ("policy: at most once", f"{_ENGINE}/policy.py", "if self.at_most_once and not self.retry.never:", "if False:", _RETRY),
    ("signals: what is returned", f"{_WORKER}/middleware.py", "        raise answer\n", "        pass\n", _CHAIN),
    ("running: overdue", f"{_WORKER}/running.py", "now - started > limit_seconds", "now - started >= limit_seconds", _RUNNING),
    ("running: cancelled jobs stop", f"{_WORKER}/running.py", "self._life.stopping or job_id in self.cancelled", "self._life.stopping", _RUNNING),
    ("running: bounded", f"{_WORKER}/running.py", "len(self.cancelled) > MOST_CANCELLED", "False", _RUNNING),
    _limit("no error after the job", "            watch.close()\n", "            pass\n"),
    _limit("the watchdog asks", "        if not self._take_token():\n            return\n        reach(\"soft-limit.decided\")", "        reach(\"soft-limit.decided\")"),
    _limit("the job waits", "while not self._raised and os.getpid() == self._pid:", "while False:"),
    _limit("one at a time", "if thread_id in self._watches:", "if False:"),
    _limit("the earliest first", "elif watch.due_at < self._looks_at:", "elif False:"),
    _limit("a fork", "os.register_at_fork(after_in_child=WATCHDOG.__init__)", "os.register_at_fork(after_in_child=int)"),
    _context("the same shop", "if call.shop_id is not None and call.shop_id != self.shop_id:", "if False:"),
    _context("a job that has ended", "if not self.overseer.runs(self.job_id):", "if False:"),
    _context("the pod's own lane", "pod=self.pod_id if self.shop_id is None else None", "pod=None"),
    _context("threads", "with _COLLECTING:", "if True:"),
    _print("quoted parts", '_QUOTED.sub("?", message[:MESSAGE_CHARACTERS])', "message[:MESSAGE_CHARACTERS]"),
    _print("numbers and ids", '_WITH_DIGITS.sub("#", ', "("),
    _print("the application's frame", "            ours = innermost\n", "            pass\n"),
    _print("installed packages", "if package == home or not frame.f_code.co_filename.startswith(_INSTALLED):", "if True:"),
    _print("the job's own package", "if package == home or not", "if not"),
    _print("the engine's frames", "            continue\n", "            pass\n"),
    _print("bounded", "message[:MESSAGE_CHARACTERS]", "message"),
]  # fmt: skip
