"""The scripts of one pod, called as tests of the engine call them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from podwork import keys, record
from podwork.identity import new_job_id
from podwork.inspection import Inspection
from podwork.interfaces import Clock
from podwork.job import JobClass
from podwork.lease import Lease
from podwork.parcel import PushOptions, parcel_of
from podwork.queues import PushGroup, Queues, Reclaimed, Refusal, Stored

A, B = "host:1:aaaa", "host:2:bbbb"
NOW_MS = 1_732_274_411_000


def job(
    shop: str = "7", queue: str = "default", job_class: str = "shop.collect", extras: str = "-"
) -> tuple[str, bytes]:
    """Return id and record of a new job."""
    prefix = record.payload_prefix(job_class, 1)
    return new_job_id(NOW_MS, shop), record.encode_first(queue, NOW_MS, prefix, b'{"n":[]}', extras)


def push(
    queues: Queues,
    *counts: tuple[str, int],
    queue: str = "default",
    job_class: str = "shop.collect",
    extras: str = "-",
    due_ms: int = 0,
) -> list[str]:
    """Push `n` jobs for each (shop, n); return the ids."""
    groups = [
        PushGroup(queue, shop, 1, [job(shop, queue, job_class, extras) for _ in range(n)], due_ms)
        for shop, n in counts
    ]
    assert queues.push(groups) == []
    return [job_id for group in groups for job_id, _ in group.jobs]


def push_call(
    queues: Queues,
    job_class: JobClass[...],
    shop_id: int = 7,
    options: PushOptions | None = None,
    **args: object,
) -> Stored:
    """Push one job of a class that asks for locks."""
    parcel = parcel_of(job_class, args, shop_id, NOW_MS, options)
    answer = queues.push_locked(parcel, 1)
    assert not isinstance(answer, Refusal)
    return answer


def claim(queues: Queues, limit: int = 10, who: str = A, names: Sequence[str] = ("default",)) -> list[Lease]:
    """Claim for a process."""
    return queues.claim(who, names, limit)


def ids(leases: Sequence[Lease]) -> list[str]:
    """Return the ids of leases."""
    return [lease.id for lease in leases]


def counts(queues: Queues) -> tuple[int, ...]:
    """Return ready, held, scheduled, parked, dead."""
    return tuple(Inspection(queues.store).counts())


def expire(queues: Queues, who: str) -> None:
    """End a process's lease now, as time would."""
    queues.store.command("ZADD", keys.PROCESSES, 1, who)


def state(queues: Queues, job_id: str, clock: Clock | None = None) -> str:
    """Return where the job stands; `ended` when it is gone."""
    found = Inspection(queues.store, clock=clock).job(job_id)
    return found.state if found else "ended"


def die(queues: Queues, who: str) -> list[Reclaimed]:
    """End a process's lease, and give back what it held."""
    expire(queues, who)
    return queues.reclaim()


def commands_processed(queues: Queues) -> int:
    """Return how many commands the server has run, those inside scripts counted."""
    stats: Any = queues.store.client.info("stats")
    return int(stats["total_commands_processed"])
