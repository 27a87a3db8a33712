"""An online copy that is killed before and after every statement: it goes on, or ends with nothing left.

The points are not listed: one copy is done to write down all of them, and then one is killed at each. Killed
means: the server drops every connection of the runner and its worker, as it does when their process is gone,
and what they were about to do is not done. A few points are also met by real processes and SIGKILL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

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
    """Kills at a point, and has an own connection that survives."""

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

    def at(self, point: Point | None, seen: list[str]) -> Callable[[str], None]:
        """Return a hook that writes down what is reached, and kills there; None: it only writes."""

        def reached(name: str) -> None:
            if not name.startswith(OURS):
                return
            seen.append(name)
            if point is not None and name == point.name and seen.count(name) == point.occurrence:
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


class Course(NamedTuple):
    """What is done until something is killed, what is done after that, and where it is killed.

    Attributes:
        first, then: what is done. after: the point behind which it is killed; what comes before is part of
            another course; "": from the beginning. has_column: whether the change is there in the end.
        hold_hours: how long the old table is kept.
    """

    first: Callable[[CopyStand], None]
    then: Callable[[CopyStand], None]
    after: str
    has_column: bool
    hold_hours: float = 1.0


def _up(stand: CopyStand) -> None:
    stand.finish()
    stand.tidy()


def _up_and_back(stand: CopyStand) -> None:
    stand.finish()
    if stand.entry.state is EntryState.APPLIED:
        stand.revert()
    stand.finish()


def _rotten(stand: CopyStand) -> None:
    stand.until("comparing", "aborting", "aborted")
    if stand.stage == "comparing":
        stand.execute(f"UPDATE {NAMES.copy} SET v = 'rot' WHERE id = 30")
    try:
        stand.finish()
    except MigrationFailed:
        return


def _given_up(stand: CopyStand) -> None:
    """Be the person who wants none of it any more."""
    stand.revert()
    stand.finish()


COURSES: dict[str, Course] = {
    "up": Course(_up, _up, "", has_column=True),
    "up, not kept": Course(
        CopyStand.finish, CopyStand.finish, "copy.noted.keeping", has_column=True, hold_hours=0.0
    ),
    "up and back": Course(_up_and_back, _up_and_back, "copy.noted.held", has_column=False),
    "rotten": Course(_rotten, _rotten, "copy.noted.comparing", has_column=False),
    "given up": Course(CopyStand.finish, _given_up, "", has_column=False),
}


def _cases() -> list[object]:
    """Return courses and shares: minutes of work, for `make test-long`."""
    every = [(course, share) for course in COURSES for share in range(SHARES)]
    return [pytest.param(*case, marks=pytest.mark.slow) for case in every]


def _begin(stand: CopyStand, hold_hours: float = 1.0) -> None:
    stand.clear()
    stand.execute(table(counts_up=True), fill(ROWS))
    stand.begin(ADD, hold_hours=hold_hours)


_points_of: dict[str, list[str]] = {}


def _points(stand: CopyStand, reaper: Reaper, name: str) -> list[str]:
    """Return the points of a course that nobody disturbs."""
    if name not in _points_of:
        seen: list[str] = []
        _begin(stand, COURSES[name].hold_hours)
        points.install(reaper.at(None, seen))
        try:
            COURSES[name].first(stand)
        finally:
            points.install(None)
        COURSES[name].then(stand)
        _points_of[name] = seen
    return _points_of[name]


def _write(stand: CopyStand, number: int) -> None:
    """Be the application, while nobody goes on with the copy. It must not see an error."""
    stand.execute(
        f"UPDATE items SET v = 'w{number}' WHERE id = {1 + number % 15}",
        f"DELETE FROM items WHERE id = {16 + number % 10}",
        f"INSERT INTO items (v) VALUES ('new {number}')",
        f"UPDATE items SET u = -u WHERE id IN ({31 + number % 5}, 40)",
    )


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("name", "share"), _cases())
def test_killed_at_any_point_it_goes_on_or_ends_with_nothing_left(
    stand: CopyStand, reaper: Reaper, name: str, share: int
) -> None:
    course = COURSES[name]
    chosen = _chosen(_points(stand, reaper, name), course.after)
    for number, point in list(enumerate(chosen))[share::SHARES]:
        _begin(stand, course.hold_hours)
        seen: list[str] = []
        end: BaseException | None = None
        points.install(reaper.at(point, seen))
        try:
            course.first(stand)
        except (Killed, PodworkError) as error:
            end = error
        finally:
            points.install(None)
        stand.reconnect()
        where = f"killed at {point.label}, after {seen[-3:]}: {end!r}"
        # How often a run is looked at, and how many batches it takes, is not the same each time.
        assert seen.count(point.name) >= point.occurrence or point.occurrence > 2, where
        _write(stand, number)
        expected = stand.contents("items", COLUMNS)
        course.then(stand)
        assert stand.left_over() == [], where
        assert stand.contents("items", COLUMNS) == expected, where
        assert bool(stand.rows("SHOW COLUMNS FROM items LIKE 'z'")) is course.has_column, where
        _write(stand, number + 1)


def _chosen(every: list[str], after: str) -> list[Point]:
    """Return where it is killed: around what the copy does each time, at all other points twice."""
    chosen = []
    start = every.index(after) + 1 if after else 0
    for position, name in enumerate(every[start:], start):
        point = Point(name, every[: position + 1].count(name))
        if name.startswith("copy.") or name == "turn.committing" or every[start:position].count(name) < 2:
            chosen.append(point)
    return chosen


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


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_processes_that_are_killed_leave_a_copy_that_ends_as_it_should(
    stand: CopyStand, mariadb_url: str, processes: Processes
) -> None:
    _kill_processes(stand, mariadb_url, processes, POINTS)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_processes_that_are_killed_before_and_after_every_statement(
    stand: CopyStand, reaper: Reaper, mariadb_url: str, processes: Processes
) -> None:
    every = dict.fromkeys(name for name in _points(stand, reaper, "given up") if name.startswith("copy."))
    assert len(every) > 30
    _kill_processes(stand, mariadb_url, processes, [Point(name) for name in every])


def _kill_processes(stand: CopyStand, url: str, processes: Processes, at: Sequence[Point]) -> None:
    """One copy; each process dies (SIGKILL) at the next of the points, while the application writes."""
    _begin(stand)
    for number, point in enumerate(at):
        dying = start_pausing(processes, [point], "-m", "tests.support.copy_process", url)
        stop = dying.wait_at(*point)
        stop.kill()
        dying.process.end()
        _write(stand, number)
    last = processes.python("-m", "tests.support.copy_process", url)
    last.wait(120.0)
    assert (stand.entry.state, stand.stage) == (EntryState.APPLIED, "held"), last
    assert stand.contents("items", COLUMNS) == stand.contents(NAMES.old, COLUMNS)
    assert [name for name in stand.left_over() if name not in _held()] == []


def _held() -> set[str]:
    return {NAMES.old, NAMES.faults, *(NAMES.reverse(event) for event in Event)}
