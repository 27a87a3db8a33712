"""A mover's steps of the cut-over: jobs, the fence, the switch, and what has to follow it."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model import world as w
from tests.model.program import (
    Done,
    On,
    fenced,
    gated,
    goes_on,
    refused,
    remember,
    set_fence,
    set_gate,
    set_stage,
    staged,
    step,
)
from tests.model.world import Mover, Scope, World, name, swapped

staged("ready", (w.COPYING, w.READY), w.READY, "cutting")

# The cut-over: the state is written before the first of the steps that it names.


@step("cutting")
def cutting(world: World, index: int, mover: Mover, on: On, scope: Scope) -> Iterator[Done]:
    what = f"mover {mover.epoch}: the move is {w.CUTTING}"
    after = set_stage(world, mover, (w.READY,), w.CUTTING, on)
    then = "hold-there" if scope.jobs else "close"
    yield (what, goes_on(after, index, mover, then)) if after else refused(world, index, what)


gated("hold-there", "dst", w.HOLD, 0, "pause")
gated("pause", "src", w.PAUSING, 0, "read-jobs")


@step("read-jobs", "read-last-jobs", "read-left-jobs")
def read_jobs(world: World, index: int, mover: Mover, on: On, scope: Scope) -> Iterator[Done]:
    """Read the shop's jobs at the source, when no process holds any."""
    if world.jobs[mover.src] == w.HELD and on("jobs.drained"):
        return
    found = world.pushed if world.jobs[mover.src] != w.NOWHERE else 0
    if mover.next == "read-last-jobs" and not on("jobs.delta"):
        found = 0
    yield (
        f"mover {mover.epoch}: reads {'a' if found else 'no'} job of {name(mover.src)}",
        remember(world, index, mover._replace(next=mover.next.replace("read", "bring"), jobs=found)),
    )


@step("bring-jobs", "bring-last-jobs", "bring-left-jobs")
def bring_jobs(world: World, index: int, mover: Mover, on: On, scope: Scope) -> Iterator[Done]:
    """Store them at the target, unless they are there.

    Before the switch, take away what the source has no more; after it a worker may have sent it here.
    """
    what = f"mover {mover.epoch}: brings {'it' if mover.jobs else 'none'} to {name(mover.dst)}"
    gate = world.gate[mover.dst]
    if on("jobs.arrive") and not (gate.state == w.HOLD and gate.mover == mover.epoch):
        yield refused(world, index, what)
        return
    after, stale = world, ("bring-last-jobs", 0, w.BROUGHT)
    if mover.jobs and world.jobs[mover.dst] == w.NOWHERE:
        after = world._replace(jobs=swapped(world.jobs, mover.dst, w.BROUGHT))
    elif on("jobs.gone") and (mover.next, mover.jobs, world.jobs[mover.dst]) == stale:
        after = world._replace(jobs=swapped(world.jobs, mover.dst, w.NOWHERE))
    then = mover.next.replace("bring", "mark") if mover.jobs else _after_jobs(mover.next, scope)
    yield what, goes_on(after, index, mover, then)


@step("mark-jobs", "mark-last-jobs", "mark-left-jobs")
def mark_jobs(world: World, index: int, mover: Mover, on: On, scope: Scope) -> Iterator[Done]:
    """Mark at the source what was brought."""
    then = _after_jobs(mover.next, scope)
    yield (
        f"mover {mover.epoch}: marks it as brought",
        remember(
            world._replace(brought=world.brought | mover.jobs), index, mover._replace(next=then, jobs=0)
        ),
    )


def _after_jobs(step_name: str, scope: Scope) -> str:
    if "-last-" in step_name:
        return _last_rows(scope)
    return "leave-here" if "-left-" in step_name else "close"


def _last_rows(scope: Scope) -> str:
    return {"none": "switch", "whole": "last-read", "logged": "last"}[scope.rows]


@step("close")
def close(world: World, index: int, mover: Mover, on: On, scope: Scope) -> Iterator[Done]:
    """Close the source's fence: one exclusive update."""
    what = f"mover {mover.epoch}: {name(mover.src)}'s fence closed"
    fence = world.fence[mover.src]
    if on("fence.waits") and any(writer.pod == mover.src for writer in world.writer):
        return
    after = set_fence(world, mover, mover.src, w.CLOSED, mover.at, on)
    if after is None or fence.state not in (w.OPEN, w.CLOSED) or fence.epoch != mover.at:
        yield refused(world, index, what)
        return
    yield what, goes_on(after, index, mover, "hold-here" if scope.jobs else _last_rows(scope))


gated("hold-here", "src", w.HOLD, 0, "read-last-jobs")


