"""Making what an online copy needs: the copy, the table of faults, and the triggers.

Owns: `begin`, `build`, `watch`, `Changed`, which is what both tables have in common. Promises: before the
application's table is touched, all that could be refused has been; no row is in the copy before all three
triggers are there; they are made in the order delete, update, insert. Leaves to others: what the triggers do
(`triggers`), copying (`job`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from sqlalchemy import Connection

from podwork_migrations.copy.columns import Key, Pairs, pairs_of, shared_key
from podwork_migrations.copy.journal import SOURCE, TABLE, TRIGGER, Journal
from podwork_migrations.copy.names import Event, Names, quoted
from podwork_migrations.copy.refusals import CopyRefused, change_refusals, copy_refusals
from podwork_migrations.copy.statement import retargeted
from podwork_migrations.copy.table import Form, exists, form_of, triggers_on
from podwork_migrations.copy.triggers import SQL_MODE, Mirror
from podwork_migrations.ledger.entry import Artefact
from podwork_pods.iteration.throttles.server_status import is_mariadb

_FAULTS = (
    "CREATE TABLE {name} (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, code INT NOT NULL, "
    "message TEXT CHARACTER SET utf8mb4 NOT NULL, at_key VARBINARY(1020) NULL, "
    "target VARCHAR(64) CHARACTER SET ascii NOT NULL) ENGINE=InnoDB"
)


NamedTrigger = Callable[[Event], str]


class Changed(NamedTuple):
    """A table, its copy, and what they have in common."""

    table: Form
    copy: Form
    pairs: Pairs
    key: Key

    @property
    def text_keys(self) -> frozenset[str]:
        """Those of the key's columns whose values may be equal and yet differ."""
        return frozenset(name for name in self.key.columns if self.table.columns[name].collation is not None)


def begin(journal: Journal) -> None:
    """Look at the table, and write down what is going to be made. Raises CopyRefused."""
    names, table = journal.names, journal.table
    with journal.work.turn.looking() as connection:
        if refusals := copy_refusals(connection, table):
            raise CopyRefused(table, refusals)
        form = form_of(connection, table)
        taken = [name for name in (names.copy, names.old, names.faults) if exists(connection, name)]
    if form is None or taken:
        raise journal.failed(
            f"{', '.join(taken) or table}: made by somebody else, or gone; nothing was changed"
        )
    made = (
        Artefact(SOURCE, table, source_note(journal, form)),
        Artefact(TABLE, names.copy),
        Artefact(TABLE, names.faults),
    )
    journal.note(
        "building", add=made, cutover_attempts=0, hold_until=None, ready=None, rows_done=None, run_ids=()
    )


def source_note(journal: Journal, form: Form) -> str:
    """Return what must stay as it is while a table is copied."""
    return f"{journal.work.direction} {form.definition} {form.created}"


def build(journal: Journal) -> None:
    """Make the copy, empty and changed, and the table of faults. Raises CopyRefused."""
    names, table = journal.names, journal.table
    # Whether the change was made before a crash cannot be seen: begun anew, it is. Nothing is in it yet.
    journal.drop_table(names.copy)
    journal.ddl("create_copy", f"CREATE TABLE {quoted(names.copy)} LIKE {quoted(table)}", table)
    journal.ddl("change_copy", retargeted(journal.work.entry.statement, names.copy), names.copy)
    journal.drop_table(names.faults)
    journal.ddl("create_faults", _FAULTS.format(name=quoted(names.faults)), names.faults)
    with journal.work.turn.looking() as connection:
        form, copy = form_of(connection, table), form_of(connection, names.copy)
    if form is None or copy is None:
        raise journal.failed(f"{table} is gone")
    if refusals := change_refusals(form, copy, journal.work.migration.renames):
        raise CopyRefused(table, refusals)
    triggers = tuple(Artefact(TRIGGER, names.forward(event)) for event in Event)
    journal.note("watching", add=triggers)


def watch(journal: Journal) -> None:
    """Make the triggers that keep the copy in step."""
    make_triggers(journal, forward(journal, changed(journal)), journal.names.forward)


def make_triggers(journal: Journal, mirror: Mirror, named: NamedTrigger) -> None:
    """Make those of a mirror that are not there; one that is not as it should be is made anew."""
    journal.work.turn.ddl(f"SET SESSION sql_mode = '{SQL_MODE}'")
    try:
        for event in Event:
            with journal.work.turn.looking() as connection:
                found = triggers_on(connection, mirror.on).get(named(event))
            if found == mirror.body(event):
                continue
            journal.drop_trigger(named(event))
            journal.ddl(f"create_trigger.{event.lower()}", mirror.create(event, named(event)), mirror.on)
    finally:
        journal.work.turn.ddl("SET SESSION sql_mode = DEFAULT")


def are_there(connection: Connection, mirror: Mirror, named: NamedTrigger) -> bool:
    """Whether all three are there, as they were made."""
    found = triggers_on(connection, mirror.on)
    return all(found.get(named(event)) == mirror.body(event) for event in Event)


def changed(journal: Journal) -> Changed:
    """Return table and copy as they are before the cut-over. Raises MigrationFailed: they are gone."""
    return between(journal, journal.table, journal.names.copy)


def between(journal: Journal, old: str, new: str) -> Changed:
    """Return the old form and the new one, whatever they are called now. Raises MigrationFailed."""
    with journal.work.turn.looking() as connection:
        form, copy = form_of(connection, old), form_of(connection, new)
    if form is None or copy is None:
        raise journal.failed(f"{old if form is None else new} is gone: somebody else dropped or renamed it")
    pairs = pairs_of(form, copy, journal.work.migration.renames)
    key = shared_key(form, copy, pairs)
    if isinstance(key, str):
        raise journal.failed(key)
    return Changed(form, copy, pairs, key)


def forward(journal: Journal, both: Changed) -> Mirror:
    """Return what keeps the copy in step."""
    names: Names = journal.names
    pairs = tuple((theirs.name, ours.name) for theirs, ours in both.pairs.shared)
    return Mirror(
        both.table.name, both.table.name, names.copy, names.faults, _spelled(both), pairs,
        _text_keys(both), _updates_in_place(journal),
    )  # fmt: skip


def reverse(journal: Journal, both: Changed) -> Mirror:
    """Return what keeps the old table in step; made on the copy, it works from the cut-over on."""
    names: Names = journal.names
    pairs = tuple((ours.name, theirs.name) for theirs, ours in both.pairs.shared)
    return Mirror(
        both.copy.name, journal.table, names.old, names.faults, _spelled(both), pairs,
        _text_keys(both), _updates_in_place(journal),
    )  # fmt: skip


def _spelled(both: Changed) -> tuple[str, ...]:
    return tuple(both.table.columns[name].name for name in both.key.columns)


def _text_keys(both: Changed) -> frozenset[str]:
    return frozenset(both.table.columns[name].name for name in both.text_keys)


def _updates_in_place(journal: Journal) -> bool:
    with journal.work.turn.looking() as connection:
        return is_mariadb(connection)
