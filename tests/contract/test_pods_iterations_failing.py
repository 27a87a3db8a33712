"""The loop of iteration jobs when something fails, on SQLite and MariaDB: whose fault it is, and who pays."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pymysql
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from podwork import Interrupted, Snooze
from podwork.errors import TimeLimitExceeded
from podwork.iteration.collection import Collection
from podwork.iteration.job import IterationJob
from podwork.iteration.states import RunState
from podwork_pods.errors import ShardUnavailable
from podwork_pods.iteration import failing
from podwork_pods.iteration.collections import rows
from podwork_pods.iteration.leases import Leases
from podwork_pods.iteration.partition import PartitionState
from podwork_pods.iteration.trouble import TRIES
from tests.support.iteration_loop import RUN, Loop, Overseer
from tests.support.iteration_stand import POD, IterationStand

MakeLoop = Callable[..., Loop]


@pytest.fixture(params=["sqlite", "mariadb"])
def make_loop(request: pytest.FixtureRequest) -> Iterator[MakeLoop]:
    stand = IterationStand(str(request.getfixturevalue(f"{request.param}_url")), lock_wait_seconds=1)
    yield partial(Loop, stand)
    stand.close()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failing, "pause_seconds", lambda _failures: 0.0)


class Unfit(Exception):
    """An item does not fit."""


def unfit(*numbers: int, error: type[BaseException] = Unfit) -> Callable[[IterationJob, int], None]:
    """Return what refuses these items."""

    def touch(_job: IterationJob, number: int) -> None:
        if number in numbers:
            raise error()

    return touch


def deadlock() -> OperationalError:
    """What SQLAlchemy makes of a deadlock."""
    return OperationalError("UPDATE ...", {}, pymysql.err.OperationalError(1213, "Deadlock found"))


# Items


@pytest.mark.parametrize("form", ["each", "each_batch", "each_range"])
@pytest.mark.parametrize("error", [Unfit, SystemExit, TimeLimitExceeded, KeyboardInterrupt])
def test_an_item_that_fails_is_found_and_left_out(
    make_loop: MakeLoop, form: str, error: type[BaseException]
) -> None:
    loop = make_loop(form=form, quarantine_limit=1)
    loop.plan.touch = unfit(7, error=error)
    assert loop.work() is None
    run = loop.run()
    assert (run.state, run.quarantined) == (RunState.SUCCEEDED, 1)
    assert loop.counts() == [1] * 6 + [0] + [1] * 13
    [item] = loop.shard.quarantine.page(RUN)
    assert (item.after, item.cursor) == ((6,), (7,))
    assert error.__name__ in item.error
    assert loop.parts()[0].rows_done == 19
    assert loop.told() == ["on_start", "on_complete"]


def test_an_item_alone_is_tried_as_often_as_the_class_says(make_loop: MakeLoop) -> None:
    loop = make_loop(quarantine_limit=1, batch_attempts=5)
    tried: Counter[int] = Counter()
    alone: list[int] = []

    def touch(_job: IterationJob, number: int) -> None:
        tried[number] += 1
        if number == 7:
            alone.append(loop.parts()[0].tried_alone)
            raise Unfit

    loop.plan.touch = touch
    loop.work()
    assert alone[-1] == 5
    # In a batch of 4 (5 to 8), of 2 (5, 6 went well; 7, 8 did not), and then alone.
    assert alone.count(0) == 2
    assert loop.counts()[6] == 0


def test_an_item_that_fails_twice_only_is_done(make_loop: MakeLoop) -> None:
    loop = make_loop()
    tried: Counter[int] = Counter()

    def touch(_job: IterationJob, number: int) -> None:
        tried[number] += 1
        if number == 7 and tried[7] <= 3:
            raise Unfit

    loop.plan.touch = touch
    assert loop.work() is None
    assert loop.run().state is RunState.SUCCEEDED
    assert loop.counts() == [1] * 20
    [part] = loop.parts()
    assert (part.attempts, part.tried_alone, part.tried_rows) == (0, 0, None)
    assert part.last_error is not None


def test_a_run_fails_with_its_first_bad_item_if_none_may_be_left_out(make_loop: MakeLoop) -> None:
    loop = make_loop()
    loop.plan.touch = unfit(7)
    assert loop.work() is None
    run, [part] = loop.run(), loop.parts()
    assert run.state is RunState.FAILED
    assert run.reason.startswith("partition 0: ")
    assert "Unfit" in run.reason
    assert part.state is PartitionState.FAILED
    assert loop.told() == ["on_start", "on_failure Unfit"]
    assert loop.counts() == [1] * 6 + [0] * 14
    assert loop.work() is None, "a failed run waits for a person"
    loop.plan.touch = None
    loop.resume()
    assert loop.work() is None
    assert loop.told() == ["on_start", "on_failure Unfit", "on_resume", "on_complete"]
    assert loop.counts() == [1] * 20


def test_one_more_than_may_be_left_out_fails_the_run(make_loop: MakeLoop) -> None:
    loop = make_loop(quarantine_limit=2)
    loop.plan.touch = unfit(3, 9, 15)
    assert loop.work() is None
    assert loop.run().state is RunState.FAILED
    assert [item.cursor for item in loop.shard.quarantine.page(RUN)] == [(3,), (9,)]
    assert loop.parts()[0].cursor == (14,)


def test_others_let_go_of_a_run_that_has_failed(make_loop: MakeLoop) -> None:
    loop = make_loop(rows=40, parallel=2)
    loop.plan.touch = unfit(25)
    fail = partial(loop.work, number=1)
    assert loop.work(Overseer(None, None, None, fail)) is None
    assert loop.run().state is RunState.FAILED
    assert [part.state for part in loop.parts()] == [PartitionState.WAITING, PartitionState.FAILED]
    assert sum(loop.counts()) == 4 + 4
    assert loop.told() == ["on_start", "on_failure Unfit"]


def test_an_item_on_which_processes_die_is_left_out(make_loop: MakeLoop) -> None:
    """Three of them have begun it alone and did not come back."""
    loop = make_loop(quarantine_limit=1)
    loop.work(Overseer(None, None, None, then_stop=True))
    for _ in range(3):
        held = loop.shard.leases(None).take(RUN, RUN, dead_owners=[RUN])
        assert held is not None
        assert loop.shard.leases(None).trying(held, 1) is not None
    loop.plan.touch = unfit(5, error=AssertionError)
    assert loop.work() is None
    assert loop.run().state is RunState.SUCCEEDED
    [item] = loop.shard.quarantine.page(RUN)
    assert item.cursor == (5,)
    assert "its process died each time" in item.error
    assert loop.counts() == [1] * 4 + [0] + [1] * 15


def test_a_batch_whose_process_died_is_begun_smaller_and_counted_before(make_loop: MakeLoop) -> None:
    loop = make_loop()
    loop.work(Overseer(None, None, None, then_stop=True))
    assert loop.shard.leases(None).take(RUN, RUN) is not None
    seen: list[tuple[int, int | None]] = []

    def touch(_job: IterationJob, number: int) -> None:
        part = loop.parts()[0]
        seen.append((number, part.tried_rows if part.attempts else None))

    loop.plan.touch = touch
    assert loop.work() is None
    assert seen[:2] == [(5, 2), (6, 2)], "half of four, and known before it was done"
    assert seen[2:] == [(number, None) for number in range(7, 21)]


def test_a_killed_job_that_waits_for_a_throttle_is_not_counted_against_its_item(make_loop: MakeLoop) -> None:
    loop = make_loop()
    loop.work(Overseer(None, None, None, then_stop=True))
    for _ in range(10):
        assert loop.shard.leases(None).take(RUN, RUN, dead_owners=[RUN]) is not None
    assert (loop.parts()[0].attempts, loop.parts()[0].tried_alone) == (1, 0)
    assert loop.work() is None
    assert loop.counts() == [1] * 20


def test_an_item_that_cannot_be_read_fails_the_run(make_loop: MakeLoop) -> None:
    class Broken:
        """Rows, up to the eighth."""

        def __init__(self) -> None:
            self._rows = rows("items")

        def __getattr__(self, name: str) -> Any:
            return getattr(self._rows, name)

        def batch(self, connection: Any, part: Any, cursor: Any, limit: int) -> Any:
            if cursor is not None and cursor >= (8,):
                raise Unfit
            return self._rows.batch(connection, part, cursor, limit)

        def slices(self, connection: Any, parts: int) -> Any:
            return self._rows.slices(connection, parts)

        def count(self, connection: Any) -> Any:
            return self._rows.count(connection)

    loop = make_loop(quarantine_limit=5)
    loop.plan.collection = Broken
    assert loop.work() is None
    assert loop.run().state is RunState.FAILED
    assert loop.counts() == [1] * 8 + [0] * 12


# What is nobody's fault


def test_a_deadlock_costs_its_batch_nothing(make_loop: MakeLoop) -> None:
    loop = make_loop()
    tried: Counter[int] = Counter()

    def touch(_job: IterationJob, number: int) -> None:
        tried[number] += 1
        if number == 7 and tried[7] < TRIES:
            try:
                raise deadlock()
            except OperationalError as error:
                raise Unfit from error  # as an application may wrap it

    loop.plan.touch = touch
    assert loop.work() is None
    assert loop.run().state is RunState.SUCCEEDED
    assert loop.counts() == [1] * 20
    assert loop.parts()[0].last_error is None


@pytest.mark.parametrize("error", [deadlock(), ShardUnavailable(POD, "db", "gone away")])
def test_a_job_that_does_not_get_through_comes_back_and_the_run_is_not_failed(
    make_loop: MakeLoop, error: Exception
) -> None:
    loop = make_loop(quarantine_limit=5)
    in_the_way = [True]

    def touch(_job: IterationJob, number: int) -> None:
        if number == 7 and in_the_way[0]:
            raise error

    loop.plan.touch = touch
    for _ in range(3):
        ending = loop.work()
        assert isinstance(ending, Snooze)
        assert 5 <= ending.after_seconds <= 15
    assert loop.run().state is RunState.INTERRUPTED
    assert type(error).__name__ in loop.run().reason
    [part] = loop.parts()
    assert (part.state, part.attempts) == (PartitionState.WAITING, 0)
    in_the_way[0] = False
    assert loop.work() is None
    assert loop.counts() == [1] * 20


def test_a_shard_that_is_away_fails_no_job(make_loop: MakeLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = make_loop()

    def away(*_: object, **__: object) -> None:
        raise ShardUnavailable(POD, "db", "gone away")

    for where, name in ((loop.shard.runs, "get"), (Leases, "take"), (loop.shard, "open")):
        with monkeypatch.context() as patched:
            patched.setattr(where, name, away)
            assert isinstance(loop.work(), Snooze)
    assert loop.work() is None
    assert loop.counts() == [1] * 20


def test_a_commit_whose_answer_was_lost_is_not_repeated(make_loop: MakeLoop) -> None:
    """The batch is committed, and the job is told that the shard has gone away."""
    loop = make_loop()
    opened = loop.shard.open
    lost = [3]

    def open_and_lose(shop_id: int | None) -> Any:
        @contextmanager
        def losing() -> Iterator[Any]:
            with opened(shop_id) as session:
                yield session
            lost[0] -= 1
            if lost[0] == 0:
                raise ShardUnavailable(POD, "db", "gone away")

        return losing()

    for nth in range(1, 12):
        lost[0] = nth
        loop.shard.open = open_and_lose  # type: ignore[method-assign]  # what a driver does
        while isinstance(loop.work(), Snooze):
            pass
        if loop.run().state is RunState.SUCCEEDED:
            break
    assert loop.counts() == [1] * 20
    assert loop.told() == ["on_start", "on_complete"]


def test_rows_that_others_hold_are_waited_for(mariadb_url: str) -> None:
    stand = IterationStand(mariadb_url, lock_wait_seconds=1)
    loop = Loop(stand)
    tries: list[int] = []
    let_go = threading.Event()
    holding = threading.Event()

    def hold_a_row() -> None:
        with stand.engine.begin() as connection:
            connection.execute(text("UPDATE items SET n = n WHERE id = 7"))
            holding.set()
            assert let_go.wait(30)

    holder = threading.Thread(target=hold_a_row)
    holder.start()
    assert holding.wait(30)

    def touch(_job: IterationJob, number: int) -> None:
        if number in (5, 7):
            tries.append(number)
            if tries.count(5) == 3:
                let_go.set()

    loop.plan.touch = touch
    assert loop.work() is None
    holder.join()
    assert loop.counts() == [1] * 20
    assert tries.count(5) >= 3
    assert loop.run().state is RunState.SUCCEEDED
    stand.close()


@pytest.mark.parametrize("signal", [Snooze(60, "not yet"), Interrupted()])
def test_what_the_job_says_becomes_of_the_job_and_the_batch_is_undone(
    make_loop: MakeLoop, signal: Exception
) -> None:
    loop = make_loop()
    said = [signal]

    def touch(_job: IterationJob, number: int) -> None:
        if number == 7 and said:
            raise said.pop()

    loop.plan.touch = touch
    assert loop.work() is signal
    assert loop.counts() == [1] * 4 + [0] * 16
    assert loop.run().state is RunState.INTERRUPTED
    assert loop.work() is None
    assert loop.counts() == [1] * 20


# Transactions that are ended under the batch


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_a_job_that_ends_its_transaction_fails_the_run_at_once(make_loop: MakeLoop, end: str) -> None:
    loop = make_loop(quarantine_limit=5)

    def touch(job: IterationJob, number: int) -> None:
        if number == 7:
            getattr(job.session, end)()

    loop.plan.touch = touch
    assert loop.work() is None
    assert loop.run().state is RunState.FAILED
    assert "it ended the transaction of its batch" in loop.run().reason
    assert loop.parts()[0].cursor == (4,), "the cursor did not move past rows that may not be done"


@pytest.mark.parametrize("statement", ["COMMIT", "CREATE TABLE other (id INTEGER)"])
def test_a_statement_that_ends_the_transaction_moves_no_cursor(make_loop: MakeLoop, statement: str) -> None:
    loop = make_loop()

    def touch(job: IterationJob, number: int) -> None:
        if number == 7 and job.session.connection().dialect.name != "sqlite":
            job.session.execute(text(statement))

    loop.plan.touch = touch
    if loop.stand.engine.dialect.name == "sqlite":
        pytest.skip("DDL is part of a transaction there")
    assert loop.work() is None
    assert loop.run().state is RunState.FAILED
    cursor = loop.parts()[0].cursor
    assert cursor is not None
    assert cursor < (7,)


def test_a_savepoint_undoes_a_part_of_a_batch(make_loop: MakeLoop) -> None:
    loop = make_loop()

    def touch(job: IterationJob, number: int) -> None:
        if number == 7:
            with job.session.begin_nested() as savepoint:
                job.session.execute(text("UPDATE items SET n = 99 WHERE id = 1"))
                savepoint.rollback()

    loop.plan.touch = touch
    assert loop.work() is None
    assert loop.counts() == [1] * 20


# Hooks


@pytest.mark.parametrize("hook", ["on_start", "on_complete"])
def test_a_hook_that_fails_fails_the_run_and_is_called_again(make_loop: MakeLoop, hook: str) -> None:
    loop = make_loop()

    def fail(name: str) -> None:
        if name == hook:
            raise Unfit

    loop.plan.hook = fail
    assert loop.work() is None
    assert loop.run().state is RunState.FAILED
    assert f"{hook}() failed" in loop.run().reason
    assert hook not in loop.told()
    assert loop.told()[-1] == "on_failure Unfit"
    assert loop.counts() == ([0] * 20 if hook == "on_start" else [1] * 20)
    loop.plan.hook = None
    loop.resume()
    assert loop.work() is None
    assert loop.run().state is RunState.SUCCEEDED
    assert loop.told().count(hook) == 1
    assert loop.counts() == [1] * 20


def test_a_pause_comes_about_though_its_hook_fails(make_loop: MakeLoop) -> None:
    loop = make_loop()

    def fail(name: str) -> None:
        if name == "on_pause":
            raise Unfit

    loop.plan.hook = fail
    assert loop.work(Overseer(None, None, None, partial(loop.transition, RunState.PAUSING))) is None
    assert loop.run().state is RunState.PAUSED
    assert loop.told() == ["on_start"]


def test_a_run_fails_though_its_hook_fails_too(make_loop: MakeLoop) -> None:
    loop = make_loop()

    def fail(name: str) -> None:
        if name == "on_failure":
            raise Unfit

    loop.plan.hook, loop.plan.touch = fail, unfit(7)
    assert loop.work() is None
    assert loop.run().state is RunState.FAILED
    assert "on_failure() failed" in loop.run().reason


# What cannot be begun


def test_parameters_that_do_not_fit_fail_the_run(make_loop: MakeLoop) -> None:
    loop = make_loop(__annotations__={"step": "int"}, step=1)
    assert loop.work(step="much") is None
    run = loop.run()
    assert (run.state, run.partitions) == (RunState.FAILED, 0)
    assert "step" in run.reason


def test_a_collection_that_fails_can_be_mended_and_the_run_resumed(make_loop: MakeLoop) -> None:
    loop = make_loop()

    def broken() -> Collection:
        raise Unfit

    loop.plan.collection = broken
    assert loop.work() is None
    assert (loop.run().state, loop.run().partitions) == (RunState.FAILED, 0)
    assert loop.told() == ["on_failure Unfit"]
    loop.plan.collection = lambda: rows("nothing_there")
    loop.resume()
    assert loop.work() is None
    assert "nothing_there" in loop.run().reason
    loop.plan.collection = None
    loop.resume()
    assert loop.work() is None
    assert loop.run().state is RunState.SUCCEEDED
    assert loop.counts() == [1] * 20
    assert loop.told()[-2:] == ["on_start", "on_complete"]


def test_a_collection_that_does_not_move_on_fails_the_run(make_loop: MakeLoop) -> None:
    class Stuck:
        """Gives the same rows again and again."""

        def __init__(self) -> None:
            self._rows = rows("items")

        def batch(self, connection: Any, part: Any, _cursor: Any, limit: int) -> Any:
            return self._rows.batch(connection, part, None, limit)

        def slices(self, connection: Any, parts: int) -> Any:
            return self._rows.slices(connection, parts)

        def count(self, connection: Any) -> Any:
            return self._rows.count(connection)

    loop = make_loop(batch_attempts=1)
    loop.plan.collection = Stuck
    assert loop.work() is None
    assert loop.run().state is RunState.FAILED
    assert "ends where it began" in loop.run().reason
