"""The statements that read, insert and delete a shop's rows of one table.

Owns: `Statements`. Promises: each names rows of the shop only, also of a table that is joined through
others: reads join what says whose a row is, so that a lock covers that too, and deletes ask for it. Rows
are inserted plainly: never in another row's place. Leaves to others: which keys, and over which session.
"""

# ruff: noqa: S608 - names are quoted, values are literals made by `literals`

from __future__ import annotations

from typing import Final

from podwork_pods.mover.passage import Passage
from podwork_pods.mover.rows import literals
from podwork_pods.mover.rows.literals import Key, quoted
from podwork_pods.mover.tables.table import ColumnFact, MovedTable, Rewrite

LONG_ROW_BYTES: Final = 64 << 10
"""Rows with longer values go one by one."""
LOCKED: Final = " LOCK IN SHARE MODE"
_ROW: Final = "t0"


class Statements:
    """Statements on one table for one passage."""

    def __init__(self, table: MovedTable, passage: Passage) -> None:
        self.table = table
        self._shop = int(passage.shop_id)
        self._instead = {
            name: {Rewrite.EPOCH: passage.epoch + 1, Rewrite.POD: passage.target, Rewrite.ON_THE_WAY: -1}[how]
            for name, how in table.rewritten
        }
        self.root, self._from, root_alias = _joined(table)
        self._whose = f"{root_alias}.{quoted(self.root.shop_column or '')} = {self._shop}"
        self._key = [f"{_ROW}.{quoted(name)}" for name in table.key]
        # Of the shop's own column there is one value: it bounds nothing.
        self.walked = tuple(name for name in self.root.key if name != self.root.shop_column) or self.root.key
        self._walk = [f"{root_alias}.{quoted(name)}" for name in self.walked]
        self.long_columns = tuple(
            column
            for column in table.columns
            if literals.may_be_long(column) and not self._is_instead(column)
        )
        long = [f"IFNULL(LENGTH({_ROW}.{quoted(column.name)}), 0)" for column in self.long_columns]
        self._is_long = f"{' + '.join(long)} > {LONG_ROW_BYTES}" if long else "FALSE"

    def bound(self, after: Key | None, rows: int) -> str:
        """Select the key of the root's row that many rows behind, or nothing."""
        root = f"{quoted(self.root.name)} AS {_ROW}"
        places = [f"{_ROW}.{quoted(name)}" for name in self.walked]
        key = ", ".join(
            literals.key_part(self.root.column(name), place)
            for name, place in zip(self.walked, places, strict=True)
        )
        behind = "" if after is None else f" AND {literals.beyond(places, '>', after)}"
        shop = f"{_ROW}.{quoted(self.root.shop_column or '')} = {self._shop}"
        order = f"ORDER BY {', '.join(places)} LIMIT 1 OFFSET {rows - 1}"
        return f"SELECT {key} FROM {root} WHERE {shop}{behind} {order}"

    def between(self, after: Key | None, upto: Key | None) -> str:
        """Return the condition of the rows whose root's row lies behind `after`, up to `upto`."""
        parts = ((after, ">"), (upto, "<="))
        bounds = [literals.beyond(self._walk, operator, key) for key, operator in parts if key is not None]
        return " AND ".join(bounds) or "TRUE"

    def keyed(self, keys: list[Key]) -> str:
        """Return the condition of the rows with these keys."""
        return literals.one_of(self._key, keys)

    def read(self, condition: str, *, locked: bool) -> str:
        """Select one row: how many rows, how many of them long, and the others as a list for VALUES."""
        line = "'(', " + ", ',', ".join(self._literal(column) for column in self.table.columns) + ", ')'"
        whole = f"CONCAT({line})"
        if self.long_columns:
            whole = f"IF({self._is_long}, NULL, {whole})"
        return self._select(
            f"COUNT(*), IFNULL(SUM({self._is_long}), 0), GROUP_CONCAT({whole} SEPARATOR ',')",
            condition,
            locked,
        )

    def keys(self, condition: str, *, locked: bool = False, long: bool = False) -> str:
        """Select the keys of the rows, or of the long ones among them."""
        also = f"({condition}) AND {self._is_long}" if long else condition
        return self._select(self._key_text(), also, locked)

    def some_keys(self, condition: str, rows: int) -> str:
        """Select the keys of up to so many of the rows."""
        return f"{self._select(self._key_text(), condition, locked=False)} LIMIT {rows}"

    def read_long(self, condition: str, *, locked: bool) -> str:
        """Select the long rows column by column: long values as they are, others as literals."""
        columns = ", ".join(
            f"{_ROW}.{quoted(column.name)}" if column in self.long_columns else self._literal(column)
            for column in self.table.columns
        )
        return self._select(columns, f"({condition}) AND {self._is_long}", locked)

    def insert(self) -> str:
        """Return the beginning of an INSERT, up to VALUES."""
        names = ", ".join(quoted(name) for name in self.table.column_names)
        return f"INSERT INTO {quoted(self.table.name)} ({names}) VALUES "

    def delete(self, keys: list[Key]) -> str:
        """Delete the shop's rows with these keys; of a joined table those, too, that are of no shop.

        Such a row is one of the shop's that was copied, and what it is joined to was not yet, or is no more.
        """
        name = self.table.name
        places = [f"{quoted(name)}.{quoted(column)}" for column in self.table.key]
        whose = self.table.of_shop(name) % self._shop
        if self.table.parent is not None:
            above = quoted("_owner")
            pairs = " AND ".join(
                f"{above}.{quoted(theirs)} = {quoted(name)}.{quoted(own)}" for own, theirs in self.table.link
            )
            owner = f"{quoted(self.table.parent.name)} AS {above}{_owners(self.table.parent)}"
            whose = f"({whose} OR NOT EXISTS (SELECT 1 FROM {owner} WHERE {pairs}))"
        return f"DELETE FROM {quoted(name)} WHERE {literals.one_of(places, keys)} AND {whose}"

    def children(self, child: MovedTable, keys: list[Key], *, locked: bool) -> str:
        """Select the keys of a child's rows that belong to these rows."""
        own = _child(child)
        return (
            f"SELECT {', '.join(own[1])} FROM {quoted(child.name)} AS c JOIN {self._from} "
            f"ON {own[0]} WHERE {self._whose} AND {self.keyed(keys)}{LOCKED if locked else ''}"
        )

    def _literal(self, column: ColumnFact) -> str:
        if self._is_instead(column):
            return f"'{self._instead[column.name]}'"
        return literals.value(column, f"{_ROW}.{quoted(column.name)}")

    def _is_instead(self, column: ColumnFact) -> bool:
        return column.name in self._instead

    def _key_text(self) -> str:
        return ", ".join(
            literals.key_part(self.table.column(name), place)
            for name, place in zip(self.table.key, self._key, strict=True)
        )

    def _select(self, what: str, condition: str, locked: bool) -> str:
        lock = LOCKED if locked else ""
        return f"SELECT {what} FROM {self._from} WHERE {self._whose} AND ({condition}){lock}"


