"""A move's steps are the protocol's, whatever happens between two of them; the pods are on paper.

At each point that a mover passes something happens: it is killed, an answer is lost, a person aborts, another
mover takes over and runs to the end before it wakes up. However it goes, the move ends as the page says, a
mover that was left behind changes nothing, and what the pods have acknowledged is on the shop's pod.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pymysql
import pytest
from sqlalchemy.exc import OperationalError

from podwork.errors import PodworkError, StoreUnavailable
from podwork_pods.errors import DirectoryUnavailable, FenceBusy, FenceConflict, ShardUnavailable
from podwork_pods.mover import mover as mover_module
from podwork_pods.mover import runbook
from podwork_pods.mover.crossing import CopyLost, NoWayBack
from podwork_pods.mover.errors import MoveConflict, MoveLost
from podwork_pods.mover.move import Move, Wanted
from podwork_pods.mover.mover import Ending
from podwork_pods.mover.rehearsal import has_rehearsed
from podwork_pods.mover.states import BEFORE_SWITCH, CUTTING, MoveState
from tests.support.move_paper import (
    OPEN,
    SHOP,
    A,
    B,
    Killed,
    PaperStand,
    Stamp,
    at_points,
    paper_stand,
)

S = MoveState

COPY = ["look", "settle_first", "receive_there", "follow", "copy", "apply", "verify", "close_up"]
CUT = [
    *("hold_there", "pause_here", "still_held", "bring", "close_up"),
    *("enter_transit", "close_here", "hold_here", "apply_last"),
    *("bring_last", "position_there", "check_gates"),
]
FORWARD = [
    "open_there",
    "leave_here_jobs",
    "pass_there",
    "let_relay",
    "leave_here",
    "sweep_here",
    "settle_last",
]
FEED = ["leave_here", "feed"]
AGAIN = ["receive_there", "follow", "close_up"]
UNDO = ["reopen_here", "pass_here"]
CLEAR = ["close_there", "drop_there", "purge_there", "purge_rows_there", "leave_there", "settle_last"]
PURGE = ["purge_here", "purge_rows", "settle_purged", "forget_there", "leave_here"]
LOOK_AND_PURGE = ["look_stale", *PURGE]
STATES_THERE = [
    *("planned", "preflight", "copying", "catchup", "verifying", "ready"),
    *("pausing_jobs", "fenced", "drained", "jobs_copied", "switched", "open", "reversible"),
]


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[PaperStand]:
    made = paper_stand(tmp_path)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for: the tests turn the time that counts."""
    monkeypatch.setattr(mover_module, "PAUSE_SECONDS", (0.0,) * 4)
    monkeypatch.setattr(runbook, "DRAIN_SECONDS", 0.02)
    monkeypatch.setattr(runbook, "_ASK_SECONDS", 0.01)


def states(stand: PaperStand) -> list[str]:
    """Return the states that the move has gone through."""
    events = stand.moves.events(stand.move.id)
    return [event.after for event in events if event.before != event.after]


def there(stand: PaperStand) -> Move:
    """Bring the shop to B."""
    stand.turn()
    assert stand.now().state is S.REVERSIBLE
    stand.paper.calls.clear()
    return stand.now()


# The order of the steps


def test_a_move_takes_the_steps_of_the_protocol(stand: PaperStand) -> None:
    with at_points(lambda _: stand.paper.live()):
        turn = stand.turn()
    assert (turn.ending, turn.state) == (Ending.RESTS, S.REVERSIBLE)
    assert stand.paper.calls == [*COPY, *CUT, *FORWARD, *FEED]
    assert states(stand) == STATES_THERE
    move = stand.check()
    assert move.back_position == "log of 2"
    assert move.cut_until == move.times["fenced"] + move.max_block_seconds
    assert move.found == {"tables": {"rows": {"rows": 0, "bytes": 0}}}
    assert len(stand.paper.acknowledged) > 20, "nobody wrote meanwhile"


def test_completed_it_purges_what_was_left(stand: PaperStand) -> None:
    move = there(stand)
    stand.orders.complete(move.id, "anna", "all is well")
    assert stand.turn().ending is Ending.OVER
    assert stand.paper.calls == LOOK_AND_PURGE
    assert stand.check().state is S.DONE


