"""What of two pods' ledgers a move waits for, because a plan brings it by itself; on SQLite and MariaDB."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from podwork_migrations.apart import Apart
from podwork_migrations.ledger.entry import Entry
from podwork_migrations.migration import Kind
from podwork_migrations.plan.coming import Coming
from podwork_migrations.plan.states import PlanState
from podwork_pods.directory import Directory
from podwork_pods.mover.joined.looking import Obstacle
from podwork_pods.mover.passage import Passage
from podwork_pods.pod import PodState
from tests.support.plan_stand import PlanStand, entry, migration, options, version

THERE, BACK = Passage(1, 7, 1, 2, 1, 1, 1), Passage(1, 7, 2, 1, 1, 1, 1)


class Rollout(PlanStand):
    """Pods 1 to 4 under plans, and the ledgers of pods 1 and 2."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.directory = Directory(url)
        self.ledgers: dict[int, list[Entry]] = {1: [], 2: []}
        self.coming = Coming(self.directory, self.registered)

    def apart(self, passage: Passage = THERE) -> Sequence[Obstacle]:
        def ledger(pod_id: int) -> Any:
            return SimpleNamespace(entries=lambda: self.ledgers[pod_id])

        return list(Apart(ledger, self.coming)(passage))

    def close(self) -> None:
        super().close()
        self.directory.close()


@pytest.fixture(params=["sqlite", "mariadb"])
def fleet(request: pytest.FixtureRequest) -> Iterator[Rollout]:
    made = Rollout(str(request.getfixturevalue(f"{request.param}_url")))
    yield made
    made.close()


def test_what_a_plan_rolls_out_comes_by_itself_wherever_its_wave_is(fleet: Rollout) -> None:
    fleet.begin(1, 2)
    assert [fleet.coming(version(1), pod_id) for pod_id in (1, 4)] == ["plan 1", "plan 1"]
    assert fleet.coming(version(9), 1) == "", "no plan has it"
    fleet.do(1, 1, 2)
    assert fleet.coming(version(2), 4) == "plan 1"


def test_it_does_not_come_by_itself_while_a_person_is_waited_for(fleet: Rollout) -> None:
    planned = [migration(1)]
    drafted = fleet.plans.create(planned, options=options(soak_seconds=60))
    assert fleet.coming(version(1), 2) == "", "nobody has started it"
    fleet.migrations = planned
    fleet.plans.start(drafted.number, planned)
    fleet.do(1, 1)
    assert fleet.plan().state is PlanState.SOAKING
    assert fleet.coming(version(1), 2) == "plan 1"
    fleet.plans.hold(1, "a sale is on", "anna")
    assert fleet.coming(version(1), 2) == ""
    fleet.plans.release(1)
    fleet.blocking.block(2, "its disk is full", "anna")
    assert fleet.coming(version(1), 2) == "", "the pod is left out"
    assert fleet.coming(version(1), 3) == "plan 1"
    fleet.states[3] = PodState.FROZEN
    assert fleet.coming(version(1), 3) == ""


def test_a_plan_that_halts_brings_nothing(fleet: Rollout) -> None:
    fleet.begin(1)
    fleet.fail(1)
    assert fleet.plan().state is PlanState.HALTED
    assert fleet.coming(version(1), 2) == ""


def test_pods_that_a_plan_is_not_for_get_nothing_and_late_ones_catch_up(fleet: Rollout) -> None:
    fleet.begin_with([migration(1, pods=(1, 2))])
    assert [fleet.coming(version(1), pod_id) for pod_id in (2, 3)] == ["plan 1", ""]
    fleet.do(1, 1)
    fleet.do(2, 1)
    fleet.begin_with([migration(2)])
    for pod_id in (1, 2, 3, 4):
        fleet.do(pod_id, 2)
    assert fleet.plan(2).state is PlanState.SUCCEEDED
    fleet.states[5] = PodState.ACTIVE
    assert fleet.coming(version(2), 5) == "plan 2"
    assert fleet.coming(version(2), 6) == "", "there is no such pod"


def test_a_move_waits_for_what_comes_and_for_what_is_under_way(fleet: Rollout) -> None:
    fleet.begin(1)
    first = fleet.of(1)
    fleet.ledgers[1] = [entry(first, "running")]
    [under_way] = fleet.apart()
    assert under_way == Obstacle(
        f"migration {first.id} is running on pod 1, of plan 1 - it ends by itself; "
        "see: podctl migrations status",
        passes=True,
    )
    fleet.ledgers[1] = [entry(first, "applied")]
    for passage in (THERE, BACK):
        [coming] = fleet.apart(passage)
        assert coming == Obstacle(
            f"migration {first.id} is applied on pod 1, and not yet on pod 2: plan 1 brings it there - "
            "see: podctl migrations status",
            passes=True,
        )
    fleet.ledgers[2] = [entry(first, "applied")]
    assert fleet.apart() == []


@pytest.mark.parametrize("state", ["failed", "reverted"])
def test_what_a_person_has_to_begin_again_does_not_pass(fleet: Rollout, state: str) -> None:
    fleet.begin(1)
    fleet.ledgers = {1: [entry(fleet.of(1), "applied")], 2: [entry(fleet.of(1), state)]}
    [stays] = fleet.apart()
    assert not stays.passes
    assert "is applied on pod 1, and not on pod 2 - let a plan bring it there" in stays.what


def test_a_line_that_has_stopped_brings_nothing_more(fleet: Rollout) -> None:
    fleet.begin_with([migration(1, kind=Kind.DATA), migration(2)])
    fleet.ledgers = {1: [entry(fleet.of(2), "applied")], 2: [entry(fleet.of(1), "failed")]}
    [stays] = fleet.apart()
    assert not stays.passes


def test_without_a_plan_nothing_passes(fleet: Rollout) -> None:
    fleet.ledgers[1] = [entry(migration(1), "applied")]
    [stays] = fleet.apart()
    assert not stays.passes
