"""A migration and a shop's cut-over on one pod: whoever comes second turns back; and ledgers that differ."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from podwork_migrations.apart import Apart
from podwork_migrations.errors import MigrationConflict
from podwork_migrations.gate import Go
from podwork_migrations.ledger.entry import Entry
from podwork_migrations.ledger.ledger import Ledger
from podwork_migrations.ledger.states import EntryState
from podwork_migrations.line import Turn
from podwork_migrations.runner.outcome import Ending
from podwork_pods import standstill
from podwork_pods.errors import ShardUnprepared
from podwork_pods.mover.passage import Passage
from tests.support.migration_stand import ONE, TWO, MigrationStand

SHOP, MOVE = 7, 1


@pytest.fixture(params=["sqlite", "mariadb"])
def stand(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MigrationStand]:
    folder = tmp_path / "migrations"
    folder.mkdir()
    made = MigrationStand(str(request.getfixturevalue(f"{request.param}_url")), folder)
    made.prepare()
    yield made
    made.close()


def enter(stand: MigrationStand) -> str:
    """Let the shop enter its cut-over; return the migration that is in the way."""
    with stand.engine.begin() as connection:
        return standstill.enter_transit(connection, SHOP, MOVE)


def begin(stand: MigrationStand, connection: Connection, turn: Turn, version: str) -> Entry:
    """Begin a migration, in a transaction of whoever has the line."""
    migration = stand.library()[version]
    return stand.ledger.begin(
        connection, migration, Go("plan-1", 1), owner="me", epoch=turn.epoch, code_revision="rev-1"
    )


def leave(stand: MigrationStand) -> None:
    """Let it leave."""
    with stand.engine.begin() as connection:
        standstill.leave_transit(connection, SHOP)


def test_a_migration_that_comes_second_waits(stand: MigrationStand) -> None:
    stand.add_column(ONE, "status")
    assert enter(stand) == ""
    outcome = stand.turn()
    assert (outcome.ending, stand.states()) == (Ending.WAITING, {})
    assert "shop 7: in the middle of the cut-over of a move" in outcome.reason
    leave(stand)
    assert stand.turn().ending is Ending.IDLE
    assert stand.states() == {ONE: "applied"}


def test_a_shop_that_comes_second_gives_way(stand: MigrationStand) -> None:
    stand.add_column(ONE, "status")
    with stand.line.enter("me") as turn:
        assert turn is not None
        with turn.step() as connection:
            entry = begin(stand, connection, turn, ONE)
        assert enter(stand) == ONE
        with stand.engine.begin() as connection:
            assert standstill.shops_in_transit(connection) == []
        with turn.step() as connection:
            stand.ledger.enter(connection, entry, EntryState.FAILED, error="no")
    assert enter(stand) == ""


def test_a_person_who_says_retry_is_told_to_wait(stand: MigrationStand) -> None:
    stand.add_column(ONE, "status")
    with stand.line.enter("me") as turn:
        assert turn is not None
        with turn.step() as connection:
            entry = begin(stand, connection, turn, ONE)
        with turn.step() as connection:
            entry = stand.ledger.enter(connection, entry, EntryState.FAILED, error="no")
        assert enter(stand) == ""
        with (
            pytest.raises(MigrationConflict, match="in the middle of the cut-over"),
            turn.step() as connection,
        ):
            stand.ledger.enter(connection, entry, EntryState.RUNNING)
    leave(stand)


def test_a_data_migration_under_way_is_in_no_shops_way_but_begins_in_none(stand: MigrationStand) -> None:
    stand.write(ONE, "from podwork_migrations import data\n\n@data\ndef up(op):\n    pass\n")
    assert enter(stand) == ""
    assert stand.turn().ending is Ending.WAITING
    leave(stand)
    with stand.line.enter("me") as turn:
        assert turn is not None
        with turn.step() as connection:
            begin(stand, connection, turn, ONE)
        assert enter(stand) == ""
        leave(stand)
    assert stand.turn().ending is Ending.IDLE


# Ledgers


def test_what_one_pod_has_and_the_other_has_not_is_named(stand: MigrationStand) -> None:
    class Nothing(Ledger):
        def entries(self) -> list[object]:  # type: ignore[override]
            raise ShardUnprepared(self.pod_id)

    def unplanned(_version: str, _pod_id: int) -> str:
        return ""

    look = Apart(lambda pod_id: stand.ledger if pod_id == 1 else Nothing(2, lambda: stand.single), unplanned)
    there, back = Passage(1, SHOP, 1, 2, 1, 1, 1), Passage(1, SHOP, 2, 1, 1, 1, 1)
    assert list(look(there)) == []
    stand.add_column(ONE, "status")
    assert stand.turn().ending is Ending.IDLE
    for passage in (there, back):
        ((said, passes),) = look(passage)
        assert said.startswith(f"migration {stand.entry(ONE).id} is applied on pod 1, and not on pod 2 - ")
        assert not passes
    assert list(Apart(lambda _: stand.ledger, unplanned)(there)) == []
    stand.add_column(TWO, "second")
    with stand.line.enter("me") as turn:
        assert turn is not None
        with turn.step() as connection:
            begin(stand, connection, turn, TWO)
    open_here, _ = look(there)
    assert open_here.what.startswith(
        f"migration {stand.entry(TWO).id} is running on pod 1 - it ends by itself"
    )
    assert open_here.passes
