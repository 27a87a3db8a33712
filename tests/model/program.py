"""What a mover does, step by step; each step is one statement or script, and may come late.

A mover is its memory (`Mover`): `next` names what it sends next, and it may be stopped for any time before
that. So a crash needs no step of its own: a mover that takes no further step has crashed, and one that takes
it after another has taken over was asleep, or its message was on the way. A step that a guard refuses ends
its mover.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from tests.model import world as w
from tests.model.world import Fence, Gate, Mover, Scope, World, name, swapped

On = Callable[[str], bool]
"""Whether a guard is there."""
Done = tuple[str, World]
STEPS: Final[dict[str, Callable[[World, int, Mover, On, Scope], Iterator[Done]]]] = {}


def step(*names: str) -> Callable[[Callable[..., Iterator[Done]]], Callable[..., Iterator[Done]]]:
    def keep(function: Callable[..., Iterator[Done]]) -> Callable[..., Iterator[Done]]:
        STEPS.update(dict.fromkeys(names, function))
        return function

    return keep


def remember(world: World, index: int, mover: Mover | None) -> World:
    """Return the world in which a mover has another memory, or is gone."""
    others = world.movers[:index] + world.movers[index + 1 :]
    return world._replace(movers=tuple(sorted((*others, mover))) if mover else others)


def goes_on(world: World, index: int, mover: Mover, to: str) -> World:
    return remember(world, index, mover._replace(next=to))


def refused(world: World, index: int, what: str) -> Done:
    """A guard has said no. The mover reads the move's row: it goes on from there, or it has lost it."""
    mover = world.movers[index]
    if world.drawn != mover.epoch or world.stage in w.ENDED:
        return f"{what}: refused", remember(world, index, None)
    return (
        f"{what}: refused, it is {world.stage}",
        goes_on(world, index, mover, AFTER_TAKING_OVER[world.stage]),
    )


# The four places that a move writes to: two fences, two gates; and the move's row in the directory.


FENCE_WAYS: Final = {
    w.OPEN: (w.OPEN, w.CLOSED, w.INCOMING),
    w.CLOSED: (w.CLOSED, w.OPEN),
    w.INCOMING: (w.INCOMING, w.MOVED),
    w.MOVED: (w.MOVED, w.CLOSED, w.INCOMING, w.PURGING),
    w.PURGING: (w.PURGING, w.INCOMING, w.MOVED),
}
"""For each state of a fence, from which it is entered."""


def set_fence(world: World, mover: Mover, pod: int, state: str, epoch: int, on: On) -> World | None:
    fence = world.fence[pod]
    if on("fence.mover") and fence.mover > mover.epoch:
        return None
    if on("fence.ways") and fence.state not in FENCE_WAYS[state]:
        return None
    return world._replace(fence=swapped(world.fence, pod, Fence(state, epoch, mover.epoch)))


def set_gate(world: World, mover: Mover, pod: int, state: str, epoch: int, on: On) -> World | None:
    gate = world.gate[pod]
    if (on("gate.mover") and gate.mover > mover.epoch) or (on("gate.epoch") and gate.epoch > epoch):
        return None
    return world._replace(gate=swapped(world.gate, pod, Gate(state, epoch, mover.epoch)))


def set_stage(
    world: World, mover: Mover, stages: tuple[str, ...], to: str, on: On, guard: str = "moves.mover"
) -> World | None:
    if on(guard) and world.drawn != mover.epoch:
        return None
    if on("moves.state") and world.stage not in stages:
        return None
    return world._replace(stage=to)


def fenced(text: str, pod_of: str, state: str, later: int, then: str) -> None:
    """Declare a step that sets one fence: `later` is 1 if under the epoch after the switch."""

    def take(world: World, index: int, mover: Mover, on: On, scope: Scope) -> Iterator[Done]:
        pod = mover.src if pod_of == "src" else mover.dst
        what = f"mover {mover.epoch}: {name(pod)}'s fence {state}"
        after = set_fence(world, mover, pod, state, mover.at + later, on)
        yield (what, goes_on(after, index, mover, then)) if after else refused(world, index, what)

    step(text)(take)


def gated(text: str, pod_of: str, state: str, later: int, then: str) -> None:
    """Declare a step that sets one gate."""

    def take(world: World, index: int, mover: Mover, on: On, scope: Scope) -> Iterator[Done]:
        pod = mover.src if pod_of == "src" else mover.dst
        what = f"mover {mover.epoch}: {name(pod)}'s gate {state}"
        after = set_gate(world, mover, pod, state, mover.at + later, on)
        yield (what, goes_on(after, index, mover, then)) if after else refused(world, index, what)

    step(text)(take)


def staged(text: str, stages: tuple[str, ...], to: str, then: str | None) -> None:
    """Declare a step that sets the move's state; `then` None: that was all."""

    def take(world: World, index: int, mover: Mover, on: On, scope: Scope) -> Iterator[Done]:
        what = f"mover {mover.epoch}: the move is {to}"
        after = set_stage(world, mover, stages, to, on)
        if after is None:
            yield refused(world, index, what)
        else:
            yield what, goes_on(after, index, mover, then) if then else remember(after, index, None)

    step(text)(take)


GIVES_WAY_AT: Final = frozenset({"read-jobs", "read-last-jobs", "last", "last-read", "switch"})
"""Where a cut-over may have spent its budget of time."""
GIVES_UP_AT: Final = frozenset({"follow", "read", "read-jobs", "last", "last-read", "switch"})
"""Where a mover may find that this move will not do."""

AFTER_TAKING_OVER: Final = {
    w.COPYING: "incoming",
    w.READY: "incoming",
    w.CUTTING: "give-up",
    w.SWITCHED: "open-there",
    w.REVERSIBLE: "feed-begin",
    w.PURGE: "purge-here",
    w.ABORTING: "reopen-here",
}
"""What a successor does first, by the move's state: it knows nothing else."""
