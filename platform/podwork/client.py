"""Pushing jobs: what `enqueue` calls, from the arguments to an accepted job.

Owns: `Client`. Promises: when `push` returns an id, the job was accepted (J1), or, where the class is unique
or a key was given, the id is that of the job that stands for it. With a transaction it is accepted when that
commits. Leaves to others: what is sent (`podwork.parcel`, `podwork.bundle`), the road to the pod
(`podwork.delivery`), the rows of the outbox.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from podwork.arguments import OPTIONS
from podwork.bundle import Bundle, bundle_of
from podwork.delivery import Delivery
from podwork.errors import ConfigurationError, InvalidRoute, PodworkError, StoreUnavailable
from podwork.interfaces import Clock, Outbox, Router, SystemClock
from podwork.job import Call, JobClass
from podwork.lease import Lease
from podwork.parcel import Parcel, PushOptions, parcel_of
from podwork.points import reach
from podwork.queues import Queues
from podwork.unique import carried_locks

BULK_JOBS = 1000
NO_OPTIONS = (None, None, None, None)
_Placed = tuple[int | None, Parcel]
"""A parcel, beside the pod to which its row sends it; None: to its shop's."""


class Client:
    """Pushes jobs. Safe to share between threads and to carry over a fork."""

    def __init__(
        self,
        router: Router,
        queues_of: Callable[[int], Queues],
        *,
        hold_timeout_seconds: float = 10.0,
        clock: Clock | None = None,
        outbox: Outbox | None = None,
    ) -> None:
        self._router = router
        self._queues_of = queues_of
        self._hold_timeout_seconds = hold_timeout_seconds
        self._clock = clock or SystemClock()
        self._outbox = outbox
        self.observe_push: Callable[[str, str, int], None] | None = None
        """Called with (queue, job class, how many) for what was accepted; the worker's tally sets it."""

    def pod_ids(self) -> Sequence[int]:
        """Return the pods that accept jobs."""
        return self._router.pod_ids()

    def push(
        self,
        call: Call,
        *,
        shop_id: int | None = None,
        pod: int | None = None,
        in_: float | timedelta | None = None,
        at: float | datetime | None = None,
        expires_in: float | timedelta | None = None,
        idempotency_key: str | None = None,
        transaction: object = None,
    ) -> str:
        """Push one job to the shop's pod, or to the named pod for work without a shop; return its id.

        Raises:
            InvalidRoute: neither or both of `shop_id` and `pod`, no shop for a job that takes one, or a
                `shop_id` that is no id of a shop.
            InvalidArguments: an argument has the wrong type or is not JSON.
            InvalidTime: a time that is none, or both `in_` and `at`.
            ShopOnHold, RedirectLoop, StoreUnavailable, StoreRefused: it was not accepted.
        """
        options = None
        if (in_, at, expires_in, idempotency_key) != NO_OPTIONS:
            options = PushOptions(in_, at, expires_in, idempotency_key)
        parcel = self.parcel(call, shop_id=shop_id, pod=pod, options=options)
        if transaction is not None:
            return self._write_out(transaction, [(pod, parcel)])[0]
        if not parcel.locks and self._is_taken_at_once(parcel, pod):
            return parcel.id
        # It may have arrived: an answer can be lost.
        delivered = self._delivery().send([parcel], pod, fresh=False)
        return delivered.stands_for.get(parcel.id, parcel.id)

    def send(self, parcels: Sequence[Parcel], pod: int | None) -> None:
        """Push parcels under the ids that they have; what stands there already is left as it is.

        A shop that is being switched is not waited for. Raises as `push` does.
        """
        self._delivery(hold_timeout_seconds=0.0).send(parcels, pod, fresh=False)

    def parcel(
        self,
        call: Call,
        *,
        shop_id: int | None = None,
        pod: int | None = None,
        options: PushOptions | None = None,
    ) -> Parcel:
        """Return what `push` would send. Raises as it does, except for what the pod says."""
        if call.shop_id is not None and shop_id not in (None, call.shop_id):
            raise InvalidRoute(
                f"{call.job_class.name}: the call is for shop {call.shop_id}, the push for {shop_id}",
                "give the same shop_id to both, or to the call alone",
            )
        shop_id = call.shop_id if shop_id is None else shop_id
        _one_place(call.job_class, shop_id, pod)
        return parcel_of(call.job_class, call.args, shop_id, self._now_ms(), options)

    def push_bulk(
        self, job_class: JobClass[Any], rows: Iterable[Mapping[str, Any]], *, transaction: object = None
    ) -> list[str]:
        """Push one job a row, in portions of `BULK_JOBS`; return the ids in the order of the rows.

        Raises as `push` does; the error's attribute `accepted` holds the ids of the portions accepted before.
        Of the one at which it happened jobs of some shops may stand, but none where a row was wrong: all rows
        of a portion are checked before the first of its jobs is sent.
        """
        accepted: list[str] = []
        under_way: Callable[[], list[str]] = list
        remaining = iter(rows)
        try:
            while taken := list(islice(remaining, BULK_JOBS)):
                portion = self._portion(job_class, taken, transaction)
                # The pods work on one portion while the next is being made.
                last, under_way = under_way, list
                accepted += last()
                under_way = self._begin(portion, transaction)
            last, under_way = under_way, list
            accepted += last()
        except PodworkError as error:
            with suppress(PodworkError):
                accepted += under_way()
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
        parcel = Parcel(
            lease.queue, lease.shop_id, lease.id, lease.job_class, lease.version, b"", lease.head.due_ms,
            locks=carried_locks(lease.extras), stored=lease.record(error=lease.error),
        )  # fmt: skip
        # The pod that accepted it, not the one where the router sees the shop by now: after a switch between
        # the two the caller would forget the only copy.
        return self._delivery(hold_timeout_seconds=0.0).send([parcel], None, fresh=False).pod_id

    def _is_taken_at_once(self, parcel: Parcel, pod: int | None) -> bool:
        """Push a plain job to where its shop seems to be, and answer whether it was accepted.

        Nearly all pushes of one job end here, at half of what the whole road costs.
        """
        pod_id, epoch = (pod or 0, 0) if parcel.shop_id is None else self._router.route(parcel.shop_id)
        try:
            is_accepted = self._queues_of(pod_id).push_one(parcel, epoch)
        except StoreUnavailable:
            return False
        reach("client.pushed")
        if is_accepted and self.observe_push is not None:
            self.observe_push(parcel.queue, parcel.job_class, 1)
        return is_accepted

    def _row(self, job_class: JobClass[Any], args: dict[str, Any], now_ms: int) -> _Placed:
        shop_id, pod = args.pop("shop_id", None), args.pop("pod", None)
        options = None if OPTIONS.isdisjoint(args) else _options(job_class, args)
        if (shop_id is None) == (pod is None):
            _one_place(job_class, shop_id, pod)
        bound = job_class.parameters.bind_named(args)
        return pod, parcel_of(job_class, bound, shop_id, now_ms, options)

    def _portion(
        self, job_class: JobClass[Any], rows: Sequence[Mapping[str, Any]], transaction: object
    ) -> Bundle | list[_Placed]:
        """Return the jobs of some rows: a bundle, unless they must be parcels."""
        now_ms = self._now_ms()
        bundle = bundle_of(job_class, rows, now_ms) if transaction is None else None
        return bundle or [self._row(job_class, dict(row), now_ms) for row in rows]

    def _begin(self, portion: Bundle | list[_Placed], transaction: object) -> Callable[[], list[str]]:
        """Send a portion, and return what waits until it is accepted and gives the ids."""
        if isinstance(portion, Bundle):
            return self._begin_bundle(portion)
        if transaction is not None:
            written = self._write_out(transaction, portion)
            return lambda: written
        begun = [(self._delivery(), parcels, pod) for pod, parcels in _by_pod(portion).items()]
        first, *others = begun
        first[0].begin(first[1], first[2])

        def accepted() -> list[str]:
            stands_for = dict(first[0].finish().stands_for)
            for delivery, parcels, pod in others:
                stands_for |= delivery.send(parcels, pod, fresh=True).stands_for
            return [stands_for.get(parcel.id, parcel.id) for _, parcel in portion]

        return accepted

    def _begin_bundle(self, bundle: Bundle) -> Callable[[], list[str]]:
        delivery = self._delivery()
        delivery.begin_bundle(bundle)

        def accepted() -> list[str]:
            delivery.finish()
            return bundle.ids

        return accepted

    def _write_out(self, transaction: object, portion: Sequence[_Placed]) -> list[str]:
        if self._outbox is None:
            raise ConfigurationError(
                "this client has no outbox",
                "push without transaction=, or connect through podwork_ops.connect",
            )
        for pod, parcels in _by_pod(portion).items():
            self._outbox.add(transaction, parcels, pod)
        return [parcel.id for _, parcel in portion]

    def _delivery(self, *, hold_timeout_seconds: float | None = None) -> Delivery:
        patience = self._hold_timeout_seconds if hold_timeout_seconds is None else hold_timeout_seconds
        return Delivery(self._router, self._queues_of, self.observe_push, patience)

    def _now_ms(self) -> int:
        return int(self._clock.now() * 1000)


def _by_pod(portion: Sequence[_Placed]) -> dict[int | None, list[Parcel]]:
    by_pod: dict[int | None, list[Parcel]] = {}
    for pod, parcel in portion:
        by_pod.setdefault(pod, []).append(parcel)
    return by_pod


def _options(job_class: JobClass[Any], args: dict[str, Any]) -> PushOptions:
    """Take the options out of a row."""
    named = {name: args.pop(name) for name in OPTIONS & args.keys()}
    if "transaction" in named:
        raise InvalidRoute(f"{job_class.name}: a row with a transaction", "give it to all rows, beside them")
    return PushOptions(**named)


def _one_place(job_class: JobClass[Any], shop_id: int | None, pod: int | None) -> None:
    if (shop_id is None) == (pod is None):
        raise InvalidRoute(f"{job_class.name}: where does it belong?", "pass shop_id= or pod=, one of them")
