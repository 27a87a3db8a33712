"""The guards of what operators do to runs and see of them, for `tests.mutants`.

Owns the list only, as (name, file, guard, broken, tests); how one is taken out and judged is `tests.mutants`'.
"""

# ruff: noqa: E501 - a guard is quoted as it stands

from __future__ import annotations

_CLI = "ops/podwork_ops/cli"
_ITERATION = "pods/podwork_pods/iteration"
_CONTROL = "tests/contract/test_pods_run_control.py"
_RUNS = "tests/acceptance/test_cli_runs.py"
_SAMPLE = "tests/unit/test_cli_run_sample.py"
_SCREEN = "tests/unit/test_cli_run_screen.py"
_ROLLUP = "tests/unit/test_iteration_rollup.py"
_DEMO = "tests/integration/test_demo_check.py"
_DEMO_MOVE = "tests/unit/test_demo_move.py"

Guard = tuple[str, str, str, str, str]


def _cli(module: str, name: str, guard: str, broken: str, tests: str) -> Guard:
    return (f"podctl runs, {module}: {name}", f"{_CLI}/{module}.py", guard, broken, tests)


def _pods(module: str, name: str, guard: str, broken: str, tests: str) -> Guard:
    return (f"runs, {module}: {name}", f"{_ITERATION}/{module}.py", guard, broken, tests)


GUARDS: list[Guard] = [
    _pods("control", "a rehearsed setting is rolled back", "connection.rollback()", "pass", _CONTROL),
    _pods("control", "a rehearsal changes nothing", "            if not dry_run:\n                return self._enter", "            if True:\n                return self._enter", _CONTROL),
    _pods("control", "what failed is tried again", "self._partitions.reopen(connection, run_id)", "pass", _CONTROL),
    _pods("control", "again changes nothing", "if to is before.state:\n            return Changed", "if False:\n            return Changed", _CONTROL),
    _pods("listing", "a whole id is that run", "exact or self._ids", "[] or self._ids", _CONTROL),
    _pods("rollup", "one unknown total", "if len(known) == len(numbers) else None", "if known else None", _ROLLUP),
    _pods("beginning", "the row stands without Redis", "        return run, error\n", "        raise\n", f"{_RUNS}::test_a_run_begins_though_redis_is_down_when_it_is_started"),
    _cli("run_sample", "a silent pod is waited for", "return self.rollup.is_over and not self.failures", "return self.rollup.is_over", _SCREEN),
    _cli("run_sample", "of late", "counts.popleft()", "break", _SAMPLE),
    _cli("run_changes", "the end needs a yes", "if not dry_run:\n            ask(found)", "if False:\n            ask(found)", f"{_RUNS}::test_a_run_is_cancelled_after_a_yes_and_for_good"),
    _cli("run_start", "all pods or none", "session.blame(silent)", "pass", f"{_RUNS}::test_a_pod_that_is_down_hides_no_run_of_the_others"),
    _cli("run_places", "several that begin so", "if len(fits) > 1:", "if False:", f"{_RUNS}::test_several_runs_that_begin_so_are_named"),
    _cli("run_rows", "errors without secrets", '"last_error": mask(part.last_error) if part.last_error else None', '"last_error": part.last_error', _SCREEN),
    _cli("run_rows", "whole only at the end", "min(share * 100, 99.9)", "share * 100", _SCREEN),
    ("demo, net_prices: every line", "ops/podwork_ops/demo/net_prices.py", "if found == expected:", "if True:", _DEMO),
    ("demo, largest_shop: jobs behind the gate", "ops/podwork_ops/demo/largest_shop.py", "if found.state not in _MAY_RUN_THERE:", "if True:", _DEMO_MOVE),
    ("demo, largest_shop: a move that stands", "ops/podwork_ops/demo/largest_shop.py", "elif now - self._changed > STALL_SECONDS:", "elif False:", _DEMO_MOVE),
    ("demo, report: the move is done", "ops/podwork_ops/demo/report.py", "        if self.state != \"done\":\n            yield str(self)", "        if False:\n            yield str(self)", "tests/unit/test_demo_report.py"),
    ("demo, report: no move", "ops/podwork_ops/demo/report.py", "elif len(self.pods) > 1:", "elif False:", "tests/unit/test_demo_report.py"),
]  # fmt: skip
