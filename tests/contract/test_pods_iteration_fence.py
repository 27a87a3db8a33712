"""Runs of a shop under its fence, on SQLite and MariaDB: who is late writes nothing where the shop was.

A walk is held at a point, its shop goes (its fence is closed, it moves, or it even comes back under a later
epoch), and the walk goes on. What stayed behind is as it was; what travelled is done once, where the shop is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest
from sqlalchemy import event, text

from podwork import App, Interrupted, IterationJob, Snooze, points
from podwork.context import JobContext, running
from podwork.errors import PodworkError, RedirectLoop, RunConflict, ShopOnHold, StaleEpoch, StoreUnavailable
from podwork.iteration.collection import Collection, Slice
from podwork.iteration.states import RunState
from podwork.iteration.throttle import Held
from podwork_pods.errors import FenceBusy, ShopMoving, UnknownShop
from podwork_pods.iteration.beginning import begin
from podwork_pods.iteration.collections import rows
from podwork_pods.iteration.control import RunControl
from podwork_pods.iteration.iterations import ShardIterations
from podwork_pods.iteration.keeper import Keeper
from podwork_pods.iteration.leases import Leases
from podwork_pods.iteration.partition import Leaving, Partition, PartitionState
from podwork_pods.iteration.redoing import redo
from podwork_pods.iteration.run import NewRun, Run
from podwork_pods.iteration.shard import IterationShard
from tests.support.debts_stand import SHOPS, A, B, DebtsStand, debts_stand
from tests.support.iteration_loop import Overseer
from tests.support.iteration_stand import at_once, together
from tests.support.wait import until

SHOP = SHOPS[0]
RUN = f"01937d1f2ab4f06c1d9e2-{SHOP}"
POD_RUN = "01937d1f2ab4f06c1d9e2-pod"
TABLES = ("podwork_runs", "podwork_partitions", "podwork_quarantined")
LEASE_SECONDS = 15.0

app = App("fenced")


@app.job(name="mark")
class Mark(IterationJob):
    """Adds one to each order of a shop; `trouble` is what a test wants to go wrong."""

    shop_id: int
    trouble: ClassVar[Callable[[str], None] | None] = None
    batch_size = most_rows = 3

    def collection(self) -> Collection:
        return rows("orders", where=f"shop_id = {self.shop_id}")

    def on_start(self) -> None:
        self._meet("on_start")

    def each(self, item: Any) -> None:
        self._meet("each")
        self.session.execute(text("UPDATE orders SET n = n + 1 WHERE id = :id"), {"id": item.id})

    def _meet(self, where: str) -> None:
        if Mark.trouble is not None:
            Mark.trouble(where)


@pytest.fixture(params=["embedded", "mariadb"])
def stand(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DebtsStand]:
    url = str(request.getfixturevalue("mariadb_url")) if request.param == "mariadb" else ""
    made = debts_stand(tmp_path, url)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def no_trouble() -> Iterator[None]:
    yield
    Mark.trouble = None


def failing(where: str) -> Callable[[str], None]:
    def meet(here: str) -> None:
        if here == where:
            raise ZeroDivisionError

    return meet


def shard_of(stand: DebtsStand, pod_id: int = A) -> IterationShard:
    return stand.topology.iteration_shard(pod_id)


def job(
    pod_id: int = A, epoch: int = 1, overseer: Overseer | None = None
) -> AbstractContextManager[JobContext]:
    """A job of the run is running."""
    context = JobContext(RUN, "mark", "default", SHOP, pod_id, epoch, overseer=overseer or Overseer())
    return running(context)


def work(
    stand: DebtsStand,
    *acts: Callable[[], object] | None,
    pod_id: int = A,
    epoch: int = 1,
    then_stop: bool = True,
    held_back: Held | None = None,
) -> object:
    """Let the run's job work, and return how it ends; each act is done when it asks whether to stop.

    It asks before it takes a partition, before the batch that finds that the run stands, and before others.
    """
    overseer = Overseer(*acts, then_stop=then_stop)
    context = JobContext(RUN, "mark", "default", SHOP, pod_id, epoch, overseer=overseer)
    throttled = None if held_back is None else lambda _job, _shop_id: lambda: held_back
    iterations = ShardIterations(shard_of(stand, pod_id), lambda *_: None, throttled)
    with running(context):
        return iterations.work(app.job_class("mark"), {}, context)


def run_on(stand: DebtsStand, pod_id: int = A) -> Run:
    run = shard_of(stand, pod_id).runs.get(RUN)
    assert run is not None
    return run


def kept_rows(stand: DebtsStand, pod_id: int = A) -> list[list[Any]]:
    """What stands on the pod of runs, whoever's they are."""
    with stand.topology.connections.engine(pod_id).begin() as connection:
        found = [list(connection.exec_driver_sql(f"SELECT * FROM {table}")) for table in TABLES]
    return [sorted(map(repr, rows)) for rows in found]


