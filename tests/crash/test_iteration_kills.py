"""Workers that are killed, frozen and told to stop in the middle of a run: every row is done exactly once."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from podwork.iteration.states import RunState
from podwork_pods.iteration.partition import PartitionState
from tests.support.fleets import StartFleet
from tests.support.iteration_fleet import SHOP, IterationFleet, iteration_fleet
from tests.support.iteration_shop import Deadly, IncrementEach
from tests.support.pause import Point
from tests.support.wait import until
from tests.support.worker_run import is_alive

ROWS = 400

POINTS = [
    Point("opening.making"),
    Point("opening.made"),
    Point("runs.cutting"),
    Point("opening.cut"),
    Point("partitions.taking"),
    Point("course.on_start"),
    Point("partitions.locked", 3),
    Point("batch.read", 3),
    Point("batch.worked", 3),
    Point("batch.committing", 3),
    Point("batch.committed", 3),
    Point("course.on_complete"),
    Point("course.finishing"),
    Point("course.committing", 2),
]


@pytest.fixture(
    params=[pytest.param("embedded", marks=pytest.mark.slow), pytest.param("served", marks=pytest.mark.slow)]
)
def fleet(request: pytest.FixtureRequest) -> Iterator[IterationFleet]:
    start: StartFleet = request.getfixturevalue(f"{request.param}_stack")
    with iteration_fleet(start(pods=1), ROWS, ("[shard]", "lock_wait_seconds = 1")) as made:
        yield made


@pytest.mark.timeout(600)
def test_a_worker_killed_at_each_point_leaves_a_run_that_ends_as_it_should(fleet: IterationFleet) -> None:
    """One run; each worker dies at the next of the points."""
    fleet.start()
    for point in POINTS:
        dying = fleet.pausing_worker(point)
        dying.wait_at(*point).kill()
        dying.process.end()
    last = fleet.worker()
    fleet.until_state(RunState.SUCCEEDED, last)
    fleet.check(ROWS)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("where", ["partitions.taking", "batch.committed", "course.on_complete"])
def test_a_worker_frozen_past_its_lease_writes_nothing_when_it_wakes(
    fleet: IterationFleet, where: str
) -> None:
    """It stands where it holds no partition's row; in a hook it holds the run's, and is waited for."""
    if where == "course.on_complete" and fleet.platform.engine(1).dialect.name == "sqlite":
        pytest.skip("the frozen process has the only writer's lock: nobody can go on before it is gone")
    fleet.start()
    frozen = fleet.pausing_worker(Point(where, 1 if where == "course.on_complete" else 2))
    stop = frozen.wait_at(where, 1 if where == "course.on_complete" else 2)
    stop.freeze()
    other = fleet.worker()
    _until_reclaimed(fleet)
    if where != "course.on_complete":
        fleet.until_state(RunState.SUCCEEDED, other)
    before = fleet.parts()
    stop.go_on()
    stop.thaw()
    until(lambda: not is_alive(stop.pid), 30.0, f"the end of the frozen child; {frozen.process}")
    fleet.until_state(RunState.SUCCEEDED, other)
    assert fleet.parts() == before
    fleet.check(ROWS)


@pytest.mark.timeout(300)
def test_a_worker_frozen_in_the_middle_of_a_batch_does_not_do_it_twice(fleet: IterationFleet) -> None:
    """It holds its partition's row: others do the rest, and it commits, or its connection is dropped."""
    fleet.start(IncrementEach)
    frozen = fleet.pausing_worker(Point("batch.committing", 3))
    stop = frozen.wait_at("batch.committing", 3)
    stop.freeze()
    other = fleet.worker()
    _until_reclaimed(fleet)
    stop.go_on()
    stop.thaw()
    fleet.until_state(RunState.SUCCEEDED, other)
    fleet.check(ROWS)


def test_a_worker_that_is_told_to_stop_gives_its_partitions_back(fleet: IterationFleet) -> None:
    fleet.start()
    ending = fleet.pausing_worker(Point("batch.committing", 3))
    stop = ending.wait_at("batch.committing", 3)
    ending.process.signal(signal.SIGTERM)
    until(lambda: _is_stopping(fleet), 20.0, "the child has heard of it")
    stop.go_on()
    ending.process.wait()
    assert fleet.state() is RunState.INTERRUPTED
    assert {part.state for part in fleet.parts()} <= {PartitionState.WAITING, PartitionState.DONE}
    assert fleet.platform.inspection(1).totals().get("reclaimed", 0) == 0
    fleet.until_state(RunState.SUCCEEDED, fleet.worker())
    fleet.check(ROWS)


