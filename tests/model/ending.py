"""A mover's last steps: the way back, the purge, and giving up."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model import world as w
from tests.model.cutting import drop, sent_on
from tests.model.program import (
    Done,
    On,
    fenced,
    gated,
    goes_on,
    refused,
    remember,
    set_fence,
    set_stage,
    staged,
    step,
)
from tests.model.world import Mover, Scope, World, name, swapped


@step("opened")
def opened(world: World, index: int, mover: Mover, on: On, scope: Scope) -> Iterator[Done]:
    to = w.REVERSIBLE if mover.leg < scope.legs else w.PURGE
    what = f"mover {mover.epoch}: the move is {to}"
    after = set_stage(world, mover, (w.SWITCHED,), to, on)
    if after is None:
        yield refused(world, index, what)
        return
    yield what, goes_on(after, index, mover, "feed-begin" if to == w.REVERSIBLE else "purge-here")


# The way back is kept open: the other way round, without a copy.


@step("feed-begin")
def feed_begin(world: World, index: int, mover: Mover, on: On, scope: Scope) -> Iterator[Done]:
    """Stamp the kept rows, and begin where the switch has written that the way back begins."""
    what = f"mover {mover.epoch}: feeds {name(mover.src)}'s kept rows"
    after = set_fence(world, mover, mover.src, w.MOVED, mover.at, on)
    if after is None:
        yield refused(world, index, what)
        return
    upto = world.upto[mover.src]
    if not on("feed.position"):  # taken here, by whoever comes here first
        upto = world.log[mover.dst]
        after = after._replace(upto=swapped(after.upto, mover.src, upto))
    yield what, remember(after, index, mover._replace(next="feed", seen=upto, dirty=0, took=()))


staged("complete", (w.REVERSIBLE,), w.PURGE, "purge-here")


@step("reverse")
def reverse(world: World, index: int, mover: Mover, on: On, scope: Scope) -> Iterator[Done]:
    """The same passage with the roles swapped, from READY."""
    what = f"mover {mover.epoch}: the way back is {w.READY}"
    after = set_stage(world, mover, (w.REVERSIBLE,), w.READY, on)
    if after is None:
        yield refused(world, index, what)
        return
    after = after._replace(src=mover.dst, at=mover.at + 1, leg=2)
    yield what, remember(after, index, mover._replace(next="incoming", src=mover.dst, at=mover.at + 1, leg=2))


# The end: what the shop leaves behind is deleted.

fenced("purge-here", "src", w.PURGING, 0, "delete-here")


def delete(world: World, index: int, mover: Mover, pod: int, then: str, on: On) -> Done:
    what = f"mover {mover.epoch}: deletes {name(pod)}'s rows"
    fence = world.fence[pod]
    if on("purge.fence") and not (fence.state == w.PURGING and fence.mover == mover.epoch):
        return refused(world, index, what)
    after = world._replace(
        rows=swapped(world.rows, pod, 0),
        whole=swapped(world.whole, pod, 0),
        hurt="S7: the home copy is deleted" if pod == world.home else world.hurt,
    )
    return what, goes_on(after, index, mover, then)


@step("delete-here")
def delete_here(world: World, index: int, mover: Mover, on: On, scope: Scope) -> Iterator[Done]:
    yield delete(world, index, mover, mover.src, "purged-here", on)


fenced("purged-here", "src", w.MOVED, 0, "done")
staged("done", (w.PURGE,), w.DONE, None)

# Giving up: only before the switch. The shop trades again first, then the target is cleared.

staged("give-up", w.BEFORE_COMMIT, w.ABORTING, "reopen-here")


@step("reopen-here", "give-way")
def reopen_here(world: World, index: int, mover: Mover, on: On, scope: Scope) -> Iterator[Done]:
    """Open the source's fence, also if it looks open: a close may be on its way, and is then refused."""
    what = f"mover {mover.epoch}: {name(mover.src)}'s fence open"
    then = "pass-here" if mover.next == "reopen-here" else "pass-again"
    if not on("moves.stamp") and world.fence[mover.src].state == w.OPEN:
        yield f"{what} already", goes_on(world, index, mover, then)
        return
    if on("fence.waits") and any(writer.pod == mover.src for writer in world.writer):
        return
    after = set_fence(world, mover, mover.src, w.OPEN, mover.at, on)
    yield (what, goes_on(after, index, mover, then)) if after else refused(world, index, what)


gated("pass-again", "src", w.OPEN, 0, "again")


@step("again")
def again(world: World, index: int, mover: Mover, on: On, scope: Scope) -> Iterator[Done]:
    """A cut-over that took too long is undone and tried again; nothing at the target is cleared."""
    what = f"mover {mover.epoch}: the move is {w.READY} again"
    after = set_stage(world, mover, (w.CUTTING,), w.READY, on)
    if after is None:
        yield refused(world, index, what)
        return
    yield what, remember(after, index, mover._replace(next="incoming", dirty=0, took=(), jobs=0))


gated("pass-here", "src", w.OPEN, 0, "moved-there")
gated("moved-there", "dst", w.MOVED, 0, "drop-there")


@step("drop-there")
def drop_there(world: World, index: int, mover: Mover, on: On, scope: Scope) -> Iterator[Done]:
    """Delete what a mover has stored; what came by itself, because the gate was forgotten, is pushed back."""
    place = world.jobs[mover.dst]
    if place == w.HELD and on("jobs.strays"):
        return
    if place == w.QUEUED and on("jobs.strays"):
        what = f"mover {mover.epoch}: sends {name(mover.dst)}'s stray job to {name(mover.src)}"
        gate, there = world.gate[mover.dst], world.gate[mover.src]
        if (gate.state, gate.mover) != (w.MOVED, mover.epoch) or there[:2] != (w.OPEN, mover.at):
            yield refused(world, index, what)
        else:
            yield what, goes_on(sent_on(world, mover.dst), index, mover, "drop-there")
        return
    then = "keep-there" if mover.leg == 2 else "purge-there"
    yield drop(world, index, mover, mover.dst, then, on)


fenced("purge-there", "dst", w.PURGING, 1, "delete-there")


@step("delete-there")
def delete_there(world: World, index: int, mover: Mover, on: On, scope: Scope) -> Iterator[Done]:
    yield delete(world, index, mover, mover.dst, "purged-there", on)


fenced("purged-there", "dst", w.MOVED, 1, "aborted")
staged("aborted", (w.ABORTING,), w.ABORTED, None)


@step("keep-there")
def keep_there(world: World, index: int, mover: Mover, on: On, scope: Scope) -> Iterator[Done]:
    """A way back that is given up: the kept rows are kept, and fed again."""
    what = f"mover {mover.epoch}: {name(mover.dst)}'s fence moved, its rows are kept"
    after = set_fence(world, mover, mover.dst, w.MOVED, mover.at + 1, on)
    yield (what, goes_on(after, index, mover, "reversible")) if after else refused(world, index, what)


@step("reversible")
def reversible(world: World, index: int, mover: Mover, on: On, scope: Scope) -> Iterator[Done]:
    what = f"mover {mover.epoch}: the move is {w.REVERSIBLE} again"
    after = set_stage(world, mover, (w.ABORTING,), w.REVERSIBLE, on)
    if after is None:
        yield refused(world, index, what)
        return
    after = after._replace(src=mover.dst, at=mover.at - 1, leg=1)
    yield (
        what,
        remember(after, index, mover._replace(next="feed-begin", src=mover.dst, at=mover.at - 1, leg=1)),
    )
