"""The mover: takes a move over, does what its state asks for, and goes on until it ends, rests or is stopped.

Owns: `Mover`, which state asks for which steps (`DEEDS`), and what follows a refusal or a doubt. Promises
(S6): it knows the state and nothing else, so that any worker may go on where another one died. In doubt (an
answer was lost, a step failed in a way that nobody foresaw) it draws a new mover epoch and does as a
successor would: what it has sent may still arrive, and is refused from then on. After a refusal it reads
the row again: if another mover has been drawn, it ends; else a person has said something, and it goes on as
the state says. Leaves to others: the steps (`runbook`), and that somebody comes when a mover dies
(`reconciler`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from podwork.errors import JobsDiffer, JobsHeld, PassageRefused, PodworkError, StoreUnavailable
from podwork.points import reach
from podwork_pods.driver_errors import is_deadlock, is_lock_timeout
from podwork_pods.errors import DirectoryConflict, DirectoryUnavailable, FenceConflict
from podwork_pods.mover.crossing import Crossing, CrossingOf, GivesUp, GivesWay, HasToWait
from podwork_pods.mover.errors import MoveConflict, MoveLost
from podwork_pods.mover.move import Move
from podwork_pods.mover.moves import Moves
from podwork_pods.mover.orders import waits
from podwork_pods.mover.plans.holding import why_it_waits
from podwork_pods.mover.rehearsal import rehearsed
from podwork_pods.mover.resting import REST_SECONDS, TROUBLE_REST_SECONDS, reversible_rest_seconds
from podwork_pods.mover.runbook import Runbook
from podwork_pods.mover.states import BEFORE_SWITCH, CUTTING, MoveState

HEARTBEAT_SECONDS: Final = 3.0
PAUSE_SECONDS: Final = (0.0, 0.1, 0.5, 2.0)
"""After so many failures in a row at one state; then the move rests, and any worker tries again."""
FAILURES: Final = 3
"""After so many refusals or surprises in a row before the cut-over the move is given up."""
SILENT_SECONDS: Final = 2.0
"""For how long the source's Redis is waited for before the target's jobs go on without its word."""

log = logging.getLogger("podwork.mover")

_REFUSED: Final = (MoveConflict, DirectoryConflict, FenceConflict, PassageRefused, JobsDiffer, JobsHeld)
_NEVER_STOPS: Final = CUTTING | {MoveState.SWITCHED}
_BEGINS_ANYHOW: Final = _NEVER_STOPS | {MoveState.OPEN, MoveState.ABORTING}
_BEGINS_SURE: Final = BEFORE_SWITCH - CUTTING
"""Begun only by who knows the pods as they are now; a cut-over and what follows is finished anyhow."""


class Ending(StrEnum):
    """How a turn ended: the move is over, it rests, the worker was asked to stop, or another mover has it."""

    OVER = "over"
    RESTS = "rests"
    STOPPED = "stopped"
    LOST = "lost"


class Turn(NamedTuple):
    """How a turn ended, and after how many seconds the next one is due."""

    ending: Ending
    state: MoveState | None
    rest_seconds: float = 0.0
    reason: str = ""


class _Stop(Exception):
    """The worker is to stop."""


class _Rest(Exception):
    """Nothing is to be done for a while."""

    def __init__(self, seconds: float, reason: str) -> None:
        self.seconds = seconds
        self.reason = reason


class Mover:
    """Takes one turn of a move.

    Args:
        store: the moves. crossing_of: makes what a leg is done with, for each mover epoch.
        owner: names this mover for people, such as its host and process.
        should_stop: whether the worker is asked to end soon.
    """

    def __init__(
        self,
        store: Moves,
        crossing_of: CrossingOf,
        owner: str,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._store = store
        self._crossing_of = crossing_of
        self._owner = owner
        self._should_stop = should_stop
        self._beaten_at = 0.0
        self._failures = 0
        self._hopeless = self._trouble = ""
        self._silent_since: float | None = None
        self._book: Runbook
        self._crossing: Crossing | None = None

    def turn(self, move_id: int) -> Turn:
        """Take the move over and go on with it. Raises UnknownMove."""
        try:
            self._open(self._draw(move_id))
        except _Stop:
            return Turn(Ending.STOPPED, None, reason="the worker stops")
        try:
            while not self._book.move.state.is_over:
                self._go_on()
        except MoveLost as error:
            return Turn(Ending.LOST, None, reason=error.what)
        except _Stop:
            return self._let_go(Ending.STOPPED, 0.0, "the worker stops")
        except _Rest as rest:
            return self._let_go(Ending.RESTS, rest.seconds, rest.reason)
        finally:
            self._close()
        return Turn(Ending.OVER, self._book.move.state, reason=self._book.move.reason)

    def _go_on(self) -> None:
        """Do what the state asks for, once, and see to what came of it."""
        before = self._book.move
        try:
            self._do(before)
        except (MoveLost, _Stop, _Rest):
            raise
        except _REFUSED as error:
            self._refused(error)
        except PodworkError as error:
            self._in_doubt(error)
        except Exception as error:
            if not (is_deadlock(error) or is_lock_timeout(error)):
                log.exception("move %s: %s failed", before.id, self._book.step)
                self._in_doubt(error, is_surprise=True)
            else:
                self._in_doubt(error)
        after = self._book.move
        if (after.state, after.tries) != (before.state, before.tries):
            self._failures, self._trouble = 0, ""
        if after.passage != self._book.passage:
            self._open(after)

    def _do(self, move: Move) -> None:
        if move.state not in _BEGINS_ANYHOW and self._should_stop():
            raise _Stop
        if move.state in _BEGINS_SURE:
            self._be_sure()
        if move.state is not MoveState.SWITCHED:  # writes stand still
            self._beat(move.throttle_reason)  # what it waits for is said until it is over
        why, self._hopeless = self._hopeless, ""
        if why and move.state in BEFORE_SWITCH:
            self._book.give_up(why)
            return
        try:
            DEEDS[move.state](self)
        except GivesWay as error:
            self._book.give_way(error.why)
        except HasToWait as error:
            self._wait(error.why)
        except GivesUp as error:
            if self._book.move.state not in BEFORE_SWITCH:
                raise _Rest(TROUBLE_REST_SECONDS, error.why) from error
            self._book.give_up(error.why)

    def _refused(self, error: PodworkError) -> None:
        """Read the row again: the move is another's, or goes on as its state says."""
        known = self._remember(error)
        try:
            found = self._store.get(known.id)
        except DirectoryUnavailable as unavailable:
            self._in_doubt(unavailable)
            return
        _check_ours(known, found)
        self._open(found)
        if found.state is known.state:  # not by an order: something is not as the state says
            self._failed(counts=True)

    def _in_doubt(self, error: Exception, *, is_surprise: bool = False) -> None:
        """Do as a successor would: what was sent may still arrive."""
        known = self._remember(error)
        if self._book.step == "leave_jobs" and isinstance(error, StoreUnavailable):
            self._silent_since = time.monotonic() if self._silent_since is None else self._silent_since
        self._open(self._draw(known.id, known.mover_epoch))
        if self._book.move.state is known.state:
            self._failed(counts=is_surprise)

    def _remember(self, error: Exception) -> Move:
        self._trouble = f"{self._book.step}: {getattr(error, 'what', repr(error))}"
        return self._book.move

    def _failed(self, *, counts: bool) -> None:
        """Wait a little, or for long; `counts`: this is no server that will come back."""
        self._failures += 1
        if counts and self._failures >= FAILURES and self._book.move.state in BEFORE_SWITCH - CUTTING:
            self._hopeless = self._trouble
        elif self._failures > len(PAUSE_SECONDS):
            raise _Rest(TROUBLE_REST_SECONDS, self._trouble)
        else:
            time.sleep(PAUSE_SECONDS[self._failures - 1])

    def _draw(self, move_id: int, after: int | None = None) -> Move:
        """Draw a mover epoch, however long the directory takes: nobody may guess what it says."""
        failures = 0
        while True:
            reach("move.draw.before")
            try:
                drawn = self._store.draw(move_id, self._owner, after)
            except DirectoryUnavailable as error:
                log.warning("move %s waits for the directory: %s", move_id, error)
                time.sleep(PAUSE_SECONDS[min(failures, len(PAUSE_SECONDS) - 1)])
                failures += 1
                if self._should_stop():
                    raise _Stop from None
            else:
                reach("move.draw.after")
                return drawn

    def _open(self, move: Move) -> None:
        """Take the move as it is now; forget what was done before, except what its rows and scripts say."""
        self._close()
        self._crossing = self._crossing_of(move)
        self._book = Runbook(move, self._crossing, self._store, self._owner, self._pulse)

    def _close(self) -> None:
        if self._crossing is not None:
            self._crossing.close()
            self._crossing = None

    def _pulse(self, throttle_reason: str) -> None:
        """Say that the mover lives; stop where the worker is to stop, but not while writes stand still."""
        if self._book.move.state not in _NEVER_STOPS and self._should_stop():
            raise _Stop
        self._beat(throttle_reason)

    def _beat(self, throttle_reason: str) -> None:
        now = time.monotonic()
        if now < self._beaten_at + HEARTBEAT_SECONDS:
            return
        self._beaten_at = now
        try:
            self._store.beat(self._book.move, throttle_reason)
        except DirectoryUnavailable as error:
            log.warning("move %s: no heartbeat: %s", self._book.move.id, error)

    def _let_go(self, ending: Ending, seconds: float, reason: str) -> Turn:
        move = self._book.move
        try:
            self._store.rest(move, seconds, "" if ending is Ending.STOPPED else reason)
        except DirectoryUnavailable as error:
            log.warning("move %s: it is not said that it rests: %s", move.id, error)
        return Turn(ending, move.state, seconds, reason)

    # What the states ask for, where it is more than a page of the runbook.

    def _keep_ready(self) -> None:
        self._book.keep_equal()
        if self._book.move.state is MoveState.CATCHUP:  # the copy begins anew
            return
        move = self._fresh()
        if waits(move):
            self._wait("held")
        if move.is_rehearsal:
            self._book.give_up(rehearsed(move))
            return
        if move.not_before is not None and self._store.directory.clock.now() < move.not_before:
            self._wait("the cut-over is tried again later")
        if why := why_it_waits(self._store.directory, move):
            self._wait(why)
        self._be_sure()
        self._book.cut_over()

    def _give_way(self) -> None:
        self._book.give_way(self._trouble or "its mover was gone in the middle of the cut-over")

    def _go_on_there(self) -> None:
        since = self._silent_since
        is_silent = since is not None and time.monotonic() - since >= SILENT_SECONDS
        self._book.go_on_there(is_silent=is_silent)

    def _feed(self) -> None:
        self._book.feed()
        move = self._fresh()
        if move.back_closed:  # somebody may have written to the kept rows: a person decides, no grace
            self._wait(f"somebody to say complete --despite-stale-writes: no way back, {move.back_closed}")
        over_at = None if move.grace_seconds is None else move.entered + move.grace_seconds
        now = self._store.directory.clock.now()
        if over_at is not None and not waits(move) and now >= over_at:
            self._book.complete("its grace is over")
            return
        why = "somebody to say complete or reverse" if over_at is None else "the end of its grace"
        raise _Rest(reversible_rest_seconds(now - move.entered), why)

    def _fresh(self) -> Move:
        """Read the move again where people's orders are waited for. Raises MoveLost, MoveConflict."""
        known, found = self._book.move, self._store.get(self._book.move.id)
        _check_ours(known, found)
        if found.state is not known.state:
            raise MoveConflict(found.id, f"it is {found.state}", "go on from there")
        self._book.move = found
        return found

    def _be_sure(self) -> None:
        """Begin nothing while this process may not know the pods as they are now."""
        if self._crossing is not None and (why := self._crossing.why_unsure()):
            raise _Rest(TROUBLE_REST_SECONDS, why)

    def _wait(self, reason: str) -> None:
        raise _Rest(REST_SECONDS[self._book.move.state], reason)


def _check_ours(known: Move, found: Move) -> None:
    if found.mover_epoch != known.mover_epoch:
        raise MoveLost(found.id, known.mover_epoch, found.mover_epoch)


DEEDS: Final[Mapping[MoveState, Callable[[Mover], None]]] = {
    MoveState.PLANNED: lambda mover: mover._book.look(),
    MoveState.PREFLIGHT: lambda mover: mover._book.look(),
    MoveState.COPYING: lambda mover: mover._book.copy(),
    MoveState.CATCHUP: lambda mover: mover._book.catch_up(),
    MoveState.VERIFYING: lambda mover: mover._book.verify(),
    MoveState.READY: Mover._keep_ready,
    MoveState.REVERSING: Mover._keep_ready,
    # Whoever finds a cut-over under way has taken it over, or is in doubt: it is undone.
    **dict.fromkeys(CUTTING, Mover._give_way),
    MoveState.SWITCHED: Mover._go_on_there,
    MoveState.OPEN: Mover._go_on_there,
    MoveState.REVERSIBLE: Mover._feed,
    MoveState.PURGING: lambda mover: mover._book.purge(),
    MoveState.ABORTING: lambda mover: mover._book.abort(),
}
"""What each state asks for, of whoever finds it."""
