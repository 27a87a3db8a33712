"""Beside the loop, on SQLite and MariaDB: runs of shops, rehearsals, items done after all, and the keeper."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from podwork import App, IterationJob
from podwork.context import JobContext, running
from podwork.errors import InvalidArguments, StaleEpoch
from podwork.identity import job_of_run
from podwork.iteration.collection import Collection
from podwork.iteration.states import RunState
from podwork.observation import Tally
from podwork.parcel import Parcel
from podwork.queues import PushGroup, Queues
from podwork.store import Store
from podwork.worker.life import Life
from podwork.worker.outage import Outage
from podwork.worker.spec import Surroundings
from podwork_pods import rows
from podwork_pods.errors import ShopMoving
from podwork_pods.iteration.iterations import ShardIterations
from podwork_pods.iteration.keeper import Keeper
from podwork_pods.iteration.partition import PartitionState
from podwork_pods.iteration.redoing import redo
from podwork_pods.iteration.rehearsal import rehearse
from podwork_pods.iteration.run import NewRun, Run
from podwork_pods.topology import Topology
from tests.support.iteration_loop import LEASE_SECONDS, RUN, Loop, Overseer
from tests.support.iteration_stand import IterationStand
from tests.support.pods import embedded_topology, mariadb_topology

MakeLoop = Callable[..., Loop]
SHOP = 330
SHOP_RUN = "01937d1f2ab4f06c1d9e2-330"


@pytest.fixture(params=["sqlite", "mariadb"])
def make_loop(request: pytest.FixtureRequest) -> Iterator[MakeLoop]:
    stand = IterationStand(str(request.getfixturevalue(f"{request.param}_url")), lock_wait_seconds=1)
    yield partial(Loop, stand)
    stand.close()


# Runs of shops


app = App("notes")


@app.job(name="mark")
class Mark(IterationJob):
    """Marks the notes of a shop."""

    shop_id: int
    batch_size = most_rows = 2

    def collection(self) -> Collection:
        return rows("marks", where=f"shop_id = {self.shop_id}")

    def each(self, item: Any) -> None:
        self.session.execute(text("UPDATE marks SET n = n + 1 WHERE id = :id"), {"id": item.id})


@pytest.fixture(params=["sqlite", "mariadb"])
def topology(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Topology]:
    if request.param == "sqlite":
        made = embedded_topology(tmp_path, (1,))
    else:
        made = mariadb_topology(tmp_path, request.getfixturevalue("mariadb_url"), (1,))
    made.directory.assign_many({SHOP: 1, 7: 1})
    with made.connections.engine(1).begin() as connection:
        connection.execute(text("CREATE TABLE marks (id INTEGER NOT NULL PRIMARY KEY, shop_id INT, n INT)"))
        for number in range(1, 11):
            shop_id = SHOP if number % 2 else 7
            connection.execute(text(f"INSERT INTO marks VALUES ({number}, {shop_id}, 0)"))
    yield made
    made.close()


def work(topology: Topology, overseer: Overseer | None = None, epoch: int = 1) -> object:
    iterations = ShardIterations(topology.iteration_shard(1), lambda *_: None)
    context = JobContext(SHOP_RUN, "mark", "default", SHOP, 1, epoch, overseer=overseer or Overseer())
    with running(context):
        return iterations.work(app.job_class("mark"), {}, context)


def marks(topology: Topology) -> list[int]:
    with topology.connections.engine(1).connect() as connection:
        return list(connection.execute(text("SELECT n FROM marks ORDER BY id")).scalars())


def test_a_run_of_a_shop_is_done_under_its_fence(topology: Topology) -> None:
    assert work(topology) is None
    run = topology.iteration_shard(1).runs.get(SHOP_RUN)
    assert run is not None
    assert (run.state, run.shop_id) == (RunState.SUCCEEDED, SHOP)
    assert marks(topology) == [1, 0] * 5


def test_a_run_whose_shop_is_on_its_way_writes_nothing_and_goes_on_afterwards(topology: Topology) -> None:
    fence = topology.shard_fence(1)

    def move_away() -> None:
        fence.close(SHOP, 1, mover_epoch=1, lock_wait_seconds=1)

    with pytest.raises(ShopMoving):
        work(topology, Overseer(None, None, None, move_away))
    [part] = topology.iteration_shard(1).partitions.of(SHOP_RUN)
    assert (part.state, part.owner, part.rows_done, part.attempts) == (PartitionState.RUNNING, SHOP_RUN, 2, 0)
    assert sum(marks(topology)) == 2
    fence.open(SHOP, 1, mover_epoch=1, lock_wait_seconds=1)
    assert work(topology) is None
    assert marks(topology) == [1, 0] * 5


def test_a_job_under_a_stale_epoch_makes_no_run(topology: Topology) -> None:
    work(topology, Overseer(then_stop=True))  # the fence is there
    with topology.connections.engine(1).begin() as connection:
        connection.execute(text("DELETE FROM podwork_runs"))
    with pytest.raises(StaleEpoch):
        work(topology, epoch=0)
    assert topology.iteration_shard(1).runs.get(SHOP_RUN) is None


# Rehearsals


def test_a_rehearsal_says_how_fast_and_leaves_nothing_behind(make_loop: MakeLoop) -> None:
    loop = make_loop(rows=20)
    tried: list[int] = []
    loop.plan.touch = lambda _job, number: tried.append(number)
    found = rehearse(loop.shard, loop.job_class, {}, None, 3)
    assert (found.rows, found.batches, found.rows_total) == (12, 3, 20)
    assert tried == list(range(1, 13)), "each batch goes on where the one before it ended"
    assert found.rows_per_second is not None
    assert found.estimate_seconds == pytest.approx(20 / found.rows_per_second)
    assert loop.counts() == [0] * 20
    assert loop.shard.runs.page() == []
    assert loop.told() == []


def test_a_rehearsal_of_less_than_was_asked_for_ends_at_the_end(make_loop: MakeLoop) -> None:
    loop = make_loop(rows=5)
    found = rehearse(loop.shard, loop.job_class, {}, None, 100)
    assert (found.rows, found.batches) == (5, 2)


def test_a_rehearsal_refuses_what_a_run_would(make_loop: MakeLoop) -> None:
    loop = make_loop(rows=5)
    with pytest.raises(InvalidArguments):
        rehearse(loop.shard, loop.job_class, {"much": 1}, None, 1)


# Items that were left out


def test_an_item_that_was_left_out_is_done_after_all_and_once(make_loop: MakeLoop) -> None:
    loop = make_loop(quarantine_limit=2)

    def touch(_job: IterationJob, number: int) -> None:
        if number in (7, 11):
            raise ZeroDivisionError

    loop.plan.touch = touch
    loop.work()
    first, second = loop.shard.quarantine.page(RUN)
    again = partial(redo, loop.shard, loop.job_class, loop.run())
    said = again(first)
    assert said is not None
    assert "ZeroDivisionError" in said
    loop.plan.touch = None
    assert again(first) is None
    assert again(first) is None, "somebody else has done it"
    assert loop.counts() == [1] * 10 + [0] + [1] * 9
    with loop.stand.engine.begin() as connection:
        connection.execute(text("DELETE FROM items WHERE id = 11"))
    assert again(second) is None, "it is gone"
    assert loop.run().quarantined == 0
    assert loop.counts() == [1] * 19


def test_an_item_is_found_behind_one_that_came_in_front_of_it(make_loop: MakeLoop) -> None:
    loop = make_loop(quarantine_limit=1)

    def touch(_job: IterationJob, number: int) -> None:
        if number == 7:
            raise ZeroDivisionError

    loop.plan.touch = touch
    with loop.stand.engine.begin() as connection:
        connection.execute(text("DELETE FROM items WHERE id = 6"))
    loop.work()
    with loop.stand.engine.begin() as connection:
        connection.execute(text("INSERT INTO items VALUES (6, 0)"))
    loop.plan.touch = None
    [item] = loop.shard.quarantine.page(RUN)
    assert redo(loop.shard, loop.job_class, loop.run(), item) is None
    assert loop.counts() == [1] * 5 + [0] + [1] * 14


# The keeper


class Kept:
    """A keeper of a loop's runs, over a Redis of its own."""

    def __init__(self, loop: Loop, url: str) -> None:
        self.loop = loop
        self.pushed: list[Run] = []
        self.keeper = Keeper(loop.shard, self.pushed.append, LEASE_SECONDS)
        self.queues = Queues(Store(url))
        self.around = Surroundings(self.queues, Life("host:1:child", 15.0), Outage(), Tally())

    def turn(self) -> int:
        """Let it look once, however lately it has looked; return how often it pushed."""
        before = len(self.pushed)
        self.keeper._pushed = {
            run_id: last._replace(at=last.at - 1_000) for run_id, last in self.keeper._pushed.items()
        }
        self.keeper.turn(self.around)
        return len(self.pushed) - before

    def kill_job(self, number: int = 0) -> None:
        """Put a job of the run into the dead set."""
        parcel = Parcel("default", None, job_of_run(RUN, number), "fill", 1, msgspec.json.encode({}), 0)
        self.queues.push([PushGroup("default", "pod", 0, [(parcel.id, parcel.record(0))])])
        self.queues.register("host:1:child", {"slots": 1})
        leases = self.queues.claim("host:1:child", ["default"], 10)
        for lease in leases:
            self.queues.bury("host:1:child", lease, "it has failed too often", {})


