"""Celery: tasks without results over Redis.

`BENCH_LATE=1` acknowledges late. The pool comes with the worker's command line (see `roster`).
"""

from __future__ import annotations

import os

from celery import Celery

from tests.benchmarks.peers import protocol

app = Celery("bench", broker=protocol.redis_url())
app.conf.update(
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    task_acks_late=os.environ.get("BENCH_LATE") == "1",
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
)

TASKS = {name: app.task(job, name=name, ignore_result=True) for name, job in protocol.JOBS.items()}


def push(job: str, row: protocol.Row) -> object:
    """Push one task. Celery has no call for many: a group publishes one by one."""
    return TASKS[job].apply_async(row)


if __name__ == "__main__":
    protocol.serve(push)
