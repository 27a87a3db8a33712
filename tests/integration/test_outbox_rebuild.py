"""An emptied Redis, one that went back in time, and the wrong one: noticed, said once, and rebuilt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, text, update

from podwork import keys
from podwork.interfaces import Route
from podwork_pods import shop_transaction
from podwork_pods.errors import ForeignRedis, RelaySuperseded
from podwork_pods.fence import FenceState, table
from podwork_pods.outbox import rebuild as rebuilding
from podwork_pods.outbox import standing
from podwork_pods.outbox.gates import Gates
from podwork_pods.outbox.rebuild import Once, Rebuilt
from podwork_pods.outbox.standing import Standing
from tests.support.outbox import ELSEWHERE, NEIGHBOUR, SHOP, OutboxStand, note, once, replacing, sqlite_stand
from tests.support.stepping import stepping


@pytest.fixture
def stand(tmp_path: Path, valkey_url: str) -> Iterator[OutboxStand]:
    made = sqlite_stand(tmp_path, valkey_url)
    yield made
    made.close()


def enqueue(stand: OutboxStand, jobs: int = 1, shop_id: int = SHOP, **options: Any) -> list[str]:
    with shop_transaction(shop_id) as session:
        rows = [{"text": "a", "shop_id": shop_id, **options} for _ in range(jobs)]
        return note.enqueue_bulk(rows, transaction=session)


def stands(stand: OutboxStand) -> Standing:
    return standing.look(stand.rows, stand.arrivals).standing


def saved(stand: OutboxStand) -> dict[bytes, bytes]:
    """Return what a replica has that hears nothing from now on; not the hint, which may come at any time."""
    store = stand.queues.store
    names = [key for key in store.command("KEYS", "*") if key != keys.BELL.encode()]
    return {key: store.command("DUMP", key) for key in names}


def fail_over(stand: OutboxStand, replica: dict[bytes, bytes]) -> None:
    """Let the replica be the pod's Redis."""
    stand.queues.store.command("FLUSHDB")
    for key, dump in replica.items():
        # A commit's hint may arrive in between, from a thread of its own.
        stand.queues.store.command("RESTORE", key, 0, dump, "REPLACE")


# Emptied


def test_what_an_emptied_redis_lacks_is_brought_back_once(stand: OutboxStand) -> None:
    ended, waiting = enqueue(stand, 3), enqueue(stand, 4)
    later = enqueue(stand, 2, in_=3600)
    relay = stand.relay()
    relay.turn()
    stand.finish([lease for lease in stand.claim() if lease.id in ended])
    relay.settle()
    unrelayed = enqueue(stand, 2)
    stand.empty_redis()
    assert stands(stand) is Standing.EMPTIED

    done = stand.rebuild().run()
    assert (done.standing, done.rows, done.pushed, done.there) == (Standing.EMPTIED, 8, 8, 0)
    assert stands(stand) is Standing.COMPLETE
    assert {lease.id for lease in stand.work()} == {*waiting, *unrelayed}
    assert [stand.place(job_id) for job_id in later] == ["scheduled", "scheduled"]
    stand.relay().settle()
    again = stand.rebuild().run()
    assert (again.rows, again.pushed, again.there) == (2, 0, 2)
    assert stand.effects == dict.fromkeys([*ended, *waiting, *unrelayed], 1)


def test_a_redis_that_was_never_emptied_is_left_as_it_is(stand: OutboxStand) -> None:
    running, ready = enqueue(stand), enqueue(stand, 3)
    relay = stand.relay()
    relay.turn()
    [lease] = stand.claim(1)
    with shop_transaction(SHOP) as session:
        replacing.enqueue(text="a", number=1, shop_id=SHOP, in_=60, transaction=session)
        replacing.enqueue(text="a", number=2, shop_id=SHOP, in_=60, transaction=session)
    relay.turn()
    done = stand.rebuild().run()
    assert (done.standing, done.rows, done.pushed, done.there) == (Standing.COMPLETE, 6, 0, 5)
    assert done.ended == 1  # the content that was replaced
    stand.finish([lease])
    assert stand.rebuild().run().pushed == 0
    stand.work()
    assert stand.effects == dict.fromkeys([*running, *ready], 1)


