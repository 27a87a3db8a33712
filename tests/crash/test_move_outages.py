"""What may befall the workers that are movers: frozen for a minute, or cut off from ZooKeeper; the move ends.

Movers are jobs of real workers here: nobody but the reconciler sees to it that somebody goes on.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from podwork_ops.local.zookeeper import ZookeeperServer
from podwork_pods.mover import service
from podwork_pods.mover.move import Move
from podwork_pods.mover.states import MoveState
from tests.support import trading_shop
from tests.support.move_fleet import A, B, MoveFleet, move_fleet
from tests.support.pause import Point, Stop, start_pausing
from tests.support.processes import PODCTL, Processes
from tests.support.servers import PrivateServers, fresh_redis, paused
from tests.support.wait import until
from tests.support.zookeeper_sessions import WorkerSessions

FROZEN_SECONDS = 60.0
POINTS = ["move.copy.before", "move.close_here.after", "move.switch.after"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def registry(own_zookeeper: ZookeeperServer) -> str:
    return f"{own_zookeeper.url}/moves"


@pytest.fixture
def fleet(
    tmp_path: Path, processes: Processes, private_servers: PrivateServers, mariadb_url: str, registry: str
) -> Iterator[MoveFleet]:
    """Pods in ZooKeeper, without workers."""

    def adjust(config: str) -> str:
        moving = '[moves]\ntables = "tests.support.trading_shop:tables"\n'
        return config.replace(f"sqlite:///{tmp_path}/registry.db", registry) + moving

    redis = {
        A: fresh_redis(private_servers, private_servers.redis()),
        B: fresh_redis(private_servers, private_servers.valkey()),
    }
    with move_fleet(tmp_path, processes, mariadb_url, redis, adjust=adjust) as made:
        service.declare(trading_shop.app, "critical")
        yield made


def begin(fleet: MoveFleet, processes: Processes, point: str) -> tuple[Move, Stop, int]:
    """Let the worker of B move the shop up to a point; return the supervisor of that worker, too.

    Only then is there one of A, which moves shops as well.
    """
    options = ("--config", str(fleet.config), "--pod", str(B), "--processes", "1", "--threads", "3")
    started = start_pausing(processes, [Point(point)], *PODCTL, "workers", *options)
    fleet.workers[B, 0] = started.process
    move = fleet.plan(grace_seconds=0.0)
    service.push(trading_shop.app, move, B)
    stop = started.wait_at(point)
    fleet.start_worker(A, movers=True)
    return move, stop, started.process.pid


def until_over(fleet: MoveFleet, move: Move) -> None:
    """Wait until the move is done."""
    try:
        until(lambda: fleet.moves.get(move.id).state.is_over, 180)
    except AssertionError:
        raise AssertionError(f"not over: {fleet.told(move)}") from None
    assert fleet.moves.get(move.id).state is MoveState.DONE, fleet.told(move)


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_is_frozen_for_a_minute(fleet: MoveFleet, processes: Processes, point: str) -> None:
    with fleet.trading():
        move, stop, supervisor = begin(fleet, processes, point)
        os.killpg(supervisor, signal.SIGSTOP)
        frozen_at = time.monotonic()
        try:
            until_over(fleet, move)
            until(lambda: time.monotonic() >= frozen_at + FROZEN_SECONDS, 2 * FROZEN_SECONDS)
            stop.go_on()
        finally:
            os.killpg(supervisor, signal.SIGCONT)
        assert len({event.mover_epoch for event in fleet.moves.events(move.id)}) > 1, "nobody took over"
    fleet.check(move, once=False)


@pytest.mark.parametrize("point", POINTS)
def test_all_sessions_with_zookeeper_expire(
    fleet: MoveFleet, processes: Processes, registry: str, point: str
) -> None:
    sessions = WorkerSessions(registry)
    with fleet.trading():
        move, stop, _ = begin(fleet, processes, point)
        until(lambda: len(sessions.read()) == 2, message="both workers are announced")
        ended = sessions.expire()
        stop.go_on()
        until_over(fleet, move)
        until(lambda: len(sessions.read() - ended) == 2, 60, "both are announced again")
    fleet.check(move)


def test_zookeeper_is_away_during_the_cut_over(
    fleet: MoveFleet, processes: Processes, registry: str, own_zookeeper: ZookeeperServer
) -> None:
    """Nothing of a move rests on it: pods are known, and who leads one is said by its Redis."""
    sessions = WorkerSessions(registry)
    with fleet.trading():
        move, stop, _ = begin(fleet, processes, "move.pause_here.before")
        until(lambda: len(sessions.read()) == 2, message="both workers are announced")
        with paused(own_zookeeper):
            stop.go_on()
            until_over(fleet, move)
    fleet.check(move)