def test_kept_rows_that_somebody_has_written_stay_until_a_person_says_otherwise(stand: PaperStand) -> None:
    move = there(stand)
    stand.orders.complete(move.id, "anna", "all is well")
    stand.paper.stale.append(["orders: 2 rows"])
    turn = stand.turn()
    assert (turn.ending, turn.state) == (Ending.RESTS, S.PURGING)
    assert stand.paper.calls == ["look_stale"]
    assert "orders: 2 rows" in stand.now().throttle_reason
    stand.paper.calls.clear()
    assert stand.orders.complete(move.id, "anna", "it was a test", despite_stale_writes=True).stale_accepted
    assert stand.turn().ending is Ending.OVER
    assert stand.paper.calls == PURGE
    assert stand.check().state is S.DONE


def test_the_longer_it_is_reversible_the_more_seldom_it_is_fed(stand: PaperStand) -> None:
    rests = []
    for seconds in (0, 120, 480, 300, 86_400):
        stand.clock.advance(seconds)
        turn = stand.turn()
        assert (turn.ending, turn.state) == (Ending.RESTS, S.REVERSIBLE)
        rests.append(turn.rest_seconds)
    assert rests == [2.0, 2.0, 10.0, 15.0, 15.0]


def test_a_grace_that_is_over_completes_it(stand: PaperStand) -> None:
    stand.orders.abort(stand.move.id, "anna", "anew")
    stand.turn()
    stand.move = stand.moves.plan(Wanted(SHOP, B, "anna", grace_seconds=60))
    there(stand)
    stand.clock.advance(59)
    assert stand.turn().state is S.REVERSIBLE
    stand.orders.hold(stand.move.id, "anna", "not yet")
    stand.clock.advance(2)
    assert stand.turn().state is S.REVERSIBLE, "it is held"
    stand.orders.release(stand.move.id, "anna", "go")
    assert stand.turn().state is S.DONE


def test_the_way_back_is_the_same_cut_over_without_a_copy(stand: PaperStand) -> None:
    move = there(stand)
    with at_points(lambda _: stand.paper.live()):
        stand.turn()
        stand.orders.reverse(move.id, "anna", "too slow there")
        stand.paper.calls.clear()
        turn = stand.turn()
    assert turn == (Ending.OVER, S.REVERSED, 0.0, "nothing is left behind")
    assert stand.paper.calls == ["settle_first", *AGAIN, "verify", "close_up", *CUT, *FORWARD, *PURGE]
    assert stand.check().leg == 2
    assert stand.directory.locate(SHOP) == (A, 3)
    assert stand.now().back_position == "log of 2", "there is one way back"


def test_a_way_back_that_is_given_up_is_fed_again(stand: PaperStand) -> None:
    move = there(stand)
    stand.orders.reverse(move.id, "anna", "back", held=True)
    assert stand.turn().state is S.REVERSING
    stand.orders.abort(move.id, "anna", "stay")
    stand.paper.calls.clear()
    assert stand.turn().state is S.REVERSIBLE
    kept = [step for step in CLEAR if not step.startswith("purge")]
    assert stand.paper.calls == [*UNDO, *kept, *FEED]
    assert stand.paper.rows[A] == {0}
    stand.check()
    stand.orders.reverse(move.id, "anna", "back after all")
    assert stand.turn().state is S.REVERSED


# Waiting


def test_a_rehearsal_ends_where_it_is_ready_and_leaves_nothing(stand: PaperStand) -> None:
    stand.orders.abort(stand.move.id, "anna", "another one")
    stand.turn()
    stand.move = move = stand.moves.plan(Wanted(SHOP, B, "anna", "a look", is_rehearsal=True))
    stand.paper.calls.clear()
    with pytest.raises(MoveConflict, match="it is a rehearsal"):
        stand.orders.cut_over(move.id, "anna", "now")
    assert stand.turn().state is S.ABORTED
    assert stand.paper.calls == [*COPY, *UNDO, *CLEAR]
    found = stand.now()
    assert has_rehearsed(found)
    assert found.reason.startswith("the rehearsal is over, nothing was switched: 0 rows copied in ")
    assert stand.directory.locate(SHOP).pod_id == A