def test_it_is_said_once_and_new_jobs_go_on(stand: OutboxStand, caplog: pytest.LogCaptureFixture) -> None:
    old = enqueue(stand)
    relay = stand.relay()
    relay.turn()
    stand.empty_redis()
    new = enqueue(stand)
    with pytest.raises(RelaySuperseded):  # its token is gone with everything else
        relay.turn()
    assert relay.turn() == 1
    for _ in range(2):
        relay.resign()
        relay.turn()
    assert {lease.id for lease in stand.work()} == set(new)
    relay.settle()
    assert stand.job_ids() == set(old)  # nothing is deleted that did not end
    assert caplog.text.count("its Redis was emptied") == 1
    assert "podctl pods rebuild 1" in caplog.text


def test_an_empty_outbox_has_nothing_to_rebuild(stand: OutboxStand, caplog: pytest.LogCaptureFixture) -> None:
    enqueue(stand)
    relay = stand.relay()
    relay.turn()
    stand.work()
    relay.settle()
    stand.empty_redis()
    relay.resign()
    relay.turn()
    assert stands(stand) is Standing.COMPLETE
    assert "nothing that the shard knows was in it" in caplog.text
    assert "rebuild" not in caplog.text


def test_a_pod_whose_shop_has_moved_needs_a_rebuild_all_the_same(stand: OutboxStand) -> None:
    stand.relay().turn()
    fence(stand, SHOP, 3, FenceState.OPEN)
    stand.empty_redis()
    stand.relay().turn()
    assert stands(stand) is Standing.EMPTIED
    assert stand.rebuild().run().gates == 1
    assert stands(stand) is Standing.COMPLETE


def test_a_look_changes_nothing(stand: OutboxStand) -> None:
    enqueue(stand, 3)
    stand.relay().turn()
    stand.empty_redis()
    fence(stand, NEIGHBOUR, 2, FenceState.CLOSED)
    before = saved(stand)
    done = stand.rebuild().look()
    assert (done.pushed, done.gates, done.standing) == (3, 1, Standing.EMPTIED)
    assert saved(stand).keys() == before.keys()
    assert stands(stand) is Standing.EMPTIED


def test_a_rebuild_that_was_killed_is_run_again(stand: OutboxStand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuilding, "BATCH_ROWS", 4)
    ids = enqueue(stand, 10)
    stand.relay().turn()
    for point in ("rebuild.read", "rebuild.pushed", "rebuild.marked", "rebuild.walked"):
        stand.empty_redis()
        with stepping("rebuild.") as start:
            rebuild = start("rebuild", stand.rebuild().run)
            rebuild.step()
            while rebuild.step() != point:
                pass
            rebuild.kill()
        assert stands(stand) is Standing.EMPTIED
    done = stand.rebuild().run()
    assert done.rows == done.pushed + done.there == 10
    stand.work()
    assert stand.effects == dict.fromkeys(ids, 1)


def test_a_redis_that_is_emptied_again_meanwhile_is_rebuilt_from_the_start(
    stand: OutboxStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "BATCH_ROWS", 4)
    ids = enqueue(stand, 10)
    stand.relay().turn()
    stand.empty_redis()
    results: list[Rebuilt] = []
    with stepping("rebuild.") as start:
        rebuild = start("rebuild", lambda: results.append(stand.rebuild().run()))
        for _ in range(5):
            rebuild.step()
        stand.empty_redis()
        stand.relay().turn()
        while not results:
            rebuild.step()
    assert results[0].pushed + results[0].there == 10
    stand.work()
    assert stand.effects == dict.fromkeys(ids, 1)
    assert stands(stand) is Standing.COMPLETE


def test_shops_on_hold_leave_it_unfinished(stand: OutboxStand) -> None:
    """A relay does not come back to rows that were marked: only another rebuild does."""
    held, open_ = enqueue(stand, 2), enqueue(stand, 3, NEIGHBOUR)
    stand.relay().turn()
    stand.empty_redis()
    stand.queues.set_gate(SHOP, "hold", 1, 1)
    done = stand.rebuild().run()
    assert (done.pushed, done.on_hold) == (3, 2)
    assert stands(stand) is Standing.EMPTIED
    stand.queues.set_gate(SHOP, "open", 1, 1)
    assert stand.rebuild().run().pushed == 2
    assert stands(stand) is Standing.COMPLETE
    stand.work()
    assert stand.effects == dict.fromkeys([*held, *open_], 1)


