"""Which pods a plan lets go, and what it hears of them, on SQLite and MariaDB."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from functools import partial

import pytest
from sqlalchemy import event, text

from podwork_migrations.gate import Go, Wait
from podwork_migrations.plan import schema
from podwork_migrations.plan.gate import PlanGate
from podwork_migrations.plan.restoring import Remembered, Restoring
from podwork_migrations.plan.states import PlanState
from podwork_pods.errors import RegistryUnavailable
from podwork_pods.pod import Pod, PodState
from tests.support.iteration_stand import at_once, together
from tests.support.pause import hold
from tests.support.plan_stand import PlanStand, entry, migration, options, version


@pytest.fixture(params=["sqlite", "mariadb"])
def stand(request: pytest.FixtureRequest) -> Iterator[PlanStand]:
    made = PlanStand(str(request.getfixturevalue(f"{request.param}_url")))
    yield made
    made.close()


def going(stand: PlanStand, number: int = 1, pods: Sequence[int] = (1, 2, 3, 4)) -> list[int]:
    """Ask for those of the pods that have not applied the version; return those that may go."""
    found = stand.status()
    column = [line.version for line in found.versions].index(version(number))
    applied = [line.pod_id for line in found.pods if line.cells[column] == "a"]
    return [pod_id for pod_id in pods if pod_id not in applied and stand.may(pod_id, number)]


# Waves


def test_the_canary_goes_alone_then_wave_by_wave(stand: PlanStand) -> None:
    stand.begin(1, 2)
    assert going(stand) == [1]
    assert stand.why(2) == "plan 1: wave 1 is not open: pod 1 of the open waves not done"
    stand.do(1, 1)
    assert going(stand) == []
    stand.do(1, 2)
    assert going(stand) == [2]
    assert stand.why(3) == "plan 1: wave 2 is not open: pod 2 of the open waves not done"
    stand.do(2, 1, 2)
    assert going(stand) == [3, 4]
    assert stand.plan().state is PlanState.RUNNING
    stand.do(3, 1, 2)
    stand.do(4, 1, 2)
    assert (stand.plan().state, stand.plan().ended) == (PlanState.SUCCEEDED, stand.clock.now())
    assert stand.cells() == dict.fromkeys((1, 2, 3, 4), "aa")


def test_the_pod_hears_under_which_plan_and_wave_it_goes(stand: PlanStand) -> None:
    plan = stand.begin(1)
    assert stand.ask(1) == Go(plan.id, 0)
    stand.do(1, 1)
    assert stand.ask(2) == Go(plan.id, 1)


def test_after_the_canary_the_plan_soaks(stand: PlanStand) -> None:
    stand.begin(1, options=options(soak_seconds=600, rest_seconds=60))
    stand.do(1, 1)
    assert stand.plan().state is PlanState.SOAKING
    stand.clock.advance(599)
    assert stand.why(2) == "plan 1 is soaking"
    stand.clock.advance(1)
    assert going(stand) == [2]
    stand.do(2, 1)
    stand.clock.advance(59)
    assert going(stand) == []
    stand.clock.advance(1)
    assert going(stand) == [3, 4]
    stand.do(3, 1)
    stand.do(4, 1)
    assert stand.plan().state is PlanState.SUCCEEDED


def test_whoever_asks_after_the_soak_opens_the_wave_though_it_is_not_his(stand: PlanStand) -> None:
    """Its own pods may ask late, and people read which wave is open."""
    stand.begin(1, options=options(soak_seconds=20, rest_seconds=20))
    stand.do(1, 1)
    assert stand.why(4) == "plan 1 is soaking"
    stand.clock.advance(20)
    assert "wave 2 is not open" in stand.why(4)
    assert (stand.plan().state, stand.plan().wave) == (PlanState.RUNNING, 1)


def test_what_is_taken_back_while_it_soaks_opens_nothing(stand: PlanStand) -> None:
    stand.begin(1, options=options(soak_seconds=600))
    stand.do(1, 1)
    stand.clock.advance(300)
    stand.tell(1, 1, "reverting", attempts=2)
    assert stand.plan().state is PlanState.RUNNING
    stand.tell(1, 1, "reverted", attempts=2)
    stand.clock.advance(600)
    assert going(stand, pods=(2, 3, 4)) == []
    assert "it was reverted: podctl migrations retry --pod 1" in stand.status().pods[0].next_action
    stand.tell(1, 1, "running", attempts=3)
    stand.tell(1, 1, "applied", attempts=3)
    assert "plan 1 is soaking" in stand.why(2)
    stand.clock.advance(600)
    assert going(stand, pods=(2, 3, 4)) == [2]


def test_a_version_for_some_pods_is_none_of_the_others_business(stand: PlanStand) -> None:
    stand.begin_with([migration(1, pods=(3,)), migration(2)], options(canary=1))
    answer = stand.ask(1, 1)
    assert answer == Wait("20260101000001_m1 is not for pod 1", others_may=True)
    stand.do(1, 2)
    stand.do(2, 2)
    assert not stand.may(4, 1)
    stand.do(3, 1, 2)
    stand.do(4, 2)
    assert stand.cells() == {1: "-a", 2: "-a", 3: "aa", 4: "-a"}
    assert stand.plan().state is PlanState.SUCCEEDED


def test_a_version_that_no_plan_has_lets_later_ones_be_asked_for(stand: PlanStand) -> None:
    stand.begin(2)
    stand.migrations.append(migration(1))
    assert stand.ask(1, 1) == Wait("no plan has 20260101000001_m1", others_may=True)
    answer = stand.ask(2, 2)
    assert isinstance(answer, Wait)
    assert not answer.others_may


def test_a_file_that_is_not_the_signed_one_does_not_run(stand: PlanStand) -> None:
    stand.begin(1)
    stand.migrations = [migration(1, checksum="edited")]
    assert "is not the one that plan 1 was signed over" in stand.why(1)
    assert stand.places() == {}
    stand.migrations = [migration(1)]
    assert stand.may(1)


def test_what_was_applied_from_another_file_is_shown(stand: PlanStand) -> None:
    stand.begin(1)
    stand.tell(1, 1, "applied", checksum="edited")
    line = stand.status().pods[0]
    assert (line.cells, "edited after it ran" in line.next_action) == ("e", True)
    assert stand.may(2)


# Places


def test_no_more_pods_migrate_than_may(stand: PlanStand) -> None:
    stand.begin(1, options=options(waves=("100%",), max_migrating_pods=2))
    assert going(stand) == [1, 2]
    assert stand.why(3) == "2 pods migrate already, as many as may"
    stand.tell(1, 1, "running")
    assert not stand.may(3)
    stand.tell(1, 1, "applied")
    assert going(stand, pods=(3, 4)) == [3]


def test_of_those_who_ask_at_the_same_time_no_more_go_than_may(stand: PlanStand) -> None:
    stand.begin(1, options=options(waves=("100%",), max_migrating_pods=2))
    with together("gate.deciding", 4):
        answers = at_once(*(partial(stand.ask, pod_id) for pod_id in (1, 2, 3, 4)))
    assert sorted(isinstance(answer, Go) for answer in answers) == [False, False, True, True]
    assert len(stand.places()) == 2


def test_who_decides_is_waited_for(stand: PlanStand) -> None:
    stand.begin(1, options=options(waves=("100%",), max_migrating_pods=1))
    answers: list[Go | Wait] = []
    with hold("plans.decided") as held:
        askers = [
            threading.Thread(target=lambda pod_id=pod_id: answers.append(stand.ask(pod_id)))
            for pod_id in (1, 2)
        ]
        askers[0].start()
        held.wait_reached()
        askers[1].start()
        # Long enough for one who does not wait to be let go as well.
        askers[1].join(timeout=0.5)
        assert askers[1].is_alive()
        held.go_on()
        for asker in askers:
            asker.join()
    assert [type(answer) for answer in answers] == [Go, Wait]


def test_a_pod_that_died_before_its_ledger_knew_finds_its_place_again(stand: PlanStand) -> None:
    stand.begin(1, 2, options=options(waves=("100%",), max_migrating_pods=1))
    first = stand.ask(1, 1)
    stand.clock.advance(3600)
    stand.epochs[1] = 2
    assert stand.ask(1, 1) == first
    assert stand.places() == {1: version(1)}
    assert not stand.may(2)


def test_a_pod_that_asks_for_another_one_moves_its_place(stand: PlanStand) -> None:
    stand.begin(1, 2, options=options(waves=("100%",), max_migrating_pods=1))
    assert stand.may(1, 1)
    stand.epochs[1] = 2
    assert stand.may(1, 2)
    assert stand.places() == {1: version(2)}


def test_a_place_that_was_not_used_is_free_when_its_pod_has_to_wait(stand: PlanStand) -> None:
    """It asks, so nothing is open there: the place it has is not in use."""
    stand.begin(1, options=options(waves=("100%",)))
    assert stand.may(1)
    stand.plans.hold(1, "a sale")
    assert stand.places() == {1: version(1)}
    stand.epochs[1] = 2
    assert "held" in stand.why(1)
    assert stand.places() == {}


def test_a_turn_that_was_overtaken_gets_nothing_and_moves_nothing(stand: PlanStand) -> None:
    stand.begin(1, 2, options=options(waves=("100%",)))
    stand.epochs[1] = 5
    assert stand.may(1, 2)
    late = stand.ask(1, 1, epoch=4)
    assert isinstance(late, Wait)
    assert "this turn of 4 is over" in late.reason
    assert stand.places() == {1: version(2)}
    stand.tell(1, 2, "running", lease_epoch=6)
    assert isinstance(stand.ask(1, 2, epoch=5), Wait)
    stand.plans.hold(1, "a sale")
    assert isinstance(stand.ask(1, 2, epoch=5), Wait)
    assert stand.places() == {1: version(2)}


def test_two_turns_of_a_pod_that_ask_at_the_same_time_have_one_place(stand: PlanStand) -> None:
    stand.begin(1, options=options(waves=("100%",), max_migrating_pods=2))
    with together("gate.deciding", 2):
        answers = at_once(*(partial(stand.ask, 1, 1, epoch) for epoch in (7, 8)))
    assert isinstance(answers[1], Go)
    assert stand.places() == {1: version(1)}
    assert stand.may(2)
    assert not stand.may(3)


def test_what_is_open_has_a_place_even_above_the_limit(stand: PlanStand) -> None:
    stand.begin(1, options=options(waves=("100%",), max_migrating_pods=1))
    assert stand.may(1)
    stand.tell(2, 1, "running")
    assert stand.places() == {1: version(1), 2: version(1)}
    stand.tell(1, 1, "running")
    stand.tell(1, 1, "applied")
    assert not stand.may(3)
    stand.tell(2, 1, "applied")
    assert stand.may(3)


def test_a_late_report_of_another_version_frees_no_place(stand: PlanStand) -> None:
    stand.begin(1, 2, options=options(waves=("100%",)))
    stand.do(1, 1)
    assert stand.may(1, 2)
    stand.tell(1, 1, "applied")
    stand.tell(1, 1, "applied", lease_epoch=9)
    assert stand.places() == {1: version(2)}


def test_a_place_is_freed_by_hand_only_where_nothing_is_open(stand: PlanStand) -> None:
    stand.begin(1, options=options(waves=("100%",)))
    assert going(stand, pods=(1, 2)) == [1, 2]
    stand.tell(1, 1, "running")
    stand.blocking.free(2)
    assert stand.places() == {1: version(1)}
    with pytest.raises(Exception, match="pod 1 is in the middle of a migration"):
        stand.blocking.free(1)
    assert stand.places() == {1: version(1)}


# Reports


def test_a_report_that_is_told_again_changes_nothing(stand: PlanStand) -> None:
    stand.begin(1)
    stand.do(1, 1)
    before = stand.status()
    for _ in range(3):
        stand.tell(1, 1, "applied")
    stand.tell(1, 1, "running")
    stand.tell(1, 1, "failed", error="late")
    assert stand.status() == before
    assert stand.places() == {}


@pytest.mark.parametrize(
    "late",
    [
        {"state": "running", "lease_epoch": 4, "attempts": 9},
        {"state": "failed", "lease_epoch": 5, "attempts": 1},
        {"state": "running", "lease_epoch": 5, "attempts": 2},
    ],
)
def test_a_report_that_comes_too_late_is_dropped(stand: PlanStand, late: dict[str, object]) -> None:
    stand.begin(1)
    stand.tell(1, 1, "applied", lease_epoch=5, attempts=2)
    stand.tell(1, 1, **late)  # type: ignore[arg-type]
    assert stand.cells()[1] == "a"
    assert stand.places() == {}


def test_a_later_attempt_or_a_later_turn_counts(stand: PlanStand) -> None:
    stand.begin(1)
    stand.fail(1)
    stand.tell(1, 1, "running", attempts=2)
    assert stand.cells()[1] == "r"
    stand.tell(1, 1, "failed", attempts=2)
    stand.tell(1, 1, "running", attempts=1, lease_epoch=2)
    assert stand.cells()[1] == "r"


@pytest.mark.parametrize(
    ("told", "cell"),
    [
        (["running", "applied", "reverting", "reverted"], "u"),
        (["failed", "skipped"], "s"),
        (["running", "reverting", "reverted"], "u"),
        (["skipped"], "s"),
    ],
)
def test_an_entry_goes_its_way_within_one_attempt(stand: PlanStand, told: list[str], cell: str) -> None:
    stand.begin(1)
    for state in told:
        stand.tell(1, 1, state)
    assert stand.cells()[1] == cell


def test_a_way_back_that_fails_counts_after_the_way_back(stand: PlanStand) -> None:
    from podwork_migrations.ledger.entry import Direction

    stand.begin(1)
    stand.do(1, 1)
    stand.tell(1, 1, "reverting")
    stand.tell(1, 1, "failed", direction=Direction.DOWN, error="no way back")
    assert stand.plan().reason == "canary pod 1 failed: no way back"


def test_progress_takes_no_lock_of_others(stand: PlanStand) -> None:
    stand.begin(1)
    assert stand.may(1)
    stand.tell(1, 1, "running", stage="copying", rows_done=0, rows_total=1000)
    statements: list[str] = []
    event.listen(stand.store.engine, "before_cursor_execute", lambda *said: statements.append(said[2]))
    stand.clock.advance(10)
    stand.tell(1, 1, "running", stage="copying", rows_done=200, rows_total=1000, throttle_reason="lag 3 s")
    assert not any(schema.counters.name in statement for statement in statements)
    assert len(statements) == 2
    line = stand.status().moving[0]
    assert (line.stage, line.rows_done, line.rows_per_second, line.eta_seconds) == (
        "copying",
        200,
        20.0,
        40.0,
    )
    assert line.throttle_reason == "lag 3 s"


def test_progress_of_a_turn_that_was_overtaken_is_dropped(stand: PlanStand) -> None:
    stand.begin(1)
    stand.tell(1, 1, "running", lease_epoch=2, stage="new")
    stand.tell(1, 1, "running", lease_epoch=1, stage="old")
    assert stand.status().moving[0].stage == "new"


def test_progress_that_was_overtaken_between_look_and_write_is_dropped(stand: PlanStand) -> None:
    """Between the look at the last report and the write, a later turn reports the end."""
    stand.begin(1)
    stand.tell(1, 1, "running", lease_epoch=1)
    is_locked = stand.store.engine.dialect.name == "sqlite"  # there the look has the file's write lock
    with hold("reports.renewing") as held:
        late = threading.Thread(target=lambda: stand.tell(1, 1, "running", lease_epoch=1, stage="old"))
        late.start()
        held.wait_reached()
        if not is_locked:
            stand.tell(1, 1, "applied", lease_epoch=2)
        held.go_on()
        late.join()
    if is_locked:
        stand.tell(1, 1, "applied", lease_epoch=2)
    assert (stand.cells()[1], stand.status().moving) == ("a", [])


def test_a_report_goes_into_every_plan_that_has_the_version(stand: PlanStand) -> None:
    stand.begin(1, pods=[1])
    stand.do(1, 1)
    stand.begin(1)
    stand.tell(1, 1, "reverting")
    assert [stand.status(number).pods[0].cells for number in (1, 2)] == ["v", "v"]


# Halting


def test_a_canary_that_fails_halts_the_plan(stand: PlanStand) -> None:
    stand.begin(1, 2)
    stand.fail(1)
    assert (stand.plan().state, stand.plan().reason) == (
        PlanState.HALTED,
        "canary pod 1 failed: duplicate key",
    )
    assert "plan 1 is halted: canary pod 1 failed" in stand.why(2)
    assert stand.places() == {}


def test_after_the_fix_the_plan_goes_on(stand: PlanStand) -> None:
    stand.begin(1, 2)
    stand.fail(1)
    stand.plans.resume(1)
    assert going(stand, pods=(2, 3)) == []
    assert stand.may(1)
    stand.tell(1, 1, "running", attempts=2)
    stand.tell(1, 1, "applied", attempts=2)
    stand.do(1, 2)
    assert going(stand) == [2]


def test_a_failure_that_is_told_again_does_not_halt_again(stand: PlanStand) -> None:
    stand.begin(1)
    stand.fail(1)
    stand.plans.resume(1)
    stand.tell(1, 1, "failed", error="duplicate key")
    assert stand.plan().state is PlanState.RUNNING
    stand.tell(1, 1, "running", attempts=2)
    stand.tell(1, 1, "failed", attempts=2, error="again")
    assert (stand.plan().state, stand.plan().reason) == (PlanState.HALTED, "canary pod 1 failed: again")


def test_of_a_later_wave_some_may_fail_and_the_others_end(stand: PlanStand) -> None:
    stand.begin(1, options=options(waves=("1", "100%")))
    stand.do(1, 1)
    stand.fail(2)
    assert stand.plan().state is PlanState.RUNNING
    stand.do(3, 1)
    assert stand.plan().state is PlanState.RUNNING
    stand.do(4, 1)
    assert stand.plan().state is PlanState.HALTED
    assert "pod 2 failed, and nothing else is left to do in wave 1" in stand.plan().reason
    stand.plans.resume(1)
    stand.tell(2, 1, "skipped")
    assert stand.plan().state is PlanState.SUCCEEDED


def test_pods_that_are_tried_again_are_no_dead_end_before_they_say_so(stand: PlanStand) -> None:
    """A person has said retry and resume; another pod reports before those have taken their next turns."""
    stand.begin(1, options=options(waves=("1", "100%")))
    stand.do(1, 1)
    stand.fail(2)
    stand.fail(3)
    assert stand.plan().state is PlanState.HALTED
    stand.plans.resume(1)
    stand.do(4, 1)
    assert stand.plan().state is PlanState.RUNNING
    for pod_id in (2, 3):
        stand.tell(pod_id, 1, "running", attempts=2)
    stand.tell(2, 1, "applied", attempts=2)
    stand.tell(3, 1, "failed", attempts=2, error="again")
    assert (stand.plan().state, stand.plan().reason) == (
        PlanState.HALTED,
        "pod 3 failed, and nothing else is left to do in wave 1: again",
    )
    stand.plans.resume(1)
    stand.tell(3, 1, "running", attempts=3)
    stand.tell(3, 1, "applied", attempts=3)
    assert stand.plan().state is PlanState.SUCCEEDED


def test_more_failures_than_may_be_halt_the_plan(stand: PlanStand) -> None:
    stand.begin(1, options=options(waves=("1", "100%")))
    stand.do(1, 1)
    stand.fail(2)
    assert stand.may(4)
    stand.fail(3)
    assert stand.plan().state is PlanState.HALTED
    assert "2 of 3 pods of wave 1 failed (pods 2, 3): duplicate key" in stand.plan().reason
    stand.tell(4, 1, "running")
    stand.tell(4, 1, "applied")
    assert stand.cells() == {1: "a", 2: "f", 3: "f", 4: "a"}


def test_the_share_of_a_large_wave_that_may_fail(sqlite_url: str) -> None:
    stand = PlanStand(sqlite_url, pods=61)
    stand.begin(1, options=options(waves=("1", "100%")))
    stand.do(1, 1)
    for pod_id in (2, 3, 4):
        stand.fail(pod_id)
    assert stand.plan().state is PlanState.RUNNING
    stand.fail(5)
    assert stand.plan().state is PlanState.HALTED
    stand.close()


def test_an_alarm_halts_the_plan_before_the_next_pod_goes(stand: PlanStand) -> None:
    asked: list[list[int]] = []
    said: list[str | None] = [None]

    def alarm(pod_ids: Sequence[int]) -> str | None:
        asked.append(list(pod_ids))
        return said[0]

    stand.alarms.append(alarm)
    stand.begin(1, options=options(soak_seconds=20))
    stand.do(1, 1)
    assert asked == [[1]], "the pod that is about to go"
    stand.clock.advance(20)
    said[0] = "jobs of pod 1 fail"
    assert stand.why(2) == "jobs of pod 1 fail"
    assert (stand.plan().state, stand.plan().wave, stand.plan().reason) == (
        PlanState.HALTED,
        0,
        "jobs of pod 1 fail",
    )
    said[0] = None
    stand.plans.resume(1)
    assert "soaking" in stand.why(2)
    stand.clock.advance(20)
    assert stand.may(2)
    assert asked[-1] == [1, 2]


def test_an_alarm_that_cannot_be_measured_lets_nobody_go_and_halts_nothing(stand: PlanStand) -> None:
    def broken(_: Sequence[int]) -> str | None:
        raise RuntimeError("Redis is down")

    stand.begin(1)
    stand.alarms.append(broken)
    assert stand.why(1) == "an alarm cannot be measured: Redis is down"
    assert stand.plan().state is PlanState.RUNNING
    assert stand.places() == {}
    stand.alarms.clear()
    assert stand.may(1)


def test_a_plan_is_watched_while_it_soaks(stand: PlanStand) -> None:
    asked: list[list[int]] = []
    said: list[str | None] = [None]

    def alarm(pod_ids: Sequence[int]) -> str | None:
        asked.append(list(pod_ids))
        return said[0]

    stand.alarms.append(alarm)
    stand.begin(1, options=options(soak_seconds=600))
    stand.do(1, 1)
    asked.clear()
    stand.clock.advance(29)
    assert not stand.may(2)
    assert asked == [], "not all the time"
    stand.clock.advance(1)
    assert not stand.may(2)
    assert asked == [[1]], "not the pod that waits"
    said[0] = "jobs of pod 1 fail"
    stand.clock.advance(30)
    assert stand.why(2) == "jobs of pod 1 fail"
    assert stand.plan().state is PlanState.HALTED
    stand.clock.advance(30)
    assert "plan 1 is halted" in stand.why(2)
    assert len(asked) == 2, "a plan that nothing can halt is not watched"


def test_an_alarm_that_cannot_be_measured_is_no_news_to_who_waits(stand: PlanStand) -> None:
    def broken(_: Sequence[int]) -> str | None:
        raise RuntimeError("Redis is down")

    stand.begin(1)
    stand.alarms.append(broken)
    assert "wave 1 is not open" in stand.why(2)
    assert stand.plan().state is PlanState.RUNNING


def test_alarms_look_at_the_canary_and_at_who_began_last(sqlite_url: str) -> None:
    asked: list[list[int]] = []

    def alarm(pod_ids: Sequence[int]) -> str | None:
        asked.append(list(pod_ids))
        return None

    stand = PlanStand(sqlite_url, pods=40)
    stand.alarms.append(alarm)
    stand.begin(1, options=options(waves=("1", "100%")))
    for pod_id in range(1, 31):
        stand.clock.advance(1)
        stand.do(pod_id, 1)
    assert stand.may(40)
    assert asked[-1] == [1, *range(12, 31), 40]
    stand.states[1] = PodState.DOWN
    del stand.states[30]
    assert stand.may(39)
    assert asked[-1] == [*range(10, 30), 39], "a pod that is down or gone cannot be measured"
    stand.close()


# Pods that are blocked, late or gone


@pytest.mark.parametrize("state", [PodState.FROZEN, PodState.DOWN])
def test_a_pod_that_takes_no_migrations_is_not_waited_for_and_catches_up(
    stand: PlanStand, state: PodState
) -> None:
    stand.begin(1, 2)
    stand.do(1, 1, 2)
    stand.states[2] = state
    assert stand.why(2) == f"pod 2 takes no migrations: it is {state}"
    assert going(stand) == [3, 4]
    stand.do(3, 1, 2)
    stand.do(4, 1, 2)
    assert stand.plan().state is PlanState.SUCCEEDED
    assert stand.status().plans[0].blocked == 1
    stand.states[2] = PodState.ACTIVE
    stand.do(2, 1, 2)
    assert stand.cells()[2] == "aa"


def test_a_draining_pod_migrates(stand: PlanStand) -> None:
    stand.begin(1)
    stand.states[1] = PodState.DRAINING
    assert stand.may(1)


def test_a_pod_that_is_back_is_waited_for_again(stand: PlanStand) -> None:
    stand.begin(1, 2)
    stand.do(1, 1, 2)
    stand.states[2] = PodState.FROZEN
    stand.do(3, 1)
    stand.states[2] = PodState.ACTIVE
    stand.do(3, 2)
    stand.do(4, 1, 2)
    assert stand.plan().state is PlanState.RUNNING
    stand.do(2, 1, 2)
    assert stand.plan().state is PlanState.SUCCEEDED


def test_a_canary_that_is_blocked_stops_the_plan(stand: PlanStand) -> None:
    stand.begin(1)
    stand.states[1] = PodState.DOWN
    assert stand.why(2) == "plan 1: wave 1 is not open: the canary is blocked"
    stand.plans.settle()
    assert going(stand) == []
    stand.plans.set_canary(1, 4)
    assert going(stand) == [4]
    stand.states[1] = PodState.ACTIVE
    assert going(stand) == [4], "who was the canary has the place of who is now"
    stand.do(4, 1)
    assert going(stand) == [2]


def test_a_canary_is_chosen_anew_only_before_others_may_go(stand: PlanStand) -> None:
    stand.begin(1)
    with pytest.raises(Exception, match="pod 9 cannot be the canary"):
        stand.plans.set_canary(1, 9)
    stand.do(1, 1)
    with pytest.raises(Exception, match="its canary has gone first"):
        stand.plans.set_canary(1, 2)


def test_a_pod_that_a_person_blocks_keeps_the_place_of_what_it_has_begun(stand: PlanStand) -> None:
    stand.begin(1, options=options(max_migrating_pods=1, waves=("1", "100%")))
    stand.do(1, 1)
    assert stand.may(2)
    stand.tell(2, 1, "running")
    stand.blocking.block(2, "its host is gone", "anna")
    assert stand.why(2) == "pod 2 takes no migrations: blocked by anna: its host is gone"
    assert stand.places() == {}, "it asked: nothing is open there"
    stand.tell(2, 1, "running", stage="still")
    stand.tell(2, 1, "running", attempts=2)
    assert not stand.may(3)
    stand.tell(2, 1, "applied", attempts=2)
    assert stand.may(3)
    stand.blocking.unblock(2)
    stand.do(3, 1)
    stand.do(4, 1)
    assert stand.plan().state is PlanState.SUCCEEDED


def test_blocking_the_last_pod_ends_the_wave(stand: PlanStand) -> None:
    stand.begin(1)
    stand.do(1, 1)
    stand.blocking.block(2, "gone", "anna")
    assert stand.plan().wave == 2
    stand.blocking.block(3, "gone", "anna")
    stand.do(4, 1)
    assert stand.plan().state is PlanState.SUCCEEDED
    stand.blocking.unblock(3)
    assert stand.may(3)


def test_pods_that_the_registry_froze_are_noticed_without_a_question(stand: PlanStand) -> None:
    stand.begin(1)
    for pod_id in (1, 2, 3):
        stand.do(pod_id, 1)
    stand.states[4] = PodState.DOWN
    assert stand.plan().state is PlanState.RUNNING
    settled = stand.plans.settle()
    assert settled is not None
    assert settled.state is PlanState.SUCCEEDED
    assert stand.plans.settle() is None


def test_a_plan_ends_by_itself_when_its_last_pods_can_no_longer_ask(stand: PlanStand) -> None:
    stand.begin(1)
    for pod_id in (1, 2, 3):
        stand.do(pod_id, 1)
    stand.gate.tend()
    assert stand.plan().state is PlanState.RUNNING
    del stand.states[4]
    stand.gate.tend()
    assert stand.plan().state is PlanState.SUCCEEDED


def test_a_process_that_heard_of_no_plan_asks_now_and_then(stand: PlanStand) -> None:
    stand.gate.tend()
    stand.begin(1)
    others = PlanGate(stand.store, stand.registered)
    for pod_id in (1, 2, 3):
        answer = others.may_start(pod_id, stand.of(1), 1)
        assert isinstance(answer, Go)
        others.report(pod_id, entry(stand.of(1), "applied", lease_epoch=1))
    stand.states[4] = PodState.DOWN
    stand.gate.tend()
    assert stand.plan().state is PlanState.RUNNING, "asked a moment ago"
    stand.clock.advance(600)
    stand.gate.tend()
    assert stand.plan().state is PlanState.SUCCEEDED


def test_looking_after_a_plan_takes_no_lock_where_nothing_follows(stand: PlanStand) -> None:
    stand.begin(1)
    sent: list[str] = []
    event.listen(
        stand.store.engine, "before_cursor_execute", lambda *given: sent.append(given[2]), named=False
    )
    stand.gate.tend()
    assert sent
    assert not [statement for statement in sent if schema.counters.name in statement]


def test_a_pod_whose_shard_was_restored_begins_again_what_the_backup_lacks(stand: PlanStand) -> None:
    stand.begin(1, 2)
    stand.do(1, 1)
    stand.epochs[1] = 7
    stand.do(1, 2)
    for pod_id in (2, 3, 4):
        stand.do(pod_id, 1, 2)
    assert stand.plan().state is PlanState.SUCCEEDED
    stand.epochs[1] = 3
    assert stand.why(1, 2).endswith("restored from a backup: podctl migrations restored --pod 1")
    restoring = Restoring(stand.store, stand.plans)
    known = restoring.remembered(1)
    assert (known.epoch, sorted(known.applied)) == (7, [version(1), version(2)])
    assert restoring.remembered(9) == Remembered(0, set())
    restoring.forget(1, "the disk died", "anna")
    assert stand.cells()[1] == ".."
    assert "this turn of 3 is over" in stand.why(1, 2), "who asked before the backup"
    stand.epochs[1] = 8
    stand.tell(1, 1, "applied", lease_epoch=2)
    assert stand.cells()[1] == "a.", "what its ledger has is told again"
    stand.do(1, 2)
    assert stand.cells() == dict.fromkeys((1, 2, 3, 4), "aa")
    [deed] = [deed for deed in stand.plans.deeds(stand.plan()) if "restored" in deed.what]
    assert (deed.what, deed.by, deed.reason) == ("told that pod 1 was restored", "anna", "the disk died")


def test_a_plan_waits_again_for_a_pod_that_lost_what_it_had(stand: PlanStand) -> None:
    stand.begin(1)
    stand.do(1, 1)
    stand.do(2, 1)
    Restoring(stand.store, stand.plans).forget(1, "x", "anna")
    assert going(stand) == [1, 3, 4], "open waves stay open"
    for pod_id in (3, 4):
        stand.do(pod_id, 1)
    assert stand.plan().state is PlanState.RUNNING
    stand.do(1, 1)
    assert stand.plan().state is PlanState.SUCCEEDED


def test_a_pod_that_is_added_joins_the_last_wave(stand: PlanStand) -> None:
    stand.begin(1)
    stand.do(1, 1)
    stand.states[5] = PodState.ACTIVE
    assert not stand.may(5)
    for pod_id in (2, 3, 4):
        stand.do(pod_id, 1)
    assert stand.plan().state is PlanState.RUNNING
    stand.do(5, 1)
    assert stand.plan().state is PlanState.SUCCEEDED


def test_a_pod_that_is_added_later_catches_up_with_plans_that_are_over(stand: PlanStand) -> None:
    stand.begin(1, 2)
    for pod_id in (1, 2, 3, 4):
        stand.do(pod_id, 1, 2)
    stand.begin(3)
    stand.migrations += [migration(1), migration(2)]
    stand.states[5] = PodState.ACTIVE
    stand.do(5, 1)
    assert stand.status(1).pods[-1].cells == "a."
    assert stand.cells() == {1: ".", 2: ".", 3: ".", 4: "."}
    stand.do(5, 2)
    assert "wave 2 is not open" in stand.why(5, 3)
    stand.plans.settle()
    assert stand.cells() == {1: ".", 2: ".", 3: ".", 4: ".", 5: "."}


def test_who_catches_up_counts_among_those_who_migrate(stand: PlanStand) -> None:
    stand.begin(1)
    for pod_id in (1, 2, 3, 4):
        stand.do(pod_id, 1)
    stand.begin(2, options=options(max_migrating_pods=1, waves=("100%",)))
    stand.migrations.append(migration(1))
    stand.states[5] = PodState.ACTIVE
    assert stand.may(5, 1)
    assert not stand.may(2, 2)
    stand.tell(5, 1, "applied")
    assert stand.may(2, 2)


def test_a_pod_that_left_the_registry_is_not_waited_for_and_can_be_forgotten(stand: PlanStand) -> None:
    stand.begin(1, options=options(max_migrating_pods=1, waves=("1", "100%")))
    stand.do(1, 1)
    assert stand.may(2)
    stand.tell(2, 1, "running")
    del stand.states[2]
    assert not stand.may(3), "its place is not free by itself"
    with pytest.raises(Exception, match="pod 3 is in the registry"):
        stand.blocking.forget(3, registered=True)
    stand.blocking.forget(2, registered=False)
    assert stand.places() == {}
    stand.do(3, 1)
    stand.do(4, 1)
    assert stand.plan().state is PlanState.SUCCEEDED
    assert [line.pod_id for line in stand.status().pods] == [1, 3, 4]


def test_a_report_counts_while_the_registry_is_away_and_the_next_asker_opens_the_wave(
    stand: PlanStand,
) -> None:
    def away() -> list[Pod]:
        raise RegistryUnavailable("zookeeper://z", "gone")

    stand.begin(1)
    assert stand.may(1)
    stand.registry = away
    stand.tell(1, 1, "applied")
    assert (stand.plan().wave, stand.cells()[1]) == (0, "a")
    with pytest.raises(RegistryUnavailable):
        stand.may(2)
    stand.registry = stand.registered
    assert stand.may(2)


def test_a_failure_halts_while_the_registry_is_away(stand: PlanStand) -> None:
    def away() -> list[Pod]:
        raise RegistryUnavailable("zookeeper://z", "gone")

    stand.begin(1)
    assert stand.may(1)
    stand.registry = away
    stand.tell(1, 1, "failed", error="duplicate key")
    assert stand.plan().state is PlanState.HALTED


# Finalizing


def finalizing(stand: PlanStand) -> None:
    """Two legs: 1 and 2 on all pods, then 3, which finalizes 2, and 4."""
    planned = [migration(1), migration(2), migration(3, finalizes=[2]), migration(4)]
    stand.begin_with(planned, options(waves=("1", "100%")))


def test_what_finalizes_another_one_waits_for_all_pods(stand: PlanStand) -> None:
    finalizing(stand)
    for pod_id in (1, 2, 3):
        stand.do(pod_id, 1, 2)
        assert "is not open" in stand.why(pod_id, 3)
    stand.do(4, 1, 2)
    assert (stand.plan().leg, stand.plan().wave) == (1, 0)
    assert going(stand, 3) == [1]
    stand.do(1, 3, 4)
    for pod_id in (2, 3, 4):
        stand.do(pod_id, 3, 4)
    assert stand.plan().state is PlanState.SUCCEEDED


def test_it_waits_for_blocked_late_and_skipped_pods_too(stand: PlanStand) -> None:
    finalizing(stand)
    stand.states[3] = PodState.DOWN
    for pod_id in (1, 2, 4):
        stand.do(pod_id, 1, 2)
    assert stand.why(1, 3).endswith(f"finalizes {version(2)}, which pod 3 has not applied")
    assert stand.places() == {}
    stand.states[5] = PodState.ACTIVE
    assert stand.why(1, 3).endswith("which pods 3, 5 have not applied")
    stand.states[3] = PodState.ACTIVE
    stand.do(3, 1, 2)
    stand.do(5, 1)
    stand.tell(5, 2, "skipped")
    assert stand.why(1, 3).endswith("which pod 5 has not applied")
    stand.tell(5, 2, "running", attempts=2)
    stand.tell(5, 2, "applied", attempts=2)
    assert stand.may(1, 3)


def test_it_waits_for_what_an_earlier_plan_did(stand: PlanStand) -> None:
    stand.begin_with([migration(1, pods=(1, 2, 3))])
    for pod_id in (1, 2):
        stand.do(pod_id, 1)
    stand.blocking.block(3, "later", "anna")
    assert stand.plan().state is PlanState.SUCCEEDED
    stand.begin_with([migration(2, finalizes=[1])], options(waves=("100%",)))
    stand.migrations.append(migration(1))
    assert stand.why(1, 2).endswith("which pod 3 has not applied")
    stand.tell(3, 1, "applied")
    assert stand.may(1, 2)


def test_each_leg_has_its_canary_and_its_soak(stand: PlanStand) -> None:
    planned = [migration(1), migration(2, finalizes=[1])]
    stand.begin_with(planned, options(waves=("1", "100%"), soak_seconds=60))
    stand.do(1, 1)
    stand.clock.advance(60)
    for pod_id in (2, 3, 4):
        stand.do(pod_id, 1)
    assert going(stand, 2) == [1]
    stand.do(1, 2)
    assert stand.plan().state is PlanState.SOAKING
    stand.clock.advance(60)
    assert going(stand, 2) == [2, 3, 4]


# Robustness


def test_a_decision_that_is_broken_off_leaves_nothing(
    stand: PlanStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan's next wave and the place of the pod that asked are one transaction."""
    stand.begin(1, options=options(soak_seconds=60))
    stand.do(1, 1)
    stand.clock.advance(60)
    monkeypatch.setattr("podwork_migrations.plan.rows.write_note", _fail)
    with pytest.raises(RuntimeError):
        stand.may(2)
    monkeypatch.undo()
    assert (stand.plan().state, stand.places()) == (PlanState.SOAKING, {})
    assert stand.may(2)


