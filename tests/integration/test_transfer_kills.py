"""A mover dies between any two scripts of a passage of jobs: a successor repeats the step, or gives up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest

from podwork import App, keys
from podwork.errors import JobsDiffer
from podwork.transfer import bringing, manifest, side
from podwork.unique import Unique
from tests.support.engine import A, claim, ids, push, push_call
from tests.support.servers import PrivateServers
from tests.support.transfers import (
    EPOCH,
    MARKS,
    STEPS_AFTER,
    STEPS_BACK,
    STEPS_THERE,
    Killed,
    Picture,
    Stand,
    all_of,
    check_order,
    fill,
    killed_at,
    picture,
    stand,
)

QUEUES = ["default", "low"]
app = App("shop")


@app.job(name="shop.index", unique=Unique())
def index(n: int) -> None:
    """Unique by its argument."""


@pytest.fixture
def pods(private_servers: PrivateServers, monkeypatch: pytest.MonkeyPatch) -> Stand:
    for module in (side, bringing, manifest):
        monkeypatch.setattr(module, "PAGE_JOBS", 4)  # several pages of each kind
    return stand(private_servers)


def begin(pods: Stand) -> Picture:
    """Begin anew, with a shop that has jobs in every state."""
    for queues in pods:
        queues.store.client.flushdb()
        queues.register(A, {"pid": 1})
    fill(pods.source)
    return picture(pods.source)


def startable(pods: Stand) -> tuple[bool, bool]:
    """Return at which pod a job of the shop can be started now; what is started is given back."""
    found = []
    for queues in pods:
        leases = claim(queues, 50, names=QUEUES)
        found.append(any(lease.shop == "7" for lease in leases))
        queues.release(A, leases)
    return found[0], found[1]


@pytest.fixture(params=[7, pytest.param(1, marks=pytest.mark.slow)], ids=["some", "all"])
def every(request: pytest.FixtureRequest) -> int:
    """At each how-manieth point the mover is killed: an odd number meets those before and after scripts."""
    return int(request.param)


def kills(
    pods: Stand, done: tuple[str, ...], steps: tuple[str, ...], least: int, every: int
) -> Iterator[Picture]:
    """Kill the first mover at points of the steps, one after the other; yield what the shop had."""
    number = 0
    while True:
        number += every
        before = begin(pods)
        mover = pods.transfer(mover=1)
        pods.run(mover, *done)
        with killed_at(number) as reached, suppress(Killed):
            pods.run(mover, *steps)
        if len(reached) < number:
            assert number > least, "so many points are there"
            return
        yield before


def test_killed_before_the_switch_the_successor_gives_up_and_begins_again(pods: Stand, every: int) -> None:
    for before in kills(pods, (), STEPS_THERE, 40, every):
        assert not startable(pods)[1], "behind the target's gate nothing starts"
        pods.run(pods.transfer(mover=2), *STEPS_BACK)
        assert picture(pods.source).records == before.records
        assert not any(picture(pods.target))
        assert startable(pods) == (True, False)
        check_order(pods.source)
        check_order(pods.target)
        assert not set(MARKS) & (set(all_of(pods.source)) | set(all_of(pods.target)))
        again = picture(pods.source)
        pods.move(mover=3)
        assert picture(pods.target) == again
        assert startable(pods) == (False, True)


def test_killed_before_the_switch_the_same_is_tried_again(pods: Stand, every: int) -> None:
    """What the target has stays, and is set right."""
    for _ in kills(pods, (), STEPS_THERE, 40, every):
        successor = pods.transfer(mover=2)
        successor.pass_here()
        gone = claim(pods.source, 3)
        assert pods.source.acknowledge(A, gone[:2]) == []
        pods.source.bury(A, gone[2], "x")
        push(pods.source, ("7", 1))
        again = picture(pods.source)
        pods.run(successor, *STEPS_THERE)
        assert picture(pods.target) == again
        check_order(pods.target)


def test_killed_after_the_switch_the_successor_goes_on(pods: Stand, every: int) -> None:
    for before in kills(pods, STEPS_THERE, STEPS_AFTER, 12, every):
        here, there = startable(pods)
        assert not here, "behind the source's gate nothing starts"
        there_before = picture(pods.target)
        pods.run(pods.transfer(mover=2), *STEPS_AFTER)
        assert picture(pods.target) == (there_before if there else before)
        assert not any(picture(pods.source))
        assert startable(pods) == (False, True)
        for queues in pods:
            check_order(queues)
            assert not set(MARKS) & set(all_of(queues))


def test_killed_while_it_gives_up_the_successor_gives_up(pods: Stand, every: int) -> None:
    for before in kills(pods, STEPS_THERE[:4], STEPS_BACK, 12, every):
        assert not startable(pods)[1]
        as_it_was = picture(pods.source)
        assert as_it_was.records == before.records
        pods.run(pods.transfer(mover=2), *STEPS_BACK)
        assert picture(pods.source).records == before.records
        assert not any(picture(pods.target))
        for queues in pods:
            check_order(queues)
            assert not set(MARKS) & set(all_of(queues))


def test_killed_while_late_jobs_are_pushed_on_none_is_lost_or_doubled(pods: Stand, every: int) -> None:
    number = 0
    while True:
        number += every
        begin(pods)
        mover = pods.transfer(mover=1)
        pods.run(mover, *STEPS_THERE, "leave_here", "pass_there")
        gate = pods.source.store.client.hget(keys.GATE, "7")
        pods.source.store.client.hdel(keys.GATE, "7")
        late = push(pods.source, ("7", 6), queue="late")
        pods.source.store.client.hset(keys.GATE, "7", gate)
        with killed_at(number) as reached, suppress(Killed):
            pods.run(mover, "sweep_here")
        pods.run(pods.transfer(mover=2), *STEPS_AFTER)
        assert sorted(ids(claim(pods.target, 20, names=["late"]))) == sorted(late)
        assert not any(picture(pods.source))
        check_order(pods.source)
        if len(reached) < number:
            assert number > 10
            return


@pytest.mark.parametrize("last", STEPS_THERE)
def test_a_successor_that_does_not_open_the_gate_begins_anew(pods: Stand, last: str) -> None:
    before = begin(pods)
    pods.run(pods.transfer(mover=1), *STEPS_THERE[: STEPS_THERE.index(last) + 1])
    pods.move(mover=2)
    assert picture(pods.target) == before


def test_a_lock_that_ended_between_two_attempts_is_not_left_at_the_target(pods: Stand) -> None:
    """It would keep away every later job like it, for a job that nobody has."""
    push_call(pods.source, index, n=1)
    pods.run(pods.transfer(mover=1), *STEPS_THERE)
    successor = pods.transfer(mover=2)
    successor.pass_here()
    assert pods.source.acknowledge(A, claim(pods.source)) == []
    assert pods.source.store.command("HGETALL", keys.locks("7")) == []
    pods.run(successor, *STEPS_THERE)
    assert pods.target.store.command("HGETALL", keys.locks("7")) == []


def test_each_step_may_be_repeated(pods: Stand) -> None:
    before = begin(pods)
    transfer = pods.transfer()
    for step in (*STEPS_THERE, *STEPS_AFTER):
        pods.run(transfer, step, step)
    assert picture(pods.target) == before
    for queues in pods:
        check_order(queues)
    back = pods.transfer(mover=2)
    with pytest.raises(Exception, match="open"):  # after the switch only forward
        pods.run(back, "close_there")
    assert back._epoch + 1 == EPOCH + 1


def test_each_step_of_giving_up_may_be_repeated(pods: Stand) -> None:
    before = begin(pods)
    transfer = pods.transfer()
    pods.run(transfer, *STEPS_THERE)
    for step in STEPS_BACK:
        pods.run(transfer, step, step)
    assert picture(pods.source) == before
    assert not any(picture(pods.target))


def test_a_target_that_was_cleared_behind_the_marks_is_not_switched_to(pods: Stand) -> None:
    begin(pods)
    transfer = pods.transfer()
    pods.run(transfer, *STEPS_THERE[:4])
    for job_id in pods.target.store.command("ZRANGE", keys.arrived("7"), 0, 2):
        transfer._there.bring(gone=[job_id])
    with pytest.raises(JobsDiffer):
        transfer.bring_last()
