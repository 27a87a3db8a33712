"""Many plain jobs of one class, made together: what a bulk push sends.

Owns: `Bundle`, and the passage from rows to it. Promises: every row is checked as `parcel_of` checks one, and
what is wrong is said here, before anything is sent. Leaves to others: rows that ask for more than a shop and
arguments (options, a pod, locks, an expiry), which become parcels one by one; the road (`podwork.delivery`).

A parcel for each job costs more than all else that the client does for a plain one. So a job is an id and its
arguments here, and becomes a parcel only where a gate has refused it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from podwork import identity, record
from podwork.arguments import RESERVED
from podwork.interfaces import LARGEST_SHOP_ID
from podwork.job import JobClass
from podwork.parcel import Parcel


class Bundle(NamedTuple):
    """Jobs that differ in nothing but shop, id and arguments."""

    job_class: JobClass[Any]
    pushed_ms: int
    ids: list[str]
    """Of all jobs, in the order of the rows."""
    by_shop: dict[int, list[tuple[str, bytes]]]
    """Id and arguments of each shop's jobs, in the order of the rows."""

    def records(self, shop_id: int, front: bytes) -> list[tuple[str, bytes]]:
        """Return id and record of the shop's jobs; `front` is that of its epoch."""
        return [(job_id, front + args + record.END) for job_id, args in self.by_shop[shop_id]]

    def front(self, epoch: int) -> bytes:
        """Return what all records under an epoch begin with."""
        prefix = record.payload_prefix(self.job_class.name, epoch, self.job_class.policy.version)
        return record.front_of_first(self.job_class.queue, self.pushed_ms, prefix)

    def parcels(self, shop_id: int) -> list[Parcel]:
        """Return the shop's jobs as parcels."""
        job_class, policy = self.job_class, self.job_class.policy
        return [
            Parcel(
                job_class.queue, shop_id, job_id, job_class.name, policy.version, args, self.pushed_ms,
                at_most_once=policy.at_most_once,
            )
            for job_id, args in self.by_shop[shop_id]
        ]  # fmt: skip


def bundle_of(job_class: JobClass[Any], rows: Sequence[Mapping[str, Any]], now_ms: int) -> Bundle | None:
    """Return the rows' jobs; None: there are none, or not all are plain, and each needs a parcel.

    Raises:
        InvalidArguments: an argument of one of them has the wrong type, or is not JSON.
    """
    if job_class.policy.unique is not None or job_class.policy.expires_in_seconds is not None:
        return None
    if job_class.declaration is not None:
        return None
    given = [dict(row) for row in rows]
    shops = [row.pop("shop_id", None) for row in given]
    if not _are_shops(shops) or not all(map(RESERVED.isdisjoint, given)):
        return None
    encoded = job_class.parameters.encode_rows(given)
    ids = identity.new_job_ids(now_ms, shops)
    by_shop: dict[int, list[tuple[str, bytes]]] = {}
    for shop_id, job in zip(shops, zip(ids, encoded, strict=True), strict=True):
        jobs = by_shop.get(shop_id)
        if jobs is None:
            by_shop[shop_id] = [job]
        else:
            jobs.append(job)
    return Bundle(job_class, now_ms, ids, by_shop)


def _are_shops(shops: Sequence[Any]) -> bool:
    return set(map(type, shops)) == {int} and min(shops) >= 0 and max(shops) <= LARGEST_SHOP_ID
