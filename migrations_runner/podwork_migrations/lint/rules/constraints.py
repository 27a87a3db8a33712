"""Foreign keys, CHECKs, primary keys, and columns that the server fills."""

from __future__ import annotations

from collections.abc import Iterator

from podwork_migrations.change.routes import Route
from podwork_migrations.lint.case import Case
from podwork_migrations.lint.changes import (
    AddCheck,
    AddColumn,
    AddForeignKey,
    CreateTable,
    DropColumn,
    DropPrimaryKey,
)
from podwork_migrations.lint.column import Default
from podwork_migrations.lint.dialect import SERVERS, Dialect
from podwork_migrations.lint.rule import Example, Rule, Verdict, refuse, route


def _foreign_key(case: Case) -> Iterator[Verdict]:
    for where, added in case.of(AddForeignKey):
        yield refuse(where, f"From {added.table} to {added.to}.")
    for where, created in case.all_of(CreateTable):
        for to in created.foreign_keys:
            yield refuse(where, f"From {created.table} to {to}.")


def _check(case: Case) -> Iterator[Verdict]:
    for where, added in case.of(AddCheck):
        yield route(Route.COPY, where, f"On {added.table}.")
    if case.dialect is Dialect.MYSQL:
        for where, column in case.of(AddColumn):
            if column.column.checked:
                yield route(Route.COPY, where, f"On {column.table}.{column.column.name}.")


def _primary_key(case: Case) -> Iterator[Verdict]:
    for where, dropped in case.of(DropPrimaryKey):
        yield refuse(where, f"Of {dropped.table}.")
    for where, added in case.of(AddColumn):
        if added.column.primary:
            yield refuse(where, f"{added.table}.{added.column.name} would be the primary key.")
    for where, column in case.of(DropColumn):
        facts = case.known(column.table)
        if facts is not None and column.column in (facts.primary or ()):
            yield refuse(where, f"{column.table}.{column.column} is a part of it.")


def _stored(case: Case) -> Iterator[Verdict]:
    for where, added in case.of(AddColumn):
        if added.column.generated == "stored":
            yield route(Route.COPY, where, f"{added.table}.{added.column.name} is stored.")


def _auto_increment(case: Case) -> Iterator[Verdict]:
    for where, added in case.of(AddColumn):
        if added.column.auto_increment:
            yield refuse(where, f"{added.table}.{added.column.name} has AUTO_INCREMENT.")


def _expression(case: Case) -> Iterator[Verdict]:
    for where, added in case.of(AddColumn):
        if added.column.default is Default.EXPRESSION:
            yield refuse(where, f"The default of {added.table}.{added.column.name} is an expression.")


_STATUS = 'op.add_column("orders", sa.Column("{name}", {type}))'
_SHOP = 'op.add_column("orders", sa.Column("shop_id", sa.BigInteger()))'
_DEFAULT = 'op.add_column("orders", sa.Column("token", sa.String(36), server_default={}))'

RULES = (
    Rule(
        code="add-foreign-key",
        title="A foreign key is added",
        says="refuses it, in a new table, too",
        why="Writes of one table lock rows of the other, and neither can be changed by an online copy any "
        "more: cascades fire no triggers, and a renamed table takes its keys along.",
        alternative="An index, and the check in the application; a job that looks for orphans.",
        differs="MySQL 9.7 can fire triggers for cascades, if told to; MariaDB and older MySQL cannot. "
        "SQLite drops the old table in batch mode, and with foreign keys on, rows that refer to "
        "it may go with it.",
        judge=_foreign_key,
        bad=Example(body='op.create_foreign_key("to_shops", "orders", "shops", ["shop_id"], ["id"])'),
        good=Example(body=_SHOP),
    ),
    Rule(
        code="add-check",
        title="A CHECK is added",
        says="routes it to the copy",
        why="The server rewrites or reads every row with writers waiting, and one row that breaks it ends "
        "that.",
        alternative="Check in the application first, look for rows that break it; the online copy then.",
        differs="MySQL also for a CHECK on a column that is added; MariaDB adds such a column at once.",
        judge=_check,
        bad=Example(body='op.create_check_constraint("positive", "orders", "amount > 0")'),
        good=Example(body=_STATUS.format(name="is_positive", type="sa.Boolean()")),
        dialects=SERVERS,
    ),
    Rule(
        code="replace-primary-key",
        title="A primary key is dropped or replaced",
        says="refuses it",
        why="Rows have no identity in between; copies, replicas and backfills go along the primary key.",
        alternative="Two steps: a unique key over the new columns first; then a new table with that "
        "primary key, filled by a backfill, and a switch in the code.",
        judge=_primary_key,
        bad=Example(body='op.drop_constraint("PRIMARY", "orders", type_="primary")'),
        good=Example(body='op.create_index("by_number", "orders", ["number"], unique=True)'),
    ),
    Rule(
        code="stored-column",
        title="A stored generated column is added",
        says="routes it to the copy",
        why="The server computes it for every row with ALGORITHM=COPY, and writers wait until it ends.",
        alternative="A virtual column, with an index if need be: added at once.",
        differs="SQLite can add none to a table that is there, only in batch mode.",
        judge=_stored,
        bad=Example(
            body=(
                'op.add_column("orders", sa.Column("total", sa.Integer(), sa.Computed("a + b", '
                "persisted=True)))"
            )
        ),
        good=Example(
            body=(
                'op.add_column("orders", sa.Column("total", sa.Integer(), sa.Computed("a + b", '
                "persisted=False)))"
            )
        ),
        dialects=SERVERS,
    ),
    Rule(
        code="auto-increment-column",
        title="An AUTO_INCREMENT column is added",
        says="refuses it",
        why="The server needs LOCK=SHARED for it, and numbers rows in an order that replicas and a copy do "
        "not share.",
        alternative="A nullable BIGINT, filled by the application and a backfill; a unique index after that.",
        judge=_auto_increment,
        bad=Example(
            body='op.execute("ALTER TABLE orders ADD COLUMN number BIGINT NOT NULL AUTO_INCREMENT UNIQUE")'
        ),
        good=Example(body=_STATUS.format(name="number", type="sa.BigInteger()")),
        dialects=SERVERS,
    ),
    Rule(
        code="expression-default",
        title="A column is added whose default is computed for each row",
        says="refuses it; the time of the statement counts as a constant",
        why="The server rewrites the table, writers wait, and each copy of a row computes a value of its "
        "own.",
        alternative="Add the column without it, set the default in a second migration, backfill the old "
        "rows.",
        differs="SQLite refuses to add such a column.",
        judge=_expression,
        bad=Example(body=_DEFAULT.format('sa.text("(upper(hex(random())))")')),
        good=Example(body=_DEFAULT.format('"none"')),
    ),
)
