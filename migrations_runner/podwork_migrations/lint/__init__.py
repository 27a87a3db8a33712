"""Judges migrations before they run: refuses, routes or warns, each with a reason and a safe alternative.

    from podwork_migrations.lint import lint_library

    findings = lint_library(Library.load("migrations"), "mariadb")
    if any(finding.refuses for finding in findings): ...

| module | owns |
| `linter` | `lint_migration`, `lint_library` |
| `catalogue`, `rules` | the rules; `rule` what one is, `case` what it is asked about |
| `finding` | what a rule has said |
| `facts`, `gathering` | what is known of tables; without it rules say what they would have to know |
| `reading`, `changes`, `column` | what a migration does, from Alembic's operations and from SQL |
| `widening` | what a change of a type means |
| `recording_data`, `recorded` | what a data migration does |

Rules look at Alembic's operation objects and at sqlglot's trees, never at SQL's text.
"""

from __future__ import annotations

from podwork_migrations.lint.catalogue import CATALOGUE, Catalogue
from podwork_migrations.lint.dialect import Dialect, dialect_of
from podwork_migrations.lint.facts import ColumnFacts, Count, IndexFacts, TableFacts
from podwork_migrations.lint.finding import Finding, Severity
from podwork_migrations.lint.gathering import facts_for, gather_facts
from podwork_migrations.lint.linter import lint_library, lint_migration, record_any
from podwork_migrations.lint.recorded import Recorded, Recording
from podwork_migrations.lint.recording_data import record_data
from podwork_migrations.lint.rule import Example, Rule

__all__ = [
    "CATALOGUE",
    "Catalogue",
    "Rule",
    "Example",
    "lint_library",
    "lint_migration",
    "record_any",
    "record_data",
    "Recorded",
    "Recording",
    "Finding",
    "Severity",
    "facts_for",
    "gather_facts",
    "TableFacts",
    "ColumnFacts",
    "IndexFacts",
    "Count",
    "Dialect",
    "dialect_of",
]
