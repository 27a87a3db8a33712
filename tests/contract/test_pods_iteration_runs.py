"""Runs, their states and their quarantine, on SQLite and MariaDB."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text

from podwork.errors import RunConflict
from podwork.iteration.collection import Slice
from podwork.iteration.states import RunState
from podwork_pods.iteration.errors import InvalidRunSetting, UnknownRun
from podwork_pods.iteration.partition import Partition
from podwork_pods.iteration.run import NewRun, Run
from tests.support.iteration_stand import NOW, RUN, BatchFailed, IterationStand, at_once, together

FILL = NewRun(RUN, "Fill", {"percent": 95, "wörd": "ß😀"}, parallel=2, created_by="anna")


@pytest.fixture(params=["sqlite", "mariadb"])
def stand(request: pytest.FixtureRequest) -> Iterator[IterationStand]:
    made = IterationStand(str(request.getfixturevalue(f"{request.param}_url")))
    made.prepare(rows=40)
    yield made
    made.close()


def create(stand: IterationStand, run: NewRun = FILL, slices: int = 1) -> Run:
    bounds = [None, *((number,) for number in range(1, slices)), None]
    with stand.engine.begin() as connection:
        return stand.runs.create(connection, run, [Slice(bounds[n], bounds[n + 1]) for n in range(slices)])


# Making


def test_a_new_run_is_as_it_was_asked_for(stand: IterationStand) -> None:
    made = create(stand, FILL._replace(shop_id=2**63 - 1, rows_total=7, rows_per_second=0.5, group_id="g"), 3)
    assert made == stand.run()
    assert (made.id, made.job_class, made.shop_id, made.pod_id) == (RUN, "Fill", 2**63 - 1, 1)
    assert made.params == {"percent": 95, "wörd": "ß😀"}
    assert (made.state, made.rows_total, made.rows_per_second, made.batch_most) == ("enqueued", 7, 0.5, None)
    assert (made.parallel, made.partitions, made.revision, made.group_id) == (2, 3, 1, "g")
    assert (made.created, made.started, made.ended, made.created_by) == (NOW, None, None, "anna")
    assert [part.number for part in stand.partitions.of(RUN)] == [0, 1, 2]


def test_a_run_that_is_made_again_is_the_first_one(stand: IterationStand) -> None:
    first = create(stand, slices=2)
    stand.clock.advance(60)
    assert create(stand, FILL._replace(job_class="Other", parallel=9), slices=5) == first
    assert len(stand.partitions.of(RUN)) == 2


def test_of_those_who_make_a_run_at_the_same_time_one_does(stand: IterationStand) -> None:
    made = at_once(*(partial(create, stand, FILL._replace(created_by=f"{n}"), n + 1) for n in range(4)))
    assert made == [made[0]] * 4
    assert made[0].created_by == str(made[0].partitions - 1)
    assert len(stand.partitions.of(RUN)) == made[0].partitions


def test_a_run_that_is_rolled_back_never_was(stand: IterationStand) -> None:
    def make_and_fail() -> None:
        with stand.engine.begin() as connection:
            stand.runs.create(connection, FILL, [Slice(None, None)])
            raise BatchFailed

    with pytest.raises(BatchFailed):
        make_and_fail()
    assert stand.runs.get(RUN) is None
    assert stand.partitions.of(RUN) == []


def test_ids_are_compared_exactly(stand: IterationStand) -> None:
    create(stand)
    assert create(stand, FILL._replace(id=RUN.upper())).id == RUN.upper()
    stand.transition(RunState.RUNNING)
    stand.take("host")
    assert stand.leases.take(RUN, "x", dead_owners=["HOST", "host "]) is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"parallel": 0}, "0 partitions at once"),
        ({"batch_most": 0}, "0 rows in a batch"),
        ({"rows_per_second": 0.0}, "0.0 rows a second"),
        ({"rows_per_second": float("nan")}, "nan rows a second"),
    ],
)
def test_what_nobody_could_go_on_in_is_refused(
    stand: IterationStand, change: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidRunSetting, match=told):
        create(stand, FILL._replace(**change))
    assert stand.runs.get(RUN) is None


# Reading


def test_runs_are_listed_from_the_latest_on(stand: IterationStand) -> None:
    for number in range(6):
        create(stand, FILL._replace(id=f"r{number}", job_class=f"C{number % 2}", group_id=f"g{number // 3}"))
        stand.clock.advance(number % 2)  # some at the same time
    with stand.engine.begin() as connection:
        stand.runs.transition(connection, "r1", RunState.RUNNING)
    pages: list[list[str]] = []
    last: Run | None = None
    while page := stand.runs.page(limit=4, after=last):
        pages.append([run.id for run in page])
        last = page[-1]
    assert pages == [["r5", "r4", "r3", "r2"], ["r1", "r0"]]
    assert [run.id for run in stand.runs.page([RunState.RUNNING, RunState.PAUSED])] == ["r1"]
    assert [run.id for run in stand.runs.page(job_class="C0")] == ["r4", "r2", "r0"]
    assert [run.id for run in stand.runs.page(group_id="g1", job_class="C1")] == ["r5", "r3"]


def test_an_unknown_run_is_said_to_be_unknown(stand: IterationStand) -> None:
    assert stand.runs.get("r") is None
    with stand.engine.begin() as connection:
        for ask in (
            partial(stand.runs.orders, connection, "r"),
            partial(stand.runs.lock, connection, "r"),
            partial(stand.runs.transition, connection, "r", RunState.RUNNING),
            partial(stand.runs.force, connection, "r"),
            partial(stand.runs.set_parallel, connection, "r", 1),
            partial(stand.runs.finish, connection, "r"),
        ):
            with pytest.raises(UnknownRun, match="pod 1 has no run r"):
                ask()


# States


def test_pauses_throttles_interruptions_and_idle_time_are_counted_apart(stand: IterationStand) -> None:
    create(stand)
    steps = [
        (10, RunState.RUNNING),
        (5, RunState.THROTTLED),
        (5, RunState.RUNNING),
        (5, RunState.PAUSING),
        (5, RunState.PAUSED),
        (100, RunState.ENQUEUED),
        (100, RunState.RUNNING),
        (5, RunState.INTERRUPTED),
        (50, RunState.RUNNING),
        (5, RunState.FAILED),
        (1000, RunState.ENQUEUED),
        (0, RunState.RUNNING),
    ]
    for seconds, state in steps:
        stand.clock.advance(seconds)
        run = stand.transition(state, reason=f"because {state}")
        assert (run.state, run.reason) == (state, f"because {state}")
        assert (run.ended is not None) == state.is_over
    assert (run.pauses, run.throttled, run.interruptions) == (1, 1, 1)
    assert run.started == NOW + 10
    assert run.revision == 1 + len(steps)
    assert run.idle_at(stand.clock.now()) == 100 + 100 + 50 + 1000
    stand.transition(RunState.INTERRUPTED)
    stand.clock.advance(7)
    assert stand.run().idle_at(stand.clock.now()) == 1257
    ended = stand.transition(RunState.CANCELLED)
    stand.clock.advance(7)
    assert ended == stand.run()
    assert (ended.ended, ended.idle_at(stand.clock.now())) == (NOW + 1297, 1257)


def test_a_state_that_it_has_already_is_no_change(stand: IterationStand) -> None:
    create(stand)
    running = stand.transition(RunState.RUNNING)
    stand.transition(RunState.THROTTLED, reason="replica lag")
    again = stand.transition(RunState.THROTTLED, reason="history list")
    assert (again.reason, again.throttled, again.revision) == ("history list", 1, running.revision + 1)


def test_only_ways_of_the_table_are_gone(stand: IterationStand) -> None:
    create(stand)
    with pytest.raises(RunConflict, match="enqueued and cannot become interrupted"):
        stand.transition(RunState.INTERRUPTED)
    stand.transition(RunState.RUNNING)
    with pytest.raises(RunConflict, match="call finish"):
        stand.transition(RunState.SUCCEEDED)
    stand.transition(RunState.CANCELLING)
    stand.transition(RunState.CANCELLED)
    with pytest.raises(RunConflict, match="it stays so"):
        stand.transition(RunState.RUNNING)
    assert stand.run().state is RunState.CANCELLED


def test_who_read_an_earlier_revision_changes_nothing(stand: IterationStand) -> None:
    seen = create(stand)
    running = stand.transition(RunState.RUNNING, revision=seen.revision)
    with stand.engine.begin() as connection:
        for change in (
            partial(stand.runs.transition, connection, RUN, RunState.PAUSING),
            partial(stand.runs.force, connection, RUN),
            partial(stand.runs.set_rate, connection, RUN, 5.0),
            partial(stand.runs.set_batch, connection, RUN, 5),
            partial(stand.runs.set_parallel, connection, RUN, 5),
        ):
            with pytest.raises(RunConflict, match="since revision 1; it is at 2"):
                change(revision=seen.revision)
    assert stand.run() == running


def test_of_two_who_change_a_run_at_the_same_time_the_second_sees_the_first(stand: IterationStand) -> None:
    seen = stand.start()
    states = [RunState.PAUSING, RunState.CANCELLING]
    got = at_once(*(partial(stand.transition, state, revision=seen.revision) for state in states))
    assert sorted(type(answer).__name__ for answer in got) == ["Run", "RunConflict"]


def test_without_a_lock_the_revision_still_keeps_two_changes_apart(mariadb_url: str) -> None:
    """A caller's connection may commit every statement by itself: it is told, not trusted."""
    stand = IterationStand(mariadb_url)
    stand.prepare()
    stand.start()
    stand.clock.now = racing(stand)  # type: ignore[method-assign]
    with pytest.raises(RunConflict, match="just now"), stand.single.connect() as connection:
        stand.runs.transition(connection, RUN, RunState.CANCELLING)
    assert stand.run().state is RunState.PAUSING
    stand.close()


