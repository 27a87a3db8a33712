"""A row of a pod's ledger: one migration there, and how far it is.

Owns: `Entry`, `Artefact`, `Mark`, `Direction`. Leaves to others: the table (`schema`), changes (`ledger`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from podwork_migrations.ledger.states import EntryState
from podwork_migrations.migration import Kind


class Direction(StrEnum):
    """Which way a migration goes: its `up`, or its `down`."""

    UP = "up"
    DOWN = "down"


class Artefact(NamedTuple):
    """Something that a migration made in the shard and may take away again: only what stands here is dropped.

    `kind` is `table`, `trigger` and the like.
    """

    kind: str
    name: str
    note: str = ""


class Mark(NamedTuple):
    """What is asked of every entry each time; see `Entry` for each."""

    version: str
    checksum: str
    state: EntryState
    reported: str
    hold_until: float | None = None
    not_before: float | None = None

    def is_overdue(self, now: float) -> bool:
        """Whether what was kept for its way back is to be cleared away."""
        if self.hold_until is None or self.state.is_open or self.state is EntryState.FAILED:
            return False
        return max(self.hold_until, self.not_before or 0.0) <= now


class Entry(NamedTuple):
    """A migration on a pod. Times are wall time in seconds since 1970.

    Attributes:
        version, name, kind, checksum: as of its file when it began, or was last retried.
        code_revision: of the worker that began it. plan_id, wave: of the plan that let it go; None: none did.
        state: see `EntryState`. direction: which way it goes, or went last. stage: of its route, "" at first.
        route: how it is done, "" as long as nobody has decided. statement: what is run, in SQL.
        change: how it is done, as its route wrote it down for itself.
        requested: when it could have begun. started: when it did. heartbeat: when it last did anything.
        ready: when it was prepared, up to its cut-over. completed: when it ended.
        lease_owner, lease_epoch: who last went on with it, and under which epoch of the line.
        attempts: how often it was begun. tries: how often in a row a lock could not be had.
        not_before: nothing is tried before then. rows_done, rows_total: None: nobody knows.
        run_ids: runs of iteration jobs that work for it. throttle_reason: what holds it back now.
        cutover_attempts: how often its cut-over was tried. artefacts: what it made, and has not dropped yet.
        hold_until: until when the old table is kept. fingerprint_before, fingerprint_after: of the schema.
        override_reason: why rules were broken, and what persons did (`reasons`). error: of its last failure.
        reported: the state of which the plan has heard.
    """

    version: str
    name: str
    kind: Kind
    checksum: str
    code_revision: str
    plan_id: str | None
    wave: int | None
    state: EntryState
    direction: Direction
    stage: str
    route: str
    statement: str
    change: str
    requested: float
    started: float
    heartbeat: float
    ready: float | None
    completed: float | None
    lease_owner: str
    lease_epoch: int
    attempts: int
    tries: int
    not_before: float | None
    rows_done: int | None
    rows_total: int | None
    run_ids: tuple[str, ...]
    throttle_reason: str
    cutover_attempts: int
    artefacts: tuple[Artefact, ...]
    hold_until: float | None
    fingerprint_before: str
    fingerprint_after: str
    override_reason: str
    error: str
    reported: str

    @property
    def id(self) -> str:
        """How people call it: `20261124120000_add_status`."""
        return f"{self.version}_{self.name}"