def mine(stand: DebtsStand) -> list[int]:
    """How often each of the shop's orders was done, where the shop lives."""
    with stand.topology.connections.engine(stand.home(SHOP)).begin() as connection:
        query = f"SELECT n FROM orders WHERE shop_id = {SHOP} ORDER BY id"
        return list(connection.exec_driver_sql(query).scalars())


@contextmanager
def once_at(point: str, act: Callable[[], object], occurrence: int = 1) -> Iterator[list[str]]:
    """Do it when the point is reached for that time; yield how often it was reached."""
    seen: list[str] = []

    def hook(reached: str) -> None:
        if reached == point:
            seen.append(reached)
            if len(seen) == occurrence:
                act()

    points.install(hook)
    try:
        yield seen
    finally:
        points.install(None)
    assert len(seen) >= occurrence, f"{point} was not reached"


class Going:
    """The ways in which the shop goes, and what is left of its run on the pod when it has gone."""

    def __init__(self, stand: DebtsStand, way: str) -> None:
        self.stand = stand
        self.way = way
        self.left: list[list[Any]] = []

    def go(self) -> None:
        """Let it go."""
        if self.way == "closed":
            fence = self.stand.topology.shard_fence(A)
            fence.close(SHOP, 1, mover_epoch=1, lock_wait_seconds=2)
        else:
            for _ in range(1 if self.way == "moved" else 2):
                passing = self.stand.move(SHOP)
                passing.receive()
                passing.switch()
        self.left = kept_rows(self.stand)

    def check(self) -> None:
        """Nothing was written since."""
        assert self.left != [], "it has gone"
        assert kept_rows(self.stand) == self.left

    def finish(self) -> None:
        """Let the run's job go on where the shop is, and see that each row was done once."""
        if self.way == "closed":
            self.stand.topology.shard_fence(A).open(SHOP, 1, mover_epoch=1, lock_wait_seconds=2)
        home, epoch = self.stand.home(SHOP), self.stand.epochs[SHOP]
        assert work(self.stand, pod_id=home, epoch=epoch, then_stop=False) is None
        assert run_on(self.stand, home).state is RunState.SUCCEEDED
        assert mine(self.stand) == [1] * 8


in_every_way = pytest.mark.parametrize("going", ["closed", "moved", "returned"], indirect=True)
REFUSED = (StaleEpoch, ShopMoving)


@pytest.fixture
def going(request: pytest.FixtureRequest, stand: DebtsStand) -> Going:
    return Going(stand, getattr(request, "param", "moved"))


# A walk goes on after its shop has gone


@in_every_way
def test_a_batch_after_the_shop_has_gone_leaves_everything_as_it_is(stand: DebtsStand, going: Going) -> None:
    with pytest.raises(REFUSED):
        work(stand, None, None, None, going.go)
    going.check()
    [part] = shard_of(stand, stand.home(SHOP)).partitions.of(RUN)
    assert (part.state, part.owner, part.rows_done) == (PartitionState.RUNNING, RUN, 3)
    going.finish()


def test_nothing_is_taken_of_a_shop_that_has_gone(stand: DebtsStand, going: Going) -> None:
    work(stand, None, None, None)
    with once_at("partitions.taking", going.go), pytest.raises(REFUSED):
        work(stand, then_stop=False)
    going.check()
    going.finish()


@in_every_way
def test_who_stops_after_the_shop_has_gone_gives_nothing_back(stand: DebtsStand, going: Going) -> None:
    with once_at("leases.writing", going.go):
        assert isinstance(work(stand, None, None, None), Interrupted)
    going.check()
    going.finish()