def test_held_it_stops_where_it_is_ready(stand: PaperStand) -> None:
    def hold(point: str) -> None:
        if point == "move.verify.after":
            stand.orders.hold(stand.move.id, "anna", "until tonight")

    with at_points(hold):
        turn = stand.turn()
    assert (turn.ending, turn.state, turn.rest_seconds) == (Ending.RESTS, S.READY, 1.0)
    move = stand.now()
    assert (move.owner, move.throttle_reason) == ("", "held")
    stand.paper.calls.clear()
    stand.turn()
    assert stand.paper.calls == AGAIN, "it is kept equal"
    stand.orders.cut_over(stand.move.id, "anna", "now")
    assert stand.turn().state is S.REVERSIBLE


def test_what_stands_in_its_way_is_named_and_nothing_is_changed(stand: PaperStand) -> None:
    stand.paper.blockers = ("table carts is not declared", "binlog_format is STATEMENT")
    fence = stand.paper.fences[A]
    turn = stand.turn()
    assert turn == (Ending.OVER, S.ABORTED, 0.0, "table carts is not declared; binlog_format is STATEMENT")
    assert "copy" not in stand.paper.calls
    assert stand.paper.fences[A].state == fence.state


def test_a_worker_that_stops_lets_the_next_one_go_on(stand: PaperStand) -> None:
    stops: list[bool] = []
    with at_points(lambda point: stops.append(True) if point == "move.copy.before" else None):
        turn = stand.turn(lambda: bool(stops))
    assert (turn.ending, turn.state) == (Ending.STOPPED, S.COPYING)
    assert stand.now().owner == ""
    assert stand.finish().state is S.REVERSIBLE


@pytest.mark.parametrize("step", ["pause_here", "close_here"])
def test_a_worker_that_stops_ends_a_cut_over_first(stand: PaperStand, step: str) -> None:
    stops: list[bool] = []
    with at_points(lambda point: stops.append(True) if point == f"move.{step}.after" else None):
        turn = stand.turn(lambda: bool(stops))
    assert (turn.ending, turn.state) == (Ending.STOPPED, S.REVERSIBLE)


def test_rows_that_differ_are_read_again_and_a_few_times_only(stand: PaperStand) -> None:
    stand.paper.differs = [["orders 5 to 9"]]
    stand.turn()
    assert states(stand)[3:7] == ["catchup", "verifying", "catchup", "verifying"]
    assert stand.now().state is S.REVERSIBLE


def test_rows_that_go_on_differing_are_never_switched(stand: PaperStand) -> None:
    stand.paper.differs = [["orders 5 to 9"]] * 3
    assert stand.turn().state is S.ABORTED
    assert "orders 5 to 9" in stand.check().reason
    assert "hold_there" not in stand.paper.calls


# Giving way


def fence_busy() -> BaseException:
    return FenceBusy(SHOP, 2.0)


def test_a_cut_over_that_gives_way_is_undone_and_tried_again(stand: PaperStand) -> None:
    stand.paper.fails["close_here"] = [fence_busy()]
    turn = stand.turn()
    assert (turn.ending, turn.state) == (Ending.RESTS, S.READY)
    until = CUT.index("close_here") + 1
    assert stand.paper.calls == [*COPY, *CUT[:until], *UNDO, "leave_transit", *AGAIN]
    move = stand.now()
    assert (move.tries, move.cut_until, move.mover_epoch) == (1, None, 1), "nothing was in doubt"
    assert move.not_before == stand.clock.now() + runbook.AGAIN_SECONDS[0]
    assert stand.paper.fences[A][:2] == ("open", 1)
    stand.turn()
    assert stand.now().tries == 1, "its time has not come"
    stand.clock.advance(runbook.AGAIN_SECONDS[0])
    assert stand.turn().state is S.REVERSIBLE
    stand.check()


