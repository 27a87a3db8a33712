"""What the fence in the shard does, on SQLite and on MariaDB."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, Engine, insert

from podwork.errors import StaleEpoch
from podwork.interfaces import Route
from podwork.settings import ShardSettings
from podwork_pods.engines import make_engine
from podwork_pods.errors import FenceBusy, FenceConflict, ShardUnavailable, ShardUnprepared, ShopMoving
from podwork_pods.fence import FenceMissing, FenceRow, FenceState, ShardFence, table
from tests.support.pause import hold
from tests.support.pods import waits_for_a_lock
from tests.support.wait import until

POD = 1
SHOP = 330
BUDGET = {"mover_epoch": 5, "lock_wait_seconds": 1}
PATIENT = {"mover_epoch": 5, "lock_wait_seconds": 20}


@pytest.fixture(params=["sqlite", "mariadb"])
def shard_url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def engine(shard_url: str) -> Iterator[Engine]:
    settings = ShardSettings(lock_wait_seconds=20)
    made = make_engine(shard_url, lambda why: ShardUnavailable(POD, "test", why), settings, must_exist=False)
    yield made
    made.dispose()


class Truth:
    """The directory's answer, which a test turns."""

    def __init__(self) -> None:
        self.route = Route(POD, 1)

    def __call__(self, shop_id: int) -> Route:
        return self.route


@pytest.fixture
def truth() -> Truth:
    return Truth()


@pytest.fixture
def fence(engine: Engine, truth: Truth) -> ShardFence:
    made = ShardFence(POD, lambda: engine, truth)
    with engine.begin() as connection:
        made.create_schema(connection)
    return made


def put_row(engine: Engine, epoch: int, state: FenceState, shop_id: int = SHOP) -> None:
    with engine.begin() as connection:
        row = {"shop_id": shop_id, "epoch": epoch, "state": state, "mover_epoch": 0, "updated_at": 0.0}
        connection.execute(insert(table).values(row))


@contextmanager
def passed(engine: Engine, fence: ShardFence, epoch: int = 1, shop_id: int = SHOP) -> Iterator[Connection]:
    """A transaction that passed the fence and is in flight."""
    with engine.begin() as connection:
        fence.check(connection, shop_id, epoch)
        yield connection


def test_an_open_fence_at_the_epoch_lets_pass(engine: Engine, fence: ShardFence) -> None:
    put_row(engine, 3, FenceState.OPEN)
    with passed(engine, fence, epoch=3):
        pass


@pytest.mark.parametrize("epoch", [2, 4])
def test_another_epoch_is_stale(engine: Engine, fence: ShardFence, epoch: int) -> None:
    put_row(engine, 3, FenceState.OPEN)
    with pytest.raises(StaleEpoch, match=f"epoch {epoch} is stale .*open at 3"), passed(engine, fence, epoch):
        pass


@pytest.mark.parametrize("state", [FenceState.CLOSED, FenceState.INCOMING])
def test_a_fence_that_is_not_open_holds_the_shop(
    engine: Engine, fence: ShardFence, state: FenceState
) -> None:
    put_row(engine, 3, state)
    with pytest.raises(ShopMoving, match=f"fence is {state}"), passed(engine, fence, epoch=3):
        pass


def test_a_shop_that_has_moved_away_is_stale(engine: Engine, fence: ShardFence) -> None:
    put_row(engine, 3, FenceState.MOVED)
    with pytest.raises(StaleEpoch), passed(engine, fence, epoch=3):
        pass


def test_a_missing_row_is_introduced_by_the_truth_only(
    engine: Engine, fence: ShardFence, truth: Truth
) -> None:
    with pytest.raises(FenceMissing), passed(engine, fence):
        pass
    for elsewhere in (Route(2, 1), Route(POD, 2)):
        truth.route = elsewhere
        with pytest.raises(StaleEpoch):
            fence.introduce(SHOP, 1)
        assert fence.read(SHOP) is None
    truth.route = Route(POD, 1)
    fence.introduce(SHOP, 1)
    fence.introduce(SHOP, 1)
    with passed(engine, fence):
        pass
    assert fence.read(SHOP) == FenceRow(1, FenceState.OPEN, 0)


