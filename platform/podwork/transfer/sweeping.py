"""What a shop has left behind on a pod: dropped where the other pod has it, pushed on where it has not.

Owns: the sweep, and how a job that nobody has brought becomes a push. There are such only where a Redis
has accepted them without its gate. Promises: a job is forgotten here after the other pod has accepted it;
one that is dead stays dead; a crash in between repeats the push, which changes nothing. Leaves to others:
taking the jobs out of reach (`scripts/leave.lua`), and the road, which `PushOn` is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from podwork.errors import ShopOnHold
from podwork.lease import Lease
from podwork.parcel import Parcel
from podwork.queues import PushGroup, Queues
from podwork.transfer.side import Left, Moving, Side
from podwork.transitions import Refusal
from podwork.unique import carried_locks

PushOn = Callable[[Sequence[Parcel]], None]
"""Pushes jobs to where their shop is now, under the same ids; raises unless all were accepted."""


def sweep(left: Side, marks: str, there: Side, epoch: int, push_on: PushOn) -> int:
    """Forget what is left; return how many jobs were pushed on.

    Args:
        left: where they are, behind a moved gate.
        marks: `brought` or `arrived`: which say what is on the other pod.
        there: the other pod, where the shop is open at `epoch`.

    Raises:
        PassageRefused: a gate is not as it was set. And what `push_on` raises.
    """
    cursor, pushed = b"0", 0
    done: list[bytes] = []
    while True:
        page = left.sweep(marks, cursor, done)
        if page is None:
            continue
        done = _push(page, there, epoch, push_on)
        pushed += len(done)
        cursor = page.cursor
        if page.remaining == 0:
            return pushed


def pushing_to(queues: Queues, epoch: int) -> PushOn:
    """Return what pushes straight to a pod, for who knows that the shop is there under this epoch.

    It raises ShopOnHold when the gate refuses one.
    """

    def push(parcels: Sequence[Parcel]) -> None:
        for parcel in parcels:
            if parcel.locks:
                refused = isinstance(queues.push_locked(parcel, epoch), Refusal)
            else:
                job = (parcel.id, parcel.record(epoch))
                group = PushGroup(parcel.queue, parcel.shop, epoch, [job], parcel.due_ms)
                refused = bool(queues.push([group], fresh=False))
            if refused:
                raise ShopOnHold(parcel.shop_id or 0, 0.0)

    return push


def _push(page: Left, there: Side, epoch: int, push_on: PushOn) -> list[bytes]:
    """Push what was never brought, in the order of its ids; return them."""
    late = sorted(page.late)
    for job in late:
        if job.place == b"dead":
            there.push_dead(epoch, job)
    waiting = [_parcel(there.shop, job) for job in late if job.place != b"dead"]
    if waiting:
        push_on(waiting)
    return [job.id for job in late]


def _parcel(shop: str, job: Moving) -> Parcel:
    lease = Lease("", shop, job.id.decode(), job.record)
    return Parcel(
        lease.queue, lease.shop_id, lease.id, lease.job_class, lease.version, b"", lease.head.due_ms,
        due_ms=int(float(job.at)) if job.place == b"scheduled" else 0,
        locks=carried_locks(lease.extras), stored=job.record,
    )  # fmt: skip