def racing(stand: IterationStand) -> partial[float]:
    """Return a clock that lets somebody pause the run when it is first asked."""
    raced: list[bool] = []

    def now() -> float:
        if not raced:
            raced.append(True)
            with stand.engine.begin() as connection:
                stand.runs.transition(connection, RUN, RunState.PAUSING)
        return NOW

    return partial(now)


def test_what_a_hook_writes_is_there_if_and_only_if_the_state_is(stand: IterationStand) -> None:
    stand.start()

    def pause_and_fail() -> None:
        with stand.engine.begin() as connection:
            stand.runs.transition(connection, RUN, RunState.PAUSING)
            connection.execute(text("INSERT INTO ends VALUES (1)"))
            raise BatchFailed

    with pytest.raises(BatchFailed):
        pause_and_fail()
    assert (stand.run().state, stand.ends()) == (RunState.RUNNING, 0)


@pytest.mark.parametrize(
    ("stuck", "then"), [(RunState.PAUSING, RunState.PAUSED), (RunState.CANCELLING, RunState.CANCELLED)]
)
def test_a_stuck_run_is_forced(stand: IterationStand, stuck: RunState, then: RunState) -> None:
    stand.start()
    stand.take("gone")
    stand.transition(stuck)
    with stand.engine.begin() as connection:
        run = stand.runs.force(connection, RUN, reason="its worker hangs")
        assert (run.state, run.forced, run.reason) == (then, 1, "its worker hangs")
        with pytest.raises(RunConflict, match="nobody is waited for"):
            stand.runs.force(connection, RUN)


