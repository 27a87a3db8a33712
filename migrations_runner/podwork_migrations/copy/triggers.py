"""What the triggers do that keep a copy in step with its table, and an old table with its successor.

Owns: `Mirror`, the text of the three triggers. Promises:

- *The table is believed, not NEW.* MariaDB calls AFTER UPDATE also for a row that `UPDATE IGNORE` left as it
  was: a trigger for updates reads the row again, and asks whether a key has really changed.
- *A row that is not there yet is left alone.* The run that copies has it before it; what lies behind the run
  is there.
- *The application does not pay for what the copy cannot take.* The listed errors become a row in the table of
  faults, and the statement succeeds; who runs the copy sees the row and gives up. Deadlocks and lock waits
  (1213, 1205) are not among them: a statement that was undone must not count as done.
- *A target that is missing is no error.* So the triggers for the way back stand on the copy before it takes
  the table's place, and work from the first statement after that; and those that have moved away with the old
  table do nothing.
- *One row at a time.* Rows are inserted with VALUES: INSERT ... SELECT would hold the counter of
  AUTO_INCREMENT until the application's statement ends, and two of them could wait for one another.

Leaves to others: making them (`build`), seeing faults (`journal`).
"""

# ruff: noqa: S608 - names are quoted, values are parameters

from __future__ import annotations

from typing import Final, NamedTuple

from podwork_migrations.copy.names import Event, quoted

LATCHED: Final = (1048, 1054, 1062, 1136, 1264, 1265, 1292, 1364, 1366, 1406, 1526, 1690, 3819, 4025)
"""Null, column, duplicate, count, range, cut, value, default, text, length, partition, overflow, checks."""
_MISSING: Final = 1146
SQL_MODE: Final = "STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES"
"""Under which the triggers are made, and rows are copied: what does not fit is an error, and all that the
table holds is taken as it is, a key of 0 and a date of zeros too."""


class Mirror(NamedTuple):
    """From one table to another.

    Attributes:
        on: the table that has the triggers when they are made. source: what it is called when they work.
        target: what is kept in step. faults: where faults are written.
        key: the shared key's columns. pairs: of the columns that both have: (source's, target's).
        text_keys: of the key's columns those that are text; two that count as equal may differ.
        updates_in_place: one statement updates the target from the source. MySQL refuses that in a trigger of
            the source; there the row is deleted and inserted again.
    """

    on: str
    source: str
    target: str
    faults: str
    key: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    text_keys: frozenset[str] = frozenset()
    updates_in_place: bool = True

    def create(self, event: Event, name: str) -> str:
        """Return the statement that makes the trigger."""
        head = f"CREATE TRIGGER {quoted(name)} AFTER {event} ON {quoted(self.on)}"
        return f"{head} FOR EACH ROW {self.body(event)}"

    def body(self, event: Event) -> str:
        """Return what the trigger does, as the catalogue has it then."""
        seen = "OLD" if event is Event.DELETE else "NEW"
        work = {Event.DELETE: self._delete("OLD"), Event.UPDATE: self._update(), Event.INSERT: self._insert()}
        return f"BEGIN {self._handlers(seen)} {work[event]} END"

    def _handlers(self, seen: str) -> str:
        key = ", ".join(f"{seen}.{quoted(name)}" for name in self.key)
        return (
            f"DECLARE CONTINUE HANDLER FOR {_MISSING} BEGIN END; "
            f"DECLARE CONTINUE HANDLER FOR {', '.join(map(str, LATCHED))} BEGIN "
            "DECLARE podwork_code INT; DECLARE podwork_text TEXT; "
            "GET DIAGNOSTICS CONDITION 1 podwork_code = MYSQL_ERRNO, podwork_text = MESSAGE_TEXT; "
            f"INSERT INTO {quoted(self.faults)} (code, message, at_key, target) "
            f"VALUES (podwork_code, podwork_text, LEFT(CONCAT_WS(',', {key}), 255), '{self.target}'); END;"
        )

    def _delete(self, row: str) -> str:
        return f"DELETE FROM {quoted(self.target)} WHERE {self._is(row)};"

    def _insert(self) -> str:
        columns = ", ".join(quoted(ours) for _, ours in self.pairs)
        values = ", ".join(f"NEW.{quoted(theirs)}" for theirs, _ in self.pairs)
        return f"INSERT INTO {quoted(self.target)} ({columns}) VALUES ({values});"

    def _update(self) -> str:
        same = " AND ".join(f"OLD.{quoted(name)} = NEW.{quoted(name)}" for name in self.key)
        still = f"SELECT 1 FROM {quoted(self.source)} AS s WHERE {self._is('OLD', 's')}"
        return (
            f"IF {same} THEN {self._refresh()} "
            f"ELSEIF NOT EXISTS ({still}) THEN {self._delete('OLD')} {self._insert()} END IF;"
        )

    def _refresh(self) -> str:
        """Bring the target's row to what the source's is now; no row, nothing to do."""
        if not self.updates_in_place:
            return self._renew()
        pairs = [
            (theirs, ours)
            for theirs, ours in self.pairs
            if theirs not in self.key or theirs in self.text_keys
        ]
        settings = ", ".join(f"c.{quoted(ours)} = s.{quoted(theirs)}" for theirs, ours in pairs or self.pairs)
        return (
            f"UPDATE {quoted(self.target)} AS c JOIN {quoted(self.source)} AS s ON {self._is('OLD', 's')} "
            f"SET {settings} WHERE {self._is('OLD', 'c')};"
        )

    def _renew(self) -> str:
        columns = ", ".join(quoted(ours) for _, ours in self.pairs)
        values = ", ".join(f"s.{quoted(theirs)}" for theirs, _ in self.pairs)
        return (
            f"DELETE FROM {quoted(self.target)} WHERE {self._is('OLD')}; "
            f"IF ROW_COUNT() > 0 THEN INSERT INTO {quoted(self.target)} ({columns}) "
            f"SELECT {values} FROM {quoted(self.source)} AS s WHERE {self._is('OLD', 's')}; END IF;"
        )

    def _is(self, row: str, alias: str = "") -> str:
        at = f"{alias}." if alias else ""
        return " AND ".join(f"{at}{quoted(name)} = {row}.{quoted(name)}" for name in self.key)
