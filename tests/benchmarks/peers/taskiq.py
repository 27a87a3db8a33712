"""taskiq: the Redis stream broker, which acknowledges; 50 coroutines at a time (see `roster`)."""

from __future__ import annotations

from taskiq_redis import RedisStreamBroker

from tests.benchmarks.peers import protocol

broker = RedisStreamBroker(protocol.redis_url(), consumer_id="0")
TASKS = {name: broker.task(task_name=name)(job) for name, job in protocol.COROUTINES.items()}


async def main() -> None:
    """Push what the harness asks for; there is no call for many."""
    await broker.startup()

    def push(job: str, row: protocol.Row) -> object:
        return TASKS[job].kiq(*row)

    await protocol.serve_async(push)


if __name__ == "__main__":
    protocol.run_async(main())