def test_introducing_never_overwrites_what_a_mover_left(
    engine: Engine, fence: ShardFence, truth: Truth
) -> None:
    """The shop leaves between the question to the truth and the insert."""
    with hold("fence.introducing") as held:
        late = threading.Thread(target=fence.introduce, args=(SHOP, 1))
        late.start()
        held.wait_reached()
        put_row(engine, 1, FenceState.MOVED)
        held.go_on()
        late.join()
    row = fence.read(SHOP)
    assert row is not None
    assert row.state is FenceState.MOVED


def test_a_shard_without_the_table_says_so(engine: Engine, truth: Truth) -> None:
    bare = ShardFence(POD, lambda: engine, truth)
    with pytest.raises(ShardUnprepared), passed(engine, bare):
        pass


def test_closing_turns_away_and_opening_lets_pass_again(engine: Engine, fence: ShardFence) -> None:
    put_row(engine, 1, FenceState.OPEN)
    fence.close(SHOP, 1, **BUDGET)
    fence.close(SHOP, 1, **BUDGET)
    assert fence.read(SHOP) == FenceRow(1, FenceState.CLOSED, 5)
    with pytest.raises(ShopMoving), passed(engine, fence):
        pass
    fence.open(SHOP, 1, **BUDGET)
    fence.open(SHOP, 1, **BUDGET)
    with passed(engine, fence):
        pass


def test_an_incoming_shop_is_opened_at_its_epoch(engine: Engine, fence: ShardFence) -> None:
    put_row(engine, 2, FenceState.INCOMING)
    fence.open(SHOP, 2, **BUDGET)
    with passed(engine, fence, epoch=2):
        pass


def test_closing_a_shop_that_was_never_used_leaves_a_closed_row(engine: Engine, fence: ShardFence) -> None:
    fence.close(SHOP, 1, **BUDGET)
    with pytest.raises(ShopMoving), passed(engine, fence):
        pass


@pytest.mark.parametrize(
    ("epoch", "state", "asked_epoch", "mover_epoch"),
    [
        (2, FenceState.OPEN, 1, 5),
        (1, FenceState.MOVED, 1, 5),
        (1, FenceState.INCOMING, 1, 5),
    ],
)
def test_closing_what_is_not_as_expected_changes_nothing(
    engine: Engine, fence: ShardFence, epoch: int, state: FenceState, asked_epoch: int, mover_epoch: int
) -> None:
    put_row(engine, epoch, state)
    with pytest.raises(FenceConflict):
        fence.close(SHOP, asked_epoch, mover_epoch=mover_epoch, lock_wait_seconds=1)
    assert fence.read(SHOP) == FenceRow(epoch, state, 0)


def test_opening_what_has_moved_changes_nothing(engine: Engine, fence: ShardFence) -> None:
    put_row(engine, 1, FenceState.MOVED)
    with pytest.raises(FenceConflict):
        fence.open(SHOP, 1, **BUDGET)
    with pytest.raises(FenceConflict):
        fence.open(SHOP, 2, **BUDGET)
    assert fence.read(SHOP) == FenceRow(1, FenceState.MOVED, 0)


def test_an_earlier_mover_cannot_change_what_a_later_one_has(engine: Engine, fence: ShardFence) -> None:
    put_row(engine, 1, FenceState.OPEN)
    fence.close(SHOP, 1, mover_epoch=6, lock_wait_seconds=1)
    with pytest.raises(FenceConflict):
        fence.open(SHOP, 1, mover_epoch=5, lock_wait_seconds=1)
    with pytest.raises(FenceConflict):
        fence.close(SHOP, 1, mover_epoch=5, lock_wait_seconds=1)
    assert fence.read(SHOP) == FenceRow(1, FenceState.CLOSED, 6)


