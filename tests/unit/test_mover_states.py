"""The table of a move's states: complete, and as the protocol's page has it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from podwork_pods.mover.states import (
    BEFORE_SWITCH,
    CUTTING,
    ENDED,
    HELD_IN,
    WAYS,
    By,
    MoveState,
    leg_after,
    onward,
    sources,
)

PAGE = Path(__file__).parents[2] / "ops/docs/moves.md"
S = MoveState


def on_the_page() -> dict[str, set[str]]:
    """Return the page's table of states: from each to those that may follow."""
    text = PAGE.read_text().partition("## States")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|.*\|([^|]*)\|$", text, re.MULTILINE)
    return {
        state: {word for word in re.findall(r"[a-z_]{4,}", onto) if word in set(S)} for state, onto in rows
    }


def test_every_state_stands_in_the_table_and_on_the_page() -> None:
    assert set(WAYS) == set(S)
    assert set(on_the_page()) == set(S)


@pytest.mark.parametrize("state", list(S))
def test_what_may_follow_is_what_the_page_says(state: MoveState) -> None:
    page, there = on_the_page()[state], {to for to in S if state in sources_of(to, 1)}
    back = {to for to in S if state in sources_of(to, 2)}
    if state is S.REVERSING:  # given up, it goes through aborting, which the page leaves out
        assert page == {S.PAUSING_JOBS, S.REVERSIBLE}
        assert back == {S.PAUSING_JOBS, S.ABORTING}
    elif state is S.ABORTING:
        assert (there, back, page) == ({S.ABORTED}, {S.REVERSIBLE}, {S.ABORTED})
    elif state is S.PURGING:
        assert (there, back, page) == ({S.DONE}, {S.REVERSED}, {S.DONE})
    elif state is S.OPEN:
        assert (there, back, page) == ({S.REVERSIBLE}, {S.PURGING}, {S.REVERSIBLE})
    elif state in CUTTING:  # ready again, on the way back: reversing again
        assert there == page
        assert back == (page - {S.READY}) | {S.REVERSING}
    else:
        assert there == page


def sources_of(to: MoveState, leg: int) -> set[MoveState]:
    return set().union(*(sources(to, leg, by) for by in By))


def test_the_switch_is_nobodys_step_alone() -> None:
    for leg in (1, 2):
        assert sources(S.SWITCHED, leg, By.SWITCH) == {S.JOBS_COPIED}
        assert not sources(S.SWITCHED, leg, By.MOVER) | sources(S.SWITCHED, leg, By.PERSON)
    assert not any(sources(to, leg, By.SWITCH) for to in S if to is not S.SWITCHED for leg in (1, 2))


def test_before_the_switch_only_back_and_after_it_only_forward() -> None:
    assert {S.SWITCHED, S.OPEN, S.PURGING, S.DONE}.isdisjoint(BEFORE_SWITCH)
    after = reachable(S.SWITCHED, 1)
    assert after.isdisjoint({S.ABORTED, S.READY, S.COPYING})
    assert S.DONE in after
    assert sources_of(S.ABORTING, 1) | sources_of(S.ABORTING, 2) == set(BEFORE_SWITCH)


def reachable(state: MoveState, leg: int) -> set[MoveState]:
    """Return where a move may get without a new leg."""
    found, new = set(), {state}
    while new:
        found |= new
        new = {
            to for to in S for each in new if each in sources_of(to, leg) and leg_after(to, leg) == leg
        } - found
    return found


def test_every_way_ends() -> None:
    assert {S.DONE, S.ABORTED, S.REVERSED} == ENDED
    for state in S:
        assert reachable(state, 1) & ENDED or reachable(state, 2) & ENDED or state is S.REVERSIBLE, state


def test_people_abort_complete_and_reverse_and_nothing_else() -> None:
    ways = {(state, to) for to in S for leg in (1, 2) for state in sources(to, leg, By.PERSON)}
    assert {to for _, to in ways} == {S.ABORTING, S.PURGING, S.REVERSING}
    assert {state for state, to in ways if to in (S.PURGING, S.REVERSING)} == {S.REVERSIBLE}


def test_the_way_back_begins_and_ends_with_a_state() -> None:
    assert leg_after(S.REVERSING, 1) == 2
    assert leg_after(S.REVERSIBLE, 2) == 1
    assert [leg_after(S.FENCED, leg) for leg in (1, 2)] == [1, 2]


def test_people_are_told_what_may_follow() -> None:
    assert onward(S.READY, 1) == "pausing_jobs, catchup, aborting"
    assert onward(S.FENCED, 2) == "drained, reversing, aborting"
    assert onward(S.DONE, 1) == "nothing: it is over"


def test_a_move_is_held_only_where_the_shop_feels_nothing() -> None:
    assert HELD_IN.isdisjoint(CUTTING | {S.SWITCHED, S.OPEN})
