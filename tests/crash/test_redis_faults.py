"""A pod's Redis in trouble under a working worker: it says so once, waits, and goes on by itself.

For each fault: pushes fail loudly with a typed error and can be repeated without doubling; nothing that was
accepted is lost where Redis kept it; what was acknowledged does not run again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from podwork.errors import StoreRefused, StoreUnavailable
from podwork_ops.local.redis import RedisServer
from tests.support.fault_shop import FaultRun, effect, nap
from tests.support.processes import ManagedProcess, Processes
from tests.support.servers import PrivateServers, kill, paused
from tests.support.wait import until

SAID = "keeps its results and tries again"
SHOP = 7


@pytest.fixture
def run(processes: Processes, own_redis: RedisServer, tmp_path: Path) -> FaultRun:
    return FaultRun(processes, own_redis.url, tmp_path)


@pytest.fixture
def admin(own_redis: RedisServer) -> Iterator[Any]:
    """A client that no test takes for podwork's own."""
    with redis.Redis.from_url(own_redis.url) as client:
        yield client


def everything_ran(run: FaultRun, job_ids: list[str]) -> None:
    until(lambda: set(run.runs()) >= set(job_ids), 30.0, "every job ran")
    until(lambda: run.unfinished() == 0, 30.0, "every end is written down")


def refused(push: Callable[[], object]) -> None:
    with pytest.raises(StoreRefused, match="nothing was written"):
        push()


def test_without_memory_pushes_are_refused_and_the_backlog_still_drains(run: FaultRun, admin: Any) -> None:
    """`OOM command not allowed`: what ends jobs is let through, or the memory would never come back."""
    job_ids = run.push_many([{"shop_id": number % 9} for number in range(500)])
    admin.config_set("maxmemory-policy", "noeviction")
    admin.config_set("maxmemory", 1)
    refused(lambda: effect.enqueue(shop_id=SHOP))
    refused(lambda: effect.enqueue(shop_id=SHOP, idempotency_key="order-9"))
    run.start(threads=3)
    everything_ran(run, job_ids)
    admin.config_set("maxmemory", 0)
    first = effect.enqueue(shop_id=SHOP, idempotency_key="order-9")
    assert effect.enqueue(shop_id=SHOP, idempotency_key="order-9") == first
    everything_ran(run, [first])
    assert set(run.runs().values()) == {1}


def test_a_full_disk_stops_writes_and_the_worker_waits_for_its_end(
    run: FaultRun, admin: Any, own_redis: RedisServer
) -> None:
    """`MISCONF`: the last snapshot failed, so Redis takes no writes at all."""
    worker = run.start(threads=2)
    first = run.push_many([{"shop_id": 1}, {"shop_id": 2}])
    everything_ran(run, first)
    admin.config_set("save", "3600 1")
    own_redis.directory.chmod(0o500)  # the server may not create its snapshot's file: as on a full disk
    try:
        admin.bgsave()
        until(lambda: admin.info("persistence")["rdb_last_bgsave_status"] == "err")
        refused(lambda: effect.enqueue(shop_id=SHOP))
        worker.wait_for_output(SAID)
    finally:
        own_redis.directory.chmod(0o755)
    admin.bgsave()
    until(lambda: admin.info("persistence")["rdb_last_bgsave_status"] == "ok")
    everything_ran(run, run.push_many([{"shop_id": 1}, {"shop_id": 2}]))
    says_it_once_and_that_it_is_over(worker)
    assert set(run.runs().values()) == {1}


def test_a_replica_that_takes_no_writes_is_waited_out(
    run: FaultRun, admin: Any, private_servers: PrivateServers
) -> None:
    """`READONLY`: a failover that has not arrived at the clients yet."""
    other = private_servers.start(RedisServer)
    try:
        worker = run.start(threads=2)
        everything_ran(run, run.push_many([{"shop_id": 1}]))
        admin.replicaof("127.0.0.1", other.port)
        with pytest.raises((StoreRefused, StoreUnavailable)):
            effect.enqueue(shop_id=SHOP)
        worker.wait_for_output(SAID)
        admin.replicaof("NO", "ONE")
        everything_ran(run, run.push_many([{"shop_id": 1}, {"shop_id": 2}]))
    finally:
        other.stop()