def test_closing_waits_for_transactions_in_flight_and_gives_way_in_time(
    engine: Engine, fence: ShardFence
) -> None:
    put_row(engine, 1, FenceState.OPEN)
    with passed(engine, fence):
        with pytest.raises(FenceBusy) as raised:
            fence.close(SHOP, 1, **BUDGET)
        assert 0.9 <= raised.value.waited_seconds < 10  # its own budget, not the engine's
    with passed(engine, fence):
        pass
    fence.close(SHOP, 1, **BUDGET)


def test_a_close_under_way_ends_when_the_transaction_in_flight_ends(
    engine: Engine, fence: ShardFence
) -> None:
    put_row(engine, 1, FenceState.OPEN)
    closed = threading.Event()

    def close() -> None:
        fence.close(SHOP, 1, **PATIENT)
        closed.set()

    with hold("fence.changing") as held:
        closing = threading.Thread(target=close)
        with passed(engine, fence):
            closing.start()
            held.wait_reached()
            held.go_on()
            assert not closed.wait(0.1)  # it cannot be: we hold the fence
        closing.join()
    assert closed.is_set()
    with pytest.raises(ShopMoving), passed(engine, fence):
        pass


def test_while_a_close_waits_later_ones_are_turned_away_and_other_shops_go_on(
    mariadb_url: str, truth: Truth
) -> None:
    """On SQLite there is one writer at a time, so this is MariaDB's and MySQL's."""
    settings = ShardSettings(lock_wait_seconds=20)
    engine = make_engine(mariadb_url, lambda why: ShardUnavailable(POD, "test", why), settings)
    fence = ShardFence(POD, lambda: engine, truth)
    with engine.begin() as connection:
        fence.create_schema(connection)
    put_row(engine, 1, FenceState.OPEN)
    put_row(engine, 1, FenceState.OPEN, shop_id=331)
    outcomes: list[str] = []

    def close() -> None:
        fence.close(SHOP, 1, **PATIENT)
        outcomes.append("closed")

    def come_late() -> None:
        try:
            with passed(engine, fence):
                outcomes.append("passed")
        except ShopMoving:
            outcomes.append("turned away")

    closing, late = threading.Thread(target=close), threading.Thread(target=come_late)
    with passed(engine, fence):
        closing.start()
        until(lambda: waits_for_a_lock(mariadb_url), message="the close waits")
        late.start()
        with passed(engine, fence, shop_id=331):  # at once, or this would time out
            pass
        assert outcomes == []
    closing.join()
    late.join()
    assert sorted(outcomes) == ["closed", "turned away"]
    engine.dispose()


def test_a_transaction_that_waits_too_long_for_the_fence_is_turned_away(
    mariadb_url: str, truth: Truth
) -> None:
    settings = ShardSettings(lock_wait_seconds=1)
    engine = make_engine(mariadb_url, lambda why: ShardUnavailable(POD, "test", why), settings)
    fence = ShardFence(POD, lambda: engine, truth)
    with engine.begin() as connection:
        fence.create_schema(connection)
    put_row(engine, 1, FenceState.OPEN)
    with engine.begin() as mover:
        mover.exec_driver_sql("SELECT * FROM podwork_fence FOR UPDATE")
        with pytest.raises(ShopMoving, match="locked"), passed(engine, fence):
            pass
    engine.dispose()


@pytest.mark.parametrize("state", [None, FenceState.INCOMING, FenceState.MOVED])
def test_a_shop_is_received_at_the_epoch_that_it_will_have(
    engine: Engine, fence: ShardFence, state: FenceState | None
) -> None:
    if state is not None:
        put_row(engine, 1, state)
    fence.receive(SHOP, 2, **BUDGET)
    fence.receive(SHOP, 2, mover_epoch=6, lock_wait_seconds=1)  # the next mover stamps it
    assert fence.read(SHOP) == FenceRow(2, FenceState.INCOMING, 6)
    with pytest.raises(FenceConflict):
        fence.receive(SHOP, 2, **BUDGET)
    with pytest.raises(FenceConflict):
        fence.receive(SHOP, 1, mover_epoch=7, lock_wait_seconds=1)  # epochs only grow
    assert fence.read(SHOP) == FenceRow(2, FenceState.INCOMING, 6)


