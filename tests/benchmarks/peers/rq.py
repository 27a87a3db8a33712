"""RQ: `SimpleWorker`, which runs jobs in its own process (the default forks for each: 73 jobs a second)."""

from __future__ import annotations

import sys

from redis import Redis
from rq import Queue, SimpleWorker

from tests.benchmarks.peers import protocol

connection = Redis.from_url(protocol.redis_url())
queue = Queue("bench", connection=connection)


def push(job: str, row: protocol.Row) -> object:
    """Push one job."""
    return queue.enqueue(protocol.JOBS[job], args=row, result_ttl=0)


def push_many(job: str, rows: list[protocol.Row]) -> object:
    """Push jobs in one pipeline."""
    return queue.enqueue_many(
        [Queue.prepare_data(protocol.JOBS[job], args=row, result_ttl=0) for row in rows]
    )


if __name__ == "__main__":
    if sys.argv[1:] == ["work"]:
        SimpleWorker([queue], connection=connection).work(logging_level="WARNING")
    else:
        protocol.serve(push, push_many)