def test_a_batch_that_fails_while_the_shop_goes_is_counted_nowhere(stand: DebtsStand, going: Going) -> None:
    Mark.trouble = failing("each")
    with once_at("leases.writing", going.go), pytest.raises(REFUSED):
        work(stand, then_stop=False)
    going.check()
    Mark.trouble = None
    going.finish()


def test_a_second_failure_is_counted_nowhere_either(stand: DebtsStand, going: Going) -> None:
    Mark.trouble = failing("each")
    # The first one is counted when it has failed; the second before it begins, and then with its error.
    with once_at("leases.writing", going.go, 3), pytest.raises(REFUSED):
        work(stand, then_stop=False)
    going.check()
    Mark.trouble = None
    going.finish()


def test_who_waits_for_a_throttle_does_not_renew_what_has_gone(stand: DebtsStand, going: Going) -> None:
    with once_at("leases.writing", going.go), pytest.raises(REFUSED):
        work(stand, then_stop=False, held_back=Held("replica lag 9 s", 1.0))
    going.check()
    going.finish()


def test_who_leaves_for_a_throttle_gives_nothing_back(stand: DebtsStand, going: Going) -> None:
    with once_at("leases.writing", going.go):
        assert isinstance(work(stand, then_stop=False, held_back=Held("replica lag 9 s", 60.0)), Snooze)
    going.check()
    going.finish()


def test_a_run_that_is_to_pause_does_so_where_its_shop_is(stand: DebtsStand, going: Going) -> None:
    """Its job must not end as if it had answered: nobody would come before its lease is over."""

    def pause() -> None:
        with shard_of(stand).open(SHOP) as session:
            shard_of(stand).runs.transition(session.connection(), RUN, RunState.PAUSING)

    with once_at("leases.writing", going.go), pytest.raises(REFUSED):
        work(stand, None, None, None, pause)
    going.check()
    assert work(stand, pod_id=B, epoch=2, then_stop=False) is None
    assert run_on(stand, B).state is RunState.PAUSED


def test_a_hook_that_fails_while_the_shop_goes_fails_no_run_here(stand: DebtsStand, going: Going) -> None:
    Mark.trouble = failing("on_start")
    with once_at("leases.writing", going.go), pytest.raises(REFUSED):
        work(stand, then_stop=False)
    going.check()
    Mark.trouble = None
    going.finish()


def test_one_too_many_gives_nothing_back_after_the_shop_has_gone(stand: DebtsStand, going: Going) -> None:
    def fewer() -> None:
        with stand.topology.connections.engine(A).begin() as connection:
            connection.exec_driver_sql("UPDATE podwork_partitions SET slot = 1, revision = revision + 1")

    with once_at("leases.writing", going.go), pytest.raises(REFUSED):
        work(stand, None, None, None, fewer)
    going.check()
    going.finish()


# Each of the writes


WRITES: dict[str, Callable[[Leases, Partition], object]] = {
    "take": lambda leases, _held: leases.take(RUN, "another", dead_owners=[RUN]),
    "renew": lambda leases, held: leases.renew(held, throttle_reason="lag"),
    "trying": lambda leases, held: leases.trying(held, 1),
    "attempt_failed": lambda leases, held: leases.attempt_failed(held, "bad", 1),
    "trial_failed": lambda leases, held: leases.trial_failed(held, "bad"),
    **{
        f"release {why}": lambda leases, held, why=why: leases.release(held, why, "bad")  # type: ignore[misc]  # a bound default
        for why in Leaving
    },
}


@in_every_way
def test_leases_change_under_the_shops_fence_only(stand: DebtsStand, going: Going) -> None:
    work(stand, None, None, None)
    with job():
        leases = shard_of(stand).leases(SHOP)
        held = leases.take(RUN, RUN)
        assert held is not None
        going.go()
        for what, write in WRITES.items():
            with pytest.raises(REFUSED):
                write(leases, held)
            assert kept_rows(stand) == going.left, what


def test_where_the_shop_is_they_change(stand: DebtsStand) -> None:
    work(stand, None, None, None)
    with job():
        leases = shard_of(stand).leases(SHOP)
        for what, write in WRITES.items():
            held = leases.take(RUN, RUN, dead_owners=[RUN, "another"])
            assert held is not None, what
            before = kept_rows(stand)
            assert write(leases, held), what
            assert kept_rows(stand) != before, what