# Gates


def fence(stand: OutboxStand, shop_id: int, epoch: int, state: FenceState) -> None:
    values = {"epoch": epoch, "state": state, "mover_epoch": 1, "updated_at": 0.0}
    with stand.topology.connections.engine(1).begin() as connection:
        if connection.execute(update(table).where(table.c.shop_id == shop_id).values(values)).rowcount == 0:
            connection.execute(insert(table).values(shop_id=shop_id, **values))


def gates(stand: OutboxStand) -> dict[int, str]:
    flat = iter(stand.queues.store.command("HGETALL", keys.GATE))
    return {int(shop): gate.decode() for shop, gate in zip(flat, flat, strict=True)}


def test_gates_come_back_from_the_fences(stand: OutboxStand) -> None:
    fence(stand, SHOP, 1, FenceState.OPEN)  # never moved: no gate
    fence(stand, NEIGHBOUR, 3, FenceState.OPEN)
    fence(stand, ELSEWHERE, 2, FenceState.MOVED)
    fence(stand, 40, 1, FenceState.CLOSED)
    fence(stand, 41, 5, FenceState.INCOMING)
    stand.topology.directory.assign(42, 1)
    fence(stand, 42, 1, FenceState.MOVED)  # and the directory says that it is here: in the middle of a move
    assert stand.rebuild().run().gates == 5
    expected = {NEIGHBOUR: "open 3 1", ELSEWHERE: "moved 1 2", 40: "hold 1 1", 41: "hold 5 1", 42: "hold 1 1"}
    assert gates(stand) == expected
    assert stand.rebuild().run().gates == 0


def test_a_gate_that_stands_is_left_alone(stand: OutboxStand) -> None:
    fence(stand, SHOP, 1, FenceState.CLOSED)
    stand.queues.set_gate(SHOP, "open", 1, 1)  # its mover has just given up
    assert stand.rebuild().run().gates == 0
    assert gates(stand) == {SHOP: "open 1 1 0"}


def test_a_gate_that_is_set_meanwhile_is_left_alone(stand: OutboxStand) -> None:
    fence(stand, SHOP, 1, FenceState.MOVED)

    def truth(shop_id: int) -> Route:
        stand.queues.set_gate(shop_id, "open", 3, 1)  # it has just come back
        return Route(2, 2)

    engine = stand.topology.connections.engine(1)
    assert Gates(1, lambda: engine, truth).restore(stand.queues.store) == 0
    assert gates(stand) == {SHOP: "open 3 1 0"}


def test_a_job_of_a_shop_that_left_is_not_pushed(stand: OutboxStand) -> None:
    [job_id] = enqueue(stand)
    stand.relay().turn()
    fence(stand, SHOP, 1, FenceState.MOVED)
    stand.topology.directory.compare_and_set(SHOP, stand.topology.directory.locate(SHOP), 2)
    stand.empty_redis()
    done = stand.rebuild().run()
    assert (done.moved, done.pushed) == (1, 0)
    assert stand.place(job_id) == "missing"


# What may start only once


@pytest.mark.parametrize(
    ("choice", "runs", "left"), [(Once.LEAVE, 0, 1), (Once.RUN, 1, 1), (Once.DROP, 0, 0)]
)
def test_what_may_have_started_is_a_person_s_decision(
    stand: OutboxStand, choice: Once, runs: int, left: int
) -> None:
    with shop_transaction(SHOP) as session:
        job_id = once.enqueue(text="a", shop_id=SHOP, transaction=session)
    stand.relay().turn()
    stand.claim()
    stand.empty_redis()
    with shop_transaction(SHOP) as session:
        surely_not_started = once.enqueue(text="b", shop_id=SHOP, transaction=session)
    assert stand.rebuild(choice).look().once == ([] if choice is Once.RUN else [job_id])
    done = stand.rebuild(choice).run()
    assert done.once == ([] if choice is Once.RUN else [job_id])
    assert {lease.id for lease in stand.work()} == {surely_not_started, *[job_id][:runs]}
    assert len(stand.job_ids()) == left + 1


