"""What podwork asks of a pod's shard: that it answers, is recent enough, and has its fence table."""

from __future__ import annotations

import time
from collections.abc import Iterator

from sqlalchemy import Engine, inspect, text

from podwork_ops.cli.finding import Finding, Verdict

FENCE_TABLE = "podwork_fence"
OLDEST_VERSIONS = {"MariaDB": (10, 6), "MySQL": (8, 0), "SQLite": (3, 35)}


def shard_findings(engine: Engine, pod_id: int) -> Iterator[Finding]:
    """Yield what is to be said about the shard. Raises `ShardUnavailable`."""
    begun = time.perf_counter()
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        took_ms = (time.perf_counter() - begun) * 1000
        has_fence = inspect(connection).has_table(FENCE_TABLE)
    yield _version(engine, f"{took_ms:.0f} ms")
    if not has_fence:
        yield Finding(
            Verdict.FAIL,
            f"the shard of pod {pod_id} has no table {FENCE_TABLE}",
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
