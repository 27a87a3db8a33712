"""What the linter has found, as podctl shows it.

Owns: `linted`, `Found`, and the form of a finding: who, the rule's word, why, and what to do instead.
Promises: findings that differ in nothing but the database are one. Leaves to others: rules
(`podwork_migrations.lint`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import Connection

from podwork_migrations.errors import MigrationFailed
from podwork_migrations.migration import Migration
from podwork_ops.cli.output import Output, plural

if TYPE_CHECKING:
    from podwork_migrations.change.routes import Limits
    from podwork_migrations.lint import Finding, TableFacts

STYLES: Final = {"refuse": "bold red", "route": "cyan", "warn": "yellow", "overridden": "dim"}


class Found(NamedTuple):
    """A finding, and the database for which it is one: `mariadb`, `mysql` or `sqlite`."""

    dialect: str
    finding: Finding

    @property
    def word(self) -> str:
        """What follows: refuse, route, warn; overridden, where it would refuse."""
        return "overridden" if self.finding.overridden_by else self.finding.severity.value


def linted(
    migrations: Sequence[Migration],
    dialect: str | None,
    connection: Connection | None = None,
    limits: Limits | None = None,
) -> list[Found]:
    """Return what the rules say; with a connection for its database, and with what it knows of the tables.

    `limits`: up to what a table is small there.
    """
    from podwork_migrations.lint import dialect_of, lint_library  # noqa: PLC0415 - Alembic and sqlglot

    of = dialect if connection is None else dialect_of(connection).value
    assert of is not None
    found: list[Found] = []
    for migration in migrations:
        facts = None if connection is None else _facts(migration, of, connection, limits)
        found += [Found(of, finding) for finding in lint_library([migration], of, facts)]
    return found


def refused(found: Sequence[Found]) -> list[str]:
    """Return the migrations that must not run, each once."""
    return list(dict.fromkeys(each.finding.migration for each in found if each.finding.refuses))


def signature(found: Sequence[Found]) -> str:
    """Return a digest of what was said, without what is counted in a shard and so changes by itself."""
    said = {
        "|".join((each.dialect, one.migration, one.rule, each.word, str(one.route), one.where))
        for each in found
        for one in [each.finding]
    }
    return hashlib.sha256("\n".join(sorted(said)).encode()).hexdigest()


def document_of(ids: Sequence[str], found: Sequence[Found]) -> dict[str, Any]:
    """Return what `-o json` prints."""
    return {"migrations": list(ids), "refused": refused(found), "findings": _merged(found)}


def summary(ids: Sequence[str], found: Sequence[Found]) -> str:
    """Write it in a sentence: 3 migrations: 1 refusal, 2 warnings."""
    rows = _merged(found)
    many = {"refuse": "refusal", "route": "route", "warn": "warning", "overridden": "override"}
    counts = [
        plural(number, noun)
        for word, noun in many.items()
        if (number := sum(row["verdict"] == word for row in rows))
    ]
    return f"{plural(len(ids), 'migration')}: {', '.join(counts) or 'nothing to be said'}"


def write(out: Output, found: Sequence[Found]) -> None:
    """Write findings for people, one below the other."""
    from podwork_ops.cli import tables  # noqa: PLC0415 - rich, which a worker must not carry

    for row in _merged(found):
        out.write(tables.of_finding(row, STYLES[row["verdict"]], out.stdout))


def _merged(found: Sequence[Found]) -> list[dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for dialect, finding in found:
        row: dict[str, Any] = {
            "migration": finding.migration,
            "rule": finding.rule,
            "verdict": Found(dialect, finding).word,
            "route": finding.route.value if finding.route else None,
            "where": finding.where,
            "why": finding.why,
            "alternative": finding.alternative,
            "overridden_by": finding.overridden_by,
        }
        rows.setdefault(repr(row), {**row, "dialects": []})["dialects"].append(dialect)
    return sorted(rows.values(), key=lambda row: str(row["migration"]))


def _facts(
    migration: Migration, dialect: str, connection: Connection, limits: Limits | None
) -> Mapping[str, TableFacts]:
    from podwork_migrations.lint import facts_for, record_any  # noqa: PLC0415 - as above

    try:
        return facts_for(connection, record_any(migration, dialect), limits=limits)
    except MigrationFailed:  # the linter says so, with its reason
        return {}
