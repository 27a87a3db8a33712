"""A shop is copied while it and other shops are written in every way there is, and ends equal."""

# ruff: noqa: E501 - statements are quoted as they are

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pymysql
import pytest
from sqlalchemy.engine import make_url

from podwork import points
from podwork_pods.errors import FenceConflict
from podwork_pods.fence import FenceState
from podwork_pods.mover.rows import passing
from podwork_pods.mover.rows.errors import RowClash
from tests.support.pause import hold
from tests.support.rows_stand import EPOCH, MOVER, OTHER, SHOP, SOURCE, TARGET, RowsStand, noop, plain

ROWS = int(os.environ.get("PODWORK_ROWS", "400"))


@pytest.fixture
def stand(mariadb_url: str) -> Iterator[RowsStand]:
    made = RowsStand(mariadb_url)
    yield made
    made.close()


def fill(stand: RowsStand, rows: int = ROWS) -> None:
    """Orders of two shops, each with two lines; the target has rows of a third, which has its own."""
    for shop_id, base in ((SHOP, 0), (OTHER, 1_000_000)):
        stand.run(
            f"INSERT INTO orders SELECT {shop_id}, {base} + seq, CONCAT('code-', seq), seq / 7, REPEAT('n', seq % 50) "
            f"FROM seq_1_to_{rows}"
        )
        stand.run(
            f"INSERT INTO order_lines SELECT {base} + seq, {base} + 1 + seq DIV 2, 'line' FROM seq_1_to_{2 * rows}"
        )
    stand.run("INSERT INTO orders SELECT 9, 5000000 + seq, 'x', 1, 'theirs' FROM seq_1_to_1", pod=TARGET)
    stand.run("INSERT INTO order_lines VALUES (5000001, 5000001, 'theirs')", pod=TARGET)


class Scribe:
    """Writes orders and lines of one shop at random; what clashes is its own mistake, and rolled back."""

    def __init__(self, url: str, shop_id: int, base: int, seed: int, rows: int = ROWS) -> None:
        parsed = make_url(url)
        self._connection = pymysql.connect(
            host=parsed.host,
            port=parsed.port or 3306,
            user="root",
            database=parsed.database,
            charset="utf8mb4",
        )
        self._random = random.Random(seed)
        self._shop, self._base, self._rows = shop_id, base, rows
        self._next = base + 10 * rows
        self.done = 0

    def write(self) -> None:
        cursor = self._connection.cursor()
        try:
            for _ in range(self._random.randrange(1, 4)):
                self._random.choice(
                    (
                        self._change,
                        self._change,
                        self._add,
                        self._rekey,
                        self._swap,
                        self._drop,
                        self._lines,
                        self._rejoin,
                    )
                )(cursor)
            if self._random.random() < 0.1:
                self._connection.rollback()
            else:
                self._connection.commit()
                self.done += 1
        except (pymysql.IntegrityError, pymysql.OperationalError):
            self._connection.rollback()

    def close(self) -> None:
        self._connection.close()

    def _any(self) -> int:
        return self._base + self._random.randrange(1, self._rows + 1)

    def _fresh(self) -> int:
        self._next += 1
        return self._next

    def _change(self, cursor: Any) -> None:
        cursor.execute(
            "UPDATE orders SET total = total + 1 WHERE shop_id = %s AND id = %s", (self._shop, self._any())
        )

    def _add(self, cursor: Any) -> None:
        order = self._fresh()
        cursor.execute(
            "INSERT INTO orders VALUES (%s, %s, %s, 1, 'new')", (self._shop, order, f"new-{order}")
        )
        cursor.execute("INSERT INTO order_lines VALUES (%s, %s, 'new')", (self._fresh(), order))

    def _rekey(self, cursor: Any) -> None:
        old, new = self._any(), self._fresh()
        cursor.execute("UPDATE orders SET id = %s WHERE shop_id = %s AND id = %s", (new, self._shop, old))
        cursor.execute("UPDATE order_lines SET order_id = %s WHERE order_id = %s", (new, old))

    def _swap(self, cursor: Any) -> None:
        """Two orders exchange their codes, which are unique."""
        one, other = self._any(), self._any()
        cursor.execute(
            "SELECT id, code FROM orders WHERE shop_id = %s AND id IN (%s, %s) FOR UPDATE",
            (self._shop, one, other),
        )
        found = list(cursor.fetchall())
        if len(found) == 2:
            (one, first), (other, second) = found
            update = "UPDATE orders SET code = %s WHERE shop_id = %s AND id = %s"
            for code, order in (("passing", one), (first, other), (second, one)):
                cursor.execute(update, (code, self._shop, order))

    def _drop(self, cursor: Any) -> None:
        """An order goes; now and then its lines stay, and belong to nobody."""
        order = self._any()
        cursor.execute("DELETE FROM orders WHERE shop_id = %s AND id = %s", (self._shop, order))
        if self._random.random() < 0.7:
            cursor.execute("DELETE FROM order_lines WHERE order_id = %s", (order,))

    def _lines(self, cursor: Any) -> None:
        cursor.execute("UPDATE order_lines SET title = 'changed' WHERE id = %s", (self._any(),))
        cursor.execute(
            "DELETE FROM order_lines WHERE id = %s",
            (self._base + self._rows + self._random.randrange(self._rows),),
        )

    def _rejoin(self, cursor: Any) -> None:
        cursor.execute("UPDATE order_lines SET order_id = %s WHERE id = %s", (self._any(), self._any()))