WAYS = {
    "open": (FenceState.OPEN, {FenceState.OPEN, FenceState.CLOSED, FenceState.INCOMING}),
    "close": (FenceState.CLOSED, {FenceState.OPEN, FenceState.CLOSED}),
    "receive": (FenceState.INCOMING, {FenceState.INCOMING, FenceState.MOVED}),
    "leave": (
        FenceState.MOVED,
        {FenceState.CLOSED, FenceState.MOVED, FenceState.INCOMING, FenceState.PURGING},
    ),
    "purge": (FenceState.PURGING, {FenceState.MOVED, FenceState.INCOMING, FenceState.PURGING}),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_fence_goes_from_state_to_state_by_its_table_only(
    engine: Engine, fence: ShardFence, way: str
) -> None:
    to_state, from_states = WAYS[way]
    for shop_id, state in enumerate(FenceState, start=SHOP):
        put_row(engine, 1, state, shop_id)
        change = getattr(fence, way)
        if state in from_states:
            change(shop_id, 1, **BUDGET)
            assert fence.read(shop_id) == FenceRow(1, to_state, 5)
            with pytest.raises(FenceConflict):
                change(shop_id, 1, mover_epoch=4, lock_wait_seconds=1)
        else:
            with pytest.raises(FenceConflict):
                change(shop_id, 1, **BUDGET)
            assert fence.read(shop_id) == FenceRow(1, state, 0)


def test_a_mover_fills_under_its_own_fence_only(engine: Engine, fence: ShardFence) -> None:
    def hold_to_fill(mover_epoch: int, *states: FenceState) -> None:
        with engine.begin() as connection:
            fence.hold_to_fill(connection, SHOP, states, mover_epoch)

    with pytest.raises(FenceConflict, match="missing"):
        hold_to_fill(5, FenceState.INCOMING)
    fence.receive(SHOP, 2, **BUDGET)
    hold_to_fill(5, FenceState.INCOMING)
    hold_to_fill(5, FenceState.MOVED, FenceState.INCOMING)
    for mover_epoch, state in ((4, FenceState.INCOMING), (6, FenceState.INCOMING), (5, FenceState.PURGING)):
        with pytest.raises(FenceConflict, match="incoming at epoch 2, mover 5"):
            hold_to_fill(mover_epoch, state)


def test_who_fills_is_waited_for_and_waits_itself(engine: Engine, fence: ShardFence) -> None:
    fence.receive(SHOP, 2, **BUDGET)
    with engine.begin() as connection:
        fence.hold_to_fill(connection, SHOP, (FenceState.INCOMING,), 5)
        with pytest.raises(FenceBusy):
            fence.open(SHOP, 2, **BUDGET)
        with pytest.raises(FenceBusy):
            fence.receive(SHOP, 2, **BUDGET)


def test_who_would_fill_waits_for_a_change_so_long_and_no_longer(mariadb_url: str, truth: Truth) -> None:
    settings = ShardSettings(lock_wait_seconds=1)
    engine = make_engine(mariadb_url, lambda why: ShardUnavailable(POD, "test", why), settings)
    fence = ShardFence(POD, lambda: engine, truth)
    with engine.begin() as connection:
        fence.create_schema(connection)
    fence.receive(SHOP, 2, **BUDGET)
    with engine.begin() as mover:
        mover.exec_driver_sql("SELECT * FROM podwork_fence FOR UPDATE")
        with pytest.raises(FenceBusy), engine.begin() as late:
            fence.hold_to_fill(late, SHOP, (FenceState.INCOMING,), 5)
    engine.dispose()
