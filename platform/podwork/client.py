"""Pushing jobs: from a call to the Redis of the pod that owns the shop.

Owns the road `route -> push -> redirect`. Promises: when `push` returns an id, the job was accepted (J1); a
job is stored only on the pod whose gate accepts the shop's epoch (J3): a stale router costs a redirect. A
push whose answer was lost is repeated once under the same ids, which the script deduplicates.
Leaves to others: what a gate is (`podwork.queues`), who knows the way (`Router`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from podwork import identity, keys, record
from podwork.errors import (
    InvalidRoute,
    PodworkError,
    RedirectLoop,
    ShopOnHold,
    StoreUnavailable,
)
from podwork.interfaces import LARGEST_SHOP_ID, Clock, Route, Router, SystemClock
from podwork.job import Call, JobClass
from podwork.lease import Lease
from podwork.points import reach
from podwork.queues import PushGroup, Queues

BULK_JOBS = 1000
SHOP_IDS = range(LARGEST_SHOP_ID + 1)
"""What a shop's id may be: what a signed 64-bit column holds, from 0."""
REDIRECTS_LIMIT = 8
_FIRST_PAUSE_SECONDS = 0.01
_LONGEST_PAUSE_SECONDS = 0.25


class Parcel(NamedTuple):
    """A job that is ready to be sent: everything but the pod is settled."""

    queue: str
    shop_id: int | None
    id: str
    job_class: str
    args: bytes
    due_ms: int
    stored: bytes | None = None
    """The record to send as it is (a forwarded job keeps its attempts); None: a job that never ran."""


class _Sent(NamedTuple):
    """What became of one round of sending; a pod of 0 is none."""

    accepted_by: int
    redirected_by: int
    on_hold: list[Parcel]
    moved: list[Parcel]


