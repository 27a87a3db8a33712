"""How fast rows come across: the copy beside `mariadb-dump | mariadb`, and the catch-up.

The copy's seconds are those between its states, as the move's row says, with all that a copy has beside rows:
what the shop owes, the target's fence, the reader of the log. A writer of 200 commits a second is at work on
the shop meanwhile; the dump has no writer, and brings the same rows between the same servers into empty
tables like the pod's. They take turns, the dump first in every other one.

The catch-up: the mover is away, every line of the shop is changed once, 500 in a transaction, and the mover
comes back. Its turn takes it from the first statement to the last key applied, the log being read anew.
"""

from __future__ import annotations

import subprocess
import time
from statistics import median
from typing import Final

from podwork_pods.mover.states import MoveState
from tests.benchmarks.alone.moving import shop
from tests.benchmarks.alone.moving.pods import PATIENCE_SECONDS, A, B, MovePods
from tests.benchmarks.harness.conversation import Conversation
from tests.benchmarks.harness.measured import Figures
from tests.benchmarks.harness.trouble import Trouble

WRITES_PER_SECOND: Final = 200
TURNS, FEW_TURNS = 3, 1
SETTLE_SECONDS: Final = 0.5
_CHANGED_AT_ONCE: Final = 500
_NOTE: Final = (
    "UPDATE order_lines SET note = 'caught {turn}' WHERE shop_id = {shop} AND id BETWEEN {first} AND {last}"
)


def measure(pods: MovePods, mover: Conversation, shop_id: int, lines: int, turns: int) -> Figures:
    """Measure both. Raises Trouble."""
    dumps: list[float] = []
    copies: list[float] = []
    writes: list[float] = []
    for turn in range(turns):
        pods.forget_logs()
        for is_dump in (True, False) if turn % 2 == 0 else (False, True):
            if is_dump:
                dumps.append(_dump(pods, shop_id))
            else:
                copied, written = _copy(pods, mover, shop_id, lines)
                copies.append(copied)
                writes.append(written)
    return {
        "move_dump_rows_per_s": median(dumps),
        "move_copy_rows_per_s": median(copies),
        "move_copy_writes_per_s": median(writes),
        "move_catch_up_rows_per_s": median(_catch_up(pods, mover, shop_id, lines) for _ in range(turns)),
    }


def _copy(pods: MovePods, mover: Conversation, shop_id: int, lines: int) -> tuple[float, float]:
    """Return the rows a second, and the writer's commits a second meanwhile."""
    with pods.program("writer", shop_id, lines, WRITES_PER_SECOND) as writer:
        writer.ask(PATIENCE_SECONDS)
        time.sleep(SETTLE_SECONDS)
        writer.ask(PATIENCE_SECONDS)
        move = pods.bring(mover, pods.plan(shop_id, held=True), MoveState.READY)
        said = writer.ask(PATIENCE_SECONDS)
    seconds = move.times[MoveState.CATCHUP] - move.times[MoveState.COPYING]
    rows = pods.rows(B, shop_id)
    pods.orders.abort(move.id, "the bench", "measured")
    pods.bring(mover, move, MoveState.ABORTED)
    return rows / seconds, said["commits"] / said["seconds"]


def _dump(pods: MovePods, shop_id: int) -> float:
    """Return the rows a second of a dump of the shop, put into empty tables."""
    target = pods.servers[B]
    for statement in ("DROP DATABASE IF EXISTS dumped", "CREATE DATABASE dumped CHARACTER SET utf8mb4"):
        target.execute(statement)
    for statement in shop.SCHEMA:
        target.execute(statement.replace("CREATE TABLE ", "CREATE TABLE dumped."))
    reach = {pod_id: f"-uroot -h127.0.0.1 -P{server.port}" for pod_id, server in pods.servers.items()}
    command = (
        f"set -o pipefail; mariadb-dump --no-defaults {reach[A]} --single-transaction --no-create-info "
        f"--where='shop_id={shop_id}' shard orders order_lines | mariadb --no-defaults {reach[B]} dumped"
    )
    began = time.perf_counter()
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    rows, wanted = pods.rows(B, shop_id, "dumped"), pods.rows(A, shop_id)
    if ran.returncode or rows != wanted:
        raise Trouble(f"mariadb-dump brought {rows} of {wanted} rows: {ran.stderr[-200:]}")
    return rows / seconds


def _catch_up(pods: MovePods, mover: Conversation, shop_id: int, lines: int) -> float:
    """Return the changed rows a second that a mover brings across."""
    move = pods.bring(mover, pods.plan(shop_id, held=True), MoveState.READY)
    step = _CHANGED_AT_ONCE
    for first in range(1, lines + 1, step):
        ids = {"first": shop.line_id(shop_id, first), "last": shop.line_id(shop_id, first + step - 1)}
        pods.run(A, _NOTE.format(turn=move.id, shop=shop_id, **ids))
    answer = mover.ask(PATIENCE_SECONDS, move=move.id, states=[MoveState.READY])
    noted = f"SELECT COUNT(*) FROM order_lines WHERE shop_id = {shop_id} AND note = 'caught {move.id}'"
    caught = int(str(pods.run(B, noted)[0][0]))
    if caught != lines:
        raise Trouble(f"{caught} of {lines} changed rows have come: {answer}")
    pods.orders.abort(move.id, "the bench", "measured")
    pods.bring(mover, move, MoveState.ABORTED)
    return lines / float(answer["seconds"])
