"""Locks that a mover cannot have: transactions that do not end, closes that come late, deadlocks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from podwork import points
from podwork.interfaces import Route
from podwork_pods.errors import FenceBusy
from podwork_pods.mover.joined.fences import MoveFences
from podwork_pods.mover.states import MoveState
from tests.support.move_stand import SHOP, A, B, MoveStand, move_stand
from tests.support.pods import server_connection, waits_for_a_lock
from tests.support.servers import PrivateServers, fresh_redis
from tests.support.wait import until


@pytest.fixture
def stand(tmp_path: Path, private_servers: PrivateServers, mariadb_url: str) -> Iterator[MoveStand]:
    redis = {A: fresh_redis(private_servers, private_servers.redis())}
    redis[B] = fresh_redis(private_servers, private_servers.valkey())
    made = move_stand(tmp_path, redis, mariadb_url)
    made.trade(3, 1)
    yield made
    points.install(None)
    made.close()


def test_under_a_transaction_that_does_not_end_the_shop_trades_on(stand: MoveStand) -> None:
    """It holds the fence against the close, and then against the stamp of the mover that gives way."""
    move = stand.plan()
    with stand.topology.transactions.open(SHOP):
        assert stand.turn(move).state is MoveState.READY
        found = stand.moves.get(move.id)
        assert (found.tries, found.mover_epoch) == (1, 1), "nothing was in doubt"
        assert "transactions held its fence" in found.reason
        assert stand.gate(A).startswith("open 1 ")
        stand.write(50, "meanwhile")
        stand.push(50)
    stand.orders.cut_over(move.id, "anna", "it has ended")
    assert stand.turn(move).state is MoveState.REVERSIBLE, stand.moves.get(move.id)
    stand.check(Route(B, 2), kept=True)


def test_under_a_transaction_that_does_not_end_a_move_is_given_up(stand: MoveStand) -> None:
    move = stand.plan(held=True)
    assert stand.turn(move).state is MoveState.READY
    stand.orders.abort(move.id, "anna", "no")
    with stand.topology.transactions.open(SHOP):
        assert stand.turn(move).state is MoveState.ABORTED
    stand.check(Route(A, 1), kept=False)


def test_a_fence_that_is_closed_is_not_left_for_being_busy(
    stand: MoveStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> None:
        raise FenceBusy(SHOP, 2.0)

    move = stand.moves.draw(stand.plan().id, "somebody")
    fence, other = (stand.topology.shard_fence(pod) for pod in (A, B))
    fence.close(SHOP, 1, mover_epoch=move.mover_epoch, lock_wait_seconds=2)
    monkeypatch.setattr(MoveFences, "_open", busy)
    with pytest.raises(FenceBusy):
        MoveFences(move.passage, fence, other).reopen_here()


def test_a_close_that_comes_late_is_undone_where_the_move_rests(stand: MoveStand) -> None:
    move = stand.plan(held=True)
    for pod, state in ((A, MoveState.READY), (B, MoveState.REVERSIBLE)):
        assert stand.turn(move).state is state
        found = stand.moves.get(move.id)
        epoch = stand.topology.directory.locate(SHOP).epoch
        fence = stand.topology.shard_fence(pod)
        fence.close(SHOP, epoch, mover_epoch=found.mover_epoch, lock_wait_seconds=2)
        assert stand.turn(move).state is state
        stand.write(50, f"it trades on pod {pod}")
        stand.orders.release(move.id, "anna", "go on")
    stand.check(Route(B, 2), kept=True)


def test_in_a_deadlock_the_mover_gives_way_to_the_shop(stand: MoveStand, mariadb_url: str) -> None:
    """The mover reads what changed under locks, orders before lines; the shop writes lines before orders."""
    move = stand.plan()
    before, troubles = deadlocks(mariadb_url), []
    holds_line = threading.Event()

    def write() -> None:
        try:
            with stand.topology.transactions.open(SHOP) as session:
                session.execute(text("UPDATE order_lines SET title = 'shop' WHERE id = 1"))
                holds_line.set()
                until(lambda: waits_for_a_lock(mariadb_url), message="the mover has the order, and waits")
                session.execute(text("UPDATE orders SET code = 'shop' WHERE id = 1"))
            stand.acknowledged[1] = "shop"
        except BaseException as error:
            troubles.append(error)

    writer = threading.Thread(target=write)

    def meet(name: str) -> None:
        if name == "move.close_up.before" and not holds_line.is_set():
            stand.write(1, "changed")
            stand.run(A, "UPDATE order_lines SET title = 'changed' WHERE id = 1")
            writer.start()
            assert holds_line.wait(30)

    points.install(meet)
    turn = stand.turn(move)
    writer.join(60)
    assert troubles == []
    assert deadlocks(mariadb_url) > before, "nobody met anybody"
    assert turn.state is MoveState.REVERSIBLE, stand.moves.get(move.id)
    found = stand.moves.get(move.id)
    assert (found.tries, found.mover_epoch) == (0, 1), "nothing was in doubt"
    stand.check(Route(B, 2), kept=True)


def deadlocks(url: str) -> int:
    """How many deadlocks the server has ended."""
    with server_connection(url) as cursor:
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'")
        return int(cursor.fetchone()[1])