@step("switch")
def switch(world: World, index: int, mover: Mover, on: On, scope: Scope) -> Iterator[Done]:
    """The commit point: the shop's row, the move's row, and where the way back begins, in one transaction.

    That the shop's row is as expected follows: only switches change it, and this is the only one.
    """
    what = f"mover {mover.epoch}: the directory has the shop on {name(mover.dst)}"
    after = set_stage(world, mover, (w.CUTTING,), w.SWITCHED, on, "switch.mover")
    if after is None:
        yield refused(world, index, what)
        return
    yield (
        what,
        goes_on(
            after._replace(
                home=mover.dst,
                epoch=mover.at + 1,
                upto=swapped(world.upto, mover.src, world.log[mover.dst]),
            ),
            index,
            mover,
            "open-there",
        ),
    )


# After it: only forward. Writes go on at once; jobs, when the source has dropped its own.


@step("open-there")
def open_there(world: World, index: int, mover: Mover, on: On, scope: Scope) -> Iterator[Done]:
    what = f"mover {mover.epoch}: {name(mover.dst)}'s fence open"
    after = set_fence(world, mover, mover.dst, w.OPEN, mover.at + 1, on)
    then = "hold-on-there" if scope.jobs and on("jobs.left") else "pass-there"
    yield (what, goes_on(after, index, mover, then)) if after else refused(world, index, what)


@step("hold-on-there")
def hold_on_there(world: World, index: int, mover: Mover, on: On, scope: Scope) -> Iterator[Done]:
    """Stamp the target's gate; one that is open was opened when all that follows was done."""
    what = f"mover {mover.epoch}: {name(mover.dst)}'s gate {w.HOLD}"
    if world.gate[mover.dst].state == w.OPEN and world.gate[mover.dst].epoch > mover.at:
        yield f"{what}: it is open", goes_on(world, index, mover, "pass-there")
        return
    after = set_gate(world, mover, mover.dst, w.HOLD, mover.at, on)
    if after is None:
        yield refused(world, index, what)
        return
    yield what, goes_on(after, index, mover, "moved-here")
    if scope.silent:
        yield f"{what}; {name(mover.src)}'s Redis is silent", goes_on(after, index, mover, "pass-there")


gated("moved-here", "src", w.MOVED, 1, "read-left-jobs")


@step("leave-here")
def leave_here(world: World, index: int, mover: Mover, on: On, scope: Scope) -> Iterator[Done]:
    """Delete the source's jobs, if all of them are brought and none is held; one script."""
    what = f"mover {mover.epoch}: drops {name(mover.src)}'s jobs"
    place = world.jobs[mover.src]
    if place == w.HELD or (place in w.WAITING and not is_brought(world)):
        yield f"{what}: one has come", goes_on(world, index, mover, "moved-here")
    else:
        yield drop(world, index, mover, mover.src, "pass-there", on)


@step("pass-there")
def pass_there(world: World, index: int, mover: Mover, on: On, scope: Scope) -> Iterator[Done]:
    what = f"mover {mover.epoch}: {name(mover.dst)}'s gate open"
    after = set_gate(world, mover, mover.dst, w.OPEN, mover.at + 1, on)
    yield (what, goes_on(after, index, mover, "gone-here")) if after else refused(world, index, what)


gated("gone-here", "src", w.MOVED, 1, "left-here")
fenced("left-here", "src", w.MOVED, 0, "drop-here")


def drop(world: World, index: int, mover: Mover, pod: int, then: str, on: On) -> Done:
    """Delete the shop's jobs behind a gate."""
    what = f"mover {mover.epoch}: drops {name(pod)}'s jobs"
    gate = world.gate[pod]
    if on("jobs.drop") and not (gate.state == w.MOVED and gate.mover == mover.epoch):
        return refused(world, index, what)
    after = world._replace(jobs=swapped(world.jobs, pod, w.NOWHERE))
    return what, goes_on(after, index, mover, then)


@step("drop-here")
def drop_here(world: World, index: int, mover: Mover, on: On, scope: Scope) -> Iterator[Done]:
    """Delete what was brought; what came later, because the gate was forgotten, is pushed to the target."""
    place = world.jobs[mover.src]
    if place == w.HELD and on("jobs.late"):
        return
    if place in w.WAITING and not is_brought(world) and on("jobs.late"):
        what = f"mover {mover.epoch}: sends {name(mover.src)}'s late job to {name(mover.dst)}"
        gate, there = world.gate[mover.src], world.gate[mover.dst]
        if (gate.state, gate.mover) != (w.MOVED, mover.epoch) or there[:2] != (w.OPEN, mover.at + 1):
            yield refused(world, index, what)
        else:
            yield what, goes_on(sent_on(world, mover.src), index, mover, "drop-here")
        return
    yield drop(world, index, mover, mover.src, "opened", on)


def is_brought(world: World) -> bool:
    """Whether the job that there is now is marked: 1 and 2 are their own bits, and there are no more."""
    return bool(world.brought & world.pushed)


def sent_on(world: World, pod: int) -> World:
    """Return the world in which a job was pushed to the other pod, unless it is there, and forgotten here."""
    jobs = swapped(world.jobs, pod, w.NOWHERE)
    if world.jobs[1 - pod] == w.NOWHERE:
        jobs = swapped(jobs, 1 - pod, w.QUEUED)
    return world._replace(jobs=jobs)
