"""What the machine allows: the figures beside which podwork's own are to be read.

`redis-benchmark` on the worker's core against Redis on its own: a push that is nothing but LPUSH. The bare
loop: one script that acknowledges a batch by id and claims the next 50, plain Python that decodes and calls;
no lanes, leases, gate, retries, heartbeats or threads. The empty loop: the same without Redis. What podwork
does more than the bare loop is what its promises cost.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import Any

import msgspec
import redis

from podwork.store import Store
from tests.benchmarks.harness import cores
from tests.benchmarks.harness.measured import Figures
from tests.benchmarks.harness.trouble import Trouble
from tests.benchmarks.servers import RedisUnderTest

BATCH = 50
REQUESTS = {1: 60_000, 50: 600_000}
_BARE_TURN = """
for i = 2, #ARGV do redis.call('HDEL', KEYS[2], ARGV[i]) end
local jobs, held = redis.call('RPOP', KEYS[1], ARGV[1]), {}
if not jobs then return {} end
for i, job in ipairs(jobs) do held[2 * i - 1], held[2 * i] = string.match(job, '"id":"(%x+)"'), job end
redis.call('HSET', KEYS[2], unpack(held))
return jobs"""


def measure(server: RedisUnderTest, scale: float) -> Figures:
    """Measure once. Raises Trouble when redis-benchmark cannot be run."""
    server.clear()
    figures: Figures = {}
    for pipeline, requests in REQUESTS.items():
        figures |= _redis_benchmark(server, pipeline, max(10_000, int(requests * scale)))
    with cores.on(cores.WORKER):
        figures |= _loops(server, scale)
    server.clear()
    return figures


def _loops(server: RedisUnderTest, scale: float) -> Figures:
    figures: Figures = {}
    jobs = max(5_000, int(100_000 * scale))
    encoded = [_encode(n) for n in range(jobs)]
    figures["empty_loop_per_s"] = _per_s(jobs, lambda: [_run(job) for job in encoded])
    figures["bare_loop_per_s"] = _per_s(jobs, _bare_loop(server.client, encoded))
    pushes, store = max(1_000, int(10_000 * scale)), Store(server.url)
    figures["bare_push_per_s"] = _per_s(
        pushes, lambda: [store.command("LPUSH", "bare", encoded[0]) for _ in range(pushes)]
    )
    return figures


def _redis_benchmark(server: RedisUnderTest, pipeline: int, requests: int) -> Figures:
    port = server.url.rsplit(":", 1)[1].split("/")[0]
    command = ["redis-benchmark", "-p", port, "-t", "lpush,rpop", "-c", "1", "-P", str(pipeline)]
    command += ["-n", str(requests), "-d", "60", "--csv"]
    try:
        ran = subprocess.run(
            cores.pinned(command, cores.WORKER), capture_output=True, text=True, check=True, timeout=120
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise Trouble(f"redis-benchmark: {error}") from error
    rows = [line.replace('"', "").split(",") for line in ran.stdout.splitlines()]
    return {
        f"redis_benchmark_{row[0].lower()}_p{pipeline}_per_s": float(row[1])
        for row in rows
        if row[0] in {"LPUSH", "RPOP"}
    }


def _encode(n: int) -> bytes:
    job = {"id": f"{n:021x}", "class": "noop", "at": time.time(), "args": {"n": n}}
    return msgspec.json.encode(job)


def _noop(n: int) -> None:
    """The job."""


_JOBS: dict[str, Callable[..., Any]] = {"noop": _noop}


def _run(encoded: bytes) -> str:
    job = msgspec.json.decode(encoded)
    _JOBS[job["class"]](**job["args"])
    identifier: str = job["id"]
    return identifier


def _bare_loop(client: redis.Redis, encoded: list[bytes]) -> Callable[[], object]:
    client.lpush("bare", *encoded)
    sha = client.script_load(_BARE_TURN)

    def drain() -> None:
        ended: list[str] = []
        while jobs := client.evalsha(sha, 2, "bare", "bare:held", BATCH, *ended):
            ended = [_run(job) for job in jobs]

    return drain


def _per_s(count: int, work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return count / (time.perf_counter() - began)
