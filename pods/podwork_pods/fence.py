"""The fence: one row per shop in its shard, which every transaction of the shop reads first.

Owns: the table `podwork_fence` of each shard and every statement on it. Promises (S1): a transaction that
passed `check` holds a shared lock on the row until it ends, so `close` waits for it; one that comes after
`close` sees the row closed and writes nothing. No clock, cache or ZooKeeper is trusted. On MariaDB and MySQL
only the shop's own row is locked, so other shops are not delayed. SQLite has one writer at a time: there a
transaction holds the whole shard from its beginning (`BEGIN IMMEDIATE`), which keeps the same promise the
plain way.

| from | by | to | who, when |
| no row | introduce | open | a shop's first transaction, if the directory says that it lives here |
| open | close | closed | the mover, before the switch |
| closed | open | open | the mover that gives up, on the source |
| incoming | open | open | the mover that arrived, on the target |

The mover writes `incoming` (a target that is being filled) and `moved` (what a source leaves behind).

Leaves to others: transactions (`transaction`) and moves (the mover).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Double,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    select,
)
from sqlalchemy import insert as sql_insert
from sqlalchemy import update as sql_update
from sqlalchemy.exc import DBAPIError

from podwork.errors import StaleEpoch
from podwork.interfaces import Clock, Route, SystemClock
from podwork.points import reach
from podwork_pods.driver_errors import is_lock_timeout, is_missing_table
from podwork_pods.engines import LOCK_WAIT_SECONDS, reader
from podwork_pods.errors import FenceBusy, FenceConflict, ShardUnavailable, ShardUnprepared, ShopMoving

_Number = BigInteger().with_variant(Integer, "sqlite")


class FenceState(StrEnum):
    """What the row says; only `open` lets transactions pass."""

    OPEN = "open"
    CLOSED = "closed"
    INCOMING = "incoming"
    MOVED = "moved"


table = Table(
    "podwork_fence",
    MetaData(),
    Column("shop_id", _Number, primary_key=True, autoincrement=False),
    Column("epoch", _Number, nullable=False),
    Column("state", String(16), nullable=False),
    Column(
        "mover_epoch", _Number, nullable=False, comment="of its last mover; an older one may not change it"
    ),
    Column("updated_at", Double, nullable=False, comment="wall time, seconds since 1970"),
    mysql_engine="InnoDB",
)

# Written out, because a shop transaction's price is mostly this statement. MariaDB knows no FOR SHARE.
_CHECK = {
    "sqlite": "SELECT epoch, state FROM podwork_fence WHERE shop_id = ?",
    "mysql": "SELECT epoch, state FROM podwork_fence WHERE shop_id = %s LOCK IN SHARE MODE",
}
_INSERT_NEVER_OVER = {"sqlite": "OR IGNORE", "mysql": "IGNORE"}


class FenceRow(NamedTuple):
    """A shop's row."""

    epoch: int
    state: FenceState
    mover_epoch: int


class FenceMissing(StaleEpoch):
    """Raised when the shop has no row in this shard yet."""


