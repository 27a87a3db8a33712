"""What the directory does on both of its databases."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from podwork.interfaces import Route
from podwork_pods.directory import Directory
from podwork_pods.errors import (
    DirectoryConflict,
    DirectoryUnavailable,
    ExtentConflict,
    NoActivePod,
    UnknownShop,
)
from podwork_pods.pod import Pod, PodState
from tests.support.pause import hold


@pytest.fixture(params=["sqlite", "mariadb"])
def directory_url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def directory(directory_url: str) -> Iterator[Directory]:
    made = Directory(directory_url, extent_shops=10)
    made.create_schema()
    made.create_schema()
    yield made
    made.close()


def pods(**weights: int) -> list[Pod]:
    return [
        Pod(int(name[1:]), "sqlite:///x.db", "redis://h:1/0", weight=weight)
        for name, weight in weights.items()
    ]


def test_an_assigned_shop_is_located_at_the_first_epoch(directory: Directory) -> None:
    assert directory.assign(330, 2) == Route(2, 1)
    assert directory.locate(330) == Route(2, 1)


def test_an_unknown_shop_is_a_typed_error(directory: Directory) -> None:
    with pytest.raises(UnknownShop, match="unknown shop 331"):
        directory.locate(331)


def test_assigning_again_changes_nothing(directory: Directory) -> None:
    assert directory.assign_many({1: 1, 2: 2}) == 2
    assert directory.assign_many({1: 1, 2: 2, 3: 1}) == 1
    assert directory.last_change() == 3


def test_assigning_to_another_pod_is_refused_as_a_whole(directory: Directory) -> None:
    directory.assign(2, 2)
    with pytest.raises(DirectoryConflict, match="shop 2: the directory has pod 2"):
        directory.assign_many({1: 1, 2: 1})
    with pytest.raises(UnknownShop):
        directory.locate(1)


def test_many_more_shops_than_one_statement_takes(directory: Directory) -> None:
    assert directory.assign_many({shop_id: 1 + shop_id % 3 for shop_id in range(1, 2501)}) == 2500
    assert directory.locate(2500) == Route(2, 1)
    assert directory.count_by_pod() == {1: 833, 2: 834, 3: 833}
    assert [change.seq for change in directory.changes_since(2495)] == [2496, 2497, 2498, 2499, 2500]


def test_an_extent_places_its_shops_without_rows(directory: Directory) -> None:
    directory.add_extent(1_000_000, 10_999_999, 3)
    assert directory.locate(1_000_000) == Route(3, 1)
    assert directory.locate(10_999_999) == Route(3, 1)
    for outside in (999_999, 11_000_000):
        with pytest.raises(UnknownShop):
            directory.locate(outside)
    assert directory.count_by_pod() == {3: 10_000_000}
    assert directory.shops_of(3, after=5_000_000, limit=2) == [5_000_001, 5_000_002]
    assert directory.assign(1_000_001, 3) == Route(3, 1)
    with pytest.raises(DirectoryConflict):
        directory.assign(1_000_001, 2)


@pytest.mark.parametrize("taken", [(1, 5), (10, 12), (7, 7), (5, 10)])
def test_extents_never_overlap(directory: Directory, taken: tuple[int, int]) -> None:
    directory.add_extent(5, 10, 1)
    with pytest.raises(ExtentConflict):
        directory.add_extent(*taken, 2)
    directory.add_extent(11, 12, 2)


def test_an_extent_does_not_cover_an_assigned_shop(directory: Directory) -> None:
    directory.assign(7, 1)
    with pytest.raises(ExtentConflict):
        directory.add_extent(5, 10, 1)


def test_compare_and_set_moves_the_shop_one_epoch_on(directory: Directory) -> None:
    directory.assign(330, 1)
    assert directory.compare_and_set(330, Route(1, 1), 2) == Route(2, 2)
    assert directory.locate(330) == Route(2, 2)
    assert directory.compare_and_set(330, Route(2, 2), 1) == Route(1, 3)


@pytest.mark.parametrize("expected", [Route(2, 1), Route(1, 2), Route(1, 0), Route(2, 2)])
def test_compare_and_set_refuses_what_is_not_as_expected(directory: Directory, expected: Route) -> None:
    directory.assign(330, 1)
    with pytest.raises(DirectoryConflict) as raised:
        directory.compare_and_set(330, expected, 3)
    assert (raised.value.expected, raised.value.found) == (expected, Route(1, 1))
    assert directory.locate(330) == Route(1, 1)
    assert directory.last_change() == 1


def test_compare_and_set_refuses_an_old_expectation_after_a_return(directory: Directory) -> None:
    directory.assign(330, 1)
    directory.compare_and_set(330, Route(1, 1), 2)
    directory.compare_and_set(330, Route(2, 2), 1)
    with pytest.raises(DirectoryConflict):
        directory.compare_and_set(330, Route(1, 1), 2)
    assert directory.locate(330) == Route(1, 3)


def test_compare_and_set_of_a_shop_that_only_its_extent_knows(directory: Directory) -> None:
    directory.add_extent(100, 199, 1)
    with pytest.raises(DirectoryConflict):
        directory.compare_and_set(150, Route(2, 1), 3)
    with pytest.raises(DirectoryConflict):
        directory.compare_and_set(150, Route(1, 2), 3)
    assert directory.compare_and_set(150, Route(1, 1), 2) == Route(2, 2)
    with pytest.raises(DirectoryConflict):
        directory.compare_and_set(150, Route(1, 1), 3)
    assert directory.locate(150) == Route(2, 2)
    assert directory.locate(151) == Route(1, 1)
    assert directory.count_by_pod() == {1: 99, 2: 1}
    assert directory.shops_of(1, after=148, limit=3) == [149, 151, 152]
    assert directory.shops_of(2) == [150]


def test_compare_and_set_of_an_unknown_shop_says_so(directory: Directory) -> None:
    with pytest.raises(DirectoryConflict, match="no such shop"):
        directory.compare_and_set(9, Route(1, 1), 2)


def test_changes_and_history_tell_what_happened_in_order(directory: Directory) -> None:
    directory.assign_many({1: 1, 2: 1})
    directory.compare_and_set(1, Route(1, 1), 2)
    directory.compare_and_set(2, Route(1, 1), 3)
    directory.compare_and_set(1, Route(2, 2), 1)
    changes = directory.changes_since(2)
    assert [(change.seq, change.shop_id, change.from_pod_id, change.route) for change in changes] == [
        (3, 1, 1, Route(2, 2)),
        (4, 2, 1, Route(3, 2)),
        (5, 1, 2, Route(1, 3)),
    ]
    assert [change.route.epoch for change in directory.history(1)] == [1, 2, 3]
    assert directory.last_change() == 5
    assert directory.changes_since(0, limit=2) == directory.changes_since(0)[:2]


def test_of_many_who_expect_the_same_route_one_wins(directory: Directory) -> None:
    directory.assign(330, 1)
    outcomes: list[Route | DirectoryConflict] = []
    barrier = threading.Barrier(6)

    def switch(to_pod: int) -> None:
        barrier.wait()
        try:
            outcomes.append(directory.compare_and_set(330, Route(1, 1), to_pod))
        except DirectoryConflict as conflict:
            outcomes.append(conflict)

    _together([lambda to_pod=to_pod: switch(to_pod) for to_pod in range(2, 8)])
    winners = [outcome for outcome in outcomes if isinstance(outcome, Route)]
    assert len(outcomes) == 6
    assert winners == [directory.locate(330)]
    assert winners[0].epoch == 2
    assert [change.route for change in directory.history(330)] == [Route(1, 1), winners[0]]


def test_a_tailer_never_passes_a_change_that_is_not_committed_yet(directory: Directory) -> None:
    """One writer is held with the log locked; the other must not get a number, let alone commit one."""
    directory.assign_many({1: 1, 2: 1})
    seen: list[int] = []
    with hold("directory.log_locked") as held:
        writers = [
            threading.Thread(target=directory.compare_and_set, args=(shop_id, Route(1, 1), 2))
            for shop_id in (1, 2)
        ]
        writers[0].start()
        held.wait_reached()
        writers[1].start()
        # Long enough for a writer without the lock to overtake; one with it is waiting.
        writers[1].join(timeout=0.3)
        seen += [change.seq for change in directory.changes_since(2)]
        assert writers[1].is_alive()
        held.go_on()
        for writer in writers:
            writer.join()
    seen += [change.seq for change in directory.changes_since(seen[-1] if seen else 2)]
    assert seen == [3, 4]


def test_concurrent_changes_are_seen_by_a_tailer_without_a_gap(directory: Directory) -> None:
    directory.assign_many(dict.fromkeys(range(1, 41), 1))
    position = directory.last_change()
    seen: list[int] = []
    done = threading.Event()

    def tail() -> None:
        nonlocal position
        while True:
            last_round = done.is_set()
            for change in directory.changes_since(position):
                seen.append(change.shop_id)
                position = change.seq
            if last_round:
                return

    def switch(first: int) -> None:
        for shop_id in range(first, first + 10):
            directory.compare_and_set(shop_id, Route(1, 1), 2)

    tailer = threading.Thread(target=tail)
    tailer.start()
    _together([lambda first=first: switch(first) for first in (1, 11, 21, 31)])
    done.set()
    tailer.join()
    assert sorted(seen) == list(range(1, 41))
    assert position == directory.last_change() == 80


def test_new_shops_get_distinct_numbers_from_many_threads(directory: Directory) -> None:
    allocated: list[tuple[int, Route]] = []
    _together(
        [
            lambda: allocated.extend(directory.allocate_shop(pods(p1=3, p2=1)) for _ in range(60))
            for _ in range(4)
        ]
    )
    numbers = [shop_id for shop_id, _ in allocated]
    assert len(set(numbers)) == len(numbers) == 240
    assert all(directory.locate(shop_id) == route for shop_id, route in allocated)
    counts = Counter(route.pod_id for _, route in allocated)
    assert directory.count_by_pod() == dict(sorted(counts.items()))
    # 240 draws at 3 to 1: 180 expected, six standard deviations are 40.
    assert 140 <= counts[1] <= 220


def test_new_shops_go_to_active_pods_only(directory: Directory) -> None:
    (one,), (two,), (three,) = pods(p1=1), pods(p2=0), pods(p3=5)
    draining = Pod(3, three.shard_url, three.redis_url, state=PodState.DRAINING)
    assert {directory.allocate_shop([one, two, draining])[1] for _ in range(20)} == {Route(1, 1)}
    with pytest.raises(NoActivePod):
        directory.allocate_shop([two, draining])


def test_a_number_that_was_not_handed_out_is_unknown_and_reserved(directory: Directory) -> None:
    shop_id, route = directory.allocate_shop(pods(p1=1))
    with pytest.raises(UnknownShop):
        directory.locate(shop_id + 1)
    with pytest.raises(DirectoryConflict, match="reserved"):
        directory.assign(shop_id + 1, route.pod_id)
    with pytest.raises(DirectoryConflict):
        directory.compare_and_set(shop_id + 1, route, 2)
    assert directory.shops_of(1) == [shop_id]
    assert directory.count_by_pod() == {1: 1}


def test_new_numbers_lie_above_everything_that_is_taken(directory: Directory) -> None:
    directory.assign(500, 1)
    directory.add_extent(1000, 1999, 1)
    first = [directory.allocate_shop(pods(p2=1))[0] for _ in range(11)]
    assert first == list(range(2000, 2011))
    directory.assign(5000, 1)
    later = [directory.allocate_shop(pods(p2=1))[0] for _ in range(10)]
    assert later == [*range(2011, 2020), 5001]


def test_an_allocated_shop_moves_like_any_other(directory: Directory) -> None:
    shop_id, route = directory.allocate_shop(pods(p1=1))
    assert directory.compare_and_set(shop_id, route, 2) == Route(2, 2)
    assert directory.locate(shop_id) == Route(2, 2)


def test_epochs_are_not_taken_back_by_the_directory(directory: Directory) -> None:
    """S2, as far as a directory can see it: the log of a shop grows strictly."""
    directory.assign(1, 1)
    for epoch in range(1, 8):
        directory.compare_and_set(1, directory.locate(1), 1 + epoch % 3)
    epochs = [change.epoch for change in directory.history(1)]
    assert epochs == sorted(set(epochs)) == list(range(1, 9))


def test_a_directory_without_tables_says_so(directory_url: str) -> None:
    empty = Directory(directory_url)
    with pytest.raises(DirectoryUnavailable, match=r"no tables|no file"):
        empty.locate(1)
    empty.close()


def test_a_lost_change_leaves_nothing_behind(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shop's row and the line in the log are one transaction."""
    directory.assign(1, 1)
    monkeypatch.setattr("podwork_pods.directory.changes.append", _fail)
    with pytest.raises(RuntimeError):
        directory.compare_and_set(1, Route(1, 1), 2)
    monkeypatch.undo()
    assert directory.locate(1) == Route(1, 1)
    assert directory.last_change() == 1
    assert directory.compare_and_set(1, Route(1, 1), 2) == Route(2, 2)
    assert [change.seq for change in directory.changes_since(0)] == [1, 2]


def _fail(*_: object) -> None:
    raise RuntimeError("the process dies here")


def _together(acts: list[object]) -> None:
    failures: list[BaseException] = []

    def run(act: object) -> None:
        try:
            act()  # type: ignore[operator]
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
