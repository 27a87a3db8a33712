"""A worker lets go of a shop that is about to move, in both modes: nothing fails, and other shops go on."""

from __future__ import annotations

import pytest

from podwork.interventions import Interventions
from podwork.queues import Queues
from podwork.store import Store
from podwork.transfer import Transfer
from tests.support import isolated_shop as shop
from tests.support import worker_shop
from tests.support.isolated_run import IsolatedRun
from tests.support.processes import Processes
from tests.support.servers import PrivateServers, fresh_redis
from tests.support.wait import until


@pytest.fixture
def run(processes: Processes, redis_url: str) -> IsolatedRun:
    return IsolatedRun(processes, redis_url)


@pytest.fixture(params=[False, True], ids=["threads", "isolate"])
def isolate(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def transfer(run: IsolatedRun, private_servers: PrivateServers) -> Transfer:
    target = Queues(Store(fresh_redis(private_servers, private_servers.redis())))
    return Transfer(Queues(run.store), target, shop_id=7, epoch=0, source_pod=1, target_pod=2, mover=1)


def test_what_runs_is_asked_to_stop_and_what_waits_is_given_back(
    run: IsolatedRun, transfer: Transfer, isolate: bool
) -> None:
    run.start(isolate=isolate, threads=2)
    neighbour = run.push(shop.stoppable_here, shop_id=8, go="a")
    runs = run.push(shop.stoppable_here, shop_id=7, go="never")
    run.until_marked("started", neighbour, runs)
    waits = [run.push(worker_shop.effect, shop_id=7) for _ in range(3)]
    assert {one.id for one in transfer.drained()} >= {runs}

    transfer.pause_here()
    until(lambda: not transfer.drained(), 10, "all is given back, long before a heartbeat is due")

    assert run.state(neighbour) == "held"
    assert [run.state(one) for one in (runs, *waits)] == ["ready"] * 4
    found = run.inspection.job(runs)
    assert found is not None
    assert (found.attempts, found.interruptions) == (0, 1)
    transfer.pass_here()
    until(lambda: run.marked("started").get(runs) == 2)
    Interventions(run.store).cancel([neighbour])  # it makes room
    for one in waits:
        run.until_state(one, "ended")
    assert run.marked("started") == {neighbour: 1, runs: 2}, "asked once: begun again, it is left alone"
    Interventions(run.store).cancel([runs])
    run.until_state(runs, "ended")


def test_what_may_start_only_once_is_not_asked(run: IsolatedRun, transfer: Transfer) -> None:
    """It could not begin again: it would be buried."""
    run.start(isolate=False, threads=2)
    asked = run.push(shop.stoppable_here, shop_id=7, go="never")
    once = run.push(shop.once_here, shop_id=7, go="a")
    run.until_marked("started", asked, once)
    transfer.pause_here()
    run.until_state(asked, "ready")
    assert [one.id for one in transfer.drained()] == [once]
    run.go("a")
    run.until_state(once, "ended")
