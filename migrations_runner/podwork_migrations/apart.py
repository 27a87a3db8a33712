"""What stands between two pods because their migrations are not equally far: a look of a move's preflight.

Owns: `Apart`. Promises: it only reads; each schema migration that one pod has and the other has not, and each
that is under way on either, is named with the pod; what will be gone without a person passes by itself, so
that the move waits for it. Leaves to others: how their tables differ, which preflight looks at itself
(`mover.tables.differing`), and data migrations: their backfills are settled (`mover.joined.debts`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from podwork_migrations.ledger.entry import Entry
from podwork_migrations.ledger.ledger import Ledger
from podwork_migrations.ledger.states import EntryState
from podwork_migrations.migration import Kind
from podwork_pods.errors import ShardUnprepared
from podwork_pods.mover.joined.looking import Obstacle
from podwork_pods.mover.passage import Passage

_REMEDY = "see: podctl migrations status"


class Apart:
    """Compares the ledgers of a passage's pods.

    Args:
        ledger: gives a pod's.
        coming: names the plan that brings a version to a pod by itself; "": none does (`plan.coming`).
    """

    def __init__(self, ledger: Callable[[int], Ledger], coming: Callable[[str, int], str]) -> None:
        self._ledger = ledger
        self._coming = coming

    def __call__(self, passage: Passage) -> Iterator[Obstacle]:
        """Name what stands in the way, for people."""
        pods = (passage.source, passage.target)
        ledgers = {pod_id: self._entries(pod_id) for pod_id in pods}
        schema = {pod_id: _schema_of(entries) for pod_id, entries in ledgers.items()}
        for pod_id in pods:
            for entry in schema[pod_id].values():
                if entry.state.is_open:
                    what = f"migration {entry.id} is {entry.state} on pod {pod_id}{self._by(entry, pod_id)}"
                    yield Obstacle(f"{what} - it ends by itself; {_REMEDY}", passes=True)
        for has, lacks in (pods, pods[::-1]):
            is_stopped = any(entry.state is EntryState.FAILED for entry in ledgers[lacks])
            for version, entry in schema[has].items():
                theirs = schema[lacks].get(version)
                is_done = theirs is not None and theirs.state.counts_as_done
                is_open = entry.state.is_open or (theirs is not None and theirs.state.is_open)
                if entry.state.counts_as_done and not is_done and not is_open:
                    # What is pending is begun by a plan; what has failed or was taken back, by a person.
                    plan = "" if is_stopped or theirs is not None else self._coming(version, lacks)
                    yield _lacking(entry, has, lacks, plan)

    def _by(self, entry: Entry, pod_id: int) -> str:
        plan = self._coming(entry.version, pod_id) if entry.state is EntryState.RUNNING else ""
        return f", of {plan}" if plan else ""

    def _entries(self, pod_id: int) -> Sequence[Entry]:
        try:
            return self._ledger(pod_id).entries()
        except ShardUnprepared:  # by a version that had no migrations: none has run
            return ()


def _schema_of(entries: Sequence[Entry]) -> dict[str, Entry]:
    return {entry.version: entry for entry in entries if entry.kind is Kind.SCHEMA}


def _lacking(entry: Entry, has: int, lacks: int, plan: str) -> Obstacle:
    there = f"migration {entry.id} is {entry.state} on pod {has}"
    if plan:
        return Obstacle(
            f"{there}, and not yet on pod {lacks}: {plan} brings it there - {_REMEDY}", passes=True
        )
    return Obstacle(f"{there}, and not on pod {lacks} - let a plan bring it there; {_REMEDY}")
