"""The model of a move: movers, writers, a job with its pushers and workers, and the promises S1 to S7."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tests.model import cutting, ending, rows
from tests.model import world as w
from tests.model.checker import Model, Step
from tests.model.cutting import sent_on
from tests.model.guards import ALL
from tests.model.program import AFTER_TAKING_OVER, GIVES_UP_AT, GIVES_WAY_AT, STEPS, On, goes_on
from tests.model.world import Gate, Mover, Scope, World, Writer, name, start, swapped

PARTS: Final = (rows, cutting, ending)
"""Whose steps a mover can take; they are known once they are imported."""

SCOPES: Final = {
    scope.name: scope
    for scope in (
        Scope("writes", rows="whole", writes=2, retries=1),
        Scope("orders", rows="whole", writes=1, aborts=1),
        Scope("log", rows="logged", writes=2),
        Scope("log-again", rows="logged", writes=2, movers=1, retries=1),
        Scope("rot", rows="logged", movers=1, rots=1),
        Scope("clash", rows="whole", writes=2, clash=True),
        Scope("jobs", jobs=True, retries=1, silent=True),
        Scope("forgets", jobs=True, losses=1),
        Scope("forgets-back", jobs=True, legs=2, losses=1, movers=1),
        Scope("back", rows="whole", writes=1, legs=2),
        Scope("back-log", rows="logged", writes=2, legs=2, movers=1),
        Scope("again", rows="whole", writes=1, movers=3, moves=2),
        Scope("jobs-again", jobs=True, movers=3, moves=2, silent=True),
    )
}

"""Each small enough for every run of the tests."""

LARGER: Final = {
    scope.name: scope
    for scope in (
        Scope("three-movers", rows="whole", writes=3, writers=2, movers=3, retries=2, aborts=1),
        Scope("three-writes", rows="logged", writes=3, writers=2, movers=2, retries=1, aborts=1),
        Scope("back-logged", rows="logged", writes=2, legs=2, movers=2, retries=1),
        Scope("jobs-and-back", rows="whole", writes=1, legs=2, jobs=True, silent=True),
        Scope("jobs-three-movers", jobs=True, movers=3, retries=1, aborts=1, silent=True),
        Scope("forgets-twice", jobs=True, retries=1, losses=2),
        Scope("forgets-and-back", jobs=True, legs=2, losses=1),
        Scope("again-and-back", rows="whole", writes=2, legs=2, moves=2, movers=3),
    )
}
"""For `make test-long`."""


def model(scope: Scope, without: frozenset[str] = frozenset()) -> Model[World]:
    """Return the model of a scope, with all guards except some."""
    there = ALL - without

    def on(guard: str) -> bool:
        return guard in there

    def steps(world: World) -> Iterator[Step[World]]:
        yield from _movers(world, scope, on)
        yield from _writers(world, scope, on)
        if scope.jobs:
            yield from _job(world, on)

    return Model([start(scope)], steps, broken, is_over)


def is_over(world: World) -> bool:
    """Whether the move has ended, and the shop's jobs run."""
    is_here = world.jobs[1 - world.home] == w.NOWHERE
    return world.stage in w.ENDED and world.gate[world.home].state == w.OPEN and is_here


def _movers(world: World, scope: Scope, on: On) -> Iterator[Step[World]]:
    for index, mover in enumerate(world.movers):
        # The end is not waited for through a mover that was given up: it may be dead.
        is_latest = mover.epoch == world.drawn
        for label, after in STEPS[mover.next](world, index, mover, on, scope):
            yield Step(label, after, is_latest)
        if mover.next in GIVES_UP_AT:
            yield Step(f"mover {mover.epoch}: gives up", goes_on(world, index, mover, "give-up"), is_latest)
        if world.left.retries and mover.next in GIVES_WAY_AT:
            yield Step(
                f"mover {mover.epoch}: gives way", goes_on(_less(world, "retries"), index, mover, "give-way")
            )
    if world.left.aborts and (world.stage in w.BEFORE_COMMIT or not on("moves.state")):
        yield Step("a person aborts", _less(world, "aborts")._replace(stage=w.ABORTING))
    if world.drawn < scope.movers and len(world.movers) < 2:
        if world.stage not in w.ENDED:
            for then in _ways(world):
                yield Step(*_taken_over(world, then, on), False)
        elif world.left.moves:
            yield Step(*_next_move(world))


def _less(world: World, what: str) -> World:
    """Return the world in which something may happen once less."""
    return world._replace(left=world.left._replace(**{what: getattr(world.left, what) - 1}))


