"""What an online copy calls the things that it makes.

Owns: `Names`, `quoted`. Promises: every name begins with `_podwork_`, holds the migration's version, so that
two migrations never meet, and is short enough for MariaDB and MySQL, whatever the table is called.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Event(StrEnum):
    """What fires a trigger; in the order in which they are made.

    The other way round, a row that is deleted between its making and that of the trigger for deletes would
    stay.
    """

    DELETE = "DELETE"
    UPDATE = "UPDATE"
    INSERT = "INSERT"


class Names(NamedTuple):
    """The names for one migration."""

    version: str

    @property
    def copy(self) -> str:
        """The table that is filled; after the cut-over nothing is called so."""
        return f"_podwork_{self.version}_new"

    @property
    def old(self) -> str:
        """What the table is called from the cut-over on."""
        return f"_podwork_{self.version}_old"

    @property
    def faults(self) -> str:
        """Where triggers write what the copy could not take."""
        return f"_podwork_{self.version}_faults"

    def forward(self, event: Event) -> str:
        """The trigger on the table, which keeps the copy in step."""
        return f"_podwork_{self.version}_{event[:3].lower()}"

    def reverse(self, event: Event) -> str:
        """The trigger on the new table, which keeps the old one in step after the cut-over."""
        return f"_podwork_{self.version}_back_{event[:3].lower()}"


def quoted(name: str) -> str:
    """Return an identifier as MariaDB and MySQL read it."""
    return "`" + name.replace("`", "``") + "`"
