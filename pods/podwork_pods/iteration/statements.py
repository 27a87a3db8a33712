"""How the tables of iteration are spoken to.

Owns: `Statements`, `FencedStatements`, `unprepared`, `shortened`, `key`, `cursor_of`. Promises: what is
written here outside of the caller's transaction is one statement that commits by itself, so that a process
which is stopped in the middle of anything holds no lock that others would wait for; for a run of a shop it
is one statement behind the check of the shop's fence, which a mover waits for as it does for any transaction
of the shop. Errors are typed. Leaves to others: the statements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from podwork.iteration.collection import Cursor
from podwork.iteration.cursor import decode, encode
from podwork_pods.driver_errors import is_deadlock, is_lock_timeout, is_missing_table
from podwork_pods.engines import reader
from podwork_pods.errors import ShardUnavailable, ShardUnprepared
from podwork_pods.iteration.schema import runs
from podwork_pods.masking import address_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_NOTE_CHARACTERS = 4_000


class Statements:
    """Single statements on one pod's shard; `engine` gives an engine that commits each of them by itself."""

    def __init__(self, pod_id: int, engine: Callable[[], Engine]) -> None:
        self.pod_id = pod_id
        self._engine = engine

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection that only reads."""
        engine = self._engine()
        with self._typed(engine), reader(engine).connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Yield a connection for one statement."""
        engine = self._engine()
        with self._typed(engine), engine.begin() as connection:
            yield connection

    @contextmanager
    def claiming(self) -> Iterator[Connection]:
        """Yield a connection for one statement that others may forestall; its errors are not typed."""
        with unprepared(self.pod_id), self._engine().begin() as connection:
            yield connection

    @contextmanager
    def _typed(self, engine: Engine) -> Iterator[None]:
        with unprepared(self.pod_id):
            try:
                yield
            except DBAPIError as error:
                if not (is_lock_timeout(error) or is_deadlock(error)):
                    raise
                address = address_of(engine.url.render_as_string())
                raise ShardUnavailable(self.pod_id, address, "rows of a run were locked") from None


class FencedStatements(Statements):
    """Likewise of a shop's runs: what is written passes the shop's fence.

    Nothing is to be written while the same thread has a transaction of the shop open: on SQLite it would wait
    for that one.

    Args:
        pod_id: the pod. engine: as above, to read.
        begin: opens a transaction of the shop on this pod, which has passed its fence.
    """

    def __init__(
        self,
        pod_id: int,
        engine: Callable[[], Engine],
        begin: Callable[[], AbstractContextManager[Session]],
    ) -> None:
        super().__init__(pod_id, engine)
        self._begin = begin

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Yield a connection for one statement. Raises what the fence says: nothing was written."""
        with self._typed(self._engine()), self._begin() as session:
            yield session.connection()

    @contextmanager
    def claiming(self) -> Iterator[Connection]:
        """Yield a connection for one statement that others may forestall; its errors are not typed.

        A claim that waits for a row keeps the fence open for so long, and no longer than the batch does that
        holds the row.
        """
        with unprepared(self.pod_id), self._begin() as session:
            yield session.connection()


@contextmanager
def unprepared(pod_id: int) -> Iterator[None]:
    """Raise ShardUnprepared for a table that is missing; everything else stays as it is."""
    try:
        yield
    except DBAPIError as error:
        if is_missing_table(error):
            raise ShardUnprepared(pod_id, runs.name) from None
        raise


def shortened(text: str) -> str:
    """Return an error or a reason as its column takes it: an error must not fail for its own length."""
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _NOTE_CHARACTERS else f"{text[: _NOTE_CHARACTERS - 1]}…"


def key(cursor: Cursor | None) -> str | None:
    """Return the column's text of a cursor."""
    return None if cursor is None else encode(cursor)


def cursor_of(text: str | None) -> Cursor | None:
    """Return the cursor in a column."""
    return None if text is None else decode(text)
