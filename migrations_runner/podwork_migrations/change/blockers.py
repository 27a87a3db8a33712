"""Who holds a table, so that a change of it does not get its lock.

Owns: `Blocker`, `blockers`, `spell`. MariaDB tells exactly if its plugin METADATA_LOCK_INFO is installed,
MySQL by performance_schema; otherwise every transaction that is open is named, the longest first, as it may
be any of them. Promises: no literal of a statement is shown, because it may be anything: a customer's name,
a password. Seeing others' sessions needs the privilege PROCESS; without it podwork's own are named.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from podwork_migrations.fingerprint.canonical import server_kind

SHOWN_CHARACTERS: Final = 120
SHOWN: Final = 3

_SESSION: Final = """SELECT p.id, p.user, {seconds}, p.info, p.command
    FROM information_schema.processlist AS p {transactions}
    WHERE p.id <> CONNECTION_ID() AND {condition} ORDER BY 3 DESC, 1"""
_TRANSACTIONS: Final = "LEFT JOIN information_schema.innodb_trx AS t ON t.trx_mysql_thread_id = p.id"
_SECONDS: Final = "GREATEST(p.time, COALESCE(TIMESTAMPDIFF(SECOND, t.trx_started, NOW()), 0))"
_HOLDERS: Final = {
    "mariadb": """p.id IN (SELECT thread_id FROM information_schema.metadata_lock_info
        WHERE table_schema = DATABASE() AND table_name = :table)""",
    "mysql": """p.id IN (SELECT h.processlist_id FROM performance_schema.metadata_locks AS m
        JOIN performance_schema.threads AS h ON h.thread_id = m.owner_thread_id
        WHERE m.object_schema = DATABASE() AND m.object_name = :table AND m.lock_status = 'GRANTED')""",
}
_NAMES_IT: Final = "p.db = DATABASE() AND p.command = 'Query' AND LOCATE(:table, p.info) > 0"
_OPEN: Final = f"(t.trx_id IS NOT NULL OR ({_NAMES_IT}))"

# A text in quotes, or a number that is not part of a name.
_LITERALS = re.compile(
    r"'(?:[^'\\]|\\.|'')*'?|\"(?:[^\"\\]|\\.|\"\")*\"?|\b0x[0-9a-f]+\b|(?<![\w`])\d[\w.]*", re.IGNORECASE
)


class Blocker(NamedTuple):
    """A session that holds a table, or may. `statement`: what it runs, without values; "" if it is idle."""

    id: int
    user: str
    seconds: int
    statement: str
    is_certain: bool = False

    def __str__(self) -> str:
        """Return it for people: `session 812 of app, 14 s: UPDATE orders SET note = ?`."""
        what = f": {self.statement}" if self.statement else ", idle in a transaction"
        return (
            f"{'' if self.is_certain else 'perhaps '}session {self.id} of {self.user}, {self.seconds} s{what}"
        )


def blockers(connection: Connection, table: str) -> list[Blocker]:
    """Return who holds the table now, the longest first; nobody, if it was let go meanwhile."""
    with_transactions = _SESSION.replace("{seconds}", _SECONDS).replace("{transactions}", _TRANSACTIONS)
    queries = (
        with_transactions.replace("{condition}", _HOLDERS[server_kind(connection)]),
        with_transactions.replace("{condition}", _OPEN),  # no such plugin
        _SESSION.format(
            seconds="p.time", transactions="", condition=_NAMES_IT
        ),  # no right to see transactions
    )
    for number, query in enumerate(queries):
        with suppress(DBAPIError):
            return _ask(connection, table, query, is_certain=number == 0)
    return []


def spell(found: Sequence[Blocker]) -> str:
    """Return them in one line for people, the first few."""
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return "; ".join(str(blocker) for blocker in found[:SHOWN]) + more


def without_values(statement: str | None) -> str:
    """Return a statement without its literals, shortened, in one line."""
    line = " ".join(_LITERALS.sub("?", statement or "").split())
    return line if len(line) <= SHOWN_CHARACTERS else line[: SHOWN_CHARACTERS - 1] + "…"


def _ask(connection: Connection, table: str, query: str, *, is_certain: bool) -> list[Blocker]:
    rows = connection.execute(text(query), {"table": table})
    return [
        Blocker(int(id_), user, int(seconds), without_values(info) if command != "Sleep" else "", is_certain)
        for id_, user, seconds, info, command in rows
    ]