def test_the_third_time_it_gives_up(stand: PaperStand) -> None:
    stand.paper.fails["close_here"] = [fence_busy() for _ in range(3)]
    move = stand.finish()
    assert (move.state, move.tries) == (S.ABORTED, 2)
    assert stand.paper.calls[-len(UNDO + CLEAR) :] == [*UNDO, *CLEAR]
    assert "cut-over 3 of 3" in move.reason
    stand.check()


def test_jobs_that_do_not_end_postpone_it_and_are_named(stand: PaperStand) -> None:
    stand.paper.held = [["Import 7a at worker 3"]] * 50
    assert stand.turn().state is S.READY
    assert "Import 7a at worker 3" in stand.now().reason
    assert "close_here" not in stand.paper.calls
    assert stand.paper.gates[A].state == "open"


@pytest.mark.parametrize("slow", ["close_here", "apply_last", "bring_last", "check_gates"])
def test_writes_stand_still_no_longer_than_allowed(
    stand: PaperStand, slow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = [0.0]
    real = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: real() + late[0])

    def dawdle(point: str) -> None:
        if point == f"move.{slow}.after":
            late[0] = stand.move.max_block_seconds

    with at_points(dawdle):
        assert stand.turn().state is S.READY
    assert "writes would stand still for more than" in stand.now().reason
    assert stand.directory.locate(SHOP) == (A, 1)
    assert stand.paper.fences[A][:2] == ("open", 1)


def test_a_redis_that_forgot_its_gate_is_not_switched_from(stand: PaperStand) -> None:
    def forget(point: str) -> None:
        if point == "move.position_there.after" and not stand.now().tries:
            stand.paper.gates[A] = Stamp("open", 0)

    with at_points(forget):
        assert stand.turn().state is S.READY
    assert "the gate of pod 1" in stand.now().reason
    assert stand.finish().state is S.REVERSIBLE
    stand.check()


def test_a_silent_redis_does_not_hold_the_targets_jobs_up(
    stand: PaperStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mover_module, "SILENT_SECONDS", 0.0)
    stand.paper.fails["leave_here_jobs"] = [StoreUnavailable("redis", "timed out") for _ in range(3)]
    stand.turn()
    calls = stand.paper.calls
    passed = calls.index("pass_there")
    assert calls[:passed].count("leave_here_jobs") == 1
    assert calls[passed:].count("leave_here_jobs") == 3
    assert stand.now().state is S.REVERSIBLE
    stand.check()


# What may happen at every point


def passed(folder: Path, prepare: Callable[[PaperStand], None]) -> list[tuple[str, int]]:
    """Return the points that are passed from where `prepare` leaves the move, each with its occurrence."""
    folder.mkdir()
    stand = paper_stand(folder)
    prepare(stand)
    names: list[str] = []
    with at_points(names.append):
        stand.turn()
    stand.close()
    return [(name, names[:number].count(name) + 1) for number, name in enumerate(names)]