@contextmanager
def writing(stand: RowsStand, seed: int = 1, rows: int = ROWS) -> Iterator[list[Scribe]]:
    """Two scribes of the shop and one of another write until the block ends."""
    scribes = [
        Scribe(stand.urls[SOURCE], SHOP, 0, seed, rows),
        Scribe(stand.urls[SOURCE], OTHER, 1_000_000, seed + 2, rows),
    ]
    over = threading.Event()

    def go_on(scribe: Scribe) -> None:
        while not over.is_set():
            scribe.write()

    threads = [threading.Thread(target=go_on, args=(scribe,)) for scribe in scribes]
    for thread in threads:
        thread.start()
    try:
        yield scribes
    finally:
        over.set()
        for thread in threads:
            thread.join()
        for scribe in scribes:
            scribe.close()


def theirs(stand: RowsStand) -> tuple[Any, ...]:
    """What the target has that is not the shop's."""
    lines = "SELECT * FROM order_lines WHERE id > 1000000"
    return tuple(
        stand.read(statement, pod=TARGET) for statement in ("SELECT * FROM orders WHERE shop_id <> 7", lines)
    )


@pytest.mark.parametrize("is_locking", [False, True])
def test_a_shop_that_is_written_all_the_while_ends_equal(stand: RowsStand, is_locking: bool) -> None:
    fill(stand)
    before = theirs(stand)
    rows = stand.rows(is_locking=is_locking)
    with writing(stand, seed=2 + is_locking) as scribes:
        rows.follow()
        rows.copy(noop)
        applied = [rows.apply(noop)]
        while scribes[0].done < 60 or not sum(applied):
            applied.append(rows.apply(noop))
    rows.apply_last(noop, 30)
    assert stand.differing() == []
    assert theirs(stand) == before


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_many_histories_end_equal(stand: RowsStand, seed: int) -> None:
    """Copied in small chunks by three movers, one after the other, while two shops are written."""
    fill(stand)
    before = theirs(stand)
    with writing(stand, seed=seed) as scribes:
        for life in range(3):
            mover = stand.rows(most_rows=40, is_locking=seed % 2 == 1)
            mover.follow()
            with KillAt("rows.committed", 8 * (life + 1)), suppress(Killed):
                mover.copy(noop)
                for _ in range(5):
                    mover.apply(noop)
            mover.close()
        while scribes[0].done < 150:
            time.sleep(0.01)
    last = stand.rows()
    last.follow()
    last.copy(noop)
    last.apply_last(noop, 60)
    assert stand.differing() == []
    assert theirs(stand) == before


