"""Huey: `RedisHuey` without results, a consumer with threads and no periodic tasks."""

from __future__ import annotations

from huey import RedisHuey

from tests.benchmarks.peers import protocol

queue = RedisHuey("bench", url=protocol.redis_url(), results=False)
TASKS = {name: queue.task(name=name)(job) for name, job in protocol.JOBS.items()}


def push(job: str, row: protocol.Row) -> object:
    """Push one task; there is no call for many."""
    return TASKS[job](*row)


if __name__ == "__main__":
    protocol.serve(push)