def at_each_point(
    folder: Path,
    prepare: Callable[[PaperStand], None],
    act: Callable[[PaperStand], None],
    look: Callable[[PaperStand, str], None],
    only: Callable[[str], bool],
    every: int = 1,
) -> None:
    """Let `act` happen once at every so manieth point, in a move of its own, and `look` how that ended."""
    cases = [case for case in passed(folder / "all", prepare) if only(case[0])][every // 2 :: every]
    assert cases
    for number, case in enumerate(cases):
        (folder / str(number)).mkdir()
        stand = paper_stand(folder / str(number))
        prepare(stand)
        with at_points(_hook(stand, case, act)):
            with suppress(Killed):
                stand.turn()
            stand.finish()
        look(stand, " ".join(map(str, case)))
        stand.close()


def _hook(
    stand: PaperStand, case: tuple[str, int], act: Callable[[PaperStand], None]
) -> Callable[[str], None]:
    seen: list[str] = []

    def hook(point: str) -> None:
        seen.append(point)
        stand.paper.live()
        if (point, seen.count(point)) == case:
            act(stand)

    return hook


def from_the_start(stand: PaperStand) -> None:
    """A move that is planned."""


def to_be_aborted(stand: PaperStand) -> None:
    """A move that a person aborts in the middle of its cut-over."""

    def abort(point: str) -> None:
        if point == "move.drained.after":
            stand.orders.abort(stand.move.id, "anna", "no")
            raise Killed

    with at_points(abort), pytest.raises(Killed):
        stand.turn()


def on_its_way_back(stand: PaperStand) -> None:
    """A move that a person reverses."""
    stand.turn()
    stand.orders.reverse(stand.move.id, "anna", "back")


def to_be_purged(stand: PaperStand) -> None:
    """A move that a person completes."""
    stand.turn()
    stand.orders.complete(stand.move.id, "anna", "fine")


BEGINNINGS: dict[Callable[[PaperStand], None], MoveState] = {
    from_the_start: S.REVERSIBLE,
    to_be_aborted: S.ABORTED,
    on_its_way_back: S.REVERSED,
    to_be_purged: S.DONE,
}


def kill(stand: PaperStand) -> None:
    raise Killed


def lose_the_answer(stand: PaperStand) -> None:
    raise ShardUnavailable(B, "test", "lost in the middle")


def break_down(stand: PaperStand) -> None:
    raise RuntimeError("nobody foresaw this")


def run_another(stand: PaperStand) -> None:
    """Another mover takes over and runs to the end, before this one goes on."""
    stand.finish()


def after_steps(point: str) -> bool:
    return point.endswith(".after")


def before_steps(point: str) -> bool:
    return point.endswith(".before")


EVERY = pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.slow), 5])
"""All points are many moves: `make test` looks at some."""


@EVERY
@pytest.mark.parametrize("prepare", BEGINNINGS, ids=lambda prepare: prepare.__name__)
def test_killed_after_any_step_its_successor_brings_it_to_its_end(
    tmp_path: Path, prepare: Callable[[PaperStand], None], every: int
) -> None:
    def look(stand: PaperStand, case: str) -> None:
        move = stand.check()
        assert move.state is BEGINNINGS[prepare], case
        assert move.tries <= 1, case

    at_each_point(tmp_path, prepare, kill, look, after_steps, every)


@EVERY
@pytest.mark.parametrize("prepare", BEGINNINGS, ids=lambda prepare: prepare.__name__)
def test_a_mover_that_wakes_up_after_another_changes_nothing(
    tmp_path: Path, prepare: Callable[[PaperStand], None], every: int
) -> None:
    def run_and_remember(stand: PaperStand) -> None:
        run_another(stand)
        stand.paper.calls.clear()
        left[:] = [stand.now(), dict(stand.paper.fences), dict(stand.paper.gates)]

    left: list[object] = []

    def look(stand: PaperStand, case: str) -> None:
        assert stand.check().state is BEGINNINGS[prepare], case
        before = left[0]
        assert isinstance(before, Move)
        if before.state.is_over:
            assert [stand.now(), stand.paper.fences, stand.paper.gates] == left, case

    at_each_point(tmp_path, prepare, run_and_remember, look, before_steps, every)


def cut_or_forward(point: str) -> bool:
    name = point.split(".")[1]
    return after_steps(point) and name in {
        *CUT,
        *FORWARD,
        *CUTTING,
        "switch",
        "switched",
        "open",
        "leave_jobs",
    }


@EVERY
@pytest.mark.parametrize("act", [lose_the_answer, break_down], ids=lambda act: act.__name__)
def test_an_answer_that_is_lost_is_a_doubt_and_a_new_mover_epoch(
    tmp_path: Path, act: Callable[[PaperStand], None], every: int, caplog: pytest.LogCaptureFixture
) -> None:
    def look(stand: PaperStand, case: str) -> None:
        move = stand.check()
        assert move.state is S.REVERSIBLE, case
        assert move.mover_epoch > 1, case
        assert "aborting" not in states(stand), case

    at_each_point(tmp_path, from_the_start, act, look, cut_or_forward, every)


def test_a_switch_whose_answer_is_lost_is_made_once_or_not_at_all(stand: PaperStand) -> None:
    def lose(point: str) -> None:
        if point == "move.switch.after" and stand.paper.calls.count("check_gates") == 1:
            raise DirectoryUnavailable("directory", "lost in the middle")

    with at_points(lose):
        stand.turn()
    assert states(stand) == STATES_THERE, "it was made: only forward from there"
    assert stand.now().mover_epoch == 2
    stand.check()


