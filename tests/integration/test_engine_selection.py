"""Frozen sets: exactly what fitted is acted on, once each, whoever dies or pushes meanwhile."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from podwork import keys, points
from podwork import selection as selection_module
from podwork.errors import StoreRefused
from podwork.inspection import Filter, Inspection, InvalidFilter
from podwork.interventions import PORTION, Interventions
from podwork.queues import Queues
from podwork.selection import (
    KEEP_SECONDS,
    Action,
    Applied,
    Selection,
    Selections,
    SelectionTaken,
    UnknownSelection,
)
from podwork.store import Store
from tests.support.engine import A, B, claim, counts, push, state
from tests.support.pause import hold
from tests.support.standing import stand_everywhere

DEAD = Filter(states=("dead",))
RETRY = Action("retry")


@pytest.fixture
def queues(store_url: str) -> Queues:
    queues = Queues(Store(store_url), lease_seconds=3600)
    queues.register(A, {"pid": 1})
    queues.register(B, {"pid": 2})
    return queues


@pytest.fixture
def selections(queues: Queues) -> Selections:
    return Selections(queues.store)


def bury(queues: Queues, number: int, shop: str = "7", job_class: str = "shop.dead") -> list[str]:
    """Push jobs and bury them; return their ids."""
    pushed = push(queues, (shop, number), job_class=job_class)
    for lease in claim(queues, number):
        queues.bury(A, lease, "ValueError: boom", {"e": "0123abcd"})
    return pushed


def totals(queues: Queues) -> dict[str, int]:
    return Inspection(queues.store).totals()


def test_what_was_frozen_is_counted_by_everything(queues: Queues, selections: Selections) -> None:
    stand_everywhere(queues)
    selection = selections.freeze(Filter(states=("dead", "parked", "held", "ready")), owner="ada")
    assert selection.count == 14
    assert selection.by_state == {"ready": 6, "held": 2, "parked": 3, "dead": 3}
    assert selection.by_class == {"shop.collect": 6, "shop.newer": 3, "shop.dead": 3, "shop.held": 2}
    assert selection.by_queue == {"default": 13, "low": 1}
    assert selection.by_shop == {"7": 9, "10": 3, "8": 1, "pod": 1}
    assert (selection.shops, selection.owner, selection.is_whole) == (4, "ada", True)
    assert selections.get(selection.id) == selection
    assert selections.applied(selection.id) == Applied({}, 14)


def test_the_same_jobs_have_the_same_digest(queues: Queues, selections: Selections) -> None:
    bury(queues, 3)
    first, second = selections.freeze(DEAD), selections.freeze(DEAD)
    assert first.digest == second.digest
    bury(queues, 1)
    assert selections.freeze(DEAD).digest != first.digest


def test_an_empty_set_is_not_kept(queues: Queues, selections: Selections) -> None:
    selection = selections.freeze(DEAD)
    assert selection.count == 0
    with pytest.raises(UnknownSelection):
        selections.get(selection.id)
    assert queues.store.command("KEYS", "podwork:*sele*") == []


def test_a_set_that_would_be_too_large_says_so(queues: Queues, selections: Selections) -> None:
    bury(queues, 5)
    assert selections.freeze(DEAD, most=5).is_whole
    part = selections.freeze(DEAD, most=4)
    assert (part.count, part.is_whole) == (4, False)
    assert selections.apply(part.id, RETRY).outcomes == {"queued": 4}
    assert counts(queues)[4] == 1


def test_a_filter_that_cannot_be_meant_is_refused(selections: Selections) -> None:
    with pytest.raises(InvalidFilter):
        selections.freeze(Filter(shop="seven"))


@pytest.mark.parametrize(
    ("action", "states", "after", "outcomes"),
    [
        (RETRY, ("dead",), (3, 0, 1, 0, 0), {"queued": 3}),
        (RETRY, ("scheduled",), (1, 0, 0, 0, 3), {"queued": 1}),
        (RETRY, ("dead", "scheduled"), (4, 0, 0, 0, 0), {"queued": 4}),
        (Action("discard"), ("dead",), (0, 0, 1, 0, 0), {"ended": 3}),
        (Action("cancel"), ("scheduled",), (0, 0, 0, 0, 3), {"ended": 1}),
        (Action("cancel"), (), (0, 0, 0, 0, 0), {"ended": 4}),
        (Action("move", "low"), ("scheduled",), (0, 0, 1, 0, 3), {"moved": 1}),
    ],
    ids=str,
)
def test_each_action_does_what_it_says(
    queues: Queues,
    selections: Selections,
    action: Action,
    states: tuple[str, ...],
    after: tuple[int, ...],
    outcomes: dict[str, int],
) -> None:
    bury(queues, 3)
    push(queues, ("7", 1), due_ms=4_000_000_000_000)
    selection = selections.freeze(Filter(states=states))  # type: ignore[arg-type]  # they are states
    assert selections.apply(selection.id, action) == Applied(outcomes, 0)
    assert counts(queues) == after


def test_jobs_that_left_their_state_meanwhile_are_left_alone(queues: Queues, selections: Selections) -> None:
    dead = bury(queues, 4)
    selection = selections.freeze(DEAD)
    hand = Interventions(queues.store)
    hand.retry(dead[:2])
    hand.discard(dead[2:3])
    claim(queues, 1)
    applied = selections.apply(selection.id, RETRY)
    assert applied.outcomes == {"queued": 1, "missing": 1, "ready": 1, "held": 1}
    assert totals(queues)["revived"] == 3


@pytest.mark.parametrize("action", [RETRY, Action("discard"), Action("cancel")], ids=str)
def test_of_one_state_only_those_who_still_stand_in_it(
    queues: Queues, selections: Selections, action: Action
) -> None:
    dead = bury(queues, 3)
    selection = selections.freeze(DEAD)
    Interventions(queues.store).retry(dead[:2])
    [lease] = claim(queues, 1)
    queues.retry(A, lease, 4e9, "error")
    outcomes = selections.apply(selection.id, action).outcomes
    assert outcomes == {"scheduled": 1, "ready": 1, "queued" if action == RETRY else "ended": 1}
    assert [state(queues, job_id) for job_id in dead[:2]] == ["scheduled", "ready"]


def test_what_came_since_is_not_touched(queues: Queues, selections: Selections) -> None:
    bury(queues, 2)
    selection = selections.freeze(DEAD)
    later = bury(queues, 2)
    selections.apply(selection.id, Action("discard"))
    assert [state(queues, job_id) for job_id in later] == ["dead", "dead"]
    assert counts(queues) == (0, 0, 0, 0, 2)


def test_what_was_applied_to_the_end_is_not_applied_again(queues: Queues, selections: Selections) -> None:
    dead = bury(queues, 2)
    selection = selections.freeze(DEAD)
    first = selections.apply(selection.id, RETRY)
    for lease in claim(queues):
        queues.bury(A, lease, "again")
    assert selections.apply(selection.id, RETRY) == first
    assert [state(queues, job_id) for job_id in dead] == ["dead", "dead"]


def test_a_set_is_for_one_action(queues: Queues, selections: Selections) -> None:
    bury(queues, 2)
    selection = selections.freeze(DEAD)
    selections.apply(selection.id, Action("move", "low"))
    for other in (RETRY, Action("move", "critical")):
        with pytest.raises(SelectionTaken, match="move to low"):
            selections.apply(selection.id, other)


class Late(Selections):
    """Reads what a set is, and then is held up, while others use or drop it."""

    meanwhile: Callable[[], object]

    def get(self, selection_id: str, action: Action | None = None) -> Selection:
        selection = super().get(selection_id, action)
        self.meanwhile()
        return selection


def test_who_is_late_does_nothing_else_with_a_set(
    queues: Queues, selections: Selections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection_module, "PORTION", 1)
    bury(queues, 2)
    selection = selections.freeze(DEAD)
    late = Late(queues.store)

    def begin() -> None:
        with killed_at_once(), pytest.raises(Killed):
            selections.apply(selection.id, RETRY)

    late.meanwhile = begin
    with pytest.raises(SelectionTaken, match="retry"):
        late.apply(selection.id, Action("discard"))
    assert counts(queues) == (1, 0, 0, 0, 1)


def test_who_is_late_brings_no_dropped_set_back(queues: Queues, selections: Selections) -> None:
    bury(queues, 2)
    selection = selections.freeze(DEAD)
    late = Late(queues.store)
    late.meanwhile = lambda: selections.drop(selection.id)
    with pytest.raises(UnknownSelection):
        late.apply(selection.id, RETRY)
    assert queues.store.command("KEYS", "podwork:*sele*") == []


def test_a_set_is_kept_for_some_hours_and_can_be_dropped(queues: Queues, selections: Selections) -> None:
    bury(queues, PORTION + 1)
    selection = selections.freeze(DEAD)
    for key in (keys.selection(selection.id), keys.chosen(selection.id)):
        assert KEEP_SECONDS - 100 < queues.store.command("TTL", key) <= KEEP_SECONDS
    selections.drop(selection.id)
    with pytest.raises(UnknownSelection, match=selection.id):
        selections.apply(selection.id, RETRY)
    assert counts(queues)[4] == PORTION + 1


class Killed(BaseException):
    """The process is gone."""


def test_killed_between_two_portions_it_goes_on_and_each_job_is_dealt_with_once(
    queues: Queues, selections: Selections
) -> None:
    """Between the kill and the next try each job that ran has failed again: a second retry would show."""
    dead = bury(queues, 2 * PORTION + 10)
    selection = selections.freeze(DEAD)
    for left in (PORTION + 10, 10):
        with killed_at_once(), pytest.raises(Killed):
            selections.apply(selection.id, RETRY)
        assert selections.applied(selection.id).left == left
        for lease in claim(queues, 10_000):
            queues.bury(A, lease, "failed again")
    assert selections.apply(selection.id, RETRY) == Applied({"queued": len(dead)}, 0)
    assert totals(queues)["revived"] == len(dead)


@contextmanager
def killed_at_once() -> Iterator[None]:
    """Kill whoever applies after its first portion."""

    def kill(_: str) -> None:
        raise Killed

    points.install(kill)
    yield
    points.install(None)


def test_two_who_apply_at_once_share_the_work(queues: Queues, selections: Selections) -> None:
    dead = bury(queues, 2 * PORTION + 10)
    selection = selections.freeze(DEAD)
    with hold("selection.portion") as held:
        slower = threading.Thread(target=selections.apply, args=(selection.id, RETRY))
        slower.start()
        held.wait_reached()
        points.install(None)
        Selections(queues.store).apply(selection.id, RETRY)
        for lease in claim(queues, 10_000):
            queues.bury(A, lease, "failed again")
        held.go_on()
        slower.join(20)
    assert totals(queues)["revived"] == len(dead)
    assert selections.applied(selection.id) == Applied({"queued": len(dead)}, 0)


def test_progress_is_told_from_nothing_to_all(queues: Queues, selections: Selections) -> None:
    bury(queues, PORTION + 5)
    looked_at: list[int] = []
    selection = selections.freeze(DEAD, progress=looked_at.append)
    done: list[int] = []
    selections.apply(selection.id, Action("discard"), done.append)
    assert looked_at == [PORTION]
    assert done == [PORTION, PORTION + 5]


def test_a_full_redis_lets_a_frozen_set_be_discarded(queues: Queues, selections: Selections) -> None:
    bury(queues, PORTION + 5)
    client = queues.store.client
    client.config_set("maxmemory", 1)
    try:
        with pytest.raises(StoreRefused):
            push(queues, ("7", 1))
        selection = selections.freeze(DEAD)
        assert selections.apply(selection.id, Action("discard")).left == 0
    finally:
        client.config_set("maxmemory", 0)
    assert counts(queues)[4] == 0


ACTS = st.lists(
    st.tuples(st.sampled_from(["push", "bury", "retry", "claim", "apply"]), st.integers(1, 3)), max_size=20
)


def test_exactly_the_frozen_jobs_are_touched_whatever_goes_on(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between freezing and the end of applying, others push, run, fail and mend jobs; appliers die."""
    monkeypatch.setattr(selection_module, "PORTION", 2)

    @settings(
        max_examples=int(os.environ.get("PODWORK_FUZZ_EXAMPLES", "25")),
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(frozen=st.integers(1, 8), acts=ACTS)
    def try_(frozen: int, acts: list[tuple[str, int]]) -> None:
        queues = Queues(Store(valkey_url), lease_seconds=3600)
        queues.store.client.flushdb()
        queues.register(A, {"pid": 1})
        selections, hand = Selections(queues.store), Interventions(queues.store)
        chosen = set(bury(queues, frozen))
        selection = selections.freeze(DEAD)
        strangers: set[str] = set()
        for act, number in acts:
            if act == "push":
                strangers.update(push(queues, (str(number), number)))
            elif act == "bury":
                strangers.update(bury_new(queues, number))
            elif act == "claim":
                for lease in claim(queues, number):
                    queues.bury(A, lease, "error")
            elif act == "retry":
                hand.retry(sorted(chosen)[:number])
            else:
                apply_a_little(selections, selection.id)
        applied = selections.apply(selection.id, Action("discard"))
        left = standing(queues)
        assert strangers <= left
        assert sum(applied.outcomes.values()) == frozen, "each was dealt with once"
        assert totals(queues).get("discarded", 0) == len(chosen - left) == applied.outcomes.get("ended", 0)

    def bury_new(queues: Queues, number: int) -> list[str]:
        pushed = push(queues, ("9", number), queue="other")
        for lease in claim(queues, number, names=("other",)):
            queues.bury(A, lease, "error")
        return pushed

    def standing(queues: Queues) -> set[str]:
        return {
            job_id for shop in ("1", "2", "3", "7", "9") for job_id in Inspection(queues.store).job_ids(shop)
        }

    def apply_a_little(selections: Selections, selection_id: str) -> None:
        if selections.applied(selection_id).left:
            with killed_at_once(), pytest.raises(Killed):
                selections.apply(selection_id, Action("discard"))

    try_()
