"""What a rule is asked about: one migration, on one database, with what is known of its tables.

Owns: `Case`. Promises: a table that the migration itself makes is not looked up among the facts, and changes
of it concern nobody yet. Leaves to others: reading (`reading`), facts (`gathering`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from podwork_migrations.lint.changes import Change, CreateTable, Step
from podwork_migrations.lint.dialect import SERVERS, Dialect
from podwork_migrations.lint.facts import TableFacts
from podwork_migrations.migration import Kind, Migration

C = TypeVar("C", bound=Change)


@dataclass(frozen=True)
class Case:
    """One migration to judge.

    `source`: its file's text. `not_one`: why it is not one change; "" if it is. `stopped`: why what follows
    the steps could not be recorded. `rules`: where each rule applies. `copied`: tables that rules send to
    the online copy, and where. `met`: rules that have found something.
    """

    migration: Migration
    dialect: Dialect
    steps: tuple[Step, ...]
    facts: Mapping[str, TableFacts]
    source: str = ""
    not_one: str = ""
    stopped: str = ""
    rules: Mapping[str, frozenset[Dialect]] = field(default_factory=dict)
    copied: Mapping[str, str] = field(default_factory=dict)
    met: frozenset[str] = frozenset()

    @property
    def is_schema(self) -> bool:
        """Whether it is a schema migration."""
        return self.migration.kind is Kind.SCHEMA

    @property
    def on_server(self) -> bool:
        """Whether it is judged for MariaDB or MySQL."""
        return self.dialect in SERVERS

    def all_of(self, kind: type[C]) -> Iterator[tuple[str, C]]:
        """Yield (where, change) for each change of a kind."""
        for step in self.steps:
            for change in step.changes:
                if isinstance(change, kind):
                    yield step.where, change

    def of(self, kind: type[C]) -> Iterator[tuple[str, C]]:
        """Yield (where, change) for each change of a kind to a table that was there before."""
        new = {created.table for _, created in self.all_of(CreateTable)}
        for where, change in self.all_of(kind):
            if change.table not in new:
                yield where, change

    def known(self, table: str) -> TableFacts | None:
        """Return what is known of a table."""
        return self.facts.get(table)
