"""The road of a push: `route -> push -> redirect`, until every parcel is accepted.

Owns: following redirects, waiting for shops on hold, repeating a push whose answer was lost. Promises: a job
is stored only on the pod whose gate accepts the shop's epoch (J3): a stale router costs a redirect; a
repetition goes under the same ids, which the scripts deduplicate. Leaves to others: what is sent
(`podwork.parcel`), what a gate is (`podwork.queues`), who knows the way (`Router`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from podwork.errors import RedirectLoop, ShopOnHold, StoreUnavailable
from podwork.interfaces import Route, Router
from podwork.parcel import Parcel
from podwork.points import reach
from podwork.queues import PushGroup, Queues, Refusal

REDIRECTS_LIMIT = 8
_FIRST_PAUSE_SECONDS = 0.01
_LONGEST_PAUSE_SECONDS = 0.25
_Key = tuple[str, str, int, int]
"""Queue, shop, epoch, due: what one gate decides about at once."""


_Begun = tuple[int, list[list[Parcel]], list[PushGroup], Callable[[], list[Refusal]]]
"""A pod, the groups that went there, the same as they were sent, and what waits for the answer."""


class Delivered(NamedTuple):
    """The end of the road: the pod that accepted last, and for whom another job stands, by its own id."""

    pod_id: int
    stands_for: dict[str, str]


class Delivery:
    """One push of some parcels; make one for each."""

    def __init__(
        self,
        router: Router,
        queues_of: Callable[[int], Queues],
        accepted: Callable[[Sequence[Parcel]], None],
        hold_timeout_seconds: float,
    ) -> None:
        self._router = router
        self._queues_of = queues_of
        self._accepted = accepted
        self._patience_seconds = hold_timeout_seconds
        self._on_hold: list[Parcel] = []
        self._moved: list[Parcel] = []
        self._path: list[int] = []
        self._pod_id = 0
        self._stands_for: dict[str, str] = {}
        self._parcels: Sequence[Parcel] = ()
        self._pod: int | None = None
        self._begun: list[_Begun] = []

    def begin(self, parcels: Sequence[Parcel], pod: int | None) -> None:
        """Send parcels that were never sent before to where their shops seem to be; wait for nothing."""
        self._parcels, self._pod, self._begun = parcels, pod, []
        if any(parcel.locks for parcel in parcels):
            return  # such go one by one
        for pod_id, groups in self._grouped(parcels, pod).items():
            packed = [_packed(key, group) for key, group in groups.items()]
            queues = self._queues_of(pod_id)
            try:
                waiting = queues.begin_push(packed)
            except StoreUnavailable:
                waiting = partial(queues.push, packed, fresh=False)
            self._begun.append((pod_id, list(groups.values()), packed, waiting))

    def finish(self) -> Delivered:
        """Wait until what was begun is accepted. Raises as `send` does."""
        if not self._begun:
            return self.send(self._parcels, self._pod, fresh=True)
        for pod_id, groups, packed, waiting in self._begun:
            before = len(self._moved)
            try:
                refusals = waiting()
            except StoreUnavailable:
                refusals = self._queues_of(pod_id).push(packed, fresh=False)
            self._judge_all(pod_id, groups, refusals)
            self._note_redirect(pod_id, before)
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
            parcels = self._on_hold + self._moved
            # Where an answer was lost, the push may have been accepted once and its repetition refused.
            fresh = False
            if len(self._path) > REDIRECTS_LIMIT:
                raise RedirectLoop(parcels[-1].shop_id or 0, self._path)
            if self._on_hold:
                held_since = held_since or time.monotonic()
                waited = time.monotonic() - held_since
                if waited >= self._patience_seconds:
                    raise ShopOnHold(self._on_hold[0].shop_id or 0, waited)
                time.sleep(pause_seconds)
                pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)
        return Delivered(self._pod_id, self._stands_for)

    def _send_once(self, parcels: Sequence[Parcel], pod: int | None, *, fresh: bool) -> None:
        """Send each parcel to where its shop seems to be; those that ask for locks go one by one."""
        plain = [parcel for parcel in parcels if not parcel.locks]
        for pod_id, groups in self._grouped(plain, pod).items():
            before = len(self._moved)
            self._push(pod_id, list(groups.items()), fresh=fresh)
            self._note_redirect(pod_id, before)
        for parcel in parcels:
            if parcel.locks:
                before = len(self._moved)
                pod_id, epoch = self._route(parcel, pod)
                self._push_locked(pod_id, epoch, parcel)
                self._note_redirect(pod_id, before)

    def _note_redirect(self, pod_id: int, before: int) -> None:
        if len(self._moved) > before:
            self._path.append(pod_id)

    def _push(self, pod_id: int, groups: list[tuple[_Key, list[Parcel]]], *, fresh: bool) -> None:
        queues, packed = self._queues_of(pod_id), [_packed(key, group) for key, group in groups]
        try:
            refusals = queues.push(packed, fresh=fresh)
        except StoreUnavailable:
            # The connection may have been idle since the server was restarted; ids make the repetition safe.
            refusals = queues.push(packed, fresh=False)
        self._judge_all(pod_id, [group for _, group in groups], refusals)

    def _push_locked(self, pod_id: int, epoch: int, parcel: Parcel) -> None:
        queues = self._queues_of(pod_id)
        try:
            answer = queues.push_locked(parcel, epoch)
        except StoreUnavailable:
            answer = queues.push_locked(parcel, epoch)  # its own lock is no conflict
        reach("client.pushed")
        if isinstance(answer, Refusal):
            return self._judge(pod_id, [parcel], answer)
        self._pod_id = pod_id
        if answer.id == parcel.id:
            return self._accepted([parcel])
        self._stands_for[parcel.id] = answer.id
        return None

    def _judge_all(self, pod_id: int, groups: list[list[Parcel]], refusals: Sequence[Refusal]) -> None:
        reach("client.pushed")
        refused = {refusal.group: refusal for refusal in refusals}
        for position, group in enumerate(groups):
            self._judge(pod_id, group, refused.get(position))

    def _judge(self, pod_id: int, group: list[Parcel], refusal: Refusal | None) -> None:
        if refusal is None:
            self._pod_id = pod_id
            self._accepted(group)
        elif refusal.pod_id is None:
            self._router.forget(group[0].shop_id or 0)
            self._on_hold += group
        else:
            self._router.learn(group[0].shop_id or 0, Route(refusal.pod_id, refusal.epoch))
            self._moved += group

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


def _packed(key: _Key, parcels: Sequence[Parcel]) -> PushGroup:
    queue, shop, epoch, due_ms = key
    jobs = [(parcel.id, parcel.record(epoch)) for parcel in parcels]
    return PushGroup(queue, shop, epoch, jobs, due_ms)
