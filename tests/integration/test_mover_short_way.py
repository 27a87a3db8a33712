"""Small shops between two shards on MariaDB: copied while their writes stand still, and not followed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from podwork import points
from podwork.interfaces import Route
from podwork_pods.mover import runbook
from podwork_pods.mover.crossing import GivesWay
from podwork_pods.mover.joined import fenced_copy
from podwork_pods.mover.rows.progress import progress
from podwork_pods.mover.rows.reading import Portion, Reader, TooMany
from podwork_pods.mover.states import MoveState
from tests.support.move_stand import SHOP, A, B, MoveStand, move_stand, ship
from tests.support.servers import PrivateServers, fresh_redis

SMALL_ROWS = 60


@pytest.fixture
def stand(
    tmp_path: Path, private_servers: PrivateServers, mariadb_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MoveStand]:
    monkeypatch.setattr(runbook, "AGAIN_SECONDS", (0.0, 0.0))  # no test waits for the next try
    redis = {A: fresh_redis(private_servers, private_servers.redis())}
    redis[B] = fresh_redis(private_servers, private_servers.valkey())
    made = move_stand(tmp_path, redis, mariadb_url, SMALL_ROWS)
    yield made
    points.install(None)
    made.close()


def told(stand: MoveStand) -> str:
    return "\n".join(str(event) for event in stand.moves.events(1))


class Passed:
    """What is passed, and what is done at some point, once."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._acts: dict[str, object] = {}
        points.install(self._pass)

    def do(self, name: str, act: object) -> None:
        self._acts[name] = act

    def _pass(self, name: str) -> None:
        self.names.append(name)
        act = self._acts.pop(name, None)
        if callable(act):
            act()


def test_nothing_of_a_small_shop_is_copied_before_its_writes_stand_still(stand: MoveStand) -> None:
    stand.trade()
    fences: list[object] = []
    passed = Passed()
    passed.do("rows.copied", lambda: fences.append(stand.topology.shard_fence(A).read(SHOP)))
    assert stand.turn(stand.plan()).state is MoveState.REVERSIBLE, told(stand)
    assert getattr(fences[0], "state", None) == "closed"
    assert "rows.snapshot" not in passed.names, "its log was followed"
    assert passed.names.count("rows.copied") == 1
    stand.check(Route(B, 2), kept=True)


def test_its_way_back_is_followed_as_any(stand: MoveStand) -> None:
    stand.trade()
    move = stand.plan()
    stand.turn(move)
    stand.write(1, "there")
    stand.write(99, "new there")
    stand.orders.reverse(move.id, "anna", "back")
    stand.turn(move)
    assert stand.moves.get(move.id).state is MoveState.REVERSED, told(stand)
    stand.check(Route(A, 3), kept=False)


def test_it_trades_and_pushes_all_the_while(stand: MoveStand) -> None:
    stand.trade(10)
    with stand.trading():
        found = stand.finish(stand.plan(grace_seconds=0.0))
    assert found.state is MoveState.DONE, told(stand)
    stand.check(Route(B, 2), kept=False)


def test_a_larger_shop_is_followed(stand: MoveStand) -> None:
    stand.trade(SMALL_ROWS // 2 + 1)  # an order and a line each
    passed = Passed()
    assert stand.turn(stand.plan()).state is MoveState.REVERSIBLE, told(stand)
    assert "rows.snapshot" in passed.names
    assert "rows.copied" not in passed.names
    stand.check(Route(B, 2), kept=True)


def test_long_values_are_not_copied_under_the_fence(
    stand: MoveStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fenced_copy, "MOST_BYTES", 100)
    stand.trade()
    passed = Passed()
    assert stand.turn(stand.plan()).state is MoveState.REVERSIBLE, told(stand)
    assert "rows.snapshot" in passed.names
    stand.check(Route(B, 2), kept=True)


def test_a_rehearsal_copies_while_the_shop_trades(stand: MoveStand) -> None:
    stand.trade()
    passed = Passed()
    turn = stand.turn(stand.plan(is_rehearsal=True))
    assert turn.state is MoveState.ABORTED, told(stand)
    assert "rows copied in" in stand.moves.get(1).reason
    assert "rows.snapshot" in passed.names
    stand.check(Route(A, 1), kept=False)


def test_the_bytes_that_it_will_copy_are_paced_before(
    stand: MoveStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, str]] = []
    states: list[MoveState] = []
    stand.trade()
    move = stand.plan()

    def pace(length: int, pulse: object) -> None:
        assert callable(pulse)
        pulse("")
        asked.append((length, stand.topology.shard_fence(A).read(SHOP).state))  # type: ignore[union-attr]
        states.append(stand.moves.get(move.id).state)

    crossings = stand.crossings
    monkeypatch.setattr(crossings, "_paces", type("Paces", (), {"of": lambda _self, _move: pace})())
    assert stand.turn(move).state is MoveState.REVERSIBLE, told(stand)
    assert [(length > 500, state) for length, state in asked if length] == [(True, "open")]
    assert not {*states} & {MoveState.FENCED, MoveState.DRAINED, MoveState.JOBS_COPIED}


def test_what_an_earlier_try_has_left_is_taken_away_first(stand: MoveStand) -> None:
    stand.trade()
    move = stand.plan()
    passed = Passed()
    passed.do("move.apply_last.after", give_way)
    passed.do("move.leave_transit.after", lambda: _change_all(stand))
    stand.finish(move)
    assert passed.names.count("rows.copied") == 2
    assert stand.moves.get(move.id).tries == 1
    assert stand.lines(B) == set(range(2, 31)), "a line that was deleted meanwhile is gone there, too"
    stand.check(Route(B, 2), kept=True)