def test_a_script_that_runs_too_long_is_waited_out(run: FaultRun, admin: Any, own_redis: RedisServer) -> None:
    """`BUSY`: somebody's script holds Redis; it is killed, and work goes on."""
    worker = run.start(threads=2)
    everything_ran(run, run.push_many([{"shop_id": 1}]))
    admin.config_set("busy-reply-threshold", 50)
    killed: list[Exception] = []

    def loop() -> None:
        with redis.Redis.from_url(own_redis.url, socket_timeout=60) as client:
            try:
                client.eval("while true do end", 0)
            except redis.ResponseError as error:
                killed.append(error)

    thread = threading.Thread(target=loop)
    thread.start()
    worker.wait_for_output(SAID)
    with pytest.raises(StoreUnavailable):
        effect.enqueue(shop_id=SHOP)
    admin.script_kill()
    thread.join()
    assert killed
    everything_ran(run, run.push_many([{"shop_id": 1}, {"shop_id": 2}]))
    says_it_once_and_that_it_is_over(worker)


def test_a_frozen_redis_is_waited_out_and_no_end_is_forgotten(run: FaultRun, own_redis: RedisServer) -> None:
    """Shorter than a lease: the jobs that ran meanwhile are acknowledged afterwards, none runs again."""
    worker = run.start(threads=2, lease_seconds=30.0)
    job_ids = [nap.enqueue(seconds=0.5, shop_id=number) for number in (1, 2)]
    until(lambda: run.started() == 2, message="both run: what was only claimed may not have arrived yet")
    with paused(own_redis):
        until(lambda: len(run.runs()) == 2, 20.0, "the jobs ran on")
        worker.wait_for_output(SAID)
    everything_ran(run, job_ids)
    assert set(run.runs().values()) == {1}


def test_killed_and_started_again_from_its_log(
    processes: Processes, own_redis: RedisServer, private_servers: PrivateServers, tmp_path: Path
) -> None:
    """With an append-only file every accepted job runs; what was in flight may run twice."""
    with redis.Redis.from_url(own_redis.url) as admin:
        admin.config_set("appendonly", "yes")
        admin.config_set("appendfsync", "always")
        until(lambda: admin.info("persistence")["aof_rewrite_in_progress"] == 0)
    run = FaultRun(processes, own_redis.url, tmp_path)
    worker = run.start(threads=3)
    job_ids = run.push_many([{"shop_id": number % 20} for number in range(3_000)])
    until(lambda: len(run.runs()) > 200)
    kill(own_redis)
    acknowledged_before = run.runs()
    worker.wait_for_output(SAID)
    start_with_its_log(own_redis, private_servers)
    everything_ran(run, job_ids)
    runs = run.runs()
    doubled = [job_id for job_id, count in runs.items() if count > 1]
    assert set(runs) == set(job_ids)
    assert len(doubled) <= 300 + 3, "only what was held and not acknowledged"
    assert sum(acknowledged_before.values()) <= sum(runs.values())


def start_with_its_log(server: RedisServer, servers: PrivateServers) -> None:
    """Start the server again with its append-only file."""
    plain = server.command
    server.command = lambda: [*plain(), "--appendonly", "yes"]  # type: ignore[method-assign]  # for this start
    servers.restart(server)


def test_failover_to_a_replica_that_lags(
    processes: Processes, own_redis: RedisServer, private_servers: PrivateServers, tmp_path: Path
) -> None:
    """The replica knows less than was acknowledged: what it knows runs again, nothing is stuck."""
    replica = private_servers.start(RedisServer)
    run = FaultRun(processes, own_redis.url, tmp_path)
    with redis.Redis.from_url(own_redis.url) as primary, redis.Redis.from_url(replica.url) as other:
        other.replicaof("127.0.0.1", own_redis.port)
        until(lambda: other.info("replication")["master_link_status"] == "up", 30.0)
        worker = run.start(threads=3)
        known = run.push_many([{"shop_id": number % 5} for number in range(40)])
        primary.wait(1, 5_000)
        everything_ran(run, known)
        primary.wait(1, 5_000)
        with paused(replica):  # from here on it hears nothing
            unknown = run.push_many([{"shop_id": number % 5} for number in range(40)])
            everything_ran(run, unknown)
            kill(own_redis)
            worker.wait_for_output(SAID)
        other.replicaof("NO", "ONE")
        other.config_set("port", own_redis.port)
    again = run.push_many([{"shop_id": number % 5} for number in range(40)])
    everything_ran(run, again)
    runs = run.runs()
    assert set(runs) == {*known, *unknown, *again}
    assert all(runs[job_id] == 1 for job_id in again)
    assert worker.is_running()
    replica.stop()


def says_it_once_and_that_it_is_over(worker: ManagedProcess) -> None:
    worker.wait_for_output("answers again")
    assert worker.stderr.count(SAID) == 1
    assert worker.stderr.count("answers again") == 1
