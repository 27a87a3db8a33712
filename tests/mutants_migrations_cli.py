"""The guards of what operators do to migrations and see of them, for `tests.mutants`.

Owns the list only, as (name, file, guard, broken, tests); how one is taken out and judged is `tests.mutants`'.
"""

# ruff: noqa: E501 - a guard is quoted as it stands

from __future__ import annotations

_CLI = "ops/podwork_ops/cli"
_ACCEPTANCE = "tests/acceptance/test_cli_migrations.py"
_LIFE = f"{_ACCEPTANCE}::test_a_plan_is_made_held_mended_and_ends"
_STATUS = "tests/unit/test_cli_migration_status.py"

Guard = tuple[str, str, str, str, str]


def _cli(module: str, name: str, guard: str, broken: str, tests: str) -> Guard:
    return (f"podctl migrations, {module}: {name}", f"{_CLI}/{module}.py", guard, broken, tests)


GUARDS: list[Guard] = [
    _cli("migration_plan", "what is refused is not stored", "if not (dry_run or refused(evidence.findings)):", "if not dry_run:", f"{_ACCEPTANCE}::test_what_the_linter_refuses_is_not_planned"),
    _cli("migration_plan", "a dry run stores nothing", "if not (dry_run or refused(evidence.findings)):", "if not refused(evidence.findings):", _LIFE),
    _cli("migration_plan", "the same files, another way", "_check_same(made, options)", "pass", _LIFE),
    _cli("migration_changes", "a change needs a yes", "        if not dry_run:\n            known", "        if False:\n            known", _LIFE),
    _cli("migration_lint", "it ends with 1", "raise MigrationsRefused(ids)", "pass", f"{_ACCEPTANCE}::test_the_linter_refuses_says_why_and_is_overruled_with_a_reason"),
    _cli("migration_findings", "said once for both", "rows.setdefault(repr(row),", "rows.setdefault(repr(row) + dialect,", f"{_ACCEPTANCE}::test_the_linter_refuses_says_why_and_is_overruled_with_a_reason"),
    _cli("migration_drift", "it ends with 1", "raise SchemaDrifted(drifted)", "pass", _LIFE),
    _cli("migration_choice", "several that fit", "if len(fitting) > 1:", "if False:", f"{_ACCEPTANCE}::test_a_mistake_is_answered_in_one_line"),
    _cli("migration_matrix", "who waits stands alone", "key = (line.wave, line.state.value, line.blocked or \"\", why, cells)", "key = (line.wave, line.state.value, line.blocked or \"\", cells)", _STATUS),
    _cli("migration_matrix", "alike everywhere", "return \"pending\" if cells == {Cell.PENDING} else None", "return \"pending\"", _STATUS),
    _cli("migration_rows", "a reason without secrets", "\"reason\": mask(line.reason) or None", "\"reason\": line.reason or None", _STATUS),
    _cli("migration_rows", "an error without secrets", "\"throttle_reason\": mask(line.throttle_reason) or None", "\"throttle_reason\": line.throttle_reason or None", _STATUS),
    _cli("pods", "plans forget a pod", "platform.migrations.blocking.forget(pod_id, registered=False)", "pass", "tests/acceptance/test_cli_changing.py -k forget"),
    _cli("migration_report", "many under way are counted", "[:MOST_MOVING]", "[:]", _STATUS),
    _cli("migration_report", "what failed is shown first", 'key=lambda row: row["state"] != "failed")', 'key=lambda row: 0)', _STATUS),
    _cli("migration_rows", "a replica that has stopped", 'return "stopped" if lag.is_known else "?"', 'return "?"', _STATUS),
    _cli("migration_watch", "a halted plan is not watched on", "plan.state not in GOES_ON or ", "", _STATUS),
    ("demo, report: retried once", "ops/podwork_ops/demo/report.py", "if self.retries != 1:", "if False:", "tests/unit/test_demo_report.py"),
]  # fmt: skip
