"""What a person does to runs, and sees of them, on SQLite and MariaDB."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product

import pytest

from podwork.errors import RunConflict
from podwork.iteration.states import RunState
from podwork_pods.errors import ShardUnavailable
from podwork_pods.iteration.control import CANCELS, PAUSES, RESUMES, Changed, RunControl, Settings
from podwork_pods.iteration.errors import InvalidRunSetting, PartitionLost, UnknownRun
from podwork_pods.iteration.partition import Leaving, PartitionState
from podwork_pods.iteration.schema import runs
from tests.support.iteration_stand import NOW, POD, RUN, IterationStand, at_once


@pytest.fixture(params=["sqlite", "mariadb"])
def stand(request: pytest.FixtureRequest) -> Iterator[IterationStand]:
    made = IterationStand(str(request.getfixturevalue(f"{request.param}_url")), lock_wait_seconds=1)
    made.prepare(rows=40)
    yield made
    made.close()


@pytest.fixture
def control(stand: IterationStand) -> RunControl:
    return RunControl(POD, lambda: stand.engine, lambda: stand.single, stand.clock)


def put(stand: IterationStand, state: RunState) -> None:
    """Bring the stand's run into a state, whatever way leads there."""
    with stand.engine.begin() as connection:
        connection.execute(runs.update().where(runs.c.id == RUN).values(state=state))


# The table of actions

ACTIONS = {"pause": PAUSES, "cancel": CANCELS, "resume": RESUMES}


@pytest.mark.parametrize(("action", "state"), list(product(ACTIONS, RunState)))
def test_every_action_in_every_state_does_what_its_table_says(
    stand: IterationStand, control: RunControl, action: str, state: RunState
) -> None:
    stand.start()
    put(stand, state)
    before = stand.run()
    act = getattr(control, action)
    if state not in ACTIONS[action]:
        for dry_run in (True, False):
            with pytest.raises(RunConflict, match=f"it is {state}"):
                act(RUN, dry_run=dry_run)
        assert stand.run() == before
        return
    to = ACTIONS[action][state]
    planned = act(RUN, "anna: why", dry_run=True)
    assert (planned.run.state, planned.did_change) == (to, to is not state)
    assert stand.run() == before
    changed = act(RUN, "anna: why")
    assert (changed.before, changed.run, changed.did_change) == (before, stand.run(), to is not state)
    assert stand.run().state is to
    assert stand.run().reason == ("anna: why" if to is not state else before.reason)


def test_an_action_that_is_asked_for_again_changes_nothing(
    stand: IterationStand, control: RunControl
) -> None:
    stand.start()
    assert control.pause(RUN, "anna: first").did_change
    at_first = stand.run()
    assert not control.pause(RUN, "bert: second").did_change
    assert stand.run() == at_first


def test_of_two_who_pause_at_the_same_time_one_does(stand: IterationStand, control: RunControl) -> None:
    stand.start()
    answers = at_once(*(partial(control.pause, RUN, f"{number}: why") for number in range(4)))
    assert sorted(answer.did_change for answer in answers) == [False, False, False, True]


@pytest.mark.parametrize("action", ["pause", "cancel", "resume", "force"])
def test_a_run_that_is_not_there_is_unknown(control: RunControl, action: str) -> None:
    with pytest.raises(UnknownRun, match="pod 1 has no run nowhere"):
        getattr(control, action)("nowhere")


# Going on


def test_a_failed_run_that_is_resumed_goes_on_with_what_had_failed(
    stand: IterationStand, control: RunControl
) -> None:
    stand.start([20])
    bad = stand.batch(stand.take("a"), 5)
    stand.leases.attempt_failed(bad, "division by zero")
    stand.leases.release(bad, Leaving.FAILED, "division by zero")
    stand.transition(RunState.FAILED)
    assert control.resume(RUN, dry_run=True).did_change
    assert stand.read(0).state is PartitionState.FAILED
    control.resume(RUN, "anna: mended")
    part = stand.read(0)
    assert (part.state, part.attempts, part.rows_done, part.cursor) == ("waiting", 0, 5, (5,))


def test_a_refused_resume_opens_no_partition(stand: IterationStand, control: RunControl) -> None:
    stand.start()
    stand.leases.release(stand.take("a"), Leaving.FAILED, "why")
    stand.transition(RunState.CANCELLING)
    with pytest.raises(RunConflict):
        control.resume(RUN)
    assert stand.read(0).state is PartitionState.FAILED


# Force


def test_a_forced_run_goes_on_and_who_held_it_writes_nothing(
    stand: IterationStand, control: RunControl
) -> None:
    stand.start()
    held = stand.take("stuck")
    assert control.force(RUN, dry_run=True).run.state is RunState.INTERRUPTED
    assert stand.run().state is RunState.RUNNING
    assert control.force(RUN, "anna: its worker is gone").run.state is RunState.INTERRUPTED
    assert stand.run().reason == "anna: its worker is gone"
    with pytest.raises(PartitionLost):
        stand.batch(held, 5)


@pytest.mark.parametrize(("state", "to"), [("pausing", "paused"), ("cancelling", "cancelled")])
def test_a_forced_pause_or_end_needs_no_job(
    stand: IterationStand, control: RunControl, state: str, to: str
) -> None:
    stand.start()
    put(stand, RunState(state))
    assert control.force(RUN).run.state == to


def test_what_waits_for_nobody_is_not_forced(stand: IterationStand, control: RunControl) -> None:
    stand.start()
    put(stand, RunState.PAUSED)
    for dry_run in (True, False):
        with pytest.raises(RunConflict, match="it is paused, and nobody is waited for"):
            control.force(RUN, dry_run=dry_run)


# Settings