def _ways(world: World) -> Iterator[str]:
    yield AFTER_TAKING_OVER[world.stage]
    if world.stage == w.CUTTING and world.left.retries:
        yield "give-way"


def _taken_over(world: World, then: str, on: On) -> tuple[str, World]:
    epoch = world.drawn + 1 if on("moves.draw") else world.drawn
    mover = Mover(epoch, then, world.src, world.at, leg=world.leg)
    after = world._replace(drawn=epoch, movers=tuple(sorted((*world.movers, mover))))
    if then == "give-way":
        after = _less(after, "retries")
    return f"mover {epoch} takes over: the move is {world.stage}", after


def _next_move(world: World) -> tuple[str, World]:
    epoch = world.drawn + 1
    mover = Mover(epoch, "incoming", world.home, world.epoch)
    after = _less(world, "moves")._replace(
        stage=w.COPYING,
        drawn=epoch,
        src=world.home,
        at=world.epoch,
        leg=1,
        movers=tuple(sorted((*world.movers, mover))),
    )
    return f"mover {epoch} begins the next move", after


def _writers(world: World, scope: Scope, on: On) -> Iterator[Step[World]]:
    if world.left.writes and len(world.writer) < scope.writers:
        for epoch in range(1, world.epoch + 1):  # whoever remembers an old route goes there
            pod = (epoch - 1) % 2
            fence = world.fence[pod]
            is_open = not on("fence.state") or fence.state == w.OPEN
            is_now = not on("fence.epoch") or fence.epoch == epoch
            if is_open and is_now:
                yield Step(
                    f"a writer passes {name(pod)}'s fence at epoch {epoch}",
                    _less(world, "writes")._replace(
                        writer=tuple(sorted((*world.writer, Writer(pod, epoch))))
                    ),
                )
    for writer in world.writer:
        others = list(world.writer)
        others.remove(writer)
        pod = writer.pod
        if writer.value < 0 and all(other.value < 0 or other.pod != pod for other in others):
            value = 1 - world.rows[pod]
            logged = writer._replace(value=value)
            yield Step(
                f"its change to {value} is in {name(pod)}'s log, not visible yet",
                world._replace(
                    writer=tuple(sorted((*others, logged))),
                    log=swapped(world.log, pod, world.log[pod] + 1),
                ),
            )
        elif writer.value >= 0:
            yield Step(
                f"its commit is acknowledged by {name(pod)}",
                world._replace(
                    writer=tuple(others),
                    rows=swapped(world.rows, pod, writer.value),
                    acked=writer.value,
                ),
            )
    if world.left.rots and world.rows[1] and any(mover.next == "follow" for mover in world.movers):
        yield Step("B's row rots", _less(world, "rots")._replace(rows=(world.rows[0], 0)))


def _job(world: World, on: On) -> Iterator[Step[World]]:
    if world.pushed < 2 and world.jobs == (w.NOWHERE, w.NOWHERE) and world.runs >= world.pushed:
        for epoch in range(1, world.epoch + 1):
            pod = (epoch - 1) % 2
            if accepts(world.gate[pod], epoch, on):
                jobs = swapped(world.jobs, pod, w.QUEUED)
                yield Step(
                    f"a push at epoch {epoch} is accepted by {name(pod)}",
                    world._replace(jobs=jobs, pushed=world.pushed + 1),
                )
    for pod in (0, 1):
        place = world.jobs[pod]
        if place in w.WAITING and hands_out(world.gate[pod], on):
            yield from _claimed(world, pod, on)
        if place == w.HELD:
            yield Step(
                f"{name(pod)}: acknowledged",
                world._replace(jobs=swapped(world.jobs, pod, w.NOWHERE), runs=world.runs + 1),
            )
            yield Step(f"{name(pod)}: given back", world._replace(jobs=swapped(world.jobs, pod, w.QUEUED)))
    if world.left.losses and world.gate[world.src] != Gate():
        yield Step(
            f"{name(world.src)}'s Redis forgets the gate",
            _less(world, "losses")._replace(gate=swapped(world.gate, world.src, Gate()), lost=1),
        )
    if world.lost and world.stage in w.ENDED and world.gate[world.home].state != w.OPEN:
        stamped = Gate(w.OPEN, world.epoch, world.drawn)
        yield Step(
            f"the sweeper opens {name(world.home)}'s gate",
            world._replace(gate=swapped(world.gate, world.home, stamped)),
        )
    away = 1 - world.home
    if world.lost and world.stage in w.ENDED and world.jobs[away] in w.WAITING:
        yield Step(f"the sweeper sends {name(away)}'s late job to {name(world.home)}", sent_on(world, away))


