"""Waves, legs, cells and signatures of plans: what follows without a database."""

from __future__ import annotations

import pytest

from podwork_migrations.ledger.states import EntryState
from podwork_migrations.plan import cells, signing, states
from podwork_migrations.plan.errors import InvalidPlan, PlanConflict
from podwork_migrations.plan.legs import legs_of
from podwork_migrations.plan.outlook import rows_seconds
from podwork_migrations.plan.plan import Planned, PlanOptions
from podwork_migrations.plan.states import PlacementState, PlanState
from podwork_migrations.plan.waves import split
from tests.support.plan_stand import migration

DEFAULT = PlanOptions().waves


def sizes(waves: dict[int, int]) -> list[int]:
    return [list(waves.values()).count(wave) for wave in range(1 + max(waves.values()))]


@pytest.mark.parametrize(
    ("pods", "asked", "got"),
    [
        (200, DEFAULT, [1, 19, 80, 100]),
        (8, DEFAULT, [1, 3, 4]),
        (1, DEFAULT, [1]),
        (2, DEFAULT, [1, 1]),
        (10, ("2", "30%"), [2, 1, 7]),
        (7, ("100%",), [7]),
        (3, ("50",), [3]),
        (1000, ("0.1%", "7%", "100%"), [1, 69, 930]),
    ],
)
def test_a_wave_counts_the_pods_before_it_too(pods: int, asked: tuple[str, ...], got: list[int]) -> None:
    assert sizes(split(range(1, pods + 1), 1, asked)) == got


def test_the_canary_goes_first_whatever_its_number() -> None:
    assert split([3, 1, 2, 9], 9, ("1", "50%", "100%")) == {9: 0, 1: 1, 2: 2, 3: 2}


@pytest.mark.parametrize("asked", [("0",), ("0%",), ("x",), ("101%",), ("-1",), ("50%", "10%"), ("",)])
def test_waves_that_nobody_could_go_in_are_refused(asked: tuple[str, ...]) -> None:
    with pytest.raises(InvalidPlan):
        split(range(1, 41), 1, asked)


def test_a_canary_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidPlan, match="pod 7 cannot be the canary"):
        split([1, 2], 7, DEFAULT)


def test_what_finalizes_another_one_of_the_plan_begins_a_leg() -> None:
    planned = [
        migration(1),
        migration(2),
        migration(3, finalizes=[2]),
        migration(4),
        migration(5, finalizes=[2]),
    ]
    assert legs_of(planned) == [0, 0, 1, 1, 1]
    assert legs_of([migration(3, finalizes=[2]), migration(4)]) == [0, 0]
    assert legs_of([migration(1), migration(2, finalizes=[1]), migration(3, finalizes=[2])]) == [0, 1, 2]


def test_legs_are_done_from_the_first_on() -> None:
    legs = [0, 0, 1, 1, 2]
    assert cells.legs_done("as-e.", legs) == 2
    assert cells.legs_done("a.aaa", legs) == 0
    assert cells.legs_done("aarae", legs) == 1
    assert cells.legs_done("aaaaa", legs) == 3
    assert cells.legs_done("aauaa", legs) == 1


@pytest.mark.parametrize(
    ("row", "state"),
    [
        ("ase-", PlacementState.DONE),
        ("a..", PlacementState.WAITING),
        ("au", PlacementState.WAITING),
        ("ar.", PlacementState.RUNNING),
        ("av", PlacementState.RUNNING),
        ("af.", PlacementState.FAILED),
        ("rf", PlacementState.FAILED),
    ],
)
def test_how_far_a_pod_is_follows_from_its_cells(row: str, state: PlacementState) -> None:
    assert cells.state_of(row) is state


def test_what_was_applied_from_another_file_is_seen() -> None:
    assert cells.cell_of(EntryState.APPLIED, "c1", "c2") is cells.Cell.EDITED
    assert cells.cell_of(EntryState.APPLIED, "c1", "c1") is cells.Cell.APPLIED
    assert cells.cell_of(EntryState.FAILED, "c1", "c2") is cells.Cell.FAILED


def test_a_signature_covers_files_their_order_and_the_evidence() -> None:
    one, two = (Planned.of(n, migration(n + 1), 0) for n in range(2))
    signed = signing.digest([one, two], {"lint": "clean"})
    assert signed == signing.digest([one, two], {"lint": "clean"})
    others = [
        signing.digest([one, two._replace(checksum="x")], {"lint": "clean"}),
        signing.digest([two, one], {"lint": "clean"}),
        signing.digest([one], {"lint": "clean"}),
        signing.digest([one, two], {"lint": "one finding"}),
        signing.digest([one, two], {}),
    ]
    assert len({signed, *others}) == 6


def test_every_way_of_a_plan_leads_somewhere_and_has_a_reason() -> None:
    for state, reasons in states.REASONS.items():
        assert state not in reasons
        assert all(reasons.values())
        assert state.is_over is (state in (PlanState.SUCCEEDED, PlanState.CANCELLED))
    with pytest.raises(PlanConflict, match=r"it is halted and cannot become soaking - .*running"):
        states.check(1, PlanState.HALTED, PlanState.SOAKING)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_migrating_pods": 0},
        {"soak_seconds": -1},
        {"rest_seconds": float("nan")},
        {"failures": -1},
        {"failures_share": 1.5},
    ],
)
def test_options_that_nobody_could_go_by_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidPlan):
        PlanOptions(**wrong).check()  # type: ignore[arg-type]


def test_rows_take_as_long_as_they_did_of_late() -> None:
    assert rows_seconds(40, 100, 10.0) == 6
    assert rows_seconds(100, 90, 10.0) == 0
    assert (
        rows_seconds(None, 100, 10.0) is rows_seconds(40, None, 10.0) is rows_seconds(40, 100, None) is None
    )
