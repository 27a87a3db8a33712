"""The directory as a whole: the truth about which pod owns which shop.

Owns: the transactions on the directory's tables, one per public method. Promises: a shop is on exactly one
pod; its epoch only grows (S2); a change of pod is a compare-and-set, in one transaction with its line in the
change log. Works on MariaDB, MySQL and SQLite alike, and over forks. Leaves to others: speed
(`podwork_pods.cache`), and whether a pod may take a shop (callers know the pods' states).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from podwork.errors import ConfigurationError
from podwork.interfaces import Clock, Route, SystemClock
from podwork.settings import ShardSettings
from podwork_pods.database_urls import flaw_of
from podwork_pods.directory import allocation, assignment, changes, extents, schema, shops, switch
from podwork_pods.directory.changes import Change
from podwork_pods.directory.extents import FIRST_EPOCH, Extent
from podwork_pods.driver_errors import is_deadlock, is_lock_timeout, is_missing_table
from podwork_pods.engines import create_tables, make_engine, reader
from podwork_pods.errors import DirectoryUnavailable, UnknownShop
from podwork_pods.masking import mask_url
from podwork_pods.per_process import PerProcess
from podwork_pods.pod import Pod

T = TypeVar("T")

EXTENT_SHOPS = 1000
_DEADLOCK_TRIES = 5


class Directory:
    """Shop -> pod and epoch. Safe to share between threads and to carry over a fork; connects at first use.

    Every method may raise `DirectoryUnavailable`.

    Raises:
        ConfigurationError: the URL is not one of a database that podwork knows.
    """

    def __init__(
        self,
        url: str,
        settings: ShardSettings | None = None,
        *,
        clock: Clock | None = None,
        extent_shops: int = EXTENT_SHOPS,
    ) -> None:
        flaw = flaw_of(url)
        if flaw is not None:
            raise ConfigurationError(f"topology.directory_url: {flaw.what}", flaw.remedy)
        self._url = url
        self._settings = settings or ShardSettings()
        self._clock = clock or SystemClock()
        self._extent_shops = extent_shops
        self._engine = PerProcess(lambda: make_engine(url, self._unavailable, self._settings))

    @property
    def clock(self) -> Clock:
        """What dates changes."""
        return self._clock

    @property
    def address(self) -> str:
        """Where the directory is, for people; holds no password."""
        return mask_url(self._url)

    def create_schema(self, *further: Callable[[Connection], object]) -> None:
        """Make the tables that are missing; an SQLite file too. `further` make those that stand beside
        them.
        """
        engine = make_engine(self._url, self._unavailable, self._settings, must_exist=False)
        try:
            for create in (schema.create, *further):
                create_tables(engine, create)
        finally:
            engine.dispose()

    def locate(self, shop_id: int) -> Route:
        """Return the truth about the shop.

        Raises:
            UnknownShop: no row and no extent knows it.
            InvalidShop: it cannot be one.
        """
        extents.check_number(shop_id)
        route = self.read(lambda connection: switch.locate(connection, shop_id))
        if route is None:
            raise UnknownShop(shop_id)
        return route

    def assign(self, shop_id: int, pod_id: int) -> Route:
        """Assign a shop with a known number to a pod; done already is fine.

        Raises:
            DirectoryConflict: it is on another pod, or its number is reserved.
        """
        self.assign_many({shop_id: pod_id})
        return self.locate(shop_id)

    def assign_many(self, pod_of: Mapping[int, int]) -> int:
        """Assign each shop (key) to its pod (value), all or none; return how many were new.

        Raises:
            DirectoryConflict: one is on another pod, or its number is reserved.
            InvalidShop: one cannot be a shop.
        """
        for shop_id in pod_of:
            extents.check_number(shop_id)
        return self.write(lambda connection: assignment.assign(connection, pod_of, self._clock.now()))

    def add_extent(self, first_id: int, last_id: int, pod_id: int) -> Extent:
        """Say that all shops from `first_id` to `last_id` exist and are on the pod.

        Raises:
            ExtentConflict: part of the range is taken.
        """
        extent = Extent(first_id, last_id, pod_id)

        def add(connection: Connection) -> Extent:
            changes.lock(connection)
            extents.add(connection, extent)
            return extent

        return self.write(add)

    def allocate_shop(self, pods: Sequence[Pod]) -> tuple[int, Route]:
        """Make a new shop on one of the active pods, chosen by weight; return its number and its route.

        Raises:
            NoActivePod: none of them takes new shops.
        """
        pod_id = allocation.choose(pods).id
        shop_id = self.write(
            lambda connection: allocation.take_number(connection, pod_id, self._extent_shops)
        )
        return shop_id, Route(pod_id, FIRST_EPOCH)

    def compare_and_set(self, shop_id: int, expected: Route, to_pod: int) -> Route:
        """Put the shop on `to_pod` if it is where it is expected; return its new route, one epoch later.

        Raises:
            DirectoryConflict: it is not there (any more).
            InvalidShop: it cannot be a shop.
        """
        extents.check_number(shop_id)
        return self.write(
            lambda connection: switch.compare_and_set(
                connection, shop_id, expected, to_pod, self._clock.now()
            )
        )

    def changes_since(self, seq: int, limit: int = 1000) -> list[Change]:
        """Return up to `limit` changes after number `seq`, in the order in which they were committed."""
        return self.read(lambda connection: changes.since(connection, seq, limit))

    def last_change(self) -> int:
        """Return the number of the last change; 0 before the first."""
        return self.read(changes.last)

    def history(self, shop_id: int) -> list[Change]:
        """Return the shop's changes in order; empty for a shop that only its extent knows."""
        return self.read(lambda connection: changes.of_shop(connection, shop_id))

    def shops_of(self, pod_id: int, after: int = -1, limit: int = 1000) -> list[int]:
        """Return up to `limit` numbers above `after` of the pod's shops, in ascending order."""
        return self.read(lambda connection: shops.page(connection, pod_id, after, limit))

    def count_by_pod(self) -> dict[int, int]:
        """Return how many shops each pod has; pods without shops are left out."""
        return self.read(shops.count_by_pod)

    def close(self) -> None:
        """Close this process's connections; the next use opens new ones."""
        engine = self._engine.take()
        if engine is not None:
            engine.dispose()

    def read(self, question: Callable[[Connection], T]) -> T:
        """Return the answer to a question that changes nothing."""
        try:
            with reader(self._engine.get()).connect() as connection:
                return question(connection)
        except DBAPIError as error:
            raise self._explained(error) from None

    def write(self, change: Callable[[Connection], T]) -> T:
        """Make a change in one transaction; whoever changes who owns what begins with `changes.lock`.

        After a deadlock, which undoes all of it, it is made again: it must have no effects elsewhere.
        """
        for _ in range(_DEADLOCK_TRIES):
            try:
                with self._engine.get().begin() as connection:
                    return change(connection)
            except DBAPIError as error:
                # The database undid the whole transaction: doing it again is safe.
                if not is_deadlock(error):
                    raise self._explained(error) from None
        raise self._unavailable("transactions kept deadlocking")

    def rehearse(self, change: Callable[[Connection], T]) -> T:
        """Make a change as `write` does, undo it, and return what it would have made."""

        def undo(connection: Connection) -> T:
            raise _Undone(change(connection))

        try:
            return self.write(undo)
        except _Undone as undone:
            made: T = undone.made
            return made

    def _explained(self, error: DBAPIError) -> Exception:
        if is_missing_table(error):
            return self._unavailable("it has no tables: podctl local up makes them, or Topology.prepare()")
        if is_lock_timeout(error):
            return self._unavailable("another change has held its lock for too long")
        return error

    def _unavailable(self, why: str) -> DirectoryUnavailable:
        return DirectoryUnavailable(self.address, why)


class _Undone(Exception):
    """Takes a rehearsed change back, with what it had made."""

    def __init__(self, made: Any) -> None:
        self.made = made
