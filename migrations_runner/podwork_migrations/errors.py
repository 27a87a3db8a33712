"""What can go wrong with migrations, as part of the one tree of errors."""

from __future__ import annotations

from pathlib import Path

from podwork.errors import PodworkError


class InvalidMigration(PodworkError):
    """Raised when a file of migrations, or several together, cannot be used."""

    def __init__(self, path: Path | str, why: str, remedy: str) -> None:
        self.path = path
        self.why = why
        super().__init__(f"{path}: {why}", remedy)


class UnknownMigration(PodworkError):
    """Raised when a migration is named that is in no file, or that a pod's ledger does not hold."""

    def __init__(self, version: str, where: str) -> None:
        self.version = version
        self.where = where
        super().__init__(f"there is no migration {version} {where}", "see: podctl migrations status")


class MigrationConflict(PodworkError):
    """Raised when a migration is asked for what its state, or that of its pod's line, does not allow."""

    def __init__(self, pod_id: int, version: str, why: str, remedy: str) -> None:
        self.pod_id = pod_id
        self.version = version
        self.why = why
        super().__init__(f"pod {pod_id}: migration {version}: {why}", remedy)


class LineLost(PodworkError):
    """Raised when a migration is to be gone on with by somebody who no longer has the pod's line."""

    def __init__(self, pod_id: int, epoch: int, why: str) -> None:
        self.pod_id = pod_id
        self.epoch = epoch
        self.why = why
        super().__init__(
            f"pod {pod_id}: the line of migrations is not held under epoch {epoch}: {why}",
            "leave the migration alone; who has the line goes on from what the ledger says",
        )


class LockBusy(PodworkError):
    """Raised when a statement of a migration did not get a lock within its budget; it is tried again."""

    def __init__(self, table: str, waited_seconds: float, blockers: str = "") -> None:
        self.table = table
        self.waited_seconds = waited_seconds
        self.blockers = blockers
        who = f" because of {blockers}" if blockers else ""
        super().__init__(
            f"no lock on {table} within {waited_seconds:g} s{who}",
            "it is tried again; end what holds it, if it does not end by itself",
        )


class MigrationFailed(PodworkError):
    """Raised when a migration cannot go on; it stops its pod's line, not the application."""

    def __init__(
        self, migration_id: str, why: str, remedy: str = "mend it; then: podctl migrations retry"
    ) -> None:
        self.migration_id = migration_id
        self.why = why
        super().__init__(f"migration {migration_id}: {why}", remedy)
