"""What doctor says about a pod's Redis and shard that are not as they should be."""

from __future__ import annotations

import time
from typing import Any, cast

import pytest
from sqlalchemy import create_engine, text

from podwork.store import Store
from podwork_ops.cli.finding import Finding, Verdict
from podwork_ops.cli.redis_checks import redis_findings
from podwork_ops.cli.shard_checks import shard_findings

GOOD = {
    "redis_version": "7.0.15",
    "maxmemory_policy": "noeviction",
    "maxmemory": "0",
    "used_memory": "1000",
    "aof_enabled": "1",
    "role": "master",
}


class AnsweringStore:
    """Answers as a Redis with these facts would; only reading what INFO and TIME say is under test."""

    address = "redis.example:6379"

    def __init__(self, facts: dict[str, str], clock_ahead_seconds: float = 0.0) -> None:
        self._facts = facts
        self._ahead = clock_ahead_seconds

    def ping(self) -> float:
        return 0.0004

    def command(self, name: str) -> Any:
        if name == "TIME":
            now = time.time() + self._ahead
            return [str(int(now)).encode(), str(int(now % 1 * 1_000_000)).encode()]
        lines = ["# Server", *(f"{key}:{value}" for key, value in self._facts.items())]
        return "\r\n".join(lines).encode()


def findings(facts: dict[str, str] | None = None, ahead: float = 0.0) -> list[Finding]:
    store = AnsweringStore({**GOOD, **(facts or {})}, ahead)
    return list(redis_findings(cast(Store, store)))


def test_a_good_redis_is_one_line() -> None:
    (only,) = findings()
    assert only.verdict is Verdict.OK
    assert only.found == "redis 7.0.15 at redis.example:6379, 0.4 ms"


def test_valkey_is_called_by_its_own_name() -> None:
    assert "valkey 9.1.2" in findings({"server_name": "valkey", "valkey_version": "9.1.2"})[0].found


@pytest.mark.parametrize(
    ("facts", "verdict", "says"),
    [
        ({"maxmemory_policy": "allkeys-lru"}, Verdict.FAIL, "may delete jobs"),
        ({"role": "slave"}, Verdict.FAIL, "replica"),
        ({"redis_version": "6.2.14"}, Verdict.FAIL, "too old"),
        ({"aof_enabled": "0"}, Verdict.WARN, "lost with the server"),
        ({"maxmemory": "1000"}, Verdict.WARN, "100 % of maxmemory"),
    ],
)
def test_a_redis_that_endangers_jobs_is_named(facts: dict[str, str], verdict: Verdict, says: str) -> None:
    wrong = [finding for finding in findings(facts) if finding.verdict is not Verdict.OK]
    assert [finding.verdict for finding in wrong] == [verdict]
    assert says in wrong[0].found
    assert wrong[0].remedy


@pytest.mark.parametrize("ahead", [-30.0, 30.0])
def test_a_clock_that_is_off_is_named(ahead: float) -> None:
    assert "30.0 s away" in findings(ahead=ahead)[-1].found


def test_a_shard_without_its_fence_fails_and_one_of_before_runs_gets_a_warning() -> None:
    engine = create_engine("sqlite://")
    verdicts = [finding.verdict for finding in shard_findings(engine, 1)]
    assert verdicts == [Verdict.OK, Verdict.FAIL, Verdict.WARN]
    for table, left in (("podwork_fence", [Verdict.OK, Verdict.WARN]), ("podwork_runs", [Verdict.OK])):
        with engine.begin() as connection:
            connection.execute(text(f"CREATE TABLE {table} (id INTEGER)"))
        assert [finding.verdict for finding in shard_findings(engine, 1)] == left
    engine.dispose()
