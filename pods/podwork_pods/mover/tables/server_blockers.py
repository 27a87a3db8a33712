"""What in the settings of MariaDB and MySQL stops moves.

Owns: `server_blockers` (of one server whose log is followed), `pair_blockers` (of both together). Promises:
what would make the log incomplete, unreadable or too short-lived is found before a move begins, with the
setting that mends it; a setting that the server does not have is not asked for. Leaves to others: sessions
that write something else into the log than the server's settings say, which its reader sees. MySQL's names
are from its documentation: none ran here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from podwork_pods.iteration.throttles.server_status import is_mariadb
from podwork_pods.mover.tables.blocker import Blocker, Code

LEAST_RETENTION_SECONDS: Final = 24 * 3600
"""A log that goes earlier would be gone before a large shop is copied, and before a way back is wanted."""

_WANTED: Final = {
    "log_bin": ("ON", "start the server with --log-bin"),
    "binlog_format": ("ROW", "SET GLOBAL binlog_format = ROW"),
    "binlog_row_image": ("FULL", "SET GLOBAL binlog_row_image = FULL"),
    "binlog_row_metadata": ("FULL", "SET GLOBAL binlog_row_metadata = FULL"),
    "log_bin_compress": ("OFF", "SET GLOBAL log_bin_compress = OFF"),
    "binlog_transaction_compression": ("OFF", "SET GLOBAL binlog_transaction_compression = OFF"),
    "binlog_row_value_options": ("", "SET GLOBAL binlog_row_value_options = ''"),
    "binlog_storage_engine": ("", "start the server without --binlog-storage-engine"),
}
_RETENTION: Final = ("binlog_expire_logs_seconds", "expire_logs_days")
_OTHERS: Final = ("max_allowed_packet", "read_only", "lower_case_table_names")
_STEPS: Final = ("auto_increment_increment", "auto_increment_offset")
_GRANTED: Final = re.compile(r"^GRANT (?P<what>.+?) ON \*\.\* TO ", re.IGNORECASE)
_FOLLOW: Final = ("REPLICATION SLAVE", "REPLICATION CLIENT")
_NAMES: Final = {"BINLOG MONITOR": "REPLICATION CLIENT"}
"""MariaDB's names for what both have."""


def variables_of(connection: Connection) -> dict[str, str]:
    """Return the server's settings that moves depend on; {} on SQLite."""
    if connection.dialect.name == "sqlite":
        return {}
    names = (*_WANTED, *_RETENTION, *_OTHERS, *_STEPS)
    marks = ", ".join(["%s"] * len(names))
    found = connection.exec_driver_sql(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({marks})", names)
    return {str(name).lower(): str(value) for name, value in found}


def server_blockers(connection: Connection, place: str) -> list[Blocker]:
    """Return what keeps the log of this server from being followed; `place`: how to name it. SQLite: none."""
    if connection.dialect.name == "sqlite":
        return []
    variables = variables_of(connection)
    return [
        *_settings(variables, place),
        *_retention(variables, place),
        *_filters(connection, place),
        *_privileges(connection, place),
    ]


def pair_blockers(source: Connection, target: Connection) -> Iterator[Blocker]:
    """Yield what keeps rows of one from being written to the other."""
    if _kind(source) != _kind(target):
        what = f"the source is {_kind(source)}, the target {_kind(target)}: their types are not the same"
        yield Blocker(Code.SERVER, "", what, "move between servers of one kind")
        return
    ours, theirs = variables_of(source), variables_of(target)
    if ours.get("lower_case_table_names") != theirs.get("lower_case_table_names"):
        what = "lower_case_table_names differs: names of tables do not mean the same on both"
        yield Blocker(Code.SERVER, "", what, "set both servers up in the same way")
    if theirs.get("read_only", "OFF") not in ("OFF", "0"):
        yield Blocker(Code.SERVER, "", "the target's server is read_only", "SET GLOBAL read_only = OFF")


def counts_apart(source: Connection, target: Connection) -> bool:
    """Whether AUTO_INCREMENT gives the two servers' rows numbers that never meet."""
    (ours, our_step), (theirs, their_step) = _steps(source), _steps(target)
    return our_step == their_step and ours % our_step != theirs % their_step


def _steps(connection: Connection) -> tuple[int, int]:
    variables = variables_of(connection)
    return int(variables.get(_STEPS[1], 1)), int(variables.get(_STEPS[0], 1))


def _settings(variables: Mapping[str, str], place: str) -> Iterator[Blocker]:
    for name, (wanted, remedy) in _WANTED.items():
        found = variables.get(name, wanted)
        if found.upper() != wanted:
            what = f"{name} is {found or 'empty'} {place}: its log would not tell what changes"
            yield Blocker(Code.BINLOG, "", what, remedy)


def _retention(variables: Mapping[str, str], place: str) -> Iterator[Blocker]:
    seconds = float(variables.get("binlog_expire_logs_seconds", 0))
    seconds = seconds or float(variables.get("expire_logs_days", 0)) * 86_400
    if 0 < seconds < LEAST_RETENTION_SECONDS:
        what = f"logs are deleted after {seconds:.0f} s {place}"
        remedy = f"SET GLOBAL binlog_expire_logs_seconds = {LEAST_RETENTION_SECONDS}, or more"
        yield Blocker(Code.BINLOG, "", what, remedy)


def _filters(connection: Connection, place: str) -> Iterator[Blocker]:
    try:
        status = _log_status(connection)
    except DBAPIError:
        return  # the privilege is missing, which is said of itself
    database = str(connection.exec_driver_sql("SELECT DATABASE()").scalar_one())
    only = [name for name in status.get("binlog_do_db", "").split(",") if name]
    without = [name for name in status.get("binlog_ignore_db", "").split(",") if name]
    if (only and database not in only) or database in without:
        what = f"the log {place} leaves out the database {database}"
        yield Blocker(Code.BINLOG, "", what, "mend binlog_do_db or binlog_ignore_db of the server")


def _log_status(connection: Connection) -> dict[str, str]:
    version = connection.dialect.server_version_info or ()
    is_new_mysql = not is_mariadb(connection) and version >= (8, 2)
    statement = "SHOW BINARY LOG STATUS" if is_new_mysql else "SHOW MASTER STATUS"
    row = connection.exec_driver_sql(statement).mappings().first()
    return {} if row is None else {str(key).lower(): str(value or "") for key, value in row.items()}


def _privileges(connection: Connection, place: str) -> Iterator[Blocker]:
    granted = _granted(row[0] for row in connection.exec_driver_sql("SHOW GRANTS"))
    missing = [name for name in _FOLLOW if name not in granted]
    if missing and not granted & {"ALL PRIVILEGES", "ALL"}:
        what = f"podwork's user lacks {', '.join(missing)} {place}, and cannot follow the log"
        remedy = f"GRANT {', '.join(missing)} ON *.* TO podwork's user"
        yield Blocker(Code.PRIVILEGE, "", what, remedy)


def _granted(lines: Iterator[str]) -> set[str]:
    found: set[str] = set()
    for line in lines:
        if match := _GRANTED.match(line):
            names = (name.strip().upper() for name in match["what"].split(","))
            found |= {_NAMES.get(name, name) for name in names}
    return found


def _kind(connection: Connection) -> str:
    if connection.dialect.name == "sqlite":
        return "SQLite"
    return "MariaDB" if is_mariadb(connection) else "MySQL"
