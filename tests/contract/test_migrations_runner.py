"""Turns of a pod's migrations, on SQLite and MariaDB: what begins when, and how it ends."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from podwork import points
from podwork_migrations.applying import Applier, Progress, Work
from podwork_migrations.errors import LineLost, LockBusy, MigrationConflict
from podwork_migrations.gate import Go, Wait
from podwork_migrations.ledger.entry import Artefact, Direction
from podwork_migrations.ledger.states import EntryState
from podwork_migrations.runner.outcome import Ending
from podwork_pods.errors import ShardUnavailable
from tests.support.iteration_stand import at_once
from tests.support.migration_stand import NOW, ONE, THREE, TWO, MigrationStand
from tests.support.pause import hold
from tests.support.plain_routes import Plain, PlainRoutes


@pytest.fixture(params=["sqlite", "mariadb"])
def stand(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MigrationStand]:
    folder = tmp_path / "migrations"
    folder.mkdir()
    made = MigrationStand(str(request.getfixturevalue(f"{request.param}_url")), folder)
    made.prepare()
    yield made
    made.close()


# One after the other


def test_what_is_pending_is_applied_in_the_order_of_versions(stand: MigrationStand) -> None:
    for version, column in ((TWO, "second"), (ONE, "first"), (THREE, "third")):
        stand.add_column(version, column)
    assert stand.turn().ending is Ending.IDLE
    assert stand.columns() == ["first", "second", "third"]
    assert stand.states() == {ONE: "applied", TWO: "applied", THREE: "applied"}
    assert stand.gate.asked == [(ONE, 1), (TWO, 1), (THREE, 1)]
    assert stand.gate.reports == [
        (version, state) for version in (ONE, TWO, THREE) for state in ("running", "applied")
    ]


def test_an_entry_says_what_was_done(stand: MigrationStand) -> None:
    stand.add_column(ONE, "status", '@schema(override={"one-ddl": "tested"})', "add_status")
    stand.turn("anna")
    entry = stand.entry(ONE)
    assert (entry.id, entry.kind, entry.code_revision) == (f"{ONE}_add_status", "schema", "rev-1")
    assert (entry.checksum, entry.plan_id, entry.wave) == (stand.library()[ONE].checksum, "plan-1", 2)
    assert (entry.state, entry.direction, entry.attempts) == (EntryState.APPLIED, Direction.UP, 1)
    assert (entry.route, entry.stage) == ("direct", "executed")
    assert (entry.lease_owner, entry.lease_epoch) == ("anna", 1)
    assert entry.statement.startswith("ALTER TABLE orders ADD COLUMN status")
    assert (entry.requested, entry.started, entry.completed) == (NOW, NOW, NOW)
    assert entry.override_reason == "one-ddl: tested"
    assert entry.fingerprint_before != entry.fingerprint_after
    assert (entry.error, entry.throttle_reason, entry.run_ids, entry.artefacts) == ("", "", (), ())


def test_what_was_applied_is_not_applied_again(stand: MigrationStand) -> None:
    stand.add_column(ONE, "status")
    stand.turn()
    before = stand.entry(ONE)
    stand.clock.advance(60)
    assert stand.turn().ending is Ending.IDLE
    assert stand.entry(ONE) == before


def test_a_pod_with_nothing_pending_costs_one_query_and_no_time(stand: MigrationStand) -> None:
    for number in range(1, 60):
        stand.write(f"202601010000{number:02}", "@data\ndef up(data):\n    pass\n")
    stand.turn()
    library = stand.library()
    runner = stand.new_runner(library=lambda: library)
    sent = stand.count_statements()
    spent = []
    for _ in range(20):
        began = time.perf_counter()
        assert runner.turn("me").ending is Ending.IDLE
        spent.append(time.perf_counter() - began)
    assert len(sent) == 20, sent[:3]
    assert min(spent) < 0.005


def test_that_nothing_is_to_be_done_counts_until_something_has_changed(stand: MigrationStand) -> None:
    stand.add_column(ONE, "first")
    other = stand.new_runner()
    for _ in range(2):
        assert other.turn("other").ending in (Ending.IDLE, Ending.UNDER_WAY)
    stand.control.revert(ONE)
    assert other.turn("other").ending is Ending.IDLE
    assert stand.columns() == [], "what a person wants"
    assert other.turn("other").ending is Ending.IDLE
    stand.control.retry(ONE)
    assert stand.turn().ending is Ending.IDLE
    assert other.turn("other").ending is Ending.IDLE
    stand.add_column(TWO, "second")
    assert other.turn("other").ending is Ending.IDLE
    assert stand.columns() == ["first", "second"], "other files"
    assert other.turn("other").ending is Ending.IDLE
    stand.execute(f"UPDATE podwork_migrations SET state = 'failed' WHERE version = '{TWO}'")
    assert other.turn("other").ending is Ending.IDLE
    stand.clock.advance(600)
    assert other.turn("other").ending is Ending.STOPPED, "what was changed by hand is found in the end"


def test_migrations_for_other_pods_are_left_out(stand: MigrationStand) -> None:
    stand.add_column(ONE, "others", "@schema(pods=[2])")
    stand.add_column(TWO, "ours", "@schema(pods=[1, 2])")
    assert stand.turn().ending is Ending.IDLE
    assert stand.columns() == ["ours"]


def test_one_that_was_written_earlier_and_comes_later_is_applied(stand: MigrationStand) -> None:
    stand.add_column(TWO, "second")
    stand.turn()
    stand.add_column(ONE, "first")
    assert stand.turn().ending is Ending.IDLE
    assert stand.columns() == ["second", "first"]


def test_a_migration_of_several_statements_runs_each_once(stand: MigrationStand) -> None:
    stand.write(
        ONE,
        """
        @schema
        def up(op):
            op.create_table("fresh", sa.Column("a", sa.Integer))
            op.create_index("fresh_by_a", "fresh", ["a"])
            op.execute("ALTER TABLE orders ADD COLUMN b INTEGER")
        """,
    )
    assert stand.turn().ending is Ending.IDLE
    assert stand.column("SELECT a FROM fresh") == []
    assert stand.columns() == ["b"]


def test_a_shard_of_an_earlier_version_gets_its_tables(stand: MigrationStand) -> None:
    for name in ("podwork_migration_line", "podwork_migrations"):
        stand.execute(f"DROP TABLE {name}")
    stand.add_column(ONE, "status")
    assert stand.turn().ending is Ending.IDLE
    assert stand.states() == {ONE: "applied"}


# What has to be so before one begins


def test_it_waits_until_what_it_requires_is_applied(stand: MigrationStand) -> None:
    stand.add_column(ONE, "first")
    stand.add_column(TWO, "second", f'@schema(requires=["{ONE}"])')
    stand.add_column(THREE, "third")
    stand.turn()
    for version in (TWO, ONE):
        stand.control.revert(version)
        assert stand.until_done().ending is Ending.IDLE
    assert stand.states() == {ONE: "reverted", TWO: "reverted", THREE: "applied"}
    stand.add_column("20260101000004", "fourth", f'@schema(requires=["{ONE}"])')
    stand.add_column("20260101000005", "fifth")
    outcome = stand.turn()
    assert outcome == (Ending.WAITING, f"20260101000004_change: it requires {ONE}", None)
    assert stand.columns() == ["third", "fifth"], "what does not need it goes ahead"
    stand.control.skip(ONE, "made by hand")
    assert stand.control.state().trouble.endswith(f"it requires {ONE}")


def test_what_is_skipped_counts_as_done(stand: MigrationStand) -> None:
    stand.add_column(ONE, "first")
    stand.add_column(TWO, "second", f'@schema(requires=["{ONE}"])')
    stand.control.skip(ONE, "it is there", "anna")
    assert stand.turn().ending is Ending.IDLE
    assert stand.columns() == ["second"]
    assert stand.entry(ONE).override_reason.endswith("Z skipped by anna: it is there")
    assert stand.gate.reports[0] == (ONE, "skipped")


def test_nothing_begins_that_a_live_worker_does_not_know(stand: MigrationStand) -> None:
    stand.add_column(ONE, "first")
    library = stand.library()
    stand.add_column(TWO, "second")
    old = {"migrations_digest": library.digest, "migrations": f'["{library[ONE].digest}"]'}
    new = {"migrations_digest": stand.library().digest}
    stand.portraits = [old, new]
    outcome = stand.turn()
    assert outcome == (Ending.WAITING, f"{TWO}_change: 1 of 2 workers run code that does not know it", None)
    assert stand.columns() == ["first"]
    assert stand.line.state().trouble.startswith(f"{TWO}_change: 1 of 2 workers")
    stand.portraits = [new]
    assert stand.turn().ending is Ending.IDLE
    assert stand.columns() == ["first", "second"]
    assert stand.line.state().trouble == ""


def test_one_for_after_the_deployment_waits_for_its_end(stand: MigrationStand) -> None:
    stand.add_column(ONE, "first", '@schema(phase="after_deploy")')
    digest = stand.library().digest
    stand.portraits = [{"migrations_digest": digest, "revision": one} for one in ("r1", "r2")]
    assert stand.turn().reason.endswith("it comes after the deployment, and workers run r1, r2")
    stand.portraits = stand.portraits[1:]
    assert stand.turn().ending is Ending.IDLE


def test_the_gate_has_the_word(stand: MigrationStand) -> None:
    for version, column in ((ONE, "first"), (TWO, "second"), (THREE, "third")):
        stand.add_column(version, column)
    stand.gate.answers = {TWO: Wait("wave 2 is not open yet")}
    outcome = stand.turn()
    assert outcome == (Ending.WAITING, f"{TWO}_change: wave 2 is not open yet", None)
    assert [version for version, _ in stand.gate.asked] == [ONE, TWO], "the third one comes after the second"
    stand.gate.answers = {TWO: Wait("no plan has it", others_may=True)}
    assert stand.turn().reason == f"{TWO}_change: no plan has it"
    assert stand.states() == {ONE: "applied", THREE: "applied"}
    stand.gate.answers = {}
    assert stand.turn().ending is Ending.IDLE


def test_the_gate_is_asked_inside_of_the_line_with_its_epoch(stand: MigrationStand) -> None:
    stand.add_column(ONE, "first")
    stand.gate.answers = {ONE: Wait("not yet")}
    stand.turn()
    stand.turn()
    assert stand.gate.asked == [(ONE, 1), (ONE, 2)]
    with stand.new_line().enter("somebody"):
        assert stand.turn().ending is Ending.TAKEN
    assert len(stand.gate.asked) == 2


def test_a_plan_that_is_away_lets_nothing_begin_and_is_told_later(stand: MigrationStand) -> None:
    stand.add_column(ONE, "first")
    stand.add_column(TWO, "second")
    stand.gate.is_away = True
    assert stand.turn().ending is Ending.AWAY
    assert stand.states() == {}
    stand.gate.is_away = False
    with hold("turn.advancing") as held:

        def vanish() -> None:
            held.wait_reached()
            stand.gate.is_away = True
            held.go_on()

        [_, outcome] = at_once(vanish, stand.turn)
    assert outcome.ending is Ending.AWAY
    assert stand.states() == {ONE: "applied"}, "what had begun ended"
    assert stand.gate.reports == [(ONE, "running")]
    stand.gate.is_away = False
    assert stand.turn().ending is Ending.IDLE
    assert stand.gate.reports[1:] == [(ONE, "applied"), (TWO, "running"), (TWO, "applied")]


def test_what_the_plan_has_not_heard_it_hears_though_nothing_is_pending(stand: MigrationStand) -> None:
    stand.add_column(ONE, "first")
    stand.turn()
    stand.execute("UPDATE podwork_migrations SET reported = 'running'")
    stand.execute("UPDATE podwork_migration_line SET revision = revision + 1")
    stand.gate.reports.clear()
    assert stand.turn().ending is Ending.IDLE
    assert stand.gate.reports == [(ONE, "applied")]
    assert stand.turn().ending is Ending.IDLE
    assert stand.gate.reports == [(ONE, "applied")]


# What goes wrong


BROKEN = """
@schema
def up(op):
    op.add_column("nowhere", sa.Column("x", sa.Integer))