def _claimed(world: World, pod: int, on: On) -> Iterator[Step[World]]:
    """A worker that remembers the shop here starts it; any other asks the directory, and sends it on."""
    if any((epoch - 1) % 2 == pod for epoch in range(1, world.epoch + 1)):
        yield Step(f"{name(pod)}: claimed", world._replace(jobs=swapped(world.jobs, pod, w.HELD)))
    home = world.home
    if pod != home and (world.jobs[home] != w.NOWHERE or accepts(world.gate[home], world.epoch, on)):
        yield Step(f"{name(pod)}: claimed, and sent to {name(home)}", sent_on(world, pod))


def accepts(gate: Gate, epoch: int, on: On) -> bool:
    """What `scripts/parts/gates.lua` answers a push."""
    if gate.state == w.HOLD and on("gate.hold"):
        return False
    if epoch > gate.epoch:
        return gate.state == w.OPEN
    return not (on("gate.moved") and (gate.state == w.MOVED or epoch < gate.epoch))


def hands_out(gate: Gate, on: On) -> bool:
    """What `scripts/parts/claiming.lua` asks of a lane."""
    return gate.state == w.OPEN or not on("gate.claim")


def broken(before: World, after: World) -> str:  # noqa: PLR0911, PLR0912 - one promise after the other
    """Return the promise that a step breaks."""
    if after.hurt:
        return after.hurt
    home, other = after.home, 1 - after.home
    # S1
    for writer in after.writer:
        if (writer.pod, writer.epoch) != (home, after.epoch):
            return f"S1: {name(writer.pod)} accepts a commit at epoch {writer.epoch}, the shop is elsewhere"
    if after.fence[0].state == after.fence[1].state == w.OPEN:
        return "S1: both fences are open"
    # S2
    if after.epoch < before.epoch or (after.home != before.home and after.epoch == before.epoch):
        return f"S2: the epoch goes from {before.epoch} to {after.epoch}"
    # S3
    if after.home != before.home and after.whole != (0, 0) and after.rows[0] != after.rows[1]:
        return "S3: at the switch source and target differ"
    if after.fence[home].state == w.OPEN and after.rows[home] != after.acked:
        return "S3: the shop's row is not as its last commit left it"
    # S4
    if all(_runs_on(after, pod) for pod in (0, 1)):
        return "S4: the job is runnable on both pods"
    if after.runs > after.pushed and not after.lost:  # else: at least once
        return "S4: the job runs twice"
    if after.jobs == (w.NOWHERE, w.NOWHERE) and after.runs < after.pushed:
        return "S4: the job is lost"
    # S6
    if after.stage in (w.REVERSIBLE, *w.ENDED):
        if after.fence[home][:2] != (w.OPEN, after.epoch):
            return f"S6: the move is {after.stage}, and {name(home)}'s fence is {after.fence[home].state}"
        if after.gate[home].state != w.OPEN and not after.lost:  # else the sweeper opens it
            return f"S6: the move is {after.stage}, and {name(home)}'s gate is {after.gate[home].state}"
        if after.jobs[other] != w.NOWHERE and not after.lost:
            return f"S4: the move is {after.stage}, and a job is left on {name(other)}"
    return ""


FEEDS_OR_DELETES: Final = frozenset(
    {
        *("feed-begin", "feed", "feed-read", "feed-fill", "complete", "reverse"),
        *("purge-here", "delete-here", "purged-here", "done"),
    }
)
"""Steps that write to one of the four places only: to the source's fence, which they stamp first."""


def unstamped(before: World, after: World) -> str:
    """Return which place somebody could still change late when a move has come to rest (`moves.stamp`).

    Not whether it would do harm, which `broken` says: that nothing is on its way to it.
    """
    if after.stage not in (w.REVERSIBLE, w.PURGE, *w.ENDED):
        return ""
    stamps = {f"{name(pod)}'s fence": after.fence[pod].mover for pod in (0, 1)}
    if not after.lost:
        stamps |= {f"{name(pod)}'s gate": after.gate[pod].mover for pod in (0, 1)}
    for mover in after.movers:
        for place, stamp in stamps.items():
            if mover.next not in FEEDS_OR_DELETES and stamp <= mover.epoch:
                return f"S6: the move is {after.stage}, and mover {mover.epoch} may come to {place} late"
    return ""


def _runs_on(world: World, pod: int) -> bool:
    place = world.jobs[pod]
    return place == w.HELD or (place in w.WAITING and world.gate[pod].state == w.OPEN)
