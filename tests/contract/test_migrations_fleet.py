"""Eight pods, twelve migrations, and whatever may happen to them: waves and limits hold in every history."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator

import pytest

from podwork_migrations.migration import Migration
from podwork_migrations.plan.errors import PlanConflict
from podwork_migrations.plan.states import PlanState
from podwork_pods.pod import PodState
from tests.support.plan_fleet import Chances, Fleet
from tests.support.plan_stand import PlanStand, migration, options

TROUBLE = Chances(fail=0.08, die=0.1, stray=0.1)
EXAMPLES = int(os.environ.get("PODWORK_FUZZ_EXAMPLES", "30")) // 10


@pytest.fixture(params=["sqlite", "mariadb"])
def stand(request: pytest.FixtureRequest) -> Iterator[PlanStand]:
    made = PlanStand(str(request.getfixturevalue(f"{request.param}_url")), pods=8)
    yield made
    made.close()


def twelve() -> list[Migration]:
    return [migration(number, finalizes=[6] if number == 9 else []) for number in range(1, 13)]


def begin(stand: PlanStand, seed: int) -> Fleet:
    planned = twelve()
    given = options(soak_seconds=30, rest_seconds=5, waves=("1", "25%", "50%", "100%"), max_migrating_pods=3)
    return Fleet(stand, stand.begin_with(planned, given), planned, seed)


def check_the_end(fleet: Fleet) -> None:
    plan = fleet.stand.plan()
    assert plan.state is PlanState.SUCCEEDED, plan
    assert fleet.stand.places() == {}
    assert {line.cells for line in fleet.stand.status(1).pods} == {"a" * 12}
    assert sorted(fleet.events.applied) == sorted(
        (pod_id, each.version) for pod_id in fleet.pods for each in twelve()
    )


def meddle(fleet: Fleet, chosen: random.Random) -> None:
    """Do what people and the world do to a plan."""
    stand = fleet.stand
    stand.clock.advance(chosen.choice([0, 1, 10, 40]))
    act = chosen.randrange(8)
    pod_id = chosen.choice(sorted(stand.states))
    out = sorted(stand.blocking_now())
    if len(out) > 2:
        stand.states[out[0]] = PodState.ACTIVE
        stand.blocking.unblock(out[0])
    elif act == 0:
        stand.states[pod_id] = chosen.choice([PodState.FROZEN, PodState.DOWN, PodState.DRAINING])
    elif act == 1:
        stand.blocking.block(pod_id, "its disk is full", "anna")
    elif act == 2:
        stand.states[pod_id] = PodState.ACTIVE
        stand.blocking.unblock(pod_id)
    elif act == 3 and len(fleet.pods) < 10:
        new = max(fleet.pods) + 1
        fleet.add(new)
        stand.states[new] = PodState.ACTIVE
    elif act == 4 and stand.plan().state is PlanState.RUNNING:
        stand.plans.hold(1, "a sale")
    elif act > 4:
        go_on(stand)
    blocked = stand.blocking_now()
    # Who is blocked need not be waited for; nor who joined or came back after a wave was opened.
    fleet.may_be_late |= blocked | {each for each in fleet.pods if each > 8}


def go_on(stand: PlanStand) -> None:
    state = stand.plan().state
    if state is PlanState.HALTED:
        stand.plans.resume(1)
    elif state is PlanState.HELD:
        stand.plans.release(1)


def test_waves_and_limits_hold_whatever_happens(sqlite_url: str) -> None:
    stand = PlanStand(sqlite_url, pods=8)
    live_through(stand, seed=0, turns=12)
    stand.close()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(1, max(3, EXAMPLES)))
def test_waves_and_limits_hold_in_many_histories(stand: PlanStand, seed: int) -> None:
    live_through(stand, seed, turns=50)


def live_through(stand: PlanStand, seed: int, turns: int) -> None:
    fleet = begin(stand, seed)
    fleet.is_judged_alone = True
    chosen = random.Random(seed)
    for turn in range(turns):
        meddle(fleet, chosen)
        fleet.run(lambda: sorted(fleet.pods), 1000 * seed + turn, TROUBLE, steps=12)
    for pod_id in fleet.pods:
        stand.states[pod_id] = PodState.ACTIVE
        stand.blocking.unblock(pod_id)
    for turn in range(400):
        go_on(stand)
        stand.clock.advance(40)
        stand.plans.settle()
        fleet.run(lambda: sorted(fleet.pods), turn, Chances(), steps=20)
        if all(pod.is_done for pod in fleet.pods.values()) and stand.plan().state.is_over:
            break
    check_the_end(fleet)
    assert fleet.events.widest > 1


@pytest.mark.slow
def test_waves_and_limits_hold_with_a_thread_for_each_pod(mariadb_url: str) -> None:
    stand = PlanStand(mariadb_url, pods=8)
    fleet = begin(stand, seed=1)
    failures: list[BaseException] = []
    over = threading.Event()

    def live(pod_id: int) -> None:
        try:
            while not over.is_set() and not fleet.pods[pod_id].is_done:
                fleet.pods[pod_id].step(TROUBLE, fleet)
        except BaseException as error:
            failures.append(error)
            over.set()

    def operate() -> None:
        while not over.is_set() and not stand.plan().state.is_over:
            stand.clock.advance(7)
            stand.plans.settle()
            try:
                go_on(stand)
            except PlanConflict:
                continue  # it has moved on meanwhile

    threads = [threading.Thread(target=live, args=(pod_id,)) for pod_id in fleet.pods]
    threads.append(threading.Thread(target=operate))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
        if thread.is_alive():
            over.set()
    assert failures == []
    check_the_end(fleet)
    assert fleet.events.widest > 1
    stand.close()
