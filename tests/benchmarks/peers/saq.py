"""SAQ: 50 coroutines at a time; many jobs are pushed together over up to 20 connections."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

from saq import Queue, Worker

from tests.benchmarks.peers import protocol

CONCURRENCY, CONNECTIONS = 50, 20


def _with_context(job: Callable[..., Any]) -> Callable[..., Any]:
    """Return the job as SAQ calls it: a context, and arguments by name, which are few enough to be one."""

    async def run(_context: dict[str, Any], *, row: list[int]) -> None:
        await job(*row)

    return run


async def main() -> None:
    """Push what the harness asks for."""
    queue = Queue.from_url(protocol.redis_url(), max_concurrent_ops=CONNECTIONS)
    await queue.connect()

    def push(job: str, row: protocol.Row) -> object:
        return queue.enqueue(job, ttl=-1, row=row)

    async def push_many(job: str, rows: list[protocol.Row]) -> None:
        await asyncio.gather(*(queue.enqueue(job, ttl=-1, row=row) for row in rows))

    await protocol.serve_async(push, push_many)


async def work() -> None:
    """Run the worker on the loop that is there."""
    functions = [(name, _with_context(job)) for name, job in protocol.COROUTINES.items()]
    await Worker(Queue.from_url(protocol.redis_url()), functions, concurrency=CONCURRENCY).start()


if __name__ == "__main__":
    protocol.run_async(work() if sys.argv[1:] == ["work"] else main())
