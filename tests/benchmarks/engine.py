"""What a job costs: pushed one by one, pushed in bulk, drained, and started when idle.

Redis on one core, worker or pusher on the other, as in production they are on different machines. Figures
are medians over rounds; on a shared machine only their ratios mean something, so each round also measures
bare round trips (`PING`, and a pipelined `LPUSH`) on the same Redis right before.
Run: python -m tests.benchmarks.engine
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import psutil
import redis

from podwork import keys
from podwork.inspection import Inspection
from podwork.store import Store
from tests.benchmarks import noop_worker
from tests.benchmarks.report import Figures, write
from tests.benchmarks.servers import private_redis

SINGLE_JOBS, BULK_JOBS, DRAIN_JOBS, LATENCY_JOBS = 5_000, 60_000, 60_000, 200
SHOPS, THREADS, WORKER_CPU = 500, 10, 1


@contextmanager
def worker(url: str, output: int | IO[bytes] = subprocess.DEVNULL) -> Iterator[psutil.Process]:
    """Run one worker process on its core; yield its one child."""
    command = [sys.executable, "-m", "tests.benchmarks.noop_worker", url, "1", str(THREADS)]
    with subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL) as supervisor:
        try:
            process = psutil.Process(supervisor.pid)
            process.cpu_affinity([WORKER_CPU])
            store = Store(url)
            while not Inspection(store).processes():
                time.sleep(0.01)
            [child] = process.children()
            child.cpu_affinity([WORKER_CPU])
            yield child
        finally:
            supervisor.terminate()
            supervisor.wait()


def push_single(client: redis.Redis) -> Figures:
    """Push one by one, against bare round trips of the same client."""
    start = time.perf_counter()
    for _ in range(SINGLE_JOBS):
        client.ping()
    ping_us = (time.perf_counter() - start) / SINGLE_JOBS * 1e6
    start = time.perf_counter()
    for number in range(SINGLE_JOBS):
        noop_worker.noop.enqueue(n=number, shop_id=number % SHOPS)
    push_us = (time.perf_counter() - start) / SINGLE_JOBS * 1e6
    return {"push_us": push_us, "ping_us": ping_us, "pushes_per_s": 1e6 / push_us}


def push_bulk(client: redis.Redis) -> Figures:
    """Push in bulk; Redis's own time and the bytes that a queued job takes."""
    rows = [{"n": number, "shop_id": number % SHOPS} for number in range(BULK_JOBS)]
    client.flushall()
    before_bytes = client.info("memory")["used_memory"]
    client.config_resetstat()
    start = time.perf_counter()
    noop_worker.noop.enqueue_bulk(rows)
    push_us = (time.perf_counter() - start) / BULK_JOBS * 1e6
    used_bytes = client.info("memory")["used_memory"] - before_bytes
    redis_us = client.info("commandstats")["cmdstat_evalsha"]["usec"] / BULK_JOBS
    return {
        "bulk_us": push_us,
        "bulk_redis_us": redis_us,
        "bulk_per_s": 1e6 / push_us,
        "bytes_per_job": used_bytes / BULK_JOBS,
    }


def drain(client: redis.Redis, url: str) -> Figures:
    """Drain no-op jobs with one child."""
    client.flushall()
    noop_worker.noop.enqueue_bulk({"n": n, "shop_id": n % SHOPS} for n in range(DRAIN_JOBS))
    with worker(url) as child:
        while int(client.hget(keys.TOTALS, "acknowledged") or 0) < DRAIN_JOBS // 10:
            time.sleep(0.001)
        client.config_resetstat()
        first, cpu, start = _acknowledged(client), sum(child.cpu_times()[:2]), time.perf_counter()
        while _acknowledged(client) < DRAIN_JOBS:
            time.sleep(0.002)
        wall, jobs = time.perf_counter() - start, DRAIN_JOBS - first
        cpu = sum(child.cpu_times()[:2]) - cpu
        redis_us = client.info("commandstats")["cmdstat_evalsha"]["usec"]
        rss_mib = child.memory_info().rss / 2**20
    return {
        "drain_per_s": jobs / wall,
        "drain_cpu_us": cpu / jobs * 1e6,
        "drain_redis_us": redis_us / jobs,
        "worker_rss_mib": rss_mib,
    }


def idle(client: redis.Redis, url: str) -> Figures:
    """Start one job at a time on an idle worker; then measure what idling costs."""
    client.flushall()
    reading, writing = os.pipe()
    with os.fdopen(reading) as lines, os.fdopen(writing, "wb") as output, worker(url, output) as child:
        waits = []
        for _ in range(LATENCY_JOBS):
            noop_worker.latency.enqueue(pushed_at=time.time(), shop_id=7)
            waits.append(float(lines.readline()))
        commands = _commands(client)
        cpu, start = sum(child.cpu_times()[:2]), time.perf_counter()
        time.sleep(5)
        elapsed = time.perf_counter() - start
        return {
            "idle_p50_ms": statistics.median(waits) * 1e3,
            "idle_p99_ms": statistics.quantiles(waits, n=100)[98] * 1e3,
            "idle_commands_per_s": (_commands(client) - commands - 1) / elapsed,
            "idle_cpu_percent": (sum(child.cpu_times()[:2]) - cpu) / elapsed * 100,
        }


def _commands(client: redis.Redis) -> int:
    return int(client.info("stats")["total_commands_processed"])


def _acknowledged(client: redis.Redis) -> int:
    return int(client.hget(keys.TOTALS, "acknowledged") or 0)


def measure(rounds: int = 3) -> Figures:
    """Return the medians."""
    results: list[Figures] = []
    with private_redis() as client:
        url = "unix://" + client.connection_pool.connection_kwargs["path"]
        noop_worker.client_of(url)
        for _ in range(rounds):
            client.flushall()
            results.append(push_single(client) | push_bulk(client) | drain(client, url) | idle(client, url))
    return {name: statistics.median(result[name] for result in results) for name in results[0]}


if __name__ == "__main__":
    write(measure())