def test_a_run_of_a_shop_works_under_its_fence_and_survives_kills(fleet: IterationFleet) -> None:
    fleet.start(shop_id=SHOP)
    for point in (Point("batch.worked", 2), Point("batch.committed", 2)):
        dying = fleet.pausing_worker(point)
        dying.wait_at(*point).kill()
        dying.process.end()
    fleet.until_state(RunState.SUCCEEDED, fleet.worker())
    fleet.check(ROWS)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("where", ["partitions.taking", "leases.writing"])
def test_a_worker_frozen_while_its_shop_leaves_writes_nothing_when_it_wakes(
    fleet: IterationFleet, where: str
) -> None:
    """It is about to take a partition, or to give one back because the run is to pause."""
    fleet.start(shop_id=SHOP)
    frozen = fleet.pausing_worker(Point("batch.committed", 3), Point(where))
    if where == "leases.writing":
        stop = frozen.wait_at("batch.committed", 3)
        fleet.change(RunState.PAUSING)
        stop.go_on()
    stop = frozen.wait_at(where)
    stop.freeze()
    fence = fleet.platform.topology.shard_fence(1)
    fence.close(SHOP, 1, mover_epoch=1, lock_wait_seconds=2)
    fence.leave(SHOP, 1, mover_epoch=1, lock_wait_seconds=2)
    left = (fleet.run(), fleet.parts())
    other = fleet.worker()
    _until_reclaimed(fleet)
    stop.go_on()
    stop.thaw()
    until(lambda: not is_alive(stop.pid), 30.0, f"the end of the frozen child; {frozen.process}")
    assert (fleet.run(), fleet.parts()) == left
    fence.receive(SHOP, 1, mover_epoch=1, lock_wait_seconds=2)
    fence.open(SHOP, 1, mover_epoch=1, lock_wait_seconds=2)
    if where == "leases.writing":
        fleet.until_state(RunState.PAUSED, other)
        fleet.change(RunState.ENQUEUED)
        fleet.until_state(RunState.SUCCEEDED, other)
        fleet.check(ROWS, on_pause=1, on_resume=1)
    else:
        fleet.until_state(RunState.SUCCEEDED, other)
        fleet.check(ROWS)


def test_job_processes_that_are_killed_lose_nothing(fleet: IterationFleet) -> None:
    fleet.start()
    fleet.until_state(RunState.SUCCEEDED, fleet.worker("--isolate"))
    fleet.check(ROWS)


@pytest.mark.timeout(300)
def test_an_item_that_kills_its_process_is_found_and_left_out(fleet: IterationFleet) -> None:
    """Batches of 20 die of it, of 10, 5, 2, and then it alone; at last it is not tried any more."""
    fleet.start(Deadly, victim=137)
    fleet.until_state(RunState.SUCCEEDED, fleet.worker("--isolate"), timeout_seconds=120)
    assert fleet.counts() == {1: ROWS - 1, 0: 1}
    [item] = fleet.shard.quarantine.page(fleet.run_id)
    assert item.cursor == (137,)
    assert fleet.told() == {"on_start": 1, "on_complete": 1}


@pytest.mark.timeout(300)
def test_a_run_goes_on_after_redis_was_emptied(fleet: IterationFleet) -> None:
    fleet.start()
    frozen = fleet.pausing_worker(Point("batch.committing", 5))
    stop = frozen.wait_at("batch.committing", 5)
    fleet.platform.store(1).client.flushall()
    stop.kill()
    frozen.process.end()
    worker = fleet.worker()
    fleet.until_state(RunState.SUCCEEDED, worker)
    fleet.check(ROWS)


@pytest.mark.timeout(300)
def test_a_paused_run_stays_so_over_a_restart_and_is_resumed_without_an_application(
    fleet: IterationFleet,
) -> None:
    fleet.start()
    worker = fleet.pausing_worker(Point("batch.committing", 4))
    stop = worker.wait_at("batch.committing", 4)
    if fleet.platform.engine(1).dialect.name == "sqlite":
        stop.go_on()  # it has the only writer's lock
        stop = worker.wait_at("batch.committing", 4)
    fleet.change(RunState.PAUSING)
    stop.go_on()
    fleet.until_state(RunState.PAUSED, worker.process)
    done = fleet.rows_done()
    worker.process.end()
    other = fleet.worker()
    other.wait_for_output("the worker is ready")
    assert (fleet.state(), fleet.rows_done()) == (RunState.PAUSED, done)
    fleet.change(RunState.ENQUEUED)
    fleet.until_state(RunState.SUCCEEDED, other)
    fleet.check(ROWS, on_pause=1, on_resume=1)


def _until_reclaimed(fleet: IterationFleet) -> None:
    until(lambda: fleet.platform.inspection(1).totals().get("reclaimed", 0) > 0, 30.0, "the job is reclaimed")


def _is_stopping(fleet: IterationFleet) -> bool:
    return any(process.fields.get("stopping") == "1" for process in fleet.platform.inspection(1).processes())
