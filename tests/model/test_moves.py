"""Moves of shops, checked before they are built: S1 to S7 in every order of every step, within bounds.

One shop, two pods; movers that crash, sleep, wake up late and take over from one another; writers, a job, its
pushers and workers. Every guard of ops/docs/moves.md is taken out in turn and has to be missed: the test
prints the shortest way to what breaks then (`pytest -s`, or `python -m tests.model.show GUARD`).
"""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from typing import Any

import pytest

from tests.architecture.sources import ROOT
from tests.model.checker import Model, Step, TooManyStates, Verdict, check
from tests.model.debts import DEBT_GUARDS, debts
from tests.model.guards import ALL, GUARDS, SECOND_LINES
from tests.model.moves import LARGER, SCOPES, model, unstamped
from tests.model.program import AFTER_TAKING_OVER, STEPS
from tests.model.world import ABORTING, BEFORE_COMMIT, PURGE, REVERSIBLE, SWITCHED, Scope

LONGEST_TRACE = 45
BREAKS_DEBTS = {
    "debts.lock": "twice",
    "debts.first": "S3",
    "debts.source": "twice",
    "debts.own": "missed",
    "debts.fence": "S3",
    "debts.group": "twice",
    "debts.last": "missed",
}


def tell(verdict: Verdict[Any]) -> None:
    sys.stdout.write(f"\n{verdict}\n")


@pytest.mark.parametrize("scope", SCOPES.values(), ids=list(SCOPES))
def test_every_promise_is_kept_and_every_move_can_end(scope: Scope) -> None:
    verdict = check(model(scope))
    tell(verdict)
    assert not verdict.broken, str(verdict)
    assert verdict.ends >= 3


@pytest.mark.parametrize("guard", GUARDS)
def test_a_guard_that_is_taken_out_is_missed(guard: str) -> None:
    _, promise, scope = GUARDS[guard]
    verdict = check(model(SCOPES[scope], without=frozenset({guard})))
    tell(verdict)
    assert verdict.promise == promise, str(verdict)
    assert len(verdict.trace) <= LONGEST_TRACE


@pytest.mark.parametrize("guard", SECOND_LINES)
def test_a_second_line_stands_behind_a_first(guard: str) -> None:
    """Nothing falls without it alone; when the first is gone too, something else falls than before."""
    _, first, promise, scope = SECOND_LINES[guard]
    alone = check(model(SCOPES[scope], without=frozenset({guard})))
    assert not alone.broken, str(alone)
    without_first = check(model(SCOPES[scope], without=frozenset({first})))
    without_both = check(model(SCOPES[scope], without=frozenset({guard, first})))
    tell(without_both)
    assert without_both.promise == promise
    assert without_both.broken != without_first.broken


@pytest.mark.parametrize("scope", ["writes", "jobs", "back", "again", "forgets"])
def test_nothing_is_on_its_way_to_a_move_that_has_come_to_rest(scope: str) -> None:
    verdict = check(replace(model(SCOPES[scope]), broken=unstamped))
    tell(verdict)
    assert not verdict.broken, str(verdict)


def test_something_is_where_the_four_places_are_not_stamped() -> None:
    verdict = check(replace(model(SCOPES["writes"], without=frozenset({"moves.stamp"})), broken=unstamped))
    tell(verdict)
    assert verdict.promise == "S6", str(verdict)


def test_every_row_is_done_once_whichever_run_passes_it() -> None:
    verdict = check(debts())
    tell(verdict)
    assert not verdict.broken, str(verdict)
    assert verdict.ends >= 2


@pytest.mark.parametrize("guard", DEBT_GUARDS)
def test_a_guard_of_debts_that_is_taken_out_is_missed(guard: str) -> None:
    verdict = check(debts(without=frozenset({guard})))
    tell(verdict)
    assert verdict.promise == BREAKS_DEBTS[guard], str(verdict)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("scope", LARGER.values(), ids=list(LARGER))
def test_every_promise_is_kept_within_larger_bounds(scope: Scope) -> None:
    verdict = check(model(scope), most_states=4_000_000)
    tell(verdict)
    assert not verdict.broken, str(verdict)


def test_the_document_names_every_guard_and_no_other() -> None:
    text = (ROOT / "ops" / "docs" / "moves.md").read_text()
    kinds = sorted({guard.partition(".")[0] for guard in (*ALL, *DEBT_GUARDS)})
    rows = re.findall(rf"^\| `((?:{'|'.join(kinds)})\.[a-z-]+)` \|", text, re.MULTILINE)
    assert sorted(rows) == sorted({*ALL, *DEBT_GUARDS})


def test_a_successor_knows_what_to_do_in_every_state_that_is_not_the_end() -> None:
    states = {*BEFORE_COMMIT, SWITCHED, REVERSIBLE, PURGE, ABORTING}
    assert {*AFTER_TAKING_OVER} == states
    assert {*AFTER_TAKING_OVER.values()} <= {*STEPS}


# The checker itself


def counting(most: int, *, to: int = 3, relied_on: bool = True) -> Model[tuple[int]]:
    def steps(state: tuple[int]) -> list[Step[tuple[int]]]:
        (number,) = state
        return [Step("one more", (number + 1,), relied_on)] if number < most else []

    return Model([(0,)], steps, lambda _, after: "S1: four" if after == (4,) else "", lambda s: s == (to,))


def test_the_checker_finds_the_shortest_way_to_what_breaks() -> None:
    verdict = check(counting(5))
    assert (verdict.promise, [state for _, state in verdict.trace]) == ("S1", [(n,) for n in range(5)])


def test_the_checker_finds_from_where_no_end_can_be_reached() -> None:
    assert check(counting(3)).broken == ""
    stuck = check(counting(3, to=2))
    assert (stuck.promise, stuck.trace[-1][1]) == ("S6", (3,))
    assert check(counting(3, relied_on=False)).trace[-1][1] == (0,)  # only by a step that may never come


def test_the_checker_says_when_there_is_more_than_was_thought() -> None:
    with pytest.raises(TooManyStates):
        check(counting(3), most_states=2)
