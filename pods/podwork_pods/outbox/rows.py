"""The rows of a shard's outbox, as relays read and change them.

Owns: `OutboxRow`, `OutboxRows` and every statement of a relay. Promises: a change is one statement that
commits by itself, so that a relay which is stopped in the middle of anything holds no lock that others would
wait for; an error is typed. Leaves to others: when a change is right (`relay`), and the rows' beginning
(`writing`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, Engine, delete, func, insert, or_, select, update
from sqlalchemy.exc import DBAPIError

from podwork import keys
from podwork.unique import Lock
from podwork_pods.driver_errors import is_already_there, is_deadlock, is_lock_timeout, is_missing_table
from podwork_pods.engines import reader
from podwork_pods.errors import ShardUnavailable, ShardUnprepared
from podwork_pods.masking import address_of
from podwork_pods.outbox.schema import generations, outbox

_encode = msgspec.json.Encoder().encode
_decode_locks = msgspec.json.Decoder(list[Lock]).decode


class OutboxRow(NamedTuple):
    """One job that waits for its transaction's commit, for a relay, or for its end."""

    id: int
    job_id: str
    shop_id: int | None
    queue: str
    due_ms: int
    epoch: int
    record: bytes
    locks: str
    at_most_once: int
    relayed: int
    created: float

    @property
    def shop(self) -> str:
        """The shop as keys name it."""
        return keys.POD_LANE if self.shop_id is None else str(self.shop_id)

    def read_locks(self) -> list[Lock]:
        """Return the locks that it asks for. Raises ValueError: somebody broke them by hand."""
        return _decode_locks(self.locks)


class Backlog(NamedTuple):
    """What stands in the outbox: all rows, those not relayed yet, when the oldest of these was written."""

    rows: int
    unrelayed: int
    oldest: float | None


def write_locks(locks: Collection[Lock]) -> str:
    """Return the column's text."""
    return _encode(locks).decode() if locks else "[]"


class OutboxRows:
    """The outbox of one pod's shard; `engine` gives an engine that commits every statement by itself."""

    def __init__(self, pod_id: int, engine: Callable[[], Engine]) -> None:
        self.pod_id = pod_id
        self._engine = engine

    def unrelayed(self, limit: int, without: Collection[int] = ()) -> list[OutboxRow]:
        """Return the oldest rows that no relay marked, except those of some shops.

        Rows commit in another order than they are numbered in, so every call begins at the beginning.
        """
        query = select(outbox).where(outbox.c.relayed == 0).order_by(outbox.c.id).limit(limit)
        if without:
            query = query.where(or_(outbox.c.shop_id.is_(None), outbox.c.shop_id.not_in(without)))
        with self._reading() as connection:
            return [OutboxRow(*row) for row in connection.execute(query)]

    def page(self, after: int, limit: int) -> list[OutboxRow]:
        """Return up to `limit` rows above a number, relayed or not."""
        query = select(outbox).where(outbox.c.id > after).order_by(outbox.c.id).limit(limit)
        with self._reading() as connection:
            return [OutboxRow(*row) for row in connection.execute(query)]

    def mark(self, batch: int, ids: Sequence[int]) -> None:
        """Say that these rows were brought to Redis by the batch."""
        with self._writing() as connection:
            connection.execute(update(outbox).where(outbox.c.id.in_(ids)).values(relayed=batch))

    def delete(self, job_ids: Sequence[str]) -> int:
        """Delete the rows of jobs that have ended; return how many there were."""
        with self._writing() as connection:
            return connection.execute(delete(outbox).where(outbox.c.job_id.in_(job_ids))).rowcount

    def is_empty(self) -> bool:
        """Return whether the outbox has no row at all."""
        with self._reading() as connection:
            return connection.execute(select(outbox.c.id).limit(1)).first() is None

    def highest_batch(self) -> int:
        """Return the latest batch that a row was brought to Redis by; 0: there is none."""
        with self._reading() as connection:
            return connection.execute(select(func.max(outbox.c.relayed))).scalar() or 0

    def backlog(self) -> Backlog:
        """Return what stands in the outbox; counts rows, so it is for people."""
        waiting = select(func.count(), func.min(outbox.c.created)).where(outbox.c.relayed == 0)
        with self._reading() as connection:
            rows = connection.execute(select(func.count()).select_from(outbox)).scalar_one()
            unrelayed, oldest = connection.execute(waiting).one()
        return Backlog(rows, unrelayed, oldest)

    def written_at(self, job_id: str) -> float | None:
        """Return when a job that waits to be relayed was written; None: there is none such."""
        query = select(outbox.c.created).where(outbox.c.job_id == job_id, outbox.c.relayed == 0)
        with self._reading() as connection:
            return connection.execute(query).scalar()

    def generation(self) -> str | None:
        """Return which Redis the rows were brought to; None: no relay has begun yet."""
        query = select(generations.c.generation).where(generations.c.pod_id == self.pod_id)
        with self._reading() as connection:
            return connection.execute(query).scalar()

    def keep_generation(self, generation: str) -> None:
        """Write down which Redis the rows are brought to, unless another relay has."""
        try:
            with self._writing() as connection:
                connection.execute(insert(generations).values(pod_id=self.pod_id, generation=generation))
        except DBAPIError as error:
            if not is_already_there(error) and "UNIQUE" not in str(error.orig):
                raise

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        engine = self._engine()
        with self._typed(engine), reader(engine).connect() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        engine = self._engine()
        with self._typed(engine), engine.begin() as connection:
            yield connection

    @contextmanager
    def _typed(self, engine: Engine) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            if is_missing_table(error):
                raise ShardUnprepared(self.pod_id, outbox.name) from None
            if is_lock_timeout(error) or is_deadlock(error):
                address = address_of(engine.url.render_as_string())
                raise ShardUnavailable(self.pod_id, address, "rows of the outbox were locked") from None
            raise
