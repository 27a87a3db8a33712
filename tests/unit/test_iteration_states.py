"""The states of a run: which may follow which, and how it ends in any case."""

from __future__ import annotations

import itertools

import pytest

from podwork.errors import PodworkError, RunConflict
from podwork.iteration import states
from podwork.iteration.states import FORCED, REASONS, WAYS, RunState, check, forced

# Written out a second time on purpose: a way that is added or lost is seen.
EXPECTED = {
    "enqueued": "running throttled paused cancelled failed",
    "running": "throttled interrupted pausing cancelling failed succeeded",
    "throttled": "running interrupted pausing cancelling failed succeeded",
    "interrupted": "running throttled paused cancelled failed",
    "pausing": "paused cancelling failed succeeded",
    "paused": "enqueued cancelled",
    "cancelling": "cancelled failed succeeded",
    "failed": "enqueued cancelled",
    "cancelled": "",
    "succeeded": "",
}
BY_A_PERSON = {
    (RunState.PAUSED, RunState.ENQUEUED),
    (RunState.FAILED, RunState.ENQUEUED),
    (RunState.FAILED, RunState.CANCELLED),
}
WORKED_ON = {RunState.RUNNING, RunState.THROTTLED, RunState.PAUSING, RunState.CANCELLING}


def reached_from(start: RunState) -> set[RunState]:
    seen, ahead = {start}, [start]
    while ahead:
        found = WAYS[ahead.pop()] - seen
        seen |= found
        ahead += found
    return seen


@pytest.mark.parametrize(("old", "new"), list(itertools.product(RunState, RunState)))
def test_what_the_table_allows_and_nothing_else(old: RunState, new: RunState) -> None:
    if new in EXPECTED[old].split():
        check("run-1", old, new)
    else:
        with pytest.raises(RunConflict, match=f"run-1: it is {old} and cannot become {new}"):
            check("run-1", old, new)


def test_the_table_knows_every_state_and_explains_every_way() -> None:
    assert set(REASONS) == set(WAYS) == set(RunState)
    assert all(reason.strip() for reasons in REASONS.values() for reason in reasons.values())
    rows = [line.split("|")[1].strip() for line in (states.__doc__ or "").splitlines() if line[:1] == "|"]
    assert sorted(rows[2:]) == sorted(RunState)


def test_a_run_begins_enqueued_and_can_come_into_every_state() -> None:
    assert reached_from(RunState.ENQUEUED) == set(RunState)


def test_what_is_over_stays_so_unless_a_person_wants_otherwise() -> None:
    assert {state for state in RunState if state.is_over} == {
        RunState.CANCELLED,
        RunState.FAILED,
        RunState.SUCCEEDED,
    }
    by_itself = {(old, new) for old in RunState if old.is_over for new in WAYS[old]} - BY_A_PERSON
    assert by_itself == set()


def test_from_everywhere_a_run_can_be_cancelled_until_it_has_succeeded() -> None:
    for state in set(RunState) - {RunState.SUCCEEDED}:
        assert RunState.CANCELLED in reached_from(state)


def test_who_works_on_a_run_is_waited_for() -> None:
    for state in set(RunState) - {RunState.CANCELLED, RunState.SUCCEEDED, RunState.FAILED}:
        at_once = RunState.CANCELLED in WAYS[state]
        assert at_once == (state not in WORKED_ON or state is RunState.CANCELLING)
    assert RunState.PAUSED not in WAYS[RunState.RUNNING] | WAYS[RunState.THROTTLED]


def test_no_error_or_stop_is_taken_for_another() -> None:
    assert RunState.INTERRUPTED not in WAYS[RunState.PAUSING] | WAYS[RunState.CANCELLING]
    for state in (RunState.PAUSED, RunState.PAUSING, RunState.CANCELLING, RunState.CANCELLED):
        assert RunState.RUNNING not in WAYS[state], "a person's wish is not undone by a job"


def test_a_stuck_run_is_forced_along_its_own_ways() -> None:
    assert {state for state in RunState if state in FORCED} == WORKED_ON
    for state, target in FORCED.items():
        check("run-1", state, target)
        assert forced("run-1", state) is target
        assert target not in WORKED_ON


@pytest.mark.parametrize("state", sorted(set(RunState) - WORKED_ON))
def test_what_waits_for_nobody_is_not_forced(state: RunState) -> None:
    with pytest.raises(RunConflict, match=f"it is {state}, and nobody is waited for"):
        forced("run-1", state)


def test_a_conflict_says_what_is_possible_instead() -> None:
    with pytest.raises(PodworkError) as caught:
        check("run-1", RunState.PAUSED, RunState.RUNNING)
    assert isinstance(caught.value, RunConflict)
    assert (caught.value.run_id, caught.value.why) == ("run-1", "it is paused and cannot become running")
    assert str(caught.value).endswith("- from there it becomes: enqueued, cancelled")
    with pytest.raises(RunConflict, match="start another run"):
        check("run-1", RunState.SUCCEEDED, RunState.ENQUEUED)