# Items that were left out, and runs that are begun, outside of a job


def quarantine_one(stand: DebtsStand) -> None:
    """Leave out the run's next item."""
    shard = shard_of(stand)
    with job():
        held = shard.leases(SHOP).take(RUN, RUN)
        assert held is not None
        with shard.open(SHOP) as session:
            shard.quarantine.add(session.connection(), held, (19,), "bad", limit=5)
        shard.leases(SHOP).release(held, Leaving.YIELDED)


def test_an_item_that_fails_again_while_the_shop_goes_stays_as_it_is(stand: DebtsStand, going: Going) -> None:
    work(stand, None, None, None)
    quarantine_one(stand)
    shard, run = shard_of(stand), run_on(stand)
    [item] = shard.quarantine.page(RUN)
    Mark.trouble = failing("each")
    with once_at("redoing.failed", going.go), pytest.raises(REFUSED):
        redo(shard, app.job_class("mark"), run, item)
    going.check()


def test_a_run_is_not_looked_for_where_its_shop_is_now(stand: DebtsStand) -> None:
    """Outside of a job transactions follow their shop; what was read here says nothing about rows there."""
    work(stand, None, None, None)
    quarantine_one(stand)
    [item] = shard_of(stand).quarantine.page(RUN)
    run, going = run_on(stand), Going(stand, "moved")
    going.go()
    there = kept_rows(stand, B)
    with pytest.raises(StaleEpoch, match=f"the shop is on pod {B}, the run on pod {A}"):
        redo(shard_of(stand), app.job_class("mark"), run, item)
    with pytest.raises(StaleEpoch):
        begin(shard_of(stand), NewRun(f"01937d1f2ab4f06c1d9e3-{SHOP}", "mark", {}, shop_id=SHOP), print)
    going.check()
    assert kept_rows(stand, B) == there


def test_people_give_no_orders_to_a_run_whose_shop_has_no_fence_here(stand: DebtsStand) -> None:
    work(stand, None, None, None)
    with stand.topology.connections.engine(A).begin() as connection:
        connection.exec_driver_sql("DELETE FROM podwork_fence")
    engine, single = (
        lambda: stand.topology.connections.engine(A),
        lambda: stand.topology.connections.engine(A, autocommit=True),
    )
    before = kept_rows(stand)
    with pytest.raises(RunConflict, match="its fence is missing"):
        RunControl(A, engine, single).pause(RUN, "wait")
    assert kept_rows(stand) == before


# Locks


@pytest.mark.parametrize("stand", ["mariadb"], indirect=True)
def test_a_taker_that_waits_for_a_row_gives_up_and_stands_in_no_movers_way_then(stand: DebtsStand) -> None:
    """SQLite has one writer at a time: there the mover waits for it as for every other."""
    work(stand, None, None, None)
    fence = stand.topology.shard_fence(A)
    got: list[Partition | None] = []

    def take() -> None:
        with job():
            got.append(shard_of(stand).leases(SHOP).take(RUN, RUN))

    with stand.topology.connections.engine(A).connect() as hanging:
        hanging.exec_driver_sql("SELECT * FROM podwork_partitions FOR UPDATE")
        with once_at("shop_transaction.checked", lambda: None) as seen:
            taking = threading.Thread(target=take)
            taking.start()
            until(lambda: seen, message="the taker has passed the fence")
            with suppress(FenceBusy):
                fence.close(SHOP, 1, mover_epoch=1, lock_wait_seconds=1)
            taking.join(30)
        assert got == [None], "the row cannot be had"
        fence.close(SHOP, 1, mover_epoch=1, lock_wait_seconds=1)
        hanging.rollback()


def test_of_two_takers_of_a_shops_run_one_gets_the_slot(stand: DebtsStand) -> None:
    work(stand, None, None, None)
    shard = shard_of(stand)

    def take(owner: str) -> Partition | None:
        with job():
            return shard.leases(SHOP).take(RUN, owner)

    with together("partitions.taking", 2):
        got = at_once(lambda: take("a"), lambda: take("b"))
    [held] = [one for one in got if one is not None]
    assert (held.slot, held.lease_epoch) == (0, 2)


