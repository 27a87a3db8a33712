"""What backfills owe a moving shop: every row is done once, whichever pod's run passes it."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from podwork import points
from podwork.errors import RunConflict, ShopOnHold, StaleEpoch
from podwork.iteration.states import RunState
from podwork_pods import standstill
from podwork_pods.errors import FenceConflict
from podwork_pods.iteration import left_out
from podwork_pods.iteration.control import RunControl, Settings
from podwork_pods.iteration.keeper import Keeper
from podwork_pods.iteration.left_out import LeftOut
from podwork_pods.iteration.redoing import redo
from podwork_pods.iteration.run import Run
from podwork_pods.mover.crossing import GivesUp, GivesWay
from tests.support.debts_stand import SHOPS, A, B, DebtsStand, app, debts_stand

GROUP = "01937d1f2ab4f06c1d9e2-pod"
LATER = "01937d1f2ab4f06c1d9e3-pod"
SHOP = SHOPS[0]


@pytest.fixture(params=["embedded", "mariadb"])
def stand(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DebtsStand]:
    url = str(request.getfixturevalue("mariadb_url")) if request.param == "mariadb" else ""
    made = debts_stand(tmp_path, url)
    yield made
    made.close()


def whole_move(stand: DebtsStand, shop_id: int = SHOP) -> None:
    """Move the shop to the other pod, and purge what it leaves behind."""
    passing = stand.move(shop_id)
    passing.debts.settle_first()
    passing.receive()
    passing.copy()
    passing.debts.enter_transit()
    passing.switch()
    passing.debts.settle_last()
    passing.purge_here()


def left_on(stand: DebtsStand, pod_id: int, shop_id: int = SHOP) -> set[str]:
    """Return the groups whose runs leave the shop out on the pod."""
    with stand.topology.connections.engine(pod_id).begin() as connection:
        return left_out.groups_of(connection, shop_id)


def test_what_the_sources_run_has_not_done_becomes_a_run_of_the_shop(stand: DebtsStand) -> None:
    here, there = stand.begin(A, GROUP), stand.begin(B, GROUP)
    stand.work(A, here, 3)
    stand.work(B, there, None)
    whole_move(stand)
    assert left_on(stand, A) == left_on(stand, B) == {GROUP}
    (own,) = stand.own(SHOP)
    assert (own.cut_from, own.group_id, own.pod_id, own.job_class) == (here, GROUP, B, "each")
    stand.work_all()
    assert set(stand.counts().values()) == {1}
    assert len(stand.counts()) == 24


def test_a_backfill_that_only_the_target_has_had_is_owed_whole(stand: DebtsStand) -> None:
    there = stand.begin(B, GROUP)
    stand.work(B, there, None)
    whole_move(stand)
    stand.begin(A, GROUP)
    stand.work_all()
    assert set(stand.counts().values()) == {1}


def test_rows_that_are_joined_are_left_out_and_owed_likewise(stand: DebtsStand) -> None:
    here = stand.begin(A, GROUP, table="order_lines")
    stand.work(A, here, 2)
    whole_move(stand)
    stand.begin(B, GROUP, table="order_lines")
    stand.work_all()
    assert set(stand.counts("order_lines").values()) == {1}
    assert set(stand.counts().values()) == {0}


def test_a_backfill_that_begins_later_leaves_the_shop_out_too(stand: DebtsStand) -> None:
    here = stand.begin(A, GROUP)
    stand.work(A, here, None)
    whole_move(stand)
    stand.begin(B, GROUP)
    stand.work_all()
    assert set(stand.counts().values()) == {1}


def test_what_began_while_the_shop_was_on_its_way_is_owed_whole(stand: DebtsStand) -> None:
    passing = stand.move(SHOP)
    passing.debts.settle_first()
    here = stand.begin(A, GROUP)
    stand.work(A, here, None)
    passing.receive()
    passing.copy()
    there = stand.begin(B, LATER)
    stand.work(B, there, None)
    passing.switch()
    passing.debts.settle_last()
    passing.debts.settle_last()
    assert sorted(run.group_id or "" for run in stand.own(SHOP)) == [GROUP, LATER]
    stand.work_all()
    mine = set(range(1, 25, len(SHOPS)))
    assert {count for number, count in stand.counts().items() if number in mine} == {2}
    assert {count for number, count in stand.counts().items() if number not in mine} == {1}


def test_a_move_that_is_given_up_leaves_no_row_undone(stand: DebtsStand) -> None:
    here = stand.begin(A, GROUP)
    stand.work(A, here, 2)
    passing = stand.move(SHOP)
    passing.debts.settle_first()
    passing.receive()
    passing.copy()
    stand.work(A, here, 1)
    passing.abort()
    passing.debts.settle_last()
    assert left_out.ANY not in left_on(stand, A) | left_on(stand, B)
    stand.work_all()
    assert set(stand.counts().values()) == {1}


def test_a_move_that_ends_before_it_has_begun_owes_nothing(stand: DebtsStand) -> None:
    here = stand.begin(A, GROUP)
    stand.work(A, here, 2)
    passing = stand.move(SHOP)
    passing.abort()
    passing.debts.settle_last()
    assert stand.own(SHOP) == []
    stand.work_all()
    assert set(stand.counts().values()) == {1}


def test_kept_rows_are_left_out_until_they_are_purged(stand: DebtsStand) -> None:
    passing = stand.move(SHOP)
    passing.debts.settle_first()
    passing.receive()
    passing.copy()
    passing.switch()
    passing.debts.settle_last()
    assert left_out.ANY in left_on(stand, A)
    here = stand.begin(A, GROUP)
    stand.work(A, here, None)
    with stand.topology.connections.engine(A).begin() as connection:
        kept = connection.exec_driver_sql(f"SELECT SUM(n) FROM orders WHERE shop_id = {SHOP}").scalar()
    assert kept == 0
    passing.purge_here()
    assert left_out.ANY not in left_on(stand, A)


def test_what_stands_in_quarantine_is_owed(stand: DebtsStand) -> None:
    here = stand.begin(A, GROUP)
    stand.work(A, here, 2)
    shard = stand.topology.iteration_shard(A)
    with stand.topology.connections.engine(A).begin() as connection:
        connection.exec_driver_sql("UPDATE orders SET n = 0 WHERE id = 1")
        (part,) = shard.partitions.of(here)
        shard.quarantine.add(connection, part._replace(cursor=None), (1,), "bad", limit=5)
    whole_move(stand)
    stand.work_all()
    assert set(stand.counts().values()) == {1}


def test_an_item_of_a_shop_that_is_left_out_stays_in_quarantine(stand: DebtsStand) -> None:
    here = stand.begin(A, GROUP)
    stand.work(A, here, 2)
    shard = stand.topology.iteration_shard(A)
    with stand.topology.connections.engine(A).begin() as connection:
        (part,) = shard.partitions.of(here)
        shard.quarantine.add(connection, part._replace(cursor=None), (1,), "bad", limit=5)
        left_out.add(connection, SHOP, {left_out.ANY})
    before, run = stand.counts(), shard.runs.get(here)
    assert run is not None
    (item,) = shard.quarantine.page(here)
    said = redo(shard, app.job_classes["each"], run, item)
    assert "its shop is left out of this run" in (said or "")
    assert stand.counts() == before
    assert [found.retried for found in shard.quarantine.page(here)] == [None]


def test_a_paused_run_owes_a_paused_run(stand: DebtsStand) -> None:
    here = stand.begin(A, GROUP)
    stand.work(A, here, 1)
    with stand.topology.iteration_shard(A).open(None) as session:
        stand.topology.iteration_shard(A).runs.transition(session.connection(), here, RunState.PAUSED)
    whole_move(stand)
    (own,) = stand.own(SHOP)
    assert own.state is RunState.PAUSED


@pytest.mark.parametrize("state", [RunState.CANCELLING, RunState.CANCELLED])
def test_a_cancelled_run_owes_nothing(stand: DebtsStand, state: RunState) -> None:
    here = stand.begin(A, GROUP)
    stand.work(A, here, 1)
    with stand.topology.connections.engine(A).begin() as connection:
        connection.exec_driver_sql(f"UPDATE podwork_runs SET state = '{state}' WHERE id = '{here}'")
    whole_move(stand)
    assert stand.own(SHOP) == []


# Runs from which no shop can be cut out


@pytest.mark.parametrize("pod_id", [A, B])
def test_a_run_that_cannot_leave_out_shops_is_named(stand: DebtsStand, pod_id: int) -> None:
    run_id = stand.begin(pod_id, GROUP, "range")
    stand.work(pod_id, run_id, 0)
    passing = stand.move(SHOP)
    with pytest.raises(GivesUp, match=f"run {run_id} of range works over all of pod {pod_id}"):
        passing.debts.settle_first()
    passing.abort()
    passing.debts.settle_last()
    stand.work_all()
    assert set(stand.counts().values()) == {int(pod_id == A)}
    assert left_on(stand, A) == left_on(stand, B) == set()


def test_a_run_that_cannot_leave_out_shops_waits_while_one_is_on_its_way(stand: DebtsStand) -> None:
    passing = stand.move(SHOP)
    passing.debts.settle_first()
    here = stand.begin(A, GROUP, "range")
    assert stand.work(A, here, None) is not None, "it comes back later"
    run = stand.topology.iteration_shard(A).runs.get(here)
    assert run is not None
    assert (run.state, f"their rows are kept: {SHOP};" in run.reason) == (RunState.THROTTLED, True)
    assert set(stand.counts().values()) == {0}
    passing.abort()
    passing.debts.settle_last()
    stand.work_all()
    assert set(stand.counts().values()) == {1}


def test_a_run_that_cannot_leave_out_shops_does_no_batch(
    stand: DebtsStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = stand.begin(A, GROUP, "range")
    passing = stand.move(SHOP)

    def leave_it_out(point: str) -> None:
        if point == "opening.cut":  # after whoever asks whether it has to wait was made
            with stand.topology.connections.engine(A).begin() as connection:
                left_out.add(connection, SHOP, {left_out.ANY})

    monkeypatch.setattr(LeftOut, "held", lambda _self, _opened, throttled: throttled)
    points.install(leave_it_out)
    try:
        stand.work(A, here, 2)
    finally:
        points.install(None)
    assert set(stand.counts().values()) == {0}
    passing.abort()


# Locks, and movers that come late


def beside(act: Callable[[], object]) -> threading.Thread:
    """Do it in a thread of its own."""
    thread = threading.Thread(target=act)
    thread.start()
    return thread


@pytest.mark.parametrize("stand", ["mariadb"], indirect=True)
def test_the_cut_waits_for_batches_that_are_under_way(stand: DebtsStand) -> None:
    here = stand.begin(A, GROUP)
    stand.work(A, here, 1)
    passing = stand.move(SHOP)
    threads: list[threading.Thread] = []
    waited: list[bool] = []

    def hook(point: str) -> None:
        if point == "batch.worked" and not threads:
            threads.append(beside(passing.debts.settle_first))
            threads[0].join(0.3)  # long enough to come to the lock; it is still there only if it waits
            waited.append(threads[0].is_alive())

    points.install(hook)
    try:
        stand.work(A, here, 1)
    finally:
        points.install(None)
    threads[0].join(20)
    assert waited == [True]
    passing.receive()
    passing.switch()
    passing.debts.settle_last()
    stand.work_all()
    assert set(stand.counts().values()) == {1}


def test_a_late_mover_writes_nothing(stand: DebtsStand) -> None:
    late = stand.move(SHOP)
    whole_move(stand)
    for step in (late.debts.enter_transit, late.debts.leave_transit, late.debts.settle_purged):
        with pytest.raises(FenceConflict):
            step()
    with pytest.raises((FenceConflict, StaleEpoch)):
        late.debts.settle_first()
    assert left_out.ANY not in left_on(stand, A) | left_on(stand, B)


def test_a_shop_that_was_switched_is_not_cut_any_more(stand: DebtsStand) -> None:
    here = stand.begin(A, GROUP)
    stand.work(A, here, 1)
    passing = stand.move(SHOP)
    passing.receive()
    passing.switch()
    with pytest.raises(StaleEpoch):
        passing.debts.settle_first()
    assert left_on(stand, A) == set()


def test_the_shops_run_works_under_its_fence(stand: DebtsStand) -> None:
    here = stand.begin(A, GROUP)
    stand.work(A, here, 1)
    passing = stand.move(SHOP)
    passing.debts.settle_first()
    (own,) = stand.own(SHOP)
    stand.topology.shard_fence(A).close(SHOP, 1, mover_epoch=1, lock_wait_seconds=2)
    before = stand.counts()
    with suppress(StaleEpoch, ShopOnHold):
        stand.work(A, own.id, None)
    assert stand.counts() == before


def test_runs_of_shops_that_are_not_here_are_left_alone(stand: DebtsStand) -> None:
    here = stand.begin(A, GROUP)
    stand.work(A, here, 1)
    passing = stand.move(SHOP)
    passing.debts.settle_first()
    (own,) = stand.own(SHOP)
    passing.receive()
    passing.copy()
    kept = {pod_id: kept_by(stand, pod_id, own.id) for pod_id in (A, B)}
    assert kept == {A: True, B: False}
    passing.switch()
    passing.debts.settle_last()
    kept = {pod_id: kept_by(stand, pod_id, own.id) for pod_id in (A, B)}
    assert kept == {A: False, B: True}


def test_people_order_a_shops_run_only_where_the_shop_is(stand: DebtsStand) -> None:
    here = stand.begin(A, GROUP)
    stand.work(A, here, 1)
    passing = stand.move(SHOP)
    passing.debts.settle_first()
    (own,) = stand.own(SHOP)
    passing.receive()
    passing.switch()
    controls = {pod_id: control(stand, pod_id) for pod_id in (A, B)}
    for order in (controls[A].pause, controls[A].cancel, controls[A].resume, controls[A].force):
        with pytest.raises(RunConflict, match=f"shop {SHOP} is not on this pod"):
            order(own.id, "no more")
    with pytest.raises(RunConflict, match="its fence is moved"):
        controls[A].set(own.id, Settings(parallel=2))
    assert controls[B].pause(own.id, "wait").run.state is RunState.PAUSED


def control(stand: DebtsStand, pod_id: int) -> RunControl:
    """Return the pod's runs, for people."""
    engine = partial(stand.topology.connections.engine, pod_id)
    return RunControl(pod_id, engine, partial(engine, autocommit=True))


