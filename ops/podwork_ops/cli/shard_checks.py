"""What podwork asks of a pod's shard: that it answers, is recent enough, and has its tables."""

from __future__ import annotations

import time
from collections.abc import Iterator

from sqlalchemy import Engine, inspect, text

from podwork_ops.cli.finding import Finding, Verdict

TABLES = {
    "podwork_fence": (Verdict.FAIL, ""),
    # A shard of an earlier version has none, and is missed by applications with such jobs alone.
    "podwork_runs": (Verdict.WARN, ": iteration jobs cannot run there"),
}
"""What a shard has to have, with how bad it is if it has not, and what follows."""
OLDEST_VERSIONS = {"MariaDB": (10, 6), "MySQL": (8, 0), "SQLite": (3, 35)}


def shard_findings(engine: Engine, pod_id: int) -> Iterator[Finding]:
    """Yield what is to be said about the shard. Raises `ShardUnavailable`."""
    begun = time.perf_counter()
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        took_ms = (time.perf_counter() - begun) * 1000
        missing = [table for table in TABLES if not inspect(connection).has_table(table)]
    yield _version(engine, f"{took_ms:.0f} ms")
    for table in missing:
        verdict, consequence = TABLES[table]
        yield Finding(
            verdict,
            f"the shard of pod {pod_id} has no table {table}{consequence}",
            "add the pod again: podctl pods add prepares its shard",
        )


def _version(engine: Engine, took: str) -> Finding:
    version = engine.dialect.server_version_info or (0,)
    name = "MySQL"
    if engine.dialect.name == "sqlite":
        name = "SQLite"
    elif getattr(engine.dialect, "is_mariadb", False):
        name = "MariaDB"
    shown = ".".join(str(part) for part in version if isinstance(part, int))
    oldest = OLDEST_VERSIONS[name]
    if tuple(version[:2]) < oldest:
        needed = ".".join(map(str, oldest))
        return Finding(Verdict.FAIL, f"{name} {shown} is too old", f"use {name} {needed} or later")
    return Finding(Verdict.OK, f"{name} {shown}, {took}")
