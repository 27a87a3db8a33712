"""A mover killed, or frozen, at the points that it passes: whoever comes after it ends the move.

A shop trades and its jobs run all the while, in real workers of both pods; movers are processes of their own.
The fast selection kills one and freezes one in the cut-over; the long runs take every point that a mover
passes on its way there, on its way back, when it gives up, and when it undoes a cut-over.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from podwork_pods.mover.move import Move
from podwork_pods.mover.states import MoveState
from tests.support.move_fleet import A, B, MoveFleet, move_fleet
from tests.support.pause import Point
from tests.support.processes import Processes
from tests.support.servers import PrivateServers, fresh_redis

ASLEEP_SECONDS = 5.0
EVERY = int(os.environ.get("PODWORK_EVERY", "1"))
SMALL_ROWS = 100_000
MOST_OF_A_NAME = 6
"""So many times a script or a fence's statement is stopped at; what is said more often is a page more."""
MOST_OF_A_BATCH = 2
"""Likewise for batches of rows, and steps that are taken in rounds."""


@pytest.fixture
def fleet(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    processes: Processes,
    private_servers: PrivateServers,
    mariadb_url: str,
) -> Iterator[MoveFleet]:
    """Its shop is followed; with a number given as parameter, one of so many rows goes the short way."""
    servers = {A: private_servers.redis(), B: private_servers.valkey()}
    redis = {pod: fresh_redis(private_servers, server) for pod, server in servers.items()}
    small_rows = getattr(request, "param", 0)
    with move_fleet(tmp_path, processes, mariadb_url, redis, small_rows=small_rows) as made:
        made.start_workers()
        yield made


# What a mover is about to do


def forth(fleet: MoveFleet) -> Move:
    """The whole way there, up to the end: nobody waits for a person."""
    return fleet.plan(grace_seconds=0.0)


def back(fleet: MoveFleet) -> Move:
    """The way back."""
    move = fleet.plan()
    fleet.finish(move, MoveState.REVERSIBLE)
    return fleet.orders.reverse(move.id, "anna", "too slow there")


def aborted(fleet: MoveFleet) -> Move:
    """Giving up, of a move whose copy is whole."""
    move = fleet.plan(held=True)
    fleet.finish(move, MoveState.READY)
    return fleet.orders.abort(move.id, "anna", "no")


def undone(fleet: MoveFleet) -> Move:
    """A cut-over whose mover was killed right before the switch."""
    move = fleet.plan(grace_seconds=0.0)
    stop = fleet.nursery.start(move.id, Point("move.check_gates.after")).wait_at_point()
    assert stop is not None
    stop.kill()
    return move


Scene = Callable[[MoveFleet], Move]
SCENES: list[Scene] = [forth, back, aborted, undone]


# What happens to it


def killed(fleet: MoveFleet, move: Move, point: Point) -> bool:
    """Kill the mover at the point; False: it came to its end without reaching it."""
    stop = fleet.nursery.start(move.id, point).wait_at_point()
    if stop is not None:
        stop.kill()
    fleet.finish(move)
    return stop is not None


def asleep(fleet: MoveFleet, move: Move, point: Point) -> bool:
    """Freeze the mover at the point until another one has ended the move, or waits for what it holds."""
    mover = fleet.nursery.start(move.id, point)
    stop = mover.wait_at_point()
    if stop is not None:
        stop.freeze()
        another = fleet.nursery.start(move.id)
        over_at = time.monotonic() + ASLEEP_SECONDS
        while not another.has_ended() and time.monotonic() < over_at:
            time.sleep(0.05)
        was_late = another.has_ended()
        stop.thaw()
        stop.go_on()
        ending = mover.ended()["ending"]
        assert not was_late or ending in ("lost", "over"), f"it was late, and {ending}: {fleet.told(move)}"
        another.ended()
    fleet.finish(move)
    return stop is not None


Fate = Callable[[MoveFleet, Move, Point], bool]


def play(fleet: MoveFleet, scene: Scene, fate: Fate, point: Point) -> bool:
    """Let it happen while the shop trades, and look at the promises."""
    with fleet.trading():
        move = scene(fleet)
        was_reached = fate(fleet, move, point)
    fleet.check(move)
    return was_reached


@pytest.mark.timeout(300)
def test_a_mover_is_killed_and_another_wakes_up_late(fleet: MoveFleet) -> None:
    assert play(fleet, forth, killed, Point("move.switch.before"))
    assert play(fleet, forth, asleep, Point("move.close_here.after"))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("fleet", [SMALL_ROWS], indirect=True)
def test_a_mover_of_a_small_shop_is_killed_when_its_copy_is_committed(fleet: MoveFleet) -> None:
    assert play(fleet, forth, killed, Point("rows.copied"))
    assert play(fleet, forth, asleep, Point("rows.committed"))


def points_of(fleet: MoveFleet, scene: Scene) -> list[Point]:
    """Return the points that a mover passes in a scene: let one pass, and see."""
    with fleet.trading():
        move = scene(fleet)
        names: list[str] = fleet.nursery.start(move.id).ended()["points"]
        fleet.finish(move)
    fleet.check(move)
    counts: Counter[str] = Counter()
    found = [Point("rows.event", 20)] if scene is forth else []
    for name in names:
        if scene is undone and name == "move.ready.after":
            break
        counts[name] += 1
        most = MOST_OF_A_NAME if name.startswith(("transfer.", "fence.")) else MOST_OF_A_BATCH
        if counts[name] <= most:
            found.append(Point(name, counts[name]))
    return found


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("fleet", [SMALL_ROWS], indirect=True)
@pytest.mark.parametrize("fate", [killed, asleep])
@pytest.mark.parametrize("scene", [forth, undone])
def test_at_every_point_that_a_mover_of_a_small_shop_passes(
    fleet: MoveFleet, scene: Scene, fate: Fate
) -> None:
    at_every_point(fleet, scene, fate)


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("fate", [killed, asleep])
@pytest.mark.parametrize("scene", SCENES)
def test_at_every_point_that_a_mover_passes(fleet: MoveFleet, scene: Scene, fate: Fate) -> None:
    at_every_point(fleet, scene, fate)


def at_every_point(fleet: MoveFleet, scene: Scene, fate: Fate) -> None:
    """Let it happen at each point that a mover passes in the scene, one after the other."""
    points = points_of(fleet, scene)[random.randrange(EVERY) :: EVERY]
    reached = []
    for point in points:
        sys.stderr.write(f"{point.label}\n")
        if play(fleet, scene, fate, point):
            reached.append(point)
    # Which page or round comes how often is chance; steps are not.
    missed = [point.label for point in points if point not in reached and point.name.startswith("move.")]
    assert missed == []
    assert len(reached) > 0.8 * len(points)