class Client:
    """Pushes jobs. Safe to share between threads and to carry over a fork."""

    def __init__(
        self,
        router: Router,
        queues_of: Callable[[int], Queues],
        *,
        hold_timeout_seconds: float = 10.0,
        clock: Clock | None = None,
    ) -> None:
        self._router = router
        self._queues_of = queues_of
        self._hold_timeout_seconds = hold_timeout_seconds
        self._clock = clock or SystemClock()
        self.observe_push: Callable[[str, str, int], None] | None = None
        """Called with (queue, job class, how many) for what was accepted; the worker's tally sets it."""

    def pod_ids(self) -> Sequence[int]:
        """Return the pods that accept jobs."""
        return self._router.pod_ids()

    def push(self, call: Call, *, shop_id: int | None = None, pod: int | None = None) -> str:
        """Push one job to the shop's pod, or to the named pod for work without a shop; return its id.

        Raises:
            InvalidRoute: neither or both of `shop_id` and `pod`, no shop for a job that takes one, or a
                `shop_id` that is no id of a shop.
            InvalidArguments: an argument has the wrong type or is not JSON.
            ShopOnHold, RedirectLoop, StoreUnavailable, StoreRefused: it was not accepted.
        """
        if call.shop_id is not None and shop_id not in (None, call.shop_id):
            raise InvalidRoute(
                f"{call.job_class.name}: the call is for shop {call.shop_id}, the push for {shop_id}",
                "give the same shop_id to both, or to the call alone",
            )
        shop_id = call.shop_id if shop_id is None else shop_id
        parcel = self._parcel(call.job_class, call.args, shop_id, pod)
        self._send([parcel], pod, fresh=True)
        return parcel.id

    def push_bulk(self, job_class: JobClass[Any], rows: Iterable[Mapping[str, Any]]) -> list[str]:
        """Push one job a row, in portions of `BULK_JOBS`; return the ids in the order of the rows.

        Raises as `push` does; the error's attribute `accepted` holds the ids of the portions accepted before.
        """
        accepted: list[str] = []
        portion: list[tuple[int | None, Parcel]] = []
        try:
            for row in rows:
                args = dict(row)
                shop_id, pod = args.pop("shop_id", None), args.pop("pod", None)
                bound = job_class.parameters.bind((), args)
                portion.append((pod, self._parcel(job_class, bound, shop_id, pod)))
                if len(portion) == BULK_JOBS:
                    accepted += self._send_portion(portion)
                    portion = []
            accepted += self._send_portion(portion)
        except PodworkError as error:
            error.accepted = accepted  # type: ignore[attr-defined]  # documented above
            raise
        return accepted

    def forward(self, lease: Lease) -> int:
        """Push a job to where its shop is now, under the same id; return the pod that took it.

        The caller forgets it here afterwards. A crash in between repeats the push, which changes nothing. A
        shop that is being switched is not waited for: ShopOnHold at once, and the job stays where it is.
        """
        if lease.shop_id is None:
            raise InvalidRoute(f"job {lease.id} belongs to a pod", "work without a shop is never forwarded")
        self._router.forget(lease.shop_id)
        stored = lease.record(error=lease.error)
        parcel = Parcel(lease.queue, lease.shop_id, lease.id, lease.job_class, b"", lease.head.due_ms, stored)
        # The pod that accepted it, not the one where the router sees the shop by now: after a switch between
        # the two the caller would forget the only copy.
        return self._send([parcel], None, fresh=False, hold_timeout_seconds=0.0)

    def _parcel(
        self, job_class: JobClass[Any], args: Mapping[str, Any], shop_id: int | None, pod: int | None
    ) -> Parcel:
        if (shop_id is None) == (pod is None):
            raise InvalidRoute(
                f"{job_class.name}: where does it belong?", "pass shop_id= or pod=, one of them"
            )
        # A key made of anything else would be read back by workers only, and end them.
        if shop_id is not None and (type(shop_id) is not int or shop_id not in SHOP_IDS):
            raise InvalidRoute(
                f"{job_class.name}: {shop_id!r} is no shop", "pass shop_id= as an integer from 0 to 2**63 - 1"
            )
        if shop_id is None and job_class.parameters.takes_shop_id:
            raise InvalidRoute(f"{job_class.name} takes a shop_id", "push it with shop_id=")
        now_ms = int(self._clock.now() * 1000)
        job_id = identity.new_job_id(now_ms, keys.POD_LANE if shop_id is None else str(shop_id))
        encoded = job_class.parameters.encode(args)
        return Parcel(job_class.queue, shop_id, job_id, job_class.name, encoded, now_ms)

    def _send_portion(self, portion: Sequence[tuple[int | None, Parcel]]) -> list[str]:
        by_pod: dict[int | None, list[Parcel]] = {}
        for pod, parcel in portion:
            by_pod.setdefault(pod, []).append(parcel)
        for pod, parcels in by_pod.items():
            self._send(parcels, pod, fresh=True)
        return [parcel.id for _, parcel in portion]

    def _send(
        self,
        parcels: Sequence[Parcel],
        pod: int | None,
        *,
        fresh: bool,
        hold_timeout_seconds: float | None = None,
    ) -> int:
        """Send until every parcel is accepted: follow redirects, wait for shops on hold.

        Returns: the pod that accepted last; of a single parcel, the pod that has it.
        """
        patience_seconds = (
            self._hold_timeout_seconds if hold_timeout_seconds is None else hold_timeout_seconds
        )
        held_since: float | None = None
        pause_seconds = _FIRST_PAUSE_SECONDS
        path: list[int] = []
        accepted_by = 0
        while parcels:
            accepted_by, redirected_by, on_hold, moved = self._send_once(parcels, pod, fresh=fresh)
            parcels = on_hold + moved
            # Where an answer was lost, the push may have been accepted once and its repetition refused.
            fresh = False
            if moved:
                path.append(redirected_by)
            if len(path) > REDIRECTS_LIMIT:
                raise RedirectLoop(parcels[-1].shop_id or 0, path)
            if on_hold:
                held_since = held_since or time.monotonic()
                waited = time.monotonic() - held_since
                if waited >= patience_seconds:
                    raise ShopOnHold(on_hold[0].shop_id or 0, waited)
                time.sleep(pause_seconds)
                pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)
        return accepted_by

    def _send_once(self, parcels: Sequence[Parcel], pod: int | None, *, fresh: bool) -> _Sent:
        """Send each parcel to where its shop seems to be."""
        accepted_by = redirected_by = 0
        on_hold: list[Parcel] = []
        moved: list[Parcel] = []
        for pod_id, groups in self._grouped(parcels, pod).items():
            refusals = self._push(pod_id, [_group(key, group) for key, group in groups], fresh=fresh)
            refused = {refusal.group: refusal for refusal in refusals}
            for position, (_, group) in enumerate(groups):
                refusal = refused.get(position)
                if refusal is None:
                    accepted_by = pod_id
                    self._observe(group)
                elif refusal.pod_id is None:
                    self._router.forget(group[0].shop_id or 0)
                    on_hold += group
                else:
                    self._router.learn(group[0].shop_id or 0, Route(refusal.pod_id, refusal.epoch))
                    redirected_by = pod_id
                    moved += group
        return _Sent(accepted_by, redirected_by, on_hold, moved)

    def _push(self, pod_id: int, groups: list[PushGroup], *, fresh: bool) -> list[Any]:
        queues = self._queues_of(pod_id)
        try:
            refusals = queues.push(groups, fresh=fresh)
        except StoreUnavailable:
            # The connection may have been idle since the server was restarted; ids make the repetition safe.
            refusals = queues.push(groups, fresh=False)
        reach("client.pushed")
        return refusals

    def _grouped(
        self, parcels: Sequence[Parcel], pod: int | None
    ) -> dict[int, list[tuple[tuple[str, str, int], list[Parcel]]]]:
        """Sort parcels by pod, then by (queue, shop, epoch): a group is what one gate decides about."""
        pods: dict[int, dict[tuple[str, str, int], list[Parcel]]] = {}
        route = self._router.route
        for parcel in parcels:
            if parcel.shop_id is None:
                pod_id, key = pod or 0, (parcel.queue, keys.POD_LANE, 0)
            else:
                pod_id, epoch = route(parcel.shop_id)
                key = (parcel.queue, str(parcel.shop_id), epoch)
            pods.setdefault(pod_id, {}).setdefault(key, []).append(parcel)
        return {pod_id: list(groups.items()) for pod_id, groups in pods.items()}

    def _observe(self, group: Sequence[Parcel]) -> None:
        if self.observe_push is not None:
            for parcel in group:
                self.observe_push(parcel.queue, parcel.job_class, 1)


def _group(key: tuple[str, str, int], parcels: Sequence[Parcel]) -> PushGroup:
    queue, shop, epoch = key
    prefixes: dict[str, bytes] = {}
    jobs = []
    for parcel in parcels:
        stored = parcel.stored
        if stored is None:
            prefix = prefixes.get(parcel.job_class)
            if prefix is None:
                prefix = prefixes[parcel.job_class] = record.payload_prefix(parcel.job_class, epoch)
            stored = record.encode_first(queue, parcel.due_ms, prefix, parcel.args)
        jobs.append((parcel.id, stored))
    return PushGroup(queue, shop, epoch, jobs)