def test_what_it_has_left_is_taken_away_when_the_shop_has_grown(stand: MoveStand) -> None:
    stand.trade()
    move = stand.plan()
    passed = Passed()

    def grow() -> None:
        _change_all(stand)
        for number in range(100, 100 + SMALL_ROWS):
            stand.write(number, f"more {number}")

    passed.do("move.apply_last.after", give_way)
    passed.do("move.leave_transit.after", grow)
    stand.finish(move)
    assert passed.names.count("rows.copied") == 1
    assert "rows.snapshot" in passed.names
    assert 1 not in stand.lines(B), "deleted meanwhile"
    stand.check(Route(B, 2), kept=True)


def test_a_shop_that_grows_at_the_last_moment_gives_way_and_is_followed(
    stand: MoveStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand.trade()
    move = stand.plan()
    passed = Passed()
    is_large: list[bool] = []
    portion = Reader.portion

    def too_many(self: Reader, table: object, condition: str) -> Portion:
        if is_large and condition == "TRUE":
            raise TooMany("cut by group_concat()")
        return portion(self, table, condition)  # type: ignore[arg-type]  # whatever the caller gives

    monkeypatch.setattr(Reader, "portion", too_many)
    passed.do("move.close_here.after", lambda: is_large.append(True))
    stand.finish(move)
    assert any("has grown" in event.why for event in stand.moves.events(move.id)), told(stand)
    assert "rows.snapshot" in passed.names
    stand.check(Route(B, 2), kept=True)


def test_a_row_that_differs_under_the_fence_never_switches(stand: MoveStand) -> None:
    stand.trade(3, 1)
    move = stand.plan()
    spoil = f"UPDATE orders SET code = 'spoilt' WHERE id = 2 AND shop_id = {SHOP}"
    Passed().do("rows.committed", lambda: stand.run(B, spoil))
    turn = stand.turn(move)
    assert turn.state is MoveState.ABORTED, told(stand)
    assert "rows differ under the fence: orders" in stand.moves.get(move.id).reason
    stand.check(Route(A, 1), kept=False)


def test_a_row_of_another_shop_is_not_overwritten(stand: MoveStand) -> None:
    stand.trade(3, 1)
    move = stand.plan()
    theirs = "INSERT INTO orders VALUES (2, 9, 'came late')"
    Passed().do("move.close_here.before", lambda: stand.run(B, theirs))
    turn = stand.turn(move)
    assert turn.state is MoveState.ABORTED, told(stand)
    assert "clashes at the target" in stand.moves.get(move.id).reason
    with stand.topology.connections.engine(B).begin() as connection:
        kept = connection.exec_driver_sql("SELECT shop_id, code FROM orders WHERE id = 2").one()
    assert tuple(kept) == (9, "came late")
    stand.check(Route(A, 1), kept=False)


def test_a_row_that_a_late_relay_deletes_is_copied_again_without_it(stand: MoveStand) -> None:
    with stand.topology.transactions.open(SHOP) as session:
        stand.client.push(ship.call(SHOP, 900), shop_id=SHOP, transaction=session)
    move = stand.plan()
    passed = Passed()
    passed.do("rows.committed", lambda: stand.run(A, "DELETE FROM podwork_outbox"))
    assert stand.turn(move).state is MoveState.REVERSIBLE, told(stand)
    assert passed.names.count("rows.copied") == 2
    assert stand.outbox(B) == []


def test_a_table_that_is_changed_in_the_cut_over(stand: MoveStand) -> None:
    stand.trade(3, 1)
    move = stand.plan()
    alter = "ALTER TABLE order_lines ADD COLUMN late INT"
    Passed().do("move.close_here.before", lambda: stand.run(A, alter))
    turn = stand.turn(move)
    assert turn.state is MoveState.ABORTED, told(stand)
    assert "a table was changed at the source during the move" in stand.moves.get(move.id).reason
    stand.check(Route(A, 1), kept=False)


def test_another_mover_does_not_mind_how_the_first_one_went(stand: MoveStand) -> None:
    stand.trade(SMALL_ROWS // 2 + 1)
    move = stand.plan(held=True)
    assert stand.turn(move).state is MoveState.READY, told(stand)
    stand.run(A, "DELETE FROM order_lines WHERE order_id > 10")
    stand.run(A, f"DELETE FROM orders WHERE id > 10 AND shop_id = {SHOP}")
    stand.acknowledged = {number: code for number, code in stand.acknowledged.items() if number <= 10}
    stand.orders.release(move.id, "anna", "now")
    passed = Passed()
    assert stand.turn(move).state is MoveState.REVERSIBLE, told(stand)
    assert "rows.copied" not in passed.names, "it is followed already, however small it has become"
    with stand.topology.connections.engine(B).begin() as connection:
        followed = connection.exec_driver_sql(f"SELECT COUNT(*) FROM {progress.name}").scalar_one()
    assert followed
    stand.check(Route(B, 2), kept=True)


def give_way() -> None:
    raise GivesWay("it will not do")


def _change_all(stand: MoveStand) -> None:
    """Change, delete and add rows of the shop."""
    stand.run(
        A, "DELETE FROM order_lines WHERE id = 1", f"DELETE FROM orders WHERE id = 1 AND shop_id = {SHOP}"
    )
    del stand.acknowledged[1]
    for number in (2, *range(21, 31)):
        stand.write(number, f"meanwhile {number}")
