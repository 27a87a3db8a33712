"""Data migrations, on SQLite and MariaDB: small SQL, and backfills that are runs of iteration jobs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from podwork import points
from podwork.iteration.states import RunState
from podwork_migrations.ledger.history import lost_runs
from podwork_migrations.ledger.states import EntryState
from podwork_migrations.runner.outcome import Ending
from podwork_pods.iteration.run import Run
from tests.support.migration_stand import ONE, TWO, MigrationStand

FILL = """
@data
def up(data):
    assert data.execute("SELECT COUNT(*) FROM orders WHERE n = :n", n=0).scalar() == 3
    data.execute("UPDATE orders SET n = :n WHERE id = :id", n=10, id=1)
    data.backfill("fill", step=2)

def down(data):
    data.backfill("fill", step=-2)
    data.execute("UPDATE orders SET n = 0 WHERE id = 1")
"""


@pytest.fixture(params=["sqlite", "mariadb"])
def stand(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MigrationStand]:
    folder = tmp_path / "migrations"
    folder.mkdir()
    made = MigrationStand(str(request.getfixturevalue(f"{request.param}_url")), folder)
    made.prepare()
    yield made
    made.close()


def values(stand: MigrationStand) -> list[int]:
    return stand.column("SELECT n FROM orders ORDER BY id")


def run_of(stand: MigrationStand, number: int = 0) -> Run:
    found = stand.shard.runs.get(stand.entry(ONE).run_ids[number])
    assert found is not None
    return found


def begun(stand: MigrationStand, source: str = FILL) -> None:
    """Write the migration and let it begin."""
    stand.write(ONE, source, "fill")
    assert stand.turn().ending is Ending.UNDER_WAY


def test_it_ends_when_its_run_has_succeeded(stand: MigrationStand) -> None:
    begun(stand)
    assert values(stand) == [10, 0, 0]
    entry = stand.entry(ONE)
    assert (entry.state, entry.route, entry.stage) == (EntryState.RUNNING, "data", "backfilling")
    run = run_of(stand)
    assert (run.job_class, run.params, run.created_by) == ("fill", {"step": 2}, f"migration {ONE}_fill")
    assert [pushed.id for pushed in stand.pushed] == [run.id]
    stand.clock.advance(2)
    assert stand.turn().ending is Ending.UNDER_WAY
    stand.work()
    stand.clock.advance(2)
    assert stand.turn().ending is Ending.IDLE
    assert values(stand) == [12, 2, 2]
    entry = stand.entry(ONE)
    assert (entry.state, entry.rows_done, entry.rows_total) == (EntryState.APPLIED, 3, 3)
    assert entry.run_ids == (run.id,), "ledger, run and partitions say which rows have had it"


def test_without_a_backfill_it_ends_at_once(stand: MigrationStand) -> None:
    stand.write(ONE, '@data\ndef up(data):\n    data.execute("UPDATE orders SET n = n + 1")\n')
    assert stand.turn().ending is Ending.IDLE
    assert values(stand) == [1, 1, 1]
    assert stand.states() == {ONE: "applied"}


def test_two_backfills_have_two_runs_and_both_are_waited_for(stand: MigrationStand) -> None:
    begun(stand, '@data\ndef up(data):\n    data.backfill("fill")\n    data.backfill("fill", step=5)\n')
    first, second = run_of(stand, 0), run_of(stand, 1)
    assert first.id != second.id
    assert first.group_id != second.group_id
    pushed, stand.pushed = stand.pushed, stand.pushed[:1]
    stand.work()
    stand.clock.advance(2)
    assert stand.turn().ending is Ending.UNDER_WAY
    stand.pushed = pushed
    stand.work()
    stand.clock.advance(2)
    assert stand.turn().ending is Ending.IDLE
    assert values(stand) == [6, 6, 6]


def test_what_comes_after_it_waits_for_its_run(stand: MigrationStand) -> None:
    stand.add_column(TWO, "second")
    begun(stand)
    stand.clock.advance(2)
    assert stand.turn().ending is Ending.UNDER_WAY
    assert stand.columns() == []
    stand.work()
    stand.clock.advance(2)
    assert stand.turn().ending is Ending.IDLE
    assert stand.columns() == ["second"]


@pytest.mark.parametrize("point", ["turn.begun", "turn.backfilling", "turn.committing", "turn.backfilled"])
@pytest.mark.parametrize("occurrence", [1, 2])
def test_where_one_dies_what_up_does_is_done_once(stand: MigrationStand, point: str, occurrence: int) -> None:
    class Killed(BaseException):
        pass

    reached = []

    def die(name: str) -> None:
        reached.append(name)
        if reached.count(point) == occurrence and name == point:
            points.install(None)
            raise Killed

    stand.write(ONE, FILL)
    points.install(die)
    try:
        stand.turn("dying")
    except Killed:
        pass
    finally:
        points.install(None)
    outcome = stand.turn("another")
    assert outcome.ending is Ending.UNDER_WAY
    assert values(stand) == [10, 0, 0]
    assert len(stand.runs.listing.page()) == 1
    stand.pushed = [run_of(stand)]  # by the keeper, if the pusher died
    stand.work()
    stand.clock.advance(2)
    assert stand.turn("another").ending is Ending.IDLE
    assert values(stand) == [12, 2, 2]


def test_what_fails_in_up_leaves_nothing(stand: MigrationStand) -> None:
    done = 'data.execute("UPDATE orders SET n = 7"); data.backfill("fill")'
    stand.write(ONE, f"@data\ndef up(data):\n    {done}\n    1 / 0\n")
    assert stand.turn().ending is Ending.STOPPED
    assert values(stand) == [0, 0, 0]
    assert stand.runs.listing.page() == []
    assert "ZeroDivisionError" in stand.entry(ONE).error


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ('data.backfill("nothing")', "unknown job class"),
        ('data.backfill("fill", stop=1)', "unknown argument stop"),
        ('data.backfill("plain")', "cannot be a backfill"),
        ('data.execute("UPDATE nothing SET n = 1")', "nothing"),
    ],
)
def test_what_cannot_be_meant_so_fails_it(stand: MigrationStand, asked: str, told: str) -> None:
    stand.app.job(name="plain")(lambda: None)
    stand.write(ONE, f"@data\ndef up(data):\n    {asked}\n")
    assert stand.turn().ending is Ending.STOPPED
    assert told in stand.entry(ONE).error


def test_ddl_in_a_data_migration_is_refused_where_it_would_commit(mariadb_url: str, tmp_path: Path) -> None:
    stand = MigrationStand(mariadb_url, tmp_path)
    stand.prepare()
    stand.write(ONE, '@data\ndef up(data):\n    data.execute("CREATE TABLE stray (id INTEGER)")\n')
    assert stand.turn().ending is Ending.STOPPED
    assert "a statement committed it" in stand.entry(ONE).error
    stand.close()


def test_a_run_that_fails_fails_the_migration_and_goes_on_after_a_retry(stand: MigrationStand) -> None:
    begun(stand)
    stand.broken.append("no")
    stand.work()
    assert run_of(stand).state is RunState.FAILED
    stand.clock.advance(2)
    assert stand.turn().ending is Ending.STOPPED
    entry = stand.entry(ONE)
    assert entry.state is EntryState.FAILED
    assert f"its run {entry.run_ids[0]} has failed: " in entry.error
    stand.broken.clear()
    stand.control.retry(ONE)
    assert stand.turn().ending is Ending.UNDER_WAY
    assert run_of(stand).state is RunState.ENQUEUED
    assert values(stand) == [10, 0, 0], "what up did is not done again"
    stand.work()
    stand.clock.advance(2)
    assert stand.turn().ending is Ending.IDLE
    assert values(stand) == [12, 2, 2]


def test_a_run_that_was_cancelled_is_begun_anew_after_a_retry(stand: MigrationStand) -> None:
    begun(stand)
    first = run_of(stand)
    stand.runs.cancel(first.id)
    stand.clock.advance(2)
    assert stand.turn().ending is Ending.STOPPED
    assert "was cancelled" in stand.entry(ONE).error
    stand.control.retry(ONE)
    stand.turn()
    second = run_of(stand)
    assert second.id != first.id
    assert (second.params, second.state) == (first.params, RunState.ENQUEUED)
    assert stand.pushed[-1].id == second.id
    stand.pushed = stand.pushed[-1:]
    stand.work()
    stand.clock.advance(2)
    assert stand.turn().ending is Ending.IDLE
    assert values(stand) == [12, 2, 2]


def test_a_paused_run_is_waited_for_and_named(stand: MigrationStand) -> None:
    begun(stand)
    run = run_of(stand)
    stand.runs.pause(run.id)
    stand.clock.advance(2)
    assert stand.turn() == (Ending.UNDER_WAY, f"run {run.id} is paused", 2)
    assert stand.entry(ONE).throttle_reason == f"run {run.id} is paused"


# Back


def test_its_way_back_is_a_backfill_too(stand: MigrationStand) -> None:
    begun(stand)
    stand.work()
    stand.clock.advance(2)
    stand.turn()
    up = stand.entry(ONE).run_ids
    stand.pushed.clear()
    stand.control.revert(ONE)
    assert stand.turn().ending is Ending.UNDER_WAY
    assert stand.entry(ONE).stage == "undoing"
    assert stand.entry(ONE).run_ids != up
    stand.work()
    stand.clock.advance(2)
    assert stand.turn().ending is Ending.IDLE
    assert stand.states() == {ONE: "reverted"}
    assert values(stand) == [-2, 0, 0]


def test_one_that_is_under_way_is_given_up(stand: MigrationStand) -> None:
    begun(stand)
    first = run_of(stand)
    stand.control.revert(ONE)
    stand.clock.advance(2)
    assert stand.turn().ending is Ending.UNDER_WAY
    found = stand.shard.runs.get(first.id)
    assert found is not None
    assert found.state is RunState.CANCELLED
    assert stand.entry(ONE).stage == "undoing"


def test_whoever_works_on_its_run_is_waited_for(stand: MigrationStand) -> None:
    begun(stand)
    run = run_of(stand)
    with stand.engine.begin() as connection:
        stand.shard.runs.transition(connection, run.id, RunState.RUNNING)
    stand.control.revert(ONE)
    stand.clock.advance(2)
    assert stand.turn() == (Ending.UNDER_WAY, "its runs are being cancelled", 2)
    assert run_of(stand).state is RunState.CANCELLING
    assert values(stand) == [10, 0, 0], "its way back comes after it"
    stand.runs.force(run.id)
    stand.clock.advance(2)
    stand.turn()
    assert stand.entry(ONE).stage == "undoing"
    assert values(stand) == [0, 0, 0]


def test_what_never_was_done_is_taken_back_at_once(stand: MigrationStand) -> None:
    stand.write(ONE, FILL.replace("== 3", "== 4"))
    assert stand.turn().ending is Ending.STOPPED
    stand.control.revert(ONE)
    assert stand.turn().ending is Ending.IDLE
    assert stand.states() == {ONE: "reverted"}
    assert values(stand) == [0, 0, 0]


def test_pods_have_runs_of_their_own_and_one_group(stand: MigrationStand) -> None:
    """Known from the ledger alone: so a shop's rows can be told from what ran on the pods where it was."""
    begun(stand)
    run = run_of(stand)
    assert run.group_id is not None
    assert run.group_id.startswith(run.group_id[:11])
    assert run.group_id != run.id
    stand.execute("DELETE FROM podwork_migrations")
    stand.execute("UPDATE orders SET n = 0")
    stand.clock.advance(3)
    stand.turn()
    assert run_of(stand).id != run.id, "begun at another time, as on another pod"
    assert run_of(stand).group_id == run.group_id


@pytest.mark.parametrize("table", ["podwork_runs", "podwork_partitions"])
def test_what_a_backfill_did_and_is_no_longer_known_is_noticed(stand: MigrationStand, table: str) -> None:
    begun(stand)

    def lost() -> list[str]:
        with stand.engine.connect() as connection:
            return lost_runs(connection, stand.ledger.entries())

    assert lost() == [], "under way: nobody asks"
    stand.work()
    stand.clock.advance(60)
    assert stand.turn().ending is Ending.IDLE
    assert lost() == []
    stand.execute(f"DELETE FROM {table}")
    assert lost() == [f"{ONE}_fill"]