"""


def test_a_failure_stops_the_line_until_a_person_says_otherwise(stand: MigrationStand) -> None:
    stand.write(ONE, BROKEN)
    stand.add_column(TWO, "second")
    assert stand.turn() == (Ending.STOPPED, f"{ONE} has failed", None)
    entry = stand.entry(ONE)
    assert entry.state is EntryState.FAILED
    assert "nowhere" in entry.error
    assert stand.gate.reports == [(ONE, "running"), (ONE, "failed")]
    assert stand.turn().ending is Ending.STOPPED
    assert stand.columns() == []
    stand.execute("CREATE TABLE nowhere (id INTEGER)")
    stand.control.retry(ONE)
    assert stand.turn().ending is Ending.IDLE
    assert stand.states() == {ONE: "applied", TWO: "applied"}
    entry = stand.entry(ONE)
    assert (entry.attempts, entry.error) == (2, "")
    assert stand.gate.reports[2:4] == [(ONE, "running"), (ONE, "applied")]


def test_a_stopped_line_costs_one_query(stand: MigrationStand) -> None:
    stand.write(ONE, BROKEN)
    stand.turn()
    library = stand.library()
    runner = stand.new_runner(library=lambda: library)
    sent = stand.count_statements()
    assert runner.turn("me").ending is Ending.STOPPED
    assert len(sent) == 1


def test_a_pod_with_nothing_to_begin_looks_after_plans(stand: MigrationStand) -> None:
    assert stand.turn().ending is Ending.IDLE
    assert stand.turn().ending is Ending.IDLE, "remembered"
    assert stand.gate.tended == 2
    stand.gate.is_away = True
    assert stand.turn().ending is Ending.IDLE, "plans may be away"
    stand.gate.is_away = False
    stand.write(ONE, BROKEN)
    stand.gate.answers[ONE] = Wait("not yet")
    assert stand.turn().ending is Ending.WAITING
    assert stand.gate.tended == 3, "who asks need not"
    del stand.gate.answers[ONE]
    assert stand.turn().ending is Ending.STOPPED
    assert stand.gate.tended == 4


def test_a_file_that_cannot_be_used_stops_the_line_and_says_why(
    stand: MigrationStand, caplog: pytest.LogCaptureFixture
) -> None:
    stand.add_column(ONE, "first")
    stand.write(TWO, "1 / 0")
    outcome = stand.turn()
    assert outcome.ending is Ending.STOPPED
    assert "ZeroDivisionError" in outcome.reason
    assert f"{TWO}_change.py" in caplog.text
    assert stand.states() == {}


@pytest.mark.parametrize("raised", ["ValueError('no')", "SystemExit(3)", "KeyError()"])
def test_whatever_the_file_raises_is_its_failure(stand: MigrationStand, raised: str) -> None:
    stand.write(ONE, f"@schema\ndef up(op):\n    raise {raised}\n")
    assert stand.turn().ending is Ending.STOPPED
    assert raised.split("(", maxsplit=1)[0] in stand.entry(ONE).error


class Scripted(PlainRoutes):
    """Routes whose applier does what a test says, one entry of the list at each advance."""

    def __init__(self, *script: Any) -> None:
        self.script = list(script)
        self.seen: list[str] = []

    def applier(self, route: str) -> Applier:
        return self

    def advance(self, work: Work) -> Progress:
        self.seen.append(work.entry.stage)
        act = self.script.pop(0)
        if isinstance(act, Exception):
            raise act
        if callable(act):
            act(work)
            return Progress(work.entry.stage)
        assert isinstance(act, Progress)
        return act


def test_a_lock_that_is_not_to_be_had_is_tried_again_later_and_later(stand: MigrationStand) -> None:
    stand.add_column(ONE, "first")
    busy = LockBusy("orders", 3, "connection 7 of anna, for 40 s: SELECT")
    runner = stand.new_runner(routes=Scripted(*[busy] * 9, Progress("x", done=True)))
    waits = []
    for _ in range(9):
        outcome = runner.turn("me")
        assert outcome.ending is Ending.UNDER_WAY
        assert "connection 7 of anna" in outcome.reason
        waits.append(outcome.again_seconds)
        entry = stand.entry(ONE)
        assert (entry.state, entry.attempts, entry.tries) == (EntryState.RUNNING, 1, len(waits))
        assert "no lock on orders within 3 s because of connection 7" in entry.throttle_reason
        again = runner.turn("me")
        assert (again.ending, again.again_seconds) == (Ending.UNDER_WAY, waits[-1]), "not before its time"
        stand.clock.advance(waits[-1] or 0)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert runner.turn("me").ending is Ending.IDLE
    entry = stand.entry(ONE)
    assert (entry.state, entry.tries, entry.throttle_reason) == (EntryState.APPLIED, 0, "")


def test_a_deadlock_costs_no_attempt(mariadb_url: str, tmp_path: Path) -> None:
    stand = MigrationStand(mariadb_url, tmp_path, lock_wait_seconds=1)
    stand.prepare()
    stand.add_column(ONE, "first")

    def wait_for_a_row(work: Work) -> None:
        with work.step() as connection:
            connection.execute(text("UPDATE orders SET n = 1 WHERE id = 1"))

    runner = stand.new_runner(routes=Scripted(wait_for_a_row, Progress("x", done=True)))
    with stand.engine.begin() as connection:
        connection.execute(text("UPDATE orders SET n = 2 WHERE id = 1"))
        outcome = runner.turn("me")
    assert (outcome.ending, outcome.again_seconds) == (Ending.UNDER_WAY, 1)
    assert "Lock wait timeout" in stand.entry(ONE).throttle_reason
    stand.clock.advance(1)
    assert runner.turn("me").ending is Ending.IDLE
    stand.close()


def test_a_shard_that_goes_away_in_the_middle_leaves_the_migration_running(stand: MigrationStand) -> None:
    stand.add_column(ONE, "first")
    gone = ShardUnavailable(1, "test", "gone")
    runner = stand.new_runner(routes=Scripted(Progress("half"), gone, Progress("x", done=True)))
    outcome = runner.turn("me")
    assert (outcome.ending, outcome.again_seconds) == (Ending.AWAY, 5)
    entry = stand.entry(ONE)
    assert (entry.state, entry.stage, entry.error) == (EntryState.RUNNING, "half", "")
    assert runner.turn("me").ending is Ending.IDLE


def test_whose_connection_is_lost_has_not_failed(stand: MigrationStand) -> None:
    stand.add_column(ONE, "first")
    lost = LineLost(1, 1, "its connection was lost")
    runner = stand.new_runner(routes=Scripted(Progress("half"), lost, Progress("x", done=True)))
    outcome = runner.turn("me")
    assert (outcome.ending, outcome.again_seconds) == (Ending.LOST, 2)
    entry = stand.entry(ONE)
    assert (entry.state, entry.stage, entry.error) == (EntryState.RUNNING, "half", "")
    assert runner.turn("me").ending is Ending.IDLE


def test_what_was_found_out_stands_in_the_ledger_before_the_next_bit(stand: MigrationStand) -> None:
    stand.add_column(ONE, "first")
    script = Scripted(
        Progress("copying", wait_seconds=2, note="replica lags", rows_done=5, rows_total=9),
        lambda work: work.record(stage="cutting", artefacts=[Artefact("table", "_new", "mine")]),
        Progress("x", done=True),
    )
    runner = stand.new_runner(routes=script)
    outcome = runner.turn("me")
    assert outcome == (Ending.UNDER_WAY, "replica lags", 2)
    entry = stand.entry(ONE)
    assert (entry.stage, entry.rows_done, entry.rows_total) == ("copying", 5, 9)
    assert entry.throttle_reason == "replica lags"
    stand.clock.advance(2)
    assert runner.turn("me").ending is Ending.IDLE
    entry = stand.entry(ONE)
    assert (entry.rows_done, entry.artefacts) == (5, (Artefact("table", "_new", "mine"),))
    assert script.seen == ["", "copying", "cutting"]


def test_a_turn_that_is_asked_to_stop_stops_after_a_bit(stand: MigrationStand) -> None:
    stand.add_column(ONE, "first")
    runner = stand.new_runner(routes=Scripted(*[Progress(f"s{number}") for number in range(9)]))
    assert runner.turn("me", lambda: True) == (Ending.UNDER_WAY, "", 0.0)
    assert stand.entry(ONE).stage == "", "it began, and no more"
    assert runner.turn("me", lambda: True) == (Ending.UNDER_WAY, "", 0.0)
    assert stand.entry(ONE).stage == "s0"
    assert runner.turn("me", slice_seconds=0.0) == (Ending.UNDER_WAY, "", 0.0)
    assert stand.entry(ONE).stage == "s1"


# Two at once


def test_of_two_turns_at_once_one_does_it(stand: MigrationStand) -> None:
    for version, column in ((ONE, "first"), (TWO, "second"), (THREE, "third")):
        stand.add_column(version, column)
    outcomes = at_once(*[lambda owner=f"o{n}": stand.new_runner().turn(owner) for n in range(3)])
    for outcome in outcomes:
        assert outcome.ending in (Ending.IDLE, Ending.TAKEN, Ending.LOST), outcomes
    assert stand.until_done().ending is Ending.IDLE
    assert stand.columns() == ["first", "second", "third"]
    assert stand.states() == {ONE: "applied", TWO: "applied", THREE: "applied"}
    assert {entry.attempts for entry in stand.ledger.entries()} == {1}


POINTS = ["turn.begun", "turn.planning", "turn.advancing", "turn.advanced", "turn.finishing", "turn.reported"]


@pytest.mark.parametrize("point", POINTS)
def test_who_is_overtaken_at_any_point_writes_nothing_more(stand: MigrationStand, point: str) -> None:
    """The epoch is raised under it, as by a person or a restored backup: it has to notice by itself."""
    stand.add_column(ONE, "first")
    with hold(point) as held:

        def overtake() -> None:
            held.wait_reached()
            stand.execute("UPDATE podwork_migration_line SET epoch = epoch + 1")
            held.go_on()

        [_, outcome] = at_once(overtake, stand.turn)
        assert outcome.ending is Ending.LOST, outcome
    before = [entry._replace(reported="") for entry in stand.ledger.entries()]
    assert all(entry.state is EntryState.RUNNING for entry in before)
    assert stand.until_done("another").ending is Ending.IDLE
    assert stand.columns() == ["first"]
    entry = stand.entry(ONE)
    assert (entry.state, entry.lease_owner, entry.attempts) == (EntryState.APPLIED, "another", 1)


def test_the_database_refuses_a_second_open_migration(stand: MigrationStand) -> None:
    stand.add_column(ONE, "first")
    stand.add_column(TWO, "second")
    library = stand.library()
    with stand.line.enter("me") as turn:
        assert turn is not None
        given: dict[str, Any] = {"owner": "me", "epoch": turn.epoch, "code_revision": ""}
        with turn.step() as connection:
            stand.ledger.begin(connection, library[ONE], Go(), **given)
        for version in (ONE, TWO):
            refused = pytest.raises(MigrationConflict, match="has been begun by somebody else")
            with refused, turn.step() as again:
                stand.ledger.begin(again, library[version], Go(), **given)
    assert stand.states() == {ONE: "running"}


# Who dies: the next one goes on


class Killed(BaseException):
    """Ends a thread as a kill ends a process."""


EVERYWHERE = [
    "line.entered",
    "turn.beginning",
    "turn.begun",
    "turn.reported",
    "turn.planning",
    "turn.advancing",
    "turn.ddl",
    "turn.ddl_done",
    "turn.advanced",
    "turn.finishing",
    "turn.committing",
    "turn.finished",
]


@pytest.mark.parametrize("point", EVERYWHERE)
@pytest.mark.parametrize("occurrence", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_where_one_dies_the_next_one_goes_on(stand: MigrationStand, point: str, occurrence: int) -> None:
    if stand.is_sqlite and point.startswith("turn.ddl"):
        pytest.skip("there a change of the schema is part of a step")
    stand.add_column(ONE, "first")
    stand.add_column(TWO, "second")
    reached = []

    def die(name: str) -> None:
        if name == point:
            reached.append(name)
            if len(reached) == occurrence:
                points.install(None)
                raise Killed

    points.install(die)
    try:
        stand.turn("dying")
    except Killed:
        pass
    finally:
        points.install(None)
    assert stand.until_done("another").ending is Ending.IDLE
    assert stand.columns() == ["first", "second"]
    assert stand.states() == {ONE: "applied", TWO: "applied"}
    assert {entry.attempts for entry in stand.ledger.entries()} == {1}
    assert all(entry.reported == "applied" for entry in stand.ledger.entries())


# Edited files


def test_a_file_that_was_edited_after_it_ran_is_told_of_and_never_run_again(
    stand: MigrationStand, caplog: pytest.LogCaptureFixture
) -> None:
    stand.add_column(ONE, "first")
    stand.turn()
    stand.add_column(ONE, "another")
    caplog.set_level(logging.WARNING)
    for _ in range(3):
        assert stand.turn().ending is Ending.IDLE
    assert stand.columns() == ["first"]
    assert caplog.text.count(f"{ONE}: its file was edited after it ran on pod 1; it does not run again") == 1


def test_a_file_that_was_edited_while_it_ran_fails(stand: MigrationStand) -> None:
    stand.add_column(ONE, "first")
    runner = stand.new_runner(routes=Scripted(Progress("half", wait_seconds=2)))
    assert runner.turn("me").ending is Ending.UNDER_WAY
    stand.add_column(ONE, "another")
    stand.clock.advance(2)
    assert stand.turn().ending is Ending.STOPPED
    assert "edited while it was under way" in stand.entry(ONE).error
    stand.control.retry(ONE)
    assert stand.turn().ending is Ending.IDLE
    assert stand.columns() == ["another"], "it is planned anew"
    assert stand.entry(ONE).checksum == stand.library()[ONE].checksum


def test_one_that_is_under_way_is_left_to_workers_that_have_its_text(stand: MigrationStand) -> None:
    stand.add_column(ONE, "first")
    runner = stand.new_runner(routes=Scripted(Progress("half", wait_seconds=2)))
    runner.turn("me")
    stand.portraits = [{"migrations": f'["{stand.library()[ONE].digest}"]'}, {"migrations": "[]"}]
    stand.add_column(ONE, "another")
    stand.clock.advance(2)
    outcome = stand.turn()
    assert outcome == (Ending.WAITING, f"{ONE}_change is under way as other workers' code has it", None)
    (stand.folder / f"{ONE}_change.py").unlink()
    assert "the code of this worker does not have it" in stand.turn().reason
    assert stand.states() == {ONE: "running"}


# A hold


def test_a_hold_lets_no_step_be_taken(stand: MigrationStand) -> None:
    stand.add_column(ONE, "first")
    stand.add_column(TWO, "second")
    done = Progress("x", done=True)
    runner = stand.new_runner(routes=Scripted(Progress("half", wait_seconds=2), done, done))
    runner.turn("me")
    stand.control.hold("a sale is on", "anna")
    stand.clock.advance(2)
    for _ in range(2):
        assert runner.turn("me") == (Ending.HELD, "held by anna: a sale is on", None)
    assert stand.states() == {ONE: "running"}
    stand.control.release()
    assert runner.turn("me").ending is Ending.IDLE


# What is kept for a way back


class Keeping(PlainRoutes):
    """Routes that keep something of every change for an hour, and clear it away in two bits."""

    def __init__(self) -> None:
        self.cleared: list[str] = []
        self.trouble: Exception | None = None

    def applier(self, route: str) -> Applier:
        return self

    def advance(self, work: Work) -> Progress:
        progress = Plain().advance(work)
        if progress.done and work.direction is Direction.UP:
            work.record(artefacts=[Artefact("table", f"_old_{work.entry.version}")], hold_until=NOW + 3600)
        return progress._replace(stage="held") if progress.done else progress

    def tidy(self, work: Work) -> Progress:
        if self.trouble is not None:
            raise self.trouble
        self.cleared.append(work.entry.version)
        if work.entry.stage == "held":
            return Progress("purging", wait_seconds=30, note="rows are deleted")
        work.record(artefacts=[], hold_until=None)
        return Progress("done", done=True)


def test_what_is_kept_for_a_way_back_is_cleared_away_in_time(stand: MigrationStand) -> None:
    routes = Keeping()
    runner = stand.new_runner(routes=routes)
    stand.add_column(ONE, "first")
    assert runner.turn("me").ending is Ending.IDLE
    stand.clock.advance(3599)
    assert runner.turn("me").ending is Ending.IDLE
    assert routes.cleared == []
    stand.clock.advance(1)
    assert runner.turn("me").ending is Ending.IDLE
    entry = stand.entry(ONE)
    assert (entry.state, entry.stage, entry.throttle_reason) == ("applied", "purging", "rows are deleted")
    assert runner.turn("me").ending is Ending.IDLE
    assert routes.cleared == [ONE], "not before it makes sense"
    stand.clock.advance(30)
    assert runner.turn("me").ending is Ending.IDLE
    entry = stand.entry(ONE)
    assert (entry.state, entry.stage, entry.artefacts, entry.hold_until) == ("applied", "done", (), None)
    sent = stand.count_statements()
    assert runner.turn("me").ending is Ending.IDLE
    assert len(sent) == 1


def test_only_the_last_change_of_a_table_keeps_its_way_back(stand: MigrationStand) -> None:
    routes = Keeping()
    runner = stand.new_runner(routes=routes)
    stand.add_column(ONE, "first")
    runner.turn("me")
    stand.write(TWO, '@schema\ndef up(op):\n    op.create_table("fresh", sa.Column("a", sa.Integer))\n')
    assert runner.turn("me").ending is Ending.IDLE
    assert routes.cleared == [], "another table's"
    stand.add_column(THREE, "third")
    outcome = runner.turn("me")
    assert outcome == (Ending.UNDER_WAY, f"what {ONE}_change kept is cleared away: rows are deleted", 30)
    assert stand.columns() == ["first"]
    stand.clock.advance(30)
    assert runner.turn("me").ending is Ending.IDLE
    assert routes.cleared == [ONE, ONE]
    assert stand.columns() == ["first", "third"]
    assert stand.entry(ONE).artefacts == ()


def test_what_cannot_be_cleared_away_stops_nothing(stand: MigrationStand) -> None:
    routes = Keeping()
    runner = stand.new_runner(routes=routes)
    stand.add_column(ONE, "first")
    runner.turn("me")
    stand.clock.advance(3600)
    routes.trouble = ValueError("no")
    assert runner.turn("me").ending is Ending.IDLE
    entry = stand.entry(ONE)
    assert (entry.state, entry.tries, "ValueError" in entry.throttle_reason) == ("applied", 1, True)
    routes.trouble = None
    stand.clock.advance(1)
    runner.turn("me")
    assert routes.cleared == [ONE]


def test_the_schema_is_remembered_after_it_has_changed(stand: MigrationStand) -> None:
    seen: list[tuple[str, list[str]]] = []

    def remember(connection: Connection, done: Collection[str]) -> None:
        seen.append((stand.routes.fingerprint(connection), sorted(done)))

    runner = stand.new_runner(remember=remember)
    stand.add_column(ONE, "first")
    stand.write(TWO, "@data\ndef up(data):\n    pass\n")
    stand.add_column(THREE, "third")
    runner.turn("me")
    assert [done for _, done in seen] == [[ONE], [ONE, THREE]], "of the schema"
    assert [fingerprint for fingerprint, _ in seen] == [
        stand.entry(version).fingerprint_after for version in (ONE, THREE)
    ]
