"""The directory's cache, before a directory that counts its questions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import cast

import pytest

from podwork.interfaces import Route
from podwork_pods.cache import DirectoryCache
from podwork_pods.directory import Change, Directory
from podwork_pods.errors import DirectoryUnavailable, UnknownShop
from tests.support.pods import in_child
from tests.support.wait import until


class FakeDirectory:
    """The three questions that the cache asks."""

    def __init__(self) -> None:
        self.routes: dict[int, Route] = {}
        self.log: list[Change] = []
        self.asked: list[int] = []
        self.down = False
        self.while_locating: Callable[[], None] = lambda: None

    def locate(self, shop_id: int) -> Route:
        self._check()
        self.asked.append(shop_id)
        if shop_id not in self.routes:
            raise UnknownShop(shop_id)
        route = self.routes[shop_id]
        self.while_locating()
        return route

    def changes_since(self, seq: int, limit: int = 1000) -> list[Change]:
        self._check()
        return [change for change in self.log if change.seq > seq][:limit]

    def last_change(self) -> int:
        self._check()
        return len(self.log)

    def move(self, shop_id: int, pod_id: int) -> None:
        old = self.routes.get(shop_id)
        self.routes[shop_id] = Route(pod_id, old.epoch + 1 if old else 1)
        number = len(self.log) + 1
        epoch = self.routes[shop_id].epoch
        self.log.append(Change(number, shop_id, old.pod_id if old else None, pod_id, epoch, 0.0))

    def _check(self) -> None:
        if self.down:
            raise DirectoryUnavailable("test", "down")


@pytest.fixture
def directory() -> FakeDirectory:
    made = FakeDirectory()
    for shop_id in range(1, 101):
        made.move(shop_id, 1)
    return made


def cache_of(directory: FakeDirectory, capacity: int = 1000, refresh: float | None = None) -> DirectoryCache:
    return DirectoryCache(cast(Directory, directory), capacity, refresh)


def test_a_shop_is_asked_for_once(directory: FakeDirectory) -> None:
    cache = cache_of(directory)
    assert [cache.route(7) for _ in range(3)] == [Route(1, 1)] * 3
    assert directory.asked == [7]


def test_an_unknown_shop_is_asked_for_every_time(directory: FakeDirectory) -> None:
    cache = cache_of(directory)
    for _ in range(2):
        with pytest.raises(UnknownShop):
            cache.route(1000)
    directory.move(1000, 2)
    assert cache.route(1000) == Route(2, 1)


def test_it_is_bounded_and_keeps_what_is_in_use(directory: FakeDirectory) -> None:
    cache = cache_of(directory, capacity=20)
    for shop_id in range(1, 101):
        cache.route(shop_id)
        cache.route(1)
        assert len(cache) <= 20
    assert directory.asked.count(1) == 1
    assert cache.route(2) == Route(1, 1)
    assert directory.asked.count(2) == 2


def test_a_refresh_takes_in_moves(directory: FakeDirectory) -> None:
    cache = cache_of(directory)
    cache.route(1)
    directory.move(1, 2)
    assert cache.route(1) == Route(1, 1)
    assert cache.refresh() == 1
    assert cache.route(1) == Route(2, 2)
    assert cache.refresh() == 0
    assert cache.position == 101
    assert directory.asked == [1]


def test_a_refresh_reads_more_than_one_batch(directory: FakeDirectory) -> None:
    cache = cache_of(directory)
    cache.route(1)
    for number in range(2500):
        directory.move(1, number % 3)
    assert cache.refresh() == 2500
    assert cache.route(1) == directory.routes[1]


def test_older_and_equal_epochs_are_ignored(directory: FakeDirectory) -> None:
    cache = cache_of(directory)
    cache.learn(1, Route(3, 3))
    cache.learn(1, Route(2, 2))
    cache.learn(1, Route(4, 3))
    assert cache.route(1) == Route(3, 3)


def test_an_older_epoch_is_ignored_in_the_old_generation_too(directory: FakeDirectory) -> None:
    cache = cache_of(directory, capacity=4)
    cache.learn(1, Route(3, 3))
    cache.route(2)
    cache.route(3)  # the generation turns: shop 1 is in the old one
    cache.learn(1, Route(2, 2))
    assert cache.route(1) == Route(3, 3)


def test_reload_believes_the_truth_over_what_was_learned(directory: FakeDirectory) -> None:
    cache = cache_of(directory)
    cache.learn(1, Route(9, 9))
    assert cache.reload(1) == Route(1, 1)
    assert cache.route(1) == Route(1, 1)


def test_what_arrives_while_the_truth_is_asked_wins_if_it_is_newer(directory: FakeDirectory) -> None:
    cache = cache_of(directory)
    cache.route(1)

    def move_meanwhile() -> None:
        directory.while_locating = lambda: None
        directory.move(1, 2)
        cache.refresh()

    directory.while_locating = move_meanwhile
    assert cache.reload(1) == Route(2, 2)
    assert cache.route(1) == Route(2, 2)


def test_a_first_answer_that_is_overtaken_by_a_move_is_not_remembered(directory: FakeDirectory) -> None:
    cache = cache_of(directory)
    cache.route(2)

    def move_meanwhile() -> None:
        directory.while_locating = lambda: None
        directory.move(1, 2)
        cache.refresh()

    directory.while_locating = move_meanwhile
    assert cache.route(1) == Route(2, 2)


def test_while_the_directory_is_down_what_is_remembered_serves(directory: FakeDirectory) -> None:
    cache = cache_of(directory)
    cache.route(1)
    directory.down = True
    assert cache.route(1) == Route(1, 1)
    for ask in (cache.refresh, lambda: cache.reload(1), lambda: cache.route(2)):
        with pytest.raises(DirectoryUnavailable):
            ask()
    assert cache.route(1) == Route(1, 1)
    directory.down = False
    directory.move(1, 2)
    assert cache.refresh() == 1


def test_a_thread_of_its_own_takes_in_moves(directory: FakeDirectory) -> None:
    cache = cache_of(directory, refresh=0.01)
    cache.route(1)
    directory.move(1, 2)
    until(lambda: cache.route(1) == Route(2, 2), message="the move arrives")
    directory.down = True
    until(lambda: _ticker_is_alive(cache))
    directory.down = False
    directory.move(1, 3)
    until(lambda: cache.route(1) == Route(3, 3), message="it goes on after a failure")
    cache.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "podwork-directory"]


def _ticker_is_alive(cache: DirectoryCache) -> bool:
    return any(thread.name == "podwork-directory" for thread in threading.enumerate())


def test_a_forked_child_tails_by_itself(directory: FakeDirectory) -> None:
    cache = cache_of(directory, refresh=0.01)
    cache.route(1)

    def tail() -> bool:
        directory.move(1, 2)
        until(lambda: cache.route(1) == Route(2, 2), timeout_seconds=5)
        return directory.asked == [1]

    assert in_child(tail) == 0
    cache.close()


def test_a_lock_held_by_another_thread_at_the_fork_does_not_hang_the_child(directory: FakeDirectory) -> None:
    cache = cache_of(directory)
    cache.route(1)
    with cache._lock:
        assert in_child(lambda: cache.learn(1, Route(2, 2)) or cache.route(1) == Route(2, 2)) == 0  # type: ignore[func-returns-value]


def test_many_threads_agree(directory: FakeDirectory) -> None:
    cache = cache_of(directory, capacity=30)
    wrong: list[Route] = []

    def ask() -> None:
        for number in range(4000):
            route = cache.route(1 + number % 100)
            if route.epoch < 1:
                wrong.append(route)

    def change() -> None:
        for number in range(300):
            cache.learn(1 + number % 100, Route(2, 2 + number // 100))
            cache.forget(1 + number % 100)

    threads = [threading.Thread(target=target) for target in (ask, ask, ask, change)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(cache) <= 30
