"""Dramatiq: its Redis broker, one process; prefetch and threads come from outside (see `roster`)."""

from __future__ import annotations

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from tests.benchmarks.peers import protocol

broker = RedisBroker(url=protocol.redis_url())
dramatiq.set_broker(broker)

ACTORS = {name: dramatiq.actor(job, actor_name=name) for name, job in protocol.JOBS.items()}


def push(job: str, row: protocol.Row) -> object:
    """Push one message. Dramatiq has no call for many: a group publishes one by one."""
    return ACTORS[job].send(*row)


if __name__ == "__main__":
    protocol.serve(push)
