"""A rule of the catalogue.

Owns: `Rule`, `Example`, `Verdict`, and the words `refuse`, `route`, `warn`, `unknown` with which a rule
judges. Promises: a rule is a value; judging asks nothing but the `Case`. Leaves to others: the rules
(`rules`), the order of judging (`linter`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from podwork_migrations.change.routes import Route
from podwork_migrations.lint.case import Case
from podwork_migrations.lint.dialect import ALL, Dialect
from podwork_migrations.lint.facts import TableFacts
from podwork_migrations.lint.finding import Severity


class Verdict(NamedTuple):
    """What a rule says of one operation. `because`: what is special here, after the rule's own reason."""

    where: str
    severity: Severity
    because: str = ""
    route: Route | None = None


def refuse(where: str, because: str = "") -> Verdict:
    """Say no."""
    return Verdict(where, Severity.REFUSE, because)


def route(to: Route, where: str, because: str = "") -> Verdict:
    """Say which way."""
    return Verdict(where, Severity.ROUTE, because, to)


def warn(where: str, because: str = "") -> Verdict:
    """Say so."""
    return Verdict(where, Severity.WARN, because)


def unknown(where: str, what: str) -> Verdict:
    """Say what would have to be known; with the facts of the table the same rule decides."""
    return Verdict(where, Severity.WARN, f"Not known here: {what}")


@dataclass(frozen=True, kw_only=True)
class Example:
    """A migration that breaks a rule, or keeps it.

    `body`: the lines of its `up`. `decorator`: the arguments of `@schema` or `@data`. `kind`: which of them.
    `imports`: lines above. `given`: what the facts are, for people; `facts`: the same for the linter.
    """

    body: str
    decorator: str = ""
    kind: str = "schema"
    imports: str = ""
    given: str = ""
    facts: tuple[TableFacts, ...] = ()

    @property
    def text(self) -> str:
        """The file, from its imports on."""
        parameter = "op" if self.kind == "schema" else "data"
        lines = [f"@{self.kind}({self.decorator})" if self.decorator else f"@{self.kind}"]
        lines += [f"def up({parameter}):", *(f"    {line}" for line in self.body.splitlines())]
        return "\n".join(([*self.imports.splitlines(), ""] if self.imports else []) + lines)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule.

    `code`: its name, also in `override=`. `says`: what it does with a migration, for people. `why`: the
    reason. `alternative`: what to do instead. `differs`: where MariaDB, MySQL and SQLite are not alike.
    `dialects`: where it applies. `overridable`: where a reason is enough to break it.
    """

    code: str
    title: str
    says: str
    why: str
    alternative: str
    judge: Callable[[Case], Iterable[Verdict]]
    bad: Example
    good: Example
    differs: str = ""
    dialects: frozenset[Dialect] = ALL
    overridable: frozenset[Dialect] = field(default=ALL)