@pytest.fixture
def kept(make_loop: MakeLoop, valkey_url: str) -> Kept:
    return Kept(make_loop(rows=20, parallel=2), valkey_url)


def test_a_run_is_kept_until_somebody_works_on_it(kept: Kept) -> None:
    loop = kept.loop
    assert kept.turn() == 0, "there is none"
    loop.work(Overseer(then_stop=True))
    assert loop.run().partitions > 0
    assert kept.turn() == 1
    held = loop.shard.leases(None).take(RUN, RUN)
    assert held is not None
    assert kept.turn() == 1, "one of two"
    assert loop.shard.leases(None).take(RUN, "another") is not None
    assert kept.turn() == 0
    loop.stand.clock.advance(LEASE_SECONDS + 1)
    assert kept.turn() == 1, "both are gone"


@pytest.mark.parametrize("state", [RunState.PAUSED, RunState.CANCELLED, RunState.FAILED])
def test_a_run_that_is_not_to_go_on_is_left_alone(kept: Kept, state: RunState) -> None:
    kept.loop.work(Overseer(then_stop=True))
    kept.loop.transition(state)
    assert kept.turn() == 0


@pytest.mark.parametrize("asked", [RunState.PAUSING, RunState.CANCELLING])
def test_a_run_that_waits_for_somebody_who_is_gone_gets_a_job(kept: Kept, asked: RunState) -> None:
    loop = kept.loop
    loop.work(Overseer(None, None, None, then_stop=True))
    loop.transition(RunState.RUNNING)
    assert loop.shard.leases(None).take(RUN, RUN) is not None
    loop.transition(asked)
    assert kept.turn() == 0, "whoever holds a partition will answer"
    loop.stand.clock.advance(LEASE_SECONDS + 1)
    assert kept.turn() == 1


