"""What a move compares, forgets, waits for, and cannot know any more: shards on MariaDB, real Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from podwork.interfaces import Route
from podwork_ops.cli.move_rows import details_of
from podwork_pods.mover.crossing import Pulse
from podwork_pods.mover.errors import MoveConflict
from podwork_pods.mover.move import Move
from podwork_pods.mover.mover import Ending
from podwork_pods.mover.states import CUTTING, MoveState
from tests.support.move_paper import Killed, at_points, once
from tests.support.move_stand import SHOP, A, B, MoveStand, move_stand
from tests.support.servers import PrivateServers, fresh_redis

S = MoveState


@pytest.fixture
def stand(tmp_path: Path, private_servers: PrivateServers, mariadb_url: str) -> Iterator[MoveStand]:
    redis = {A: fresh_redis(private_servers, private_servers.redis())}
    redis |= {B: fresh_redis(private_servers, private_servers.valkey())}
    made = move_stand(tmp_path, redis, mariadb_url)
    yield made
    made.close()


@pytest.fixture
def embedded(tmp_path: Path, private_servers: PrivateServers) -> Iterator[MoveStand]:
    redis = {pod_id: fresh_redis(private_servers, private_servers.valkey()) for pod_id in (A, B)}
    made = move_stand(tmp_path, redis)
    yield made
    made.close()


def told(stand: MoveStand, move: Move) -> str:
    """Return what became of the move, for a failure."""
    return "\n".join(f"{event.before} -> {event.after}: {event.why}" for event in stand.moves.events(move.id))


def progress(stand: MoveStand, pod_id: int) -> int:
    """Return how many rows of the progress of moves there are in a pod's shard."""
    with stand.topology.connections.engine(pod_id).begin() as connection:
        return int(connection.exec_driver_sql("SELECT COUNT(*) FROM podwork_move_progress").scalar_one())


# Rows that differ


def test_a_row_that_differs_though_nobody_changes_it_is_named_and_never_switched(stand: MoveStand) -> None:
    stand.trade(3, 1)
    move = stand.plan()

    def spoil(point: str) -> None:
        if point == "move.copy.after":
            stand.run(B, f"UPDATE orders SET code = CONCAT('not ', code) WHERE id = 2 AND shop_id = {SHOP}")

    with at_points(spoil):
        assert stand.turn(move).state is S.ABORTED, told(stand, move)
    reason = "rows differ, though nobody changes them: orders: 1 rows (id=2)"
    assert stand.moves.get(move.id).reason == reason
    rounds = [event.after for event in stand.moves.events(move.id) if event.before == "verifying"]
    assert rounds == ["catchup", "catchup", "aborting"]
    stand.check(Route(A, 1), kept=False)


# What is remembered of a move


PURGE_STEPS = ["let_go", "purge_here", "purge_rows", "settle_purged", "forget_there", "left_purged"]


@pytest.mark.parametrize("step", PURGE_STEPS)
def test_killed_anywhere_in_its_purge_a_move_ends_and_nothing_is_remembered(
    stand: MoveStand, step: str
) -> None:
    stand.trade(3, 1)
    move = stand.plan()
    assert stand.turn(move).state is S.REVERSIBLE, told(stand, move)
    stand.trade(4, 0)
    stand.orders.complete(move.id, "anna", "all is well")
    assert progress(stand, B) > 0

    def kill() -> None:
        raise Killed

    with at_points(once(f"move.{step}.after", kill)), pytest.raises(Killed):
        stand.turn(move)
    stand.write(1, "it trades")
    assert stand.turn(move).state is S.DONE, told(stand, move)
    assert [progress(stand, pod_id) for pod_id in (A, B)] == [0, 0]
    stand.check(Route(B, 2), kept=False)


def test_a_shop_that_is_back_leaves_nothing_that_is_remembered(stand: MoveStand) -> None:
    stand.trade(3, 1)
    move = stand.plan()
    stand.turn(move)
    stand.orders.reverse(move.id, "anna", "back")
    assert stand.turn(move).state is S.REVERSED, told(stand, move)
    assert [progress(stand, pod_id) for pod_id in (A, B)] == [0, 0]
    stand.check(Route(A, 3), kept=False)


def test_a_move_that_is_given_up_leaves_nothing_that_is_remembered(stand: MoveStand) -> None:
    stand.trade(3, 1)
    move = stand.plan(held=True)
    assert stand.turn(move).state is S.READY, told(stand, move)
    stand.orders.abort(move.id, "anna", "no")
    assert stand.turn(move).state is S.ABORTED, told(stand, move)
    assert [progress(stand, pod_id) for pod_id in (A, B)] == [0, 0]


# Logs that are lost


def lose_server(stand: MoveStand, pod_id: int) -> None:
    """Let the log that is followed into a pod be another server's."""
    stand.run(pod_id, "UPDATE podwork_move_progress SET server = 'another' WHERE table_name = ''")


