"""The dispatcher step by step, against a real Redis: what it holds, and what lost answers do to it."""

from __future__ import annotations

import select
import time
from collections.abc import Sequence
from contextlib import suppress

import pytest

from podwork import keys, record
from podwork.errors import LeaseLost, StoreUnavailable
from podwork.identity import new_job_id
from podwork.inspection import Inspection
from podwork.lease import Lease
from podwork.observation import Tally
from podwork.queues import End, PushGroup, Queues
from podwork.store import Store
from podwork.worker.life import Life
from podwork.worker.manager import Ended, Manager
from podwork.worker.outage import Outage
from podwork.worker.prefetch import MOST_HELD, Prefetch
from podwork.worker.queue_order import QueueOrder
from tests.support.wait import until

ME, OTHER = "host:1:aaaa", "host:2:bbbb"
QUEUE = "default"


class LossyQueues(Queues):
    """Queues whose next answers get lost on the way: the scripts ran, the caller does not learn it."""

    lose = 0
    lose_release = 0

    def release(self, incarnation: str, leases: Sequence[Lease], *, interrupted: bool = False) -> int:
        answer = super().release(incarnation, leases, interrupted=interrupted)
        if self.lose_release:
            self.lose_release -= 1
            raise StoreUnavailable("here", "the answer got lost")
        return answer

    def turn(
        self, incarnation: str, ends: Sequence[End], queues: Sequence[str], limit: int, *, channel: str = ""
    ) -> tuple[list[str], list[Lease]]:
        answer = super().turn(incarnation, ends, queues, limit, channel=channel)
        if self.lose:
            self.lose -= 1
            raise StoreUnavailable("here", "the answer got lost")
        return answer


@pytest.fixture
def queues(redis_url: str) -> LossyQueues:
    queues = LossyQueues(Store(redis_url), lease_seconds=30)
    queues.register(ME, {"pid": 1})
    return queues


TOLD: list[str] = []


def manager_of(queues: Queues, threads: int = 2, tally: Tally | None = None) -> Manager:
    life = Life(ME, 30)
    return Manager(
        queues, QueueOrder([QUEUE]), Prefetch(threads, 0.05), tally or Tally(), life, Outage(), TOLD.append
    )


def push(queues: Queues, count: int) -> list[str]:
    prefix = record.payload_prefix("shop.collect", 1)
    jobs = [(new_job_id(1, "7"), record.encode_first(QUEUE, 1, prefix, b"{}")) for _ in range(count)]
    assert queues.push([PushGroup(QUEUE, "7", 1, jobs)]) == []
    return [job_id for job_id, _ in jobs]


def end(manager: Manager, lease: Lease, seconds: float = 0.0001) -> None:
    manager.ended(Ended(lease, "succeeded", seconds, 0.0))


def hear(manager: Manager, seconds: float = 5.0) -> None:
    """Wait until something can be heard."""
    manager._ear.wait(0)  # a ring, if any, is answered by that
    manager._ear.wait(seconds)


def heard(manager: Manager, jobs: int) -> bool:
    """Take in what has been said so far, and tell whether so many jobs are ready now."""
    hear(manager, 0.1)
    manager.step()
    return ready(manager) == jobs


def ready(manager: Manager) -> int:
    return len(manager._ready)


def test_idle_threads_claim_one_each_until_durations_are_known(queues: Queues) -> None:
    push(queues, 300)
    manager = manager_of(queues, threads=2)
    manager.step()
    assert ready(manager) == 2
    end(manager, manager.take())
    end(manager, manager.take())
    manager.step()  # measured with this turn's ends, so it already claims ahead
    assert ready(manager) == MOST_HELD
    assert Inspection(queues.store).totals()["acknowledged"] == 2


def test_one_round_trip_acknowledges_and_claims(queues: Queues, monkeypatch: pytest.MonkeyPatch) -> None:
    push(queues, 10)
    manager = manager_of(queues)
    manager.step()
    end(manager, manager.take(), seconds=1.0)
    calls: list[int] = []
    exchange = queues.store.call_many

    def counting(calls_made: Sequence[tuple[str, Sequence[object]]]) -> object:
        calls.append(len(calls_made))
        return exchange(calls_made)  # type: ignore[arg-type]

    monkeypatch.setattr(queues.store, "call_many", counting)
    manager.step()
    assert calls == [2]


