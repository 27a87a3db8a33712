"""Another type for a column: widened, narrowed, reordered, in another character set."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from podwork_migrations.change.routes import Route
from podwork_migrations.lint.case import Case
from podwork_migrations.lint.changes import AlterColumn, ConvertCharset
from podwork_migrations.lint.column import CHARSET_BYTES
from podwork_migrations.lint.dialect import SERVERS
from podwork_migrations.lint.rule import Example, Rule, Verdict, refuse, route, unknown
from podwork_migrations.lint.widening import Circumstances, Kind, Widening, judge

_IN_ORDER = ("enum", "set")


def _changed(case: Case) -> Iterator[tuple[str, AlterColumn, Widening | None]]:
    """Yield each column that is given a type, with what that means; None: its type is not known."""
    for where, change in case.of(AlterColumn):
        if change.type is None:
            continue
        facts = case.known(change.table)
        column = facts.columns.get(change.column) if facts else None
        old = column.type if column is not None else change.old_type
        of = Circumstances(case.dialect)
        if facts is not None:
            of = Circumstances(case.dialect, facts.charset, facts.row_format, facts.is_indexed(change.column))
        yield where, change, None if old is None else judge(old, change.type, of)


def _judged(kind: Kind, verdict: Callable[[str, str], Verdict]) -> Callable[[Case], Iterator[Verdict]]:
    def found(case: Case) -> Iterator[Verdict]:
        for where, change, widening in _changed(case):
            if widening is not None and widening.kind is kind:
                yield verdict(where, f"{change.table}.{change.column}: {widening.detail}.")

    return found


def _change(case: Case) -> Iterator[Verdict]:
    yield from _judged(Kind.REWRITE, lambda where, because: route(Route.COPY, where, because))(case)
    for where, change, widening in _changed(case):
        if widening is None and change.type is not None and change.type.base not in _IN_ORDER:
            yield unknown(where, f"the type that {change.table}.{change.column} has; name existing_type=.")


def _reorder(case: Case) -> Iterator[Verdict]:
    yield from _judged(Kind.REORDERED, refuse)(case)
    for where, change, widening in _changed(case):
        if widening is None and change.type is not None and change.type.base in _IN_ORDER:
            yield unknown(where, f"the values that {change.table}.{change.column} has; name existing_type=.")


def _convert(case: Case) -> Iterator[Verdict]:
    for where, change in case.of(ConvertCharset):
        facts = case.known(change.table)
        before = facts.charset if facts else None
        if before == change.charset:
            continue
        if before is not None and CHARSET_BYTES.get(change.charset, 1) < CHARSET_BYTES.get(before, 1):
            yield refuse(where, f"Not every character of {before} is in {change.charset}.")
        else:
            yield route(Route.COPY, where, f"All texts of {change.table} are written anew.")


_MODIFY = 'op.alter_column("orders", "{column}", existing_type={old}, type_={new})'


def _example(column: str, old: str, new: str) -> Example:
    return Example(body=_MODIFY.format(column=column, old=old, new=new))


RULES = (
    Rule(
        code="change-type",
        title="A column gets another type that holds all of the old one's values",
        says="routes it to the copy; warns if the type it has now is not known",
        why="The server rewrites every row with ALGORITHM=COPY, and writers wait until it ends.",
        alternative="The online copy; or a new column, a backfill, and a switch in the code.",
        differs="Where no index has the column, MariaDB changes utf8mb3 to utf8mb4, or a collation, at once; "
        "MySQL never does. SQLite does not enforce types.",
        judge=_change,
        bad=_example("amount", "sa.Integer()", "sa.BigInteger()"),
        good=_example("note", "sa.String(20)", "sa.String(40)"),
        dialects=SERVERS,
    ),
    Rule(
        code="narrow-type",
        title="A column gets a type in which not every value has a place",
        says="refuses it",
        why="Values are cut off or refused, in the table or in its copy, and old code goes on writing them.",
        alternative="Add a column of the new type, backfill what fits, decide about the rest, and switch "
        "the code.",
        judge=_judged(Kind.NARROWER, refuse),
        bad=_example("note", "sa.String(40)", "sa.String(20)"),
        good=_example("note", "sa.String(20)", "sa.String(40)"),
        dialects=SERVERS,
    ),
    Rule(
        code="timestamp-datetime",
        title="TIMESTAMP becomes DATETIME, or the other way",
        says="refuses it",
        why="The server converts by the session's time zone, and the triggers of a copy run in the "
        "application's.",
        alternative="Add a column of the new type, let the code write both in UTC, backfill, and switch.",
        judge=_judged(Kind.ZONE, refuse),
        bad=_example("paid_at", "sa.TIMESTAMP()", "sa.DateTime()"),
        good=Example(body='op.add_column("orders", sa.Column("paid_on", sa.DateTime()))'),
        dialects=SERVERS,
    ),
    Rule(
        code="varchar-255",
        title="A VARCHAR grows beyond 255 bytes",
        says="routes it to the copy",
        why="Its length then takes two bytes instead of one, in every row: no change of the definition "
        "alone.",
        alternative="The online copy; or make it long enough the first time: up to 63 characters of utf8mb4 "
        "count as short, whatever is in them.",
        differs="Bytes, not characters: 4 for each of utf8mb4. MariaDB does it at once from up to 127 bytes, "
        "and always with ROW_FORMAT=REDUNDANT; MySQL never.",
        judge=_judged(Kind.CROSSING, lambda where, because: route(Route.COPY, where, because)),
        bad=_example("note", "sa.String(50)", "sa.String(100)"),
        good=_example("note", "sa.String(20)", "sa.String(50)"),
        dialects=SERVERS,
    ),
    Rule(
        code="enum-reorder",
        title="Values of an ENUM or SET are moved or taken away",
        says="refuses it; warns if the values it has now are not known",
        why="Rows hold a value's place; with the places changed, old code and indexes see others.",
        alternative="Append new values at the end. To drop one, backfill its rows, and leave it in the list.",
        judge=_reorder,
        bad=_example("state", 'sa.Enum("new", "paid")', 'sa.Enum("new", "held", "paid")'),
        good=_example("state", 'sa.Enum("new", "paid")', 'sa.Enum("new", "paid", "held")'),
        dialects=SERVERS,
    ),
    Rule(
        code="convert-charset",
        title="A table is converted to another character set",
        says="routes it to the copy; refuses a smaller set",
        why="The server rewrites every text with ALGORITHM=COPY, and writers wait until it ends.",
        alternative="The online copy. For new columns only: DEFAULT CHARACTER SET, which changes no row.",
        judge=_convert,
        bad=Example(body='op.execute("ALTER TABLE orders CONVERT TO CHARACTER SET utf8mb4")'),
        good=Example(body='op.execute("ALTER TABLE orders DEFAULT CHARACTER SET utf8mb4")'),
        dialects=SERVERS,
    ),
)
