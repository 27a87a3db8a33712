"""Jitter: how much later than its slot a job is due, so that not all pods start the same work at once.

Owns: the formula. Promises: the same schedule, pod and slot always have the same jitter, so that a tick
that is repeated after a crash has the same due time; over the pods it is spread evenly from 0 up to the
length declared.
"""

from __future__ import annotations

import hashlib


def jitter_ms(schedule: str, pod_id: int, slot_ms: int, most_ms: int) -> int:
    """Return the delay of one slot on one pod, from 0 to below `most_ms`."""
    if not most_ms:
        return 0
    digest = hashlib.sha1(f"{schedule} {pod_id} {slot_ms}".encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8]) % most_ms