def test_a_report_that_is_broken_off_is_news_the_next_time(
    stand: PlanStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand.begin(1)
    assert stand.may(1)
    monkeypatch.setattr("podwork_migrations.plan.placing.mark", _fail)
    with pytest.raises(RuntimeError):
        stand.tell(1, 1, "failed", error="duplicate key")
    monkeypatch.undo()
    assert stand.plan().state is PlanState.RUNNING
    stand.tell(1, 1, "failed", error="duplicate key")
    assert stand.plan().state is PlanState.HALTED


def test_errors_of_any_length_and_letters_are_reported(stand: PlanStand) -> None:
    stand.begin(1)
    stand.tell(1, 1, "failed", error="é😀\udcff" * 5_000, throttle_reason="x" * 5_000)
    assert len(stand.status().moving[0].error) == 4_000


def test_who_waits_costs_a_few_reads_and_no_lock(stand: PlanStand) -> None:
    stand.begin(1)
    assert not stand.may(2)
    statements: list[str] = []
    event.listen(stand.store.engine, "before_cursor_execute", lambda *said: statements.append(said[2]))
    stand.clock.advance(59)
    assert not stand.may(2)
    assert len(statements) == 3
    assert all(statement.startswith("SELECT") and "FOR UPDATE" not in statement for statement in statements)


def _fail(*_: object, **__: object) -> None:
    raise RuntimeError("the process dies here")


def test_the_tables_are_made_once(stand: PlanStand) -> None:
    stand.begin(1)
    stand.store.prepare()
    with stand.store.engine.connect() as connection:
        found = connection.execute(text(f"SELECT value FROM {schema.counters.name}")).scalars().all()
    assert list(found) == [1]
