"""Two pods on paper, for tests of movers: fences, gates, rows and jobs as the protocol says, and who was
where.

The moves themselves stand in a real directory. A writer and a pusher act at every point that a mover
passes: what the pods acknowledge has to be on the shop's pod in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from podwork import points
from podwork.testing.clock import VirtualClock
from podwork_pods.directory import Directory
from podwork_pods.errors import FenceConflict
from podwork_pods.fence import FenceState
from podwork_pods.mover import runbook
from podwork_pods.mover.crossing import Crossing, Found, GivesWay, Pulse
from podwork_pods.mover.move import Move, Wanted
from podwork_pods.mover.mover import Mover, Turn
from podwork_pods.mover.moves import Moves
from podwork_pods.mover.orders import MoveOrders
from podwork_pods.mover.states import MoveState

SHOP = 7
A, B = 1, 2
NOW = 1_795_000_000.0
NOWHERE = "nowhere"

OPEN, CLOSED, INCOMING, MOVED, PURGING = "open", "closed", "incoming", "moved", "purging"
HOLD, PAUSING = "hold", "pausing"
WAYS = {
    OPEN: (OPEN, CLOSED, INCOMING),
    CLOSED: (OPEN, CLOSED),
    INCOMING: (NOWHERE, INCOMING, MOVED),
    MOVED: (CLOSED, MOVED, INCOMING, PURGING),
    PURGING: (MOVED, INCOMING, PURGING),
}


class Stamp(NamedTuple):
    """A fence or a gate."""

    state: str
    epoch: int
    mover: int = 0


class Killed(BaseException):
    """The mover's process is gone."""


@dataclass
class Paper:
    """Both pods. `calls`: the steps of all movers, in order. `refusals`: what a fence or a gate has
    refused.
    """

    directory: Directory
    fences: dict[int, Stamp] = field(default_factory=lambda: {A: Stamp(OPEN, 1), B: Stamp(NOWHERE, 0)})
    gates: dict[int, Stamp] = field(default_factory=lambda: {A: Stamp(OPEN, 0), B: Stamp(OPEN, 0)})
    rows: dict[int, set[int]] = field(default_factory=lambda: {A: {0}, B: set()})
    jobs: dict[int, set[int]] = field(default_factory=lambda: {A: {0}, B: set()})
    acknowledged: set[int] = field(default_factory=lambda: {0})
    pushed: set[int] = field(default_factory=lambda: {0})
    calls: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    fails: dict[str, list[BaseException]] = field(default_factory=dict)
    blockers: Sequence[str] = ()
    held: list[Sequence[str]] = field(default_factory=list)
    differs: list[Sequence[str]] = field(default_factory=list)
    stale: list[Sequence[str]] = field(default_factory=list)
    progress: set[int] = field(default_factory=set)
    """Where something is known of how far the copy, or the feed, has come."""
    hastes: list[bool] = field(default_factory=list)
    unsure: str = ""

    def crossing(self, move: Move) -> Crossing:
        """Return what the steps of a leg are done with."""
        side = Side(self, move)
        jobs, rows = PaperJobs(self, move), PaperRows(self, move)
        return Crossing(side, side, jobs, rows, side, lambda: None, lambda: self.unsure)

    def call(self, name: str) -> None:
        """Note that a step is taken; it may be told to fail."""
        self.calls.append(name)
        if self.fails.get(name):
            raise self.fails[name].pop(0)

    def set_fence(self, pod: int, state: str, epoch: int, mover: int) -> None:
        """Do as a shard's fence does."""
        found = self.fences[pod]
        if found.mover > mover or found.state not in WAYS[state]:
            self.refuse(f"fence {pod} {state}", found, mover)
        self.fences[pod] = Stamp(state, epoch, mover)

    def set_gate(self, pod: int, state: str, epoch: int, mover: int) -> None:
        """Do as a pod's gate does."""
        found = self.gates[pod]
        if found.mover > mover or found.epoch > epoch:
            self.refuse(f"gate {pod} {state}", found, mover)
        self.gates[pod] = Stamp(state, epoch, mover)

    def refuse(self, what: str, found: Stamp, mover: int) -> None:
        """Refuse."""
        self.refusals.append(what)
        raise FenceConflict(SHOP, f"{what} by mover {mover}", str(found))

    def live(self) -> None:
        """Let a writer write a row, and a pusher push a job, wherever they are let."""
        route = self.directory.locate(SHOP)
        fence, number = self.fences[route.pod_id], max(self.acknowledged) + 1
        if (fence.state, fence.epoch) == (OPEN, route.epoch):
            self.rows[route.pod_id].add(number)
            self.acknowledged.add(number)
        gate, number = self.gates[route.pod_id], max(self.pushed) + 1
        if gate.state in (OPEN, PAUSING):
            self.jobs[route.pod_id].add(number)
            self.pushed.add(number)

    def check(self, home: int, epoch: int, stamped: int) -> None:
        """Look at the promises at the end of a move. `stamped`: whoever came earlier would be refused."""
        away = A + B - home
        assert self.directory.locate(SHOP) == (home, epoch)
        assert self.fences[home][:2] == (OPEN, epoch)
        assert self.fences[away].state == MOVED
        assert self.gates[home].state == OPEN
        assert self.gates[away].state == MOVED
        movers = [place[pod].mover for place in (self.fences, self.gates) for pod in (A, B)]
        assert min(movers) >= stamped, f"an earlier mover's word would be heard: {movers}"
        assert self.rows[home] == self.acknowledged
        assert self.jobs == {home: self.pushed, away: set()}