def test_a_pods_run_opens_no_transaction_for_its_leases(stand: DebtsStand) -> None:
    shard = shard_of(stand)
    with shard.open(None) as session:
        made = shard.runs.create(session.connection(), NewRun(POD_RUN, "mark", {}), ())
        shard.runs.cut(session.connection(), made.id, [Slice(None, None)], 0)
    begun: list[object] = []
    said: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        said.append(statement.split(maxsplit=1)[0])

    event.listen(stand.topology.connections.engine(A), "begin", begun.append)
    event.listen(stand.topology.connections.engine(A, autocommit=True), "before_cursor_execute", note)
    held = shard.leases(None).take(POD_RUN, POD_RUN)
    assert held is not None
    assert said == ["SELECT", "SELECT", "UPDATE", "SELECT"]
    said.clear()
    assert shard.leases(None).renew(held)
    assert shard.leases(None).release(held, Leaving.YIELDED)
    assert said == ["UPDATE", "UPDATE"]
    assert begun == []


# The keeper


on_sqlite = pytest.mark.parametrize("stand", ["embedded"], indirect=True)
"""For what is no matter of the database."""


class Kept:
    """The keeper of pod A, over the shop's run and one of the pod's; the shop's is looked at first."""

    def __init__(self, stand: DebtsStand) -> None:
        self.stand = stand
        self.pushed: list[str] = []
        self.error: PodworkError | None = None
        shard = shard_of(stand)
        with shard.open(None) as session:
            shard.runs.create(session.connection(), NewRun(POD_RUN, "mark", {}), ())
        work(stand, None, None, None)
        assert [run.id for run in shard.runs.page()] == [RUN, POD_RUN]
        self.keeper = Keeper(shard, self._push, LEASE_SECONDS)

    def turn(self) -> None:
        around: Any = None  # asked for only when jobs were pushed in vain
        self.pushed.clear()
        self.keeper.turn(around)

    def _push(self, run: Run) -> None:
        if run.id == RUN and self.error is not None:
            raise self.error
        self.pushed.append(run.id)


@on_sqlite
@pytest.mark.parametrize(
    "error",
    [
        ShopOnHold(SHOP, 0.0),
        ShopMoving(SHOP, "closed"),
        StaleEpoch(SHOP, 1, "it has moved"),
        RedirectLoop(SHOP, [1, 2, 1]),
        RunConflict(RUN, "somebody was quicker", ""),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_run_whose_shop_is_on_its_way_is_left_for_later_and_the_others_are_kept(
    stand: DebtsStand, error: PodworkError
) -> None:
    kept = Kept(stand)
    kept.error = error
    kept.turn()
    assert kept.pushed == [POD_RUN]
    kept.error = None
    kept.turn()
    assert kept.pushed == [RUN], "it is looked at again at once; the other was pushed just now"


@on_sqlite
def test_what_one_run_meets_is_said_after_the_others_were_kept(stand: DebtsStand) -> None:
    kept = Kept(stand)
    kept.error = UnknownShop(SHOP)
    with pytest.raises(UnknownShop):
        kept.turn()
    assert kept.pushed == [POD_RUN]


@on_sqlite
def test_what_all_runs_would_meet_ends_the_turn(stand: DebtsStand) -> None:
    kept = Kept(stand)
    kept.error = StoreUnavailable("redis://somewhere", "refused")
    with pytest.raises(StoreUnavailable):
        kept.turn()
    assert kept.pushed == []


@pytest.mark.parametrize("way", ["closed", "moved"])
def test_the_keeper_fails_no_run_whose_shop_has_gone(
    stand: DebtsStand, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    kept, going = Kept(stand), Going(stand, way)
    monkeypatch.setattr(Keeper, "_is_due", lambda _self, _run: True)
    monkeypatch.setattr(Keeper, "_bury", lambda self, run, _around: run.id == RUN and self._fail(run, "dead"))
    kept.turn()
    assert kept.pushed == [RUN, POD_RUN]
    with once_at("keeper.pushing", going.go):
        kept.turn()
    going.check()
    assert POD_RUN in kept.pushed
    assert run_on(stand, stand.home(SHOP)).state is RunState.INTERRUPTED
