"""Lists of jobs by state: their order, filters, cursors, and who comes and goes between two pages."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from podwork import keys, record
from podwork.holds import Holds
from podwork.identity import new_job_id
from podwork.inspection import STATES, Filter, Inspection, InvalidCursor, InvalidFilter
from podwork.interventions import Interventions
from podwork.lease import Lease
from podwork.queues import PushGroup, Queues
from podwork.store import Store
from tests.support.engine import A, B, claim, push
from tests.support.standing import LATER_MS, ids, listed, stand_everywhere


@pytest.fixture
def queues(store_url: str) -> Queues:
    queues = Queues(Store(store_url), lease_seconds=30)
    queues.register(A, {"pid": 1, "queues": "default"})
    queues.register(B, {"pid": 2, "queues": "default"})
    return queues


@pytest.fixture
def inspection(queues: Queues) -> Inspection:
    return Inspection(queues.store)


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_each_state_is_listed_in_its_order_by_pages_of_any_size(
    queues: Queues, inspection: Inspection, limit: int
) -> None:
    standing = stand_everywhere(queues)
    for state, expected in standing.items():
        jobs = listed(inspection, Filter(states=(state,)), limit)
        assert ids(jobs) == expected, state
        assert {job.state for job in jobs} == {state}
    assert ids(listed(inspection, Filter(), limit)) == [
        job_id for state in STATES for job_id in standing[state]
    ]


def test_a_list_agrees_with_what_is_said_of_each_job(queues: Queues, inspection: Inspection) -> None:
    stand_everywhere(queues)
    for job in listed(inspection, Filter()):
        assert inspection.job(job.id) == job


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (Filter(job_class="shop.dead"), 3),
        (Filter(job_class="shop.de"), 0),
        (Filter(queue="low"), 1),
        (Filter(queue="low", states=("dead",)), 0),
        (Filter(shop="10"), 3),
        (Filter(shop="1"), 0),
        (Filter(shop="pod"), 1),
        (Filter(shop="7", states=("ready",)), 3),
        (Filter(shop="7", states=("ready",), queue="default"), 2),
        (Filter(shop="7", states=("dead", "parked")), 4),
        (Filter(shop="9", states=("scheduled",)), 1),
        (Filter(fingerprint="0000aaaa"), 2),
        (Filter(fingerprint="0000bbbb", states=("dead",)), 1),
        (Filter(text="ROW 1"), 1),
        (Filter(text="shop.newer"), 3),
        (Filter(text='"n":[]'), 17),
        (Filter(text="nobody says this"), 0),
    ],
    ids=repr,
)
def test_filters_find_exactly_what_fits(
    queues: Queues, inspection: Inspection, wanted: Filter, count: int
) -> None:
    stand_everywhere(queues)
    jobs = listed(inspection, wanted, 2)
    assert len(jobs) == len(set(ids(jobs))) == count
    for job in jobs:
        assert wanted.states == () or job.state in wanted.states
        assert wanted.queue in (None, job.queue)
        assert wanted.job_class in (None, job.job_class)
        assert wanted.fingerprint in (None, job.fingerprint)


def test_a_class_named_in_the_arguments_is_not_the_class(queues: Queues, inspection: Inspection) -> None:
    stored = record.encode_first(
        "default", 1, record.payload_prefix("shop.a", 0), b'{"x":{"class":"shop.b","y":1}}'
    )
    queues.push([PushGroup("default", "7", 0, [(new_job_id(1, "7"), stored)])])
    assert listed(inspection, Filter(job_class="shop.b")) == []
    assert len(listed(inspection, Filter(job_class="shop.a"))) == 1


def test_a_search_in_vain_is_bounded_and_goes_on(queues: Queues, inspection: Inspection) -> None:
    push(queues, ("7", 500))
    [last] = push(queues, ("7", 1), job_class="shop.rare")
    wanted = Filter(job_class="shop.rare")
    page = inspection.jobs(wanted, most_looked_at=300)
    assert (list(page.jobs), page.looked_at) == ([], 300)
    page = inspection.jobs(wanted, page.cursor, most_looked_at=300)
    assert (ids(page.jobs), page.cursor, page.looked_at) == ([last], None, 201)


def test_the_last_page_has_no_cursor(queues: Queues, inspection: Inspection) -> None:
    push(queues, ("7", 4))
    first = inspection.jobs(Filter(), limit=2)
    assert first.cursor is not None
    assert inspection.jobs(Filter(), first.cursor, limit=2).cursor is None
    assert inspection.jobs(Filter(), limit=4).cursor is None
    push(queues, ("8", 1))
    assert inspection.jobs(Filter(text="-7"), limit=4).cursor is None, "what comes after them does not fit"


def test_a_cursor_belongs_to_its_list(queues: Queues, inspection: Inspection) -> None:
    push(queues, ("7", 4))
    cursor = inspection.jobs(Filter(), limit=2).cursor
    assert cursor is not None
    for wanted, text in [
        (Filter(shop="7"), cursor),
        (Filter(), cursor[:-3]),
        (Filter(), "nonsense"),
        (Filter(), "é"),
    ]:
        with pytest.raises(InvalidCursor):
            inspection.jobs(wanted, text)


@pytest.mark.parametrize("wanted", [Filter(states=("asleep",)), Filter(shop="seven")])  # type: ignore[arg-type]
def test_a_filter_that_can_fit_nothing_is_refused(inspection: Inspection, wanted: Filter) -> None:
    with pytest.raises(InvalidFilter):
        inspection.jobs(wanted)


def test_thousands_that_are_due_at_one_time_are_met_once_each(queues: Queues, inspection: Inspection) -> None:
    pushed = push(queues, ("7", 1500), due_ms=LATER_MS)
    hand = Interventions(queues.store)
    page = inspection.jobs(Filter(), limit=700)
    seen = ids(page.jobs)
    hand.cancel([seen[-1], seen[0]])  # also the one behind which it goes on
    while page.cursor:
        page = inspection.jobs(Filter(), page.cursor, limit=700)
        seen += ids(page.jobs)
    assert seen == sorted(pushed)


def test_the_dead_of_one_moment_are_met_once_each(queues: Queues, inspection: Inspection) -> None:
    pushed = push(queues, ("7", 30))
    for lease in claim(queues, 30):
        queues.bury(A, lease, "error")
    for job_id in pushed:
        queues.store.command("ZADD", keys.DEAD, 1000, job_id)
    first = inspection.jobs(Filter(), limit=10)
    Interventions(queues.store).discard([first.jobs[-1].id])
    rest = inspection.jobs(Filter(), first.cursor, limit=50)
    assert ids([*first.jobs, *rest.jobs]) == sorted(pushed, reverse=True)


@pytest.mark.parametrize("state", ["scheduled", "dead"])
def test_a_list_by_time_goes_on_though_the_job_it_stopped_at_is_gone(
    queues: Queues, inspection: Inspection, state: str
) -> None:
    pushed = [push(queues, ("7", 1), due_ms=LATER_MS + n)[0] for n in range(9)]
    if state == "dead":
        Interventions(queues.store).retry(pushed)
        for lease in claim(queues):
            queues.bury(A, lease, "error")
        for n, job_id in enumerate(pushed):
            queues.store.command("ZADD", keys.DEAD, 9000 - n, job_id)
    first = inspection.jobs(Filter(), limit=4)
    Interventions(queues.store).cancel([pushed[3]])
    rest = inspection.jobs(Filter(), first.cursor)
    assert ids([*first.jobs, *rest.jobs]) == pushed


def test_a_list_of_ready_jobs_goes_on_where_it_was_while_the_lane_moves(
    queues: Queues, inspection: Inspection
) -> None:
    """Heads are claimed and given back, tails pushed, the ring turns: who stays is met."""
    pushed = push(queues, ("7", 600), ("8", 5))
    first = inspection.jobs(Filter(states=("ready",)), limit=300)
    claimed = [lease for lease in claim(queues, 100) if lease.shop == "7"]
    queues.release(A, claimed[:10])
    later = push(queues, ("7", 3), ("5", 1))
    rest = listed_after(inspection, first.cursor)
    assert ids(first.jobs) == pushed[:300]
    assert rest == pushed[300:600] + later[:3] + [
        job_id for job_id in pushed[600:] if is_ready(inspection, job_id)
    ]


def listed_after(inspection: Inspection, cursor: str | None) -> list[str]:
    seen: list[str] = []
    while cursor:
        page = inspection.jobs(Filter(states=("ready",)), cursor, limit=300)
        seen += ids(page.jobs)
        cursor = page.cursor
    return seen


def is_ready(inspection: Inspection, job_id: str) -> bool:
    state = inspection.job(job_id)
    return state is not None and state.state == "ready"


def test_a_list_goes_on_though_the_job_it_stopped_at_is_gone(queues: Queues, inspection: Inspection) -> None:
    pushed = push(queues, ("7", 20))
    first = inspection.jobs(Filter(), limit=5)
    assert len(claim(queues, 8)) == 8
    rest = inspection.jobs(Filter(states=("ready",)), limit=50)
    after = listed_after(inspection, inspection.jobs(Filter(states=("ready",)), limit=5).cursor)
    assert ids(first.jobs) == pushed[:5]
    assert ids(rest.jobs) == pushed[8:]
    assert after == pushed[13:]


def test_a_list_goes_on_though_thousands_left_before_it(queues: Queues, inspection: Inspection) -> None:
    pushed = [job_id for _ in range(2) for job_id in push(queues, ("7", 1500))]
    first = inspection.jobs(Filter(states=("ready",)), limit=2500)
    for _ in range(3):
        claim(queues, 500)
    assert ids(first.jobs) == pushed[:2500]
    assert listed_after(inspection, first.cursor) == pushed[2500:]


def test_cancelled_ids_in_a_lane_are_passed_over(queues: Queues, inspection: Inspection) -> None:
    pushed = push(queues, ("7", 6))
    Interventions(queues.store).cancel(pushed[1:3])
    assert ids(listed(inspection, Filter(), 1)) == [pushed[0], *pushed[3:]]


def test_what_left_a_room_is_not_listed_there(queues: Queues, inspection: Inspection) -> None:
    parked = push(queues, ("7", 3), job_class="shop.newer")
    for lease in claim(queues):
        queues.park(A, lease)
    Interventions(queues.store).cancel(parked[:1])
    queues.store.command("HDEL", keys.PARKED, parked[1])  # somebody has fetched it
    [last] = listed(inspection, Filter(states=("parked",)))
    assert last.id == parked[2]
    assert last.room == "!unknown:shop.newer@1"


def test_jobs_of_shops_outside_of_the_ring_are_ready(queues: Queues, inspection: Inspection) -> None:
    pushed = push(queues, ("7", 3))
    Holds(queues.store).place(shop="7", reason="r", owner="o")
    assert claim(queues) == []
    assert ids(listed(inspection, Filter(), 2)) == pushed
    queue = inspection.queue("default")
    assert (queue.shops, queue.outside, queue.latency_seconds) == (1, 1, 0.0)


ACTS = ["page", "push", "claim", "release", "cancel", "move", "pause"]
STEPS = st.lists(st.tuples(st.sampled_from(ACTS), st.integers(1, 3)), max_size=25)


def test_who_stays_ready_is_listed_whatever_the_others_do(valkey_url: str) -> None:
    """Pages are read between pushes, claims, returns, cancels, moves to other queues and pauses."""

    @settings(
        max_examples=int(os.environ.get("PODWORK_FUZZ_EXAMPLES", "30")),
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(steps=STEPS)
    def read(steps: list[tuple[str, int]]) -> None:
        queues = Queues(Store(valkey_url), lease_seconds=3600)
        queues.store.client.flushdb()
        queues.register(A, {"pid": 1})
        inspection, hand, holds = Inspection(queues.store), Interventions(queues.store), Holds(queues.store)
        paused: dict[int, str] = {}
        wanted = Filter(states=("ready",))
        stayed = set(push(queues, ("1", 4), ("2", 4), ("3", 4)))
        taken: list[Lease] = []
        page = inspection.jobs(wanted, limit=2)
        seen = ids(page.jobs)
        for step, number in [*steps, *[("page", 1)] * 50]:
            if step == "page" and page.cursor:
                page = inspection.jobs(wanted, page.cursor, limit=number)
                seen += ids(page.jobs)
            elif step == "push":
                push(queues, (str(number), number))
            elif step == "claim":
                taken += claim(queues, number)
                stayed -= {lease.id for lease in taken}
            elif step == "release" and taken:
                queues.release(A, [taken.pop()])
            elif step in ("cancel", "move") and stayed:
                job_id = sorted(stayed)[number % len(stayed)]
                stayed.remove(job_id)
                assert hand.cancel([job_id]) if step == "cancel" else hand.move([job_id], "low")
            elif step == "pause":
                if name := paused.pop(number, None):
                    holds.lift(name)
                else:
                    paused[number] = holds.place(shop=str(number), reason="r", owner="o").name
        assert page.cursor is None
        assert stayed <= set(seen)

    read()