def kept_by(stand: DebtsStand, pod_id: int, run_id: str) -> bool:
    """Return whether the pod's keeper pushes the run's jobs."""
    pushed: list[Run] = []
    around: Any = None  # asked for only when jobs were pushed in vain
    Keeper(stand.topology.iteration_shard(pod_id), pushed.append, 15.0).turn(around)
    return run_id in {run.id for run in pushed}


# Migrations


def test_no_migration_begins_while_a_shop_is_in_transit(stand: DebtsStand) -> None:
    passing = stand.move(SHOP)
    passing.debts.settle_first()
    passing.receive()
    passing.debts.enter_transit()
    passing.debts.enter_transit()
    for pod_id in (A, B):
        with stand.topology.connections.engine(pod_id).begin() as connection:
            assert standstill.shops_in_transit(connection) == [SHOP]
    passing.debts.leave_transit()
    with stand.topology.connections.engine(A).begin() as connection:
        assert standstill.shops_in_transit(connection) == []


@pytest.mark.parametrize("pod_id", [A, B])
def test_a_cut_over_gives_way_to_a_migration(stand: DebtsStand, pod_id: int) -> None:
    with stand.topology.connections.engine(pod_id).begin() as connection:
        standstill.begin_migration(connection, "20260101000001")
    passing = stand.move(SHOP)
    with pytest.raises(GivesWay, match=f"migration 20260101000001 is under way on pod {pod_id}"):
        passing.debts.enter_transit()
    with stand.topology.connections.engine(pod_id).begin() as connection:
        standstill.end_migration(connection)
    passing.debts.enter_transit()


