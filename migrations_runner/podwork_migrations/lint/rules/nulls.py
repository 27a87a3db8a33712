"""NOT NULL and defaults: what old code's INSERTs run into, and rows that are there."""

from __future__ import annotations

from collections.abc import Iterator

from podwork_migrations.change.routes import Route
from podwork_migrations.lint.case import Case
from podwork_migrations.lint.changes import AddColumn, AlterColumn
from podwork_migrations.lint.column import Default
from podwork_migrations.lint.facts import ColumnFacts, Count, TableFacts
from podwork_migrations.lint.reading.columns import read_type
from podwork_migrations.lint.rule import Example, Rule, Verdict, refuse, route, unknown


def _without_default(case: Case) -> Iterator[Verdict]:
    for where, change in case.of(AddColumn):
        made = change.column
        fills_itself = made.generated or made.auto_increment or made.default is not Default.NONE
        if not made.nullable and not fills_itself:
            yield refuse(where, f"{change.table}.{made.name} has no default in the database.")


def _drop_default(case: Case) -> Iterator[Verdict]:
    for where, change in case.of(AlterColumn):
        facts = case.known(change.table)
        now = facts.columns.get(change.column) if facts else None
        if change.default is not Default.NONE or (now is not None and not now.has_default):
            continue
        nullable = change.nullable if change.nullable is not None else change.old_nullable
        if now is not None and change.nullable is None:
            nullable = now.nullable
        if now is None and change.type is not None and change.old_type is None:
            continue  # MODIFY states everything, and what it leaves out may never have been there
        if nullable is False:
            yield refuse(where, f"{change.table}.{change.column} is NOT NULL.")
        elif nullable is None:
            yield unknown(
                where, f"whether {change.table}.{change.column} is NOT NULL; name existing_nullable=."
            )


def _tightened(case: Case) -> Iterator[Verdict]:
    for where, change in case.of(AlterColumn):
        if change.nullable is not False or change.old_nullable is False:
            continue
        facts = case.known(change.table)
        column = facts.columns.get(change.column) if facts else None
        if column is not None and not column.nullable:
            continue
        named = f"{change.table}.{change.column}"
        counted = facts.nulls.get(change.column) if facts else None
        if counted is not None and counted.number:
            more = "" if counted.whole else "at least "
            yield refuse(where, f"{more}{counted.number} rows have NULL in {named}.".capitalize())
        elif counted is None or not counted.whole:
            yield unknown(where, f"how many rows have NULL in {named}.")
        elif case.on_server:
            yield route(_by_size(facts), where, f"No row has NULL in {named}.")


def _by_size(facts: TableFacts | None) -> Route:
    return Route.INPLACE if facts is not None and facts.is_small else Route.COPY


_NOTE = read_type("varchar(20)")
_TIGHTENED = 'op.alter_column("orders", "note", existing_type=sa.String(20), nullable=False)'

RULES = (
    Rule(
        code="not-null-without-default",
        title="A column that must be given, which old code does not give",
        says="refuses a new column with NOT NULL and without a default",
        why="Old code's INSERT leaves the column out and fails, or the server puts a zero there.",
        alternative="Add it as nullable or with server_default=, backfill, and tighten it in a later "
        "migration.",
        differs="MariaDB and MySQL fail in strict mode only, and put an implicit zero otherwise; SQLite "
        "refuses to add such a column at all.",
        judge=_without_default,
        bad=Example(body='op.add_column("orders", sa.Column("status", sa.String(20), nullable=False))'),
        good=Example(
            body=(
                'op.add_column("orders", sa.Column("status", sa.String(20), nullable=False, '
                'server_default="new"))'
            )
        ),
    ),
    Rule(
        code="drop-default",
        title="A default is taken from a column that must be given",
        says="refuses it",
        why="Code that relies on the default leaves the column out, and its INSERT fails from then on.",
        alternative="Let all code give a value, deploy that, and override this rule saying so.",
        judge=_drop_default,
        bad=Example(
            body='op.alter_column("orders", "status", existing_type=sa.String(20), existing_nullable=False,\n'
            "                server_default=None)"
        ),
        good=Example(
            body='op.alter_column("orders", "status", existing_type=sa.String(20), existing_nullable=True,\n'
            "                server_default=None)"
        ),
    ),
    Rule(
        code="null-to-not-null",
        title="A column becomes NOT NULL",
        says="refuses it if a row has NULL; with all rows counted it routes to in place if small, else to "
        "the copy; warns if that is not known",
        why="With a NULL left it fails or makes a zero of it, and old code that writes NULL fails.",
        alternative="Let all code write a value, backfill the rows with NULL, count them, then tighten.",
        differs="MariaDB and MySQL rebuild the table for it; SQLite makes it anew in batch mode, so there is "
        "no route to choose.",
        judge=_tightened,
        bad=Example(
            body=_TIGHTENED,
            given="three rows have NULL",
            facts=(
                TableFacts(
                    name="orders",
                    columns={"note": ColumnFacts(_NOTE)},
                    nulls={"note": Count(3)},
                    rows=5_000_000,
                ),
            ),
        ),
        good=Example(
            body=_TIGHTENED,
            given="the column is NOT NULL already",
            facts=(TableFacts(name="orders", columns={"note": ColumnFacts(_NOTE, nullable=False)}),),
        ),
    ),
)
