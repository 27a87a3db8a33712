"""Rows that change while they are compared, and moves that are given up by the mover that began them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from podwork import points
from podwork.interfaces import Route
from podwork_pods.mover.crossing import GivesUp
from podwork_pods.mover.states import MoveState
from tests.support.move_stand import A, B, MoveStand, move_stand
from tests.support.servers import PrivateServers, fresh_redis


def made(folder: Path, servers: PrivateServers, url: str = "") -> MoveStand:
    redis = {A: fresh_redis(servers, servers.redis()), B: fresh_redis(servers, servers.valkey())}
    return move_stand(folder, redis, url)


@pytest.fixture
def stand(tmp_path: Path, private_servers: PrivateServers, mariadb_url: str) -> Iterator[MoveStand]:
    found = made(tmp_path, private_servers, mariadb_url)
    yield found
    found.close()


@pytest.fixture
def embedded(tmp_path: Path, private_servers: PrivateServers) -> Iterator[MoveStand]:
    found = made(tmp_path, private_servers)
    yield found
    found.close()


@contextmanager
def at_points(hook: Callable[[str], None]) -> Iterator[None]:
    """Call the hook at every point that is reached."""
    points.install(hook)
    try:
        yield
    finally:
        points.install(None)


def between(first: str, last: str, point: str, act: Callable[[], None]) -> Callable[[str], None]:
    """Return a hook that acts at a point, whenever it is reached between two others."""
    is_on = [False]

    def hook(name: str) -> None:
        if name in (first, last):
            is_on[0] = name == first
        if is_on[0] and name == point:
            act()

    return hook


def test_a_row_that_changes_all_the_time_does_not_stop_the_verification(stand: MoveStand) -> None:
    stand.trade(3, 1)
    move = stand.plan()
    numbers = iter(range(1000))

    def write() -> None:
        stand.write(1, f"hot {next(numbers)}")

    first = between("move.verify.before", "move.verify.after", "move.verify.range", write)
    then = between("move.verify.before", "move.verify.after", "rows.committed", write)

    def hook(name: str) -> None:
        first(name)
        then(name)

    with at_points(hook):
        turn = stand.turn(move)
    assert turn.state is MoveState.REVERSIBLE, stand.moves.get(move.id)
    assert next(numbers) > 2
    assert not any(
        event.before == "verifying" and event.after == "catchup" for event in stand.moves.events(1)
    )
    stand.check(Route(B, 2), kept=True)


@pytest.mark.parametrize("form", ["stand", "embedded"])
def test_a_mover_that_gives_up_what_it_has_begun_leaves_nothing_behind(
    request: pytest.FixtureRequest, form: str
) -> None:
    stand: MoveStand = request.getfixturevalue(form)
    stand.trade(3, 1)
    move = stand.plan()

    def give_up(name: str) -> None:
        if name == "move.bring_last.before":
            raise GivesUp("it will not do")

    with at_points(give_up):
        turn = stand.turn(move)
    assert turn.state is MoveState.ABORTED, stand.moves.get(move.id)
    stand.check(Route(A, 1), kept=False)
