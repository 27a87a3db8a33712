"""The loop of iteration jobs, on SQLite and MariaDB: a run from its first job to its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from podwork import Interrupted, Snooze
from podwork.iteration.states import RunState
from podwork.iteration.throttle import Held
from podwork_pods.iteration.partition import PartitionState
from tests.support.iteration_loop import LEASE_SECONDS, RUN, Loop, Overseer
from tests.support.iteration_stand import IterationStand, at_once, together

MakeLoop = Callable[..., Loop]


@pytest.fixture(params=["sqlite", "mariadb"])
def make_loop(request: pytest.FixtureRequest) -> Iterator[MakeLoop]:
    stand = IterationStand(str(request.getfixturevalue(f"{request.param}_url")), lock_wait_seconds=2)
    yield partial(Loop, stand)
    stand.close()


# A run


@pytest.mark.parametrize("form", ["each", "each_batch", "each_range"])
def test_a_run_does_every_row_once_and_completes_once(make_loop: MakeLoop, form: str) -> None:
    loop = make_loop(rows=18, form=form)
    assert loop.work() is None
    run = loop.run()
    assert (run.state, run.rows_total, run.partitions) == (RunState.SUCCEEDED, 18, 1)
    assert loop.counts() == [1] * 18
    assert loop.told() == ["on_start", "on_complete"]
    [part] = loop.parts()
    assert (part.rows_done, part.batches, part.state) == (18, 5, PartitionState.DONE)
    assert loop.work() is None, "the same job again finds nothing to do"
    assert loop.told() == ["on_start", "on_complete"]


def test_a_run_of_nothing_completes(make_loop: MakeLoop) -> None:
    loop = make_loop(rows=0)
    assert loop.work() is None
    assert loop.run().state is RunState.SUCCEEDED
    assert loop.told() == ["on_start", "on_complete"]


def test_the_parameters_of_the_run_count_and_not_those_of_the_job(make_loop: MakeLoop) -> None:
    loop = make_loop(rows=8, __annotations__={"step": "int"}, step=1)
    steps = []
    loop.plan.touch = lambda job, _id: steps.append(job.step)  # type: ignore[attr-defined]  # declared above
    assert isinstance(loop.work(Overseer(None, None, then_stop=True), step=7), Interrupted)
    assert loop.run().params == {"step": 7}
    assert loop.work(step=9) is None
    assert set(steps) == {7}


def test_a_further_job_without_a_run_ends(make_loop: MakeLoop) -> None:
    loop = make_loop()
    assert loop.work(number=1) is None
    assert loop.shard.runs.get(RUN) is None


# Interrupted, paused, cancelled


def test_a_job_that_is_to_stop_at_once_does_nothing(make_loop: MakeLoop) -> None:
    loop = make_loop()
    assert isinstance(loop.work(Overseer(then_stop=True)), Interrupted)
    assert loop.counts() == [0] * 20
    assert loop.run().state is RunState.ENQUEUED
    assert loop.told() == []


def test_stop_is_asked_before_the_first_batch_of_a_partition(make_loop: MakeLoop) -> None:
    loop = make_loop()
    assert isinstance(loop.work(Overseer(None, then_stop=True)), Interrupted)
    assert loop.counts() == [0] * 20


def test_an_interrupted_run_goes_on_where_it_was(make_loop: MakeLoop) -> None:
    loop = make_loop()
    # Asked: in front of the taking, the batch that finds that the run stands, and two batches.
    assert isinstance(loop.work(Overseer(None, None, None, None, then_stop=True)), Interrupted)
    assert loop.counts() == [1] * 8 + [0] * 12
    [part] = loop.parts()
    assert (part.state, part.owner, part.interruptions) == (PartitionState.WAITING, None, 1)
    assert (loop.run().state, loop.run().interruptions) == (RunState.INTERRUPTED, 1)
    assert loop.work() is None
    assert loop.counts() == [1] * 20
    assert loop.told() == ["on_start", "on_complete"]


def test_a_run_goes_to_the_back_of_its_queue_when_its_time_slice_is_over(make_loop: MakeLoop) -> None:
    loop = make_loop(time_slice_seconds=1e-9)
    ending = loop.work()
    assert isinstance(ending, Snooze)
    assert ending.after_seconds == 0
    [part] = loop.parts()
    assert (part.state, part.interruptions) == (PartitionState.WAITING, 0)


def test_a_pause_holds_after_the_batch_and_a_resumed_run_goes_on(make_loop: MakeLoop) -> None:
    loop = make_loop()
    pause = partial(loop.transition, RunState.PAUSING, "the shop has a sale")
    assert loop.work(Overseer(None, None, None, pause)) is None
    assert loop.counts() == [1] * 4 + [0] * 16
    assert (loop.run().state, loop.run().reason) == (RunState.PAUSED, "the shop has a sale")
    assert loop.told() == ["on_start", "on_pause"]
    assert loop.parts()[0].state is PartitionState.WAITING
    assert loop.work() is None, "a job that comes meanwhile leaves it alone"
    assert loop.run().state is RunState.PAUSED
    loop.resume()
    assert loop.work() is None
    assert loop.told() == ["on_start", "on_pause", "on_resume", "on_complete"]
    assert loop.counts() == [1] * 20


def test_a_cancelled_run_stops_and_keeps_what_was_committed(make_loop: MakeLoop) -> None:
    loop = make_loop()
    cancel = partial(loop.transition, RunState.CANCELLING, "a mistake")
    assert loop.work(Overseer(None, None, None, cancel)) is None
    assert loop.counts() == [1] * 4 + [0] * 16
    assert (loop.run().state, loop.run().reason) == (RunState.CANCELLED, "a mistake")
    assert loop.told() == ["on_start"]


def test_a_run_whose_job_is_cancelled_is_cancelled(make_loop: MakeLoop) -> None:
    loop = make_loop()
    overseer = Overseer(None, None, None)
    overseer._acts.append(lambda: setattr(overseer, "cancelled", True))
    assert isinstance(loop.work(overseer), Interrupted)
    assert loop.run().state is RunState.CANCELLED
    assert loop.counts() == [1] * 4 + [0] * 16


@pytest.mark.parametrize(
    ("asked", "state"), [(RunState.PAUSING, RunState.PAUSED), (RunState.CANCELLING, RunState.CANCELLED)]
)
def test_the_next_job_brings_about_what_a_dead_one_was_asked_for(
    make_loop: MakeLoop, asked: RunState, state: RunState
) -> None:
    loop = make_loop()
    loop.work(Overseer(None, None, None, then_stop=True))
    loop.transition(RunState.RUNNING)
    assert loop.shard.leases(None).take(RUN, RUN) is not None  # and dies
    loop.transition(asked)
    assert loop.work() is None
    assert loop.run().state is state


def test_a_pause_waits_for_others_who_hold_a_partition(make_loop: MakeLoop) -> None:
    loop = make_loop(parallel=2)
    other = Overseer(None, None, None, partial(loop.transition, RunState.PAUSING))

    def let_another_pause() -> None:
        assert loop.work(other, number=1) is None
        assert loop.run().state is RunState.PAUSING
        assert "on_pause" not in loop.told()

    assert loop.work(Overseer(None, None, None, let_another_pause)) is None
    assert loop.run().state is RunState.PAUSED
    assert loop.told().count("on_pause") == 1


# Side by side


def test_partitions_are_made_before_any_of_them_is_begun_and_further_jobs_pushed(make_loop: MakeLoop) -> None:
    loop = make_loop(rows=30, parallel=3)
    assert isinstance(loop.work(Overseer(None, then_stop=True)), Interrupted)
    assert [part.rows_done for part in loop.parts()] == [0, 0, 0]
    assert [run.id for run in loop.pushed] == [RUN]
    assert loop.pushed[0].parallel == 3
    for number in (2, 1, 0):
        loop.work(number=number)
    assert loop.counts() == [1] * 30
    assert loop.told() == ["on_start", "on_complete"]


def test_jobs_at_the_same_time_do_every_row_once_and_complete_once(make_loop: MakeLoop) -> None:
    loop = make_loop(rows=60, parallel=3)
    loop.work(Overseer(None, then_stop=True))
    answers = at_once(*(partial(loop.work, number=number) for number in range(3)))
    while loop.run().state is not RunState.SUCCEEDED:
        answers.append(loop.work())
    assert not [answer for answer in answers if not (answer is None or isinstance(answer, Snooze))]
    assert loop.counts() == [1] * 60
    assert loop.told() == ["on_start", "on_complete"]


def test_two_who_make_the_run_at_the_same_time_make_one(make_loop: MakeLoop) -> None:
    loop = make_loop(rows=20, parallel=2)
    with together("opening.making", 2):
        answers = at_once(loop.work, partial(loop.work, number=0))
    while loop.run().state is not RunState.SUCCEEDED:
        answers.append(loop.work())
    assert all(answer is None or isinstance(answer, Snooze) for answer in answers), answers
    assert loop.counts() == [1] * 20
    assert loop.told() == ["on_start", "on_complete"]


def test_an_idle_job_takes_half_of_what_another_has_before_it(make_loop: MakeLoop) -> None:
    loop = make_loop(rows=40)
    found: list[int] = []

    def help_out() -> None:
        with loop.stand.engine.begin() as connection:
            loop.shard.runs.set_parallel(connection, RUN, 2)
        assert loop.work(number=1) is None
        found.extend(loop.counts())

    assert loop.work(Overseer(None, None, None, help_out)) is None
    done = [number for number, count in enumerate(found, start=1) if count]
    assert done[:4] == [1, 2, 3, 4]
    assert done[-1] == 40
    assert len(done) > 20, "the second one had at least half of what was left"
    assert loop.counts() == [1] * 40
    assert loop.told() == ["on_start", "on_complete"]
    assert len(loop.parts()) > 1


def test_a_remainder_of_a_few_rows_is_not_split(make_loop: MakeLoop) -> None:
    loop = make_loop(rows=10)

    def nothing_for_another() -> None:
        with loop.stand.engine.begin() as connection:
            loop.shard.runs.set_parallel(connection, RUN, 2)
        assert loop.work(number=1) is None
        assert len(loop.parts()) == 1

    loop.work(Overseer(None, None, None, nothing_for_another))
    assert loop.counts() == [1] * 10


def test_whoever_holds_one_partition_too_many_gives_it_back(make_loop: MakeLoop) -> None:
    loop = make_loop(rows=40, parallel=2)

    def fewer() -> None:
        with loop.stand.engine.begin() as connection:
            loop.shard.runs.set_parallel(connection, RUN, 1)

    def another() -> None:
        assert loop.work(Overseer(None, None, fewer), number=1) is None
        assert [part.state for part in loop.parts()] == [PartitionState.RUNNING, PartitionState.WAITING]
        assert loop.parts()[1].rows_done == 4

    assert loop.work(Overseer(None, None, None, another)) is None
    assert loop.counts() == [1] * 40
    assert loop.told() == ["on_start", "on_complete"]
    assert [part.interruptions for part in loop.parts()] == [0, 0]


def test_a_job_for_which_there_is_no_room_ends(make_loop: MakeLoop) -> None:
    loop = make_loop(rows=20)

    def another() -> None:
        before = loop.counts()
        assert loop.work(number=1) is None
        assert loop.counts() == before

    assert loop.work(Overseer(None, None, None, another)) is None
    assert loop.counts() == [1] * 20


# Leases


def test_a_later_life_of_the_same_job_goes_on_at_once(make_loop: MakeLoop) -> None:
    loop = make_loop()
    loop.work(Overseer(None, None, None, then_stop=True))
    assert loop.shard.leases(None).take(RUN, RUN) is not None  # and dies
    assert loop.work() is None
    assert loop.run().state is RunState.SUCCEEDED
    assert loop.counts() == [1] * 20
    assert loop.parts()[0].interruptions == 2


def test_what_another_job_holds_is_taken_over_when_its_lease_is_over(make_loop: MakeLoop) -> None:
    loop = make_loop()
    loop.work(Overseer(None, None, None, then_stop=True))
    assert loop.shard.leases(None).take(RUN, "somebody") is not None  # and dies
    assert loop.work() is None
    assert loop.run().state is not RunState.SUCCEEDED
    loop.stand.clock.advance(LEASE_SECONDS + 1)
    assert loop.work() is None
    assert loop.counts() == [1] * 20


def test_who_is_taken_over_writes_nothing_and_takes_nothing_back(make_loop: MakeLoop) -> None:
    """A process that was stopped past its lease, and a later life of its job."""
    loop = make_loop()

    def sleep_past_the_lease() -> None:
        loop.stand.clock.advance(LEASE_SECONDS + 1)
        held = loop.shard.leases(None).take(RUN, RUN, dead_owners=[RUN])
        assert held is not None
        assert (held.lease_epoch, held.cursor) == (2, (4,))

    assert loop.work(Overseer(None, None, None, sleep_past_the_lease)) is None
    assert loop.counts() == [1] * 4 + [0] * 16
    [part] = loop.parts()
    assert (part.lease_epoch, part.owner, part.state) == (2, RUN, PartitionState.RUNNING)
    assert loop.work() is None
    assert loop.counts() == [1] * 20


def test_a_forced_run_is_taken_up_again_by_whoever_comes(make_loop: MakeLoop) -> None:
    loop = make_loop()

    def force() -> None:
        with loop.stand.engine.begin() as connection:
            loop.shard.runs.force(connection, RUN)

    assert loop.work(Overseer(None, None, None, force)) is None
    assert loop.counts() == [1] * 20
    assert loop.told() == ["on_start", "on_complete"]
    assert loop.run().forced == 1


def test_the_end_is_reached_by_the_next_job_if_the_last_one_died_before_it(make_loop: MakeLoop) -> None:
    loop = make_loop()
    loop.work(Overseer(None, None, None, then_stop=True))
    loop.transition(RunState.RUNNING)
    held = loop.shard.leases(None).take(RUN, RUN)
    assert held is not None
    with loop.stand.engine.begin() as connection:
        loop.shard.partitions.advance(connection, held, (20,), 16, done=True)
    assert loop.work() is None
    assert loop.run().state is RunState.SUCCEEDED
    assert loop.told() == ["on_start", "on_complete"]


def test_a_run_that_stands_with_all_of_it_done_completes(make_loop: MakeLoop) -> None:
    loop = make_loop()
    loop.work(Overseer(None, None, None, then_stop=True))
    held = loop.shard.leases(None).take(RUN, RUN)
    assert held is not None
    with loop.stand.engine.begin() as connection:
        loop.shard.partitions.advance(connection, held, (20,), 16, done=True)
    assert loop.run().state is RunState.INTERRUPTED
    assert loop.work() is None
    assert loop.run().state is RunState.SUCCEEDED
    assert loop.told() == ["on_start", "on_complete"]


# Throttles


def test_a_throttled_run_says_why_and_goes_on_when_it_may(make_loop: MakeLoop) -> None:
    loop = make_loop()
    seen = []
    answers = iter([None, None, Held("replica_lag 12 s", 0.0), Held("replica_lag 9 s", 0.0)])

    def throttle() -> Held | None:
        run = loop.shard.runs.get(RUN)
        seen.append((run.state, run.reason) if run else None)
        return next(answers, None)

    loop.throttle = throttle
    assert loop.work() is None
    assert (RunState.THROTTLED, "replica_lag 12 s") in seen
    assert (RunState.THROTTLED, "replica_lag 9 s") in seen
    assert seen[-1] == (RunState.RUNNING, "")
    assert loop.run().state is RunState.SUCCEEDED
    assert loop.run().throttled == 1
    assert loop.counts() == [1] * 20


def test_a_run_that_is_held_back_for_longer_makes_room(make_loop: MakeLoop) -> None:
    loop = make_loop()
    loop.throttle = lambda: Held("window opens at 02:00", 3_600.0)
    ending = loop.work()
    assert isinstance(ending, Snooze)
    assert (ending.after_seconds, ending.reason) == (15.0, "window opens at 02:00")
    assert (loop.run().state, loop.run().reason) == (RunState.THROTTLED, "window opens at 02:00")
    [part] = loop.parts()
    assert (part.state, part.throttle_reason, part.interruptions) == (
        PartitionState.WAITING,
        "window opens at 02:00",
        0,
    )
    loop.throttle = lambda: None
    assert loop.work() is None
    assert loop.run().state is RunState.SUCCEEDED
    assert loop.told() == ["on_start", "on_complete"]


def test_a_throttled_run_can_be_paused(make_loop: MakeLoop) -> None:
    loop = make_loop()
    answers = iter([Held("busy", 0.0), Held("busy", 0.0)])

    def throttle() -> Held | None:
        if loop.run().state is RunState.THROTTLED:
            loop.transition(RunState.PAUSING)
        return next(answers)

    loop.throttle = throttle
    assert loop.work() is None
    assert loop.run().state is RunState.PAUSED
    assert loop.counts() == [0] * 20


def test_a_slow_rate_is_kept_to(make_loop: MakeLoop) -> None:
    loop = make_loop()

    def slow() -> None:
        with loop.stand.engine.begin() as connection:
            loop.shard.runs.set_rate(connection, RUN, 0.1)

    ending = loop.work(Overseer(None, None, None, slow))
    assert isinstance(ending, Snooze)
    assert 5 < ending.after_seconds <= 15
    assert sum(loop.counts()) in (4, 5, 8)  # what was begun before the rate was known
    assert loop.run().state is RunState.THROTTLED
    assert loop.run().reason.startswith("rate: the next row is due in")