def lose_file(stand: MoveStand, pod_id: int) -> None:
    """Let the log that is followed into a pod begin in a file that the server has no more."""
    first = "CONCAT(SUBSTRING_INDEX(position, '.', 1), '.000000:4')"
    stand.run(pod_id, f"UPDATE podwork_move_progress SET position = {first} WHERE table_name = ''")


def alter_table(stand: MoveStand, pod_id: int) -> None:
    """Let a table be changed where the shop trades, and the kept rows' not."""
    stand.run(A + B - pod_id, "ALTER TABLE order_lines ADD COLUMN late INT")


@pytest.mark.parametrize(
    ("lose", "why"),
    [(lose_server, "is on"), (lose_file, "cannot be read from"), (alter_table, "was changed under a move")],
)
def test_kept_rows_that_cannot_be_fed_any_more_close_the_way_back(
    stand: MoveStand, lose: Callable[[MoveStand, int], None], why: str
) -> None:
    stand.trade(3, 1)
    move = stand.plan()
    assert stand.turn(move).state is S.REVERSIBLE, told(stand, move)
    assert stand.turn(move).state is S.REVERSIBLE, told(stand, move)
    lose(stand, A)
    turn = stand.turn(move)
    assert (turn.ending, turn.state) == (Ending.RESTS, S.REVERSIBLE), told(stand, move)
    found = stand.moves.get(move.id)
    assert why in found.back_closed
    assert "complete --despite-stale-writes" in found.throttle_reason
    shown = details_of(found)
    assert shown["back_closed"] == found.back_closed
    assert shown["next_action"] == "podctl moves complete 1 --despite-stale-writes: there is no way back"
    with pytest.raises(MoveConflict, match="there is no way back"):
        stand.orders.reverse(move.id, "anna", "back")
    stand.write(1, "it trades")
    stand.orders.complete(move.id, "anna", "all is well", despite_stale_writes=True)
    assert stand.turn(move).state is S.DONE, told(stand, move)
    stand.check(Route(B, 2), kept=False)


def test_a_way_back_that_was_ordered_before_its_log_was_lost_ends_where_the_shop_is(stand: MoveStand) -> None:
    stand.trade(3, 1)
    move = stand.plan()
    stand.turn(move)
    stand.orders.reverse(move.id, "anna", "back")
    lose_file(stand, A)
    turn = stand.turn(move)
    assert (turn.ending, turn.state) == (Ending.RESTS, S.REVERSIBLE), told(stand, move)
    assert "cannot be read from" in stand.moves.get(move.id).back_closed
    stand.check(Route(B, 2), kept=True)


@pytest.mark.parametrize("lose", [lose_server, lose_file])
def test_a_copy_whose_log_is_lost_when_it_was_ready_is_made_and_compared_anew(
    stand: MoveStand, lose: Callable[[MoveStand, int], None]
) -> None:
    stand.trade(3, 1)
    move = stand.plan(held=True)
    assert stand.turn(move).state is S.READY, told(stand, move)
    lose(stand, B)
    stand.write(4, "meanwhile")
    assert stand.turn(move).state is S.READY, told(stand, move)
    states = [event.after for event in stand.moves.events(move.id) if event.before != event.after]
    assert states[-4:] == ["ready", "catchup", "verifying", "ready"]
    stand.orders.release(move.id, "anna", "go")
    assert stand.turn(move).state is S.REVERSIBLE, told(stand, move)
    stand.check(Route(B, 2), kept=True)


# Waiting


def test_changes_are_brought_at_the_pace_of_the_plan_but_not_in_the_cut_over(
    stand: MoveStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[MoveState] = []

    def pace(_copied_bytes: int, pulse: Pulse) -> None:
        seen.append(stand.moves.get(move.id).state)
        pulse("")

    monkeypatch.setattr(stand.crossings._paces, "of", lambda _move: pace)
    stand.trade(3, 1)
    move = stand.plan()

    def write(point: str) -> None:
        if point in ("move.apply.before", "move.close_up.before"):
            stand.write(1, f"changed {len(stand.moves.events(move.id))}")

    with at_points(write):
        assert stand.turn(move).state is S.REVERSIBLE, told(stand, move)
    assert {S.COPYING, S.CATCHUP, S.READY} <= {*seen}
    assert not CUTTING & {*seen}, "the shop's jobs wait, or its writes"
    stand.write(2, "fed")
    stand.turn(move)
    assert seen[-1] is S.REVERSIBLE


def test_who_is_cut_off_from_the_registry_begins_nothing(
    embedded: MoveStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = embedded.plan()
    with monkeypatch.context() as patch:
        patch.setattr(type(embedded.topology.registry), "connected", False)
        turn = embedded.turn(move)
    assert (turn.ending, turn.state) == (Ending.RESTS, S.PLANNED)
    assert turn.reason.startswith("the registry of pods does not answer: ")
    assert embedded.turn(move).state is S.REVERSIBLE, told(embedded, move)
