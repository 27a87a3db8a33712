"""Which migrations the live workers of a pod know: what each says of itself, and how that is read.

Owns: `said`, what a worker says of its files, and `Witnesses`, what all of them have said. Old and new code
run side by side while an application is deployed; a migration that only the new one knows has to wait until
the old one is gone. Promises: who says nothing knows nothing; where nobody is seen, nobody has agreed. Leaves
to others: the fields in Redis (`podwork.worker.portrait`), who is alive (`podwork.inspection`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from podwork_migrations.library import digests, files_digest
from podwork_migrations.migration import Migration, Phase

FIELD: Final = "migrations"
DIGEST_FIELD: Final = "migrations_digest"

_decode = msgspec.json.Decoder(list[str]).decode


def said(folder: str | Path) -> dict[str, str]:
    """Return what a worker says of its files: the latest of them, and one digest over all.

    Raises:
        InvalidMigration: there is no such folder, or a file is not named as one of them.
    """
    return {FIELD: msgspec.json.encode(digests(folder)).decode(), DIGEST_FIELD: files_digest(folder)}


class Witnesses:
    """The live workers of a pod, by what their portraits say."""

    def __init__(self, portraits: Sequence[Mapping[str, str]]) -> None:
        self._portraits = portraits
        self._known = [_list(portrait) for portrait in portraits]

    def objection(self, migration: Migration, digest: str) -> str:
        """Return why the migration may not begin yet; "": all know it. `digest` is that of our library."""
        if not self._portraits:
            return "no worker of the pod is seen, so that nobody knows what code runs there"
        strangers = sum(
            portrait.get(DIGEST_FIELD) != digest and migration.digest not in known
            for portrait, known in zip(self._portraits, self._known, strict=True)
        )
        if strangers:
            return f"{strangers} of {len(self._portraits)} workers run code that does not know it"
        revisions = sorted({portrait.get("revision", "") for portrait in self._portraits})
        if migration.phase is Phase.AFTER_DEPLOY and len(revisions) > 1:
            return f"it comes after the deployment, and workers run {', '.join(revisions)}"
        return ""

    def has(self, digest: str) -> bool:
        """Return whether a worker knows a migration by this `Migration.digest`."""
        return any(digest in known for known in self._known)


def _list(portrait: Mapping[str, str]) -> frozenset[str]:
    try:
        return frozenset(_decode(portrait.get(FIELD, "[]")))
    except msgspec.DecodeError:
        return frozenset()
