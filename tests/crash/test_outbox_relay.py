"""A relay, or the application, killed or frozen at every named point, with another one taking over.

Nothing is lost and nothing is doubled: every committed job has its effect once, and no row is left.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from podwork.errors import StoreUnavailable
from podwork_ops.local.mariadb import MariadbServer
from podwork_ops.local.redis import RedisServer
from podwork_pods import shop_transaction
from podwork_pods.errors import RelaySuperseded
from podwork_pods.outbox import standing
from podwork_pods.outbox.standing import Standing
from tests.support.outbox import SHOP, OutboxStand, mariadb_stand, note, replacing, sqlite_stand
from tests.support.pause import PausingProcess, Point, start_pausing
from tests.support.processes import ManagedProcess, Processes
from tests.support.sampling import sampled
from tests.support.servers import PrivateServers, kill, paused
from tests.support.wait import until

PROGRAM = "tests.support.outbox_relay"
POINTS = ("begun", "selected", "pushed", "marked", "asked", "deleted", "forgotten")


@pytest.fixture(params=["sqlite", "mariadb"])
def stand(request: pytest.FixtureRequest, tmp_path: Path, redis_url: str) -> Iterator[OutboxStand]:
    if request.param == "sqlite":
        made = sqlite_stand(tmp_path, redis_url)
    else:
        made = mariadb_stand(tmp_path, request.getfixturevalue("mariadb_url"), redis_url)
    yield made
    made.close()


def said(stand: OutboxStand, **what: int) -> str:
    """Return what the other process is told."""
    topology = stand.topology.settings.topology
    return json.dumps({"registry": topology.registry_url, "directory": topology.directory_url, **what})


def relay_process(processes: Processes, stand: OutboxStand) -> ManagedProcess:
    return processes.python("-m", PROGRAM, said(stand, relay=1))


def stopping_relay(processes: Processes, stand: OutboxStand, point: str) -> PausingProcess:
    return start_pausing(processes, [Point(point)], "-m", PROGRAM, said(stand, relay=1))


def commit(number: int) -> list[str]:
    with shop_transaction(SHOP) as session:
        rows = [{"text": "a", "shop_id": SHOP}] * number
        return note.enqueue_bulk(rows, transaction=session)


def replace_twice() -> str:
    with shop_transaction(SHOP) as session:
        first = replacing.enqueue(text="a", number=1, shop_id=SHOP, transaction=session)
        replacing.enqueue(text="a", number=2, shop_id=SHOP, transaction=session)
    return first


def until_settled(stand: OutboxStand) -> None:
    """Let this process relay, run and settle until nothing is left to do."""
    relay = stand.relay("takes over")

    def nothing_is_left() -> bool:
        try:
            relay.turn()
            stand.work()
            relay.settle()
        except RelaySuperseded:
            return False
        return stand.count() == 0

    until(nothing_is_left, 20.0, "every row to go")


@pytest.mark.parametrize("point", sampled(POINTS, 4))
@pytest.mark.parametrize("fate", ["is killed", "sleeps"])
def test_a_relay_that_stops_at_a_point_loses_and_doubles_nothing(
    stand: OutboxStand, processes: Processes, point: str, fate: str
) -> None:
    first = stand.relay("first")
    ended = commit(3)
    first.turn()
    stand.work()  # these have ended, and their rows are still there
    waiting, replaced = commit(3), replace_twice()
    relay = stopping_relay(processes, stand, f"relay.{point}")
    stop = relay.wait_at(f"relay.{point}")
    (stop.kill if fate == "is killed" else stop.freeze)()
    until_settled(stand)
    ids = [*ended, *waiting, replaced]
    assert stand.effects == dict.fromkeys(ids, 1)
    if fate == "sleeps":
        stop.thaw()
        stop.go_on()
        ids += commit(1)  # brought by the one that woke up: nobody else relays now
        until(lambda: stand.has_run(len(ids)), 20.0, f"the last job; {relay.process}")
        until(lambda: stand.count() == 0, 20.0, f"its row to go; {relay.process}")
        assert relay.process.is_running()
    assert stand.effects == dict.fromkeys(ids, 1)
    until(lambda: stand.arrivals.ended(10) == [], message="all ends to be forgotten")


@pytest.mark.parametrize(
    ("point", "is_committed"),
    [("outbox.written", False), ("shop_transaction.committing", False), ("outbox.committed", True)],
)
@pytest.mark.slow
def test_an_application_that_dies_at_its_commit(
    stand: OutboxStand, processes: Processes, point: str, is_committed: bool
) -> None:
    application = start_pausing(processes, [Point(point)], "-m", PROGRAM, said(stand, commit=3))
    application.wait_at(point).kill()
    application.process.wait()
    until_settled(stand)
    assert len(stand.effects) == (3 if is_committed else 0)


def test_a_script_that_ends_after_its_commit_gives_its_hint(stand: OutboxStand, processes: Processes) -> None:
    done = processes.python("-m", PROGRAM, said(stand, commit=2, slow=1)).wait()
    assert done.code == 0, done
    assert stand.arrivals.wait(0.1)
    assert stand.job_ids() == set(done.stdout.split())


# Servers that go away


def is_registered(stand: OutboxStand) -> bool:
    """Register the worker again, over a connection that may have to be made again first."""
    try:
        stand.register()
    except StoreUnavailable:
        return False
    return True


@pytest.fixture
def on_own_redis(tmp_path: Path, own_redis: RedisServer) -> Iterator[OutboxStand]:
    made = sqlite_stand(tmp_path, own_redis.url)
    yield made
    made.close()


def test_a_redis_that_was_killed_and_came_back_empty_is_rebuilt_under_work(
    on_own_redis: OutboxStand, own_redis: RedisServer, private_servers: PrivateServers, processes: Processes
) -> None:
    stand = on_own_redis
    relay = relay_process(processes, stand)
    before = commit(20)
    until(lambda: len(stand.claim(5)) == 5, message=f"jobs to run; {relay}")
    kill(own_redis)
    during = commit(3)  # a Redis that is away stops no transaction
    private_servers.restart(own_redis)
    until(lambda: "was emptied" in relay.stderr, 20.0, f"the relay to notice; {relay}")
    until(lambda: is_registered(stand), message="a worker")
    assert standing.look(stand.rows, stand.arrivals).standing is Standing.EMPTIED
    stand.rebuild().run()
    after = commit(3)
    ids = [*before, *during, *after]
    until(lambda: stand.has_run(len(ids)), 20.0, f"all jobs; {relay}")
    until(lambda: stand.count() == 0, 20.0, f"all rows to go; {relay}")
    assert stand.effects == dict.fromkeys(ids, 1)
    assert relay.stderr.count("was emptied") == 1
    assert relay.is_running()


def test_a_push_whose_answer_was_lost_is_not_made_twice(
    on_own_redis: OutboxStand, own_redis: RedisServer, processes: Processes
) -> None:
    """The frozen server has the push in its socket and makes it when it wakes up: too late, it is refused."""
    stand = on_own_redis
    ids = commit(5)
    relay = stopping_relay(processes, stand, "relay.selected")
    stop = relay.wait_at("relay.selected")
    with paused(own_redis):
        stop.go_on()
        until(lambda: "does not answer" in relay.process.stderr, 20.0, f"the answer to be missed; {relay}")
    until(lambda: stand.has_run(len(ids)), 20.0, f"all jobs; {relay.process}")
    until(lambda: stand.count() == 0, 20.0, f"all rows to go; {relay.process}")
    assert stand.effects == dict.fromkeys(ids, 1)


def test_a_shard_that_is_restarted_is_waited_for(
    tmp_path: Path,
    own_mariadb: MariadbServer,
    redis_url: str,
    private_servers: PrivateServers,
    processes: Processes,
) -> None:
    url = own_mariadb.create_database("outbox")
    stand = mariadb_stand(tmp_path, url, redis_url)
    relay = relay_process(processes, stand)
    before = commit(5)
    until(lambda: stand.has_run(5), message=f"jobs to run; {relay}")
    kill(own_mariadb)
    until(lambda: "the outbox waits" in relay.stderr, 20.0, f"the relay to notice; {relay}")
    private_servers.restart(own_mariadb)
    after = commit(5)
    ids = [*before, *after]
    until(lambda: stand.has_run(len(ids)), 20.0, f"all jobs; {relay}")
    until(lambda: stand.count() == 0, 20.0, f"all rows to go; {relay}")
    assert stand.effects == dict.fromkeys(ids, 1)
    assert "the outbox is relayed again" in relay.stderr
    stand.close()
