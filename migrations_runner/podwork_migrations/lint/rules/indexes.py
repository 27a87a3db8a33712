"""Indexes, added and dropped."""

from __future__ import annotations

from collections.abc import Iterator

from podwork_migrations.change.routes import Route
from podwork_migrations.lint.case import Case
from podwork_migrations.lint.changes import AddIndex, DropConstraint, DropIndex
from podwork_migrations.lint.dialect import SERVERS
from podwork_migrations.lint.facts import Count, IndexFacts, TableFacts
from podwork_migrations.lint.rule import Example, Rule, Verdict, refuse, route, unknown


def _add_unique(case: Case) -> Iterator[Verdict]:
    for where, change in case.of(AddIndex):
        if not change.unique:
            continue
        facts = case.known(change.table)
        columns = tuple(name for name in change.columns if name is not None)
        counted = facts.duplicates.get(columns) if facts and len(columns) == len(change.columns) else None
        missing = f"how many values of {_named(change)} occur more than once."
        if counted is not None and counted.number:
            more = "" if counted.whole else "at least "
            yield refuse(
                where, f"{more}{counted.number} values of {_named(change)} occur more than once.".capitalize()
            )
        elif case.on_server:
            is_known = counted is not None and counted.whole
            yield route(Route.INPLACE, where, "" if is_known else f"Not known here: {missing}")
        elif counted is None or not counted.whole:
            yield unknown(where, missing)


def _add_index(case: Case) -> Iterator[Verdict]:
    for where, change in case.of(AddIndex):
        if change.unique or change.kind:
            continue
        facts = case.known(change.table)
        if facts is None or facts.rows is None:
            yield unknown(where, f"how many rows {change.table} has, and whether it has replicas.")
        elif not facts.is_small and facts.replicas != 0:
            yield route(Route.COPY, where, f"{change.table} has about {facts.rows} rows.")


def _blocking_index(case: Case) -> Iterator[Verdict]:
    for where, change in case.of(AddIndex):
        if change.kind:
            yield route(Route.COPY, where, f"{change.kind.upper()} on {change.table}.")


def _drop_index(case: Case) -> Iterator[Verdict]:
    dropped: list[tuple[str, DropIndex | DropConstraint]] = [*case.of(DropIndex), *case.of(DropConstraint)]
    for where, change in dropped:
        facts = case.known(change.table)
        index = facts.index(change.name) if facts else None
        if facts is None:
            if isinstance(change, DropIndex):
                yield unknown(
                    where, f"whether the optimizer uses {change.name}, or has been told to ignore it."
                )
        elif index is not None and not index.ignored:
            yield refuse(where, f"{change.name} of {facts.name} is in use.")


def _named(change: AddIndex) -> str:
    return f"{change.table} ({', '.join(name or '...' for name in change.columns)})"


_BY_EMAIL = 'op.create_index("by_email", "orders", ["email"], unique=True)'
_BY_NOTE = 'op.create_index("by_note", "orders", ["note"])'
_DROPPED = 'op.drop_index("by_note", "orders")'


def _with_index(ignored: bool) -> tuple[TableFacts, ...]:
    return (TableFacts(name="orders", indexes=(IndexFacts("by_note", ("note",), ignored=ignored),)),)


def _of_rows(rows: int) -> tuple[TableFacts, ...]:
    return (TableFacts(name="orders", rows=rows),)


RULES = (
    Rule(
        code="add-unique",
        title="A unique index is added",
        says="refuses it if values occur more than once; else routes it to in place",
        why="A copy would leave out the rows that the index refuses, and nobody would know; built in "
        "place, the server fails with error 1062 on the first.",
        alternative="Find and mend the duplicates, let the code keep new ones out, then add it: in place.",
        differs="SQLite makes the table anew or fails; there is no route to choose, so with no duplicates "
        "nothing is said.",
        judge=_add_unique,
        bad=Example(
            body=_BY_EMAIL,
            given="two e-mail addresses occur more than once",
            facts=(TableFacts(name="orders", duplicates={("email",): Count(2)}),),
        ),
        good=Example(body=_BY_NOTE, given="it is not unique"),
    ),
    Rule(
        code="add-index",
        title="An index is added to a large table",
        says="routes it to the copy above 100,000 rows, unless there is no replica; warns if that is not "
        "known",
        why="Writers go on while it is built, but a replica builds it after that, and lags for as long.",
        alternative="The online copy; or in place, measured, where no replica follows.",
        judge=_add_index,
        bad=Example(body=_BY_NOTE, given="5,000,000 rows", facts=_of_rows(5_000_000)),
        good=Example(body=_BY_NOTE, given="5,000 rows", facts=_of_rows(5_000)),
        dialects=SERVERS,
    ),
    Rule(
        code="blocking-index",
        title="A FULLTEXT or SPATIAL index is added",
        says="routes it to the copy",
        why="The server builds it with LOCK=SHARED: writers wait until it ends.",
        alternative="The online copy; or a search engine beside the database.",
        judge=_blocking_index,
        bad=Example(
            body=(
                'op.create_index("by_note", "orders", ["note"], mysql_prefix="FULLTEXT", '
                'mariadb_prefix="FULLTEXT")'
            )
        ),
        good=Example(body=_BY_NOTE),
        dialects=SERVERS,
    ),
    Rule(
        code="drop-index",
        title="An index is dropped that may be in use",
        says="refuses it unless the optimizer ignores the index already; warns if that is not known",
        why="A query that needed it reads the whole table from then on, and building it again takes hours.",
        alternative="Let the optimizer ignore it first, in a migration of its own, and look at the slow "
        "queries for a day: that is undone at once.",
        differs="MariaDB 10.6: ALTER TABLE t ALTER INDEX i IGNORED. MySQL 8: ALTER TABLE t ALTER INDEX i "
        "INVISIBLE. Unique indexes go on being enforced.",
        judge=_drop_index,
        bad=Example(body=_DROPPED, given="the optimizer uses it", facts=_with_index(ignored=False)),
        good=Example(body=_DROPPED, given="it is IGNORED or INVISIBLE", facts=_with_index(ignored=True)),
        dialects=SERVERS,
    ),
)
