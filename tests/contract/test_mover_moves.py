"""Moves as the directory's database keeps them, on SQLite and MariaDB."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import pytest
from sqlalchemy import Connection, update

from podwork.interfaces import Route
from podwork.settings import ShardSettings
from podwork.testing.clock import VirtualClock
from podwork_pods.directory import Directory
from podwork_pods.errors import DirectoryConflict, InvalidShop, UnknownShop
from podwork_pods.mover import changing, schema
from podwork_pods.mover.changing import Author
from podwork_pods.mover.errors import InvalidMove, MoveConflict, MoveLost, MoveUnderWay, UnknownMove
from podwork_pods.mover.move import Move, Wanted
from podwork_pods.mover.moves import Moves
from podwork_pods.mover.orders import MoveOrders, waits
from podwork_pods.mover.passage import Passage
from podwork_pods.mover.states import BEFORE_SWITCH, By, MoveState, sources
from tests.support.iteration_stand import at_once
from tests.support.pause import hold
from tests.support.pods import waits_for_a_lock
from tests.support.wait import until

NOW = 1_795_000_000.0
SHOP = 7
S = MoveState
THERE = (
    *(S.PREFLIGHT, S.COPYING, S.CATCHUP, S.VERIFYING, S.READY),
    *(S.PAUSING_JOBS, S.FENCED, S.DRAINED, S.JOBS_COPIED),
)
BACK = (S.PAUSING_JOBS, S.FENCED, S.DRAINED, S.JOBS_COPIED)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOW)


@pytest.fixture(params=["sqlite", "mariadb"])
def store(request: pytest.FixtureRequest, clock: VirtualClock) -> Iterator[Moves]:
    url = str(request.getfixturevalue(f"{request.param}_url"))
    directory = Directory(url, ShardSettings(pool_size=10, lock_wait_seconds=20), clock=clock)
    made = Moves(directory)
    made.prepare()
    made.prepare()
    directory.assign_many(dict.fromkeys(range(1, 20), 1))
    yield made
    directory.close()


@pytest.fixture
def orders(store: Moves) -> MoveOrders:
    return MoveOrders(store)


def planned(store: Moves, shop_id: int = SHOP, **given: object) -> Move:
    return store.plan(Wanted(shop_id, 2, "anna", "more room", **given))  # type: ignore[arg-type]


def driven(store: Moves, move: Move, *states: MoveState) -> Move:
    """Let a new mover drive the move through these states."""
    move = store.draw(move.id, "host:1")
    for state in states:
        if state is S.SWITCHED:
            move = store.switch(move, "host:1")
        else:
            move = store.advance(move, state, "host:1", "so")
    return move


def put(store: Moves, move: Move, state: MoveState, leg: int = 1) -> Move:
    """Put the move into a state past the table, for tests that begin there."""
    ended = {"open_shop": None} if state.is_over else {}
    values = {"state": state, "leg": leg, **ended}
    change = update(schema.moves).where(schema.moves.c.id == move.id).values(values)
    store.directory.write(lambda connection: connection.execute(change))
    return store.get(move.id)


def test_a_move_is_planned_from_where_the_shop_is(store: Moves) -> None:
    move = planned(store, held=True, max_block_seconds=3.5, grace_seconds=60.0)
    assert store.get(move.id) == move
    assert (move.state, move.home_pod, move.away_pod, move.leg, move.source_epoch) == (S.PLANNED, 1, 2, 1, 1)
    assert (move.mover_epoch, move.owner, move.tries, move.held) == (0, "", 0, True)
    assert (move.max_block_seconds, move.grace_seconds, move.wanted_by) == (3.5, 60.0, "anna")
    assert (move.created, dict(move.times), dict(move.found)) == (NOW, {"planned": NOW}, {})
    assert move.passage == Passage(move.id, SHOP, 1, 2, 1, 0, 1)
    [event] = store.events(move.id)
    assert (event.who, event.why, event.before, event.after) == ("anna", "more room", "", "planned")
    assert event.what == {"from_pod": 1, "to_pod": 2, "epoch": 1}


def test_what_cannot_be_moved_is_refused(store: Moves) -> None:
    with pytest.raises(InvalidMove, match="it is on pod 1"):
        store.plan(Wanted(SHOP, 1, "anna"))
    with pytest.raises(UnknownShop):
        store.plan(Wanted(99, 2, "anna"))
    with pytest.raises(InvalidShop):
        store.plan(Wanted(-1, 2, "anna"))
    with pytest.raises(InvalidMove, match="no time to block"):
        store.plan(Wanted(SHOP, 2, "anna", max_block_seconds=0))
    with pytest.raises(InvalidMove, match="grace"):
        store.plan(Wanted(SHOP, 2, "anna", grace_seconds=-1))
    with pytest.raises(UnknownMove):
        store.get(1)
    assert store.of_shop(SHOP) is None


def test_a_shop_has_one_move_at_a_time(store: Moves, orders: MoveOrders) -> None:
    made = at_once(*(partial(_planned_or_not, store) for _ in range(4)))
    [move] = [each for each in made if each is not None]
    with pytest.raises(MoveUnderWay, match=f"move {move.id}, which has not ended"):
        planned(store)
    orders.abort(move.id, "bert", "not now")
    driven(store, move, S.ABORTED)
    assert store.get(move.id).open_shop is None
    again = planned(store)
    assert again.id > move.id
    assert store.of_shop(SHOP) == again


def _planned_or_not(store: Moves) -> Move | None:
    try:
        return planned(store)
    except MoveUnderWay:
        return None


# Mover epochs


def test_whoever_takes_over_draws_a_number_that_nobody_had(store: Moves) -> None:
    moves = [planned(store, shop_id) for shop_id in (1, 2, 3)]
    drawn = at_once(*(partial(store.draw, move.id, f"host:{n}") for n in range(3) for move in moves))
    assert sorted(move.mover_epoch for move in drawn) == list(range(1, 10))
    for move in moves:
        mine = [each.mover_epoch for each in drawn if each.id == move.id]
        assert store.get(move.id).mover_epoch == max(mine)


def test_who_draws_reads_the_state_and_says_so(store: Moves, clock: VirtualClock) -> None:
    move = planned(store)
    first = store.draw(move.id, "host:1")
    assert (first.state, first.owner, first.heartbeat) == (S.PLANNED, "host:1", NOW)
    clock.advance(20)
    second = store.draw(move.id, "host:2")
    assert (second.mover_epoch, second.owner, second.heartbeat) == (first.mover_epoch + 1, "host:2", NOW + 20)
    taken_over = store.events(move.id)[-1]
    assert (taken_over.who, taken_over.why, taken_over.mover_epoch) == ("host:2", "taken over from host:1", 2)
    assert taken_over.before == taken_over.after == "planned"
    store.rest(second, 5)
    store.draw(move.id, "host:3")
    assert len(store.events(move.id)) == 2, "a move at rest is nobody's"
    with pytest.raises(UnknownMove):
        store.draw(99, "host:1")


def test_in_doubt_a_mover_takes_nothing_back(store: Moves) -> None:
    move = planned(store)
    first = store.draw(move.id, "host:1")
    in_doubt = store.draw(move.id, "host:1", first.mover_epoch)
    lost_answer = store.draw(move.id, "host:1", first.mover_epoch)
    assert lost_answer.mover_epoch == in_doubt.mover_epoch + 1
    store.draw(move.id, "host:2")
    with pytest.raises(MoveLost, match=r"mover 3 has lost it to mover 4"):
        store.draw(move.id, "host:1", lost_answer.mover_epoch)
    assert store.get(move.id).owner == "host:2"


def test_nothing_is_drawn_for_a_move_that_has_ended(store: Moves, orders: MoveOrders) -> None:
    move = planned(store)
    orders.abort(move.id, "anna", "no")
    ended = driven(store, move, S.ABORTED)
    assert store.draw(move.id, "host:2") == ended
    assert store.draw_for(SHOP) == ended.mover_epoch + 1


def test_a_sweeper_draws_only_where_nothing_moves(store: Moves) -> None:
    first = store.draw_for(SHOP)
    assert first == 1
    move = planned(store)
    assert store.draw_for(SHOP) is None
    assert store.draw(move.id, "host:1").mover_epoch == 2


def test_an_earlier_mover_changes_nothing(store: Moves, clock: VirtualClock) -> None:
    move = planned(store)
    old = driven(store, move, S.PREFLIGHT)
    store.draw(move.id, "host:2")
    found = store.get(move.id)
    clock.advance(1)
    for act in (
        partial(store.advance, old, S.COPYING, "host:1", "late"),
        partial(store.beat, old),
        partial(store.note_found, old, {"late": True}),
    ):
        with pytest.raises(MoveLost, match="mover 1 has lost it to mover 2"):
            act()
    store.rest(old, 0)
    assert store.get(move.id) == found


def test_a_heartbeat_says_what_is_waited_for(store: Moves, clock: VirtualClock) -> None:
    move = store.draw(planned(store).id, "host:1")
    clock.advance(3)
    store.beat(move, "replica lag")
    beaten = store.get(move.id)
    assert (beaten.heartbeat, beaten.throttle_reason) == (NOW + 3, "replica lag")
    store.note_found(move, {"tables": {"orders": 5}})
    assert store.get(move.id).found == {"tables": {"orders": 5}}
    store.rest(move, 60, "held")
    rested = store.get(move.id)
    assert (rested.owner, rested.heartbeat, rested.throttle_reason) == ("", NOW + 63, "held")


# States


def test_every_state_is_dated_and_told(store: Moves, clock: VirtualClock) -> None:
    move = planned(store)
    clock.advance(5)
    move = driven(store, move, S.PREFLIGHT)
    clock.advance(5)
    move = store.advance(move, S.COPYING, "host:1", "nothing stands in its way", cut_until=1.5)
    assert (move.state, move.entered, move.reason) == (S.COPYING, NOW + 10, "nothing stands in its way")
    assert dict(move.times) == {"planned": NOW, "preflight": NOW + 5, "copying": NOW + 10}
    event = store.events(move.id)[-1]
    assert event[2:-1] == (NOW + 10, 1, "host:1", "nothing stands in its way", "preflight", "copying")
    assert event.what == {"cut_until": 1.5}


@pytest.mark.parametrize("leg", [1, 2])
def test_the_table_of_states_is_the_law(store: Moves, leg: int) -> None:
    move = store.draw(planned(store).id, "host:1")
    pairs = [(state, to, by) for by in (By.MOVER, By.PERSON) for state in S for to in S]

    def try_all(connection: Connection) -> None:  # in one transaction: there are more than 700
        went = set()
        for state, to, by in pairs:
            row = update(schema.moves).where(schema.moves.c.id == move.id)
            connection.execute(row.values(state=state, leg=leg))
            found = changing.get(connection, move.id)
            author = Author("host:1", by, move.mover_epoch if by is By.MOVER else None)
            with suppress(MoveConflict):
                changing.change_state(connection, found, to, author, NOW, "so")
                went.add((state, to, by))
        assert went == {(state, to, by) for state, to, by in pairs if state in sources(to, leg, by)}

    store.directory.write(try_all)


def test_the_switch_changes_shop_and_move_at_once(store: Moves) -> None:
    move = driven(store, planned(store), *THERE)
    seq = store.directory.last_change()
    switched = store.switch(move, "host:1")
    assert switched == store.get(move.id)
    assert switched.state is S.SWITCHED
    assert store.directory.locate(SHOP) == Route(2, 2) == move.route_after
    [change] = store.directory.changes_since(seq)
    assert (change.shop_id, change.from_pod_id, change.route) == (SHOP, 1, Route(2, 2))
    event = store.events(move.id)[-1]
    assert (event.before, event.after, event.mover_epoch) == ("jobs_copied", "switched", 1)


def test_an_earlier_mover_switches_nothing(store: Moves) -> None:
    old = driven(store, planned(store), *THERE)
    store.draw(old.id, "host:2")
    with pytest.raises(MoveLost):
        store.switch(old, "host:1")
    assert store.directory.locate(SHOP) == Route(1, 1)
    assert store.get(old.id).state is S.JOBS_COPIED
    assert store.directory.changes_since(19) == []


def test_only_a_move_whose_jobs_are_copied_switches(store: Moves) -> None:
    move = store.draw(planned(store).id, "host:1")
    for state in set(S) - {S.JOBS_COPIED}:
        put(store, move, state)
        with pytest.raises(MoveConflict, match=f"it is {state}"):
            store.switch(move, "host:1")
    assert store.directory.locate(SHOP) == Route(1, 1)


def test_a_shop_that_is_not_where_it_was_is_not_switched(store: Moves) -> None:
    move = driven(store, planned(store), *THERE)
    store.directory.compare_and_set(SHOP, Route(1, 1), 3)
    with pytest.raises(DirectoryConflict):
        store.switch(move, "host:1")
    assert store.get(move.id).state is S.JOBS_COPIED, "the whole transaction is undone"
    assert store.events(move.id)[-1].after == "jobs_copied"


def test_the_way_back_swaps_the_pods(store: Moves, orders: MoveOrders) -> None:
    move = driven(store, planned(store), *THERE, S.SWITCHED, S.OPEN, S.REVERSIBLE)
    back = orders.reverse(move.id, "anna", "too slow there", held=True)
    assert (back.state, back.leg, back.tries, back.held) == (S.REVERSING, 2, 0, True)
    assert back.passage == Passage(move.id, SHOP, 2, 1, 2, 1, 2)
    back = driven(store, back, *BACK, S.SWITCHED)
    assert store.directory.locate(SHOP) == Route(1, 3)
    back = driven(store, back, S.OPEN, S.PURGING, S.REVERSED)
    assert (back.open_shop, back.owner, back.held) == (None, "", False)


def test_a_way_back_that_is_given_up_is_reversible_again(store: Moves, orders: MoveOrders) -> None:
    move = driven(store, planned(store), *THERE, S.SWITCHED, S.OPEN, S.REVERSIBLE)
    orders.reverse(move.id, "anna", "try")
    orders.abort(move.id, "anna", "stay")
    again = driven(store, move, S.REVERSIBLE)
    assert (again.state, again.leg) == (S.REVERSIBLE, 1)
    assert again.passage.source == 1


def test_changes_come_one_after_the_other(mariadb_url: str) -> None:
    store = Moves(Directory(mariadb_url))
    store.prepare()
    store.directory.assign_many({1: 1, 2: 1})
    orders = MoveOrders(store)
    first, second = planned(store, 1), planned(store, 2)
    with hold("directory.log_locked") as held:
        holds = [threading.Thread(target=orders.hold, args=(m.id, "anna", "so")) for m in (first, second)]
        holds[0].start()
        held.wait_reached()
        holds[1].start()
        until(lambda: waits_for_a_lock(mariadb_url), message="the second waits for the first")
        held.go_on()
    for thread in holds:
        thread.join()
    assert store.get(first.id).held
    assert store.get(second.id).held
    store.directory.close()


# People


def test_an_order_needs_no_mover_and_one_that_lives_meets_it(store: Moves, orders: MoveOrders) -> None:
    move = driven(store, planned(store), S.PREFLIGHT, S.COPYING)
    aborted = orders.abort(move.id, "anna", "wrong shop")
    assert (aborted.state, aborted.reason, aborted.mover_epoch) == (
        S.ABORTING,
        "wrong shop",
        move.mover_epoch,
    )
    with pytest.raises(MoveConflict, match="it is aborting and cannot become catchup"):
        store.advance(move, S.CATCHUP, "host:1", "the copy is whole")
    event = store.events(move.id)[-1]
    assert (event.who, event.why, event.before, event.after) == ("anna", "wrong shop", "copying", "aborting")


def test_after_the_switch_nobody_aborts(store: Moves, orders: MoveOrders) -> None:
    move = driven(store, planned(store), *THERE, S.SWITCHED)
    with pytest.raises(MoveConflict, match="only goes forward"):
        orders.abort(move.id, "anna", "no")
    assert store.get(move.id) == move


def test_a_move_is_held_and_released(store: Moves, orders: MoveOrders) -> None:
    move = planned(store)
    held = orders.hold(move.id, "anna", "the sale")
    assert (held.held, held.held_reason, held.state) == (True, "the sale", S.PLANNED)
    assert not waits(held), "it is held where it is ready"
    ready = driven(store, move, *THERE[:5])
    assert waits(ready)
    released = orders.release(move.id, "bert", "the sale is over")
    assert (released.held, released.held_reason) == (False, "")
    assert not waits(released)
    assert [event.who for event in store.events(move.id)][-1] == "bert"


def test_what_is_over_or_tidies_up_is_not_held(store: Moves, orders: MoveOrders) -> None:
    move = planned(store)
    for state in (S.DONE, S.ABORTED, S.REVERSED, S.ABORTING, S.PURGING):
        found = put(store, move, state)
        with pytest.raises(MoveConflict, match=f"it is {state}"):
            orders.hold(move.id, "anna", "wait")
        if state.is_over:
            with pytest.raises(MoveConflict):
                orders.release(move.id, "anna", "go")
        assert store.get(move.id) == found


def test_a_person_lets_the_cut_over_begin(store: Moves, orders: MoveOrders) -> None:
    move = driven(store, planned(store, held=True), S.PREFLIGHT)
    with pytest.raises(MoveConflict, match="it has to be ready"):
        orders.cut_over(move.id, "anna", "now")
    move = driven(store, move, S.COPYING, S.CATCHUP, S.VERIFYING, S.READY, S.PAUSING_JOBS)
    store.advance(move, S.READY, "host:1", "gave way", tries=1, not_before=NOW + 30)
    now = orders.cut_over(move.id, "anna", "now")
    assert (now.held, now.not_before, now.tries) == (False, None, 1)


def test_an_order_ends_the_rest_of_a_move(store: Moves, orders: MoveOrders) -> None:
    move = store.draw(planned(store, held=True).id, "host:1")
    orders.hold(move.id, "anna", "wait")
    assert store.get(move.id).heartbeat == NOW, "its mover is at work: it will see"
    store.rest(move, 600)
    assert store.silent(NOW) == []
    orders.release(move.id, "anna", "go")
    assert [each.id for each in store.silent(NOW)] == [move.id]


# Reading


def test_moves_are_listed_page_by_page(store: Moves, orders: MoveOrders) -> None:
    moves = [planned(store, shop_id) for shop_id in range(1, 6)]
    orders.abort(moves[0].id, "anna", "no")
    ids = [move.id for move in moves]
    first = store.page(limit=2)
    assert [move.id for move in first] == ids[:2:-1]
    second = store.page(limit=2, before=first[-1].id)
    assert [move.id for move in second] == [ids[2], ids[1]]
    assert [move.id for move in store.page(states=[S.ABORTING])] == ids[:1]
    assert [move.id for move in store.page(states=BEFORE_SWITCH, pod_id=2, limit=1)] == ids[-1:]
    assert store.page(pod_id=3) == []
    assert [event.after for event in store.events(ids[0], after=store.events(ids[0])[0].seq)] == ["aborting"]
    assert len(store.events(ids[0], limit=1)) == 1


def test_the_silent_are_found_the_longest_first(
    store: Moves, orders: MoveOrders, clock: VirtualClock
) -> None:
    moves = [planned(store, shop_id) for shop_id in range(1, 5)]
    for move in moves[:3]:
        store.draw(move.id, "host:1")
        clock.advance(10)
    put(store, moves[1], S.DONE)
    silent = [move.id for move in store.silent(clock.now() - 15)]
    assert silent == [moves[3].id, moves[0].id], (
        "one that nobody has begun is silent, too; one that ended is not"
    )


def test_reasons_of_any_length_and_letters_are_kept(store: Moves, orders: MoveOrders) -> None:
    move = orders.abort(planned(store).id, "ä" * 300, "x" * 9_000 + "\ud800")
    assert len(move.reason) == 4_000
    assert len(store.events(move.id)[-1].who) == 255
