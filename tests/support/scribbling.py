"""What an application writes at random: every kind of statement that a copy has to survive.

Each thread has a range of keys, and of values of the unique column, of its own. Threads that met there would
now and then wait for one another in a circle, with a copy more often than without: InnoDB locks what lies
beside a unique value too, and a copy doubles the index. So whatever error a statement meets, other than a
duplicate that it asked for, comes from elsewhere. And what each thread has committed can be done again, one
thread after the other, on another table: that one then holds what there has to be (`Shop.replay`). For the
same reason keys that count up are not changed: that takes a lock on the table's counter.
"""

from __future__ import annotations

import random
from collections.abc import Callable

COLUMNS = ["id", "u", "v", "n"]


def table(*, counts_up: bool, name: str = "items") -> str:
    """Return the statement that makes the table."""
    number = " AUTO_INCREMENT" if counts_up else ""
    return (
        f"CREATE TABLE {name} (id BIGINT NOT NULL{number} PRIMARY KEY, u INT NULL, v VARCHAR(60) NOT NULL, "
        "n INT NOT NULL DEFAULT 0, UNIQUE KEY by_u (u)) ENGINE=InnoDB"
    )


def fill(rows: int, name: str = "items") -> str:
    """Return the statement that fills it."""
    return f"INSERT INTO {name} (id, u, v) SELECT seq, seq, CONCAT('v', seq) FROM seq_1_to_{rows}"


class Scribbler:
    """Makes the statements of one thread of so many; `rows` there are at the start."""

    def __init__(self, number: int, threads: int, rows: int, *, counts_up: bool) -> None:
        self._share = rows // threads
        self._first = number * self._share
        self._reach = 10 * rows
        self._far = self._reach * (number + 1)
        self._counts_up = counts_up
        self._acts: list[Callable[[random.Random], list[str]]] = [
            self._insert, self._insert, self._insert_ignore, self._insert_or_update, self._insert_several,
            self._update, self._update, self._update, self._update_ignore, self._update_range, self._swap,
            self._delete, self._replace,
        ]  # fmt: skip
        if not counts_up:
            self._acts += [self._update_key, self._update_key_ignore, self._shift_keys, self._move_and_back]

    def statements(self, chance: random.Random) -> list[str]:
        """Return the next statement, or several that are one transaction."""
        return chance.choice(self._acts)(chance)

    def _id(self, chance: random.Random) -> int:
        return self._first + 1 + chance.randrange(self._share)

    _u = _id

    def _fresh(self, chance: random.Random) -> int:
        """Return a key, or a value of the unique column, beyond the old ones, before or behind."""
        far = self._far + chance.randrange(self._reach)
        return far if chance.random() < 0.5 else -far

    def _new(self, chance: random.Random) -> str:
        return "NULL" if self._counts_up else str(self._fresh(chance))

    def _insert(self, chance: random.Random) -> list[str]:
        u = self._fresh(chance)
        return [f"INSERT INTO items (id, u, v) VALUES ({self._new(chance)}, {u}, 'i{chance.random()}')"]

    def _insert_ignore(self, chance: random.Random) -> list[str]:
        return [
            f"INSERT IGNORE INTO items (id, u, v) VALUES ({self._id(chance)}, {self._u(chance)}, 'g'), "
            f"({self._new(chance)}, {self._u(chance)}, 'h')"
        ]

    def _insert_or_update(self, chance: random.Random) -> list[str]:
        return [
            f"INSERT INTO items (id, u, v) VALUES ({self._id(chance)}, {self._u(chance)}, 'o') "
            "ON DUPLICATE KEY UPDATE n = n + 1, v = 'p'"
        ]

    def _insert_several(self, chance: random.Random) -> list[str]:
        rows = ", ".join(f"({self._new(chance)}, NULL, 's{chance.random()}')" for _ in range(5))
        return [f"INSERT INTO items (id, u, v) VALUES {rows}"]

    def _update(self, chance: random.Random) -> list[str]:
        return [f"UPDATE items SET v = 'u{chance.random()}', n = n + 1 WHERE id = {self._id(chance)}"]

    def _update_ignore(self, chance: random.Random) -> list[str]:
        return [f"UPDATE IGNORE items SET u = {self._u(chance)}, v = 'c' WHERE id = {self._id(chance)}"]

    def _update_range(self, chance: random.Random) -> list[str]:
        one = self._id(chance)
        return [
            f"UPDATE items SET n = n + 1 WHERE id BETWEEN {one} AND {min(one + 5, self._first + self._share)}"
        ]

    def _update_key(self, chance: random.Random) -> list[str]:
        return [f"UPDATE items SET id = {self._fresh(chance)} WHERE id = {self._id(chance)}"]

    def _update_key_ignore(self, chance: random.Random) -> list[str]:
        return [f"UPDATE IGNORE items SET id = {self._id(chance)}, v = 'k' WHERE id = {self._id(chance)}"]

    def _shift_keys(self, chance: random.Random) -> list[str]:
        one = self._id(chance)
        upto = min(one + 3, self._first + self._share - 1)
        return [f"UPDATE IGNORE items SET id = id + 1 WHERE id BETWEEN {one} AND {upto} ORDER BY id DESC"]

    def _swap(self, chance: random.Random) -> list[str]:
        one, other = sorted((self._id(chance), self._id(chance)))
        return [
            f"SELECT @a := (SELECT u FROM items WHERE id = {one}), "
            f"@b := (SELECT u FROM items WHERE id = {other})",
            f"UPDATE items SET u = {self._fresh(chance)} WHERE id = {one}",
            f"UPDATE items SET u = @a WHERE id = {other} AND {one} <> {other}",
            f"UPDATE items SET u = @b WHERE id = {one}",
        ]

    def _delete(self, chance: random.Random) -> list[str]:
        return [f"DELETE FROM items WHERE id = {self._id(chance)}"]

    def _replace(self, chance: random.Random) -> list[str]:
        return [f"REPLACE INTO items (id, u, v) VALUES ({self._id(chance)}, {self._u(chance)}, 'r')"]

    def _move_and_back(self, chance: random.Random) -> list[str]:
        one, free = self._id(chance), self._fresh(chance)
        return [
            f"UPDATE items SET id = {free} WHERE id = {one}",
            f"UPDATE items SET n = n + 1 WHERE id = {free}",
            f"UPDATE items SET id = {one} WHERE id = {free}",
        ]