class Side:
    """Fences, preflight and debts of a leg."""

    def __init__(self, paper: Paper, move: Move) -> None:
        self.paper = paper
        self.leg = move.passage

    def look(self) -> Found:
        self.paper.call("look")
        return Found(self.paper.blockers, {"tables": {"rows": {"rows": 0, "bytes": 0}}})

    def settle_first(self) -> None:
        self.paper.call("settle_first")

    def enter_transit(self) -> None:
        self.paper.call("enter_transit")

    def leave_transit(self) -> None:
        self.paper.call("leave_transit")

    def settle_last(self) -> None:
        self.paper.call("settle_last")

    def settle_purged(self) -> None:
        self.paper.call("settle_purged")

    def _fence(self, name: str, pod: int, state: str, epoch: int) -> None:
        self.paper.call(name)
        self.paper.set_fence(pod, state, epoch, self.leg.mover)

    def receive_there(self) -> None:
        self._fence("receive_there", self.leg.target, INCOMING, self.leg.epoch + 1)

    def close_here(self) -> None:
        self._fence("close_here", self.leg.source, CLOSED, self.leg.epoch)

    def open_there(self) -> None:
        self._fence("open_there", self.leg.target, OPEN, self.leg.epoch + 1)

    def leave_here(self) -> None:
        self._fence("leave_here", self.leg.source, MOVED, self.leg.epoch)

    def stay_open_here(self) -> None:
        self._stay_open(self.leg.source, self.leg.epoch)

    def stay_open_there(self) -> None:
        self._stay_open(self.leg.target, self.leg.epoch + 1)

    def _stay_open(self, pod: int, epoch: int) -> None:
        if self.paper.fences[pod][:2] == (CLOSED, epoch):
            self._fence("stay_open", pod, OPEN, epoch)

    def reopen_here(self) -> None:
        self._fence("reopen_here", self.leg.source, OPEN, self.leg.epoch)

    def purge_here(self) -> None:
        self._fence("purge_here", self.leg.source, PURGING, self.leg.epoch)

    def purge_there(self) -> None:
        if self.paper.fences[self.leg.target].state == NOWHERE:
            self.paper.set_fence(self.leg.target, INCOMING, self.leg.epoch + 1, self.leg.mover)
        self._fence("purge_there", self.leg.target, PURGING, self.leg.epoch + 1)

    def leave_there(self) -> None:
        self._fence("leave_there", self.leg.target, MOVED, self.leg.epoch + 1)