def test_a_directory_that_is_away_is_waited_for(stand: PaperStand, monkeypatch: pytest.MonkeyPatch) -> None:
    away: list[PodworkError] = []
    real = stand.moves.draw

    def draw(*given: object) -> Move:
        if away:
            raise away.pop()
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(stand.moves, "draw", draw)

    def go_away(point: str) -> None:
        if point == "move.check_gates.after" and not stand.now().tries:
            away.extend(DirectoryUnavailable("directory", "away") for _ in range(5))
            raise DirectoryUnavailable("directory", "away")

    with at_points(go_away):
        assert stand.turn().state is S.READY, "it gives way as soon as it answers"
    assert away == []
    assert stand.paper.fences[A][:2] == ("open", 1)
    assert stand.finish().state is S.REVERSIBLE


@pytest.mark.parametrize("state", sorted(BEFORE_SWITCH - {S.PLANNED, S.REVERSING}))
def test_a_person_may_abort_in_every_state_before_the_switch(stand: PaperStand, state: MoveState) -> None:
    def abort(point: str) -> None:
        stand.paper.live()
        if point == f"move.{state}.after":
            stand.orders.abort(stand.move.id, "anna", "no")

    with at_points(abort):
        turn = stand.turn()
    assert turn == (Ending.OVER, S.ABORTED, 0.0, "no")
    assert stand.paper.calls[-len(UNDO + CLEAR) :] == [*UNDO, *CLEAR]
    assert stand.check().state is S.ABORTED
    assert stand.now().mover_epoch == 1, "nothing was in doubt"


def test_servers_that_stay_away_let_the_move_rest(stand: PaperStand) -> None:
    stand.paper.fails["copy"] = [ShardUnavailable(B, "test", "down") for _ in range(9)]
    turn = stand.turn()
    assert (turn.ending, turn.state, turn.rest_seconds) == (Ending.RESTS, S.COPYING, 5.0)
    assert "copy: the shard of pod 2" in stand.now().throttle_reason
    assert stand.finish().state is S.REVERSIBLE


def test_what_fails_again_and_again_is_given_up_before_the_cut_over(
    stand: PaperStand, caplog: pytest.LogCaptureFixture
) -> None:
    stand.paper.fails["copy"] = [KeyError("orders") for _ in range(3)]
    assert stand.turn().state is S.ABORTED
    assert stand.check().reason == "copy: KeyError('orders')"


def test_who_finds_it_open_stamps_all_four_places_again(stand: PaperStand) -> None:
    def kill_there(point: str) -> None:
        if point == "move.open.after":
            raise Killed

    with at_points(kill_there), pytest.raises(Killed):
        stand.turn()
    assert stand.now().state is S.OPEN
    stand.paper.calls.clear()
    stand.turn()
    assert stand.paper.calls == [*FORWARD, *FEED]
    places = [place[pod] for place in (stand.paper.fences, stand.paper.gates) for pod in (A, B)]
    assert [place.mover for place in places] == [2] * 4
    stand.check()


def test_who_feeds_does_not_stamp_where_the_shop_trades(stand: PaperStand) -> None:
    there(stand)
    opened = stand.paper.fences[B]
    stand.turn()
    assert stand.paper.calls == FEED
    assert stand.paper.fences[A].mover == stand.now().mover_epoch > opened.mover
    assert stand.paper.fences[B] == opened, "it would wait for the shop's transactions, and be waited for"


def test_who_is_refused_and_finds_another_mover_acts_no_more(stand: PaperStand) -> None:
    stand.paper.fails["close_here"] = [FenceConflict(SHOP, "open, mover at most 1", "open, mover 2")]

    def take_over(point: str) -> None:
        if point == "move.close_here.before":
            stand.moves.draw(stand.move.id, "somebody")

    with at_points(take_over):
        turn = stand.turn()
    assert (turn.ending, turn.state) == (Ending.LOST, None)
    assert stand.paper.calls[-1] == "close_here"
    assert stand.now().owner == "somebody"