class ShardFence:
    """The fences of one pod's shard.

    Args:
        pod_id: the pod. engine: gives the shard's engine in this process. truth: the directory's `locate`,
        never a cache: a stale one would let a shop be introduced after it left.
    """

    def __init__(
        self,
        pod_id: int,
        engine: Callable[[], Engine],
        truth: Callable[[int], Route],
        clock: Clock | None = None,
    ) -> None:
        self._pod_id = pod_id
        self._engine = engine
        self._truth = truth
        self._clock = clock or SystemClock()

    @property
    def pod_id(self) -> int:
        """The pod whose shard it is."""
        return self._pod_id

    def create_schema(self, connection: Connection) -> None:
        """Make the table if it is missing."""
        table.create(connection, checkfirst=True)

    def check(self, connection: Connection, shop_id: int, epoch: int) -> None:
        """Pass if the shop may be written under the epoch until the transaction ends; its first statement.

        Raises:
            StaleEpoch: the shop is at another epoch, or has moved away.
            ShopMoving: the fence is closed, or is being closed for longer than a lock is waited for.
            FenceMissing: there is no row: end the transaction, `introduce`, and begin again.
        """
        row = self._read_locked(connection, shop_id)
        if row is None:
            raise FenceMissing(shop_id, epoch, "it has no fence here")
        found_epoch, state = row
        if found_epoch != epoch or state == FenceState.MOVED:
            raise StaleEpoch(shop_id, epoch, f"its fence on pod {self._pod_id} is {state} at {found_epoch}")
        if state != FenceState.OPEN:
            raise ShopMoving(shop_id, state)

    def _read_locked(self, connection: Connection, shop_id: int) -> tuple[int, str] | None:
        """Return (epoch, state). Through the driver, not through SQLAlchemy: half the statement's price."""
        statement = _by_dialect(connection, _CHECK)
        try:
            cursor = connection.connection.cursor()
            try:
                cursor.execute(statement, (shop_id,))
                return cursor.fetchone()
            finally:
                cursor.close()
        except connection.dialect.loaded_dbapi.Error as error:
            if is_lock_timeout(error):
                raise ShopMoving(shop_id, "locked by a mover") from None
            if is_missing_table(error):
                raise ShardUnprepared(self._pod_id) from None
            # Once more through SQLAlchemy, which sees a lost connection, drops it and says so in our words.
            row = connection.exec_driver_sql(statement, (shop_id,)).first()
            return None if row is None else (row[0], row[1])

    def introduce(self, shop_id: int, epoch: int) -> None:
        """Give the shop its row if it has none, in a transaction of its own.

        Safe against a mover at work: it always leaves a row, and a row is never overwritten here. So if the
        shop left after the truth was asked, its row is there, and the next `check` reads it.

        Raises:
            StaleEpoch: the directory's truth does not have the shop on this pod at this epoch.
        """
        truth = self._truth(shop_id)
        if truth != Route(self._pod_id, epoch):
            raise StaleEpoch(shop_id, epoch, f"the shop is on pod {truth.pod_id} at epoch {truth.epoch}")
        reach("fence.introducing")
        with self._engine().begin() as connection:
            insert = sql_insert(table).prefix_with(_by_dialect(connection, _INSERT_NEVER_OVER))
            connection.execute(
                insert.values(
                    shop_id=shop_id,
                    epoch=epoch,
                    state=FenceState.OPEN,
                    mover_epoch=0,
                    updated_at=self._clock.now(),
                )
            )

    def read(self, shop_id: int) -> FenceRow | None:
        """Return the shop's row without a lock, for people and for movers that look around."""
        columns = (table.c.epoch, table.c.state, table.c.mover_epoch)
        with reader(self._engine()).connect() as connection:
            row = connection.execute(select(*columns).where(table.c.shop_id == shop_id)).first()
        return None if row is None else FenceRow(row.epoch, FenceState(row.state), row.mover_epoch)

    def close(self, shop_id: int, epoch: int, *, mover_epoch: int, lock_wait_seconds: int) -> None:
        """Wait for the shop's transactions in flight, and turn away the later ones. Repeatable.

        Raises:
            FenceBusy: they did not end within `lock_wait_seconds`; the fence is as before.
            FenceConflict: it is at another epoch or state, or a later mover has it.
        """
        if self.read(shop_id) is None:
            self.introduce(shop_id, epoch)
        from_states = (FenceState.OPEN, FenceState.CLOSED)
        self._change(shop_id, epoch, from_states, FenceState.CLOSED, mover_epoch, lock_wait_seconds)

    def open(self, shop_id: int, epoch: int, *, mover_epoch: int, lock_wait_seconds: int) -> None:
        """Let the shop's transactions pass (again), at the epoch that the row has. Repeatable.

        Raises:
            FenceBusy, FenceConflict: as `close`.
        """
        from_states = (FenceState.CLOSED, FenceState.INCOMING, FenceState.OPEN)
        self._change(shop_id, epoch, from_states, FenceState.OPEN, mover_epoch, lock_wait_seconds)

    def _change(
        self,
        shop_id: int,
        epoch: int,
        from_states: Sequence[FenceState],
        to_state: FenceState,
        mover_epoch: int,
        lock_wait_seconds: int,
    ) -> None:
        """One exclusive update: its condition and its change cannot be separated by anybody."""
        change = (
            sql_update(table)
            .where(
                table.c.shop_id == shop_id,
                table.c.epoch == epoch,
                table.c.state.in_(from_states),
                table.c.mover_epoch <= mover_epoch,
            )
            .values(state=to_state, mover_epoch=mover_epoch, updated_at=self._clock.now())
        )
        with self._impatient(shop_id, lock_wait_seconds) as connection:
            reach("fence.changing")
            changed = connection.execute(change).rowcount
            connection.commit()
        if changed != 1:
            expected = f"{' or '.join(from_states)} at epoch {epoch}, mover at most {mover_epoch}"
            raise FenceConflict(shop_id, expected, _spell(self.read(shop_id)))

    @contextmanager
    def _impatient(self, shop_id: int, lock_wait_seconds: int) -> Iterator[Connection]:
        """Yield a connection that waits for locks so long and no longer; it is not used again."""
        began = time.monotonic()
        engine = self._engine()
        with engine.connect() as connection:
            connection.detach()
            connection.info[LOCK_WAIT_SECONDS] = lock_wait_seconds
            if engine.dialect.name != "sqlite":
                connection.exec_driver_sql(f"SET SESSION innodb_lock_wait_timeout={lock_wait_seconds}")
            try:
                yield connection
            except ShardUnavailable as error:
                if "locked" not in error.why:
                    raise
                raise FenceBusy(shop_id, time.monotonic() - began) from None
            except DBAPIError as error:
                if not is_lock_timeout(error):
                    raise
                raise FenceBusy(shop_id, time.monotonic() - began) from None


def _by_dialect(connection: Connection, texts: dict[str, str]) -> str:
    return texts["sqlite" if connection.dialect.name == "sqlite" else "mysql"]


def _spell(row: FenceRow | None) -> str:
    return "missing" if row is None else f"{row.state} at epoch {row.epoch}, mover {row.mover_epoch}"
