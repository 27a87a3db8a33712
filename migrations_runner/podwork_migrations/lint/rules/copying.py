"""What an online copy cannot do, for tables that other rules send there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from podwork_migrations.change.room import mib, shortage
from podwork_migrations.lint.case import Case
from podwork_migrations.lint.dialect import SERVERS, Dialect
from podwork_migrations.lint.facts import ColumnFacts, IndexFacts, TableFacts
from podwork_migrations.lint.reading.columns import read_type
from podwork_migrations.lint.rule import Example, Rule, Verdict, refuse, unknown

Judge = Callable[[Case], Iterator[Verdict]]


def _refused(why: Callable[[TableFacts], str]) -> Judge:
    """Return what refuses a copy of a known table for the reason given, if there is one."""

    def found(case: Case) -> Iterator[Verdict]:
        for table, where in case.copied.items():
            facts = case.known(table)
            because = why(facts) if facts is not None else ""
            if because:
                yield refuse(where, because)

    return found


def _unchecked(case: Case) -> Iterator[Verdict]:
    for table, where in case.copied.items():
        if case.known(table) is None:
            yield unknown(
                where, f"whether {table} can be copied: its keys, foreign keys, triggers, and its server."
            )


def _foreign_keys(facts: TableFacts) -> str:
    out = [f"{facts.name} refers to {other}." for other in facts.references]
    return " ".join([*out, *(f"{other} refers to {facts.name}." for other in facts.referenced_by)])


def _triggers(facts: TableFacts) -> str:
    return f"{facts.name} has {', '.join(facts.triggers)}." if facts.triggers else ""


def _no_key(facts: TableFacts) -> str:
    is_known = facts.indexes is not None or facts.primary is not None
    return f"{facts.name} has none." if is_known and not facts.keys else ""


def _unfit_key(facts: TableFacts) -> str:
    return f"None of {facts.name}'s keys is fit." if facts.keys and not facts.usable_keys() else ""


def _engine(facts: TableFacts) -> str:
    other = facts.engine is not None and facts.engine.lower() != "innodb"
    return f"{facts.name} is {facts.engine}." if other else ""


def _binlog(facts: TableFacts) -> str:
    return "binlog_format is STATEMENT." if (facts.binlog_format or "").upper() == "STATEMENT" else ""


def _replica_triggers(facts: TableFacts) -> str:
    runs = facts.replica_triggers is not None and facts.replica_triggers.upper() != "NO"
    return f"slave_run_triggers_for_rbr is {facts.replica_triggers}." if runs else ""


def _room(case: Case) -> Iterator[Verdict]:
    for table, where in case.copied.items():
        facts = case.known(table)
        if facts is None:
            continue
        if lack := shortage(facts.bytes, facts.free_bytes):
            yield refuse(where, f"{table}: {lack}.")
        elif facts.free_bytes is None and facts.bytes is not None and facts.bytes > facts.limits.small_bytes:
            yield unknown(where, f"what is free; {table} has about {mib(facts.bytes)} MiB.")


_BIGGER = 'op.alter_column("orders", "amount", existing_type=sa.Integer(), type_=sa.BigInteger())'
_FIT = {"id": ColumnFacts(read_type("bigint"), nullable=False)}
_FLOATING = {"id": ColumnFacts(read_type("double"), nullable=False)}
_INT = {"amount": ColumnFacts(read_type("int"))}


_PLAIN = TableFacts(name="orders", primary=("id",), columns={**_FIT, **_INT}, engine="InnoDB")


def _sized(number: int, free: int) -> TableFacts:
    return replace(_PLAIN, bytes=number, free_bytes=free)


def _on(facts: TableFacts | None, given: str) -> Example:
    return Example(body=_BIGGER, given=given, facts=() if facts is None else (facts,))


RULES = (
    Rule(
        code="copy-unchecked",
        title="Whether a table can be copied is not known",
        says="warns of it",
        why="The copy needs a usable key, and no foreign keys or triggers; it looks again before it begins.",
        alternative="Lint with the facts of a shard, as is done before a plan starts.",
        judge=_unchecked,
        bad=_on(None, ""),
        good=_on(_PLAIN, "the table is known"),
        dialects=SERVERS,
    ),
    Rule(
        code="copy-foreign-key",
        title="A copy of a table with foreign keys, in either direction",
        says="refuses it",
        why="Cascades fire no triggers, so that the copy misses them; and keys follow the old table's name.",
        alternative="Drop the foreign keys first; or add a new column instead of changing the old one.",
        differs="MySQL 9.7 can fire triggers for cascades, if told to; it is refused there, too.",
        judge=_refused(_foreign_keys),
        bad=_on(TableFacts(name="orders", referenced_by=("lines",)), "lines refers to orders"),
        good=_on(_PLAIN, "no foreign keys"),
        dialects=SERVERS,
    ),
    Rule(
        code="copy-trigger",
        title="A copy of a table with triggers",
        says="refuses it",
        why="They stay with the old table, and their order with the copy's own is nobody's promise.",
        alternative="Move what they do into the application and drop them first.",
        judge=_refused(_triggers),
        bad=_on(TableFacts(name="orders", triggers=("noted",)), "it has a trigger"),
        good=_on(_PLAIN, "no triggers"),
        dialects=SERVERS,
    ),
    Rule(
        code="copy-no-key",
        title="A copy of a table without a unique key",
        says="refuses it",
        why="A row of the copy could not be told from another one with the same values.",
        alternative="A new table with a primary key, filled by a backfill.",
        judge=_refused(_no_key),
        bad=_on(
            TableFacts(name="orders", indexes=(IndexFacts("by_note", ("note",)),)), "it has no unique key"
        ),
        good=_on(_PLAIN, "it has a primary key"),
        dialects=SERVERS,
    ),
    Rule(
        code="copy-unfit-key",
        title="A copy of a table whose unique keys are all unfit",
        says="refuses it",
        why="A key with NULLs names no row; a generated or floating one is not compared as it is written.",
        alternative="Add a unique index over NOT NULL columns of another type.",
        judge=_refused(_unfit_key),
        bad=_on(
            TableFacts(name="orders", primary=("id",), columns={**_FLOATING, **_INT}),
            "its only key is a DOUBLE",
        ),
        good=_on(_PLAIN, "its key is a BIGINT"),
        dialects=SERVERS,
    ),
    Rule(
        code="copy-no-room",
        title="A copy for which the disk has no room",
        says="refuses it; warns of a large table where the server does not say what is free",
        why="The copy takes the table's size once more, the old table is kept for a while, and a full disk "
        "stops the application.",
        alternative="Free some, or give the shard a larger disk; MariaDB says what is free after INSTALL "
        "SONAME 'disks', to a user with FILE.",
        differs="MySQL does not say what is free.",
        judge=_room,
        bad=_on(_sized(10 << 30, 11 << 30), "10 GiB, 11 GiB are free"),
        good=_on(_sized(10 << 30, 20 << 30), "10 GiB, 20 GiB are free"),
        dialects=SERVERS,
    ),
    Rule(
        code="copy-engine",
        title="A copy of a table that is not InnoDB",
        says="refuses it",
        why="Without transactions a batch of the copy and what the triggers write are not one.",
        alternative="Change the engine in a window of its own.",
        judge=_refused(_engine),
        bad=_on(TableFacts(name="orders", engine="Aria", columns=_INT), "it is Aria"),
        good=_on(_PLAIN, "it is InnoDB"),
        dialects=SERVERS,
    ),
    Rule(
        code="copy-binlog-statement",
        title="A copy on a server with binlog_format=STATEMENT",
        says="refuses it",
        why="Replicas would run the copy's statements themselves, in another order, and have other rows.",
        alternative="binlog_format=ROW, or MIXED.",
        judge=_refused(_binlog),
        bad=_on(TableFacts(name="orders", binlog_format="STATEMENT", columns=_INT), "STATEMENT"),
        good=_on(TableFacts(name="orders", binlog_format="ROW", columns=_INT), "ROW"),
        dialects=SERVERS,
    ),
    Rule(
        code="copy-replica-triggers",
        title="A copy where replicas run triggers themselves",
        says="refuses it where slave_run_triggers_for_rbr is not NO",
        why="The replica would get a trigger's rows from the log, and make them once more.",
        alternative="slave_run_triggers_for_rbr=NO.",
        differs="MariaDB only; MySQL has no such setting.",
        judge=_refused(_replica_triggers),
        bad=_on(TableFacts(name="orders", replica_triggers="YES", columns=_INT), "YES"),
        good=_on(TableFacts(name="orders", replica_triggers="NO", columns=_INT), "NO"),
        dialects=frozenset({Dialect.MARIADB}),
    ),
)
