"""What podwork asks of a pod's Redis: that it answers, keeps what it accepted, and evicts nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator

from podwork.store import Store
from podwork_ops.cli.finding import Finding, Verdict

OLDEST_VERSION = (7, 0)
CLOCK_SKEW_SECONDS = 1.0


def redis_findings(store: Store) -> Iterator[Finding]:
    """Yield what is to be said about the Redis. Raises `StoreUnavailable`."""
    took_ms = store.ping() * 1000
    facts = info(store)
    yield _version(facts, f"{store.address}, {took_ms:.1f} ms")
    yield from _memory(facts)
    if facts.get("aof_enabled") != "1":
        yield Finding(
            Verdict.WARN, "appendonly is off: accepted jobs are lost with the server", "set appendonly yes"
        )
    if facts.get("role", "master") != "master":
        yield Finding(Verdict.FAIL, "it is a replica", "point the pod's redis_url at the primary")
    yield from _clock(store)


def info(store: Store) -> dict[str, str]:
    """Return what INFO says."""
    answer = store.command("INFO")
    lines = answer.decode(errors="replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def _version(facts: dict[str, str], where: str) -> Finding:
    name = facts.get("server_name", "redis")
    shown = facts.get(f"{name}_version", facts.get("redis_version", "unknown"))
    speaks = tuple(int(part) for part in facts.get("redis_version", "0").split(".")[:2] if part.isdigit())
    if speaks < OLDEST_VERSION:
        return Finding(Verdict.FAIL, f"{name} {shown} at {where} is too old", "use Redis 7.0 or Valkey")
    return Finding(Verdict.OK, f"{name} {shown} at {where}")


def _memory(facts: dict[str, str]) -> Iterator[Finding]:
    policy = facts.get("maxmemory_policy", "unknown")
    if policy != "noeviction":
        yield Finding(
            Verdict.FAIL,
            f"maxmemory-policy is {policy}: it may delete jobs",
            "set maxmemory-policy noeviction",
        )
    limit, used = int(facts.get("maxmemory", 0)), int(facts.get("used_memory", 0))
    if limit and used > 0.8 * limit:
        found = f"{100 * used / limit:.0f} % of maxmemory is used; at 100 % pushes are refused"
        yield Finding(Verdict.WARN, found, "raise maxmemory, or start more workers")


def _clock(store: Store) -> Iterator[Finding]:
    before = time.time()
    seconds, microseconds = (int(part) for part in store.command("TIME"))
    after = time.time()
    there = seconds + microseconds / 1_000_000
    # Its answer was given at some time between the two: only what lies outside of them is skew.
    skew_seconds = max(before - there, there - after, 0.0)
    if skew_seconds > CLOCK_SKEW_SECONDS:
        yield Finding(
            Verdict.WARN,
            f"its clock is {skew_seconds:.1f} s away from this machine's: retries come early or late",
            "run NTP on both",
        )
