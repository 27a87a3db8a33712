"""The pod as its leader describes it: exact where it says so, silent when the child does not lead."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from podwork import keys, record
from podwork.identity import new_job_id
from podwork.observation import PodGauges, ScheduleGauges, Tally
from podwork.queues import PushGroup, Queues
from podwork.schedules.schedules import Schedules
from podwork.store import Store
from podwork.worker.life import Life
from podwork.worker.outage import Outage
from podwork.worker.spec import Surroundings
from podwork.worker.surveyor import Surveyor, survey
from podwork_ops.local.redis import RedisServer
from tests.support.schedules import Clock, Leader, an_app
from tests.support.wait import until

A = "host:1:a"


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = Store(store_url)
    yield store
    store.close()


def redis_ms(store: Store) -> int:
    seconds, microseconds = store.command("TIME")
    return int(seconds) * 1000 + int(microseconds) // 1000


def push(queues: Queues, queue: str, shop: str, count: int, due_ms: int, *, later: bool = False) -> None:
    stored = record.encode_first(queue, due_ms, record.payload_prefix("work", 0), b"{}")
    group = [(new_job_id(due_ms, shop), stored) for _ in range(count)]
    assert queues.push([PushGroup(queue, shop, 0, group, due_ms if later else 0)]) == []


def test_a_pod_with_work_in_every_state(store: Store) -> None:
    queues, now_ms = Queues(store), redis_ms(store)
    queues.register(A, {"pid": 1})
    push(queues, "default", "1", 2, now_ms - 90_000)
    push(queues, "default", "2", 3, now_ms - 10_000)
    push(queues, "low", "1", 1, now_ms)
    push(queues, "low", "1", 4, now_ms + 600_000, later=True)
    [one] = queues.claim(A, ["low"], 1)
    buried, *_ = queues.claim(A, ["default"], 1)
    queues.bury(A, buried, "no use")
    found = survey(store, [])
    assert found.queue_jobs == {"default|ready": 4, "default|held": 0, "low|ready": 0, "low|held": 1}
    assert found.jobs == {"scheduled": 4, "parked": 0, "dead": 1}
    assert found.queue_latency_seconds["default"] == pytest.approx(90, abs=5)
    assert found.queue_latency_seconds["low"] == 0.0
    assert one.queue == "low"


def test_schedules_are_told_with_their_service_levels(store: Store) -> None:
    app = an_app(
        declare=lambda app: app.schedule("beat", app.job_class("work"), every=60, at_least_every=300)
    )
    Leader(store, app.schedules, Clock(redis_ms(store))).look()
    store.command("HSET", keys.SUCCESSES, "beat", 5000)
    found = survey(store, Schedules(store).list())
    assert found.schedules == {"beat": ScheduleGauges(5.0, 300.0, False)}


def surveyor(store: Store, *, leads: bool) -> tuple[Surveyor, Life, Tally]:
    life, tally = Life(A, 15.0), Tally()
    life.is_leader = leads
    return Surveyor(Surroundings(Queues(store), life, Outage(), tally)), life, tally


def test_a_child_that_leads_no_more_falls_silent(store: Store) -> None:
    thread, life, tally = surveyor(store, leads=True)
    thread.start()
    until(lambda: tally.take().pod is not None)
    life.is_leader = False
    until(lambda: tally.take().pod is None)
    life.is_leader = True
    until(lambda: tally.take().pod is not None)
    life.is_leader = False


def test_a_leader_whose_redis_does_not_answer_falls_silent(own_redis: RedisServer) -> None:
    store = Store(own_redis.url, socket_timeout_seconds=1)
    thread, _, _ = surveyor(store, leads=True)
    assert isinstance(thread._look(), PodGauges)
    own_redis.stop()
    assert thread._look() is None


def test_a_look_costs_little_however_many_jobs_there_are(store: Store) -> None:
    queues = Queues(store)
    now_ms = redis_ms(store)
    for shop in range(300):
        push(queues, "default", str(shop), 10, now_ms)

    def commands() -> int:
        return int(store.client.info("stats")["total_commands_processed"])

    before = commands()
    survey(store, [])
    assert commands() - before < 250, "a look at a hundred lanes, not at every job"
