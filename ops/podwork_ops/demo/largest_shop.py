"""The demo's move: the largest shop goes to another pod while its orders are being processed.

Owns: which shop moves and where to, the move itself, watched to its end, and its words for people. Promises:
the shop is the one with most lines of those that have orders to do, if any has; it fails when the move stands
in one state for `STALL_SECONDS`; one that gave up is no failure here, but a problem in the report. Leaves to
others: moving (the workers), the check that every row lies in the pod that has the shop (`check`).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from podwork import keys
from podwork_ops.composition import Platform
from podwork_ops.demo import jobs
from podwork_ops.demo.errors import Stalled
from podwork_ops.demo.monitor import Monitor, Progress
from podwork_ops.demo.progress import Beside, Step, Steps
from podwork_ops.demo.report import ShopMove
from podwork_pods.mover import service
from podwork_pods.mover.move import Move, Wanted
from podwork_pods.mover.states import MoveState

STALL_SECONDS: Final = 90.0
POLL_SECONDS: Final = 0.01
LOOKS_EACH_COUNT: Final = 10
"""So often the move is looked at for each time that all jobs are counted."""
MAX_BLOCK_SECONDS: Final = 60.0
"""Long, for slow machines: the embedded form copies the shop while its writes stand still."""

WORDS: Final[Mapping[MoveState, str]] = {
    MoveState.PLANNED: "waits for its turn",
    MoveState.PREFLIGHT: "looks for obstacles",
    MoveState.COPYING: "copies its rows",
    MoveState.CATCHUP: "catches up",
    MoveState.VERIFYING: "compares both sides",
    MoveState.READY: "is ready to switch",
    MoveState.PAUSING_JOBS: "brings its jobs",
    MoveState.FENCED: "writes stand still",
    MoveState.DRAINED: "its rows are there",
    MoveState.JOBS_COPIED: "its jobs are there",
    MoveState.SWITCHED: "has moved",
    MoveState.OPEN: "trades there",
    MoveState.REVERSIBLE: "trades there",
    MoveState.PURGING: "deletes the old rows",
    MoveState.DONE: "is there for good",
    MoveState.ABORTING: "gives up",
    MoveState.ABORTED: "stays where it was",
}
"""What is shown of a move in each state, in the order in which it passes through them."""
_WAY: Final = list(WORDS)
LENGTH: Final = _WAY.index(MoveState.DONE)
_MAY_RUN_THERE: Final = frozenset(_WAY[_WAY.index(MoveState.SWITCHED) :])


def move_largest(
    platform: Platform,
    monitor: Monitor,
    lines: Mapping[int, int],
    owners: Mapping[int, int],
    step: Step,
    steps: Steps,
    progress: Progress,
) -> ShopMove | None:
    """Move the largest shop to the pod with the fewest lines; None, and it is said why, if there is one pod.

    Args:
        platform: the demo's. monitor: watches the workers meanwhile.
        lines: how many lines each shop has, the largest first. owners: the pod of each.
        step: of the jobs; the move is shown below it. steps: where it is said what happens.
        progress: told meanwhile how many jobs are unfinished.

    Raises:
        WorkerEnded, Stalled: it could not be watched to its end.
    """
    if len(monitor.pod_ids) == 1:
        steps.say("  no shop moves: there is one pod")
        return None
    shop_id, waiting = choose_shop(lines, _waiting(platform, monitor))
    to_pod = emptiest_pod(lines, owners, set(monitor.pod_ids) - {owners[shop_id]})
    orders = f"{waiting:,} of its orders are to be done" if waiting else "its orders are all done"
    steps.say(f"  shop {shop_id} moves from pod {owners[shop_id]} to pod {to_pod}: {orders}")
    line = step.beside(f"move shop {shop_id} to pod {to_pod}", LENGTH)
    moved = _Watch(platform, monitor, line, _start(platform, shop_id, to_pod)).to_the_end(progress)
    steps.say(f"  {moved}")
    return moved


def choose_shop(lines: Mapping[int, int], waiting: Mapping[int, int]) -> tuple[int, int]:
    """Return the largest shop that has orders to do, and how many; if none has any, the largest, and 0."""
    shop_id = next((shop for shop in lines if waiting.get(shop)), next(iter(lines)))
    return shop_id, waiting.get(shop_id, 0)


def emptiest_pod(lines: Mapping[int, int], owners: Mapping[int, int], pods: Iterable[int]) -> int:
    """Return which of the pods has the fewest lines."""
    total: Counter[int] = Counter()
    for shop_id, number in lines.items():
        total[owners[shop_id]] += number
    return min(sorted(pods), key=lambda pod_id: total[pod_id])


def _waiting(platform: Platform, monitor: Monitor) -> dict[int, int]:
    """Return how many jobs of each shop wait to be run."""
    groups = (group for pod in monitor.pod_ids for group in platform.inspection(pod).shops().groups)
    return {int(group.name): group.ready for group in groups if group.name.isdecimal()}


def _start(platform: Platform, shop_id: int, to_pod: int) -> Move:
    """Plan the move, and push its job at once: the workers would do so, too, but some seconds later."""
    store = platform.moves.store
    store.prepare()
    move = store.plan(
        Wanted(
            shop_id,
            to_pod,
            wanted_by="podctl demo",
            reason="the demo moves its largest shop",
            max_block_seconds=MAX_BLOCK_SECONDS,
            grace_seconds=0.0,
        )
    )
    service.declare(jobs.app, platform.settings.moves.queue)
    service.push(jobs.app, move, to_pod)
    return move


class _Watch:
    """A move, looked at again and again until it is over."""

    def __init__(self, platform: Platform, monitor: Monitor, line: Beside, move: Move) -> None:
        self._platform = platform
        self._monitor = monitor
        self._line = line
        self._move = move
        self._begun = self._changed = time.monotonic()
        self._jobs = 0

    def to_the_end(self, progress: Progress) -> ShopMove:
        """Wait until it is over; return what came of it."""
        looks = 0
        while not self._move.state.is_over:
            self._look()
            if looks % LOOKS_EACH_COUNT == 0:
                self._monitor.look_beside(progress)
            looks += 1
            time.sleep(POLL_SECONDS)
        self._monitor.emptied_seconds.clear()  # the pod may have got jobs after it was seen empty
        return self._result()

    def _look(self) -> None:
        arrived = self._arrived()
        found = self._platform.moves.store.get(self._move.id)
        if found.state not in _MAY_RUN_THERE:  # read after the jobs, which then none has left again
            self._jobs = max(self._jobs, arrived)
        now = time.monotonic()
        if found.state is not self._move.state:
            self._changed = now
        elif now - self._changed > STALL_SECONDS:
            stuck = f"move {found.id}, {found.state}: {found.throttle_reason or 'nobody says why'}"
            raise Stalled(now - self._changed, stuck, self._monitor.logs)
        self._move = found
        self._line.reach(min(_WAY.index(found.state), LENGTH), WORDS[found.state])

    def _arrived(self) -> int:
        """Return how many jobs the shop has on the pod to which it goes."""
        store = self._platform.store(self._move.away_pod)
        return int(store.command("HLEN", keys.jobs(str(self._move.shop_id))))

    def _result(self) -> ShopMove:
        move, times = self._move, self._move.times
        has_moved = MoveState.OPEN in times
        return ShopMove(
            shop_id=move.shop_id,
            from_pod=move.home_pod,
            to_pod=move.away_pod,
            state=move.state.value,
            reason=move.reason,
            rows=sum(int(size["rows"]) for size in move.found.get("tables", {}).values()),
            jobs=self._jobs,
            blocked_seconds=times[MoveState.OPEN] - times[MoveState.FENCED] if has_moved else 0.0,
            seconds=time.monotonic() - self._begun,
        )
