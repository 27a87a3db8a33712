"""All rules, in the order in which they judge.

Owns: `CATALOGUE`. Promises: every code once. Leaves to others: judging (`linter`), the page made of it
(`podwork_ops.docs`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from podwork_migrations.lint.rule import Rule
from podwork_migrations.lint.rules import (
    blocking,
    constraints,
    copying,
    dropping,
    imports,
    indexes,
    nulls,
    overriding,
    statements,
    tables,
    types,
    writes,
)


class Catalogue:
    """Rules by their codes; `groups` by what they are about, for people."""

    def __init__(self, groups: Mapping[str, Iterable[Rule]]) -> None:
        self.groups: Mapping[str, tuple[Rule, ...]] = MappingProxyType(
            {title: tuple(rules) for title, rules in groups.items()}
        )
        self._by_code = {rule.code: rule for rule in self}

    def __iter__(self) -> Iterator[Rule]:
        return (rule for rules in self.groups.values() for rule in rules)

    def __len__(self) -> int:
        return len(self._by_code)

    def __contains__(self, code: object) -> bool:
        return code in self._by_code

    def __getitem__(self, code: str) -> Rule:
        return self._by_code[code]


CATALOGUE: Final = Catalogue(
    {
        "Old and new code side by side": (*dropping.RULES, *nulls.RULES),
        "Types": types.RULES,
        "Indexes": indexes.RULES,
        "Keys, checks and columns that the server fills": constraints.RULES,
        "Tables": tables.RULES,
        "Locks and rebuilds": blocking.RULES,
        "Rows": writes.RULES,
        "The migration itself": (*statements.RULES, *imports.RULES),
        "What an online copy cannot do": copying.RULES,
        "Overrides": overriding.RULES,
    }
)
