"""How far a leg's copy and its following of the log have come, in the shard that is being filled.

Owns: the table `podwork_move_progress` and its statements. Promises (`copy.position`): what it says is
committed with the rows that it stands for, for it is written over the same session in the same
transaction; a position never goes back. Leaves to others: holding the fence before (`writing`).

A row for each table of a leg, and one with the empty name: which server's log has been followed, up to where.
"""

# ruff: noqa: S608 - values are numbers and hexadecimal

from __future__ import annotations

import json
from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Double,
    Engine,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    delete,
)

from podwork.interfaces import Clock, SystemClock
from podwork_pods.mover.passage import Passage
from podwork_pods.mover.rows.literals import Key
from podwork_pods.mover.rows.session import RowSession
from podwork_pods.mover.rows.stream.position import Position

_Number = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData()
progress = Table(
    "podwork_move_progress",
    metadata,
    Column("move_id", _Number, primary_key=True, autoincrement=False),
    Column("leg", SmallInteger, primary_key=True, autoincrement=False),
    Column("table_name", String(64), primary_key=True, comment="empty: the log that is followed"),
    Column("walked", Text, nullable=True, comment="JSON: the last key that was copied, as literals"),
    Column("is_whole", SmallInteger, nullable=False, comment="1: all of the table was copied"),
    Column("rows_copied", _Number, nullable=False),
    Column("bytes_copied", _Number, nullable=False),
    Column("server", String(512), nullable=True, comment="whose log it is"),
    Column("position", String(128), nullable=True, comment="file:offset; earlier changes have been applied"),
    Column("updated_at", Double, nullable=False, comment="wall time, seconds since 1970"),
    mysql_engine="InnoDB",
    mysql_charset="utf8mb4",
)


def create_schema(connection: Connection) -> None:
    """Make the table if it is missing."""
    metadata.create_all(connection)


def forget(engine: Engine, move_id: int) -> None:
    """Delete all that a shard knows of a move of which it is told nothing any more, under whatever fence.

    Only where no copy of it can follow: who found nothing would begin one.
    """
    with engine.begin() as connection:
        connection.execute(delete(progress).where(progress.c.move_id == move_id))


class Followed(NamedTuple):
    """Up to where which server's log has been applied."""

    server: str
    position: Position


class Walked(NamedTuple):
    """How far a table's copy has come: behind `after`; `is_whole`: to its end."""

    after: Key | None = None
    is_whole: bool = False
    rows: int = 0
    bytes: int = 0


class Progress:
    """The rows of one leg, read and written over a session of the shard that is being filled."""

    def __init__(self, session: RowSession, passage: Passage, clock: Clock | None = None) -> None:
        self._session = session
        self._passage = passage
        self._clock = clock or SystemClock()
        self._leg = f"move_id = {int(passage.move_id)} AND leg = {int(passage.leg)}"

    def followed(self) -> Followed | None:
        """Return the stored position; None: nothing was stored yet."""
        rows = self._session.rows(
            f"SELECT server, position FROM {progress.name} WHERE {self._leg} AND table_name = ''"
        )
        return Followed(_text(rows[0][0]), Position.parse(_text(rows[0][1]))) if rows else None

    def walked(self, table: str) -> Walked:
        """Return how far a table's copy has come."""
        rows = self._session.rows(
            f"SELECT walked, is_whole, rows_copied, bytes_copied FROM {progress.name} "
            f"WHERE {self._leg} AND table_name = {_literal(table)}"
        )
        if not rows:
            return Walked()
        after = None if rows[0][0] is None else tuple(json.loads(rows[0][0]))
        return Walked(after, bool(int(rows[0][1])), int(rows[0][2]), int(rows[0][3]))

    def store_walked(self, table: str, walked: Walked) -> None:
        """Store how far a table's copy has come."""
        after = "NULL" if walked.after is None else _literal(json.dumps(walked.after))
        self._store(table, after, walked, "NULL", "NULL")

    def store_followed(self, followed: Followed) -> None:
        """Store up to where the log has been applied; an earlier position than the stored one is not."""
        stored = self.followed()
        if stored is None or stored.server != followed.server or stored.position < followed.position:
            server, position = _literal(followed.server), _literal(str(followed.position))
            self._store("", "NULL", Walked(), server, position)

    def forget(self) -> None:
        """Delete all that this shard knows of the move: it is over here, or begins anew."""
        self._session.run(f"DELETE FROM {progress.name} WHERE move_id = {int(self._passage.move_id)}")

    def _store(self, name: str, after: str, walked: Walked, server: str, position: str) -> None:
        passage = self._passage
        self._session.run(
            f"REPLACE INTO {progress.name} VALUES "
            f"({int(passage.move_id)}, {int(passage.leg)}, {_literal(name)}, "
            f"{after}, {int(walked.is_whole)}, {walked.rows}, {walked.bytes}, {server}, {position}, "
            f"{self._clock.now()!r})"
        )


def _literal(text: str) -> str:
    return f"_utf8mb4 x'{text.encode().hex()}'"


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
