"""Every rule of the linter finds its bad example, on each database where it applies, and not its good one."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from podwork_migrations.lint import CATALOGUE, Dialect, Example, Finding, Rule, lint_library
from tests.support.migration_files import migration_of

CASES = [(rule, dialect) for rule in CATALOGUE for dialect in Dialect if dialect in rule.dialects]
OVERRIDING = [case for case in CASES if "override=" not in case[0].bad.decorator]
ELSEWHERE = [(rule, dialect) for rule in CATALOGUE for dialect in Dialect if dialect not in rule.dialects]


def _name(value: object) -> str:
    return value.code if isinstance(value, Rule) else str(value)


@pytest.fixture(autouse=True)
def application(monkeypatch: pytest.MonkeyPatch) -> None:
    """An application whose models the example imports."""
    models = ModuleType("shop.models")
    vars(models)["Order"] = type("Order", (), {"fill_net_price": None})
    monkeypatch.setitem(sys.modules, "shop", ModuleType("shop"))
    monkeypatch.setitem(sys.modules, "shop.models", models)


def _lint(example: Example, dialect: Dialect, folder: Path) -> list[Finding]:
    migration = migration_of(folder / "migrations", example.text)
    return lint_library([migration], dialect, {facts.name: facts for facts in example.facts})


@pytest.mark.parametrize(("rule", "dialect"), CASES, ids=_name)
def test_the_bad_example_is_found(rule: Rule, dialect: Dialect, tmp_path: Path) -> None:
    found = [finding for finding in _lint(rule.bad, dialect, tmp_path) if finding.rule == rule.code]
    assert found
    for finding in found:
        assert finding.why.startswith(rule.why)
        assert finding.alternative == rule.alternative
        assert finding.overridden_by is None


@pytest.mark.parametrize(("rule", "dialect"), CASES, ids=_name)
def test_the_good_example_is_not(rule: Rule, dialect: Dialect, tmp_path: Path) -> None:
    findings = _lint(rule.good, dialect, tmp_path)
    assert [finding for finding in findings if finding.rule == rule.code] == []
    refusing = {finding.rule for finding in findings if finding.refuses}
    assert refusing == set(), "what is shown as the way to go is refused by another rule"


@pytest.mark.parametrize(("rule", "dialect"), ELSEWHERE, ids=_name)
def test_where_a_rule_does_not_apply_it_is_silent(rule: Rule, dialect: Dialect, tmp_path: Path) -> None:
    assert rule.code not in {finding.rule for finding in _lint(rule.bad, dialect, tmp_path)}


@pytest.mark.parametrize(("rule", "dialect"), OVERRIDING, ids=_name)
def test_a_reason_is_enough_where_the_rule_says_so(rule: Rule, dialect: Dialect, tmp_path: Path) -> None:
    override = f'override={{"{rule.code}": "agreed with the owners"}}'
    before, called, behind = rule.bad.text.partition(f"@{rule.bad.kind}")
    arguments = f"{rule.bad.decorator}, {override}" if rule.bad.decorator else override
    definition = behind[behind.index("\n") :]
    migration = migration_of(tmp_path / "migrations", f"{before}{called}({arguments}){definition}")
    findings = lint_library([migration], dialect, {facts.name: facts for facts in rule.bad.facts})
    found = [finding for finding in findings if finding.rule == rule.code]
    assert found
    if dialect in rule.overridable:
        assert {finding.overridden_by for finding in found} == {"agreed with the owners"}
        assert not any(finding.refuses for finding in found)
    else:
        assert {finding.overridden_by for finding in found} == {None}


def test_each_code_stands_once() -> None:
    assert [code for code, count in Counter(rule.code for rule in CATALOGUE).items() if count > 1] == []
    assert all(CATALOGUE[rule.code] is rule for rule in CATALOGUE)
    assert "drop-column" in CATALOGUE
    assert "drop-colum" not in CATALOGUE


ROWS = {
    "DROP/RENAME column or table": ("drop-column", "rename-column", "drop-table", "rename-table"),
    "NOT NULL without DB default": ("not-null-without-default",),
    "NULL to NOT NULL": ("null-to-not-null",),
    "change type, narrow, convert charset": ("change-type", "narrow-type", "convert-charset"),
    "VARCHAR crossing 255 bytes": ("varchar-255",),
    "ADD UNIQUE": ("add-unique",),
    "ADD INDEX, big; FULLTEXT, SPATIAL": ("add-index", "blocking-index"),
    "DROP INDEX": ("drop-index",),
    "ADD FK": ("add-foreign-key",),
    "ADD CHECK, STORED or AUTO_INCREMENT column": ("add-check", "stored-column", "auto-increment-column"),
    "expression default on ADD": ("expression-default",),
    "ENUM insert/reorder": ("enum-reorder",),
    "DROP/replace PK": ("replace-primary-key",),
    "ALGORITHM=COPY, LOCK=SHARED/EXCLUSIVE": ("blocking-clause",),
    "unbounded UPDATE/DELETE": ("unbounded-write",),
    "more than one DDL": ("one-ddl",),
    "raw SQL": ("raw-sql", "unreadable-sql"),
    "TRUNCATE, DEFINER": ("truncate", "definer"),
    "non-InnoDB, no PK, key > 85 %": ("not-innodb", "no-primary-key", "key-nearly-used"),
    "model import": ("model-import",),
}
"""The catalogue of the research, row by row."""


@pytest.mark.parametrize("row", ROWS)
def test_every_row_of_the_catalogue_has_its_rules(row: str) -> None:
    assert [code for code in ROWS[row] if code not in CATALOGUE] == []
