"""Going through the jobs of a pod, state by state, from any place on.

Owns: `Place` and `walk`. The order is fixed, so that a walk can stop and go on: held by process and id; ready
by queue, shop and lane; scheduled by due time; parked by room, shop and lane; dead from the last buried back.
Promises: a job that stays where it is, is met, however many others come, go and turn in the ring meanwhile;
met once, unless somebody takes the very job away at which the walk stopped. One that changes its state during
the walk may be met twice or not at all. Each step is a script of some hundred jobs: no walk keeps Redis busy.
A step on lanes also reads which shops the queue has. Leaves to others: which jobs are meant (`filters`),
pages and cursors (`paging`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from podwork import keys
from podwork.inspection.reading import Found
from podwork.inspection.states import State
from podwork.store import Store

PORTION: Final = 200
"""Jobs that one step reads."""
SHOPS_AT_ONCE: Final = 100
"""Lanes that one step may pass through."""


class Place(NamedTuple):
    """Behind which job a walk goes on: its state, its queue, room or process, its shop, its id, its position.

    `number` is an index in a lane, or a time in ms. An empty id: at the beginning of what the fields before
    it name.
    """

    state: State
    where: str = ""
    shop: str = ""
    id: str = ""
    number: int = 0


class Step(NamedTuple):
    """One id that was met; `found` is None when nothing is there any more, or the shop is not asked for."""

    place: Place
    found: Found | None


def walk(
    store: Store, state: State, after: Place | None = None, *, queue: str = "", shop: str = "", each: int = 0
) -> Iterator[Step]:
    """Go through the jobs in one state.

    Args:
        store: the pod's Redis.
        state: where they stand.
        after: the place to go on behind; None: the beginning.
        queue, shop: only these; other queues' jobs are met all the same where telling costs as much.
        each: at most so many of a lane; 0: all.

    Raises:
        StoreUnavailable: what was met so far is still right.
    """
    place = after if after is not None and after.state == state else Place(state)
    if state == "held":
        return _held(store, place)
    if state in ("scheduled", "dead"):
        return _sorted(store, place, shop)
    return _lanes(store, place, queue, shop, each)


def shops_of(store: Store, queue: str) -> tuple[list[str], list[str]]:
    """Return the shops in the ring of a queue or room, the next to have its turn first, and those outside."""
    ring, outside = store.commands(("LRANGE", keys.ring(queue), 0, -1), ("SMEMBERS", keys.outside(queue)))
    return [shop.decode() for shop in ring], [shop.decode() for shop in outside]


def read_lanes(store: Store, queue: str, shops: Sequence[str], want: int, each: int = 0) -> list[Step]:
    """Return up to `want` jobs from the heads of these lanes, in one step."""
    return _lane_steps(queue, store.call("walk_lanes", queue, want, each, "", 0, *shops))


def _held(store: Store, place: Place) -> Iterator[Step]:
    processes = sorted(name.decode() for name in store.command("ZRANGE", keys.PROCESSES, 0, -1))
    for incarnation in processes:
        if incarnation < place.where:
            continue
        behind = place.id if incarnation == place.where else ""
        flat = iter(store.command("HGETALL", keys.held(incarnation)))
        held = sorted((job_id.decode(), value.decode()) for job_id, value in zip(flat, flat, strict=True))
        yield from _held_by(
            store, incarnation, [(job_id, value) for job_id, value in held if job_id > behind]
        )


def _held_by(store: Store, incarnation: str, held: Sequence[tuple[str, str]]) -> Iterator[Step]:
    for start in range(0, len(held), PORTION):
        portion = held[start : start + PORTION]
        records = store.commands(
            *(("HGET", keys.jobs(job_id.partition("-")[2]), job_id) for job_id, _ in portion)
        )
        for (job_id, value), stored in zip(portion, records, strict=True):
            found = None if stored is None else Found(job_id, "held", incarnation, value, stored)
            yield Step(Place("held", incarnation, "", job_id), found)


def _sorted(store: Store, place: Place, shop: str) -> Iterator[Step]:
    which = "dead" if place.state == "dead" else "schedule"
    while True:
        answer = iter(store.call("walk_sorted", which, PORTION, place.id, place.number, shop))
        steps = [
            _sorted_step(place.state, time, job_id, stored)
            for time, job_id, stored in zip(answer, answer, answer, strict=True)
        ]
        yield from steps
        if len(steps) < PORTION:
            return
        place = steps[-1].place


def _sorted_step(state: State, time: bytes, job_id: bytes, stored: bytes | None) -> Step:
    name, time_ms = job_id.decode(), int(float(time))
    found = None if stored is None else Found(name, state, "", str(time_ms), stored)
    return Step(Place(state, "", "", name, time_ms), found)


def _lanes(store: Store, place: Place, queue: str, shop: str, each: int) -> Iterator[Step]:
    names = store.command("HKEYS", keys.SIZES if place.state == "ready" else keys.ROOMS)
    for name in sorted(name.decode() for name in names):
        if name < place.where or (queue and place.state == "ready" and name != queue):
            continue
        start = place if name == place.where else Place(place.state, name)
        ring, outside = ([shop], []) if shop else shops_of(store, name)
        shops = sorted({*ring, *outside}, key=_by_number)
        yield from _lanes_of(
            store, start, [one for one in shops if _by_number(one) >= _by_number(start.shop)], each
        )


def _lanes_of(store: Store, place: Place, shops: Sequence[str], each: int) -> Iterator[Step]:
    """Go through the lanes of one queue or room, from the place on, which may be inside the first of them."""
    while shops:
        # The first lane may have gone with the job at which the walk stopped.
        behind = (place.id, place.number) if shops[0] == place.shop else ("", 0)
        portion = shops[:SHOPS_AT_ONCE]
        steps = _lane_steps(
            place.where, store.call("walk_lanes", place.where, PORTION, each, *behind, *portion)
        )
        yield from steps
        if len(steps) < PORTION:
            shops = shops[SHOPS_AT_ONCE:]
        else:
            place = steps[-1].place
            shops = shops[shops.index(place.shop) :]


def _lane_steps(queue: str, answer: Sequence[Any]) -> list[Step]:
    state: State = "parked" if queue.startswith("!") else "ready"
    parts = iter(answer)
    return [
        _lane_step(state, queue, shop.decode(), int(index), job_id.decode(), stored)
        for shop, index, job_id, stored in zip(parts, parts, parts, parts, strict=True)
    ]


def _lane_step(state: State, queue: str, shop: str, index: int, job_id: str, stored: bytes | None) -> Step:
    where = queue if state == "parked" else ""
    found = None if stored is None else Found(job_id, state, where, "", stored)
    return Step(Place(state, queue, shop, job_id, index), found)


def _by_number(shop: str) -> tuple[int, str]:
    """Order shops by number; work without a shop (`pod`) comes first."""
    return (int(shop), shop) if shop.isdecimal() else (-1, shop)
