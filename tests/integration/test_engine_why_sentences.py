"""What is said of a job that does not run: who, where, since when, until when, and what to do."""

from __future__ import annotations

import pytest

from podwork import keys
from podwork.identity import new_job_id
from podwork.limits import Bucket, Concurrency, Window
from podwork.why import Code, Why
from tests.support.engine import A, B, claim, expire, push
from tests.support.reasons import (
    HELD,
    LATER_MS,
    LEASE_MS,
    Pod,
    after,
    being_let_in,
    dead,
    fields,
    gate,
    held,
    hush,
    limited,
    on_hold,
    pod_at,
    quiet,
    without_worker,
)
from tests.support.wait import until


@pytest.fixture
def pod(store_url: str) -> Pod:
    pod = pod_at(store_url)
    pod.queues.register(A, fields())
    return pod


def test_running_says_where_and_since_when(pod: Pod) -> None:
    why = pod.why(held(pod))
    assert why.details["incarnation"] == A
    assert why.details["process"] == "web-3:4711"
    assert "web-3:4711" in why.sentence
    assert 0 <= explain_age(pod, why) < 20


def explain_age(pod: Pod, why: Why) -> float:
    [seconds, _] = pod.queues.store.command("TIME")
    return int(seconds) + 1 - float(why.details["since"])