class PaperJobs:
    """The jobs of a leg."""

    def __init__(self, paper: Paper, move: Move) -> None:
        self.paper = paper
        self.leg = move.passage

    def _gate(self, name: str, pod: int, state: str, epoch: int) -> None:
        self.paper.call(name)
        self.paper.set_gate(pod, state, epoch, self.leg.mover)

    def _bring(self) -> None:
        gate = self.paper.gates[self.leg.target]
        if (gate.state, gate.mover) != (HOLD, self.leg.mover):
            self.paper.refuse("bring", gate, self.leg.mover)
        self.paper.jobs[self.leg.target] = set(self.paper.jobs[self.leg.source])

    def hold_there(self) -> None:
        self._gate("hold_there", self.leg.target, HOLD, self.leg.epoch)

    def pause_here(self) -> None:
        self._gate("pause_here", self.leg.source, PAUSING, self.leg.epoch)

    def still_held(self) -> Sequence[str]:
        self.paper.call("still_held")
        return self.paper.held.pop(0) if self.paper.held else ()

    def bring(self, pulse: Pulse) -> None:
        self.paper.call("bring")
        self._bring()
        pulse("")

    def hold_here(self) -> None:
        self._gate("hold_here", self.leg.source, HOLD, self.leg.epoch)

    def bring_last(self) -> None:
        self.paper.call("bring_last")
        self._bring()

    def check_gates(self) -> None:
        self.paper.call("check_gates")
        for pod in (self.leg.source, self.leg.target):
            gate = self.paper.gates[pod]
            if (gate.state, gate.mover) != (HOLD, self.leg.mover):
                raise GivesWay(f"the gate of pod {pod} is {gate}")

    def leave_here(self) -> None:
        self.paper.call("leave_here_jobs")
        there = self.paper.gates[self.leg.target]
        if (there.state, there.epoch) != (OPEN, self.leg.epoch + 1):
            self.paper.set_gate(self.leg.target, HOLD, self.leg.epoch, self.leg.mover)
        self.paper.set_gate(self.leg.source, MOVED, self.leg.epoch + 1, self.leg.mover)
        self.paper.jobs[self.leg.source].clear()

    def pass_there(self) -> None:
        self._gate("pass_there", self.leg.target, OPEN, self.leg.epoch + 1)

    def sweep_here(self) -> None:
        self._gate("sweep_here", self.leg.source, MOVED, self.leg.epoch + 1)
        self.paper.jobs[self.leg.source].clear()

    def pass_here(self) -> None:
        self._gate("pass_here", self.leg.source, OPEN, self.leg.epoch)

    def close_there(self) -> None:
        self._gate("close_there", self.leg.target, MOVED, self.leg.epoch)

    def drop_there(self) -> None:
        self.paper.call("drop_there")
        gate = self.paper.gates[self.leg.target]
        if (gate.state, gate.mover) != (MOVED, self.leg.mover):
            self.paper.refuse("drop_there", gate, self.leg.mover)
        self.paper.jobs[self.leg.target].clear()


class PaperRows:
    """The rows of a leg."""

    def __init__(self, paper: Paper, move: Move) -> None:
        self.paper = paper
        self.leg = move.passage

    def _write(self, name: str, pod: int, state: str, rows: set[int]) -> None:
        self.paper.call(name)
        fence = self.paper.fences[pod]
        if (fence.state, fence.mover) != (state, self.leg.mover):
            self.paper.refuse(name, fence, self.leg.mover)
        self.paper.rows[pod] = set(rows)

    def follow(self, since: str) -> None:
        self.paper.call("follow")
        assert since == ("log of 2" if self.leg.leg == 2 else "")
        fence = self.paper.fences[self.leg.target]
        if (fence.state, fence.mover) == (INCOMING, self.leg.mover):
            self.paper.progress.add(self.leg.target)

    def begin_anew(self, pulse: Pulse) -> None:
        self._write("begin_anew", self.leg.target, INCOMING, set())

    def copy(self, pulse: Pulse) -> None:
        self._write("copy", self.leg.target, INCOMING, self.paper.rows[self.leg.source])
        pulse("")

    def apply(self, pulse: Pulse) -> int:
        behind = self.paper.rows[self.leg.source] - self.paper.rows[self.leg.target]
        self._write("apply", self.leg.target, INCOMING, self.paper.rows[self.leg.source])
        return len(behind)

    def close_up(self, pulse: Pulse, *, in_haste: bool = False) -> None:
        self._write("close_up", self.leg.target, INCOMING, self.paper.rows[self.leg.source])
        self.paper.hastes.append(in_haste)

    def verify(self, pulse: Pulse) -> Sequence[str]:
        self.paper.call("verify")
        return self.paper.differs.pop(0) if self.paper.differs else ()

    def apply_last(self) -> None:
        self._write("apply_last", self.leg.target, INCOMING, self.paper.rows[self.leg.source])

    def position_there(self) -> str:
        self.paper.call("position_there")
        return f"log of {self.leg.target}"

    def let_relay(self) -> None:
        self.paper.call("let_relay")

    def stale_here(self, since: str, pulse: Pulse) -> Sequence[str]:
        assert since == "log of 2"
        self.paper.call("look_stale")
        if self.paper.fences[self.leg.source].state == MOVED and not self.paper.rows[self.leg.source]:
            return ["rows: all of them"]  # it was fed, and the rest is gone
        return self.paper.stale.pop(0) if self.paper.stale else ()

    def feed(self, since: str, pulse: Pulse) -> int:
        assert since == "log of 2"
        self._write("feed", self.leg.source, MOVED, self.paper.rows[self.leg.target])
        self.paper.progress.add(self.leg.source)
        return 0

    def purge_here(self, pulse: Pulse, check: Callable[[], None]) -> None:
        check()
        self._write("purge_rows", self.leg.source, PURGING, set())
        self.paper.progress.discard(self.leg.source)

    def purge_there(self, pulse: Pulse) -> None:
        self._write("purge_rows_there", self.leg.target, PURGING, set())
        self.paper.progress.discard(self.leg.target)

    def forget_there(self) -> None:
        self.paper.call("forget_there")
        self.paper.progress.discard(self.leg.target)


