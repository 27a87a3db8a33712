"""How a pod stands: its ledger beside the application's files.

Owns: `Standing`, `stand`. A function of what was read; it asks nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from podwork_migrations.ledger.entry import Mark
from podwork_migrations.ledger.states import EntryState
from podwork_migrations.library import Library
from podwork_migrations.migration import Migration


class Standing(NamedTuple):
    """What is to be done on a pod; all by version.

    Attributes:
        open: the migration that is under way. failed: those that stop the line.
        pending: those that have not begun here. edited: whose file is not the one that ran.
        unreported: whose state the plan has not heard of. strangers: that no file here has.
        overdue: that kept something for their way back, for long enough.
    """

    open: str | None
    failed: tuple[str, ...]
    pending: tuple[Migration, ...]
    edited: tuple[str, ...]
    unreported: tuple[str, ...]
    strangers: tuple[str, ...]
    overdue: tuple[str, ...]

    @property
    def is_quiet(self) -> bool:
        """Whether there is nothing to be done, or a person has to do it."""
        stands_still = bool(self.failed) or not self.pending
        return self.open is None and stands_still and not (self.unreported or self.overdue)


def stand(library: Library, pod_id: int, marks: Mapping[str, Mark], now: float) -> Standing:
    """Return how a pod stands whose ledger has these marks; `now`: wall time in seconds since 1970."""
    own = library.of_pod(pod_id)
    ours = {one.version: one for one in library}
    open_, failed, edited, unreported, strangers = None, [], [], [], []
    for version in sorted(marks):
        mark = marks[version]
        if mark.state.is_open:
            open_ = version
        elif mark.state is EntryState.FAILED:
            failed.append(version)
        if mark.reported != mark.state:
            unreported.append(version)
        if version not in ours:
            strangers.append(version)
        elif ours[version].checksum != mark.checksum:
            edited.append(version)
    pending = tuple(one for one in own if one.version not in marks)
    overdue = tuple(version for version, mark in marks.items() if mark.is_overdue(now))
    return Standing(
        open_, tuple(failed), pending, tuple(edited), tuple(unreported), tuple(strangers), overdue
    )
