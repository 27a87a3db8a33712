"""What the columns of podwork's own tables have in common, whichever database they stand in.

Owns: `NUMBER`, `LONG_TEXT`, `EXACT`. Promises: with `EXACT` text is compared exactly, whatever the database
itself does: ids, versions and owners are names. Leaves to others: the tables.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import BigInteger, Integer, Text
from sqlalchemy.dialects.mysql import MEDIUMTEXT

# SQLite makes a rowid of INTEGER only.
NUMBER: Final = BigInteger().with_variant(Integer, "sqlite")
LONG_TEXT: Final = Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb")

EXACT: Final[dict[str, Any]] = {
    "mysql_engine": "InnoDB",
    "mysql_default_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mariadb_engine": "InnoDB",
    "mariadb_default_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_bin",
}
"""The options of such a table."""
