"""The steps of a move, as `ops/docs/moves.md` numbers them, in the words of an SRE.

Owns: `Runbook`: one leg in the hands of one mover, and which steps a state asks for. Promises: a state is
written before the first of the steps that it names; the order is the protocol's (tested against it, step by
step); each step is passed between the points `move.<step>.before` and `move.<step>.after`. Leaves to
others: the steps themselves (`crossing`), which state's steps come next, and what follows a refusal
(`mover`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from podwork.points import reach
from podwork_pods.errors import FenceBusy
from podwork_pods.mover.crossing import (
    CopyLost,
    Crossing,
    GivesUp,
    GivesWay,
    HasToWait,
    NoWayBack,
    Pulse,
)
from podwork_pods.mover.errors import MoveConflict
from podwork_pods.mover.move import Move
from podwork_pods.mover.moves import Moves
from podwork_pods.mover.states import MoveState

T = TypeVar("T")

TRIES: Final = 3
"""A move whose cut-over gives way for the third time is aborted."""
DRAIN_SECONDS: Final = 10.0
"""For how long jobs that run may go on when none starts any more."""
LITTLE_KEYS: Final = 100
"""With so few changed keys in a round the copy has caught up."""
AGAIN_SECONDS: Final = (5.0, 30.0)
"""After how long a cut-over that gave way is tried again."""
_ROUNDS: Final = 50
_COMPARED: Final = (MoveState.VERIFYING, MoveState.READY)
_ASK_SECONDS: Final = 0.05

log = logging.getLogger("podwork.mover")


class Runbook:
    """One leg of a move in the hands of one mover.

    `move` is as this mover last knew it; `passage` is the one that the steps are for. `step`: the latest.
    """

    def __init__(self, move: Move, crossing: Crossing, store: Moves, who: str, pulse: Pulse) -> None:
        self.move = move
        self.passage = move.passage
        self.step = ""
        self._preflight = crossing.preflight
        self._fences = crossing.fences
        self._jobs = crossing.jobs
        self._rows = crossing.rows
        self._debts = crossing.debts
        self._store = store
        self._who = who
        self._pulse = pulse
        self._follows = self._feeds = False
        self._mismatches = 0
        self._is_compared = False

    # The shop feels nothing.

    def look(self) -> None:
        """planned, preflight: find everything that could stop it; change nothing."""
        if self.move.state is MoveState.PLANNED:
            self._enter(MoveState.PREFLIGHT, "its turn has come")
        found = self._take("look", self._preflight.look)
        self._store.note_found(self.move, dict(found.facts))
        if found.blockers:
            raise GivesUp("; ".join(found.blockers))
        if found.waits:
            raise HasToWait("; ".join(found.waits))
        self._enter(MoveState.COPYING, "nothing stands in its way")

    def copy(self) -> None:
        """copying: the snapshot, while its log is followed."""
        self._take("settle_first", self._debts.settle_first)
        with self._anew_if_lost():
            self._follow()
            self._take("copy", lambda: self._rows.copy(self._pulse))
            self._enter(MoveState.CATCHUP, "the copy is whole")

    def catch_up(self) -> None:
        """catchup: rounds, until little is left."""
        with self._anew_if_lost():
            self._follow()
            for _ in range(_ROUNDS):
                if self._apply() <= LITTLE_KEYS:
                    break
            self._enter(MoveState.VERIFYING, "little is left to apply")

    def verify(self) -> None:
        """verifying: compare; what differs is compared again when changes are applied, a few times only.

        A row that differs though nobody has changed it is mended by none of that: the move is given up.
        """
        with self._anew_if_lost():
            self._follow()
            differing = self._take("verify", lambda: self._rows.verify(self._pulse))
            if not differing:
                self._is_compared = True
                self._enter(MoveState.READY, "both sides are equal")
                return
            self._mismatches += 1
            if self._mismatches >= TRIES:
                raise GivesUp(f"rows differ, though nobody changes them: {', '.join(differing)}")
            self._enter(MoveState.CATCHUP, f"rows differ: {', '.join(differing)}")

    def keep_equal(self) -> None:
        """ready, reversing: bring what changed; on the way back the shop is cut out of runs first."""
        self._take("stay_open", self._fences.stay_open_here)
        if self.move.leg == 2 and not self._follows:
            self._take("settle_first", self._debts.settle_first)
        with self._anew_if_lost():
            self._follow()
            self._close_up()

    # The cut-over. Nothing in it waits for a copy or for a person.

    def cut_over(self) -> None:
        """From ready, or reversing, to switched; raises GivesWay where it will not do."""
        self._be_compared()
        self._enter(MoveState.PAUSING_JOBS, "the cut-over begins", cut_until=None)
        self._take("hold_there", self._jobs.hold_there)
        self._take("pause_here", self._jobs.pause_here)
        self._drain()
        self._take("bring", lambda: self._jobs.bring(self._pulse))
        # What changed meanwhile is not left to the time in which writes stand still.
        self._close_up(in_haste=True)
        over_at = time.monotonic() + self.move.max_block_seconds
        now = self._store.directory.clock.now()
        self._enter(
            MoveState.FENCED,
            "no job is held, and all are brought",
            cut_until=now + self.move.max_block_seconds,
        )
        self._within(over_at, "enter_transit", self._debts.enter_transit)
        self._within(over_at, "close_here", self._fences.close_here)
        self._within(over_at, "hold_here", self._jobs.hold_here)
        self._within(over_at, "apply_last", self._rows.apply_last)
        self._enter(MoveState.DRAINED, "the last change is applied")
        self._within(over_at, "bring_last", self._jobs.bring_last)
        position = self._within(over_at, "position_there", self._rows.position_there)
        # There is one way back: on leg 2 it stays where it began.
        where = {"back_position": position} if self.move.leg == 1 else {}
        self._enter(MoveState.JOBS_COPIED, "the last jobs are brought", **where)
        self._within(over_at, "check_gates", self._jobs.check_gates)
        self.move = self._within(over_at, "switch", lambda: self._store.switch(self.move, self._who))

    # After the switch: only forward. Writes go on before anything is tidied.

    def go_on_there(self, *, is_silent: bool) -> None:
        """switched, open: from the first write there to the last job here.

        `is_silent`: the source's Redis does not answer; what it has to do is done when all else is.
        """
        self._take("open_there", self._fences.open_there)
        if not is_silent:
            self._take("leave_jobs", self._jobs.leave_here)
        self._take("pass_there", self._jobs.pass_there)
        self._take("let_relay", self._rows.let_relay)
        self._take("leave_here", self._fences.leave_here)
        if self.move.state is MoveState.SWITCHED:
            self._enter(MoveState.OPEN, "both fences and both gates say so")
        if is_silent:
            self._take("leave_jobs", self._jobs.leave_here)
        self._take("sweep_here", self._jobs.sweep_here)
        self._take("settle_last", self._debts.settle_last)
        if self.move.leg == 1:
            self._enter(MoveState.REVERSIBLE, "the source's rows are kept, and fed")
        else:
            self._enter(MoveState.PURGING, "the shop is back: there is no way back from there")

    def feed(self) -> None:
        """reversible: bring what changed on the target to the kept rows, as long as its log says what."""
        if not self._feeds:
            self._take("stamp_kept", self._fences.leave_here)
            self._feeds = True
        self._take("stay_open", self._fences.stay_open_there)
        if self.move.back_closed:
            return
        try:
            self._take("feed", lambda: self._rows.feed(self.move.back_position, self._pulse))
        except NoWayBack as lost:
            why = lost.why
            log.warning("move %s: there is no way back any more: %s", self.move.id, why)
            self.move = self._take(
                "close_way_back", lambda: self._store.close_way_back(self.move, self._who, why)
            )

    def complete(self, why: str) -> None:
        """reversible, when its grace is over."""
        self._enter(MoveState.PURGING, why)

    def purge(self) -> None:
        """purging: delete what the shop left behind, unless somebody else has written there since."""
        if self.move.leg == 1 and not self.move.stale_accepted:
            self._look_stale()
        self._take("purge_here", self._fences.purge_here)
        self._take("purge_rows", lambda: self._rows.purge_here(self._pulse, self._check_elsewhere))
        self._take("settle_purged", self._debts.settle_purged)
        self._take("forget_there", self._rows.forget_there)
        self._take("left_purged", self._fences.leave_here)
        self._enter(MoveState.DONE if self.move.leg == 1 else MoveState.REVERSED, "nothing is left behind")

    # Giving way and giving up: only before the switch. The shop trades again first.

    def give_way(self, why: str) -> None:
        """Undo the cut-over and try again later; for the third time give up."""
        tries = self.move.tries + 1
        if tries >= TRIES:
            self.give_up(f"{why}; that was cut-over {tries} of {TRIES}")
            return
        self._trade_here()
        self._take("leave_transit", self._debts.leave_transit)
        again_at = self._store.directory.clock.now() + AGAIN_SECONDS[tries - 1]
        ready = MoveState.READY if self.move.leg == 1 else MoveState.REVERSING
        self._enter(ready, why, tries=tries, not_before=again_at, cut_until=None)
        # What was noted is forgotten: the log is followed from the stored position (`copy.again`).
        self._follows = False

    def give_up(self, why: str) -> None:
        """Say that the move is given up; `abort` does it."""
        self._enter(MoveState.ABORTING, why)

    def abort(self) -> None:
        """aborting: the source trades again, then the target is cleared; on leg 2 its rows are kept."""
        self._trade_here()
        self._take("close_there", self._jobs.close_there)
        self._take("drop_there", self._jobs.drop_there)
        why = self.move.reason  # of the state that it leaves: why it was given up
        if self.move.leg == 1:
            self._take("purge_there", self._fences.purge_there)
            self._take("purge_rows_there", lambda: self._rows.purge_there(self._pulse))
        self._take("leave_there", self._fences.leave_there)
        self._take("settle_last", self._debts.settle_last)
        self._enter(MoveState.ABORTED if self.move.leg == 1 else MoveState.REVERSIBLE, why)

    # What several of them do.

    def _trade_here(self) -> None:
        self._take("reopen_here", self._fences.reopen_here)
        self._take("pass_here", self._jobs.pass_here)

    def _follow(self) -> None:
        """Stamp the target and follow the source's log, once in a mover's life."""
        if not self._follows:
            self._take("receive_there", self._fences.receive_there)
            since = self.move.back_position if self.move.leg == 2 else ""
            self._take("follow", lambda: self._rows.follow(since))
            self._follows = True

    def _apply(self) -> int:
        return self._take("apply", lambda: self._rows.apply(self._pulse))

    def _be_compared(self) -> None:
        """Compare the ranges, unless this mover has: what an earlier one touched last, or what somebody wrote
        to kept rows, it does not know.
        """
        if self._is_compared:
            return
        differing = self._take("verify_again", lambda: self._rows.verify(self._pulse))
        if differing:
            raise GivesUp(f"rows differ, though nobody changes them: {', '.join(differing)}")
        self._is_compared = True
        self._close_up()  # what changed meanwhile need not wait until no job runs

    def _close_up(self, *, in_haste: bool = False) -> None:
        self._take("close_up", lambda: self._rows.close_up(self._pulse, in_haste=in_haste))

    @contextmanager
    def _anew_if_lost(self) -> Iterator[None]:
        """Where the source's log is lost, begin the copy anew; what had been compared is compared again."""
        try:
            yield
        except CopyLost as lost:
            log.warning("move %s: the copy begins anew: %s", self.move.id, lost.why)
            if self.move.state in _COMPARED:
                self._enter(MoveState.CATCHUP, f"the copy begins anew: {lost.why}")
            self._is_compared = False
            self._take("begin_anew", lambda: self._rows.begin_anew(self._pulse))

    def _look_stale(self) -> None:
        """Look for writes past the fence, once: where rows have been deleted, all would differ."""
        since, complete = self.move.back_position, f"podctl moves complete {self.move.id}"
        try:
            stale = self._take("look_stale", lambda: self._rows.stale_here(since, self._pulse))
        except NoWayBack as lost:
            uncompared = f"{complete} --despite-stale-writes deletes them uncompared"
            raise GivesUp(f"kept rows cannot be compared: {lost.why} - {uncompared}") from lost
        if stale:
            raise GivesUp(f"somebody has written to the kept rows, which differ: {', '.join(stale)}")
        self.move = self._take("let_go", lambda: self._store.note_compared(self.move))

    def _drain(self) -> None:
        """Wait until no process holds a job of the shop."""
        over_at = time.monotonic() + DRAIN_SECONDS
        while held := self._take("still_held", self._jobs.still_held):
            if time.monotonic() >= over_at:
                raise GivesWay(f"jobs do not come to an end: {', '.join(held)}")
            self._pulse(f"{len(held)} jobs of the shop run")
            time.sleep(_ASK_SECONDS)

    def _within(self, over_at: float, name: str, act: Callable[[], T]) -> T:
        """Do a step of the time in which writes stand still, unless that is over."""
        if time.monotonic() >= over_at:
            raise GivesWay(
                f"writes would stand still for more than {self.move.max_block_seconds:g} s: {name}"
            )
        try:
            return self._take(name, act)
        except FenceBusy as error:
            raise GivesWay(error.what) from error

    def _check_elsewhere(self) -> None:
        """Refuse to delete the home copy, whatever the move's row says (S7)."""
        if self._store.directory.locate(self.move.shop_id) != self.move.route_after:
            raise MoveConflict(self.move.id, "the shop lives where its rows were to be deleted", "look at it")

    def _take(self, name: str, act: Callable[[], T]) -> T:
        self.step = name
        reach(f"move.{name}.before")
        done = act()
        reach(f"move.{name}.after")
        return done

    def _enter(self, to: MoveState, why: str, **values: Any) -> None:
        entered = self._take(to, lambda: self._store.advance(self.move, to, self._who, why, **values))
        self.move = entered
