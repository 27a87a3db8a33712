"""A writer on the table that is changed, at full speed or at a steady one.

`python -m tests.benchmarks.alone.copy_writer PORT ROWS PER_SECOND`

One connection, each statement a transaction of its own: six updates, three inserts and a delete in ten, of
rows anywhere in the table. PER_SECOND 0: one statement after the other; otherwise so many at most, evenly,
and what was missed is not made up for. What it measures begins with a line on its standard input, which it
answers, and ends with another. Then it prints how long its statements took, in ms, and how many failed.
"""

from __future__ import annotations

import random
import select
import sys
import time
from typing import Any

import msgspec
import pymysql

from tests.benchmarks.harness.measured import percentile

SHOPS = 97


def main(port: int, rows: int, per_second: float) -> None:
    """Write, and print."""
    connection: Any = pymysql.connect(
        host="127.0.0.1", port=port, user="root", database="bench", autocommit=True
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        writer = _Writer(cursor, rows, per_second)
        writer.until_told()  # warm; does not count
        sys.stdout.write("writing\n")
        sys.stdout.flush()
        writer.forget()
        writer.until_told()
    sys.stdout.write(msgspec.json.encode(writer.said()).decode())


class _Writer:
    def __init__(self, cursor: Any, rows: int, per_second: float) -> None:
        self._cursor = cursor
        self._rows = rows
        self._pause_seconds = 1 / per_second if per_second else 0.0
        self._chance = random.Random(1)
        self.forget()

    def forget(self) -> None:
        """Begin to measure."""
        self._waits: list[float] = []
        self._errors = 0
        self._began = time.perf_counter()

    def until_told(self) -> None:
        """Write until there is a line on standard input."""
        while True:
            at = time.perf_counter()
            self._write()
            due = max(0.0, at + self._pause_seconds - time.perf_counter())
            if select.select([sys.stdin], [], [], due)[0]:
                sys.stdin.readline()
                return

    def said(self) -> dict[str, float]:
        """Return what was measured."""
        waits, seconds = sorted(self._waits), time.perf_counter() - self._began
        return {
            "p50_ms": percentile(waits, 50), "p99_ms": percentile(waits, 99), "longest_ms": waits[-1],
            "per_s": len(waits) / seconds, "errors": self._errors,
        }  # fmt: skip

    def _write(self) -> None:
        statement, at = _statement(self._chance, self._rows), time.perf_counter()
        try:
            self._cursor.execute(statement)
        except pymysql.Error:
            self._errors += 1
        self._waits.append(1000 * (time.perf_counter() - at))


def _statement(chance: random.Random, rows: int) -> str:
    act, number = chance.random(), chance.randint(1, rows)
    if act < 0.6:
        return f"UPDATE order_lines SET note = 'w{chance.random()}', price = price + 1 WHERE id = {number}"
    if act < 0.9:
        return (
            "INSERT INTO order_lines (shop_id, sku, note, price, ordered) "
            f"VALUES ({number % SHOPS}, 'w{number}', 'new', 3, '2026-11-24')"
        )
    return f"DELETE FROM order_lines WHERE id = {number}"


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
