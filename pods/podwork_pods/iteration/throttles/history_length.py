"""A throttle over InnoDB's backlog of old versions of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from sqlalchemy import Connection

from podwork.iteration.throttle import Held, Surroundings, Throttle
from podwork_pods.iteration.throttles.limits import check_limit
from podwork_pods.iteration.throttles.server_status import global_status, is_mariadb

_METRIC: Final = "SELECT count FROM information_schema.innodb_metrics WHERE name = 'trx_rseg_history_len'"


@dataclass(frozen=True)
class HistoryLength(Throttle):
    """Holds a run back while InnoDB has more than `most` old versions of rows to purge.

    The history grows while somebody keeps a snapshot open, or while more is written than is purged; every
    read pays for it. The user needs PROCESS on MySQL. A database of SQLite has no such number, and is never
    held back by it.
    """

    most: int = 1_000_000

    name: ClassVar[str] = "history_length"

    def __post_init__(self) -> None:
        check_limit(self.name, "most", self.most)

    def held(self, around: Surroundings) -> Held | None:
        """Ask the server for its history list length."""
        if around.engine.dialect.name == "sqlite":
            return None
        with around.engine.connect() as connection:
            length = _length(connection)
        return Held(f"{self.name} {length}, limit {self.most}") if length > self.most else None


def _length(connection: Connection) -> int:
    """MariaDB has it among its status, where everybody may look; MySQL only among InnoDB's metrics."""
    if is_mariadb(connection):
        return global_status(connection, "Innodb_history_list_length")
    return int(connection.exec_driver_sql(_METRIC).scalar_one())