def test_jobs_of_a_claim_whose_answer_was_lost_are_adopted(queues: LossyQueues) -> None:
    pushed = push(queues, 2)
    manager = manager_of(queues)
    queues.lose = 1
    with pytest.raises(StoreUnavailable):
        manager.step()
    assert (ready(manager), queues.store.client.hlen(keys.held(ME))) == (0, 2)
    manager.step()
    assert sorted([manager.take().id, manager.take().id]) == sorted(pushed)


def test_what_is_known_already_is_not_adopted_again(queues: LossyQueues) -> None:
    push(queues, 3)
    manager = manager_of(queues, threads=2)
    manager.step()
    first, second = manager.take(), manager.take()
    end(manager, first, seconds=1.0)
    queues.lose = 1
    with pytest.raises(StoreUnavailable):
        manager.step()  # acknowledges the first, claims the third; nobody hears of it
    manager.step()
    third = manager.take()
    assert third.id not in {first.id, second.id}
    assert ready(manager) == 0


def test_an_end_that_was_heard_but_not_answered_counts_as_it_was(queues: LossyQueues) -> None:
    push(queues, 1)
    tally = Tally()
    manager = manager_of(queues, tally=tally)
    manager.step()
    end(manager, manager.take(), seconds=1.0)
    manager._dry = False
    queues.lose = 1
    with pytest.raises(StoreUnavailable):
        manager.step()
    assert not manager.holds_nothing, "the result is kept until Redis takes or refuses it"
    manager.step()
    assert manager.holds_nothing
    assert tally.take().attempts == {"default|shop.collect|succeeded": 1}


def test_an_end_that_is_refused_is_lost(queues: Queues) -> None:
    push(queues, 1)
    tally = Tally()
    manager = manager_of(queues, tally=tally)
    manager.step()
    lease = manager.take()
    queues.release(ME, [lease])
    end(manager, lease)
    manager.step()
    assert tally.take().attempts == {"default|shop.collect|lost": 1}
    assert Inspection(queues.store).counts().ready + Inspection(queues.store).counts().held == 1


def test_jobs_behind_others_that_do_not_end_are_given_back(queues: Queues) -> None:
    push(queues, 50)
    manager = manager_of(queues, threads=2)
    manager.step()
    for lease in (manager.take(), manager.take()):
        end(manager, lease)
    manager.step()
    waiting = ready(manager)
    assert waiting == 48
    running = [manager.take(), manager.take()]
    manager.step()
    assert ready(manager) == 46, "a moment is no stall"
    manager._intake.moved_at = time.monotonic() - 1.0
    manager.step()
    assert ready(manager) == 0
    counts = Inspection(queues.store).counts()
    assert (counts.ready, counts.held) == (46, 2)
    end(manager, running[0], seconds=1.0)
    manager._dry = False
    manager.step()
    assert ready(manager) == 1, "only what an idle thread can start at once"


def test_order_survives_a_release(queues: Queues) -> None:
    pushed = push(queues, 20)
    manager = manager_of(queues, threads=2)
    manager.step()
    manager.quiet()
    manager.step()
    manager.resume()
    manager.step()
    assert [manager.take().id, manager.take().id] == pushed[:2]


def test_quiet_gives_back_and_claims_nothing(queues: Queues) -> None:
    push(queues, 5)
    manager = manager_of(queues)
    manager.step()
    manager.quiet()
    manager.step()
    manager.step()
    assert Inspection(queues.store).counts().ready == 5
    assert manager.holds_nothing


def test_a_hint_that_cannot_be_used_is_handed_on(queues: Queues) -> None:
    manager = manager_of(queues)
    other = queues.store.listen("podwork:ear:other")
    queues.register(OTHER, {"pid": 2})
    push(queues, 1)
    leases = queues.claim(OTHER, [QUEUE], 1)
    manager.step()
    queues.claim(OTHER, [QUEUE], 1, channel="podwork:ear:other")
    queues.release(OTHER, leases)  # the manager waits longer: it is told
    hear(manager)
    manager.quiet()
    manager.step()
    assert select.select([other], [], [], 5)[0], "another child is woken"
    assert other.hear() == [b""]
    assert Inspection(queues.store).counts().ready == 1
    push(queues, 1)
    assert not manager._held, "who is quiet is not idle: nothing is handed to it"


def test_a_job_that_was_handed_over_is_run_without_a_claim(queues: Queues) -> None:
    manager = manager_of(queues)
    manager.step()
    pushed = push(queues, 1) + push(queues, 1)
    until(lambda: heard(manager, 2), message="both of them")
    assert [manager.take().id, manager.take().id] == pushed
    assert Inspection(queues.store).totals()["claimed:default"] == 2