def test_settings_are_obeyed_from_the_next_question_on(stand: IterationStand) -> None:
    stand.start(parallel=2)
    with stand.engine.begin() as connection:
        stand.runs.set_rate(connection, RUN, 250.5)
        stand.runs.set_batch(connection, RUN, 10)
        run = stand.runs.set_parallel(connection, RUN, 7)
        assert stand.runs.orders(connection, RUN) == (RunState.RUNNING, 250.5, 10, 7, run.revision)
        stand.runs.set_rate(connection, RUN, None)
        stand.runs.set_batch(connection, RUN, None)
        assert stand.runs.orders(connection, RUN)[1:4] == (None, None, 7)
        with pytest.raises(InvalidRunSetting, match="pause the run"):
            stand.runs.set_rate(connection, RUN, -1.0)
    stand.transition(RunState.FAILED)
    with stand.engine.begin() as connection:
        stand.runs.set_batch(connection, RUN, 1)  # so that it may be resumed with smaller ones
    stand.transition(RunState.CANCELLED)
    with stand.engine.begin() as connection, pytest.raises(RunConflict, match="for good"):
        stand.runs.set_batch(connection, RUN, 1)


# Quarantine


def leave_out(stand: IterationStand, partition: Partition, number: int, limit: int = 2) -> bool:
    """Put one item into quarantine and move the cursor past it, as a batch does."""
    with stand.engine.begin() as connection:
        held = stand.partitions.lock(connection, partition)
        if not stand.quarantine.add(connection, held, (number,), f"bad {number}", limit=limit):
            return False
        stand.partitions.advance(connection, held, (number,), 1, done=False)
        return True


