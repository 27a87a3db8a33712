"""Legs: how often a plan goes through its waves.

Owns: `legs_of`. A migration that finalizes another one of the same plan needs that one on every pod, so it
cannot be part of the same round: it, and what comes after it, is a leg of its own, with the canary first
again. Promises: a version is never in an earlier leg than one that was written before it, so that every pod
applies them in the order of their files.
"""

from __future__ import annotations

from collections.abc import Sequence

from podwork_migrations.migration import Migration


def legs_of(migrations: Sequence[Migration]) -> list[int]:
    """Return the leg of each, from 0 on, in the order given, which is that of their versions."""
    legs: list[int] = []
    leg_of: dict[str, int] = {}
    for migration in migrations:
        leg = legs[-1] if legs else 0
        for finalized in migration.finalizes:
            if finalized in leg_of:
                leg = max(leg, leg_of[finalized] + 1)
        legs.append(leg)
        leg_of[migration.version] = leg
    return legs
