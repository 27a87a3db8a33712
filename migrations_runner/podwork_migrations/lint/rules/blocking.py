"""Words in a statement that make writers wait, and rebuilds."""

from __future__ import annotations

from collections.abc import Iterator

from podwork_migrations.change.routes import Route
from podwork_migrations.lint.case import Case
from podwork_migrations.lint.changes import AddColumn, BlockingClause, Rebuild, SetEngine
from podwork_migrations.lint.dialect import SERVERS
from podwork_migrations.lint.facts import TableFacts
from podwork_migrations.lint.rule import Example, Rule, Verdict, refuse, route


def _clause(case: Case) -> Iterator[Verdict]:
    for where, change in case.all_of(BlockingClause):
        yield refuse(where, f"{change.clause}.")


def _rebuild(case: Case) -> Iterator[Verdict]:
    rebuilds = [(where, change.table, change.by) for where, change in case.of(Rebuild)]
    rebuilds += [(where, change.table, f"ENGINE={change.engine}") for where, change in case.of(SetEngine)]
    for where, change in case.of(AddColumn):
        facts = case.known(change.table)
        if facts is not None and (facts.row_format or "").upper() == "COMPRESSED":
            rebuilds.append((where, change.table, "a column more with ROW_FORMAT=COMPRESSED"))
    for where, table, by in rebuilds:
        facts = case.known(table)
        is_small = facts is not None and facts.is_small
        yield route(Route.INPLACE if is_small else Route.COPY, where, f"{table}, by {by}.")


_COLUMN = 'op.execute("ALTER TABLE orders ADD COLUMN status INT{}")'

RULES = (
    Rule(
        code="blocking-clause",
        title="A statement asks for a lock",
        says="refuses ALGORITHM=COPY, LOCK=SHARED, LOCK=EXCLUSIVE, LOCK TABLES and FLUSH TABLES",
        why="Writers wait until the statement ends, however long that takes.",
        alternative="Leave the words out: the plan takes the cheapest way on which nobody waits.",
        judge=_clause,
        bad=Example(body=_COLUMN.format(", ALGORITHM=COPY")),
        good=Example(body=_COLUMN.format("")),
        dialects=SERVERS,
    ),
    Rule(
        code="rebuild-table",
        title="A table is written anew",
        says="routes it to in place if small, else to the copy",
        why="Writers go on, but it costs the table's size in reading and writing, and replicas lag.",
        alternative="The online copy, which waits when the shard is busy.",
        differs="Adding a column to a table with ROW_FORMAT=COMPRESSED is such a rebuild on both servers.",
        judge=_rebuild,
        bad=Example(body='op.execute("ALTER TABLE orders FORCE")'),
        good=Example(
            body=_COLUMN.format(""),
            given="ROW_FORMAT=DYNAMIC",
            facts=(TableFacts(name="orders", row_format="Dynamic"),),
        ),
        dialects=SERVERS,
    ),
)
