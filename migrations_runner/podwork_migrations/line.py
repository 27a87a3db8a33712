"""The line of a pod's migrations: one at a time, whoever believes what.

Owns: `Line`, who is in it and under which epoch; `Turn`, what somebody may do who is. Promises (M1): on
MariaDB and MySQL whoever is in the line holds a lock of the server by one connection of his own, and every
statement that changes the schema runs on that connection: if it dies, the server frees the lock only after
the statement has ended, and one that is paused keeps it, between two statements for `IDLE_SECONDS`. A path to
the server that is gone is noticed within minutes, however long a statement takes. Every entry raises the
epoch, and every step is a transaction that locks the line's row and compares the epoch: what somebody does
who has lost the line is refused. On SQLite, where changes of the schema are part of transactions, the epoch
alone does it; who has not done a step for `LEASE_SECONDS` may be forestalled. Leaves to others: what the
steps are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Engine, bindparam, select, text, update
from sqlalchemy.exc import DBAPIError

from podwork.errors import PodworkError
from podwork.interfaces import Clock, SystemClock
from podwork.points import reach
from podwork_migrations.errors import LineLost
from podwork_migrations.ledger.schema import LINE, NAME_CHARACTERS, create, line
from podwork_pods.driver_errors import is_missing_table
from podwork_pods.engines import create_tables, reader
from podwork_pods.errors import ShardUnavailable, ShardUnprepared
from podwork_pods.iteration.statements import shortened
from podwork_pods.keepalive import watch_path

LEASE_SECONDS: Final = 5.0
IDLE_SECONDS: Final = 900
"""For so long the server keeps the lock of somebody of whom it hears nothing, and who waits for nothing."""

_ROW = line.c.id == LINE
_READ = select(line).where(_ROW)
_STEP = update(line).where(_ROW, line.c.epoch == bindparam("of_epoch")).values(heartbeat_at=bindparam("now"))
_LEAVE = update(line).where(_ROW, line.c.epoch == bindparam("of_epoch")).values(owner="")

# At most 64 characters, whatever the database is called.
_NAME = "CONCAT('podwork.migrations.', IF(CHAR_LENGTH(DATABASE()) > 40, MD5(DATABASE()), DATABASE()))"
_GET_LOCK = text(f"SELECT GET_LOCK({_NAME}, 0), CONNECTION_ID()")
_HOLDER = text(f"SELECT IS_USED_LOCK({_NAME})")
_RELEASE_LOCK = text(f"DO RELEASE_LOCK({_NAME})")
# A host that vanishes between two statements says nothing: then the server ends the connection, and the lock.
_FORGOTTEN = text(f"SET SESSION wait_timeout = {IDLE_SECONDS}")
_CHECK = text(
    f"SELECT epoch, IS_USED_LOCK({_NAME}) = CONNECTION_ID() FROM {line.name} WHERE id = {LINE}"  # noqa: S608
)


class LineState(NamedTuple):
    """The line's row; see `ledger.schema.line` for what each means."""

    epoch: int
    revision: int
    owner: str
    taken_at: float
    heartbeat_at: float
    hold_reason: str | None
    hold_by: str
    held_at: float | None
    trouble: str

    @property
    def is_held(self) -> bool:
        """Whether a person wants no step to be taken."""
        return self.hold_reason is not None


