"""What a table has to have: InnoDB, a primary key, numbers left."""

from __future__ import annotations

from collections.abc import Iterator

from podwork_migrations.lint.case import Case
from podwork_migrations.lint.changes import AlterColumn, Change, CreateTable, SetEngine
from podwork_migrations.lint.dialect import SERVERS
from podwork_migrations.lint.facts import TableFacts
from podwork_migrations.lint.rule import Example, Rule, Verdict, refuse

_ENGINE = "innodb"
NEARLY_USED = 0.85


def _engine(case: Case) -> Iterator[Verdict]:
    for where, created in case.all_of(CreateTable):
        if created.engine is not None and created.engine.lower() != _ENGINE:
            yield refuse(where, f"{created.table} would be {created.engine}.")
    becoming = {change.table: (where, change.engine) for where, change in case.of(SetEngine)}
    for where, engine in becoming.values():
        if engine.lower() != _ENGINE:
            yield refuse(where, f"It would be {engine}.")
    for table, (where, facts) in _touched(case).items():
        if facts.engine is not None and facts.engine.lower() != _ENGINE and table not in becoming:
            yield refuse(where, f"{table} is {facts.engine}.")


def _primary(case: Case) -> Iterator[Verdict]:
    for where, created in case.all_of(CreateTable):
        if not created.primary and not created.like:
            yield refuse(where, f"{created.table} has none.")


def _nearly_used(case: Case) -> Iterator[Verdict]:
    widened = {(change.table, change.column) for _, change in case.of(AlterColumn) if change.type is not None}
    for table, (where, facts) in _touched(case).items():
        if (facts.key_used or 0) > NEARLY_USED and (table, facts.auto_increment) not in widened:
            share = f"{facts.key_used:.0%}"
            yield refuse(where, f"{share} of the numbers of {table}.{facts.auto_increment} are used.")


def _touched(case: Case) -> dict[str, tuple[str, TableFacts]]:
    """Return the tables of the migration that are known, each with where it comes first."""
    found: dict[str, tuple[str, TableFacts]] = {}
    for where, change in case.of(Change):
        facts = case.known(change.table)
        if facts is not None:
            found.setdefault(change.table, (where, facts))
    return found


_CREATE = 'op.create_table("plans", sa.Column("id", sa.BigInteger(){}), sa.Column("name", sa.String(40)){})'
_STATUS = 'op.add_column("orders", sa.Column("status", sa.Integer()))'


def _used(share: float) -> tuple[TableFacts, ...]:
    return (TableFacts(name="orders", key_used=share, auto_increment="id"),)


RULES = (
    Rule(
        code="not-innodb",
        title="A table is not InnoDB",
        says="refuses to make or change one",
        why="Without transactions neither the fence, nor a batch, nor a copy keeps its promise.",
        alternative="ENGINE=InnoDB, or nothing said.",
        judge=_engine,
        bad=Example(body=_CREATE.format(", primary_key=True", ', mysql_engine="MyISAM"')),
        good=Example(body=_CREATE.format(", primary_key=True", "")),
        dialects=SERVERS,
    ),
    Rule(
        code="no-primary-key",
        title="A new table has no primary key",
        says="refuses it",
        why="Copies, replicas, backfills and moves of shops go along it; adding one later is a new table.",
        alternative="A BIGINT primary key.",
        judge=_primary,
        bad=Example(body=_CREATE.format("", "")),
        good=Example(body=_CREATE.format(", primary_key=True", "")),
    ),
    Rule(
        code="key-nearly-used",
        title="An AUTO_INCREMENT key is nearly used up",
        says=f"refuses changes of a table above {NEARLY_USED:.0%}, but for one of that column",
        why="When the last number is given, every INSERT fails; a copy that runs by then is in the way.",
        alternative="Make the key BIGINT first.",
        judge=_nearly_used,
        bad=Example(body=_STATUS, given="93 % of its numbers are used", facts=_used(0.93)),
        good=Example(body=_STATUS, given="12 % of its numbers are used", facts=_used(0.12)),
        dialects=SERVERS,
    ),
)
