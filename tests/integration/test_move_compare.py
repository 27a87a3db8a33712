"""What `podctl moves verify` compares: both pods' rows of a shop, while it trades."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from podwork_ops.move_compare import TableCompared, compared
from podwork_pods.mover.errors import MoveConflict
from podwork_pods.mover.move import Move
from podwork_pods.mover.states import MoveState
from tests.support.move_stand import SHOP, TABLES, A, B, MoveStand, move_stand
from tests.support.servers import PrivateServers, fresh_redis

S = MoveState


@pytest.fixture
def redis(private_servers: PrivateServers) -> dict[int, str]:
    return {pod_id: fresh_redis(private_servers, private_servers.redis()) for pod_id in (A, B)}


@pytest.fixture
def served(redis: dict[int, str], tmp_path: Path, mariadb_url: str) -> Iterator[MoveStand]:
    made = move_stand(tmp_path, redis, mariadb_url)
    yield made
    made.close()


def look(stand: MoveStand, move: Move) -> dict[str, TableCompared]:
    """Compare; meanwhile the mover takes its turns."""
    engine = stand.topology.connections.engine
    tables = compared(move, engine(B), engine(A), TABLES, lambda _seconds: stand.turn(move))
    return {one.table: one for one in tables}


def test_rows_that_stay_different_are_told_and_those_on_their_way_are_not(served: MoveStand) -> None:
    served.trade(30)
    planned = served.plan()
    with pytest.raises(MoveConflict, match="it is planned"):
        look(served, planned)
    served.turn(planned)
    move = served.moves.get(planned.id)
    assert move.state is S.REVERSIBLE
    found = look(served, move)
    assert (found["orders"].rows, found["orders"].differing) == (30, 0)

    served.write(1, "new")  # on the target: the kept row follows with the mover's next round
    assert look(served, move)["orders"].differing == 0
    served.run(A, f"UPDATE orders SET code = 'stale' WHERE shop_id = {SHOP} AND id = 7")
    assert look(served, move)["orders"] == TableCompared("orders", 30, 1, "7")


def test_on_sqlite_there_is_nothing_to_compare(redis: dict[int, str], tmp_path: Path) -> None:
    stand = move_stand(tmp_path, redis)
    move = stand.plan()
    stand.turn(move)
    with pytest.raises(MoveConflict, match="under the fence"):
        look(stand, stand.moves.get(move.id))
    stand.close()