class PaperStand:
    """A move of the shop from A to B, its movers, and the pods on paper."""

    def __init__(self, url: str) -> None:
        self.clock = VirtualClock(NOW)
        self.directory = Directory(url, clock=self.clock)
        self.moves = Moves(self.directory)
        self.moves.prepare()
        self.directory.assign(SHOP, A)
        self.orders = MoveOrders(self.moves)
        self.paper = Paper(self.directory)
        self.move = self.moves.plan(Wanted(SHOP, B, "anna", "more room"))
        self._movers = 0

    def now(self) -> Move:
        """Return the move as it is."""
        return self.moves.get(self.move.id)

    def turn(self, should_stop: Callable[[], bool] = lambda: False) -> Turn:
        """Let a new mover take a turn."""
        self._movers += 1
        return Mover(self.moves, self.paper.crossing, f"mover-{self._movers}", should_stop).turn(self.move.id)

    def finish(self, turns: int = 12) -> Move:
        """Let movers take turns, with time between them, until the move is over, or reversible."""
        for _ in range(turns):
            self.turn()
            move = self.now()
            if move.state.is_over or move.state == MoveState.REVERSIBLE:
                return move
            self.clock.advance(max(runbook.AGAIN_SECONDS))
        raise AssertionError(f"not over: {self.now()}")

    def check(self) -> Move:
        """Look at the promises, wherever the move has ended or is reversible; return it."""
        move = self.now()
        route = self.directory.locate(SHOP)
        changes = [event for event in self.moves.events(self.move.id) if event.before != event.after]
        entered = {event.after: event.mover_epoch for event in changes}
        # Who brings it to rest has stamped all four places (`moves.stamp`).
        rest = {MoveState.ABORTED: "aborted", MoveState.REVERSED: "purging"}.get(move.state, "reversible")
        assert route.epoch == {MoveState.ABORTED: 1, MoveState.REVERSED: 3}.get(move.state, 2)
        self.paper.check(route.pod_id, route.epoch, entered[rest])
        if move.state is not MoveState.REVERSIBLE:
            assert not self.paper.rows[A + B - route.pod_id], "something is left behind"
            assert not self.paper.progress, "something is remembered of it"
        return move

    def close(self) -> None:
        """Close the directory."""
        self.directory.close()


@contextmanager
def at_points(act: Callable[[str], None]) -> Iterator[None]:
    """Call `act` at each of a mover's points."""
    points.install(lambda name: act(name) if name.startswith("move.") else None)
    try:
        yield
    finally:
        points.install(None)


def once(name: str, act: Callable[[], None]) -> Callable[[str], None]:
    """Return a hook that acts at the point's first time."""
    left = [name]

    def hook(point: str) -> None:
        if left and point == name:
            left.clear()
            act()

    return hook


def paper_stand(folder: Path) -> PaperStand:
    """Return one whose directory is a file."""
    return PaperStand(f"sqlite:///{folder}/directory.db")


assert {state.value for state in FenceState} <= set(WAYS)
