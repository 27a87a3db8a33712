"""Every key that podwork keeps in a pod's Redis, with its type and lifetime.

Owns: the names. The Lua scripts use the same names (`scripts/prelude.lua`); a test compares the two.
`{shop}` is a shop's id, or `pod` for work that belongs to the pod and to no shop.

| key | type | content | lives |
| --- | --- | --- | --- |
| `podwork:jobs:{shop}` | hash | job id -> record (`podwork.record`); the index of the shop's jobs | until the job ends |
| `podwork:lane:{queue}:{shop}` | list | ids of the shop's ready jobs, next first; an id without a record is skipped | while any wait |
| `podwork:ring:{queue}` | list | shops with a lane in the queue, next first; each at most once | while any wait |
| `podwork:outside:{queue}` | set | shops whose lane the gate keeps out of the ring | while kept out |
| `podwork:sizes` | hash | queue -> ready jobs; its fields are the queues that exist | for ever |
| `podwork:wake:{queue}` | list | at most one token: a push may have happened (a hint, not a promise) | until taken |
| `podwork:schedule` | sorted set | job id by the time it is due, ms | until due |
| `podwork:dead` | sorted set | job id by the time it was buried, ms; bounded in number and age | until retried or discarded |
| `podwork:parked` | set | job classes that have parked jobs | while any is parked |
| `podwork:parked:{class}` | sorted set | job id by the time it was parked, ms | until a worker knows the class |
| `podwork:processes` | sorted set | incarnation by the end of its lease, ms of Redis's clock | until it leaves or is reclaimed |
| `podwork:process:{incarnation}` | hash | what the process says of itself | as above |
| `podwork:held:{incarnation}` | hash | job id -> time of the claim, ms, or `started`; what the process holds | as above |
| `podwork:gate` | hash | shop -> `state epoch pod`; no field: open | since the shop's first move |
| `podwork:totals` | hash | counters of the pod: `acknowledged`, `retried`, `buried`, `reclaimed`, ... | for ever |
"""

from __future__ import annotations

POD_LANE = "pod"

SIZES = "podwork:sizes"
SCHEDULE = "podwork:schedule"
DEAD = "podwork:dead"
PARKED = "podwork:parked"
PROCESSES = "podwork:processes"
GATE = "podwork:gate"
TOTALS = "podwork:totals"


def jobs(shop: str) -> str:
    """Return the key of the hash that holds the shop's job records."""
    return f"podwork:jobs:{shop}"


def lane(queue: str, shop: str) -> str:
    """Return the key of the shop's line inside the queue."""
    return f"podwork:lane:{queue}:{shop}"


def ring(queue: str) -> str:
    """Return the key of the queue's ring of shops."""
    return f"podwork:ring:{queue}"


def outside(queue: str) -> str:
    """Return the key of the set of shops that the gate keeps out of the queue's ring."""
    return f"podwork:outside:{queue}"


def wake(queue: str) -> str:
    """Return the key on which idle workers wait for a push to the queue."""
    return f"podwork:wake:{queue}"


def parked(job_class: str) -> str:
    """Return the key of the parked jobs of a class."""
    return f"podwork:parked:{job_class}"


def process(incarnation: str) -> str:
    """Return the key of what a process says of itself."""
    return f"podwork:process:{incarnation}"


def held(incarnation: str) -> str:
    """Return the key of the jobs that a process holds."""
    return f"podwork:held:{incarnation}"