def test_a_move_that_another_has_is_left_at_once(stand: PaperStand) -> None:
    def take_over(point: str) -> None:
        if point == "move.copy.after":
            stand.moves.draw(stand.move.id, "somebody")

    with at_points(take_over):
        turn = stand.turn()
    assert (turn.ending, turn.state) == (Ending.LOST, None)
    assert stand.now().owner == "somebody"
    assert issubclass(MoveLost, PodworkError)


def test_a_deadlock_is_no_reason_to_give_up(stand: PaperStand) -> None:
    lost = pymysql.err.OperationalError(1213, "Deadlock found")
    stand.paper.fails["settle_first"] = [OperationalError("UPDATE", {}, lost) for _ in range(4)]
    stand.turn()
    assert stand.check().state is S.REVERSIBLE


# Logs that are lost


@pytest.mark.parametrize("step", ["follow", "copy", "apply", "verify", "close_up"])
def test_a_copy_whose_log_is_lost_begins_anew_and_is_compared_again(stand: PaperStand, step: str) -> None:
    stand.paper.fails[step] = [CopyLost("purged")]
    with at_points(lambda _: stand.paper.live()):
        assert stand.turn().state is S.REVERSIBLE
    calls = stand.paper.calls
    assert calls.count("begin_anew") == 1
    assert "verify" in calls[calls.index("begin_anew") :], "what was copied again was never compared"
    if step in ("verify", "close_up"):
        assert "the copy begins anew: purged" in [event.why for event in stand.moves.events(stand.move.id)]
    stand.check()


def test_who_dies_before_a_copy_begins_anew_leaves_it_to_be_compared(stand: PaperStand) -> None:
    stand.paper.fails["close_up"] = [CopyLost("purged")]

    def kill_there(point: str) -> None:
        if point == "move.begin_anew.before":
            raise Killed

    with at_points(kill_there), pytest.raises(Killed):
        stand.turn()
    assert stand.now().state is S.CATCHUP
    stand.paper.fails["apply"] = [CopyLost("purged")]  # as it would find it, too
    stand.paper.calls.clear()
    assert stand.finish().state is S.REVERSIBLE
    assert stand.paper.calls.index("begin_anew") < stand.paper.calls.index("verify")


def test_kept_rows_whose_log_is_lost_close_the_way_back(stand: PaperStand) -> None:
    stand.paper.fails["feed"] = [NoWayBack("the binlog of pod 2 was purged")]
    turn = stand.turn()
    assert (turn.ending, turn.state) == (Ending.RESTS, S.REVERSIBLE)
    move = stand.now()
    assert move.back_closed == "the binlog of pod 2 was purged"
    assert move.throttle_reason.startswith("somebody to say complete --despite-stale-writes")
    assert move.throttle_reason.endswith("the binlog of pod 2 was purged")
    told = [event for event in stand.moves.events(move.id) if "no way back" in event.why]
    assert [event.what for event in told] == [{"back_closed": move.back_closed}]
    stand.paper.calls.clear()
    stand.turn()
    assert "feed" not in stand.paper.calls, "it would meet the same again and again"
    with pytest.raises(
        MoveConflict, match="the binlog of pod 2 was purged - complete it, and start a move to pod 1"
    ):
        stand.orders.reverse(move.id, "anna", "back")
    with pytest.raises(MoveConflict, match="--despite-stale-writes deletes them uncompared"):
        stand.orders.complete(move.id, "anna", "all is well")
    assert stand.now().state is S.REVERSIBLE
    stand.orders.complete(move.id, "anna", "all is well", despite_stale_writes=True)
    assert stand.turn().state is S.DONE
    assert "look_stale" not in stand.paper.calls
    stand.check()


def test_a_grace_does_not_delete_what_cannot_be_compared(stand: PaperStand) -> None:
    stand.orders.abort(stand.move.id, "anna", "anew")
    stand.turn()
    stand.move = stand.moves.plan(Wanted(SHOP, B, "anna", grace_seconds=60))
    stand.paper.fails["feed"] = [NoWayBack("purged")]
    stand.turn()
    stand.clock.advance(61)
    assert stand.turn().state is S.REVERSIBLE, "a person decides"