class Line:
    """The line of one pod.

    Args:
        pod_id: the pod.
        engine: gives the shard's engine, for transactions.
        single: gives one that commits every statement by itself (`make_engine`).
        clock: dates entries and steps.
        own: gives one like `single` whose connections wait long for an answer, for changes of the schema.
    """

    def __init__(
        self,
        pod_id: int,
        engine: Callable[[], Engine],
        single: Callable[[], Engine],
        clock: Clock | None = None,
        own: Callable[[], Engine] | None = None,
    ) -> None:
        self.pod_id = pod_id
        self._engine = engine
        self._single = single
        self._own = own or single
        self._clock = clock or SystemClock()

    def prepare(self) -> None:
        """Make the tables of migrations, if they are missing."""
        create_tables(self._engine(), create)

    def now(self) -> float:
        """Return the wall time by which entries and steps are dated."""
        return self._clock.now()

    def state(self) -> LineState:
        """Return how the line stands; one query."""
        with self._unprepared(), reader(self._single()).connect() as connection:
            return _state(connection.execute(_READ).one())

    @contextmanager
    def locked(self) -> Iterator[tuple[Connection, LineState]]:
        """Open a transaction in which nobody takes a step of a migration; for what a person changes."""
        with self._unprepared(), self._engine().begin() as connection:
            yield connection, _state(connection.execute(_READ.with_for_update()).one())

    def tell(self, turn: Turn, trouble: str) -> None:
        """Leave word why the line does not get on; "": it does. Raises LineLost."""
        if self.state().trouble != trouble:
            with turn.step() as connection:
                connection.execute(update(line).where(_ROW).values(trouble=shortened(trouble)))

    @contextmanager
    def enter(self, owner: str) -> Iterator[Turn | None]:
        """Yield a turn, if nobody else is in the line; else None. `owner` names who enters, for people.

        Raises:
            ShardUnavailable, ShardUnprepared: the shard does not answer, or has no such tables.
        """
        owner = owner[:NAME_CHARACTERS]
        if self._engine().dialect.name == "sqlite":
            with self._turn(owner, None) as turn:
                yield turn
            return
        with self._own().connect() as connection:
            # For good: its end is the lock's end, and nobody else shall get it with the lock.
            connection.detach()
            got, connection_id = connection.execute(_GET_LOCK).one()
            if got != 1:
                yield None
                return
            reach("line.locked")
            watch_path(connection)
            connection.execute(_FORGOTTEN)
            try:
                with self._turn(owner, connection, connection_id) as turn:
                    yield turn
            finally:
                if not connection.invalidated:  # else the server has freed it
                    with suppress(PodworkError, DBAPIError):
                        connection.execute(_RELEASE_LOCK)

    @contextmanager
    def _turn(
        self, owner: str, own: Connection | None, connection_id: int | None = None
    ) -> Iterator[Turn | None]:
        reach("line.entering")
        epoch = self._raise_epoch(owner, connection_id)
        if epoch is None:
            yield None
            return
        reach("line.entered")
        turn = Turn(self.pod_id, epoch, owner, self._engine, own, self._clock)
        try:
            yield turn
        finally:
            with suppress(PodworkError, DBAPIError), self._engine().begin() as connection:
                connection.execute(_LEAVE, {"of_epoch": epoch})

    def _raise_epoch(self, owner: str, connection_id: int | None) -> int | None:
        """Begin a new epoch and return it; None: somebody else has it, or may have it.

        `connection_id`: of the connection by which the server's lock was got. Whoever was paused since then
        may have lost it, and must not drive out who has it now. None: there is no such lock.
        """
        now = self._clock.now()
        is_leased = connection_id is None
        with self.locked() as (connection, found):
            if is_leased and found.owner not in ("", owner) and now < found.heartbeat_at + LEASE_SECONDS:
                return None
            if not is_leased and connection.execute(_HOLDER).scalar() != connection_id:
                return None
            epoch = found.epoch + 1
            values = {"epoch": epoch, "owner": owner, "taken_at": now, "heartbeat_at": now}
            connection.execute(update(line).where(_ROW).values(**values))
        return epoch

    @contextmanager
    def _unprepared(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            if is_missing_table(error):
                raise ShardUnprepared(self.pod_id, line.name) from None
            raise


class Turn:
    """What somebody may do who has the line. For one thread."""

    def __init__(
        self,
        pod_id: int,
        epoch: int,
        owner: str,
        engine: Callable[[], Engine],
        own: Connection | None,
        clock: Clock,
    ) -> None:
        self.pod_id = pod_id
        self.epoch = epoch
        self.owner = owner
        self._engine = engine
        self._own = own
        self._clock = clock

    @property
    def dialect(self) -> str:
        """The database's kind: `sqlite`, `mysql` or `mariadb`."""
        return self._engine().dialect.name

    def check(self) -> None:
        """Raise LineLost if somebody else has the line, or may have it soon."""
        with self.looking() as connection:
            if self._own is None:
                epoch, is_ours = connection.execute(select(line.c.epoch).where(_ROW)).scalar(), 1
            else:
                epoch, is_ours = connection.execute(_CHECK).one()
        if epoch != self.epoch:
            raise self._lost(f"it is at {epoch}")
        if not is_ours:
            raise self._lost("its connection holds the lock no more")

    @contextmanager
    def step(self, *, foreign_keys: bool = True) -> Iterator[Connection]:
        """Open a transaction that nobody may take who has lost the line: committed at the end of the block.

        Without `foreign_keys` SQLite does not look after them in this transaction: a table that is made anew
        there would take its children's rows along.

        Raises:
            LineLost: somebody else has the line; nothing is written.
        """
        with (
            self._engine().connect() as connection,
            _foreign_keys(connection, foreign_keys),
            connection.begin(),
        ):
            taken = connection.execute(_STEP, {"of_epoch": self.epoch, "now": self._clock.now()})
            if taken.rowcount != 1:
                raise self._lost("somebody else has it")
            yield connection
            reach("turn.committing")

    def ddl(self, statement: str) -> None:
        """Run a statement that changes the schema: on the one connection that has the lock.

        On SQLite it is a transaction of its own, under the epoch. A statement that was sent when the
        connection was lost may have been run, or may be run: look at the catalogue.

        Raises:
            LineLost: the line, or the connection, was lost; see above.
        """
        if self._own is None:
            with self.step() as connection:
                _execute(connection, statement)
            return
        self.check()
        reach("turn.ddl")
        self._run(statement)
        reach("turn.ddl_done")

    @contextmanager
    def looking(self) -> Iterator[Connection]:
        """Yield a connection to look with: the one that has the lock; on SQLite one that only reads.

        Raises LineLost: the connection was lost.
        """
        if self._own is None:
            with reader(self._engine()).connect() as connection:
                yield connection
            return
        with self._lost_with_connection():
            yield self._on_own()

    def ask(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[Any]:
        """Return the rows of a query, as `looking`; `parameters` are `:name`."""
        with self.looking() as connection:
            return list(connection.execute(text(query), dict(parameters or {})))

    def set_session(self, variable: str, value: int) -> None:
        """Set a variable of the session in which `ddl` runs, such as `lock_wait_timeout`; not on SQLite."""
        if self._own is not None:
            self._run(f"SET SESSION {variable} = {int(value)}")

    def _run(self, statement: str) -> None:
        with self._lost_with_connection():
            _execute(self._on_own(), statement)

    def _on_own(self) -> Connection:
        assert self._own is not None
        # One that was lost would be replaced by SQLAlchemy, by one without the lock.
        if self._own.invalidated or self._own.closed:
            raise self._lost("its connection was lost")
        return self._own

    @contextmanager
    def _lost_with_connection(self) -> Iterator[None]:
        assert self._own is not None
        try:
            yield
        except ShardUnavailable as error:
            raise self._lost(f"its connection was lost: {error.why}") from None
        except Exception as error:
            # Whoever clears up behind him on a connection that is gone hears of that, and not why it is.
            if self._own.invalidated:
                raise self._lost("its connection was lost") from error
            raise

    def _lost(self, why: str) -> LineLost:
        return LineLost(self.pod_id, self.epoch, why)


def _execute(connection: Connection, statement: str) -> None:
    """Run the statement as it stands: no colon and no percent sign in it means anything to us."""
    connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


@contextmanager
def _foreign_keys(connection: Connection, is_on: bool) -> Iterator[None]:
    if is_on or connection.dialect.name != "sqlite":
        yield
        return
    # Through the driver, before the transaction: inside of one the pragma does nothing.
    dbapi_connection: Any = connection.connection.dbapi_connection
    dbapi_connection.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        dbapi_connection.execute("PRAGMA foreign_keys=ON")


def _state(row: Any) -> LineState:
    return LineState(*row[1:])
