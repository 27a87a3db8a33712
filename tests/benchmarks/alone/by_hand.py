"""The loop that a developer would write by hand: a keyset, PyMySQL, a commit for each batch, nothing else.

It sends what podwork's batch sends for the work itself, word for word: the keys of the next batch's ends by
two keyset reads in one statement, and the update between them; READ COMMITTED too. It promises nothing: no
checkpoint, no lease, no throttle, no progress, and a killed one begins anew.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

from sqlalchemy.engine import make_url

from tests.benchmarks.alone.backfills import INCREMENT

_END = (
    "(SELECT id FROM items FORCE INDEX (`PRIMARY`) WHERE id > %(after)s AND id <= %(upto)s"
    " ORDER BY id ASC LIMIT {at}1)"
)
_ENDS = f"SELECT {_END.format(at='')}, {_END.format(at='%(last)s, ')}"
_READ = (
    "SELECT id, n FROM items FORCE INDEX (`PRIMARY`) WHERE id > %(after)s AND id <= %(upto)s"
    " ORDER BY id ASC LIMIT %(rows)s"
)
_INCREMENT = INCREMENT.format(lo="%(lo)s", hi="%(hi)s")


class ByHand:
    """A connection; a context manager that closes it."""

    def __init__(self, url: str) -> None:
        import pymysql

        parts = make_url(url)
        self._connection: Any = pymysql.connect(
            host=parts.host, port=parts.port or 3306, user=parts.username, database=parts.database
        )
        self._cursor: Any = self._connection.cursor()
        self._cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def increment(self, rows: int) -> float:
        """Add one to every row in batches of so many; return the seconds."""
        began = time.perf_counter()
        after, upto = 0, self._greatest()
        while after < upto:
            self._cursor.execute(_ENDS, {"after": after, "upto": upto, "last": rows - 1})
            lo, hi = self._cursor.fetchone()
            after = upto if hi is None else hi
            self._cursor.execute(_INCREMENT, {"lo": lo, "hi": after})
            self._connection.commit()
        return time.perf_counter() - began

    def read(self, rows: int) -> float:
        """Read every row in batches of so many, with an empty loop over each; return the seconds."""
        began = time.perf_counter()
        after, upto = 0, self._greatest()
        while after < upto:
            self._cursor.execute(_READ, {"after": after, "upto": upto, "rows": rows})
            found = self._cursor.fetchall()
            for _item in found:
                pass
            self._connection.commit()
            after = found[-1][0]
        return time.perf_counter() - began

    def _greatest(self) -> int:
        self._cursor.execute("SELECT MAX(id) FROM items")
        [greatest] = self._cursor.fetchone()
        return int(greatest)
