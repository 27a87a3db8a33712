"""An online copy that is killed before and after every statement: it goes on, or ends with nothing left.

The points are not listed: one copy is done to write down all of them, and then one is killed at each. Killed
means: the server drops every connection of the runner and its worker, as it does when their process is gone,
and what they were about to do is not done. A few points are also met by real processes and SIGKILL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pymysql
import pytest
from sqlalchemy.engine import make_url

from podwork import points
from podwork.errors import PodworkError
from podwork_migrations.copy.names import Event, Names
from podwork_migrations.errors import MigrationFailed
from podwork_migrations.ledger.states import EntryState
from podwork_pods.errors import ShardUnavailable
from tests.support.copy_stand import VERSION, CopyStand
from tests.support.pause import Point, start_pausing
from tests.support.processes import Processes
from tests.support.scribbling import COLUMNS, fill, table

ADD = "ALTER TABLE items ADD COLUMN z INT NOT NULL DEFAULT 7"
NAMES = Names(VERSION)
ROWS = 45
OURS = ("copy.", "turn.", "line.", "batch.", "opening.", "runs.", "course.", "partitions.")
RUNNERS = OURS[:3]
SHARES = 40


class Killed(BaseException):
    """The process is gone."""


class Reaper:
    """Kills at the n-th point, and has an own connection that survives."""

    def __init__(self, url: str) -> None:
        at = make_url(url)
        self._database = at.database
        self._connection = pymysql.connect(host=at.host, port=at.port or 0, user=at.username, autocommit=True)

    def drop_connections(self) -> None:
        """End every connection to the database, and what it was doing."""
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT id FROM information_schema.processlist WHERE db = %s", (self._database,))
            for (number,) in cursor.fetchall():
                try:
                    cursor.execute(f"KILL {number}")
                except pymysql.Error:
                    continue  # it has ended by itself

    def at(self, number: int, seen: list[str]) -> Callable[[str], None]:
        """Return a hook that writes down what is reached, and kills there."""

        def reached(name: str) -> None:
            if not name.startswith(OURS):
                return
            seen.append(name)
            if len(seen) == number:
                self.drop_connections()
                if name.startswith(RUNNERS):
                    raise Killed(name)
                # The loop of iteration jobs would take anything else for a fault of the rows.
                raise ShardUnavailable(1, "test", f"killed at {name}")

        return reached

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def stand(mariadb_url: str) -> Iterator[CopyStand]:
    made = CopyStand(mariadb_url, batch_size=20)
    yield made
    made.close()


@pytest.fixture
def reaper(mariadb_url: str) -> Iterator[Reaper]:
    made = Reaper(mariadb_url)
    yield made
    made.close()


Course = Callable[[CopyStand], None]


def _up(stand: CopyStand) -> None:
    stand.finish()
    stand.tidy()


def _up_and_back(stand: CopyStand) -> None:
    stand.finish()
    if stand.entry.state is EntryState.APPLIED:
        stand.revert()
    stand.finish()


def _given_up(stand: CopyStand) -> None:
    stand.until("comparing", "aborting", "aborted")
    if stand.stage == "comparing":
        stand.execute(f"UPDATE {NAMES.copy} SET v = 'rot' WHERE id = 30")
    try:
        stand.finish()
    except MigrationFailed:
        return


COURSES: dict[str, Course] = {"up": _up, "up and back": _up_and_back, "given up": _given_up}


def _cases() -> list[object]:
    """Return courses and shares: minutes of work, for `make test-long`."""
    every = [(course, share) for share in range(SHARES) for course in COURSES]
    return [pytest.param(*case, marks=pytest.mark.slow) for case in every]


def _begin(stand: CopyStand) -> None:
    stand.execute(
        "DROP TABLE IF EXISTS items",
        "DELETE FROM podwork_migrations",
        "DELETE FROM podwork_runs",
        "DELETE FROM podwork_partitions",
    )
    stand.execute(table(counts_up=True), fill(ROWS))
    stand.begin(ADD, hold_hours=1.0)


def _points(stand: CopyStand, reaper: Reaper, course: Course) -> list[str]:
    """Return the points of a course that nobody disturbs."""
    seen: list[str] = []
    _begin(stand)
    points.install(reaper.at(0, seen))
    try:
        course(stand)
    finally:
        points.install(None)
    return seen


def _write(stand: CopyStand, number: int) -> None:
    """Be the application, while nobody goes on with the copy. It must not see an error."""
    stand.execute(
        f"UPDATE items SET v = 'w{number}' WHERE id = {1 + number % 15}",
        f"DELETE FROM items WHERE id = {16 + number % 10}",
        f"INSERT INTO items (v) VALUES ('new {number}')",
        f"UPDATE items SET u = -u WHERE id IN ({31 + number % 5}, 40)",
    )


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("course", "share"), _cases())
def test_killed_at_any_point_it_goes_on_or_ends_with_nothing_left(
    stand: CopyStand, reaper: Reaper, course: str, share: int
) -> None:
    every = _points(stand, reaper, COURSES[course])
    for number in _chosen(every, share):
        _begin(stand)
        seen: list[str] = []
        points.install(reaper.at(number, seen))
        try:
            COURSES[course](stand)
        except (Killed, PodworkError):
            pass
        finally:
            points.install(None)
        stand.reconnect()
        where = f"killed at {number}, {seen[-1] if seen else 'nothing'}"
        _write(stand, number)
        expected = stand.contents("items", COLUMNS)
        COURSES[course](stand)
        assert stand.left_over() == [], where
        assert stand.contents("items", COLUMNS) == expected, where
        has_column = bool(stand.rows("SHOW COLUMNS FROM items LIKE 'z'"))
        assert has_column == (course == "up"), where
        _write(stand, number + 1)


def _chosen(every: list[str], share: int) -> list[int]:
    """Return the numbers of one share: the first three times of each point, which differ in what was done."""
    times: dict[str, int] = {}
    chosen = []
    for number, name in enumerate(every, 1):
        times[name] = times.get(name, 0) + 1
        often = 40 if name.startswith("turn.") else 2
        if times[name] <= often:
            chosen.append(number)
    return chosen[share::SHARES]


POINTS = [
    Point("copy.create_copy"),
    Point("copy.change_copy.done"),
    Point("copy.create_trigger.update"),
    Point("copy.create_trigger.insert.done"),
    Point("batch.worked", 2),
    Point("copy.noted.comparing"),
    Point("copy.create_trigger.delete.done"),
    Point("copy.swap"),
    Point("copy.swap.done"),
    Point("copy.drop_trigger.done"),
]


@pytest.mark.timeout(600)
def test_processes_that_are_killed_leave_a_copy_that_ends_as_it_should(
    stand: CopyStand, mariadb_url: str, processes: Processes
) -> None:
    """One copy; each process dies at the next of the points, while the application writes."""
    _begin(stand)
    for number, point in enumerate(POINTS):
        dying = start_pausing(processes, [point], "-m", "tests.support.copy_process", mariadb_url)
        stop = dying.wait_at(*point)
        stop.kill()
        dying.process.end()
        _write(stand, number)
    last = processes.python("-m", "tests.support.copy_process", mariadb_url)
    last.wait()
    assert (stand.entry.state, stand.stage) == (EntryState.APPLIED, "held"), last
    assert stand.contents("items", COLUMNS) == stand.contents(NAMES.old, COLUMNS)
    assert [name for name in stand.left_over() if name not in _held()] == []


def _held() -> set[str]:
    return {NAMES.old, NAMES.faults, *(NAMES.reverse(event) for event in Event)}
