"""The guards of `podwork_pods.mover.rows` that promises rest on, for `tests.mutants`.

Owns the list only, as (name, file, guard, broken, tests); how one is taken out and judged is `tests.mutants`'.
"""

# ruff: noqa: E501 - a guard is quoted as it stands

from __future__ import annotations

_ROWS = "pods/podwork_pods/mover/rows"
_VALUES = "tests/contract/test_mover_rows_values.py"
_WRITERS = (
    "--deselect=tests/contract/test_mover_rows_writers.py::test_many_histories_end_equal "
    "tests/contract/test_mover_rows_writers.py"
)
_STREAM = "tests/contract/test_mover_rows_stream.py"
_PURGE = "tests/contract/test_mover_rows_purge.py"
_SQLITE = "tests/contract/test_mover_rows_sqlite.py"
_FENCE = "tests/contract/test_pods_fence.py"

Guard = tuple[str, str, str, str, str]


def _rows(name: str, file: str, guard: str, broken: str, tests: str) -> Guard:
    return (f"mover rows: {name}", f"{_ROWS}/{file}.py", guard, broken, tests)


def _fence(name: str, guard: str, broken: str) -> Guard:
    return (f"fence: {name}", "pods/podwork_pods/fence.py", guard, broken, _FENCE)


GUARDS: list[Guard] = [
    _fence("receive: epochs only grow", ".where(table.c.epoch <= epoch)", ""),
    _fence("hold_to_fill: mover", " or row.mover_epoch != mover_epoch:", ":"),
    _fence("hold_to_fill: state", " or row.state not in states", ""),
    _fence("ways: an open fence is not purged", "    FenceState.PURGING: (FenceState.MOVED,", "    FenceState.PURGING: (FenceState.OPEN, FenceState.MOVED,"),
    _fence("ways: incoming waits for a purge", "    FenceState.INCOMING: (FenceState.INCOMING,", "    FenceState.INCOMING: (FenceState.PURGING, FenceState.INCOMING,"),
    _rows("a batch holds the fence", "writing", "            self._fence.hold_to_fill(self.session.connection, passage.shop_id, self._states, passage.mover)\n", "            pass\n", _WRITERS),
    _rows("a refused batch lets the fence go", "writing", "            self.session.rollback()  # or the lock on the fence would stay\n", "", _WRITERS),
    _rows("inserted plainly", "statements", 'return f"INSERT INTO {quoted(self.table.name)}', 'return f"REPLACE INTO {quoted(self.table.name)}', _WRITERS),
    _rows("what the server says of values", "writing", "            _look_at(table, self.session.what_it_said())", "            pass", _VALUES + " tests/contract/test_mover_rows_refusals.py"),
    _rows("floats as doubles", "literals", "{place} + 0e0, ''''", "{place}, ''''", _VALUES),
    _rows("places of enums", "literals", 'f"IFNULL({place} + 0, \'NULL\')"', 'f"QUOTE({place})"', _VALUES),
    _rows("zeros at the end of a binary key", "literals", 'stored = stored.ljust(declared_length(column), b"\\0")', "pass", _STREAM),
    _rows("a deadlock is tried again", "applying", "                if not (is_deadlock(error) or is_lock_timeout(error)):\n                    raise\n", "                raise\n", "tests/integration/test_mover_locks.py"),
    _rows("lines of orders that are missing", "applying", "                    self._widen(reader, table, loose, whole)", "                    pass", _WRITERS),
    _rows("unique values that go round", "passing", "            self._clear_way(pulse)\n        raise", "        raise", _WRITERS),
    _rows("rows are read when their writers have ended", "passing", "here = Reader(self._locks, self.passage, locked=True)", "here = Reader(self._locks, self.passage, locked=False)", _WRITERS),
    _rows("what could not be applied is noted again", "passing", "            except Clash as clash:\n                self._watching.put_back(taken)", "            except Clash as clash:", _WRITERS),
    _rows("another server's position", "passing", "if stored is not None and stored.server != server:", "if False:", _STREAM),
    _rows("positions are ends of transactions", "stream/follower", "        if not self._in_transaction:\n", "        if True:\n", _STREAM),
    _rows("a map begins a transaction", "stream/follower", "        if isinstance(event, (MariadbGtidEvent, TableMapEvent)):\n            self._in_transaction = True ", "        if isinstance(event, (MariadbGtidEvent, TableMapEvent)):\n            pass ", _STREAM),
    _rows("a lost connection is not made again", "stream/follower", "if self._connected > 2:", "if False:", _STREAM),
    _rows("events that cannot be read", "stream/follower", "filter_non_implemented_events=False", "filter_non_implemented_events=True", _STREAM),
    _rows("a table that is altered", "stream/follower", "if saying is Saying.CHANGES_TABLE:", "if False:", _STREAM),
    _rows("statements instead of rows", "stream/follower", "elif saying is Saying.CHANGES_ROWS:", "elif False:", _STREAM),
    _rows("images without keys", "stream/images", "if not needed <= set(present):", "if False:", _STREAM),
    _rows("further back than the first", "stream/follower", "self._position > watch.position or ", "", _STREAM),
    _rows("asked before each batch", "purging", "                check()\n", "", _PURGE),
    _rows("purged under a purging fence", "purging", "(FenceState.PURGING,)", "tuple(FenceState)", _PURGE),
    _rows("batches are small", "purging", "BATCH_ROWS: Final = 500", "BATCH_ROWS: Final = 5000", _PURGE),
    _rows("SQLite: the source is closed", "plain", "if found is None or (found.state, found.mover_epoch) != (FenceState.CLOSED, passage.mover):", "if False:", _SQLITE),
    _rows("SQLite: the target is held", "plain", "        target_fence.hold_to_fill(there, passage.shop_id, states, passage.mover)\n", "", _SQLITE),
]  # fmt: skip
