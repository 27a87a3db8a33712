"""The rule by which slots become jobs, whatever the clock does.

Owns: `plan`, a function of numbers. The rule, for one schedule:

- `watched` is the moment up to which somebody has looked. A look at `now` sees the slots in (watched, now],
  and `watched` becomes `now`. If the clock has gone back, so does `watched`, and nothing else happens.
- *Runs* are the stretches of time in which every slot has ticked. A slot inside a run never ticks again.
  Runs are kept by time, not by slot, so that a schedule that was never late has one run, however long it
  lives.
- Of the slots seen, those in no run are open. `all` ticks each, `one` the latest, `none` the latest if it
  is not older than `ON_TIME_MS`. What ticked, and the time in which nothing was left open, becomes a run.
  What was left open is given up, which is no run: if the clock returns to before it, it comes again, and
  ticks in its time.

So a clock that jumps ahead and back neither skips what lies between (only what has ticked is covered) nor
doubles it (what has ticked is covered, also ahead of the clock), and a leader that dies between looking and
ticking leaves `watched` where it was. Promises: at most `CATCH_UP_LIMIT` slots tick in one look, the
latest; how many were given up is said. Leaves to others: whose clock (Redis's, `ledger`), and that one look
in the pod counts (`scripts/tick.lua`: it compares the turn in which the schedule was read, and each slot
with the runs). The latest `RUNS_LIMIT` runs are kept: a clock that goes back by more than so many gaps in
the service may double.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from podwork.schedules.rhythm import Due

CatchUp = Literal["none", "one", "all"]
CATCH_UPS: Final = ("none", "one", "all")
CATCH_UP_LIMIT: Final = 1000
RUNS_LIMIT: Final = 1000
ON_TIME_MS: Final = 60_000
"""A slot that is seen within a minute was not missed: a leader's place may be empty for a lease."""


class Run(NamedTuple):
    """A stretch of time, both ends included, ms: every slot in it has ticked."""

    begin: int
    end: int


class Plan(NamedTuple):
    """What a look comes to: the slots that tick, the time that is covered then, and what is given up."""

    slots: list[int]
    run: Run | None
    given_up: int
    """How many slots that were seen do not tick; those beyond `CATCH_UP_LIMIT` are not counted."""
    complete: bool
    """Whether all slots of the time were seen, or only the latest."""


def plan(due: Due, catch_up: CatchUp, watched_ms: int, now_ms: int, runs: Sequence[Run]) -> Plan:
    """Return what is to be done about the slots seen in (watched, now]; `runs` are those that end later."""
    open_slots = [slot for slot in due.slots if not is_covered(slot, runs)]
    chosen = _chosen(open_slots, catch_up, now_ms)
    given_up = len(open_slots) - len(chosen)
    if due.complete and not given_up:
        return Plan(chosen, Run(watched_ms + 1, due.until_ms), 0, True)
    run = Run(chosen[0], due.until_ms) if chosen else None
    return Plan(chosen, run, given_up, due.complete)


def is_covered(slot: int, runs: Sequence[Run]) -> bool:
    """Return whether the slot lies in one of the runs, which ascend and do not meet."""
    at = bisect_left(runs, slot, key=lambda run: run.end)
    return at < len(runs) and runs[at].begin <= slot


def _chosen(open_slots: list[int], catch_up: CatchUp, now_ms: int) -> list[int]:
    if catch_up == "all":
        return open_slots
    latest = open_slots[-1:]
    if catch_up == "none" and latest and latest[0] < now_ms - ON_TIME_MS:
        return []
    return latest
