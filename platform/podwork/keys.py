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
| `podwork:idle` | hash | incarnation -> `channel room queue...`: it found nothing, and listens; see `podwork.worker.ear` | until it claims again, or ends |
| `podwork:idle:{queue}` | list | incarnations that are idle in the queue, longest first | as above |
| `podwork:bell` | list | at most one token: the outbox may have new rows (a hint, not a promise) | until taken |
| `podwork:schedule` | sorted set | job id by the time it is due, ms | until due |
| `podwork:dead` | sorted set | job id by the time it was buried, ms; bounded in number and age | until retried or discarded |
| `podwork:rooms` | hash | room -> jobs parked in it; a room's lanes and ring are named as a queue's | while any is parked |
| `podwork:parked` | hash | job id -> the room in which it waits | until it leaves the room |
| `podwork:holds` | hash | hold -> `until queue class shop {json}`; see `podwork.holds` | until lifted, or its time is over |
| `podwork:limits` | hash | limit -> `kind amount period burst`; see `podwork.limits` | until removed |
| `podwork:passes:{limit}` | set | ids of the jobs that have a slot of the limit | while any has |
| `podwork:granted` | hash | job id -> limits whose slots it has while it waits for its turn | until it is claimed |
| `podwork:bucket:{limit}` | string | `tokens ms` of a bucket, `count ms` of a window | expires when it would be full again |
| `podwork:weights` | hash | shop -> jobs it may start in a turn of the ring; no field: one | until removed |
| `podwork:locks:{shop}` | hash | digest -> `{job id} {until, ms or 0}`; see `podwork.unique` | until the job starts or ends, or its time is over |
| `podwork:alarms` | sorted set | what is to be looked at (`hold:`, `limit:`, `room:`, `lock:`), by when, ms | until then |
| `podwork:ended` | set | ids of ended jobs that came from the outbox | until the relay has deleted their rows |
| `podwork:carried` | hash | id of an outbox row -> the job that took over its content (`unique`, replace) | until the row ends |
| `podwork:relay` | string | token of the relay whose pushes count: the last that began | until the next begins |
| `podwork:generation` | hash | `id`: which Redis this is, as the shard remembers; `batch`: the relay's last push; `since`, `lost`: see `relay_begin.lua` | for ever |
| `podwork:successes` | hash | schedule -> when one of its jobs last succeeded, ms | until the schedule is forgotten |
| `podwork:schedules` | hash | schedule -> `turn {json}`; see `podwork.schedules.entry` | until a week after the code has stopped to declare it |
| `podwork:ticks:{schedule}` | sorted set | runs of a schedule: their begin by their end, ms; see `podwork.schedules.plan` | as above; bounded in number |
| `podwork:catalogues:{app}` | sorted set | starts of an application, by a token, in their order | for ever; bounded in number |
| `podwork:processes` | sorted set | incarnation by the end of its lease, ms of Redis's clock | until it leaves or is reclaimed |
| `podwork:process:{incarnation}` | hash | what the process says of itself | as above |
| `podwork:held:{incarnation}` | hash | job id -> `claimed ms`, or that with flags and limits; what the process holds | as above |
| `podwork:orders:{incarnation}` | list | what the process is told to do at its next heartbeat | as above |
| `podwork:leader` | string | the incarnation that does what one process a pod does | until it is gone |
| `podwork:gate` | hash | shop -> `state epoch pod`, and after them the mover epoch under which it was set; three words: 0; no field: open | since the shop's first move |
| `podwork:brought:{shop}` | sorted set | at the pod that a shop leaves: ids of the jobs that the other has, all at 0 | until the jobs here are swept, or the gate opens |
| `podwork:arrived:{shop}` | sorted set | at the pod to which it goes: ids that `bring` has stored, all at 0 | until the gate opens, or they are swept |
| `podwork:since:{shop}` | sorted set | what was pushed or changed while the shop's jobs travel: an id, `lock {digest}`, `ended {id}`; by order, us | until it is brought, or the gate opens |
| `podwork:aside:{shop}` | hash | job id -> record of a shop that has left: out of everybody's reach, until each is known to be there | until swept |
| `podwork:selection:{selection}` | hash | a frozen set of jobs: what it is, what is done with it, and with what outcome | some hours |
| `podwork:chosen:{selection}` | list | ids of the frozen set that are still to be dealt with | as above |
| `podwork:totals` | hash | counters of the pod: `acknowledged`, `retried`, `buried`, `reclaimed`, `claimed:{queue}`, ... | for ever |

