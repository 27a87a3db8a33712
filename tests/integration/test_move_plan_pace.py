"""How fast moves of plans copy, over real rows on MariaDB: bandwidth, throttles, and who asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from podwork.iteration.throttle import Held
from podwork.testing.clock import VirtualClock
from podwork_pods.directory import Directory
from podwork_pods.mover import schema
from podwork_pods.mover.crossing import Pulse
from podwork_pods.mover.plans import rows
from podwork_pods.mover.plans.bandwidth import BURST_SECONDS, Bandwidth
from podwork_pods.mover.plans.pace import Pace
from podwork_pods.mover.plans.plan import PlanOptions
from podwork_pods.mover.plans.plans import MovePlans
from podwork_pods.mover.plans.selection import Choice
from podwork_pods.mover.states import MoveState
from tests.support.move_stand import SHOP, A, B, MoveStand, move_stand
from tests.support.rows_stand import RowsStand, noop
from tests.support.servers import PrivateServers, fresh_redis

ROWS, NOTE_BYTES = 400, 2_000


@pytest.fixture
def filled(mariadb_url: str) -> Iterator[RowsStand]:
    made = RowsStand(mariadb_url)
    values = (
        f"({SHOP}, {number}, 'c{number}', 1, REPEAT('x', {NOTE_BYTES}))" for number in range(1, ROWS + 1)
    )
    made.run(f"INSERT INTO orders VALUES {', '.join(values)}")
    yield made
    made.close()


def test_a_copy_is_no_faster_than_its_bandwidth_and_holds_nothing_while_it_waits(
    filled: RowsStand, sqlite_url: str
) -> None:
    clock = VirtualClock(1000.0)
    directory = Directory(sqlite_url, clock=clock)
    directory.create_schema(schema.create)
    bandwidth = Bandwidth(directory, A, 100_000, clock.advance)
    sizes: list[int] = []
    there: list[int] = []

    def pace(copied_bytes: int, pulse: Pulse) -> None:
        sizes.append(copied_bytes)
        there.append(len(filled.read("SELECT id FROM orders FOR UPDATE NOWAIT", pod=B)))
        bandwidth.passed(copied_bytes)
        bandwidth.wait(pulse)

    mover = filled.rows(most_rows=50, pace=pace)
    mover.follow()
    mover.copy(noop)
    assert filled.differing() == []
    assert sum(sizes) > ROWS * NOTE_BYTES, "every byte is counted"
    assert there[: ROWS // 50] == list(range(50, ROWS + 1, 50)), "what was told is committed, and free"
    took, worth = clock.now() - 1000.0, sum(sizes) / 100_000
    assert worth - BURST_SECONDS - 0.1 < took < worth + 0.1
    directory.close()


@pytest.fixture
def stand(mariadb_url: str, private_servers: PrivateServers, tmp_path: Path) -> Iterator[MoveStand]:
    servers = {A: private_servers.redis(), B: private_servers.valkey()}
    redis = {pod_id: fresh_redis(private_servers, server) for pod_id, server in servers.items()}
    made = move_stand(tmp_path, redis, mariadb_url)
    yield made
    made.close()


def in_plan(stand: MoveStand, **options: Any) -> int:
    """Make the shop's move one of a plan's; return its number."""
    move = stand.plan()
    plans = MovePlans(stand.topology.directory)
    plan = plans.make([Choice(SHOP, A, B, 1)], PlanOptions(**options), aim="x", by="anna")
    stand.topology.directory.write(lambda c: rows.note(c, plan.id, 0, move_id=move.id))
    return move.id


def test_a_mover_asks_between_what_it_copies_compares_and_deletes(
    stand: MoveStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[MoveState, int]] = []

    def pace(self: Pace, copied_bytes: int, pulse: Pulse) -> None:
        asked.append((stand.moves.get(self._move.id).state, copied_bytes))
        pulse("")

    monkeypatch.setattr(Pace, "__call__", pace)
    stand.trade()
    move = stand.moves.get(in_plan(stand))
    assert stand.turn(move).state is MoveState.REVERSIBLE
    assert {state for state, _ in asked} == {MoveState.COPYING, MoveState.VERIFYING}
    assert sum(copied for _, copied in asked) > 0
    asked.clear()
    stand.orders.complete(move.id, "anna", "x")
    assert stand.turn(move).state is MoveState.DONE
    assert {state for state, _ in asked} == {MoveState.PURGING}
    assert {copied for _, copied in asked} == {0}


def test_throttles_of_both_pods_are_waited_for_and_named(stand: MoveStand) -> None:
    move = stand.moves.get(in_plan(stand, max_lag_seconds=5.0, max_threads_running=30))
    answers: dict[int, list[Held | None]] = {A: [None], B: [Held("threads_running 31, limit 30", 0.01), None]}
    asked: list[tuple[int, list[str]]] = []

    def throttles(pod_id: int) -> Any:
        def held(wanted: Any, _shop: int | None) -> Held | None:
            asked.append((pod_id, [repr(throttle) for throttle in wanted]))
            return answers[pod_id].pop(0)

        return SimpleNamespace(held=held)

    said: list[str] = []
    Pace(stand.topology, move, throttles)(100, said.append)
    assert said == ["", f"pod {B}: threads_running 31, limit 30"]
    assert [pod_id for pod_id, _ in asked] == [A, B, B]
    assert asked[0][1] == [
        "ReplicaLag(limit_seconds=5.0, replicas=None, at_least=0)",
        "ThreadsRunning(most=30)",
    ]


def test_real_servers_are_asked_and_let_it_go_on(stand: MoveStand) -> None:
    move = stand.moves.get(in_plan(stand, max_lag_seconds=5.0, max_threads_running=100_000))
    said: list[str] = []
    stand.crossings._paces.of(move)(100, said.append)
    assert said == [""], "no replica is connected, and that many statements do not run"


def test_a_move_of_no_plan_is_not_held_back(stand: MoveStand) -> None:
    def none_asked(_pod_id: int) -> Any:
        raise AssertionError("there is nothing to ask")

    said: list[str] = []
    Pace(stand.topology, stand.plan(), none_asked)(10_000_000, said.append)
    assert said == [""]


def test_what_a_plans_mover_copied_is_waited_for(stand: MoveStand) -> None:
    move = stand.moves.get(in_plan(stand, bandwidth_bytes=1_000_000))
    said: list[str] = []
    stand.crossings._paces.of(move)(1_200_000, said.append)
    assert said[0] == ""
    assert set(said[1:]) == {f"the bandwidth of copies from pod {A}: 1 MB/s"}
