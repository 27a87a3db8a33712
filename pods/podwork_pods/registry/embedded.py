"""The registry on SQLite, for one machine.

Owns: the tables `registry_pods`, `registry_workers` and `registry_changes`. Promises: as `protocol` says; a
pod's version is the number of the change that wrote it, so a pod that was removed and added again never
matches an old version. Presence is a row with an expiry that a thread renews. Subscriptions poll the change
counter. Leaves to others: more than one machine (`zookeeper`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Double,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import OperationalError

from podwork.errors import PodworkError
from podwork.settings import ShardSettings
from podwork_pods.engines import make_engine, reader
from podwork_pods.errors import RegistryConflict, RegistryUnavailable, UnknownPod
from podwork_pods.masking import mask_url
from podwork_pods.per_process import PerProcess
from podwork_pods.pod import Pod, PodState
from podwork_pods.registry.protocol import OnChange, Pods, Subscription, WorkerPresence, change_state
from podwork_pods.ticking import Ticker

T = TypeVar("T")

PRESENCE_SECONDS = 10.0
POLL_SECONDS = 0.5

metadata = MetaData()
pods_table = Table(
    "registry_pods",
    metadata,
    Column("pod_id", Integer, primary_key=True, autoincrement=False),
    Column("record", LargeBinary, nullable=False),
    Column("version", Integer, nullable=False),
)
workers_table = Table(
    "registry_workers",
    metadata,
    Column("pod_id", Integer, primary_key=True, autoincrement=False),
    Column("incarnation", String(255), primary_key=True),
    Column("details", LargeBinary, nullable=False),
    Column("expires_at", Double, nullable=False),
)
# One row: how many changes of pods there were.
changes_table = Table(
    "registry_changes",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("changes", Integer, nullable=False),
)


class EmbeddedRegistry:
    """A `PodRegistry` in one SQLite file, which the first `put` or `announce` makes."""

    def __init__(
        self, url: str, *, presence_seconds: float = PRESENCE_SECONDS, poll_seconds: float = POLL_SECONDS
    ) -> None:
        self._url = url
        self._presence_seconds = presence_seconds
        self._poll_seconds = poll_seconds
        self._engine = PerProcess(lambda: make_engine(url, self._unavailable, ShardSettings()))
        self._closables: list[Subscription] = []

    @property
    def address(self) -> str:
        """The file's URL."""
        return mask_url(self._url)

    @property
    def connected(self) -> bool:
        """Whether the file can be read now."""
        try:
            self._read(_changes)
        except PodworkError:
            return False
        return True

    def get(self, pod_id: int) -> Pod:
        """Return the pod; see the protocol."""
        for pod in (pods := self.list()):
            if pod.id == pod_id:
                return pod
        raise UnknownPod(pod_id, [pod.id for pod in pods])

    def list(self) -> Pods:
        """Return all pods; see the protocol."""
        return self._read(_pods)

    def put(self, pod: Pod) -> Pod:
        """Store the pod if nobody else did; see the protocol."""
        self._make_schema()
        with self._engine.get().begin() as connection:
            version = _next_change(connection)
            if pod.version == 0:
                exists = connection.execute(
                    select(pods_table.c.version).where(pods_table.c.pod_id == pod.id)
                ).first()
                if exists is not None:
                    raise RegistryConflict(pod.id)
                record = {"pod_id": pod.id, "record": pod.to_record(), "version": version}
                connection.execute(insert(pods_table).values(record))
            else:
                changed = connection.execute(
                    update(pods_table)
                    .where(pods_table.c.pod_id == pod.id, pods_table.c.version == pod.version)
                    .values(record=pod.to_record(), version=version)
                )
                if changed.rowcount != 1:
                    raise RegistryConflict(pod.id)
        return Pod.from_record(pod.to_record(), version)

    def remove(self, pod_id: int) -> None:
        """Take the pod out; see the protocol."""
        known = [pod.id for pod in self.list()]
        with self._engine.get().begin() as connection:
            _next_change(connection)
            if connection.execute(delete(pods_table).where(pods_table.c.pod_id == pod_id)).rowcount != 1:
                raise UnknownPod(pod_id, known)

    def set_state(self, pod_id: int, state: PodState) -> Pod:
        """Change only the state; see the protocol."""
        return change_state(self, pod_id, state)

    def subscribe(self, on_change: OnChange) -> Subscription:
        """Tell of changes by polling the counter; see the protocol."""
        # The counter is read before the pods: a change in between is told twice rather than never.
        seen = self._read(_changes)
        on_change(self.list())

        def look() -> None:
            nonlocal seen
            changes = self._read(_changes)
            if changes != seen:
                on_change(self.list())
                seen = changes

        ticker = Ticker("podwork-registry-watch", self._poll_seconds, look)
        self._closables.append(ticker)
        return ticker

    def announce(self, pod_id: int, incarnation: str, details: Mapping[str, str]) -> EmbeddedPresence:
        """Make a row and renew it; see the protocol."""
        self._make_schema()
        presence = EmbeddedPresence(
            self._engine, WorkerPresence(pod_id, incarnation, dict(details)), self._presence_seconds
        )
        self._closables.append(presence)
        return presence

    def workers(self, pod_id: int) -> Sequence[WorkerPresence]:
        """Return who has a row that has not expired; see the protocol."""
        rows = (
            select(workers_table.c.incarnation, workers_table.c.details)
            .where(workers_table.c.pod_id == pod_id, workers_table.c.expires_at > time.time())
            .order_by(workers_table.c.incarnation)
        )
        return [
            WorkerPresence(pod_id, incarnation, msgspec.json.decode(details, type=dict[str, str]))
            for incarnation, details in self._read(lambda connection: connection.execute(rows).all())
        ]

    def close(self) -> None:
        """Withdraw presences, stop the threads and close the file; see the protocol."""
        for closable in self._closables:
            closable.close()
        self._closables.clear()
        engine = self._engine.take()
        if engine is not None:
            engine.dispose()

    def _read(self, question: Callable[[Connection], T]) -> T:
        with reader(self._engine.get()).connect() as connection:
            try:
                return question(connection)
            except OperationalError as error:
                raise self._unavailable(str(error.orig)) from None

    def _make_schema(self) -> None:
        engine = make_engine(self._url, self._unavailable, ShardSettings(), must_exist=False)
        try:
            with engine.begin() as connection:
                metadata.create_all(connection)
                if connection.execute(select(changes_table.c.id)).first() is None:
                    connection.execute(insert(changes_table).values(id=1, changes=0))
        finally:
            engine.dispose()

    def _unavailable(self, why: str) -> RegistryUnavailable:
        return RegistryUnavailable(self.address, why)


