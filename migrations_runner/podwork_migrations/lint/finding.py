"""What the linter has to say.

Owns: `Severity`, `Finding`. Leaves to others: rules (`rule`), printing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from podwork_migrations.change.routes import Route


class Severity(StrEnum):
    """What follows from a finding."""

    REFUSE = "refuse"
    """The migration does not run, unless it overrides the rule with a reason."""
    ROUTE = "route"
    """It runs, the way that the finding names."""
    WARN = "warn"
    """It runs; somebody should know this, or find out what the linter could not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One rule's word on one operation of one migration.

    `where`: the operation. `why`, `alternative`: the rule's, with what is special here. `route`: only with
    severity ROUTE. `overridden_by`: the reason that the migration gives for breaking the rule.
    """

    migration: str
    rule: str
    severity: Severity
    where: str
    why: str
    alternative: str
    route: Route | None = None
    overridden_by: str | None = None

    @property
    def refuses(self) -> bool:
        """Whether the migration must not run because of this."""
        return self.severity is Severity.REFUSE and self.overridden_by is None

    def __str__(self) -> str:
        way = f" to {self.route}" if self.route else ""
        overridden = f" (overridden: {self.overridden_by})" if self.overridden_by else ""
        return f"{self.migration}: {self.severity}{way} {self.rule}{overridden}: {self.where}: {self.why}"
