"""The signature of a plan: what was looked at when it was made is what runs.

Owns: `digest`, and what of a plan it covers. Promises: two plans over the same files, in the same order, with
the same evidence (what the linter found, which routes were chosen) have the same digest; change a byte of one
file and it is another. Leaves to others: comparing (`plans` at the start, `gate` for each migration).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from podwork_migrations.plan.plan import Planned


def digest(planned: Sequence[Planned], evidence: Mapping[str, str]) -> str:
    """Return the SHA-256, in hexadecimal, over the versions and the evidence."""
    covered = [[each.version, each.name, each.checksum, each.kind] for each in planned]
    text = msgspec.json.encode([covered, sorted(evidence.items())])
    return hashlib.sha256(text).hexdigest()
