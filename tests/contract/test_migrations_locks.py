"""That a change of a table in use keeps to its lock budget, on MariaDB, with a writer who never rests."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine, text

from podwork import points
from podwork.settings import MigrationsSettings
from podwork_migrations.change.change_plan import ChangePlan
from podwork_migrations.change.routes import Limits, Route
from podwork_migrations.change.ways import SchemaRoutes
from podwork_migrations.runner.outcome import Ending
from tests.support.migration_stand import ONE, MigrationStand
from tests.support.pause import hold
from tests.support.wait import until

ROWS = 100_000
SECONDS_OF_ROWS = 400_000
"""To copy so many takes longer than the budget."""
SMALL = Limits(small_rows=10**7, small_bytes=1 << 40)
"""Every table is small."""
BUDGET_SECONDS = 1
SLACK_SECONDS = 1.5
"""For a busy machine; without a budget a writer would wait for as long as the other session likes."""

WIDEN = 'op.alter_column("big", "n", type_=sa.BigInteger())'
NOT_NULL = 'op.alter_column("big", "n", nullable=False, existing_type=sa.Integer())'
ADD = 'op.add_column("big", sa.Column("x", sa.Integer()))'


@pytest.fixture
def stand(mariadb_url: str, tmp_path: Path) -> Iterator[MigrationStand]:
    folder = tmp_path / "migrations"
    folder.mkdir()
    made = MigrationStand(mariadb_url, folder)
    made.prepare()
    made.execute(
        "CREATE TABLE big (id INT AUTO_INCREMENT PRIMARY KEY, n INT, note VARCHAR(200), KEY by_n (n))"
    )
    use(made, SchemaRoutes(limits=SMALL, lock_budget_seconds=BUDGET_SECONDS))
    yield made
    made.close()


def use(stand: MigrationStand, routes: SchemaRoutes) -> None:
    settings = MigrationsSettings(folder=str(stand.folder), lock_budget_seconds=BUDGET_SECONDS)
    stand.runner = stand.new_runner(routes=routes, settings=settings)


def fill(stand: MigrationStand, rows: int = ROWS) -> None:
    stand.execute(f"INSERT INTO big (n, note) SELECT seq, REPEAT('x', 150) FROM seq_1_to_{rows}")


def write(stand: MigrationStand, up: str) -> None:
    stand.write(ONE, f"@schema\ndef up(op):\n    {up}\n")


class Writer:
    """Changes a row and adds one, again and again, each committed; knows when each began and ended."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._stop = threading.Event()
        self._errors: list[Exception] = []
        self._thread = threading.Thread(target=self._work)
        self.spans: list[tuple[float, float]] = []

    def __enter__(self) -> Writer:
        self._thread.start()
        until(lambda: len(self.spans) > 20, message="the writer writes")
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)
        assert self._errors == []

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                began = time.monotonic()
                with self._engine.begin() as connection:
                    connection.execute(text("UPDATE big SET note = 'y' WHERE id = 1"))
                    connection.execute(text("INSERT INTO big (n, note) VALUES (1, 'z')"))
                self.spans.append((began, time.monotonic()))
        except Exception as error:
            self._errors.append(error)

    @property
    def longest_seconds(self) -> float:
        return max(ended - began for began, ended in self.spans)

    def within(self, began: float, ended: float) -> int:
        """Return how many writes began and ended within."""
        return sum(began <= start and end <= ended for start, end in self.spans)


class Watch:
    """When the statement was sent and answered."""

    def __enter__(self) -> Watch:
        self.at: dict[str, float] = {}
        points.install(self._reached)
        return self

    def _reached(self, name: str) -> None:
        self.at.setdefault(name, time.monotonic())

    def __exit__(self, *_: object) -> None:
        points.install(None)

    @property
    def window(self) -> tuple[float, float]:
        return self.at["turn.ddl"], self.at["turn.ddl_done"]


@pytest.mark.parametrize(
    ("up", "route"),
    [(NOT_NULL, "inplace"), ('op.create_index("by_note", "big", ["note"])', "inplace")],
)
def test_writers_go_on_while_a_table_is_changed_in_place(stand: MigrationStand, up: str, route: str) -> None:
    fill(stand)
    write(stand, up)
    with Writer(stand.engine) as writer, Watch() as watch:
        stand.until_done()
    entry = stand.entry(ONE)
    assert (entry.state, entry.route) == ("applied", route), entry.error
    assert writer.within(*watch.window) >= 10
    assert writer.longest_seconds < BUDGET_SECONDS + SLACK_SECONDS


@pytest.mark.parametrize(("up", "route"), [(ADD, "instant"), ('op.drop_index("by_n", "big")', "metadata")])
def test_writers_hardly_notice_what_reads_no_row(stand: MigrationStand, up: str, route: str) -> None:
    fill(stand)
    write(stand, up)
    with Writer(stand.engine) as writer:
        stand.until_done()
    entry = stand.entry(ONE)
    assert (entry.state, entry.route) == ("applied", route), entry.error
    assert writer.longest_seconds < BUDGET_SECONDS + SLACK_SECONDS


def test_a_transaction_that_holds_the_table_is_named_and_nobody_waits_longer_than_the_budget(
    stand: MigrationStand,
) -> None:
    write(stand, ADD)
    with stand.engine.connect() as other:
        other.execute(text("SELECT * FROM big WHERE note = 'a secret'"))
        own = other.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one()
        with Writer(stand.engine) as writer:
            outcome = stand.turn()
        assert outcome.ending is Ending.UNDER_WAY or outcome.ending is Ending.WAITING
        entry = stand.entry(ONE)
        assert (entry.state, entry.tries) == ("running", 1)
        assert "no lock on big within 1 s" in entry.throttle_reason
        assert f"session {own} of root" in entry.throttle_reason
        assert "secret" not in entry.throttle_reason
        assert writer.longest_seconds < BUDGET_SECONDS + SLACK_SECONDS
        other.rollback()
    stand.clock.advance(outcome.again_seconds or 10)
    stand.until_done()
    assert stand.states() == {ONE: "applied"}


