"""A pod's Redis in trouble: what callers see is typed, complete, and without secrets."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import pytest

from podwork import keys, record
from podwork.errors import ConfigurationError, StoreRefused, StoreUnavailable
from podwork.identity import new_job_id
from podwork.inspection import Inspection
from podwork.queues import PushGroup, Queues
from podwork.store import Store
from podwork_ops.local.redis import RedisServer
from tests.support.servers import PrivateServers, kill, paused
from tests.support.wait import until


def totals(store: Store) -> Any:
    return store.call("promote", 1)


def test_scripts_are_loaded_when_redis_does_not_know_them(store_url: str) -> None:
    store = Store(store_url)
    assert totals(store) == 0
    store.client.script_flush()
    assert totals(store) == 0


def test_nobody_listening_is_unavailable_and_the_password_stays_secret() -> None:
    store = Store("redis://:hunter2@127.0.0.1:1/0", socket_timeout_seconds=0.5)
    with pytest.raises(StoreUnavailable) as caught:
        store.ping()
    assert "127.0.0.1:1" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["localhost:6379", "http://localhost", "redis://localhost:port"])
def test_what_is_no_url_of_a_redis_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        Store(url).ping()


def test_after_a_restart_the_second_call_goes_through(
    own_redis: RedisServer, private_servers: PrivateServers
) -> None:
    store = Store(own_redis.url, socket_timeout_seconds=2)
    totals(store)
    own_redis.stop()
    with pytest.raises(StoreUnavailable):
        totals(store)
    private_servers.restart(own_redis)
    assert totals(store) == 0


def test_a_server_that_does_not_answer_is_unavailable_in_time(own_redis: RedisServer) -> None:
    store = Store(own_redis.url, socket_timeout_seconds=0.3)
    totals(store)
    with paused(own_redis), pytest.raises(StoreUnavailable):
        totals(store)
    assert totals(store) == 0


def test_a_full_redis_refuses_pushes_and_lets_jobs_end(own_redis: RedisServer) -> None:
    queues = Queues(Store(own_redis.url))
    who, stored = "host:1:a", record.encode_first("default", 1, record.payload_prefix("c", 0), b"{}")
    groups = [PushGroup("default", "7", 0, [(new_job_id(1, "7"), stored)]) for _ in range(3)]
    queues.register(who, {"pid": 1})
    queues.push(groups)
    queues.store.client.config_set("maxmemory", "1")
    with pytest.raises(StoreRefused):
        queues.push(groups)
    queues.heartbeat(who, {"busy": 0})
    first, second, third = queues.claim(who, ["default"], 3)
    assert queues.acknowledge(who, [first]) == []
    assert queues.retry(who, second, 0, "error")
    assert queues.bury(who, third, "error")
    assert tuple(Inspection(queues.store).counts()) == (0, 0, 1, 0, 1)


def test_a_slow_script_of_somebody_else_is_waited_out_as_unavailable(own_redis: RedisServer) -> None:
    store = Store(own_redis.url)
    store.client.config_set("busy-reply-threshold", "1")
    hog = Store(own_redis.url)

    def run() -> None:
        with pytest.raises(Exception, match="killed"):
            hog.client.eval("while true do end", 0)

    thread = threading.Thread(target=run)
    thread.start()

    def is_busy() -> bool:
        try:
            totals(store)
        except StoreUnavailable as error:
            return "BUSY" in error.why
        return False

    until(is_busy, message="Redis says BUSY")
    store.client.script_kill()
    thread.join(10)
    assert totals(store) == 0


def test_a_store_may_be_carried_over_a_fork(store_url: str) -> None:
    store = Store(store_url)
    store.command("SET", "who", "parent")
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        answer = b"wrong"
        try:
            answers = {store.command("GET", "who") for _ in range(200)}
            answer = b"right" if answers == {b"parent"} else b"mixed"
        finally:
            os.write(writing, answer)
            os._exit(0)
    for _ in range(200):
        assert store.command("ECHO", "mine") == b"mine"
    os.waitpid(pid, 0)
    assert os.read(reading, 10) == b"right"


def test_a_mistake_of_ours_is_seen_as_it_is(store_url: str) -> None:
    with pytest.raises(Exception, match="wrong number"):
        Store(store_url).command("GET")


def test_who_waits_on_a_primary_that_becomes_a_replica_is_unavailable(own_redis: RedisServer) -> None:
    queues = Queues(Store(own_redis.url))
    caught: list[Exception] = []

    def wait() -> None:
        try:
            queues.store.command("BLPOP", keys.BELL, "20", timeout_seconds=25.0)
        except Exception as error:
            caught.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    client = queues.store.client
    until(lambda: client.info("clients")["blocked_clients"] == 1)
    client.replicaof("127.0.0.1", "1")
    thread.join(10)
    assert [type(error) for error in caught] == [StoreUnavailable]


def test_a_dead_jobs_age_is_judged_by_redis_alone(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    queues, who = Queues(Store(store_url)), "host:1:a"
    stored = record.encode_first("default", 1, record.payload_prefix("c", 0), b"{}")
    queues.register(who, {"pid": 1})
    queues.push([PushGroup("default", "7", 0, [(new_job_id(1, "7"), stored) for _ in range(2)])])
    first, second = queues.claim(who, ["default"], 2)
    queues.bury(who, first, "error")
    in_a_year = time.time() + 365 * 86_400
    monkeypatch.setattr(time, "time", lambda: in_a_year)
    queues.bury(who, second, "error")
    assert Inspection(queues.store).counts().dead == 2


def test_what_was_begun_is_answered_whatever_is_asked_in_between(store_url: str) -> None:
    store = Store(store_url)
    store.client.script_flush()
    first = store.begin("promote", 1)
    assert store.command("ECHO", "between") == b"between"
    second = store.begin("promote", 1)
    third = store.begin("counts")
    assert store.call("promote", 1) == 0
    assert third() == [0, 0, 0, 0, 0]
    assert (first(), second()) == (0, 0)


@pytest.mark.parametrize("is_known", [True, False], ids=["known script", "unknown script"])
def test_each_of_several_calls_under_way_has_its_own_answer(store_url: str, *, is_known: bool) -> None:
    store = Store(store_url)
    store.call("gate", 7, "open", 9, 1, 0, "")
    if not is_known:
        store.client.script_flush()
    begun = [store.begin("gate", shop_id, "open", 5, 1, 0, "") for shop_id in (1, 7, 2)]
    answers = [[1, b"open 5 1 0"], [0, b"open 9 1 0"], [1, b"open 5 1 0"]]
    assert [answer() for answer in reversed(begun)] == answers


def test_what_was_begun_before_a_fork_is_the_parents(store_url: str) -> None:
    store = Store(store_url)
    begun = [store.begin("promote", 1), store.begin("counts")]
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, b"%d" % store.call("promote", 1))
            begun[0]()
        except StoreUnavailable:
            os.write(writing, b" unavailable")
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading, "rb") as heard:
        assert heard.read() == b"0 unavailable"
    assert (begun[0](), begun[1]()) == (0, [0, 0, 0, 0, 0])


def test_what_was_begun_is_unavailable_when_a_later_call_cannot_be_sent(
    own_redis: RedisServer, private_servers: PrivateServers
) -> None:
    store = Store(own_redis.url, socket_timeout_seconds=2)
    totals(store)
    with paused(own_redis):
        answers = [store.begin("promote", 1) for _ in range(2)]
        kill(own_redis)

    def is_refused() -> bool:
        try:
            answers.append(store.begin("promote", 1))
        except StoreUnavailable:
            return True
        return False

    until(is_refused)
    private_servers.restart(own_redis)
    assert store.begin("counts")() == [0, 0, 0, 0, 0]
    for answer in answers:
        with pytest.raises(StoreUnavailable):
            answer()


def test_what_was_begun_is_unavailable_when_its_server_went_away(
    own_redis: RedisServer, private_servers: PrivateServers
) -> None:
    store = Store(own_redis.url, socket_timeout_seconds=2)
    totals(store)
    with paused(own_redis):
        answers = [store.begin("promote", 1) for _ in range(3)]
        kill(own_redis)
    for answer in answers:
        with pytest.raises(StoreUnavailable):
            answer()
    with pytest.raises(StoreUnavailable):
        store.begin("promote", 1)
    private_servers.restart(own_redis)
    assert store.begin("promote", 1)() == 0