def test_unique_values_that_go_round_among_the_rows_are_brought(stand: RowsStand) -> None:
    """Every code moves on by one row, so that no order of inserts would do; more rows than a batch has."""
    rows = ROWS * 2
    fill(stand, rows)
    passing = stand.rows()
    passing.follow()
    passing.copy(noop)
    stand.run("UPDATE orders SET code = CONCAT('code-', id + 1) WHERE shop_id = 7 ORDER BY id DESC")
    assert passing.apply_last(noop, 30)
    assert stand.differing() == []


def test_a_unique_value_that_moves_on_between_two_snapshots_does_not_stop_the_copy(stand: RowsStand) -> None:
    fill(stand)
    first = stand.rows(most_rows=50)
    first.follow()
    with KillAt("rows.committed", 3), pytest.raises(Killed):
        first.copy(noop)
    first.close()
    stand.run("UPDATE orders SET code = 'freed' WHERE shop_id = 7 AND id = 2")
    stand.run("UPDATE orders SET code = 'code-2' WHERE shop_id = 7 AND id = 390")
    second = stand.rows()
    second.follow()
    second.copy(noop)
    second.apply_last(noop, 30)
    assert stand.differing() == []


def test_a_row_of_another_shop_is_never_replaced(stand: RowsStand) -> None:
    fill(stand)
    stand.run("INSERT INTO orders VALUES (9, 5, 'other', 1, 'theirs')", pod=TARGET)
    before = theirs(stand)
    rows = stand.rows()
    rows.follow()
    with pytest.raises(RowClash, match=r"orders.*Duplicate entry '5'"):
        rows.copy(noop)
    assert theirs(stand) == before


def test_a_clash_with_another_shop_is_told_when_changes_are_applied(stand: RowsStand) -> None:
    rows = stand.rows()
    rows.follow()
    rows.copy(noop)
    stand.run("INSERT INTO orders VALUES (9, 5, 'other', 1, 'theirs')", pod=TARGET)
    stand.run("INSERT INTO orders VALUES (7, 5, 'mine', 1, 'mine')")
    with pytest.raises(RowClash, match=r"orders.*Duplicate entry '5'"):
        rows.apply_last(noop, 30)
    stand.run("DELETE FROM orders WHERE id = 5", pod=TARGET)
    rows.apply_last(noop, 30)  # what was noted is not lost
    assert stand.differing() == []


def test_lines_go_with_an_order_that_changes_shops(stand: RowsStand) -> None:
    fill(stand)
    rows = stand.rows()
    rows.follow()
    rows.copy(noop)
    stand.run("UPDATE orders SET shop_id = 8, code = 'away' WHERE id = 10")
    stand.run("UPDATE orders SET shop_id = 7, code = 'here' WHERE id = 1000010")
    stand.run("DELETE FROM orders WHERE id = 11")
    rows.apply_last(noop, 30)
    assert stand.differing() == []
    assert stand.read("SELECT COUNT(*) FROM order_lines WHERE order_id IN (10, 11)", pod=TARGET) == [(0,)]
    assert stand.read("SELECT COUNT(*) FROM order_lines WHERE order_id = 1000010", pod=TARGET) == [(2,)]


def test_a_changed_row_is_read_when_its_writer_has_ended(stand: RowsStand) -> None:
    """copy.waits: the log names a change before anybody can see it; here the writer still holds the row."""
    fill(stand)
    rows = stand.rows()
    rows.follow()
    rows.copy(noop)
    scribe = Scribe(stand.urls[SOURCE], SHOP, 0, 1)
    cursor = scribe._connection.cursor()
    cursor.execute("UPDATE orders SET note = 'late' WHERE id = 3")
    rows._watching.note("orders", [("7", "3")])
    applying = threading.Thread(target=rows.apply, args=(noop,))
    applying.start()
    applying.join(0.2)
    assert applying.is_alive()
    scribe._connection.commit()
    applying.join()
    scribe.close()
    assert stand.read("SELECT note FROM orders WHERE id = 3", pod=TARGET) == [("late",)]


class Killed(BaseException):
    """A process was killed here."""