def test_killed_in_the_middle_of_the_statement_it_is_done_once(stand: MigrationStand) -> None:
    fill(stand, SECONDS_OF_ROWS)
    write(stand, NOT_NULL)
    sent = stand.count_statements()
    endings: list[Ending] = []
    turn = threading.Thread(target=lambda: endings.append(stand.turn().ending))
    turn.start()
    altering = (
        "SELECT id FROM information_schema.processlist "
        "WHERE db = DATABASE() AND info LIKE 'ALTER TABLE `big` MODIFY%' AND time_ms > 50"
    )
    (session,) = until(lambda: stand.column(altering), message="the table is being altered")
    stand.execute(f"KILL {session}")
    turn.join(60)
    assert endings == [Ending.LOST]

    until(lambda: stand.turn().ending is Ending.IDLE, message="the statement that was killed has ended")
    assert stand.states() == {ONE: "applied"}
    assert sent.count(stand.entry(ONE).statement) == 2, "the first was undone by the server"
    assert stand.column("SHOW COLUMNS FROM big LIKE 'n'") == ["n"]
    assert stand.column("SELECT COUNT(*) FROM big") == [SECONDS_OF_ROWS]


def test_what_takes_longer_than_the_budget_is_stopped_and_another_way_is_looked_for(
    stand: MigrationStand,
) -> None:
    """There is no online copy here, so the server would copy a small table; this one takes too long."""
    fill(stand, SECONDS_OF_ROWS)
    write(stand, WIDEN)
    with Writer(stand.engine) as writer, Watch() as watch:
        assert stand.until_done().ending is Ending.STOPPED
    entry = stand.entry(ONE)
    assert "turn.ddl" in watch.at
    assert "turn.ddl_done" not in watch.at
    assert (entry.state, entry.route) == ("failed", "direct")
    assert "no way is left: without copy, direct it is blocking" in entry.error
    assert writer.longest_seconds < BUDGET_SECONDS + SLACK_SECONDS
    types = "SELECT data_type FROM information_schema.columns WHERE table_schema = DATABASE()"
    assert stand.column(f"{types} AND table_name = 'big' AND column_name = 'n'") == ["int"]


def test_whoever_is_frozen_while_it_waits_for_the_writers_of_a_parent_is_sent_away(
    stand: MigrationStand,
) -> None:
    stand.write(
        ONE,
        """
        @schema
        def up(op):
            op.create_foreign_key("of_big", "orders", "big", ["n"], ["id"])
        """,
    )
    stand.execute("DELETE FROM orders")
    endings: list[Ending] = []
    frozen = threading.Thread(target=lambda: endings.append(stand.turn().ending))
    with hold("execute.locked") as held:
        frozen.start()
        held.wait_reached()
        with stand.engine.begin() as connection:  # waits for the table, and gets it
            connection.execute(text("INSERT INTO big (n, note) VALUES (1, 'z')"))
        held.go_on()
        frozen.join(60)
    assert endings == [Ending.LOST]
    stand.until_done()
    assert stand.states() == {ONE: "applied"}, stand.entry(ONE).error


class Optimist(SchemaRoutes):
    """Takes for instant what is not: as an old table may, which an empty one like it does not."""

    def plan(self, *args: Any, **options: Any) -> ChangePlan:
        plan = super().plan(*args, **options)
        if len(args) > 3 or plan.route is not Route.DIRECT:
            return plan
        statement = plan.statement.replace("ALGORITHM=COPY", "ALGORITHM=INSTANT")
        return msgspec.structs.replace(plan, statement=statement, route=Route.INSTANT, deadline_seconds=0)


def test_what_the_server_refuses_after_all_goes_another_way(stand: MigrationStand) -> None:
    use(stand, Optimist(limits=SMALL, lock_budget_seconds=BUDGET_SECONDS))
    write(stand, WIDEN)
    sent = stand.count_statements()
    stand.until_done()
    entry = stand.entry(ONE)
    assert (entry.state, entry.route) == ("applied", "direct"), entry.error
    big = [statement for statement in sent if statement.startswith("ALTER TABLE `big`")]
    assert [statement.rpartition("=")[2] for statement in big] == ["INSTANT", "COPY"]


def test_the_plugin_tells_for_certain_who_holds_a_table(stand: MigrationStand) -> None:
    from podwork_migrations.change.blockers import blockers

    stand.execute("CREATE TABLE other (id INT)")
    with stand.engine.connect() as holder, stand.engine.connect() as bystander, stand.single.connect() as me:
        holder.execute(text("SELECT * FROM big"))
        bystander.execute(text("SELECT * FROM other"))
        own = holder.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one()
        guessed = blockers(me, "big")
        assert own in [found.id for found in guessed]
        assert [found.is_certain for found in guessed] == [False] * len(guessed)

        stand.execute("INSTALL SONAME 'metadata_lock_info'")
        try:
            (certain,) = blockers(me, "big")
        finally:
            stand.execute("UNINSTALL SONAME 'metadata_lock_info'")
        assert (certain.id, certain.user, certain.statement, certain.is_certain) == (own, "root", "", True)
        holder.rollback()
        bystander.rollback()
