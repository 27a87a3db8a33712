"""arq: 50 jobs at a time, polls every 5 ms, keeps no results (its defaults drain 206 jobs a second)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from arq import create_pool, func
from arq.connections import RedisSettings
from arq.worker import create_worker

from tests.benchmarks.peers import protocol


def _with_context(job: Callable[..., Any]) -> Callable[..., Any]:
    """Return the job as arq calls it, with a context first."""

    async def run(_context: dict[str, Any], *arguments: int) -> None:
        await job(*arguments)

    return run


class WorkerSettings:
    """What the worker is."""

    functions = tuple(
        func(_with_context(job), name=name, keep_result=0) for name, job in protocol.COROUTINES.items()
    )
    redis_settings = RedisSettings.from_dsn(protocol.redis_url())
    max_jobs = 50
    poll_delay = 0.005
    queue_read_limit = 1000
    keep_result = 0


async def main() -> None:
    """Push what the harness asks for; there is no call for many."""
    pool = await create_pool(WorkerSettings.redis_settings)

    def push(job: str, row: protocol.Row) -> object:
        return pool.enqueue_job(job, *row)

    await protocol.serve_async(push)


async def work() -> None:
    """Run the worker on the loop that is there."""
    await create_worker(WorkerSettings).async_run()


if __name__ == "__main__":
    protocol.run_async(work() if sys.argv[1:] == ["work"] else main())
