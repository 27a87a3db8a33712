"""Workers that are killed, frozen and cut off in the middle of migrations: each of these is applied once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from podwork_pods.errors import ShardUnavailable
from tests.support.fleets import StartFleet
from tests.support.migration_fleet import INCREMENT, MigrationFleet, migration_fleet
from tests.support.pause import Point
from tests.support.pods import server_connection
from tests.support.wait import until
from tests.support.worker_run import is_alive

BEGINNING = ("turn.beginning", "turn.begun", "turn.reported", "turn.planning", "turn.advancing")
ENDING = ("turn.advanced", "turn.finishing", "turn.committing", "turn.finished")
POINTS = {
    "sqlite": ("line.entered", *BEGINNING, *ENDING, "turn.backfilling", "turn.backfilled"),
    "mariadb": (
        "line.locked",
        "line.entered",
        *BEGINNING,
        "turn.ddl",
        "turn.ddl_done",
        *ENDING,
        "turn.backfilling",
        "turn.backfilled",
    ),
}


@pytest.fixture(params=["embedded", "served"])
def fleet(request: pytest.FixtureRequest) -> Iterator[MigrationFleet]:
    start: StartFleet = request.getfixturevalue(f"{request.param}_stack")
    with migration_fleet(start(pods=1)) as made:
        yield made


@pytest.fixture
def served(served_stack: StartFleet) -> Iterator[MigrationFleet]:
    with migration_fleet(served_stack(pods=1)) as made:
        yield made


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_workers_killed_at_each_point_leave_migrations_that_are_applied_once(fleet: MigrationFleet) -> None:
    """One worker after the other dies at the next of the points; each goes on with what the last one left."""
    points = POINTS["sqlite" if fleet.is_sqlite else "mariadb"]
    fleet.add_columns(len(points))
    fleet.write(INCREMENT)
    fleet.add_columns(1)
    fleet.let_go()
    for point in points:
        dying = fleet.pausing_worker(Point(point))
        dying.wait_at(point, timeout_seconds=90).kill()
        dying.process.end()
    fleet.until_applied(fleet.worker())
    fleet.check()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_worker_that_is_told_to_stop_leaves_the_line_to_the_next(fleet: MigrationFleet) -> None:
    fleet.add_columns(3)
    fleet.let_go()
    ending = fleet.pausing_worker(Point("turn.finished"))
    stop = ending.wait_at("turn.finished")
    ending.process.signal(signal.SIGTERM)
    until(lambda: _is_stopping(fleet), 20.0, "the child has heard of it")
    stop.go_on()
    ending.process.wait()
    assert fleet.states() == ["applied"], "it stopped after a bit"
    fleet.until_applied(fleet.worker())
    fleet.check()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_many_workers_and_schedulers_apply_each_once(fleet: MigrationFleet) -> None:
    fleet.add_columns(6)
    fleet.write(INCREMENT)
    fleet.add_columns(2)
    fleet.let_go()
    workers = [fleet.worker(processes=2) for _ in range(2)]
    fleet.until_applied(workers)
    fleet.check()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_job_processes_apply_migrations_too(fleet: MigrationFleet) -> None:
    fleet.add_columns(1)
    fleet.write(INCREMENT)
    fleet.let_go()
    fleet.until_applied(fleet.worker("--isolate"))
    fleet.check()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("point", ["turn.ddl", pytest.param("turn.beginning", marks=pytest.mark.slow)])
@pytest.mark.slow
def test_while_whoever_has_the_line_is_frozen_nobody_else_runs_one(
    served: MigrationFleet, point: str
) -> None:
    served.add_columns(3)
    served.let_go()
    frozen = served.pausing_worker(Point(point))
    stop = frozen.wait_at(point)
    before = served.entries()
    stop.freeze()
    other = served.worker()
    other.wait_for_output("somebody else is in the line", timeout_seconds=60)
    assert served.entries() == before
    stop.go_on()
    stop.thaw()
    served.until_applied((frozen.process, other))
    served.check()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("point", ["turn.begun", "turn.ddl", "turn.ddl_done", "turn.finishing"])
def test_whose_connection_is_killed_while_it_is_frozen_writes_nothing_more(
    served: MigrationFleet, point: str
) -> None:
    served.add_columns(3)
    served.let_go()
    frozen = served.pausing_worker(Point(point))
    stop = frozen.wait_at(point)
    stop.freeze()
    other = served.worker()
    other.wait_for_output("somebody else is in the line", timeout_seconds=60)
    _kill_the_holder(served)
    served.until_applied(other)
    before = served.entries()
    stop.go_on()
    stop.thaw()
    until(lambda: not is_alive(stop.pid), 30.0, f"the end of the frozen child; {frozen.process}")
    assert served.entries() == before
    served.check()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("point", ["turn.begun", "turn.advanced", "turn.finishing"])
def test_on_sqlite_who_was_frozen_for_too_long_writes_nothing_more(
    embedded_stack: StartFleet, point: str
) -> None:
    with migration_fleet(embedded_stack(pods=1)) as fleet:
        fleet.add_columns(3)
        fleet.let_go()
        frozen = fleet.pausing_worker(Point(point))
        stop = frozen.wait_at(point)
        stop.freeze()
        other = fleet.worker()
        fleet.until_applied(other)
        before = fleet.entries()
        stop.go_on()
        stop.thaw()
        until(lambda: not is_alive(stop.pid), 30.0, f"the end of the frozen child; {frozen.process}")
        assert fleet.entries() == before
        fleet.check()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_shard_that_goes_away_is_waited_for(served: MigrationFleet) -> None:
    served.add_columns(3)
    served.let_go()
    stopping = served.pausing_worker(Point("turn.advancing", 2))
    stop = stopping.wait_at("turn.advancing", 2)
    mariadb = served.fleet.server("mariadb-1")
    os.kill(mariadb.pid, signal.SIGKILL)
    until(lambda: not is_alive(mariadb.pid), 20.0, "the server is gone")
    stop.go_on()
    until(lambda: "wait" in stopping.process.stderr, 30.0, f"it says so; {stopping.process}")
    with pytest.raises(ShardUnavailable):
        served.entries()
    served.fleet.mend()
    served.until_applied(stopping.process)
    served.platform.engine(1).dispose()  # ours were lost too
    served.check()


def _kill_the_holder(fleet: MigrationFleet) -> None:
    url = fleet.platform.engine(1).url
    with server_connection(url.render_as_string(hide_password=False)) as cursor:
        cursor.execute("SELECT IS_USED_LOCK(%s)", (f"podwork.migrations.{url.database}",))
        [holder] = cursor.fetchone()
        assert holder is not None
        cursor.execute(f"KILL {holder}")


def _is_stopping(fleet: MigrationFleet) -> bool:
    return any(process.fields.get("stopping") == "1" for process in fleet.platform.inspection(1).processes())
