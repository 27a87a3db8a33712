"""What a shop left behind is deleted in small batches under the fence, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from podwork import points
from podwork_pods.errors import FenceConflict
from podwork_pods.fence import FenceState
from podwork_pods.mover.rows.purging import BATCH_ROWS, purge
from tests.support.rows_stand import EPOCH, MOVER, OTHER, SHOP, SOURCE, TARGET, RowsStand, noop

ROWS = 1_300


@pytest.fixture
def stand(mariadb_url: str) -> Iterator[RowsStand]:
    made = RowsStand(mariadb_url)
    for shop_id, base in ((SHOP, 0), (OTHER, 1_000_000)):
        made.run(f"INSERT INTO orders SELECT {shop_id}, {base} + seq, seq, 1, '' FROM seq_1_to_{ROWS}")
        made.run(
            f"INSERT INTO order_lines SELECT {base} + seq, {base} + 1 + seq % 3, '' FROM seq_1_to_{ROWS}"
        )
    yield made
    made.close()


class Elsewhere(Exception):
    pass


def purge_source(stand: RowsStand, mover: int = MOVER, check: object = None) -> int:
    checked = check or (lambda: None)
    return purge(
        stand.engines[SOURCE],
        stand.fences[SOURCE],
        stand.passage(mover),
        stand.tables,
        noop,
        checked,  # type: ignore[arg-type]
    )


def test_the_shops_rows_go_in_small_batches_and_no_others(stand: RowsStand) -> None:
    stand.put_fence(SOURCE, FenceState.PURGING, EPOCH, MOVER)
    sizes: list[int] = []
    left = [2 * ROWS]

    def asked() -> None:
        now = (
            sum(stand.read(f"SELECT COUNT(*) FROM {name}")[0][0] for name in ("orders", "order_lines"))
            - 2 * ROWS
        )
        sizes.append(left[0] - now)
        left[0] = now

    assert purge_source(stand, check=asked) == 2 * ROWS
    assert len(sizes) == 6  # asked before each batch
    assert max(sizes) <= BATCH_ROWS
    assert stand.read("SELECT shop_id, COUNT(*) FROM orders GROUP BY shop_id") == [(OTHER, ROWS)]
    assert stand.read("SELECT MIN(id), COUNT(*) FROM order_lines") == [(1_000_001, ROWS)]
    assert purge_source(stand) == 0


@pytest.mark.parametrize(
    ("state", "mover"),
    [
        (FenceState.OPEN, MOVER),
        (FenceState.MOVED, MOVER),
        (FenceState.CLOSED, MOVER),
        (FenceState.PURGING, MOVER + 1),
    ],
)
def test_nothing_is_deleted_under_another_fence(stand: RowsStand, state: FenceState, mover: int) -> None:
    stand.put_fence(SOURCE, state, EPOCH, mover)
    with pytest.raises(FenceConflict):
        purge_source(stand)
    assert stand.read("SELECT COUNT(*) FROM orders WHERE shop_id = 7") == [(ROWS,)]


def test_a_shop_that_came_back_is_not_deleted(stand: RowsStand) -> None:
    stand.put_fence(SOURCE, FenceState.PURGING, EPOCH, MOVER)

    def refuse() -> None:
        raise Elsewhere

    with pytest.raises(Elsewhere):
        purge_source(stand, check=refuse)
    assert stand.read("SELECT COUNT(*) FROM order_lines WHERE id < 1000000") == [(ROWS,)]


def test_a_fence_that_changes_between_two_batches_ends_it(stand: RowsStand) -> None:
    stand.put_fence(SOURCE, FenceState.PURGING, EPOCH, MOVER)
    points.install(lambda name: stamp() if name == "rows.committed" else None)

    def stamp() -> None:
        points.install(None)
        stand.fences[SOURCE].purge(SHOP, EPOCH, mover_epoch=MOVER + 1, lock_wait_seconds=2)

    try:
        with pytest.raises(FenceConflict):
            purge_source(stand)
    finally:
        points.install(None)
    assert stand.read("SELECT COUNT(*) FROM order_lines WHERE id < 1000000") == [(ROWS - BATCH_ROWS,)]


def test_what_is_known_of_the_move_goes_with_the_rows(stand: RowsStand) -> None:
    rows = stand.rows()
    rows.follow()
    rows.copy(noop)
    assert stand.read("SELECT COUNT(*) FROM podwork_move_progress", pod=TARGET) == [(3,)]
    stand.put_fence(TARGET, FenceState.PURGING, EPOCH + 1, MOVER)
    engine, fence = stand.engines[TARGET], stand.fences[TARGET]
    assert purge(engine, fence, stand.passage(), stand.tables, noop, lambda: None) == 2 * ROWS
    assert stand.read("SELECT COUNT(*) FROM podwork_move_progress", pod=TARGET) == [(0,)]


def test_a_copy_begins_anew_from_nothing(stand: RowsStand) -> None:
    stand.run("INSERT INTO orders VALUES (9, 5000000, 'x', 1, 'theirs')", pod=TARGET)
    rows = stand.rows()
    rows.follow()
    rows.copy(noop)
    rows.begin_anew(noop)
    assert stand.read("SELECT shop_id FROM orders", pod=TARGET) == [(9,)]
    rows.follow()
    rows.copy(noop)
    assert stand.differing() == []
