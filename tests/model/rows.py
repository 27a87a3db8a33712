"""A mover's steps with rows: filling the target, following the log, feeding what was left behind."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model import world as w
from tests.model.program import Done, On, goes_on, refused, remember, set_fence, step
from tests.model.world import Mover, Scope, World, name, swapped

# Filling the target


@step("incoming")
def incoming(world: World, index: int, mover: Mover, on: On, scope: Scope) -> Iterator[Done]:
    """Both for a new target and for one that another mover has begun to fill."""
    what = f"mover {mover.epoch}: {name(mover.dst)}'s fence incoming"
    after = set_fence(world, mover, mover.dst, w.INCOMING, mover.at + 1, on)
    if after is None:
        yield refused(world, index, what)
    elif scope.rows == "whole" and mover.leg == 1:
        yield what, goes_on(after, index, mover, "read")
    elif scope.rows == "logged" and mover.leg == 1 and not world.whole[mover.dst]:
        yield what, goes_on(after, index, mover, "snapshot")
    else:
        # What was noted and where the log was read go together: both are forgotten.
        upto = world.upto[mover.dst] if on("copy.position") else world.log[mover.src]
        upto = upto if on("copy.again") else max(mover.seen, upto)
        then = "cutting" if mover.leg == 2 else "ready" if scope.rows == "none" else "follow"
        yield what, remember(after, index, mover._replace(next=then, seen=upto, dirty=0, took=()))


def may_fill(world: World, mover: Mover, pod: int, on: On) -> bool:
    """What a batch of rows reads first, and holds until it commits."""
    fence = world.fence[pod]
    kept = w.MOVED if mover.next.startswith("feed") else w.INCOMING
    return not on("copy.fence") or (fence.state == kept and fence.mover == mover.epoch)


def write_row(world: World, index: int, mover: Mover, pod: int, value: int, on: On) -> World | None:
    """Delete the shop's row and insert what it is now; None: the move cannot go on like this."""
    if world.neighbour and pod == 1:
        if not on("copy.shop"):
            world = world._replace(neighbour=0, hurt="S5: another shop's row is deleted")
        elif value and not on("copy.insert"):
            world = world._replace(neighbour=0, hurt="S5: another shop's row is replaced")
        elif value:
            return None
    return world._replace(rows=swapped(world.rows, pod, value))


@step("read", "last-read", "feed-read")
def read(world: World, index: int, mover: Mover, on: On, scope: Scope) -> Iterator[Done]:
    """Read the source's row, waiting for its writer."""
    pod = mover.dst if mover.next == "feed-read" else mover.src
    if any(writer.pod == pod and writer.value >= 0 for writer in world.writer):
        return
    then = {"read": "fill", "last-read": "last-fill", "feed-read": "feed-fill"}[mover.next]
    yield (
        f"mover {mover.epoch}: reads {name(pod)}'s row",
        remember(world, index, mover._replace(next=then, took=(world.rows[pod], 0))),
    )


@step("fill", "last-fill", "feed-fill")
def fill(world: World, index: int, mover: Mover, on: On, scope: Scope) -> Iterator[Done]:
    """Write what was read."""
    pod = mover.src if mover.next == "feed-fill" else mover.dst
    what = f"mover {mover.epoch}: writes {mover.took and mover.took[0]} to {name(pod)}'s row"
    if not may_fill(world, mover, pod, on):
        yield refused(world, index, what)
        return
    after = write_row(world, index, mover, pod, mover.took[0] if mover.took else 0, on)
    if after is None:
        yield f"{what}: another shop has that value", goes_on(world, index, mover, "give-up")
        return
    then = {"fill": "verify", "last-fill": "switch", "feed-fill": "feed"}[mover.next]
    yield what, remember(after, index, mover._replace(next=then, took=()))


@step("snapshot")
def snapshot(world: World, index: int, mover: Mover, on: On, scope: Scope) -> Iterator[Done]:
    """Take a snapshot, and the position in the log at which it was taken."""
    under_way = sum(writer.pod == mover.src and writer.value >= 0 for writer in world.writer)
    upto = world.log[mover.src] - (under_way if on("copy.snapshot") else 0)
    yield (
        f"mover {mover.epoch}: takes a snapshot of {name(mover.src)}",
        remember(
            world,
            index,
            mover._replace(next="copy", took=(world.rows[mover.src], upto), seen=upto, dirty=0),
        ),
    )