# At random


def history(stand: DebtsStand, seed: int, steps: int) -> None:
    """Let shops move back and forth while a backfill goes over both pods; every row is done once."""
    chance = random.Random(seed)
    begun: dict[int, str] = {}
    moving: dict[int, Iterator[None]] = {}

    def passage(shop_id: int) -> Iterator[None]:
        passing = stand.move(shop_id)
        refused = False
        try:
            passing.debts.settle_first()
        except GivesUp:  # a run that is not cut yet
            refused = True
        yield
        if refused:
            passing.abort()
            passing.debts.settle_last()
            return
        passing.receive()
        passing.copy()
        yield
        if chance.random() < 0.3:
            passing.abort()
            yield
            passing.debts.settle_last()
            return
        passing.switch()
        yield
        passing.debts.settle_last()
        yield
        passing.purge_here()

    for _ in range(steps):
        what = chance.random()
        if what < 0.1:
            pod_id = chance.choice((A, B))
            begun.setdefault(pod_id, stand.begin(pod_id, GROUP))
        elif what < 0.5:
            shop_id = chance.choice(SHOPS)
            step = moving.setdefault(shop_id, passage(shop_id))
            if next(step, "over") == "over":
                del moving[shop_id]
        else:
            pod_id = chance.choice((A, B))
            runs = [run for run in stand.runs(pod_id) if not run.state.is_over]
            if runs:
                with suppress(StaleEpoch, ShopOnHold):
                    stand.work(pod_id, chance.choice(runs).id, chance.randint(1, 2))
    for step in moving.values():
        for _ in step:
            pass
    for pod_id in (A, B):
        begun.setdefault(pod_id, stand.begin(pod_id, GROUP))
    stand.work_all()
    counts = stand.counts()
    assert len(counts) == 24
    assert set(counts.values()) == {1}, f"seed {seed}: {counts}"


@pytest.mark.parametrize("seed", range(3))
def test_shops_that_move_at_random_are_done_once(stand: DebtsStand, seed: int) -> None:
    history(stand, seed, 40)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 140))
def test_shops_that_move_at_random_for_long_are_done_once(stand: DebtsStand, seed: int) -> None:
    history(stand, seed, 120)
