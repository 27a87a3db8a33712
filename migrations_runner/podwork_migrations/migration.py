"""A migration, as its file in the application says.

Owns: `Migration`, `Kind`, `Phase`. Promises: a value that nobody changes; what it does is asked of `up` and
`down`. Leaves to others: reading files (`library`), what has been applied where (`ledger`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

Step = Callable[[Any], object]
"""`up` or `down`: of a schema migration it is given Alembic's operations, of a data migration `Backfills`."""


class Kind(StrEnum):
    """What a migration changes."""

    SCHEMA = "schema"
    DATA = "data"


class Phase(StrEnum):
    """When a migration may begin on a pod; either way every live worker there has to know it.

    `before_deploy`: then. `after_deploy`: when all of them run one and the same revision of the code, so that
    what only older code needs may go.
    """

    BEFORE_DEPLOY = "before_deploy"
    AFTER_DEPLOY = "after_deploy"


@dataclass(frozen=True)
class Migration:
    """One migration.

    Attributes:
        version: 14 digits, when it was written. name: what the file's name says behind them.
        kind: schema or data. checksum: SHA-256 of the file, with line ends as on Unix. path: the file.
        summary: the first line of its docstring. up, down: what it does; None: there is no way back.
        phase: see `Phase`. requires: versions that have to be applied on the pod.
        finalizes: versions that have to be applied on every pod of the fleet.
        pods: on which it runs; None: on all. override: code of a lint rule -> the reason to break it.
        postpone_cutover: an online copy waits for a person before it takes the table's place.
        hold_hours: for how long the old table is kept after that, for a way back.
        renames: old column -> new one, which a copy could not tell from a drop and an add.
    """

    version: str
    name: str
    kind: Kind
    checksum: str
    path: Path
    up: Step
    down: Step | None = None
    summary: str = ""
    phase: Phase = Phase.BEFORE_DEPLOY
    requires: tuple[str, ...] = ()
    finalizes: tuple[str, ...] = ()
    pods: tuple[int, ...] | None = None
    override: Mapping[str, str] = field(default_factory=dict)
    postpone_cutover: bool = False
    hold_hours: float = 24.0
    renames: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """How people call it: `20261124120000_add_status`."""
        return f"{self.version}_{self.name}"

    @property
    def digest(self) -> str:
        """What a worker says of it: `version:` and the first eight digits of the checksum."""
        return f"{self.version}:{self.checksum[:8]}"

    def is_for(self, pod_id: int) -> bool:
        """Return whether it runs on the pod."""
        return self.pods is None or pod_id in self.pods

    def step(self, direction: str) -> Step | None:
        """Return what it does in a direction, `up` or `down`; None: there is no such way."""
        return self.down if direction == "down" else self.up
