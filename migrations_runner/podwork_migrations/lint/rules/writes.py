"""Rows that a migration writes itself, where and how many."""

from __future__ import annotations

from collections.abc import Iterator

from podwork_migrations.lint.case import Case
from podwork_migrations.lint.changes import Truncate, Write
from podwork_migrations.lint.dialect import SERVERS
from podwork_migrations.lint.facts import TableFacts
from podwork_migrations.lint.rule import Example, Rule, Verdict, refuse, unknown

BATCH_ROWS = 1000
"""So many rows may be written at once; a statement with `LIMIT` up to this is bounded."""
FEW_ROWS = 10_000
"""A table with no more rows than this is written within the lock budget as a whole."""


def _unbounded(case: Case) -> Iterator[Verdict]:
    for where, write in case.of(Write):
        if write.given or (write.limit is not None and write.limit <= BATCH_ROWS):
            continue
        read = write.sources or (write.table,)
        facts = [case.known(table) for table in read]
        named = ", ".join(read)
        rows = [known.rows for known in facts if known is not None and known.rows is not None]
        if len(rows) == len(facts) and max(rows) <= FEW_ROWS:
            continue
        if len(facts) == 1 and facts[0] is not None and facts[0].fixes_a_row(write.fixed):
            continue
        if not write.filtered:
            yield refuse(where, f"{write.verb} of all rows of {named}.")
        elif any(known is None for known in facts):
            yield unknown(
                where, f"how many rows of {named} the condition finds, and whether it goes by a unique key."
            )
        else:
            yield refuse(
                where,
                f"The condition goes by no unique key of {named}, which has {max(rows, default=0)} rows.",
            )


def _rows_in_schema(case: Case) -> Iterator[Verdict]:
    if case.is_schema:
        for where, write in case.all_of(Write):
            yield refuse(where, f"{write.verb} in {write.table}.")


def _schema_in_data(case: Case) -> Iterator[Verdict]:
    if not case.is_schema:
        for step in case.steps:
            if step.statements:
                yield refuse(step.where)


def _truncate(case: Case) -> Iterator[Verdict]:
    for where, change in case.all_of(Truncate):
        yield refuse(where, f"All rows of {change.table}.")


_UPDATE = "data.execute(\"UPDATE orders SET status = 'new' WHERE {}\")"
_LARGE = (TableFacts(name="orders", rows=5_000_000, primary=("id",)),)

RULES = (
    Rule(
        code="unbounded-write",
        title="A statement writes many rows at once",
        says="refuses UPDATE, DELETE and INSERT .. SELECT without a bound: up to "
        f"{FEW_ROWS:,} rows in the table, a unique key, or LIMIT up to {BATCH_ROWS:,}; warns of a condition "
        "where the table's rows and keys are not known",
        why="Its locks are held until it ends, its undo grows with it, and a stop throws all of it away.",
        alternative='A backfill, which goes in batches, waits and resumes: data.backfill("shop.FillStatus").',
        differs="SQLite locks the whole database for it.",
        judge=_unbounded,
        bad=Example(kind="data", body=_UPDATE.format("status IS NULL"), given="5,000,000 rows", facts=_LARGE),
        good=Example(kind="data", body=_UPDATE.format("id = 7"), given="id is the primary key", facts=_LARGE),
    ),
    Rule(
        code="rows-in-schema",
        title="A schema migration writes rows",
        says="refuses it",
        why="MariaDB and MySQL commit before and after a change of the schema: half of it may have happened.",
        alternative="Write rows in a data migration of its own that requires= this one.",
        judge=_rows_in_schema,
        bad=Example(body="op.execute(\"INSERT INTO plans (id, name) VALUES (1, 'basic')\")"),
        good=Example(kind="data", body="data.execute(\"INSERT INTO plans (id, name) VALUES (1, 'basic')\")"),
    ),
    Rule(
        code="schema-in-data",
        title="A data migration changes the schema",
        says="refuses it",
        why="It takes no route, has no lock budget, and commits the transaction that it runs in.",
        alternative="A schema migration, which the data migration requires=.",
        judge=_schema_in_data,
        bad=Example(kind="data", body='data.execute("ALTER TABLE orders ADD COLUMN status INT")'),
        good=Example(body='op.add_column("orders", sa.Column("status", sa.Integer()))'),
    ),
    Rule(
        code="truncate",
        title="A table is emptied",
        says="refuses it",
        why="It drops the table and makes it again: no trigger sees it, nothing brings the rows back.",
        alternative="A backfill that deletes in batches; or drop the table when no code uses it any more.",
        judge=_truncate,
        bad=Example(body='op.execute("TRUNCATE TABLE old_orders")'),
        good=Example(kind="data", body='data.backfill("shop.DeleteOldOrders")'),
        dialects=SERVERS,
    ),
)
