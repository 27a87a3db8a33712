"""The schema that a pod should have, by what has been applied there: that of the first pod that came so far.

Owns: the table `podwork_schemas` in the directory's database, `Expectations`, `standing`. Promises: the
first word counts; a later pod's never replaces it, whichever of two comes first. Leaves to others: when a
pod reports (the runner, after its entry was committed), showing the difference (`drift`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Double,
    Engine,
    MetaData,
    String,
    Table,
    Text,
    insert,
    select,
)
from sqlalchemy.dialects.mysql import LONGTEXT
from sqlalchemy.exc import IntegrityError

from podwork.interfaces import Clock, SystemClock
from podwork_migrations.fingerprint.canonical import Schema
from podwork_pods.engines import reader

_OPTIONS: Final[dict[str, Any]] = {
    f"{dialect}_{name}": value
    for dialect in ("mysql", "mariadb")
    for name, value in (("engine", "InnoDB"), ("default_charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}

metadata = MetaData()

schemas = Table(
    "podwork_schemas",
    metadata,
    Column("standing", String(80), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("canonical", Text().with_variant(LONGTEXT(), "mysql", "mariadb"), nullable=False),
    Column("pod_id", BigInteger, nullable=False),
    Column("at", Double, nullable=False),
    **_OPTIONS,
)


def standing(applied: Iterable[str], dialect: str) -> str:
    """Return a key for what was applied on a pod: the same for the same versions and kind of server.

    Not the last version: pods that leave out some (`pods=`) end with the same one and differ.
    """
    digest = hashlib.sha256("\n".join(sorted(applied)).encode()).hexdigest()
    return f"{dialect}:{digest}"


class Expectations:
    """The schemas expected; `engine` gives the directory's in this process."""

    def __init__(self, engine: Callable[[], Engine], clock: Clock | None = None) -> None:
        self._engine = engine
        self._clock = clock or SystemClock()

    def create_schema(self, connection: Connection) -> None:
        """Make the table if it is missing."""
        metadata.create_all(connection, checkfirst=True)

    def report(self, pod_id: int, applied: Iterable[str], schema: Schema) -> Schema:
        """Say what a pod's schema is after all that was applied; return what it should be."""
        key = standing(applied, schema.dialect)
        known = self._read(key)
        if known is not None:
            return known
        row = {
            "standing": key,
            "fingerprint": schema.fingerprint,
            "canonical": schema.encode(),
            "pod_id": pod_id,
            "at": self._clock.now(),
        }
        try:
            with self._engine().begin() as connection:
                connection.execute(insert(schemas), row)
        except IntegrityError:  # another pod was first
            return self._read(key) or schema
        return schema

    def expected(self, applied: Iterable[str], dialect: str) -> Schema | None:
        """Return the schema expected of a pod with these versions; None: no pod has told."""
        return self._read(standing(applied, dialect))

    def _read(self, key: str) -> Schema | None:
        with reader(self._engine()).connect() as connection:
            found = connection.execute(select(schemas.c.canonical).where(schemas.c.standing == key)).scalar()
        return None if found is None else Schema.decode(found)
