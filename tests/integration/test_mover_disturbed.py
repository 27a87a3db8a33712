"""Rows that change while they are compared, and moves that are given up by the mover that began them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from podwork import points
from podwork.interfaces import Route
from podwork_pods.mover.crossing import GivesUp
from podwork_pods.mover.joined import comparing, followed_copy
from podwork_pods.mover.rows.passing import RowPassage
from podwork_pods.mover.states import MoveState
from tests.support.move_stand import SHOP, A, B, MoveStand, move_stand
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


@pytest.mark.parametrize(("fresh_seconds", "brings"), [(0.0, True), (3600.0, False)])
def test_while_ranges_are_compared_what_changes_is_brought_now_and_then(
    stand: MoveStand, monkeypatch: pytest.MonkeyPatch, fresh_seconds: float, brings: bool
) -> None:
    monkeypatch.setattr(comparing, "FRESH_SECONDS", fresh_seconds)
    stand.trade(3, 1)
    move = stand.plan()
    brought: list[str] = []
    apply = RowPassage.apply

    def applied(self: RowPassage, *given: Any, **named: Any) -> int:
        brought.append(stand.moves.get(move.id).state)
        return apply(self, *given, **named)

    monkeypatch.setattr(RowPassage, "apply", applied)
    assert stand.turn(move).state is MoveState.REVERSIBLE, stand.moves.get(move.id)
    assert (brought.count("verifying") > 3) is brings
    stand.check(Route(B, 2), kept=True)


def test_a_key_that_differs_before_the_fence_closes_is_looked_at_under_it(
    stand: MoveStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followed_copy, "FEW_KEYS", 0)
    stand.trade(3, 1)
    move = stand.plan()
    stand.write(1, "as it is")

    def touch(name: str) -> None:
        if name == "move.close_up.before":
            stand.write(2, "changed at last")

    def spoil() -> None:
        stand.run(B, f"UPDATE orders SET code = 'spoilt' WHERE id = 2 AND shop_id = {SHOP}")

    spoils = between("move.close_up.before", "move.close_up.after", "rows.committed", spoil)

    def hook(name: str) -> None:
        touch(name)
        spoils(name)

    with at_points(hook):
        turn = stand.turn(move)
    assert turn.state is MoveState.ABORTED, stand.moves.get(move.id)
    assert "orders: 1 rows differ under the fence" in stand.moves.get(move.id).reason
    stand.check(Route(A, 1), kept=False)


def test_a_mover_that_has_not_compared_itself_does_so_before_the_cut_over(stand: MoveStand) -> None:
    stand.trade(3, 1)
    move = stand.plan(held=True)
    assert stand.turn(move).state is MoveState.READY
    stand.run(B, f"UPDATE orders SET code = 'spoilt' WHERE id = 2 AND shop_id = {SHOP}")
    stand.orders.release(move.id, "anna", "now")
    turn = stand.turn(move)
    assert turn.state is MoveState.ABORTED, stand.moves.get(move.id)
    assert "rows differ, though nobody changes them: orders: 1 rows (id=2)" in stand.moves.get(move.id).reason
    stand.check(Route(A, 1), kept=False)


def test_a_shop_does_not_go_back_to_rows_that_somebody_has_written_to(stand: MoveStand) -> None:
    stand.trade(3, 1)
    move = stand.plan()
    assert stand.turn(move).state is MoveState.REVERSIBLE
    stand.run(A, f"UPDATE orders SET code = 'stale' WHERE id = 2 AND shop_id = {SHOP}")
    stand.orders.reverse(move.id, "anna", "back")
    stand.turn(move)
    found = stand.moves.get(move.id)
    assert found.state is MoveState.REVERSIBLE, found
    why = stand.moves.events(move.id)[-1].why
    assert "rows differ, though nobody changes them: orders: 1 rows (id=2)" in why
    assert stand.topology.directory.locate(SHOP) == Route(B, 2)
    stand.write(2, "goes on")


def test_a_key_that_was_seen_equal_and_changes_again_arrives(
    stand: MoveStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followed_copy, "FEW_KEYS", 0)
    stand.trade(3, 1)
    move = stand.plan()

    def touch(name: str) -> None:
        if name in ("move.close_up.before", "move.close_up.after"):
            stand.write(2, f"changed at {name} {len(stand.moves.events(move.id))}")

    with at_points(touch):
        turn = stand.turn(move)
    assert turn.state is MoveState.REVERSIBLE, stand.moves.get(move.id)
    stand.check(Route(B, 2), kept=True)


@pytest.mark.parametrize(
    ("pod_id", "statement", "ends"),
    [
        (A, "ALTER TABLE order_lines ADD COLUMN late INT", MoveState.ABORTED),
        (B, "ALTER TABLE order_lines ADD COLUMN late INT", MoveState.ABORTED),
        (B, "CREATE TRIGGER late AFTER INSERT ON orders FOR EACH ROW SET @late = 1", MoveState.ABORTED),
        (B, "ALTER TABLE order_lines COMMENT 'that says nothing of rows'", MoveState.REVERSIBLE),
        (B, "ALTER TABLE order_lines AUTO_INCREMENT = 7", MoveState.REVERSIBLE),
    ],
)
def test_a_table_that_is_changed_in_the_cut_over(
    stand: MoveStand, pod_id: int, statement: str, ends: MoveState
) -> None:
    stand.trade(3, 1)
    move = stand.plan()

    def change(name: str) -> None:
        if name == "move.close_here.before":
            stand.run(pod_id, statement)

    with at_points(change):
        turn = stand.turn(move)
    assert turn.state is ends, stand.moves.get(move.id)
    if ends is MoveState.ABORTED:
        stand.check(Route(A, 1), kept=False)
    else:
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
