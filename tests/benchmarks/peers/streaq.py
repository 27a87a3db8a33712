"""streaq: 50 coroutines at a time, results dropped, quiet, coredis without its checks (see `roster`)."""

from __future__ import annotations

import sys

from streaq import Worker

from tests.benchmarks.peers import protocol

worker = Worker(redis_url=protocol.redis_url(), concurrency=50, anyio_kwargs={"use_uvloop": True})
TASKS = {name: worker.task(name=name, ttl=0, silent=True)(job) for name, job in protocol.COROUTINES.items()}


async def _push(job: str, row: protocol.Row) -> None:
    await TASKS[job].enqueue(*row)


async def _push_many(job: str, rows: list[protocol.Row]) -> None:
    await worker.enqueue_many([TASKS[job].enqueue(*row) for row in rows])


async def main() -> None:
    """Push what the harness asks for."""
    async with worker:
        await protocol.serve_async(_push, _push_many)


if __name__ == "__main__":
    if sys.argv[1:] == ["work"]:
        worker.run_sync()
    else:
        protocol.run_async(main())