class EmbeddedPresence:
    """A worker's row, renewed by a thread three times before it expires."""

    def __init__(self, engine: PerProcess[Engine], worker: WorkerPresence, presence_seconds: float) -> None:
        self._engine = engine
        self._worker = worker
        self._presence_seconds = presence_seconds
        self._owner = os.getpid()
        self._renewed_at = 0.0
        self._renew()
        self._ticker = Ticker("podwork-presence", presence_seconds / 3, self._renew)

    @property
    def held(self) -> bool:
        """Whether the row, by our own clock, has not expired."""
        return self._owner == os.getpid() and time.monotonic() - self._renewed_at < self._presence_seconds

    def close(self) -> None:
        """Take the row away; see the protocol."""
        self._ticker.close()
        if self._owner != os.getpid() or self._renewed_at == 0.0:
            return
        self._renewed_at = 0.0
        # Not reached: the row expires by itself.
        with suppress(PodworkError), self._engine.get().begin() as connection:
            connection.execute(delete(workers_table).where(*self._row()))

    def _renew(self) -> None:
        began = time.monotonic()
        values = {
            "details": msgspec.json.encode(self._worker.details),
            "expires_at": time.time() + self._presence_seconds,
        }
        with self._engine.get().begin() as connection:
            connection.execute(delete(workers_table).where(workers_table.c.expires_at < time.time()))
            if connection.execute(update(workers_table).where(*self._row()).values(values)).rowcount == 0:
                key = {"pod_id": self._worker.pod_id, "incarnation": self._worker.incarnation}
                connection.execute(insert(workers_table).values({**key, **values}))
        self._renewed_at = began

    def _row(self) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        return (
            workers_table.c.pod_id == self._worker.pod_id,
            workers_table.c.incarnation == self._worker.incarnation,
        )


def _changes(connection: Connection) -> int:
    return int(connection.execute(select(changes_table.c.changes)).scalar_one())


def _pods(connection: Connection) -> Pods:
    rows = connection.execute(select(pods_table.c.record, pods_table.c.version).order_by(pods_table.c.pod_id))
    return [Pod.from_record(record, version) for record, version in rows]


def _next_change(connection: Connection) -> int:
    connection.execute(update(changes_table).values(changes=changes_table.c.changes + 1))
    return _changes(connection)
