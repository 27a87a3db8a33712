"""A writer at full speed on the table that is changed.

`python -m tests.benchmarks.alone.copy_writer PORT ROWS SECONDS`

One connection, each statement a transaction of its own: six updates, three inserts and a delete in ten. It
ends when its standard input does, or after SECONDS, and prints how long its statements took, in ms, and how
many failed.
"""

from __future__ import annotations

import random
import select
import sys
import time
from typing import Any

import msgspec
import pymysql

SHOPS = 97


def main(port: int, rows: int, seconds: float) -> None:
    """Write, and print."""
    chance, waits, errors = random.Random(1), [], 0
    connection: Any = pymysql.connect(
        host="127.0.0.1", port=port, user="root", database="bench", autocommit=True
    )
    began = time.perf_counter()
    with connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        while time.perf_counter() - began < seconds and not select.select([sys.stdin], [], [], 0)[0]:
            statement = _statement(chance, rows)
            at = time.perf_counter()
            try:
                cursor.execute(statement)
            except pymysql.Error:
                errors += 1
            waits.append(1000 * (time.perf_counter() - at))
    waits.sort()
    said = {
        "statements": len(waits), "errors": errors, "p50": waits[len(waits) // 2],
        "p99": waits[len(waits) * 99 // 100], "max": waits[-1], "seconds": time.perf_counter() - began,
    }  # fmt: skip
    sys.stdout.write(msgspec.json.encode(said).decode())


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
