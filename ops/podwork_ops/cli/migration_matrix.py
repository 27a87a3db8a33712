"""The matrix of a plan: how each pod stands with each of its migrations, as short as it can be said.

Owns: `matrix`, `Matrix`. Promises: pods that stand alike are one row, and migrations that are alike
everywhere stand beside the matrix, not in it: 500 migrations on 200 pods are a few lines as long as all goes
well. Leaves to others: colours and widths (`migration_report`, `migration_screen`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from podwork_migrations.plan.cells import Cell
from podwork_migrations.plan.status import PodLine, Status, VersionLine
from podwork_ops.cli.migration_plan_report import ranges
from podwork_ops.masking import mask

MOST_IN_WORDS: Final = 4
"""So many columns are written in words; more of them in letters."""


class Group(NamedTuple):
    """Pods that stand alike: in which wave, how far, why they are left out, and a cell for each column.

    What failed on them is said where migrations are listed that are under way.
    """

    pods: tuple[int, ...]
    wave: int
    state: str
    blocked: str
    waits_for: str
    cells: str

    @property
    def which(self) -> str:
        """Its pods, for people: 1-4, 7."""
        return ranges(self.pods)

    @property
    def wave_words(self) -> str:
        """Its wave, for people."""
        return "canary" if self.wave == 0 else str(self.wave)

    @property
    def state_words(self) -> str:
        """How far they are; what is blocked and not done is called so."""
        return "blocked" if self.blocked and self.state != "done" else self.state

    @property
    def why(self) -> str:
        """Why they are left out, if that matters; or why they do not begin."""
        return "" if self.state == "done" else self.blocked or self.waits_for


class Matrix(NamedTuple):
    """What differs. `settled`, `untouched`: how many migrations are done, or pending, everywhere."""

    columns: Sequence[VersionLine]
    groups: Sequence[Group]
    settled: int
    untouched: int

    @property
    def in_words(self) -> bool:
        """Whether there is room for words."""
        return len(self.columns) <= MOST_IN_WORDS

    @property
    def rest(self) -> str:
        """The migrations that are not in it, in a sentence."""
        parts = [
            f"{number:,} {words}"
            for number, words in ((self.settled, "done everywhere"), (self.untouched, "pending everywhere"))
            if number
        ]
        return f"not shown: {', '.join(parts)}" if parts else ""


def matrix(status: Status, waits: Mapping[int, str]) -> Matrix:
    """Return the matrix of a status; `waits`: why pods do not begin."""
    kinds = [_everywhere(line) for line in status.versions]
    shown = [place for place, kind in enumerate(kinds) if kind is None]
    if len(status.versions) <= MOST_IN_WORDS:  # there is room for all
        shown = list(range(len(status.versions)))
    groups: dict[tuple[object, ...], list[PodLine]] = {}
    for line in status.pods:
        cells = "".join(line.cells[place] for place in shown)
        why = waits.get(line.pod_id, "")
        key = (line.wave, line.state.value, line.blocked or "", why, cells)
        groups.setdefault(key, []).append(line)
    left = [kind for place, kind in enumerate(kinds) if place not in set(shown)]
    return Matrix(
        [status.versions[place] for place in shown],
        [_group(lines, shown, waits) for lines in groups.values()],
        left.count("done"),
        left.count("pending"),
    )


def _everywhere(line: VersionLine) -> str | None:
    """Return how a migration stands on all pods, if that is alike and nothing has to be said of it."""
    cells = {cell for cell, number in line.pods.items() if number} - {Cell.ELSEWHERE}
    if cells <= {Cell.APPLIED}:
        return "done"
    return "pending" if cells == {Cell.PENDING} else None


def _group(lines: Sequence[PodLine], shown: Sequence[int], waits: Mapping[int, str]) -> Group:
    first = lines[0]
    cells = "".join(first.cells[place] for place in shown)
    pods = tuple(line.pod_id for line in lines)
    blocked = mask(first.blocked) if first.blocked else ""
    return Group(pods, first.wave, first.state.value, blocked, waits.get(first.pod_id, ""), cells)