def test_a_run_that_was_made_and_not_cut_gets_a_job(kept: Kept) -> None:
    with kept.loop.stand.engine.begin() as connection:
        kept.loop.shard.runs.create(connection, NewRun(RUN, "fill", {}), ())
    assert kept.turn() == 1


def test_a_run_that_does_not_get_on_is_pushed_more_and_more_seldom(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.loop.work(Overseer(then_stop=True))
    now = [1_000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    at = []
    for second in range(200):
        now[0] = 1_000.0 + second
        before = len(kept.pushed)
        kept.keeper.turn(kept.around)
        if len(kept.pushed) > before:
            at.append(second)
    assert at == [0, 2, 6, 14, 30, 62, 122, 182]
    kept.loop.transition(RunState.RUNNING)
    kept.keeper.turn(kept.around)
    assert len(kept.pushed) == len(at) + 1, "somebody has done something about it"


def test_a_run_whose_jobs_are_all_dead_fails_and_can_be_resumed(kept: Kept) -> None:
    loop = kept.loop
    loop.work(Overseer(then_stop=True))
    for number in range(2):
        kept.kill_job(number)
    kept.turn()
    kept.turn()
    assert loop.run().state is RunState.FAILED
    assert loop.run().reason == "its job is in the dead set: it has failed too often"
    loop.resume()
    assert kept.turn() == 1
    kept.turn()
    assert loop.run().state is RunState.ENQUEUED, "its dead jobs are gone"


def test_a_run_with_one_job_that_lives_goes_on(kept: Kept) -> None:
    loop = kept.loop
    loop.work(Overseer(then_stop=True))
    kept.kill_job(1)
    parcel = Parcel("default", None, RUN, "fill", 1, msgspec.json.encode({}), 0)
    kept.queues.push([PushGroup("default", "pod", 0, [(parcel.id, parcel.record(0))])])
    kept.turn()
    kept.turn()
    assert loop.run().state is RunState.ENQUEUED
