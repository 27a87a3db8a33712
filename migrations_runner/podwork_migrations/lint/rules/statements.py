"""How many statements, and whether they can be judged at all."""

from __future__ import annotations

from collections.abc import Iterator

from podwork_migrations.lint.case import Case
from podwork_migrations.lint.changes import Routine, Unread
from podwork_migrations.lint.dialect import SERVERS, Dialect
from podwork_migrations.lint.rule import Example, Rule, Verdict, refuse, warn


def _one(case: Case) -> Iterator[Verdict]:
    if case.is_schema and case.not_one:
        yield refuse(
            case.steps[-1].where if case.steps else "up()", f"{case.not_one[:1].upper()}{case.not_one[1:]}."
        )


def _raw(case: Case) -> Iterator[Verdict]:
    if case.is_schema:
        for step in case.steps:
            if step.raw:
                yield warn(step.where)


def _not_alter(case: Case) -> Iterator[Verdict]:
    if case.is_schema:
        for step in case.steps:
            if step.no_route:
                yield refuse(step.where, f"{step.no_route[:1].upper()}{step.no_route[1:]}.")


def _unread(case: Case) -> Iterator[Verdict]:
    for where, change in case.all_of(Unread):
        yield refuse(where, f"{change.why[:1].upper()}{change.why[1:]}.")


def _trigger(case: Case) -> Iterator[Verdict]:
    for where, change in case.all_of(Routine):
        if change.kind == "TRIGGER":
            yield refuse(where, f"On {change.table}." if change.table else "")


def _definer(case: Case) -> Iterator[Verdict]:
    for where, change in case.all_of(Routine):
        if change.definer:
            yield refuse(where, f"A {change.kind} with DEFINER.")
        elif change.kind != "TRIGGER":
            yield warn(where, f"A {change.kind} without DEFINER gets the user that migrates.")


def _stopped(case: Case) -> Iterator[Verdict]:
    if case.stopped:
        yield refuse("up()", case.stopped)


_VIEW = 'op.execute("CREATE {}VIEW paid AS SELECT id FROM orders WHERE paid = 1")'

RULES = (
    Rule(
        code="one-ddl",
        title="A migration is not one change of one table",
        says="refuses it, without exception on MariaDB and MySQL; changes of one table are one ALTER TABLE, "
        "and the indexes of a new table are a part of it",
        why="Each statement commits by itself: after a crash between two, neither running the migration "
        "again nor leaving it is right.",
        alternative="A migration for each table.",
        differs="SQLite changes its schema in a transaction: there the rule can be overridden.",
        judge=_one,
        bad=Example(
            body='op.add_column("orders", sa.Column("a", sa.Integer()))\n'
            'op.add_column("lines", sa.Column("a", sa.Integer()))'
        ),
        good=Example(
            body='op.add_column("orders", sa.Column("a", sa.Integer()))\n'
            'op.add_column("orders", sa.Column("b", sa.Integer()))'
        ),
        overridable=frozenset({Dialect.SQLITE}),
    ),
    Rule(
        code="raw-sql",
        title="A change of the schema is given as SQL",
        says="warns of it; the other rules judge what sqlglot reads in it",
        why="It serves one kind of database only, and a revert cannot be derived from it.",
        alternative="Alembic's operations, where there is one.",
        judge=_raw,
        bad=Example(body='op.execute("ALTER TABLE orders ADD COLUMN status INT")'),
        good=Example(body='op.add_column("orders", sa.Column("status", sa.Integer()))'),
    ),
    Rule(
        code="raw-not-alter",
        title="SQL by hand that no route is known for",
        says="refuses what is not one plain ALTER TABLE, without exception",
        why="What a table will be afterwards is found out on an empty table like it; for other statements "
        "nobody could say after a crash whether they were run.",
        alternative='Alembic\'s operations: op.create_index(..., mysql_prefix="FULLTEXT"), '
        "op.rename_table, and so on.",
        judge=_not_alter,
        bad=Example(body='op.execute("CREATE INDEX by_note ON orders (note)")'),
        good=Example(body='op.create_index("by_note", "orders", ["note"])'),
        dialects=SERVERS,
        overridable=frozenset(),
    ),
    Rule(
        code="unreadable-sql",
        title="A statement is not understood",
        says="refuses it",
        why="What is not understood cannot be judged, and may do anything, comments that a server executes "
        "included.",
        alternative="Alembic's operations, or plainer SQL; else override this rule, saying who has read it.",
        judge=_unread,
        bad=Example(body='op.execute("ALTER TABLE orders /*!50000 DROP COLUMN note */")'),
        good=Example(body='op.execute("ALTER TABLE orders ADD COLUMN status INT")'),
    ),
    Rule(
        code="create-trigger",
        title="A trigger is made",
        says="refuses it",
        why="A table with triggers cannot be changed by an online copy, and writes then do what no code "
        "says.",
        alternative="Do it in the application.",
        differs="SQLite's batch mode loses triggers without a word.",
        judge=_trigger,
        bad=Example(
            body='op.execute("CREATE TRIGGER noted BEFORE INSERT ON orders FOR EACH ROW SET NEW.note = 1")'
        ),
        good=Example(body='op.add_column("orders", sa.Column("note", sa.Text()))'),
    ),
    Rule(
        code="definer",
        title="A view or a routine runs as somebody",
        says="refuses DEFINER; warns where it is left out",
        why="The user named, or the one that migrates, may be missing on another shard or after a "
        "restore, and whoever asks gets that user's rights.",
        alternative="SQL SECURITY INVOKER, or a query in the application.",
        judge=_definer,
        bad=Example(body=_VIEW.format("DEFINER=`admin`@`%` ")),
        good=Example(body='op.add_column("orders", sa.Column("paid", sa.Boolean()))'),
        dialects=SERVERS,
    ),
    Rule(
        code="unrecordable",
        title="What it would do cannot be found out",
        says="refuses it",
        why="Its up() raised an error, or asks a database, while it was recorded without one.",
        alternative="Let up() say what it wants, on every shard alike; decide by rows in a backfill.",
        judge=_stopped,
        bad=Example(body='raise KeyError("no such thing")'),
        good=Example(body='op.add_column("orders", sa.Column("status", sa.Integer()))'),
        overridable=frozenset(),
    ),
)
