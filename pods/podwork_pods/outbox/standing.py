"""Whether a pod's Redis still has what was brought there from the shard's outbox.

Owns: `Standing` and its judgement. Redis carries a name, the generation, and counts the relay's batches; the
shard remembers the name, and in each row the batch that brought it. A Redis without the name was emptied.
One whose count is below a row's batch has lost its last writes (a failover to a replica that was behind, a
log that was not written out). Promises: nothing is concluded from clocks. Leaves to others: what to do about
it (a person: `podctl pods rebuild`).
"""

from __future__ import annotations

import secrets
from enum import StrEnum
from typing import NamedTuple

from podwork_pods.outbox.arrivals import Arrivals, Found
from podwork_pods.outbox.rows import OutboxRows


class Standing(StrEnum):
    """What the shard finds when it looks at the pod's Redis."""

    COMPLETE = "complete"
    EMPTIED = "emptied"
    BEHIND = "behind"
    FOREIGN = "foreign"


class Seen(NamedTuple):
    """A judgement, and the generation that the shard knows ('' : it knows none yet)."""

    standing: Standing
    generation: str


def look(rows: OutboxRows, arrivals: Arrivals) -> Seen:
    """Return how Redis stands; changes nothing anywhere."""
    known = rows.generation()
    if known is None:
        found = arrivals.found().generation
        is_ours = not found or found.startswith(_prefix(rows))
        return Seen(Standing.COMPLETE if is_ours else Standing.FOREIGN, "")
    # Redis's count after the rows' batches: it only grows, and was there before them.
    highest = rows.highest_batch()
    return Seen(judge(known, highest, arrivals.found()), known)


def judge(known: str, highest_batch: int, found: Found) -> Standing:
    """Return how a Redis stands that says `found` to a shard that remembers these."""
    if not found.generation:
        return Standing.EMPTIED
    if found.generation != known:
        return Standing.FOREIGN
    return Standing.BEHIND if found.lost or found.batch < highest_batch else Standing.COMPLETE


def known_generation(rows: OutboxRows, arrivals: Arrivals) -> str:
    """Return the generation that the shard knows; the first time, name Redis and let the shard remember it.

    Redis first: a crash in between leaves a name that the next relay takes over. The name begins with the
    pod's number, so that a Redis which two pods were given by mistake is known for what it is.
    """
    known = rows.generation()
    if known is None:
        named = arrivals.name(f"{_prefix(rows)}{secrets.token_hex(8)}")
        if not named.startswith(_prefix(rows)):
            return ""
        rows.keep_generation(named)
        known = rows.generation() or named
    return known


def _prefix(rows: OutboxRows) -> str:
    return f"{rows.pod_id}-"
