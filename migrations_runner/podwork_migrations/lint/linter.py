"""Judges migrations by the catalogue.

Owns: `lint_migration`, `lint_library`. Promises: every rule is asked about every migration; what a migration
overrides with a reason is still said, and no longer refuses. The same migration and facts give the same
findings, in the same order. Leaves to others: facts (`gathering`), what follows from a finding (the plan,
`podctl migrations lint`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from podwork_migrations.change.recording import record
from podwork_migrations.change.routes import Route
from podwork_migrations.errors import MigrationFailed
from podwork_migrations.lint.case import Case
from podwork_migrations.lint.catalogue import CATALOGUE
from podwork_migrations.lint.changes import Change, Step
from podwork_migrations.lint.dialect import Dialect
from podwork_migrations.lint.facts import TableFacts
from podwork_migrations.lint.finding import Finding
from podwork_migrations.lint.reading.steps import not_one, read_steps
from podwork_migrations.lint.recorded import Recorded
from podwork_migrations.lint.recording_data import record_data
from podwork_migrations.lint.rule import Rule, Verdict
from podwork_migrations.migration import Kind, Migration


def lint_migration(
    migration: Migration,
    operations: Sequence[Recorded],
    dialect: Dialect | str,
    facts: Mapping[str, TableFacts] | None = None,
) -> list[Finding]:
    """Return what the rules say of one migration.

    Args:
        migration: also its file is read.
        operations: what `change.recording.record` or `record_data` gives for it.
        dialect: the database it is for.
        facts: of its tables, by name (`facts_for`); what is not known is warned of.
    """
    of = Dialect(dialect)
    steps = read_steps(operations, of)
    several = not_one(operations, steps, of) if migration.kind is Kind.SCHEMA else ""
    return _judge(Case(migration, of, steps, facts or {}, source=_source(migration), not_one=several))


def lint_library(
    migrations: Iterable[Migration],
    dialect: Dialect | str,
    facts: Mapping[str, TableFacts] | None = None,
) -> list[Finding]:
    """Return what the rules say of migrations, which are recorded for that; one that cannot be is refused."""
    return [finding for migration in migrations for finding in _recorded(migration, Dialect(dialect), facts)]


def record_any(migration: Migration, dialect: Dialect | str) -> Sequence[Recorded]:
    """Return what a migration would do. Raises MigrationFailed: that cannot be found out."""
    return (
        record_data(migration) if migration.kind is Kind.DATA else record(migration, Dialect(dialect).value)
    )


def _recorded(
    migration: Migration, dialect: Dialect, facts: Mapping[str, TableFacts] | None
) -> list[Finding]:
    try:
        operations = record_any(migration, dialect)
    except MigrationFailed as error:
        source = _source(migration)
        return _judge(Case(migration, dialect, (), facts or {}, source=source, stopped=f"{error.why}."))
    return lint_migration(migration, operations, dialect, facts)


def _source(migration: Migration) -> str:
    return migration.path.read_text(encoding="utf-8")


def _judge(case: Case) -> list[Finding]:
    """Ask the rules one by one: later ones see what the earlier ones have found."""
    case = replace(case, rules={rule.code: rule.dialects for rule in CATALOGUE})
    findings: list[Finding] = []
    copied: dict[str, str] = {}
    for rule in CATALOGUE:
        if case.dialect not in rule.dialects:
            continue
        for verdict in rule.judge(
            replace(case, copied=dict(copied), met=frozenset(one.rule for one in findings))
        ):
            finding = _finding(case, rule, verdict)
            findings.append(finding)
            if finding.route is Route.COPY and finding.overridden_by is None:
                copied.update(dict.fromkeys(_tables(case.steps, verdict.where), verdict.where))
    return findings


def _finding(case: Case, rule: Rule, verdict: Verdict) -> Finding:
    overridden = case.migration.override.get(rule.code) if case.dialect in rule.overridable else None
    return Finding(
        migration=case.migration.id,
        rule=rule.code,
        severity=verdict.severity,
        where=verdict.where,
        why=f"{rule.why} {verdict.because}".strip(),
        alternative=rule.alternative,
        route=verdict.route,
        overridden_by=overridden,
    )


def _tables(steps: Sequence[Step], where: str) -> Iterable[str]:
    changes: list[Change] = [change for step in steps if step.where == where for change in step.changes]
    return (change.table for change in changes if change.table)
