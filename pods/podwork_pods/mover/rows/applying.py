"""Applying what has changed: keys that the log named are read again at the source, and put at the target as
read.

Owns: `Applier`. Promises: rows are read under a lock that waits for their writers (`copy.waits`); a batch
deletes and inserts in one transaction under the fence; the position is stored with the last batch of what
was taken with it (`copy.batch`), so that a crash before makes them be done again. A row of a table through
which others are joined takes these along where it is missing on either side: no log says whose they were.
Where a unique value has gone from row to row, all rows in question are taken away first. Leaves to others:
when (`passing`).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import pymysql
from sqlalchemy.exc import DBAPIError

from podwork.points import reach
from podwork_pods.driver_errors import is_deadlock, is_lock_timeout
from podwork_pods.mover.passage import Passage
from podwork_pods.mover.rows.errors import RowClash, RowsBusy
from podwork_pods.mover.rows.literals import Key
from podwork_pods.mover.rows.progress import Followed, Progress
from podwork_pods.mover.rows.reading import KEYS_IN_A_STATEMENT, LongRow, Portion, Reader, in_parts
from podwork_pods.mover.rows.stream.watch import Keys, Taken
from podwork_pods.mover.rows.writing import Clash, Writer
from podwork_pods.mover.tables.table import MovedTable

LOCK_TRIES: Final = 5
_PAUSE_SECONDS: Final = (0.01, 0.05)
LongKey = tuple[MovedTable, Key]


class Applier:
    """Brings rows from one shard to the other by their keys.

    Args:
        here: reads the source under locks. there: reads the target. writer, progress: use its session.
    """

    def __init__(
        self,
        passage: Passage,
        tables: Sequence[MovedTable],
        here: Reader,
        there: Reader,
        writer: Writer,
        progress: Progress,
    ) -> None:
        self._passage = passage
        self._tables = sorted(tables, key=lambda table: table.rank)
        self._here = here
        self._there = there
        self._writer = writer
        self._progress = progress
        self._children = {
            table.name: [child for child in self._tables if child.through == table.name]
            for table in self._tables
        }

    def apply(self, taken: Taken, server: str, pulse: Callable[[], None]) -> None:
        """Bring what was taken; its position is stored with the last of it.

        Raises:
            Clash: a row is in the way of another one; earlier batches stay, the position is the old one.
            RowsBusy, FenceConflict, FenceBusy: likewise.
        """
        followed = Followed(server, taken.position)
        batches = list(self._batches(taken.keys))
        long: list[LongKey] = []
        for number, batch in enumerate(batches, start=1):
            is_last = number == len(batches)
            upto = followed if is_last and not long else None
            long += self._patiently(lambda: self._bring(batch, upto))  # noqa: B023
            pulse()
        for table, key in long:
            self._patiently(lambda: self._bring({table.name: {key: None}}, None, alone=True))  # noqa: B023
            pulse()
        if long or not batches:
            self._store(followed)

    def clear(self, keys: Keys, pulse: Callable[[], None]) -> None:
        """Take these rows away at the target, and what is joined to them: they come again."""
        for batch in self._batches(keys):
            whole = {name: dict(some) for name, some in batch.items()}
            for table in self._tables:
                self._widen(self._there, table, list(whole.get(table.name, {})), whole)
            self._writer.begin()
            self._delete(whole)
            self._writer.commit()
            pulse()

    def _batches(self, keys: Keys) -> Iterator[Keys]:
        batch: Keys = {}
        count = 0
        for table in self._tables:
            for key in keys.get(table.name, {}):
                batch.setdefault(table.name, {})[key] = None
                count += 1
                if count == KEYS_IN_A_STATEMENT:
                    yield batch
                    batch, count = {}, 0
        if count:
            yield batch

    def _bring(self, keys: Keys, followed: Followed | None, *, alone: bool = False) -> list[LongKey]:
        """Bring a batch; return keys of rows with long values, which are to come alone."""
        whole = {name: dict(some) for name, some in keys.items()}
        rows, long_rows, long = self._read(whole, alone)
        reach("rows.read")
        try:
            self._writer.begin()
            self._delete(whole)
            for table, portion in rows:
                self._writer.insert(table, portion.values)
            for table, row in long_rows:
                self._writer.insert_long(table, row)
            if followed is not None and not long:
                self._progress.store_followed(followed)
            self._writer.commit()
        except Clash:
            self._writer.session.rollback()
            raise
        return long

    def _read(
        self, whole: Keys, alone: bool
    ) -> tuple[list[tuple[MovedTable, Portion]], list[tuple[MovedTable, LongRow]], list[LongKey]]:
        """Read the rows at the source, parents first; what is joined to missing ones is added to `whole`."""
        rows: list[tuple[MovedTable, Portion]] = []
        long_rows: list[tuple[MovedTable, LongRow]] = []
        long: list[LongKey] = []
        self._here.session.run("START TRANSACTION")
        try:
            for table in self._tables:
                keys = list(whole.get(table.name, {}))
                loose = self._loose(table, keys)
                for reader in (self._here, self._there):
                    self._widen(reader, table, loose, whole)
                rows.extend((table, portion) for portion in self._here.portions(table, keys))
                if any(portion.long for of, portion in rows if of is table):
                    long += [(table, key) for key in self._long_keys(table, keys)]
            if alone:
                long_rows = [(table, row) for table, key in long for row in self._here.long_rows(table, key)]
                long = []
        finally:
            self._here.session.rollback()
        return rows, long_rows, long

    def _loose(self, table: MovedTable, keys: list[Key]) -> list[Key]:
        """Return the keys of rows that are missing on either side, if others are joined through the table."""
        children = self._children[table.name]
        if not children or not keys:
            return []
        if any({theirs for _, theirs in child.link} - set(table.key) for child in children):
            return keys  # what they are joined by may have changed
        present: set[Key] | None = None
        for reader in (self._here, self._there):
            found = {
                key
                for some in in_parts(keys)
                for key in reader.keys(table, reader.statements(table).keyed(some))
            }
            present = found if present is None else present & found
        return [key for key in keys if key not in (present or ())]

    def _widen(self, reader: Reader, table: MovedTable, keys: list[Key], whole: Keys) -> None:
        for child in self._children[table.name]:
            for some in in_parts(keys):
                found = reader.children(table, child, some)
                whole.setdefault(child.name, {}).update(dict.fromkeys(found))

    def _long_keys(self, table: MovedTable, keys: list[Key]) -> list[Key]:
        statements = self._here.statements(table)
        found = [
            key
            for some in in_parts(keys)
            for key in self._here.keys(table, statements.keyed(some), long=True)
        ]
        return list(dict.fromkeys(found))

    def _delete(self, keys: Keys) -> None:
        for table in reversed(self._tables):
            if keys.get(table.name):
                self._writer.delete(table, keys[table.name])

    def _store(self, followed: Followed) -> None:
        self._writer.begin()
        self._progress.store_followed(followed)
        self._writer.commit()

    def _patiently(self, bring: Callable[[], list[LongKey]]) -> list[LongKey]:
        """Try again after a deadlock, or a lock that was not to be had: the mover is who gives way."""
        for tries_left in reversed(range(LOCK_TRIES)):
            try:
                return bring()
            except (pymysql.OperationalError, DBAPIError) as error:
                if not (is_deadlock(error) or is_lock_timeout(error)):
                    raise
                self._writer.session.rollback()
                if not tries_left:
                    raise RowsBusy(self._passage.shop_id, str(error.args[-1])) from None
            time.sleep(random.uniform(*_PAUSE_SECONDS))  # noqa: S311 - spreads movers, guards nothing
        raise AssertionError("unreachable")


def merged(keys: Keys, more: Keys) -> None:
    """Add keys to keys."""
    for name, some in more.items():
        keys.setdefault(name, {}).update(some)


def settle(error: Clash) -> RowClash:
    """Return what a clash that does not go away is: a row that is not the shop's."""
    table, _, why = str(error).partition(": ")
    return RowClash(table, why)