What is held is `claimed ms`, or `claimed ms|flags|limit|limit...` where more matters at its end. Flags: `S` its start was said, `O` it has started and must not start again, `T` something hangs on
its end (a lock, a schedule, a row of the outbox), `C` a person cancelled it meanwhile.

A room is a queue that nobody serves; it is named after what its jobs wait for: `!unknown:{class}@{version}`
(a worker that knows the class), `!hold:{hold}`, `!limit:{limit}`, `!after:{job id}` (the end of that job).
"""

from __future__ import annotations

POD_LANE = "pod"

SIZES = "podwork:sizes"
IDLE = "podwork:idle"
BELL = "podwork:bell"
SCHEDULE = "podwork:schedule"
DEAD = "podwork:dead"
ROOMS = "podwork:rooms"
PARKED = "podwork:parked"
HOLDS = "podwork:holds"
LIMITS = "podwork:limits"
GRANTED = "podwork:granted"
WEIGHTS = "podwork:weights"
ALARMS = "podwork:alarms"
ENDED = "podwork:ended"
CARRIED = "podwork:carried"
RELAY = "podwork:relay"
GENERATION = "podwork:generation"
SUCCESSES = "podwork:successes"
SCHEDULES = "podwork:schedules"
LEADER = "podwork:leader"
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


def idle(queue: str) -> str:
    """Return the key of the processes that wait for work of the queue."""
    return f"podwork:idle:{queue}"


def passes(limit: str) -> str:
    """Return the key of the jobs that have a slot of a limit."""
    return f"podwork:passes:{limit}"


def bucket(limit: str) -> str:
    """Return the key of what a rate limit has left."""
    return f"podwork:bucket:{limit}"


def locks(shop: str) -> str:
    """Return the key of the shop's locks of unique jobs."""
    return f"podwork:locks:{shop}"


def brought(shop: str) -> str:
    """Return the key of the shop's jobs that the pod to which it goes has."""
    return f"podwork:brought:{shop}"


def arrived(shop: str) -> str:
    """Return the key of the shop's jobs that were brought here."""
    return f"podwork:arrived:{shop}"


def since(shop: str) -> str:
    """Return the key of what has changed since the shop's jobs were brought."""
    return f"podwork:since:{shop}"


def aside(shop: str) -> str:
    """Return the key of the records that a shop has left behind."""
    return f"podwork:aside:{shop}"


def process(incarnation: str) -> str:
    """Return the key of what a process says of itself."""
    return f"podwork:process:{incarnation}"


def held(incarnation: str) -> str:
    """Return the key of the jobs that a process holds."""
    return f"podwork:held:{incarnation}"


def orders(incarnation: str) -> str:
    """Return the key of what a process is told to do."""
    return f"podwork:orders:{incarnation}"


def ticks(schedule: str) -> str:
    """Return the key of the stretches of time in which a schedule has ticked."""
    return f"podwork:ticks:{schedule}"


def catalogues(app: str) -> str:
    """Return the key of the order in which an application was started."""
    return f"podwork:catalogues:{app}"


def selection(selection: str) -> str:
    """Return the key of what a frozen set of jobs is."""
    return f"podwork:selection:{selection}"


def chosen(selection: str) -> str:
    """Return the key of the ids of a frozen set that are still to be dealt with."""
    return f"podwork:chosen:{selection}"
