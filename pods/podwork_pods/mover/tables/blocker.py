"""What stops a move, said so that somebody can do something about it.

Owns: `Code` and `Blocker`. Promises: each has a remedy. Leaves to others: finding them (`blockers`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Code(StrEnum):
    """The kinds of blockers, by the name that people and programs know them by."""

    UNDECLARED = "undeclared"
    MISSING = "missing"
    KIND = "kind"
    ENGINE = "engine"
    COLUMN = "column"
    KEY = "key"
    LINK = "link"
    INDEX = "index"
    TRIGGER = "trigger"
    CASCADE = "cascade"
    FOREIGN_KEY = "foreign-key"
    REFERENCE = "reference"
    DIFFERS = "differs"
    AUTO_INCREMENT = "auto-increment"
    CLASH = "clash"
    OCCUPIED = "occupied"
    FENCE = "fence"
    PACKET = "packet"
    SERVER = "server"
    BINLOG = "binlog"
    PRIVILEGE = "privilege"


class Blocker(NamedTuple):
    """A reason not to move. `table` is "" if it is about a whole server; `what` names the place."""

    code: Code
    table: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.code}: {self.what} - {self.remedy}"
