"""How a loaded application's declarations come into the pod's memory.

Owns: the comparison. Promises: the declarations of the latest start win, in every pod, whoever leads there:
an older revision that still runs neither takes them back nor adds its own; an operator's pause and changes
stay; a schedule that is no longer declared stops, and is forgotten after a week. Leaves to others: the
order of starts (`scripts/announce.lua`), and that it is asked once more at the write
(`scripts/schedule.lua`).
"""

from __future__ import annotations

import logging

from podwork.schedules import entry as entries
from podwork.schedules.catalogue import Catalogue
from podwork.schedules.entry import FORGOTTEN_AFTER_MS, Entry, Kept
from podwork.schedules.ledger import Ledger, Snapshot

log = logging.getLogger("podwork.schedules")
_Change = tuple[str, Kept | None, Entry | None]
"""A schedule, its entry as it was read (None: there is none), and as it shall be (None: forgotten)."""


def register(ledger: Ledger, catalogue: Catalogue, snapshot: Snapshot) -> bool:
    """Bring the pod's memory up to the catalogue; return whether there was nothing to do."""
    if snapshot.newest != catalogue.token and not ledger.announce(catalogue.app, catalogue.token):
        return True  # later code has the say
    changes = _changes(catalogue, snapshot)
    for name, kept, after in changes:
        if ledger.write(name, kept, after, (catalogue.app, catalogue.token)):
            log.info("schedule %s: %s", name, _what(kept, after))
    return not changes


def _changes(catalogue: Catalogue, snapshot: Snapshot) -> list[_Change]:
    """Return what is to be written."""
    now_ms = snapshot.now_ms
    changes: list[_Change] = []
    for declaration in catalogue:
        kept = snapshot.kept.get(declaration.name)
        if kept is None:
            changes.append((declaration.name, None, entries.first(declaration, now_ms)))
        elif _is_others(kept.entry, catalogue):
            log.debug(
                "schedule %s is declared by the application %s too",
                declaration.name,
                kept.entry.declaration.app,
            )
        elif kept.entry.declaration != declaration or kept.entry.removed_ms:
            changes.append((declaration.name, kept, entries.declared(kept.entry, declaration, now_ms)))
    for name, kept in snapshot.kept.items():
        if name in catalogue or kept.entry.declaration.app != catalogue.app:
            continue
        if not kept.entry.removed_ms:
            changes.append((name, kept, entries.removed(kept.entry, now_ms)))
        elif now_ms - kept.entry.removed_ms > FORGOTTEN_AFTER_MS:
            changes.append((name, kept, None))
    return changes


def _is_others(entry: Entry, catalogue: Catalogue) -> bool:
    return entry.declaration.app != catalogue.app and not entry.removed_ms


def _what(kept: Kept | None, after: Entry | None) -> str:
    if after is None:
        return "is forgotten; it was removed a week ago"
    if after.removed_ms:
        return "is not declared any more and stops"
    return "is new" if kept is None else "has another declaration"
