"""The definitions of tables in the words of their server, which are read far faster than its catalogue.

Owns: `definitions`. Promises: while they are the same, so is what `catalogue.read` says of these tables; they
may differ where that does not (a partition more). Where numbers that count up stand is left out. Leaves to
others: what follows when they differ.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection

from podwork_pods.mover.tables.table import MovedTable

_COUNTER: Final = re.compile(r" AUTO_INCREMENT=\d+")
_TRIGGERS: Final = (
    "SELECT event_object_table, trigger_name FROM information_schema.triggers "
    "WHERE trigger_schema = DATABASE() ORDER BY trigger_name"
)


def definitions(connection: Connection, tables: Sequence[MovedTable]) -> tuple[str, ...]:
    """Return the definitions of the tables and the names of all triggers, on MariaDB or MySQL."""
    created = [connection.exec_driver_sql(f"SHOW CREATE TABLE {table.quote(table.name)}") for table in tables]
    triggers = connection.exec_driver_sql(_TRIGGERS)
    return (
        *(_COUNTER.sub("", found.one()[1]) for found in created),
        *(f"{table}: {name}" for table, name in triggers),
    )
