"""What a migration overrides."""

from __future__ import annotations

from collections.abc import Iterator

from podwork_migrations.lint.case import Case
from podwork_migrations.lint.rule import Example, Rule, Verdict, refuse, warn

_DROP = 'op.drop_column("orders", "note")'
_ADD = 'op.add_column("orders", sa.Column("note", sa.Text()))'
_OVERRIDE = 'override={{"{}": "no code has used it since May"}}'


def _unknown(case: Case) -> Iterator[Verdict]:
    for code, reason in case.migration.override.items():
        if code not in case.rules:
            yield refuse(f"override of {code}", "There is no such rule.")
        elif not reason.strip():
            yield refuse(f"override of {code}", "It has no reason.")


def _unused(case: Case) -> Iterator[Verdict]:
    for code in case.migration.override:
        applies = case.dialect in case.rules.get(code, ())
        if applies and code not in case.met:
            yield warn(f"override of {code}", "The migration keeps that rule.")


RULES = (
    Rule(
        code="unknown-override",
        title="A rule is overridden that does not exist, or without a reason",
        says="refuses it",
        why="A misspelt code overrides nothing, and a reason is what those who come later have.",
        alternative="Take the code from the finding.",
        judge=_unknown,
        bad=Example(body=_ADD, decorator=_OVERRIDE.format("drop-colum")),
        good=Example(body=_DROP, decorator=_OVERRIDE.format("drop-column")),
        overridable=frozenset(),
    ),
    Rule(
        code="unused-override",
        title="A rule is overridden that is kept",
        says="warns of it",
        why="It would hide a finding that somebody adds later.",
        alternative="Take the override out.",
        judge=_unused,
        bad=Example(body=_ADD, decorator=_OVERRIDE.format("drop-column")),
        good=Example(body=_DROP, decorator=_OVERRIDE.format("drop-column")),
        overridable=frozenset(),
    ),
)
