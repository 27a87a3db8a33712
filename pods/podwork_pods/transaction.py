"""Transactions of one shop: on the shard where it is, under its fence.

Owns: `shop_transaction`, `ShopTransactions`, `ShopSession`. Promises: the fence is checked by the first
statement of every transaction that the session begins, also of one begun after a commit in the middle of the
block, and no statement runs outside of such a transaction (`unbroken`); a stale epoch writes nothing. Inside
a job the job's own epoch counts, so that a job which was overtaken by a move cannot write. Outside of a job
the directory says where, and a stale memory of it costs one more try, before the block is entered. Leaves to
others: repeating a job (the worker), moving a shop (the mover).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from sqlalchemy import Connection, Engine, event
from sqlalchemy.orm import Session, SessionTransaction

from podwork.context import JobContext, current_job
from podwork.errors import StaleEpoch
from podwork.interfaces import Route
from podwork.points import reach
from podwork_pods import current, unbroken
from podwork_pods.cache import DirectoryCache
from podwork_pods.errors import ShardUnavailable, ShopElsewhere, TransactionBroken
from podwork_pods.fence import FenceMissing, ShardFence
from podwork_pods.per_process import abandon


def shop_transaction(shop_id: int) -> AbstractContextManager[Session]:
    """Open a transaction of the shop: committed at the end of the block, rolled back if it raises.

        with shop_transaction(330) as session:
            session.execute(text("UPDATE orders SET ..."))

    On SQLite a second one must not be opened inside the block: it would wait for the first. After the block
    the session is closed for good. A deadlock, DDL, or COMMIT as text ends the transaction under it; then it
    refuses every further statement until `rollback()`.

    Raises:
        StaleEpoch: the job's shop has moved on; the worker sends the job after it.
        ShopMoving: the shop is being switched; nothing was written.
        ShopElsewhere: inside a job, the shop of another pod was asked for.
        UnknownShop, UnknownPod, PodUnavailable, ShardUnavailable, DirectoryUnavailable: it cannot be reached.
    """
    return current.bound().open(shop_id)


class ShopSession(Session):
    """A session that checks the shop's fence whenever it begins a transaction."""

    def __init__(self, engine: Engine, fence: ShardFence, shop_id: int, epoch: int) -> None:
        # Closed for good: a statement after the block would hold the fence until somebody collects it.
        super().__init__(engine, expire_on_commit=False, close_resets_only=False)
        self.fence = fence
        self.shop_id = shop_id
        self.epoch = epoch
        self.is_connected = False
        self._owner = os.getpid()

    @property
    def is_inherited(self) -> bool:
        """Whether a parent of this process opened it: what is said over its connection, the parent says."""
        return self._owner != os.getpid()


@event.listens_for(ShopSession, "after_begin")
def _check_fence(session: ShopSession, transaction: SessionTransaction, connection: Connection) -> None:
    session.is_connected = True
    if not transaction.nested:
        unbroken.enclose(connection, session.shop_id)
        session.fence.check(connection, session.shop_id, session.epoch)
        reach("shop_transaction.checked")


class ShopTransactions:
    """Opens transactions of shops.

    Args:
        cache: where shops are.
        engine: gives a pod's engine.
        fence: gives the fences of a pod's shard.
    """

    def __init__(
        self, cache: DirectoryCache, engine: Callable[[int], Engine], fence: Callable[[int], ShardFence]
    ) -> None:
        self._cache = cache
        self._engine = engine
        self._fence = fence

    @contextmanager
    def open(self, shop_id: int) -> Iterator[Session]:
        """Open a transaction of the shop; see `shop_transaction`."""
        session = self._begin_where_it_is(shop_id, current_job())
        try:
            yield session
            if session.is_inherited:
                raise TransactionBroken(shop_id, "it is the parent's of this process, which goes on with it")
            reach("shop_transaction.committing")
            session.commit()
        finally:
            if session.is_inherited:
                abandon(session)
            else:
                session.close()

    def _begin_where_it_is(self, shop_id: int, job: JobContext | None) -> ShopSession:
        if job is not None and job.shop_id == shop_id:
            return self._begin(shop_id, Route(job.pod_id, job.epoch))
        route = self._cache.route(shop_id)
        if job is not None and route.pod_id != job.pod_id:
            route = self._cache.reload(shop_id)
        try:
            return self._begin(shop_id, _reachable(shop_id, route, job))
        except StaleEpoch:
            fresh = self._cache.reload(shop_id)
            if fresh == route:
                raise
            return self._begin(shop_id, _reachable(shop_id, fresh, job))

    def _begin(self, shop_id: int, route: Route) -> ShopSession:
        fence = self._fence(route.pod_id)
        may_introduce = may_reconnect = True
        while True:
            session = ShopSession(self._engine(route.pod_id), fence, shop_id, route.epoch)
            try:
                session.connection()
            except FenceMissing:
                session.close()  # before: on SQLite the introduction would wait for this transaction
                if not may_introduce:
                    raise
                may_introduce = False
                fence.introduce(shop_id, route.epoch)
            except ShardUnavailable:
                session.close()
                # A pooled connection that the server has dropped meanwhile: nothing was done over it yet.
                if not (session.is_connected and may_reconnect):
                    raise
                may_reconnect = False
            except BaseException:
                session.close()
                raise
            else:
                return session


def _reachable(shop_id: int, route: Route, job: JobContext | None) -> Route:
    if job is not None and route.pod_id != job.pod_id:
        raise ShopElsewhere(shop_id, route.pod_id, job.pod_id)
    return route
