"""A shop changes pods: rows, jobs, fences, gates and directory, on SQLite and on MariaDB."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from podwork.interfaces import Route
from podwork_pods.mover import runbook
from podwork_pods.mover.move import Move
from podwork_pods.mover.mover import Ending
from podwork_pods.mover.states import MoveState
from tests.support.move_paper import Killed, at_points, once
from tests.support.move_stand import SHOP, A, B, MoveStand, move_stand, ship
from tests.support.servers import PrivateServers, fresh_redis

S = MoveState


@pytest.fixture(params=["embedded", "mariadb"])
def stand(
    request: pytest.FixtureRequest, tmp_path: Path, private_servers: PrivateServers
) -> Iterator[MoveStand]:
    servers = {A: private_servers.redis(), B: private_servers.valkey()}
    redis = {pod_id: fresh_redis(private_servers, server) for pod_id, server in servers.items()}
    url = str(request.getfixturevalue("mariadb_url")) if request.param == "mariadb" else ""
    made = move_stand(tmp_path, redis, url)
    yield made
    made.close()


def told(stand: MoveStand, move: Move) -> str:
    """Return what became of the move, for a failure."""
    return "\n".join(f"{event.before} -> {event.after}: {event.why}" for event in stand.moves.events(move.id))


def test_a_shop_moves_with_all_that_it_has(stand: MoveStand) -> None:
    stand.trade()
    move = stand.plan()
    with stand.trading():
        turn = stand.turn(move)
    assert (turn.ending, turn.state) == (Ending.RESTS, S.REVERSIBLE), told(stand, move)
    assert stand.moves.get(move.id).mover_epoch == 1, "something was in doubt"
    stand.check(Route(B, 2), kept=True)
    stand.trade(30)
    stand.orders.complete(move.id, "anna", "all is well")
    assert stand.turn(move).state is S.DONE, told(stand, move)
    stand.check(Route(B, 2), kept=False)


def test_a_shop_moves_back(stand: MoveStand) -> None:
    stand.trade()
    move = stand.plan()
    with stand.trading():
        stand.turn(move)
        stand.orders.reverse(move.id, "anna", "too slow there")
        turn = stand.turn(move)
    assert turn.state is S.REVERSED, told(stand, move)
    stand.check(Route(A, 3), kept=False)
    again = stand.plan()
    assert stand.turn(again).state is S.REVERSIBLE, stand.moves.get(again.id)
    stand.check(Route(B, 4), kept=True)


def test_kept_rows_that_somebody_wrote_past_the_fence_are_not_deleted(stand: MoveStand) -> None:
    if stand.topology.connections.engine(A).dialect.name == "sqlite":
        pytest.skip("kept rows on SQLite are not fed, so they are not compared")
    stand.trade()
    move = stand.plan()
    stand.turn(move)
    stand.trade(30)
    stand.run(A, f"UPDATE orders SET code = 'stale' WHERE shop_id = {SHOP} ORDER BY id LIMIT 1")
    stand.orders.complete(move.id, "anna", "all is well")
    turn = stand.turn(move)
    assert (turn.ending, turn.state) == (Ending.RESTS, S.PURGING)
    assert "orders: 1 rows" in turn.reason
    assert "stale" in stand.rows(A).values()
    stand.orders.complete(move.id, "anna", "it was a test", despite_stale_writes=True)
    assert stand.turn(move).state is S.DONE, told(stand, move)
    stand.check(Route(B, 2), kept=False)


def test_a_move_is_completed_after_a_way_back_that_was_given_up(stand: MoveStand) -> None:
    """The way back has stamped the kept rows' fence with its own epoch, which is later than the move's."""
    stand.trade()
    move = stand.plan()
    stand.turn(move)
    stand.orders.reverse(move.id, "anna", "too slow there")

    def give_up() -> None:
        stand.orders.abort(move.id, "anna", "fast again")

    with at_points(once("move.bring.after", give_up)):
        found = stand.finish(move)
    assert found.state is S.REVERSIBLE, told(stand, move)
    stand.check(Route(B, 2), kept=True)
    stand.orders.complete(move.id, "anna", "all is well")
    assert stand.turn(move).state is S.DONE, told(stand, move)
    stand.check(Route(B, 2), kept=False)


def test_a_move_that_is_aborted_leaves_nothing_behind(stand: MoveStand) -> None:
    stand.trade()
    move = stand.plan(held=True)
    assert stand.turn(move).state is S.READY, told(stand, move)
    stand.orders.abort(move.id, "anna", "no")
    assert stand.turn(move).state is S.ABORTED, told(stand, move)
    stand.check(Route(A, 1), kept=False)
    stand.trade(30)
    stand.check(Route(A, 1), kept=False)


def test_a_move_that_is_aborted_before_it_begins_is_aborted(stand: MoveStand) -> None:
    stand.trade(3, 1)
    move = stand.plan()
    stand.orders.abort(move.id, "anna", "no")
    assert stand.turn(move).state is S.ABORTED, told(stand, move)
    stand.check(Route(A, 1), kept=False, stamped=1)


# Killed, or asleep, at a step: over real fences, gates and rows. All steps are looked at on paper, in
# tests/contract/test_mover_runbook.py.

KILLED = ["bring", "close_here", "apply_last", "switch", "leave_jobs"]
ASLEEP = ["close_here", "check_gates", "switch", "open_there", "abort"]
SERVED = ["apply_last", "switch"]


def cases(names: list[str]) -> pytest.MarkDecorator:
    """Return the steps to stop at: all on SQLite, some on MariaDB, too."""
    served = [("mariadb", name) for name in SERVED if name in names]
    return pytest.mark.parametrize(
        ("stand", "name"), [("embedded", name) for name in names] + served, indirect=["stand"]
    )


@cases(KILLED)
def test_a_mover_that_is_killed_after_a_step_is_followed_by_one_that_ends_it(
    stand: MoveStand, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runbook, "AGAIN_SECONDS", (0.0, 0.0))
    stand.trade(5, 3)
    move = stand.plan()

    def kill() -> None:
        raise Killed

    with at_points(once(f"move.{name}.after", kill)), pytest.raises(Killed):
        stand.turn(move)
    found = stand.finish(move)
    assert found.state is S.REVERSIBLE, told(stand, move)
    stand.check(Route(B, 2), kept=True, stamped=2)
    stand.trade(6, 1)


@cases(ASLEEP)
def test_a_mover_that_wakes_up_after_another_is_refused(
    stand: MoveStand, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runbook, "AGAIN_SECONDS", (0.0, 0.0))
    stand.trade(5, 3)
    move = stand.plan()
    aborts = name == "abort"

    def run_another() -> None:
        if aborts:
            stand.orders.abort(move.id, "anna", "no")
        stand.finish(move)

    with at_points(once(f"move.{'bring_last' if aborts else name}.before", run_another)):
        turn = stand.turn(move)
    assert turn.ending in (Ending.LOST, Ending.OVER), told(stand, move)
    assert turn.ending is Ending.LOST or aborts
    route = Route(A, 1) if aborts else Route(B, 2)
    stand.check(route, kept=not aborts, stamped=2)
    stand.trade(6, 1)


def test_the_outbox_goes_along_and_waits_for_the_targets_relay(stand: MoveStand) -> None:
    with stand.topology.transactions.open(SHOP) as session:
        job_id = stand.client.push(ship.call(SHOP, 900), shop_id=SHOP, transaction=session)
    move = stand.plan()
    seen: list[tuple[str, int, int]] = []
    with at_points(once("move.open_there.after", lambda: seen.extend(stand.outbox(B)))):
        assert stand.turn(move).state is S.REVERSIBLE, told(stand, move)
    assert seen == [(job_id, 2, -1)], "no relay may have it before"
    assert stand.outbox(B) == [(job_id, 2, 0)]