def test_a_silent_holder_is_told_from_one_that_has_just_beaten(pod: Pod) -> None:
    job_id = held(pod)
    hush(pod, A, LEASE_MS * 2 // 5)
    assert pod.why(job_id).code is Code.RUNNING
    hush(pod, A, LEASE_MS // 4)
    alone = pod.why(job_id)
    assert alone.code is Code.LEASE_EXPIRED
    assert "podctl workers" in alone.remedy
    pod.queues.register(B, fields())
    together = pod.why(job_id)
    assert "given back in about" in together.sentence
    assert together.details["lease_left_seconds"] == pytest.approx(LEASE_MS / 4000, abs=2)
    hush(pod, A, -1000)
    assert pod.why(job_id).details["lease_left_seconds"] == 0
    pod.queues.reclaim()
    assert pod.why(job_id).code is Code.WORKERS_BUSY


@pytest.mark.parametrize("because", ["later", "retry", "snoozed", "interrupted"])
def test_a_scheduled_job_says_when_it_is_due_and_why_not_now(pod: Pod, because: str) -> None:
    job_id = pod.one(due_ms=LATER_MS if because == "later" else 0)
    if because != "later":
        [lease] = claim(pod.queues)
        {
            "retry": lambda: pod.queues.retry(A, lease, LATER_MS / 1000, "ValueError: boom"),
            "snoozed": lambda: pod.queues.snooze(A, lease, LATER_MS / 1000, {"z": "2"}),
            "interrupted": lambda: pod.queues.snooze(A, lease, LATER_MS / 1000, interrupted=True),
        }[because]()
    why = pod.why(job_id)
    assert (why.code, why.details["because"], why.details["due_at"]) == (
        Code.SCHEDULED,
        because,
        LATER_MS / 1000,
    )
    assert "2096-10-02 07:06:40 UTC" in why.sentence
    assert ("boom" in why.sentence) is (because == "retry")
    assert ("twice" in why.sentence) is (because == "snoozed")


def test_what_is_due_while_nobody_lives_waits_for_a_worker(pod: Pod) -> None:
    job_id = pod.one(due_ms=1)
    assert pod.why(job_id).code is Code.SCHEDULED
    pod.queues.deregister(A)
    assert pod.why(job_id).code is Code.NO_WORKER


def test_what_is_to_be_let_in_while_nobody_lives_waits_for_a_worker(pod: Pod) -> None:
    job_id = being_let_in(pod)
    pod.queues.deregister(A)
    assert pod.why(job_id).code is Code.NO_WORKER


def test_the_dead_say_why_and_how_they_run_again(pod: Pod) -> None:
    why = pod.why(dead(pod))
    assert why.details["error"] == "ValueError: boom"
    assert why.details["fingerprint"] == "0123abcd"
    assert "ValueError: boom" in why.sentence
    assert "podctl jobs retry" in why.remedy


@pytest.mark.parametrize(
    "scope",
    [
        {},
        {"queue": "default"},
        {"shop": "7"},
        {"queue": "default", "shop": "7"},
        {"job_class": "shop.collect"},
    ],
)
def test_a_hold_says_who_why_and_until_when(pod: Pod, scope: dict[str, str]) -> None:
    why = pod.why(on_hold(**scope)(pod))
    assert (why.details["owner"], why.details["reason"]) == ("ada", "incident 12")
    assert why.details["until"] is not None
    assert "60 min" in why.sentence
    assert f"podctl holds lift {why.details['hold']}" in why.remedy


@pytest.mark.parametrize("scope", [{"queue": "low"}, {"shop": "8"}, {"job_class": "shop.other"}])
def test_a_hold_on_others_stops_nothing(pod: Pod, scope: dict[str, str]) -> None:
    assert pod.why(on_hold(**scope)(pod)).code is Code.WORKERS_BUSY


def test_a_hold_whose_time_is_over_lets_in(pod: Pod) -> None:
    job_id = pod.one()
    pod.holds.place(shop="7", seconds=0.2, **HELD)
    assert claim(pod.queues) == []
    until(lambda: pod.why(job_id).code is not Code.HELD_SHOP)
    assert pod.why(job_id).code is Code.LETTING_IN
    until(lambda: pod.queues.sound_alarms() > 0)
    assert pod.why(job_id).code is Code.WORKERS_BUSY


def test_a_moved_shop_says_to_which_pod(pod: Pod) -> None:
    job_id = gate("moved")(pod)
    why = pod.why(job_id)
    assert (why.details["pod_id"], why.details["epoch"]) == (3, 5)
    assert "--pod 3" in why.remedy
    gone = pod.why(new_job_id(1, "7"))
    assert (gone.code, gone.details["pod_id"]) == (Code.NOT_HERE, 3)


def test_a_limit_of_concurrency_says_who_has_the_slots(pod: Pod) -> None:
    pod.limits.set(Concurrency(2), job_class="shop.collect")
    first = push(pod.queues, ("7", 2))
    waiting = push(pod.queues, ("8", 2))
    claim(pod.queues)
    why = pod.why(waiting[1])
    assert (why.details["holders"], why.details["taken"], why.details["waiting"]) == (first, 2, 2)
    assert "class shop.collect" in why.sentence


def test_behind_those_who_wait_for_a_limit_one_waits_for_it_too(pod: Pod) -> None:
    """A slot that has just come free goes to them first, as the claim has it."""
    job_id = limited(Concurrency(1))(pod)
    claim(pod.queues)
    later = pod.one()
    pod.queues.store.command("DEL", keys.passes("class=shop.collect:concurrency"))
    assert pod.why(later).code is Code.LIMIT_CONCURRENCY
    assert claim(pod.queues) == []
    assert pod.why(job_id).code is Code.LETTING_IN


def test_who_was_given_a_slot_waits_only_for_its_turn(pod: Pod) -> None:
    pod.limits.set(Concurrency(1), job_class="shop.collect")
    pod.one()
    [running] = claim(pod.queues)
    job_id = pod.one()
    claim(pod.queues)
    pod.queues.acknowledge(A, [running])
    assert pod.why(job_id).code is Code.WORKERS_BUSY


@pytest.mark.parametrize("limit", [Window(1, per_seconds=3600), Bucket(1, per_seconds=3600)])
def test_a_rate_says_when_the_next_may_start(pod: Pod, limit: Window | Bucket) -> None:
    why = pod.why(limited(limit)(pod))
    [seconds, _] = pod.queues.store.command("TIME")
    assert why.code is Code.LIMIT_RATE
    assert 3500 < why.details["next_at"] - int(seconds) <= 3601
    assert "60 min" in why.sentence


def test_a_limit_for_each_shop_stops_only_the_shop_that_is_over_it(pod: Pod) -> None:
    pod.limits.set(Concurrency(1, each_shop=True), job_class="shop.collect")
    pod.one()
    claim(pod.queues)
    over, [other] = pod.one(), push(pod.queues, ("8", 1))
    why = pod.why(over)
    assert why.code is Code.LIMIT_CONCURRENCY
    assert "shop 7" in why.sentence
    assert pod.why(other).code is Code.WORKERS_BUSY


def test_a_removed_limit_lets_in(pod: Pod) -> None:
    pod.limits.set(Concurrency(1), job_class="shop.collect")
    push(pod.queues, ("7", 1))
    claim(pod.queues)
    waiting = push(pod.queues, ("7", 300))
    claim(pod.queues, 1000)
    pod.limits.remove("class=shop.collect:concurrency")
    reasons = {pod.why(job_id).code for job_id in (waiting[0], waiting[-1])}
    assert reasons == {Code.WORKERS_BUSY, Code.LETTING_IN}, (
        "two hundred are let in at once, the rest by an alarm"
    )


def test_after_a_job_names_that_job(pod: Pod) -> None:
    job_id = after(pod)
    first = pod.why(job_id).details["job_id"]
    assert pod.why(first).code is Code.RUNNING
    assert first in pod.why(job_id).sentence


def test_no_worker_says_what_the_others_serve(pod: Pod) -> None:
    why = pod.why(without_worker(pod))
    assert (why.details["queue"], why.details["queues"]) == ("low", ["default"])
    assert "--queues low" in why.remedy
    expire(pod.queues, A)
    assert "none lives" in pod.why(pod.one()).sentence


def test_one_worker_that_is_not_quiet_is_enough(pod: Pod) -> None:
    job_id = quiet(pod)
    pod.queues.register(B, fields(stopping=1))
    assert len(pod.why(job_id).details["processes"]) == 2
    pod.queues.register("host:3:cccc", fields())
    assert pod.why(job_id).code is Code.WORKERS_BUSY


def test_a_turn_says_who_is_before(pod: Pod) -> None:
    pod.queues.register(A, fields("critical,default"))
    push(pod.queues, ("9", 4), queue="critical")
    push(pod.queues, ("8", 3))
    mine = push(pod.queues, ("7", 5))
    why = pod.why(mine[3])
    assert why.details == {
        "ahead": 3, "turns": 1, "shops": 2, "workers": 1, "threads": 5, "busy": 0, "urgent": {"critical": 4},
    }  # fmt: skip
    pod.queues.register(B, fields("default"))
    assert pod.why(mine[3]).details["urgent"] == {}, "this one looks into default first"
