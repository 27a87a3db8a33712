"""The model of what a moving shop owes to backfills: each row is done once, whichever pod's run passes it.

One backfill that adds 1 to every row; each pod has a run of it, or will have one later. The shop has two
rows, keys 1 and 2; a pod's run goes through them in order, in batches of one, without passing the shop's
fence. The protocol: from before its first row arrives until it has settled, both pods' runs leave the shop
out (`transit`). The cut, under the locks of the source's partitions, reads how far the source's run is and
makes the rest a run of the shop's own (`own`), which works under the shop's fence and moves with its rows.
From then on the backfill's runs leave the shop out for good (`out`), also runs that begin later. At the end,
before the pods' runs see the shop again, it settles once more: a backfill may have begun meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from tests.model.checker import Model, Step
from tests.model.world import name, swapped

NONE: Final = -1
KEYS: Final = 2

DEBT_GUARDS: Final[dict[str, str]] = {
    "debts.lock": "the cut waits for the batches of the pods' runs that are under way",
    "debts.first": "the target's runs leave the shop out before its first row arrives",
    "debts.source": "the source's run leaves the shop out from the cut on",
    "debts.own": "what the source's run has not done becomes a run of the shop",
    "debts.fence": "the shop's run works under the shop's fence",
    "debts.group": "a run of the same backfill that begins later leaves the shop out too",
    "debts.last": "the shop settles once more before the pods' runs see it again",
}


class Debts(NamedTuple):
    """`runs`: each pod's cursor, -1: not begun. `batches`: of a batch under way, whether it leaves the shop
    out. `rows`: how often each row was done, by pod. `own`: the shop's run's cursor, -1: there is none.
    """

    stage: str = "begin"
    home: int = 0
    closed: int = 0
    runs: tuple[int, int] = (NONE, NONE)
    batches: tuple[int, int] = (NONE, NONE)
    rows: tuple[tuple[int, ...], tuple[int, ...]] = ((0, 0), ())
    own: int = NONE
    settled: int = 0
    transit: tuple[int, int] = (0, 0)
    out: tuple[int, int] = (0, 0)


def debts(without: frozenset[str] = frozenset()) -> Model[Debts]:
    """Return the model, with all guards except some."""
    there = frozenset(DEBT_GUARDS) - without

    def steps(state: Debts) -> Iterator[Step[Debts]]:
        for pod in (0, 1):
            yield from _pods_run(state, pod, there)
        fenced = state.closed and "debts.fence" in there
        if 0 <= state.own < KEYS and not fenced:
            done = _added(state, state.home, state.own)._replace(own=state.own + 1)
            yield Step(f"the shop's run does row {state.own + 1} on {name(state.home)}", done)
        yield from _mover(state, there)

    starts = [Debts(runs=(a, b)) for a in (NONE, 0) for b in (NONE, 0)]
    return Model(starts, steps, _broken, _is_over)


def _added(state: Debts, pod: int, key: int) -> Debts:
    rows = state.rows[pod]
    if not rows:
        return state
    more = tuple(times + (number == key) for number, times in enumerate(rows))
    return state._replace(rows=swapped(state.rows, pod, more))


def _pods_run(state: Debts, pod: int, there: frozenset[str]) -> Iterator[Step[Debts]]:
    cursor, leaves_out = state.runs[pod], state.batches[pod]
    if cursor == NONE:
        yield Step(f"{name(pod)}'s run begins", state._replace(runs=swapped(state.runs, pod, 0)))
    elif leaves_out != NONE:
        after = state if leaves_out else _added(state, pod, cursor)
        yield Step(
            f"{name(pod)}'s run {'leaves out' if leaves_out else 'does'} row {cursor + 1}",
            after._replace(
                runs=swapped(state.runs, pod, cursor + 1), batches=swapped(state.batches, pod, NONE)
            ),
        )
    elif cursor < KEYS:
        kept = state.home != pod and state.stage == "done"  # its fence is not open here
        out = int(bool(state.out[pod] or state.transit[pod] or kept))
        yield Step(
            f"{name(pod)}'s run begins a batch", state._replace(batches=swapped(state.batches, pod, out))
        )


def _mover(state: Debts, there: frozenset[str]) -> Iterator[Step[Debts]]:
    def waits(pod: int) -> bool:
        return "debts.lock" in there and state.batches[pod] != NONE

    stage, both = state.stage, (1, 1)
    if stage == "begin" and not waits(1):
        there_too = (0, int("debts.first" in there))
        yield Step("B's runs leave the shop out", state._replace(stage="cut", transit=there_too))
    elif stage == "cut" and not waits(0):
        after = _settled(state, state.runs[0], state.runs[1], there)
        transit = (int("debts.source" in there), state.transit[1])
        yield Step("the shop is cut out of A's run", after._replace(stage="copy", transit=transit))
    elif stage == "copy":
        copied = state._replace(rows=(state.rows[0], state.rows[0]))
        yield Step("rows are copied", copied._replace(stage="close"))
        yield Step("the move is given up", state._replace(stage="settle"))
    elif stage == "close":
        yield Step("A's fence is closed", state._replace(stage="last", closed=1))
    elif stage == "last":
        yield Step("the last changes are applied", state._replace(stage="switch", rows=(state.rows[0],) * 2))
    elif stage == "switch":
        yield Step("the shop is on B", state._replace(stage="settle", home=1, closed=0, transit=both))
    elif stage == "settle":
        # Runs that have begun since the cut have left the shop out from their first row on.
        after = state
        if not state.settled and "debts.last" in there:
            begun = max(state.runs)
            after = _settled(state, NONE, NONE if begun == NONE else 0, there)
        yield Step("the shop has settled", after._replace(stage="done", transit=(0, 0)))


def _settled(state: Debts, here: int, elsewhere: int, there: frozenset[str]) -> Debts:
    """Make what is owed the shop's own; nothing is known of a backfill that no pod has begun."""
    if here == NONE and elsewhere == NONE:
        return state
    owed = max(here, 0)
    own = owed if owed < KEYS and "debts.own" in there else state.own
    out_there = int("debts.group" in there or state.runs[1] != NONE)
    return state._replace(own=own, settled=1, out=(int("debts.source" in there), out_there))


def _is_over(state: Debts) -> bool:
    done = all(cursor == KEYS for cursor in state.runs) and state.own in (NONE, KEYS)
    return state.stage == "done" and done


def _broken(before: Debts, after: Debts) -> str:
    if max(after.rows[after.home]) > 1:
        return "twice: a row is done twice"
    if after.home != before.home and after.rows[0] != after.rows[1]:
        return "S3: at the switch source and target differ"
    if _is_over(after) and min(after.rows[after.home]) < 1:
        return "missed: a row was never done"
    return ""
