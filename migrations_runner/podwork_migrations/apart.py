"""What stands between two pods because their migrations are not equally far: a look of a move's preflight.

Owns: `Apart`. Promises: it only reads; each schema migration that one pod has and the other has not, and each
that is under way on either, is named with the pod. Leaves to others: how their tables differ, which preflight
looks at itself (`mover.tables.differing`), and data migrations: their backfills are settled
(`mover.joined.debts`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from podwork_migrations.ledger.entry import Entry
from podwork_migrations.ledger.ledger import Ledger
from podwork_migrations.migration import Kind
from podwork_pods.errors import ShardUnprepared
from podwork_pods.mover.passage import Passage

_REMEDY = "see: podctl migrations status"


class Apart:
    """Compares the ledgers of a passage's pods. `ledger` gives a pod's."""

    def __init__(self, ledger: Callable[[int], Ledger]) -> None:
        self._ledger = ledger

    def __call__(self, passage: Passage) -> Iterator[str]:
        """Name what the move has to wait for, for people."""
        pods = (passage.source, passage.target)
        entries = {pod_id: self._schema_entries(pod_id) for pod_id in pods}
        for pod_id in pods:
            for entry in entries[pod_id].values():
                if entry.state.is_open:
                    yield f"migration {entry.id} is {entry.state} on pod {pod_id} - let it end; {_REMEDY}"
        for has, lacks in (pods, pods[::-1]):
            for version, entry in entries[has].items():
                theirs = entries[lacks].get(version)
                is_done = theirs is not None and theirs.state.counts_as_done
                is_open = entry.state.is_open or (theirs is not None and theirs.state.is_open)
                if entry.state.counts_as_done and not is_done and not is_open:
                    yield (
                        f"migration {entry.id} is {entry.state} on pod {has}, and not on pod {lacks} - "
                        f"let the plan go on; {_REMEDY}"
                    )

    def _schema_entries(self, pod_id: int) -> dict[str, Entry]:
        try:
            entries = self._ledger(pod_id).entries()
        except ShardUnprepared:  # by a version that had no migrations: none has run
            return {}
        return {entry.version: entry for entry in entries if entry.kind is Kind.SCHEMA}