def test_what_may_have_started_is_left_alone_also_while_its_shop_is_on_hold(stand: OutboxStand) -> None:
    """The gate may open between the look at the job and the push."""
    with shop_transaction(SHOP) as session:
        job_id = once.enqueue(text="a", shop_id=SHOP, transaction=session)
    stand.relay().turn()
    stand.empty_redis()
    stand.queues.set_gate(SHOP, "hold", 1, 1)
    assert stand.rebuild().look().once == [job_id]
    done = stand.rebuild().run()
    assert (done.once, done.on_hold) == ([job_id], 0)
    assert stands(stand) is Standing.COMPLETE


def test_what_may_start_only_once_and_is_there_is_no_question(stand: OutboxStand) -> None:
    with shop_transaction(SHOP) as session:
        once.enqueue(text="a", shop_id=SHOP, transaction=session)
    stand.relay().turn()
    done = stand.rebuild().run()
    assert (done.there, done.once) == (1, [])


# A Redis that went back in time


def test_a_replica_that_was_behind_is_noticed_and_completed(
    stand: OutboxStand, caplog: pytest.LogCaptureFixture
) -> None:
    first = enqueue(stand, 2)
    relay = stand.relay()
    relay.turn()
    replica = saved(stand)
    lost = enqueue(stand, 3)
    relay.turn()
    fail_over(stand, replica)
    assert stands(stand) is Standing.BEHIND
    relay.resign()
    new = enqueue(stand)
    for _ in range(5):  # its count passes the rows' again; what was lost is lost all the same
        relay.turn()
        enqueue(stand)
    assert stands(stand) is Standing.BEHIND
    assert caplog.text.count("has lost its last writes") == 1
    assert stand.rebuild().run().pushed == 4  # three that were lost, and the one that is not relayed yet
    assert stands(stand) is Standing.COMPLETE
    stand.work()
    assert {*first, *lost, *new} <= set(stand.effects)
    assert set(stand.effects.values()) == {1}


def test_a_job_that_ended_after_the_replica_s_last_word_runs_again_but_is_not_rebuilt(
    stand: OutboxStand,
) -> None:
    [job_id] = enqueue(stand)
    relay = stand.relay()
    relay.turn()
    replica = saved(stand)
    stand.work()
    relay.settle()
    fail_over(stand, replica)
    assert stand.rebuild().run().rows == 0
    stand.work()
    assert stand.effects == {job_id: 2}  # at least once: Redis forgot that it had ended


# The wrong Redis


def test_another_pod_s_redis_is_left_alone(stand: OutboxStand) -> None:
    [job_id] = enqueue(stand)
    stand.relay().turn()
    stand.queues.store.command("FLUSHDB")
    stand.queues.store.command("HSET", keys.GENERATION, "id", "2-abc", "batch", 7)
    stand.queues.store.command("SET", keys.RELAY, "theirs")
    before = saved(stand)
    with pytest.raises(ForeignRedis, match="another shard"):
        stand.relay().turn()
    with pytest.raises(ForeignRedis):
        stand.rebuild().run()
    with pytest.raises(ForeignRedis):
        stand.rebuild().look()
    assert saved(stand) == before
    assert stand.job_ids() == {job_id}


def test_two_pods_with_one_redis_are_found_out_at_the_first_relay(stand: OutboxStand) -> None:
    stand.arrivals.name("2-abc")
    enqueue(stand)
    assert stands(stand) is Standing.FOREIGN
    with pytest.raises(ForeignRedis):
        stand.relay().turn()
    with stand.topology.connections.engine(1).connect() as connection:
        assert connection.execute(text("SELECT COUNT(*) FROM podwork_generation")).scalar() == 0


def test_a_name_that_redis_was_given_before_a_crash_is_taken_over(stand: OutboxStand) -> None:
    stand.arrivals.name("1-abc")
    stand.relay().turn()
    assert stand.rows.generation() == "1-abc"
    stand.rows.keep_generation("1-other")
    assert stand.rows.generation() == "1-abc"
