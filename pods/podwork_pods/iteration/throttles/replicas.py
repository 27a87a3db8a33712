"""The replicas of a shard: where they are, and how far behind each says that it is.

Owns: `connected`, `slowest`, `Replication`, `replication_of`, and the connections to replicas, which are
kept per process. MariaDB and MySQL say the same with other words, and each with others over the years:

| | MariaDB | MySQL from 8.4 | MySQL before 8.0.22 |
| which are connected | SHOW SLAVE HOSTS | SHOW REPLICAS | SHOW SLAVE HOSTS |
| how each stands | SHOW ALL SLAVES STATUS | SHOW REPLICA STATUS | SHOW SLAVE STATUS |
| how far behind | Seconds_Behind_Master | Seconds_Behind_Source | Seconds_Behind_Master |

MySQL in between knows both. Leaves to others: what is too far (`replica_lag`).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Engine
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import DBAPIError

from podwork.settings import ShardSettings
from podwork_pods.driver_errors import is_syntax_error
from podwork_pods.engines import make_engine
from podwork_pods.errors import ShardUnavailable
from podwork_pods.iteration.throttles.server_status import is_mariadb
from podwork_pods.masking import address_of
from podwork_pods.per_process import PerProcess

_HOSTS: Final = {True: ("SHOW SLAVE HOSTS",), False: ("SHOW REPLICAS", "SHOW SLAVE HOSTS")}
_STATUS: Final = {True: ("SHOW ALL SLAVES STATUS",), False: ("SHOW REPLICA STATUS", "SHOW SLAVE STATUS")}
"""By whether it is MariaDB, the statements to try one after the other."""
_BEHIND: Final = ("Seconds_Behind_Source", "Seconds_Behind_Master")
_ERRORS: Final = ("Last_SQL_Error", "Last_IO_Error")
_SETTINGS: Final = ShardSettings(pool_size=1, connect_timeout_seconds=2.0, read_timeout_seconds=5.0)


class Replication(NamedTuple):
    """How a replica stands. `behind_seconds` None: it does not follow at all; `why` says more, if it can."""

    behind_seconds: float | None
    why: str = ""


class _Opened:
    """The engines of one process, by URL."""

    def __init__(self) -> None:
        self.engines: dict[str, Engine] = {}
        self.lock = threading.Lock()


_opened: Final = PerProcess(_Opened)


def connected(engine: Engine) -> list[str]:
    """Return the URLs of the replicas that are connected to the server, with its user and password.

    Raises:
        LookupError: one does not say where it is.
    """
    with engine.connect() as connection:
        found = _ask(connection, _HOSTS[is_mariadb(connection)])
    return [_url(engine.url, row) for row in found]


def replication_of(pod_id: int, url: str) -> Replication:
    """Ask a replica. Raises ShardUnavailable: it does not answer."""
    with _engine(pod_id, url).connect() as connection:
        return read(_ask(connection, _STATUS[is_mariadb(connection)]))


def slowest(pod_id: int, engine: Engine) -> Replication | None:
    """Return how the replica stands that is furthest behind, or does not follow; None: none is connected.

    Raises:
        LookupError: one does not say where it is. ShardUnavailable: one does not answer.
        DBAPIError: the shard's user may not ask.
    """
    if engine.dialect.name == "sqlite":
        return None
    found = [replication_of(pod_id, url) for url in connected(engine)]
    stopped = [one for one in found if one.behind_seconds is None]
    return next(iter(stopped), None) or max(found, key=lambda one: one.behind_seconds or 0.0, default=None)


def read(rows: Sequence[Mapping[str, Any]]) -> Replication:
    """Return how a replica stands, from its status: a row for each source that it follows."""
    if not rows:
        return Replication(None, "it is no replica")
    behind: list[float] = []
    for row in rows:
        seconds = next((row[name] for name in _BEHIND if name in row), None)
        if seconds is None:
            said = next((row[name] for name in _ERRORS if row.get(name)), "")
            return Replication(None, said or "replication has stopped")
        behind.append(float(seconds))
    return Replication(max(behind))


def _ask(connection: Connection, variants: Sequence[str]) -> list[Mapping[str, Any]]:
    """Return the rows of the first statement that the server knows."""
    *earlier, last = variants
    for statement in earlier:
        try:
            return _rows(connection, statement)
        except DBAPIError as error:
            if not is_syntax_error(error):
                raise
    return _rows(connection, last)


def _rows(connection: Connection, statement: str) -> list[Mapping[str, Any]]:
    return [dict(row) for row in connection.exec_driver_sql(statement).mappings()]


def _url(shard: URL, row: Mapping[str, Any]) -> str:
    if not row["Host"]:
        raise LookupError(
            f"the replica with server id {next(iter(row.values()))} does not say its host: "
            "set report_host there, or give `replicas`"
        )
    return shard.set(host=row["Host"], port=int(row["Port"])).render_as_string(hide_password=False)


def _engine(pod_id: int, url: str) -> Engine:
    opened = _opened.get()
    with opened.lock:
        engine = opened.engines.get(url)
        if engine is None:

            def unavailable(why: str) -> ShardUnavailable:
                return ShardUnavailable(pod_id, address_of(url), why)

            # Without the database: a replica may be asked that does not carry it.
            bare = make_url(url).set(database="").render_as_string(hide_password=False)
            engine = opened.engines[url] = make_engine(bare, unavailable, _SETTINGS, autocommit=True)
        return engine