def test_an_item_is_left_out_with_the_cursor_that_passes_it(stand: IterationStand) -> None:
    stand.start()
    held = stand.batch(stand.take("a"), 5)
    assert leave_out(stand, held, 6)
    stand.batch(held, 4)
    [item] = stand.quarantine.page(RUN)
    assert (item.partition, item.after, item.cursor) == (0, (5,), (6,))
    assert (item.error, item.failed_at, item.retried) == ("bad 6", NOW, None)
    assert stand.counts()[:11] == [1] * 5 + [0] + [1] * 4 + [0]
    assert stand.run().quarantined == 1


def test_a_zombie_leaves_nothing_out(stand: IterationStand) -> None:
    stand.start()
    zombie = stand.take("a")
    stand.take("b", dead_owners=["a"])
    answers = at_once(partial(leave_out, stand, zombie, 1))
    assert [type(answer).__name__ for answer in answers] == ["PartitionLost"]
    assert (stand.run().quarantined, stand.quarantine.page(RUN)) == (0, [])


def test_all_partitions_together_leave_out_no_more_than_the_limit(stand: IterationStand) -> None:
    stand.start([10, 20, 30])
    held = [stand.take(owner) for owner in "abcd"]
    leave = [partial(leave_out, stand, one, 10 * one.number + 1) for one in held]
    with together("partitions.locked", 1 if stand.engine.dialect.name == "sqlite" else 4):
        got = at_once(*leave)
    assert sorted(got) == [False, False, True, True]
    assert stand.run().quarantined == len(stand.quarantine.page(RUN)) == 2
    assert not leave_out(stand, held[0], 2, limit=0)


def test_an_item_that_is_retried_is_done_once(stand: IterationStand) -> None:
    stand.start()
    held = stand.take("a")
    for number in (1, 2):
        assert leave_out(stand, held, number)
    first, second = stand.quarantine.page(RUN)
    assert stand.quarantine.page(RUN, after=first.id) == [second]

    def retry(fail: bool = False) -> bool:
        with stand.engine.begin() as connection:
            if not stand.quarantine.retry(connection, first):
                return False
            connection.execute(text("UPDATE items SET n = n + 1 WHERE id = 1"))
            if fail:
                raise BatchFailed
            return True

    stand.clock.advance(5)
    with pytest.raises(BatchFailed):
        retry(fail=True)
    with stand.engine.begin() as connection:
        assert stand.quarantine.failed_again(connection, first, "bad again")
    assert stand.quarantine.page(RUN, limit=1) == [first._replace(error="bad again", failed_at=NOW + 5)]
    assert sorted(at_once(*[retry] * 3)) == [False, False, True]
    with stand.engine.begin() as connection:
        assert not stand.quarantine.failed_again(connection, first, "late")
    assert stand.counts()[:3] == [1, 0, 0]
    assert stand.run().quarantined == 1
    assert [item.id for item in stand.quarantine.page(RUN, retried=False)] == [second.id]
    assert [item.retried for item in stand.quarantine.page(RUN, retried=True)] == [NOW + 5]
    assert leave_out(stand, held, 3)  # there is room again


# Cutting


def test_a_run_that_is_not_cut_yet_has_no_end_and_is_cut_once(stand: IterationStand) -> None:
    with stand.engine.begin() as connection:
        stand.runs.create(connection, NewRun(RUN, "Fill", {}), ())
        stand.runs.transition(connection, RUN, RunState.RUNNING)
        assert not stand.runs.finish(connection, RUN)
    with stand.engine.begin() as connection:
        cut = stand.runs.cut(connection, RUN, [Slice(None, (20,)), Slice((20,), None)], 40)
        assert (cut.partitions, cut.rows_total) == (2, 40)
    with stand.engine.begin() as connection:
        assert stand.runs.cut(connection, RUN, [Slice(None, None)], 7) == cut
    assert [part.slice for part in stand.partitions.of(RUN)] == [Slice(None, (20,)), Slice((20,), None)]
    assert not stand.finish()