def test_a_log_that_is_lost_when_it_was_completed_waits_for_a_person(stand: PaperStand) -> None:
    move = there(stand)
    stand.orders.complete(move.id, "anna", "all is well")
    stand.paper.fails["look_stale"] = [NoWayBack("purged")]
    turn = stand.turn()
    assert (turn.ending, turn.state) == (Ending.RESTS, S.PURGING)
    assert turn.reason == (
        "kept rows cannot be compared: purged - podctl moves complete 1 --despite-stale-writes "
        "deletes them uncompared"
    )
    stand.orders.complete(move.id, "anna", "all is well", despite_stale_writes=True)
    assert stand.turn().state is S.DONE
    stand.check()


def test_who_finds_all_deleted_takes_none_of_it_for_a_write_past_the_fence(stand: PaperStand) -> None:
    move = there(stand)
    stand.orders.complete(move.id, "anna", "all is well")

    def kill_there(point: str) -> None:
        if point == "move.left_purged.after":
            raise Killed

    with at_points(kill_there), pytest.raises(Killed):
        stand.turn()
    stand.paper.calls.clear()
    assert stand.turn().state is S.DONE
    assert stand.paper.calls == PURGE
    stand.check()


# Nothing is waited for in a cut-over; nothing begins in the dark


def test_only_in_the_cut_over_changes_are_brought_in_haste(stand: PaperStand) -> None:
    stand.turn()
    assert stand.paper.hastes == [False, True]


BEFORE = sorted(BEFORE_SWITCH - CUTTING - {S.REVERSING, S.PREFLIGHT})
"""Preflight is looked at with `planned`, and changes nothing."""


@pytest.mark.parametrize("state", [*BEFORE, S.REVERSING])
def test_who_is_cut_off_from_the_registry_begins_no_further_state(
    stand: PaperStand, state: MoveState
) -> None:
    def cut_off(point: str) -> None:
        if point == f"move.{state}.after":
            stand.paper.unsure = "cut off"

    if state is S.REVERSING:
        there(stand)
        stand.orders.reverse(stand.move.id, "anna", "back")
    if state in (S.PLANNED, S.REVERSING):
        stand.paper.unsure = "cut off"
    with at_points(cut_off):
        turn = stand.turn()
    assert (turn.ending, turn.state, turn.reason) == (Ending.RESTS, state, "cut off")
    stand.paper.unsure = ""
    ends = S.REVERSED if state is S.REVERSING else S.REVERSIBLE
    assert stand.finish().state is ends
    stand.check()


def test_who_is_cut_off_right_before_the_cut_over_does_not_begin_it(stand: PaperStand) -> None:
    def cut_off(point: str) -> None:
        if point == "move.close_up.after":
            stand.paper.unsure = "cut off"

    with at_points(cut_off):
        turn = stand.turn()
    assert (turn.ending, turn.state) == (Ending.RESTS, S.READY)
    assert "hold_there" not in stand.paper.calls


@pytest.mark.parametrize("state", [*sorted(CUTTING), S.SWITCHED, S.OPEN])
def test_who_is_cut_off_in_the_cut_over_finishes_it(stand: PaperStand, state: MoveState) -> None:
    def cut_off(point: str) -> None:
        if point == f"move.{'switch' if state is S.SWITCHED else state}.after":
            stand.paper.unsure = "cut off"

    with at_points(cut_off):
        assert stand.turn().state is S.REVERSIBLE
    stand.orders.complete(stand.move.id, "anna", "fine")
    assert stand.turn().state is S.DONE
    stand.check()


def test_who_is_cut_off_and_finds_a_cut_over_undoes_it_all_the_same(stand: PaperStand) -> None:
    def kill_there(point: str) -> None:
        if point == "move.close_here.after":
            stand.paper.unsure = "cut off"
            raise Killed

    with at_points(kill_there), pytest.raises(Killed):
        stand.turn()
    turn = stand.turn()
    assert (turn.ending, turn.state, turn.reason) == (Ending.RESTS, S.READY, "cut off")
    assert stand.paper.fences[A][:2] == (OPEN, 1), "writes would have stood still until ZooKeeper is back"