def test_what_is_set_is_set_and_the_rest_stays(stand: IterationStand, control: RunControl) -> None:
    stand.start(parallel=2, batch_most=50)
    changed = control.set(RUN, Settings(rows_per_second=12.5, parallel=7))
    assert changed.did_change
    run = stand.run()
    assert (run.rows_per_second, run.batch_most, run.parallel) == (12.5, 50, 7)
    control.set(RUN, Settings(rows_per_second=None, batch_most=None))
    run = stand.run()
    assert (run.rows_per_second, run.batch_most, run.parallel) == (None, None, 7)


def test_what_is_as_it_should_be_is_not_set(stand: IterationStand, control: RunControl) -> None:
    stand.start(parallel=2)
    before = stand.run()
    assert control.set(RUN, Settings(rows_per_second=None, parallel=2)) == Changed(before, before, False)
    assert stand.run() == before


def test_a_rehearsed_setting_is_not_set(stand: IterationStand, control: RunControl) -> None:
    stand.start(parallel=2)
    before = stand.run()
    planned = control.set(RUN, Settings(parallel=5), dry_run=True)
    assert (planned.run.parallel, planned.did_change) == (5, True)
    assert stand.run() == before


@pytest.mark.parametrize(
    "settings", [Settings(rows_per_second=0.0), Settings(batch_most=0), Settings(parallel=0)]
)
def test_of_settings_of_which_one_is_wrong_none_is_set(
    stand: IterationStand, control: RunControl, settings: Settings
) -> None:
    stand.start(parallel=2)
    before = stand.run()
    wrong = settings if settings.rows_per_second is not ... else settings._replace(rows_per_second=9.0)
    with pytest.raises(InvalidRunSetting):
        control.set(RUN, wrong)
    assert stand.run() == before


def test_a_run_that_is_over_for_good_is_not_set(stand: IterationStand, control: RunControl) -> None:
    stand.start()
    put(stand, RunState.SUCCEEDED)
    with pytest.raises(RunConflict, match="it is succeeded for good"):
        control.set(RUN, Settings(parallel=3))


def test_a_run_whose_row_stays_locked_says_so(stand: IterationStand, control: RunControl) -> None:
    stand.start()
    with stand.engine.begin() as connection:
        stand.runs.lock(connection, RUN)
        with pytest.raises(ShardUnavailable, match="locked"):
            control.pause(RUN)


# Looking


def test_a_status_adds_up_what_its_partitions_say(stand: IterationStand, control: RunControl) -> None:
    stand.start([10, 20], rows_total=40)
    first, second = stand.batch(stand.take("a"), 5), stand.take("b")
    stand.clock.advance(2)
    stand.leases.renew(second, throttle_reason="replica_lag 12 s, limit 5 s")
    stand.leases.attempt_failed(first, "deadlock")
    stand.leases.release(first, Leaving.INTERRUPTED)
    status = control.listing.get(RUN)
    assert (status.run, list(status.partitions)) == (stand.run(), stand.partitions.of(RUN))
    assert (status.rows_done, status.progress.share, status.progress.rate) == (5, 0.125, 2.5)
    assert status.progress.eta_seconds == 14
    assert (status.held, status.attempts, status.interruptions) == (1, 1, 1)
    assert status.throttle_reasons == ["replica_lag 12 s, limit 5 s"]
    assert status.words == "replica_lag 12 s, limit 5 s"


def test_a_run_is_found_by_its_id_its_group_and_the_beginning_of_either(
    stand: IterationStand, control: RunControl
) -> None:
    for number in range(3):
        stand.start(id=f"0199-{number}", group_id="4711-pod" if number else None)
    assert names(control, "0199-0") == ["0199-0"]
    assert names(control, "4711-pod") == ["0199-1", "0199-2"]
    assert names(control, "4711") == ["0199-1", "0199-2"]
    assert names(control, "0199") == ["0199-0", "0199-1", "0199-2"]
    assert names(control, "0199-%") == names(control, "_") == names(control, "nothing") == []


def test_a_whole_id_that_is_the_beginning_of_another_is_that_run(
    stand: IterationStand, control: RunControl
) -> None:
    stand.start(id="0199")
    stand.start(id="01990")
    assert names(control, "0199") == ["0199"]


def names(control: RunControl, text_: str) -> list[str]:
    return [status.run.id for status in control.listing.named(text_)]


def test_a_list_has_the_latest_first_with_their_partitions(
    stand: IterationStand, control: RunControl
) -> None:
    for number in range(4):
        stand.start([5] if number == 2 else (), id=f"run-{number}", job_class="Other" if number else "Fill")
        stand.clock.advance(1)
    page = control.listing.page(limit=2)
    assert [(status.run.id, len(status.partitions)) for status in page] == [("run-3", 1), ("run-2", 2)]
    after = control.listing.page(limit=2, after=page[-1].run)
    assert [status.run.id for status in after] == ["run-1", "run-0"]
    assert [status.run.id for status in control.listing.page(job_class="Fill")] == ["run-0"]
    assert control.listing.page([RunState.PAUSED]) == []


def test_a_list_waits_for_nobody_who_writes(stand: IterationStand, control: RunControl) -> None:
    stand.start()
    held = stand.take("a")
    with stand.engine.begin() as connection:
        stand.work(connection, stand.partitions.lock(connection, held), 5)
        stand.runs.lock(connection, RUN)
        [status] = control.listing.page()
    assert (status.rows_done, status.now) == (0, NOW)


def test_the_errors_of_a_run_without_a_reason_stand_with_its_partitions(
    stand: IterationStand, control: RunControl
) -> None:
    stand.start()
    stand.leases.release(stand.take("a"), Leaving.FAILED, "division by zero")
    stand.transition(RunState.FAILED)
    assert control.listing.get(RUN).words == "division by zero"