def test_when_its_room_is_used_up_it_looks_for_more(queues: Queues) -> None:
    manager = manager_of(queues, threads=2)
    manager.step()
    [*_, last] = push(queues, 3)
    hear(manager)
    manager.step()
    end(manager, manager.take(), seconds=1.0)
    manager.step()
    assert {manager.take().id, manager.take().id} >= {last}


def test_what_was_handed_over_is_adopted_when_the_line_ended(queues: Queues) -> None:
    manager = manager_of(queues)
    manager.step()
    [job_id] = push(queues, 1)
    queues.store.command("CLIENT", "KILL", "TYPE", "pubsub")
    hear(manager)
    # The word came before the end of the line, or was lost with it; the job is here either way, once.
    manager.step()
    with suppress(StoreUnavailable):
        manager._ear.wait(0)
        manager.step()
    manager.step()
    assert [lease.id for lease in manager._ready._jobs] == [job_id]
    [later] = push(queues, 1)
    hear(manager)
    manager.step()
    assert [lease.id for lease in manager._ready._jobs] == [job_id, later], "and it listens again"


def test_what_was_adopted_before_it_was_heard_is_not_run_twice(queues: Queues) -> None:
    manager = manager_of(queues)
    manager.step()
    [job_id] = push(queues, 1)
    manager._adopt_at = time.monotonic()
    manager.step()
    lease = manager.take()
    assert lease.id == job_id
    end(manager, lease, seconds=1.0)
    manager.step()
    hear(manager, 0.05)
    manager.step()
    assert ready(manager) == 0
    assert manager.holds_nothing


def test_an_idle_child_looks_for_itself_when_it_is_told_nothing(queues: Queues) -> None:
    manager = manager_of(queues)
    manager.step()
    queues.store.command("DEL", keys.IDLE, keys.idle(QUEUE))  # as if somebody had been told, and died of it
    push(queues, 1)
    manager.step()
    assert ready(manager) == 0
    manager._look_at = time.monotonic()
    manager.step()
    assert ready(manager) == 1


def test_a_lost_lease_is_not_worked_around(queues: Queues) -> None:
    push(queues, 1)
    manager = manager_of(queues)
    queues.deregister(ME)
    with pytest.raises(LeaseLost):
        manager.step()
    assert ready(manager) == 0


def test_what_a_late_claim_took_is_adopted_within_a_minute(queues: Queues) -> None:
    [job_id] = push(queues, 1)
    manager = manager_of(queues)
    queues.claim(ME, [QUEUE], 1)  # sent by a connection that was given up; delivered after all was adopted
    manager.step()
    assert ready(manager) == 0
    manager._adopt_at = time.monotonic()
    manager.step()
    assert manager.take().id == job_id
    assert manager._adopt_at > time.monotonic() + 30


def test_jobs_given_back_without_an_answer_are_not_claimed_until_redis_answers(queues: LossyQueues) -> None:
    [first, *rest] = push(queues, 3)
    manager = manager_of(queues, threads=1)
    manager._prefetch.measured([0.0001])
    manager.step()
    running = manager.take()
    assert running.id == first
    manager._intake.moved_at = time.monotonic() - 1.0  # it does not end: the two behind it are given back
    queues.lose_release = 1
    with pytest.raises(StoreUnavailable):
        manager.step()
    end(manager, running, seconds=1.0)
    manager._dry = False
    manager.step()
    assert ready(manager) == 0, "they are given back once more: nobody may have started them meanwhile"
    manager._dry = False
    manager.step()
    assert manager.take().id == rest[0]


def test_a_job_that_is_still_being_settled_is_not_started_again(queues: Queues) -> None:
    [job_id] = push(queues, 1)
    manager = manager_of(queues, threads=2)
    manager.step()
    lease = manager.take()
    queues.release(ME, [lease])  # by the processor, which heard no answer and will say it again
    manager._dry = False
    manager.step()
    assert ready(manager) == 0
    assert queues.release(ME, [lease]) == 1
    manager.settled(lease)
    manager._dry = False
    manager.step()
    assert manager.take().id == job_id


def test_a_job_that_is_claimed_again_before_it_is_settled_is_started(queues: Queues) -> None:
    [job_id] = push(queues, 1)
    manager = manager_of(queues, threads=2)
    manager.step()
    lease = manager.take()
    queues.release(ME, [lease])  # by the processor, which hears the answer, but has not said so here
    manager._dry = False
    manager.step()
    assert ready(manager) == 0
    manager.settled(lease)
    manager.step()
    assert manager.take().id == job_id
    assert [held.id for held in manager.running()] == [job_id], "and it is known to run"
