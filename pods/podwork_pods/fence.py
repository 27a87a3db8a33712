"""The fence: one row per shop in its shard, which every transaction of the shop reads first.

Owns: the table `podwork_fence` of each shard and every statement on it. Promises (S1): a transaction that
passed `check` holds a shared lock on the row until it ends, so `close` waits for it; one that comes after
`close` sees the row closed and writes nothing. No clock, cache or ZooKeeper is trusted. On MariaDB and MySQL
only the shop's own row is locked, so other shops are not delayed. SQLite has one writer at a time: there a
transaction holds the whole shard from its beginning (`BEGIN IMMEDIATE`), which keeps the same promise the
plain way.

| from | by | to | who, when |
| no row | introduce | open | a shop's first transaction, if the directory says that it lives here |
| open, closed | close | closed | the mover, before the switch |
| open, closed, incoming | open | open | the mover: at the source, giving up; at the target, arrived |
| no row, incoming, moved | receive | incoming | the mover, before it fills; the next one, to stamp it |
| closed, moved, incoming, purging | leave | moved | the mover, where the shop is no more |
| moved, incoming, purging | purge | purging | the mover, before it deletes what was left |

The mover's batches of rows begin with `hold_to_fill`, under `incoming` (filling), `moved` (feeding) or
`purging` (deleting); under `open` only the shop's transactions write, under `closed` nobody does.

Leaves to others: transactions (`transaction`) and moves (the mover).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import Final, NamedTuple

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
    Update,
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
    PURGING = "purging"


FENCE_WAYS: Final[Mapping[FenceState, tuple[FenceState, ...]]] = {
    FenceState.CLOSED: (FenceState.OPEN, FenceState.CLOSED),
    FenceState.OPEN: (FenceState.CLOSED, FenceState.INCOMING, FenceState.OPEN),
    FenceState.INCOMING: (FenceState.INCOMING, FenceState.MOVED),
    FenceState.MOVED: (FenceState.CLOSED, FenceState.MOVED, FenceState.INCOMING, FenceState.PURGING),
    FenceState.PURGING: (FenceState.MOVED, FenceState.INCOMING, FenceState.PURGING),
}
"""From which states a mover may bring a fence into another, as the table above says."""


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
_LOCKED = {
    "sqlite": "SELECT epoch, state, mover_epoch FROM podwork_fence WHERE shop_id = ?",
    "mysql": "SELECT epoch, state, mover_epoch FROM podwork_fence WHERE shop_id = %s LOCK IN SHARE MODE",
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
        try:
            row = self._read_locked(connection, shop_id)
        except connection.dialect.loaded_dbapi.Error as error:
            if is_lock_timeout(error):
                raise ShopMoving(shop_id, "locked by a mover") from None
            raise
        if row is None:
            raise FenceMissing(shop_id, epoch, "it has no fence here")
        found_epoch, state, _ = row
        if found_epoch != epoch or state == FenceState.MOVED:
            raise StaleEpoch(shop_id, epoch, f"its fence on pod {self._pod_id} is {state} at {found_epoch}")
        if state != FenceState.OPEN:
            raise ShopMoving(shop_id, state)

    def _read_locked(self, connection: Connection, shop_id: int) -> tuple[int, str, int] | None:
        """Return the columns. Through the driver, not through SQLAlchemy: half the statement's price."""
        statement = _by_dialect(connection, _LOCKED)
        try:
            cursor = connection.connection.cursor()
            try:
                cursor.execute(statement, (shop_id,))
                return cursor.fetchone()
            finally:
                cursor.close()
        except connection.dialect.loaded_dbapi.Error as error:
            if is_lock_timeout(error):
                raise
            if is_missing_table(error):
                raise ShardUnprepared(self._pod_id) from None
            # Once more through SQLAlchemy, which sees a lost connection, drops it and says so in our words.
            row = connection.exec_driver_sql(statement, (shop_id,)).first()
            return None if row is None else (row[0], row[1], row[2])

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
        self._change(shop_id, epoch, FenceState.CLOSED, mover_epoch, lock_wait_seconds)

    def open(self, shop_id: int, epoch: int, *, mover_epoch: int, lock_wait_seconds: int) -> None:
        """Let the shop's transactions pass (again), at the epoch that the row has. Repeatable.

        Raises:
            FenceBusy, FenceConflict: as `close`.
        """
        self._change(shop_id, epoch, FenceState.OPEN, mover_epoch, lock_wait_seconds)

    def receive(self, shop_id: int, epoch: int, *, mover_epoch: int, lock_wait_seconds: int) -> None:
        """Make the shop incoming at the epoch that it will have here, for its mover to fill. Repeatable.

        Raises:
            FenceBusy: as `close`.
            FenceConflict: the shop lives here, or what it left is being deleted, or a later mover has it.
        """
        row = {"epoch": epoch, "state": FenceState.INCOMING, "mover_epoch": mover_epoch}
        with self._impatient(shop_id, lock_wait_seconds) as connection:
            reach("fence.receiving")
            insert = sql_insert(table).prefix_with(_by_dialect(connection, _INSERT_NEVER_OVER))
            connection.execute(insert.values(shop_id=shop_id, updated_at=self._clock.now(), **row))
            change = _change_of(shop_id, FenceState.INCOMING, mover_epoch).where(table.c.epoch <= epoch)
            changed = connection.execute(change.values(updated_at=self._clock.now(), **row)).rowcount
            connection.commit()
        self._refuse_unless(changed, shop_id, FenceState.INCOMING, f"up to {epoch}", mover_epoch)

    def leave(self, shop_id: int, epoch: int, *, mover_epoch: int, lock_wait_seconds: int) -> None:
        """Say that the shop is not here; what rows there are stay. Repeatable; raises as `close`."""
        self._change(shop_id, epoch, FenceState.MOVED, mover_epoch, lock_wait_seconds)

    def purge(self, shop_id: int, epoch: int, *, mover_epoch: int, lock_wait_seconds: int) -> None:
        """Let the mover delete what the shop left behind, until it says `leave`; raises as `close`."""
        self._change(shop_id, epoch, FenceState.PURGING, mover_epoch, lock_wait_seconds)

    def hold_to_fill(
        self, connection: Connection, shop_id: int, states: Collection[FenceState], mover_epoch: int
    ) -> None:
        """Pass if this mover may write the shop's rows here until the transaction ends; its first statement.

        `states`: those that suit the work: incoming to fill, moved to feed, purging to delete. The row stays
        under a shared lock, so that nobody opens the fence, and no later mover stamps it, before the batch
        is over.

        Raises:
            FenceConflict: the fence is in another state, or another mover's, or missing.
            FenceBusy: it is being changed, and was for longer than a lock is waited for.
        """
        began = time.monotonic()
        try:
            found = self._read_locked(connection, shop_id)
        except connection.dialect.loaded_dbapi.Error as error:
            if not is_lock_timeout(error):
                raise
            raise FenceBusy(shop_id, time.monotonic() - began) from None
        row = None if found is None else FenceRow(found[0], _state(found[1]), found[2])
        if row is None or row.state not in states or row.mover_epoch != mover_epoch:
            raise FenceConflict(shop_id, f"{' or '.join(states)}, mover {mover_epoch}", _spell(row))

    def _change(
        self, shop_id: int, epoch: int, to_state: FenceState, mover_epoch: int, lock_wait_seconds: int
    ) -> None:
        """One exclusive update: its condition and its change cannot be separated by anybody."""
        change = (
            _change_of(shop_id, to_state, mover_epoch)
            .where(table.c.epoch == epoch)
            .values(state=to_state, mover_epoch=mover_epoch, updated_at=self._clock.now())
        )
        with self._impatient(shop_id, lock_wait_seconds) as connection:
            reach("fence.changing")
            changed = connection.execute(change).rowcount
            connection.commit()
        self._refuse_unless(changed, shop_id, to_state, f"{epoch}", mover_epoch)

    def _refuse_unless(
        self, changed: int, shop_id: int, to_state: FenceState, epochs: str, mover_epoch: int
    ) -> None:
        if changed != 1:
            expected = f"{' or '.join(FENCE_WAYS[to_state])} at epoch {epochs}, mover at most {mover_epoch}"
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


def _change_of(shop_id: int, to_state: FenceState, mover_epoch: int) -> Update:
    """An update of the shop's row that the table of ways allows, and that no later mover has written."""
    return sql_update(table).where(
        table.c.shop_id == shop_id,
        table.c.state.in_(FENCE_WAYS[to_state]),
        table.c.mover_epoch <= mover_epoch,
    )


def _by_dialect(connection: Connection, texts: dict[str, str]) -> str:
    return texts["sqlite" if connection.dialect.name == "sqlite" else "mysql"]


def _state(told: str | bytes) -> FenceState:
    return FenceState(told if isinstance(told, str) else told.decode())  # the mover's sessions give bytes


def _spell(row: FenceRow | None) -> str:
    return "missing" if row is None else f"{row.state} at epoch {row.epoch}, mover {row.mover_epoch}"
