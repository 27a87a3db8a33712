"""Is the worker alive, is it ready? The two questions of an orchestrator, answered from its health.

Owns: the checks and their wording. Promises: liveness looks at the supervisor's children only, never at
Redis, a shard or the registry, so that an outage of a server does not make an orchestrator restart every
worker at once; readiness says no while nothing can be claimed. Leaves gathering the health to the supervisor.
"""

from __future__ import annotations

from dataclasses import dataclass

from podwork.worker.spec import Health

BEAT_LIMIT_SECONDS = 10.0
"""Children beat once a second; one that has not for this long is stuck."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a probe's verbose answer."""

    name: str
    passed: bool
    found: str


def liveness(health: Health) -> list[Check]:
    """Return the checks of /livez: somebody beats, or the worker is stopping as it was told to."""
    beating = [child for child in health.children if child.beat_age_seconds <= BEAT_LIMIT_SECONDS]
    found = f"{len(beating)} of {len(health.children)} children beat within {BEAT_LIMIT_SECONDS:g} s"
    return [Check("children", bool(beating) or health.stopping, found)]


def readiness(health: Health) -> list[Check]:
    """Return the checks of /readyz: alive, not stopping, and at least one child can claim from Redis."""
    claiming = [child for child in health.children if child.claims_ok]
    children = len(health.children)
    return [
        *liveness(health),
        Check("not stopping", not health.stopping, "stopping" if health.stopping else "serving"),
        Check("claims", bool(claiming), f"{len(claiming)} of {children} children can claim from Redis"),
    ]


def render(checks: list[Check], *, verbose: bool) -> tuple[int, str]:
    """Return the HTTP status (200 or 503) and the body of a probe; a failure always says why."""
    passed = all(check.passed for check in checks)
    if passed and not verbose:
        return 200, "ok\n"
    lines = [f"[{'+' if check.passed else '-'}] {check.name}: {check.found}" for check in checks]
    return (200 if passed else 503), "\n".join([*lines, "ok" if passed else "not ok"]) + "\n"