def _joined(table: MovedTable) -> tuple[MovedTable, str, str]:
    """Return the table that has the shop's number, the joined tables, and the former's alias."""
    alias, text = _ROW, f"{quoted(table.name)} AS {_ROW}"
    depth = 0
    while table.parent is not None:
        depth += 1
        above = f"t{depth}"
        pairs = " AND ".join(
            f"{above}.{quoted(theirs)} = {alias}.{quoted(own)}" for own, theirs in table.link
        )
        text += f" JOIN {quoted(table.parent.name)} AS {above} ON {pairs}"
        table, alias = table.parent, above
    return table, text, alias


def _owners(table: MovedTable) -> str:
    """Return the joins from a row called `_owner` up to the one that has the shop's number."""
    text, alias = "", "_owner"
    while table.parent is not None:
        above = f"_owner_{table.parent.rank}"
        pairs = (
            f"{quoted(above)}.{quoted(theirs)} = {quoted(alias)}.{quoted(own)}" for own, theirs in table.link
        )
        text += f" JOIN {quoted(table.parent.name)} AS {quoted(above)} ON {' AND '.join(pairs)}"
        table, alias = table.parent, above
    return text


def _child(child: MovedTable) -> tuple[str, list[str]]:
    pairs = " AND ".join(f"c.{quoted(own)} = {_ROW}.{quoted(theirs)}" for own, theirs in child.link)
    return pairs, [literals.key_part(child.column(name), f"c.{quoted(name)}") for name in child.key]
