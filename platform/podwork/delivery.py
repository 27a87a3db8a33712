"""The road of a push: `route -> push -> redirect`, until every parcel is accepted.

Owns: following redirects, waiting for shops on hold, repeating a push whose answer was lost. Promises: a job
is stored only on the pod whose gate accepts the shop's epoch (J3): a stale router costs a redirect; a
repetition goes under the same ids, which the scripts deduplicate. Leaves to others: what is sent
(`podwork.parcel`, `podwork.bundle`), what a gate is (`podwork.queues`), who knows the way (`Router`).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from functools import partial
from typing import NamedTuple

from podwork.bundle import Bundle
from podwork.errors import RedirectLoop, ShopOnHold, StoreUnavailable
from podwork.interfaces import Route, Router
from podwork.parcel import Parcel
from podwork.points import reach
from podwork.queues import PushGroup, Queues, Refusal

REDIRECTS_LIMIT = 8
PIECE_JOBS = 125
"""How many jobs of a bundle go in one push, about: Redis works on one piece while the next is packed."""
_FIRST_PAUSE_SECONDS = 0.01
_LONGEST_PAUSE_SECONDS = 0.25
_Key = tuple[str, str, int, int]
"""Queue, shop, epoch, due: what one gate decides about at once."""


class _Load(NamedTuple):
    """What one push takes to a pod; `parcels` gives those of a group, by its position."""

    groups: list[PushGroup]
    parcels: Callable[[int], list[Parcel]]
    job_class: str = ""
    """The class of all; empty: ask the parcels."""


class Delivered(NamedTuple):
    """The end of the road: the pod that accepted last, and for whom another job stands, by its own id."""

    pod_id: int
    stands_for: dict[str, str]


class Delivery:
    """One push of some parcels, or of a bundle; make one for each.

    `accepted` is called with (queue, job class, how many) for what a pod accepted; None: nobody counts.
    """

    def __init__(
        self,
        router: Router,
        queues_of: Callable[[int], Queues],
        accepted: Callable[[str, str, int], None] | None,
        hold_timeout_seconds: float,
    ) -> None:
        self._router = router
        self._queues_of = queues_of
        self._observe = accepted
        self._patience_seconds = hold_timeout_seconds
        self._on_hold: list[Parcel] = []
        self._moved: list[Parcel] = []
        self._path: list[int] = []
        self._redirects = 0
        self._pod_id = 0
        self._stands_for: dict[str, str] = {}
        self._parcels: Sequence[Parcel] = ()
        self._pod: int | None = None
        self._sent: list[tuple[int, _Load, Callable[[], list[Refusal]]]] = []

    def begin(self, parcels: Sequence[Parcel], pod: int | None) -> None:
        """Send parcels that were never sent before to where their shops seem to be; wait for nothing."""
        self._parcels, self._pod = parcels, pod
        if any(parcel.locks for parcel in parcels):
            return  # such go one by one
        for pod_id, groups in self._grouped(parcels, pod).items():
            self._begin(pod_id, _load(groups))

    def begin_bundle(self, bundle: Bundle) -> None:
        """Send plain jobs as `begin` does: while the pods work on some of them, the next are packed."""
        # Before the first is sent, every shop has its pod, and every pod its queues.
        pods: dict[int, list[tuple[int, int]]] = {}
        for shop_id in bundle.by_shop:
            pod_id, epoch = self._router.route(shop_id)
            pods.setdefault(pod_id, []).append((shop_id, epoch))
        for pod_id in pods:
            self._queues_of(pod_id)
        for pod_id, shops in pods.items():
            self._begin_pieces(bundle, pod_id, shops)

    def finish(self) -> Delivered:
        """Wait until what was begun is accepted. Raises as `send` does."""
        if not self._sent:
            return self.send(self._parcels, self._pod, fresh=True)
        for pod_id, load, waiting in self._sent:
            try:
                refusals = waiting()
            except StoreUnavailable:
                refusals = self._queues_of(pod_id).push(load.groups, fresh=False)
            self._judge(pod_id, load, refusals)
        self._count_redirect()
        return self.send(self._on_hold + self._moved, self._pod, fresh=False)

    def send(self, parcels: Sequence[Parcel], pod: int | None, *, fresh: bool) -> Delivered:
        """Send until every parcel is accepted; `fresh`: their ids were never sent before.

        Raises:
            ShopOnHold, RedirectLoop, StoreUnavailable, StoreRefused: not all were accepted.
        """
        held_since: float | None = None
        pause_seconds = _FIRST_PAUSE_SECONDS
        while parcels:
            self._on_hold, self._moved = [], []
            self._send_once(parcels, pod, fresh=fresh)
            self._count_redirect()
            parcels = self._on_hold + self._moved
            # Where an answer was lost, the push may have been accepted once and its repetition refused.
            fresh = False
            if self._redirects > REDIRECTS_LIMIT:
                raise RedirectLoop(parcels[-1].shop_id or 0, self._path)
            if self._on_hold:
                held_since = held_since or time.monotonic()
                waited = time.monotonic() - held_since
                if waited >= self._patience_seconds:
                    raise ShopOnHold(self._on_hold[0].shop_id or 0, waited)
                time.sleep(pause_seconds)
                pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)
        return Delivered(self._pod_id, self._stands_for)

    def _begin_pieces(self, bundle: Bundle, pod_id: int, shops: Sequence[tuple[int, int]]) -> None:
        """Send the jobs of shops, each with its epoch, to their pod."""
        queue, size = bundle.job_class.queue, 0
        fronts = {epoch: bundle.front(epoch) for epoch in {epoch for _, epoch in shops}}
        groups: list[PushGroup] = []
        for shop_id, epoch in shops:
            jobs = bundle.records(shop_id, fronts[epoch])
            groups.append(PushGroup(queue, str(shop_id), epoch, jobs))
            size += len(jobs)
            if size >= PIECE_JOBS:
                self._begin_piece(bundle, pod_id, groups)
                groups, size = [], 0
        if groups:
            self._begin_piece(bundle, pod_id, groups)

    def _begin_piece(self, bundle: Bundle, pod_id: int, groups: list[PushGroup]) -> None:
        def parcels(position: int) -> list[Parcel]:
            return bundle.parcels(int(groups[position].shop))

        self._begin(pod_id, _Load(groups, parcels, bundle.job_class.name))

    def _begin(self, pod_id: int, load: _Load) -> None:
        queues = self._queues_of(pod_id)
        try:
            waiting = queues.begin_push(load.groups)
        except StoreUnavailable:
            waiting = partial(queues.push, load.groups, fresh=False)
        self._sent.append((pod_id, load, waiting))

    def _send_once(self, parcels: Sequence[Parcel], pod: int | None, *, fresh: bool) -> None:
        """Send each parcel to where its shop seems to be; those that ask for locks go one by one."""
        plain = [parcel for parcel in parcels if not parcel.locks]
        for pod_id, groups in self._grouped(plain, pod).items():
            self._push(pod_id, _load(groups), fresh=fresh)
        for parcel in parcels:
            if parcel.locks:
                pod_id, epoch = self._route(parcel, pod)
                self._push_locked(pod_id, epoch, parcel)

    def _push(self, pod_id: int, load: _Load, *, fresh: bool) -> None:
        queues = self._queues_of(pod_id)
        try:
            refusals = queues.push(load.groups, fresh=fresh)
        except StoreUnavailable:
            # The connection may have been idle since the server was restarted; ids make the repetition safe.
            refusals = queues.push(load.groups, fresh=False)
        self._judge(pod_id, load, refusals)

    def _push_locked(self, pod_id: int, epoch: int, parcel: Parcel) -> None:
        queues = self._queues_of(pod_id)
        try:
            answer = queues.push_locked(parcel, epoch)
        except StoreUnavailable:
            answer = queues.push_locked(parcel, epoch)  # its own lock is no conflict
        reach("client.pushed")
        if isinstance(answer, Refusal):
            return self._refused(pod_id, [parcel], answer)
        self._pod_id = pod_id
        if answer.id == parcel.id:
            return self._count(Counter([(parcel.queue, parcel.job_class)]))
        self._stands_for[parcel.id] = answer.id
        return None

    def _judge(self, pod_id: int, load: _Load, refusals: Sequence[Refusal]) -> None:
        """Take in what a pod said about what it was sent."""
        reach("client.pushed")
        refused = {refusal.group for refusal in refusals}
        for refusal in refusals:
            self._refused(pod_id, load.parcels(refusal.group), refusal)
        if len(refused) < len(load.groups):
            self._pod_id = pod_id
        if self._observe is not None:
            self._count(_counted(load, refused))

    def _refused(self, pod_id: int, group: list[Parcel], refusal: Refusal) -> None:
        shop_id = group[0].shop_id or 0
        if refusal.pod_id is None:
            self._router.forget(shop_id)
            self._on_hold += group
        else:
            self._router.learn(shop_id, Route(refusal.pod_id, refusal.epoch))
            self._moved += group
            if not self._path or self._path[-1] != pod_id:
                self._path.append(pod_id)

    def _count(self, accepted: Counter[tuple[str, str]]) -> None:
        if self._observe is not None:
            for (queue, job_class), jobs in accepted.items():
                self._observe(queue, job_class, jobs)

    def _count_redirect(self) -> None:
        """Count a round in which a pod redirected; one from each of many pods is no circle."""
        self._redirects += bool(self._moved)

    def _grouped(self, parcels: Sequence[Parcel], pod: int | None) -> dict[int, dict[_Key, list[Parcel]]]:
        """Sort parcels by pod, then into groups."""
        pods: dict[int, dict[_Key, list[Parcel]]] = {}
        for parcel in parcels:
            pod_id, epoch = self._route(parcel, pod)
            key = (parcel.queue, parcel.shop, epoch, parcel.due_ms)
            pods.setdefault(pod_id, {}).setdefault(key, []).append(parcel)
        return pods

    def _route(self, parcel: Parcel, pod: int | None) -> Route:
        return Route(pod or 0, 0) if parcel.shop_id is None else self._router.route(parcel.shop_id)


def _load(groups: Mapping[_Key, list[Parcel]]) -> _Load:
    return _Load([_packed(key, group) for key, group in groups.items()], list(groups.values()).__getitem__)


def _counted(load: _Load, refused: Set[int]) -> Counter[tuple[str, str]]:
    """Return how many jobs of each queue and class were accepted."""
    counted: Counter[tuple[str, str]] = Counter()
    for position, group in enumerate(load.groups):
        if position in refused:
            continue
        if load.job_class:
            counted[group.queue, load.job_class] += len(group.jobs)
        else:
            counted.update((parcel.queue, parcel.job_class) for parcel in load.parcels(position))
    return counted


def _packed(key: _Key, parcels: Sequence[Parcel]) -> PushGroup:
    queue, shop, epoch, due_ms = key
    jobs = [(parcel.id, parcel.record(epoch)) for parcel in parcels]
    return PushGroup(queue, shop, epoch, jobs, due_ms)
