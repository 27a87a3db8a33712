"""What people see of plans, on SQLite and MariaDB, and what it costs with 500 migrations on 200 pods."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence

import pytest
from sqlalchemy import event

from podwork_migrations.ledger.states import EntryState
from podwork_migrations.plan.cells import Cell
from podwork_migrations.plan.states import PlacementState, PlanState
from podwork_migrations.plan.status import MovingLine, Outcome, PlanLine
from podwork_pods.pod import PodState
from tests.support.plan_stand import NOW, PlanStand, migration, options, version


@pytest.fixture(params=["sqlite", "mariadb"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def stand(url: str) -> Iterator[PlanStand]:
    made = PlanStand(url)
    yield made
    made.close()


def only(stand: PlanStand) -> PlanLine:
    (line,) = stand.status().plans
    return line


def action(stand: PlanStand, pod_id: int) -> str:
    return next(line.next_action for line in stand.status().pods if line.pod_id == pod_id)


def test_where_there_is_no_plan_there_is_nothing_to_see(stand: PlanStand) -> None:
    found = stand.status()
    assert (found.outcome, found.plans, found.number, found.pods, found.moving) == (
        Outcome.OK,
        [],
        None,
        [],
        [],
    )


def test_a_plan_on_one_line(stand: PlanStand) -> None:
    stand.begin(1, 2, options=options(waves=("1", "100%"), soak_seconds=100), purpose="prices")
    assert (only(stand).waiting, only(stand).eta_seconds, only(stand).versions) == (4, None, 2)
    stand.tell(1, 1, "running")
    stand.clock.advance(50)
    stand.tell(1, 1, "applied")
    stand.do(1, 2)
    stand.clock.advance(40)
    line = only(stand)
    assert (line.state, line.done, line.waiting, line.soak_seconds_left) == (PlanState.SOAKING, 1, 3, 60)
    assert line.eta_seconds == 60 + 50, "the rest of the soak, and three pods at the same time, 50 s each"
    stand.clock.advance(60)
    assert stand.may(2)
    stand.tell(2, 1, "running", rows_done=0, rows_total=100)
    assert stand.may(3)
    stand.tell(3, 1, "running", rows_done=0, rows_total=100)
    stand.clock.advance(10)
    stand.tell(2, 1, "running", rows_done=50, rows_total=100)
    stand.tell(3, 1, "running", rows_done=20, rows_total=100, throttle_reason="lag 3 s")
    stand.states[4] = PodState.DOWN
    line = only(stand)
    assert (line.number, line.state, line.purpose, line.leg, line.wave) == (
        1,
        PlanState.RUNNING,
        "prices",
        0,
        1,
    )
    assert (line.pods, line.done, line.running, line.blocked, line.waiting, line.throttled) == (
        4,
        1,
        2,
        1,
        0,
        0,
    )
    assert line.next_action == ""


def test_pods_of_a_plan_that_are_slow_or_throttled_are_counted(stand: PlanStand) -> None:
    plan = stand.begin(1, options=options(waves=("100%",)))
    for pod_id, rows in ((2, 50), (3, 20)):
        stand.tell(pod_id, 1, "running", plan_id=plan.id, rows_done=0, rows_total=100)
        stand.clock.advance(10)
        stand.tell(
            pod_id,
            1,
            "running",
            plan_id=plan.id,
            rows_done=rows,
            rows_total=100,
            throttle_reason="lag" * (rows < 50),
        )
    assert (only(stand).throttled, only(stand).slowest_pod_id) == (1, 3)


def test_the_matrix_and_its_columns(stand: PlanStand) -> None:
    stand.begin_with([migration(1), migration(2, pods=(1, 2)), migration(3)], options(waves=("1", "100%")))
    stand.do(1, 1, 2, 3)
    stand.do(2, 1)
    stand.fail(2, 2)
    stand.do(3, 1)
    found = stand.status()
    assert found.number == 1
    assert [(line.pod_id, line.wave, line.cells, line.state) for line in found.pods] == [
        (1, 0, "aaa", PlacementState.DONE),
        (2, 1, "af.", PlacementState.FAILED),
        (3, 1, "a-.", PlacementState.WAITING),
        (4, 1, ".-.", PlacementState.WAITING),
    ]
    assert found.pods[1].error == "duplicate key"
    assert [(line.version, line.name, line.leg) for line in found.versions] == [
        (version(1), "m1", 0),
        (version(2), "m2", 0),
        (version(3), "m3", 0),
    ]
    assert found.versions[1].pods == {Cell.APPLIED: 1, Cell.FAILED: 1, Cell.ELSEWHERE: 2}
    assert action(stand, 2) == "podctl migrations retry --pod 2, or skip"


def test_a_pod_in_the_middle_of_a_migration(stand: PlanStand) -> None:
    plan = stand.begin(1)
    assert stand.may(1)
    told = {"plan_id": plan.id, "stage": "copying", "route": "copy", "rows_total": 1_000}
    stand.tell(1, 1, "running", **told, rows_done=0)
    stand.clock.advance(10)
    stand.tell(1, 1, "running", **told, rows_done=100, heartbeat=NOW + 9, throttle_reason="lag 3 s")
    stand.clock.advance(5)
    (line,) = stand.status().moving
    assert line == MovingLine(
        1,
        version(1),
        1,
        EntryState.RUNNING,
        "copying",
        "copy",
        100,
        1_000,
        10.0,
        90.0,
        "lag 3 s",
        6.0,
        1,
        "",
        "",
    )
    stand.clock.advance(5)
    stand.tell(1, 1, "running", **told, rows_done=400)
    (line,) = stand.status().moving
    assert line.rows_per_second == pytest.approx(0.4 * 30 + 0.6 * 10)
    stand.tell(1, 1, "running", **told, rows_done=0)
    assert stand.status().moving[0].rows_per_second is None, "begun anew"
    stand.clock.advance(301)
    assert "its heartbeat is old" in stand.status().moving[0].next_action


def test_a_pod_that_was_let_go_and_has_not_begun(stand: PlanStand) -> None:
    stand.begin(1)
    assert stand.may(1)
    stand.clock.advance(20)
    (line,) = stand.status().moving
    assert (line.pod_id, line.version, line.plan, line.state) == (1, version(1), 1, None)
    assert (line.heartbeat_seconds, line.next_action) == (20, "")
    stand.clock.advance(300)
    assert stand.status().moving[0].next_action.startswith("it was let go and has not begun")


def test_a_pod_that_is_not_heard_of_is_asked_after(stand: PlanStand) -> None:
    stand.begin(1, options=options(waves=("1", "100%")))
    stand.do(1, 1)
    assert not action(stand, 1)
    assert action(stand, 2).startswith("nothing is heard of it: does a worker of pod 2 run")
    stand.blocking.block(3, "its disk is full", "anna")
    assert stand.status().pods[2].blocked == "blocked by anna: its disk is full"
    assert action(stand, 3) == "it is taken up when it is back"
    stand.plans.hold(1, "a sale")
    assert stand.status().pods[1].heard_seconds_ago is None
    assert not stand.may(2)
    assert stand.status().pods[1].heard_seconds_ago == 0
    assert not action(stand, 2)


# What the exit code says


def outcome(stand: PlanStand) -> tuple[Outcome, str]:
    found = stand.status()
    return found.outcome, found.plans[0].next_action


def test_what_a_plan_on_its_way_comes_to(stand: PlanStand) -> None:
    stand.plans.create([migration(1)], options=options())
    assert outcome(stand) == (Outcome.OK, "start it: podctl migrations run 1")
    stand.begin(1)
    assert outcome(stand) == (Outcome.RUNNING, "")
    for pod_id in (1, 2, 3, 4):
        stand.do(pod_id, 1)
    assert outcome(stand) == (Outcome.OK, "")


def test_a_failure_is_one_until_it_is_mended(stand: PlanStand) -> None:
    stand.begin(1)
    stand.fail(1)
    assert outcome(stand) == (
        Outcome.FAILED,
        "mend the cause, retry what failed, then: podctl migrations release 1",
    )
    stand.plans.resume(1)
    assert outcome(stand) == (Outcome.FAILED, "pod 1 failed: podctl migrations retry, or skip")
    stand.tell(1, 1, "running", attempts=2)
    assert outcome(stand)[0] is Outcome.RUNNING


def test_a_plan_that_is_held_waits_for_a_person(stand: PlanStand) -> None:
    stand.begin(1)
    stand.plans.hold(1, "a sale")
    assert outcome(stand) == (Outcome.BLOCKED, "podctl migrations release 1")


def test_a_canary_that_is_blocked_waits_for_a_person(stand: PlanStand) -> None:
    stand.begin(1)
    stand.states[1] = PodState.DOWN
    assert outcome(stand)[0] is Outcome.BLOCKED
    assert "the canary, pod 1, is blocked" in outcome(stand)[1]


def test_pods_that_have_to_catch_up(stand: PlanStand) -> None:
    stand.begin(1)
    stand.states[4] = PodState.DOWN
    for pod_id in (1, 2, 3):
        stand.do(pod_id, 1)
    assert outcome(stand) == (Outcome.BLOCKED, "pod 4 will catch up when they may")
    stand.states[4] = PodState.ACTIVE
    assert outcome(stand)[0] is Outcome.RUNNING
    stand.do(4, 1)
    assert outcome(stand) == (Outcome.OK, "")
    stand.states[5] = PodState.ACTIVE
    assert outcome(stand)[0] is Outcome.RUNNING, "a pod was added"
    stand.states[5] = PodState.FROZEN
    assert outcome(stand)[0] is Outcome.BLOCKED


def test_what_waits_for_a_blocked_pod_to_be_finalized(stand: PlanStand) -> None:
    stand.begin_with([migration(1), migration(2, finalizes=[1])])
    stand.states[3] = PodState.DOWN
    for pod_id in (1, 2, 4):
        stand.do(pod_id, 1)
    assert outcome(stand) == (Outcome.BLOCKED, f"it waits for {version(1)}, which pod 3 has not applied")
    stand.states[3] = PodState.ACTIVE
    assert outcome(stand)[0] is Outcome.RUNNING


def test_the_plan_under_way_is_shown_first_however_old_it_is(stand: PlanStand) -> None:
    stand.begin(1)
    for number in range(2, 15):
        stand.plans.create([migration(number)], versions=[version(number)])
    found = stand.status()
    assert found.number == 1
    assert [line.number for line in found.plans] == [*range(14, 4, -1), 1]
    assert (stand.status(3).number, stand.status(3).plans[-2].number) == (3, 3)


# What it costs


def count_queries(stand: PlanStand, act: Callable[[], object]) -> int:
    statements: list[str] = []

    def note(*said: object) -> None:
        statements.append(str(said[2]))

    event.listen(stand.store.engine, "before_cursor_execute", note)
    act()
    event.remove(stand.store.engine, "before_cursor_execute", note)
    return len(statements)


def costs(stand: PlanStand, files: Sequence[int]) -> dict[str, int]:
    """Plan, start, ask and report; return the queries of each."""
    migrations = [migration(number, finalizes=[1] if number == files[-1] else []) for number in files]
    stand.migrations = migrations
    return {
        "create": count_queries(stand, lambda: stand.plans.create(migrations, options=options())),
        "start": count_queries(stand, lambda: stand.plans.start(1, migrations)),
        "ask": count_queries(stand, lambda: stand.ask(1)),
        "wait": count_queries(stand, lambda: stand.ask(2)),
        "tell": count_queries(stand, lambda: stand.tell(1, 1, "running")),
        "status": count_queries(stand, stand.status),
    }


def test_queries_are_as_many_for_500_migrations_on_200_pods(url: str, sqlite_url: str) -> None:
    few = PlanStand(sqlite_url + "-few", pods=2)
    many = PlanStand(url, pods=200)
    expected = costs(few, [1, 2])
    began = time.perf_counter()
    assert costs(many, range(1, 501)) == expected
    planned = time.perf_counter()
    found = many.status()
    seen = time.perf_counter()
    assert (len(found.pods), {len(line.cells) for line in found.pods}, len(found.versions)) == (
        200,
        {500},
        500,
    )
    assert expected["status"] <= 9
    assert max(expected.values()) <= 16
    # Measured, not judged: it should be well under a second where nothing else runs.
    sys.stdout.write(f"plan, start, ask, tell: {planned - began:.2f} s; status: {seen - planned:.2f} s\n")
    few.close()
    many.close()