class KillAt:
    """While the block runs, whoever reaches the point for its n-th time is killed there."""

    def __init__(self, name: str, occurrence: int = 1) -> None:
        self._name, self._left = name, occurrence
        self.was_reached = False

    def __enter__(self) -> KillAt:
        points.install(self._arrive)
        return self

    def __exit__(self, *_: object) -> None:
        points.install(None)

    def _arrive(self, name: str) -> None:
        if name == self._name:
            self._left -= 1
            if self._left == 0:
                self.was_reached = True
                raise Killed(name)


POINTS = ("rows.committed", "rows.read")
SLOW_POINTS = ("rows.held", "rows.committing", "rows.snapshot", "rows.last")


@pytest.mark.parametrize(
    "name", [*POINTS, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW_POINTS)]
)
def test_a_mover_that_is_killed_anywhere_is_followed_by_one_that_ends_equal(
    stand: RowsStand, name: str
) -> None:
    """Each mover is killed at its second or later coming by, and the next one goes on from what is stored."""
    fill(stand)
    before = theirs(stand)
    kills = 0
    with writing(stand, seed=7):
        for life in range(1, 5):
            mover = stand.rows(most_rows=50)
            kill = KillAt(name, life)
            with kill:
                try:
                    mover.follow()
                    mover.copy(noop)
                    mover.apply(noop)
                    mover.apply_last(noop, 30)
                except Killed:
                    kills += 1
            mover.close()
    last = stand.rows()
    last.follow()
    last.copy(noop)
    last.apply_last(noop, 30)
    assert stand.differing() == []
    assert theirs(stand) == before
    assert kills > 0


@pytest.mark.parametrize("deed", ["copy", "apply"])
def test_an_earlier_mover_and_another_state_are_refused(stand: RowsStand, deed: str) -> None:
    fill(stand, 10)
    rows = stand.rows()
    rows.follow()
    if deed == "apply":
        rows.copy(noop)
        stand.run("UPDATE orders SET note = 'changed' WHERE shop_id = 7")
        rows._catch_up(noop)
    act: Callable[[Any], object] = rows.copy if deed == "copy" else rows.apply
    for state, mover in (
        (FenceState.INCOMING, MOVER + 1),
        (FenceState.OPEN, MOVER),
        (FenceState.MOVED, MOVER),
    ):
        stand.put_fence(TARGET, state, EPOCH + 1, mover)
        before = stand.read("SELECT * FROM orders", pod=TARGET)
        with pytest.raises(FenceConflict):
            act(noop)
        assert stand.read("SELECT * FROM orders", pod=TARGET) == before


def test_a_fence_is_not_changed_under_a_batch(stand: RowsStand) -> None:
    """Who opens the target waits for the batch: a late one cannot write over what the shop writes then."""
    fill(stand, 10)
    rows = stand.rows()
    rows.follow()
    opened = threading.Event()

    def copy() -> None:
        with pytest.raises(FenceConflict):  # its next batch comes too late
            rows.copy(noop)

    def open_it() -> None:
        stand.fences[TARGET].open(SHOP, EPOCH + 1, mover_epoch=MOVER, lock_wait_seconds=20)
        opened.set()

    with hold("rows.committing") as held:
        copying = threading.Thread(target=copy)
        copying.start()
        held.wait_reached()
        opening = threading.Thread(target=open_it)
        opening.start()
        assert not opened.wait(0.2)
        assert stand.read("SELECT COUNT(*) FROM orders WHERE shop_id = 7", pod=TARGET) == [(0,)]
        with plain(stand.urls[TARGET]):
            held.go_on()
        opening.join()
        copying.join()


def test_rows_that_do_not_fit_one_statement_go_in_several(
    stand: RowsStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All lines are of one order, and the servers take 20 kB at a time; a chunk ends with an order all the same."""
    monkeypatch.setattr(passing, "HEADROOM_BYTES", (16 << 20) - 20_000)
    fill(stand, 20)
    stand.run("INSERT INTO order_lines SELECT 1000 + seq, 5, REPEAT('long', 15) FROM seq_1_to_1500")
    rows = stand.rows()
    rows.follow()
    rows.copy(noop)
    assert stand.differing() == []
    stand.run("UPDATE order_lines SET title = REPEAT('more', 16) WHERE order_id = 5")
    rows.apply_last(noop, 30)
    assert stand.differing() == []