@step("copy")
def copy(world: World, index: int, mover: Mover, on: On, scope: Scope) -> Iterator[Done]:
    """Insert the snapshot's row. The log is followed meanwhile."""
    what = f"mover {mover.epoch}: inserts the snapshot's row"
    value, upto = mover.took or (0, 0)
    if not on("copy.order") and mover.dirty and not world.writer:
        # Applied during the copy: the row as it is now, in place of whatever is there.
        yield (
            f"mover {mover.epoch}: applies a change before the copy is whole",
            remember(
                world._replace(rows=swapped(world.rows, mover.dst, world.rows[mover.src])),
                index,
                mover._replace(dirty=0),
            ),
        )
    if mover.seen < world.log[mover.src]:
        yield (
            f"mover {mover.epoch}: reads the log",
            remember(world, index, mover._replace(seen=mover.seen + 1, dirty=1)),
        )
    if not may_fill(world, mover, mover.dst, on):
        yield refused(world, index, what)
        return
    after = world
    if not world.rows[mover.dst]:
        after = world._replace(rows=swapped(world.rows, mover.dst, value))
    after = after._replace(
        whole=swapped(world.whole, mover.dst, 1), upto=swapped(world.upto, mover.dst, upto)
    )
    yield what, remember(after, index, mover._replace(next="follow", took=()))


@step("follow", "last", "feed")
def follow(world: World, index: int, mover: Mover, on: On, scope: Scope) -> Iterator[Done]:
    """Follow the log of where the shop is, and bring changed rows to the other pod."""
    feeds = mover.next == "feed"
    here, there = (mover.dst, mover.src) if feeds else (mover.src, mover.dst)
    if scope.rows == "logged":
        yield from _follow(world, index, mover, here, there, on)
    idle = not mover.dirty and not mover.took
    caught_up = mover.seen == world.log[here]
    if mover.next == "last" and idle and (caught_up or not on("copy.last")):
        yield f"mover {mover.epoch}: has applied the last change", goes_on(world, index, mover, "switch")
    if mover.next == "follow" and idle and caught_up:
        yield f"mover {mover.epoch}: has caught up", goes_on(world, index, mover, "verify")
    if feeds and idle:
        yield from _feeding(world, index, mover, scope, on)


def _follow(world: World, index: int, mover: Mover, here: int, there: int, on: On) -> Iterator[Done]:
    if mover.seen < world.log[here]:
        yield (
            f"mover {mover.epoch}: reads the log of {name(here)}",
            remember(world, index, mover._replace(seen=mover.seen + 1, dirty=1)),
        )
    under_way = any(writer.pod == here and writer.value >= 0 for writer in world.writer)
    if mover.dirty and not mover.took and not (under_way and on("copy.waits")):
        yield (
            f"mover {mover.epoch}: reads {name(here)}'s changed row",
            remember(world, index, mover._replace(dirty=0, took=(world.rows[here], mover.seen))),
        )
    if not mover.took:
        return
    value, upto = mover.took
    what = f"mover {mover.epoch}: writes {value} to {name(there)}'s row"
    if not may_fill(world, mover, there, on):
        yield refused(world, index, what)
        return
    after = write_row(world, index, mover, there, value, on)
    if after is None:
        yield f"{what}: another shop has that value", goes_on(world, index, mover, "give-up")
        return
    after = after._replace(
        upto=swapped(after.upto, there, upto if on("copy.batch") else mover.seen),
    )
    yield what, remember(after, index, mover._replace(took=()))


@step("verify")
def verify(world: World, index: int, mover: Mover, on: On, scope: Scope) -> Iterator[Done]:
    """Compare what did not change meanwhile; here: if nothing did."""
    quiet = not world.writer and (scope.rows == "whole" or mover.seen == world.log[mover.src])
    what = f"mover {mover.epoch}: compares"
    if not quiet:
        back = "read" if scope.rows == "whole" else "follow"
        yield f"{what}: has to catch up", goes_on(world, index, mover, back)
    elif scope.rots and on("copy.verify") and world.rows[0] != world.rows[1]:
        yield f"{what}: mismatch", goes_on(world, index, mover, "give-up")
    else:
        yield what, goes_on(world, index, mover, "ready")


def _feeding(world: World, index: int, mover: Mover, scope: Scope, on: On) -> Iterator[Done]:
    if scope.rows == "whole":
        yield f"mover {mover.epoch}: feeds", goes_on(world, index, mover, "feed-read")
    yield f"mover {mover.epoch}: the window is over", goes_on(world, index, mover, "complete")
    if mover.leg == 1:
        yield f"mover {mover.epoch}: is asked for the way back", goes_on(world, index, mover, "reverse")
