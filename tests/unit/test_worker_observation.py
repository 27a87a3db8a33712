"""The tally: every attempt in exactly one delta."""

from __future__ import annotations

import threading

from podwork.observation import DURATION_BUCKETS_SECONDS, WAIT_BUCKETS_SECONDS, Attempt, PodGauges, Tally


def test_a_delta_counts_by_queue_class_and_outcome() -> None:
    tally = Tally()
    tally.attempt("low", "c", "succeeded", 0.06, 0.05)
    tally.attempt("low", "c", "succeeded", 0.01, 4000.0)
    tally.attempt("low", "c", "parked")
    tally.enqueued("high", "d", 4)
    tally.reclaimed(2)
    tally.stale_epoch()
    seen = tally.take(busy=1, idle=4, directory_epoch=9, connected=False)
    assert seen.attempts == {"low|c|succeeded": 2, "low|c|parked": 1}
    assert seen.enqueued == {"high|d": 4}
    assert (seen.reclaimed, seen.stale_epochs, seen.busy, seen.idle) == (2, 1, 1, 4)
    assert (seen.directory_epoch, seen.connected) == (9, False)
    duration, wait = seen.durations["c"], seen.waits["low"]
    assert (duration.counts[:2], sum(duration.counts), len(duration.counts)) == (
        [1, 1],
        2,
        len(DURATION_BUCKETS_SECONDS) + 1,
    )
    assert (wait.counts[0], wait.counts[-1], len(wait.counts)) == (1, 1, len(WAIT_BUCKETS_SECONDS) + 1)
    assert tally.take().attempts == {}


def test_a_bound_belongs_to_its_bucket() -> None:
    tally = Tally()
    tally.attempt("q", "c", "succeeded", DURATION_BUCKETS_SECONDS[0], 0.0)
    assert tally.take().durations["c"].counts[0] == 1


def test_what_is_said_of_the_pod_stands_until_it_is_taken_back() -> None:
    tally, pod = Tally(), PodGauges(jobs={"dead": 1})
    assert tally.take().pod is None
    tally.surveyed(pod)
    assert [tally.take().pod, tally.take().pod] == [pod, pod]
    tally.surveyed(None)
    assert tally.take().pod is None


def test_that_redis_lacks_jobs_stands_until_it_is_taken_back() -> None:
    tally = Tally()
    tally.compared(lacks_jobs=True)
    assert tally.take().pod is None
    tally.surveyed(PodGauges(jobs={"dead": 1}))
    assert tally.take().pod == PodGauges(jobs={"dead": 1}, lacks_jobs=True)
    tally.compared(lacks_jobs=False)
    assert tally.take().pod == PodGauges(jobs={"dead": 1})


def add(tally: Tally, batch: list[Attempt]) -> None:
    for _ in range(100):
        tally.attempts(batch)


def test_nothing_is_counted_twice_or_not_at_all_while_threads_add() -> None:
    tally, threads, taken = Tally(), [], 0
    for _ in range(4):
        batch = [Attempt("q", "c", "succeeded", 0.001, 0.001)] * 50
        thread = threading.Thread(target=add, args=(tally, batch))
        threads.append(thread)
        thread.start()
    while any(thread.is_alive() for thread in threads):
        taken += tally.take().attempts.get("q|c|succeeded", 0)
    assert taken + tally.take().attempts.get("q|c|succeeded", 0) == 4 * 50 * 100
