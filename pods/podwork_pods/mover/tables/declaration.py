"""What an application says of its tables: which rows are a shop's.

Owns: `ShopTables` and its parts (`shop`, `joined`, `reference`, `pod_local`). Promises: a declaration that
cannot be meant is refused when it is made, without a database; the tables are in the order in which they
were declared. Leaves to others: whether the database has such tables (`catalogue`), podwork's own tables
(`own`).

    from podwork_pods.mover.tables.declaration import ShopTables, joined, pod_local, reference, shop

    tables = ShopTables(
        shop("orders"),
        joined("order_lines", through="orders", on={"order_id": "id"}),
        reference("currencies"),
        pod_local("sessions"),
    )
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from podwork_pods.mover.tables.errors import InvalidTables

SHOP_COLUMN: Final = "shop_id"
RESERVED_PREFIXES: Final = ("podwork_", "_podwork_")
"""Tables called so are podwork's, and are known."""


class Kind(StrEnum):
    """What becomes of a table's rows when a shop moves."""

    SHOP = "shop"
    """Rows with the shop's number travel."""
    JOINED = "joined"
    """Rows travel with the rows of another table to which they belong."""
    REFERENCE = "reference"
    """Every pod has the same rows; nothing travels."""
    POD_LOCAL = "pod_local"
    """Rows are the pod's own; nothing travels, and nothing that travels refers to them."""


class Declared(NamedTuple):
    """One table's line in a declaration; made by the functions below."""

    kind: Kind
    name: str
    column: str | None = None
    through: str | None = None
    on: tuple[tuple[str, str], ...] = ()
    leased_ids: bool = False

    @property
    def moves(self) -> bool:
        """Whether rows of it travel."""
        return self.kind in (Kind.SHOP, Kind.JOINED)


def shop(name: str, column: str = SHOP_COLUMN, *, leased_ids: bool = False) -> Declared:
    """Declare a table whose rows have the shop's number in `column`.

    `leased_ids`: the application gives every row its id, out of ranges that no two pods share, although the
    column is AUTO_INCREMENT.
    """
    return Declared(Kind.SHOP, name, column=column, leased_ids=leased_ids)


def joined(name: str, *, through: str, on: Mapping[str, str], leased_ids: bool = False) -> Declared:
    """Declare a table whose rows belong to rows of the table `through`, which travel.

    `on`: its own column -> the column of `through` with the same value, which is unique there. To whom a row
    belongs must not change: only then does the source's log say which shop a deleted row was of.
    """
    return Declared(Kind.JOINED, name, through=through, on=tuple(on.items()), leased_ids=leased_ids)


def reference(name: str) -> Declared:
    """Declare a table that holds the same on every pod, such as currencies."""
    return Declared(Kind.REFERENCE, name)


def pod_local(name: str) -> Declared:
    """Declare a table whose rows stay with the pod, such as caches, or rows of no shop."""
    return Declared(Kind.POD_LOCAL, name)


class ShopTables:
    """An application's tables, each declared once.

    Raises:
        InvalidTables: the declaration cannot be meant.
    """

    def __init__(self, *tables: Declared) -> None:
        self._by_name = _by_name(tables)
        for table in tables:
            _check(table, self._by_name)
        for table in tables:
            _check_chain(table, self._by_name)

    def __iter__(self) -> Iterator[Declared]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def get(self, name: str) -> Declared | None:
        """Return a table's line; None: it is not declared."""
        return self._by_name.get(name)

    @property
    def moving(self) -> tuple[Declared, ...]:
        """Those whose rows travel."""
        return tuple(table for table in self if table.moves)


def _by_name(tables: Iterable[Declared]) -> dict[str, Declared]:
    found: dict[str, Declared] = {}
    for table in tables:
        if not isinstance(table, Declared):
            raise InvalidTables(
                repr(table), "it is no table", 'write shop("orders"), joined(...), reference(...)'
            )
        if table.name in found:
            raise InvalidTables(table.name, "it is declared twice", "leave one of the two out")
        found[table.name] = table
    return found


def _check(table: Declared, by_name: Mapping[str, Declared]) -> None:
    if not table.name:
        raise InvalidTables("a table", "it has no name", "name it as the database does")
    if table.name.lower().startswith(RESERVED_PREFIXES):
        raise InvalidTables(table.name, "it is podwork's own, and known", "leave it out")
    if table.kind is Kind.SHOP and not table.column:
        raise InvalidTables(table.name, "its shop column has no name", 'write column="shop_id"')
    if table.kind is Kind.JOINED:
        _check_join(table, by_name)


def _check_join(table: Declared, by_name: Mapping[str, Declared]) -> None:
    above = by_name.get(table.through or "")
    if not table.on or not all(own and theirs for own, theirs in table.on):
        raise InvalidTables(
            table.name, "nothing says which rows belong together", 'write on={"order_id": "id"}'
        )
    if above is None:
        raise InvalidTables(
            table.name,
            f"it is joined through {table.through!r}, which is not declared",
            "declare that one, too",
        )
    if not above.moves:
        raise InvalidTables(
            table.name,
            f"it is joined through {above.name}, which is {above.kind} and does not travel",
            f"declare it {above.kind}, too, or join it through a table of the shop",
        )


def _check_chain(table: Declared, by_name: Mapping[str, Declared]) -> None:
    """Pass if going up from table to table ends at one with the shop's number."""
    seen = [table.name]
    while table.through is not None:
        table = by_name[table.through]
        if table.name in seen:
            chain = " -> ".join([*seen, table.name])
            raise InvalidTables(seen[0], f"it is joined in a circle: {chain}", "one of them needs shop(...)")
        seen.append(table.name)
