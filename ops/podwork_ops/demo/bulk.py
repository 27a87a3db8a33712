"""Writing many lines into one shard, the fast way of its database.

Owns: SQLite's `executemany` and MariaDB's `LOAD DATA LOCAL INFILE`, each in one transaction per shard.
Promises: all lines of the call are there, or none. Leaves to others: which lines belong there.

Measured for 507,000 lines on 2 cores: SQLite 1.3 s; MariaDB 2.5 s by `LOAD DATA`, 7.8 s by inserts of
1,000 rows each.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
from pyarrow import csv
from sqlalchemy import URL, make_url

from podwork_ops.demo.schema import order_lines

BATCH_LINES = 50_000
Written = Callable[[int], None]


def write_lines(shard_url: str, table: pa.Table, written: Written) -> None:
    """Write the lines into the shard's `order_lines`; `written` is told how many after each batch."""
    url = make_url(shard_url)
    write = _write_sqlite if url.get_backend_name() == "sqlite" else _write_mariadb
    write(url, table.select(order_lines.columns.keys()), written)


def _write_sqlite(url: URL, table: pa.Table, written: Written) -> None:
    marks = ", ".join("?" * table.num_columns)
    statement = f"INSERT INTO {order_lines.name} ({', '.join(table.column_names)}) VALUES ({marks})"  # noqa: S608 - ours
    with closing(sqlite3.connect(str(url.database))) as connection, connection:
        for batch in _batches(table):
            columns = [column.to_pylist() for column in batch.columns]
            connection.executemany(statement, zip(*columns, strict=True))
            written(batch.num_rows)


def _write_mariadb(url: URL, table: pa.Table, written: Written) -> None:
    import pymysql  # noqa: PLC0415 - an extra: the embedded form does without it

    options = csv.WriteOptions(include_header=False, quoting_style="none")
    statement = (
        f"LOAD DATA LOCAL INFILE %s INTO TABLE {order_lines.name} "
        f"FIELDS TERMINATED BY ',' ({', '.join(table.column_names)})"
    )
    with (
        tempfile.TemporaryDirectory(prefix="podwork-demo-") as folder,
        closing(
            pymysql.connect(
                host=url.host,
                port=url.port or 3306,
                user=url.username,
                password=url.password or "",
                database=url.database,
                local_infile=True,
            )
        ) as connection,
        connection.cursor() as cursor,
    ):
        for batch in _batches(table):
            file = Path(folder) / "lines.csv"
            csv.write_csv(batch, file, options)
            taken = cursor.execute(statement, (str(file),))
            if taken != batch.num_rows:  # LOCAL passes over what it cannot insert, with a warning only
                raise pymysql.DataError(f"only {taken} of {batch.num_rows} lines were taken")
            written(batch.num_rows)
        connection.commit()


def _batches(table: pa.Table) -> Iterator[pa.Table]:
    for start in range(0, table.num_rows, BATCH_LINES):
        yield table.slice(start, BATCH_LINES)
