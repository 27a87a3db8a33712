"""The relay's steps against a real Redis and a shard: tokens, shops that wait, jobs that stand for others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import text

from podwork import keys
from podwork_pods import shop_transaction
from podwork_pods.errors import RelaySuperseded
from podwork_pods.outbox import relay as relaying
from podwork_pods.outbox.arrivals import Job
from tests.support.outbox import NEIGHBOUR, SHOP, OutboxStand, drop, note, replacing, sqlite_stand


@pytest.fixture
def stand(tmp_path: Path, store_url: str) -> Iterator[OutboxStand]:
    made = sqlite_stand(tmp_path, store_url)
    yield made
    made.close()


def enqueue(stand: OutboxStand, shop_id: int = SHOP, text: str = "a") -> str:
    with shop_transaction(shop_id) as session:
        return note.enqueue(text=text, shop_id=shop_id, transaction=session)


def replace(number: int) -> str:
    with shop_transaction(SHOP) as session:
        return replacing.enqueue(text="a", number=number, shop_id=SHOP, transaction=session)


# Several relays


def test_a_relay_that_slept_cannot_push_what_has_come_and_gone(stand: OutboxStand) -> None:
    job_id = enqueue(stand)
    late, other = stand.relay("late"), stand.relay("other")
    token = late.begin()
    known = stand.rows.unrelayed(10)
    other.turn()
    stand.work()
    other.settle()
    assert stand.job_ids() == set()
    with pytest.raises(RelaySuperseded):
        stand.arrivals.push(token, [Job(row, ()) for row in known])
    assert late.turn() == 0  # it begins anew and finds nothing
    stand.work()
    assert stand.effects == {job_id: 1}


def test_a_relay_that_slept_cannot_forget_what_another_has_just_read(stand: OutboxStand) -> None:
    """The row was read before it was deleted: only `ended` says that the job must not come again."""
    job_id = enqueue(stand)
    late, other = stand.relay("late"), stand.relay("other")
    late.turn()
    stand.work()
    token = late.begin()
    ended = stand.arrivals.ended(10)
    mine = other.begin()
    known = stand.rows.page(0, 10)
    stand.rows.delete(ended)
    with pytest.raises(RelaySuperseded):
        stand.arrivals.forget(token, ended)
    assert stand.arrivals.push(mine, [Job(row, ()) for row in known])[1] == ["ended"]
    assert stand.work() == []
    assert other.settle() == 1
    assert stand.arrivals.ended(10) == []
    assert stand.effects == {job_id: 1}


def test_every_tenure_has_a_token_of_its_own(stand: OutboxStand) -> None:
    """A push of its own may still be on its way when it begins anew after an answer that did not come."""
    relay = stand.relay()
    first = relay.begin()
    assert relay.begin() == first
    relay.resign()
    assert relay.begin() != first
    with pytest.raises(RelaySuperseded):
        stand.arrivals.push(first, [])


def test_a_doubt_ends_the_tenure(stand: OutboxStand, monkeypatch: pytest.MonkeyPatch) -> None:
    relay = stand.relay()
    first = relay.begin()
    for method, step in (("unrelayed", relay.turn), ("delete", relay.settle)):
        enqueue(stand)
        stand.relay("other").turn()
        stand.work()
        before = relay.begin()
        with monkeypatch.context() as patched:
            patched.setattr(stand.rows, method, lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                step()
        assert relay.begin() not in (first, before)


def test_a_row_that_was_pushed_but_not_marked_is_found_here(stand: OutboxStand) -> None:
    job_id = enqueue(stand)
    crashed = stand.relay("crashed")
    stand.arrivals.push(crashed.begin(), [Job(row, ()) for row in stand.rows.unrelayed(10)])
    assert stand.relay().turn() == 1
    assert stand.rows.unrelayed(10) == []
    stand.work()
    assert stand.effects == {job_id: 1}


def test_a_row_that_was_pushed_but_not_marked_is_found_to_have_ended(stand: OutboxStand) -> None:
    job_id = enqueue(stand)
    crashed = stand.relay("crashed")
    stand.arrivals.push(crashed.begin(), [Job(row, ()) for row in stand.rows.unrelayed(10)])
    stand.work()
    relay = stand.relay()
    assert relay.turn() == 1
    assert stand.work() == []
    relay.settle()
    assert (stand.count(), stand.effects) == (0, {job_id: 1})


def test_a_deleted_row_that_was_not_forgotten_is_forgotten_by_the_next(stand: OutboxStand) -> None:
    enqueue(stand)
    stand.relay().turn()
    stand.work()
    stand.rows.delete(stand.arrivals.ended(10))
    assert stand.relay().settle() == 1
    assert stand.arrivals.ended(10) == []


def test_rows_that_commit_late_are_not_passed_over(stand: OutboxStand) -> None:
    """Numbers are given out at the insert, so a lower one may commit after a higher one was relayed."""
    first, second = enqueue(stand), enqueue(stand)
    with stand.topology.connections.engine(1).begin() as connection:
        connection.execute(text("UPDATE podwork_outbox SET relayed = 7 WHERE job_id = :id"), {"id": first})
    relay = stand.relay()
    assert relay.turn() == 1
    with stand.topology.connections.engine(1).begin() as connection:
        connection.execute(text("UPDATE podwork_outbox SET relayed = 0 WHERE job_id = :id"), {"id": first})
    assert relay.turn() == 1
    assert {lease.id for lease in stand.work()} == {first, second}


def test_a_large_outbox_is_brought_in_portions(stand: OutboxStand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relaying, "BATCH_ROWS", 10)
    monkeypatch.setattr(relaying, "PUSH_BYTES", 3 * len(large := "x" * 100))
    ids = [enqueue(stand, text=large) for _ in range(25)]
    relay, push, sizes = stand.relay(), stand.arrivals.push, []

    def spy(token: str, jobs: Sequence[Job]) -> tuple[int, list[str]]:
        sizes.append(len(jobs))
        return push(token, jobs)

    monkeypatch.setattr(stand.arrivals, "push", spy)
    assert [relay.turn() for _ in range(4)] == [10, 10, 5, 0]
    assert (max(sizes), sum(sizes)) == (1, 25)  # the record is larger than its text: one fits, two do not
    assert sorted(lease.id for lease in stand.work()) == ids
    assert [relay.settle() for _ in range(4)] == [10, 10, 5, 0]


# Shops that wait


def test_a_shop_on_hold_waits_and_delays_no_other(
    stand: OutboxStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relaying, "BATCH_ROWS", 5)
    stand.queues.set_gate(SHOP, "hold", 1, 1)
    held = [enqueue(stand) for _ in range(12)]
    relay = stand.relay()
    assert relay.turn() == 0  # from now on it passes the shop over
    neighbours = [enqueue(stand, NEIGHBOUR) for _ in range(3)]
    with stand.topology.connections.engine(1).begin() as connection:
        pod_job = note.enqueue(text="a", pod=1, transaction=connection)
    assert relay.turn() == 4
    assert {lease.id for lease in stand.work()} == {*neighbours, pod_job}
    assert relay.next_retry() is not None
    stand.queues.set_gate(SHOP, "open", 1, 1)
    monkeypatch.setattr(relay, "_retry_at", {})
    assert [relay.turn() for _ in range(4)] == [5, 5, 2, 0]
    assert {lease.id for lease in stand.work()} == set(held)


def test_a_shop_that_moved_away_keeps_its_rows_and_that_is_said_once(
    stand: OutboxStand, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = enqueue(stand)
    stand.queues.set_gate(SHOP, "moved", 2, 2)
    relay = stand.relay()
    for _ in range(3):
        assert relay.turn() == 0
        monkeypatch.setattr(relay, "_retry_at", {})
    assert stand.job_ids() == {job_id}
    assert stand.place(job_id) == "missing"
    assert caplog.text.count("moved away") == 1


def test_the_epoch_of_the_transaction_is_the_one_that_the_gate_sees(stand: OutboxStand) -> None:
    enqueue(stand)
    stand.queues.set_gate(SHOP, "open", 2, 1)
    assert stand.relay().turn() == 0


# Jobs that stand for one another


def test_a_replacement_is_carried_by_the_job_that_it_replaced(stand: OutboxStand) -> None:
    first = replace(1)
    relay = stand.relay()
    relay.turn()
    second = replace(2)
    relay.turn()
    assert stand.args(first)["number"] == 2
    assert stand.place(second) == "missing"
    assert relay.settle() == 1  # what the first one was to do is not to be done any more
    assert stand.job_ids() == {second}
    third = replace(3)
    relay.turn()
    relay.settle()
    assert stand.job_ids() == {third}
    [lease] = stand.work()
    assert (lease.id, lease.args["number"]) == (first, 3)
    relay.settle()
    assert stand.count() == 0
    assert stand.queues.store.command("HLEN", keys.CARRIED) == 0


def test_a_replacement_whose_mark_was_lost_is_not_pushed_again(stand: OutboxStand) -> None:
    """Neither while the job that carries it waits, nor while it runs, nor when it is dead, nor after."""
    first = replace(1)
    relay = stand.relay()
    relay.turn()
    second = replace(2)

    def forget_the_mark() -> None:
        with stand.topology.connections.engine(1).begin() as connection:
            connection.execute(
                text("UPDATE podwork_outbox SET relayed = 0 WHERE job_id = :id"), {"id": second}
            )

    def push_again() -> None:
        forget_the_mark()
        assert stand.relay().turn() == 1
        assert stand.place(second) == "missing"

    stand.relay().turn()
    push_again()
    assert stand.relay().settle() == 1
    assert stand.job_ids() == {second}
    [lease] = stand.claim()
    push_again()
    assert stand.queues.bury("host:1:worker", lease, "no more")
    push_again()
    stand.queues.store.call("cancel", "", "discarded", first)
    push_again()
    assert stand.work() == []


def test_a_push_without_a_transaction_may_replace_one_with_it(stand: OutboxStand) -> None:
    first = replace(1)
    relay = stand.relay()
    relay.turn()
    assert replacing.enqueue(text="a", number=2, shop_id=SHOP) == first
    relay.settle()
    assert stand.count() == 0  # its content is not to be done any more: a rebuild must not bring it back
    [lease] = stand.work()
    assert (lease.args["number"], lease.extras.get("o")) == (2, None)


def test_a_job_that_is_kept_out_ends_for_the_outbox(stand: OutboxStand) -> None:
    first = drop.enqueue(text="a", shop_id=SHOP)
    with shop_transaction(SHOP) as session:
        drop.enqueue(text="a", shop_id=SHOP, transaction=session)
    relay = stand.relay()
    assert relay.turn() == 1
    with stand.topology.connections.engine(1).begin() as connection:
        connection.execute(text("UPDATE podwork_outbox SET relayed = 0"))  # the mark was lost
    assert {lease.id for lease in stand.work()} == {first}
    relay.turn()
    assert stand.work() == []  # it was kept out once, and stays out now that the lock is free
    relay.settle()
    assert stand.count() == 0


def test_a_lock_of_its_own_does_not_pass_for_the_job(stand: OutboxStand) -> None:
    """Whoever deletes a record by hand leaves its locks behind."""
    with shop_transaction(SHOP) as session:
        job_id = note.enqueue(text="a", shop_id=SHOP, idempotency_key="7", transaction=session)
    stand.relay().turn()
    [lease] = stand.claim()
    stand.queues.store.command("HDEL", keys.jobs(str(SHOP)), job_id)
    stand.queues.store.command("HDEL", keys.held("host:1:worker"), lease.id)
    with stand.topology.connections.engine(1).begin() as connection:
        connection.execute(text("UPDATE podwork_outbox SET relayed = 0"))
    stand.relay().turn()
    stand.work()
    assert stand.effects == {job_id: 1}


# Ends


@pytest.mark.parametrize("end", ["succeeded", "discarded", "retried", "cancelled", "dead and dropped"])
def test_every_end_of_a_job_ends_its_row(stand: OutboxStand, end: str) -> None:
    job_id = enqueue(stand)
    relay = stand.relay()
    relay.turn()
    worker = "host:1:worker"
    [lease] = stand.claim()
    if end == "succeeded":
        stand.finish([lease])
    elif end == "discarded":
        stand.queues.store.call("discard", worker, lease.shop, lease.id, "discarded")
    elif end == "retried":
        stand.queues.retry(worker, lease, 1.0, "it failed", {**lease.extras, "f": "17"})
        assert relay.settle() == 0
        stand.queues.promote()
        [lease] = stand.claim()
        stand.finish([lease])
    else:
        stand.queues.bury(worker, lease, "no more")
        assert relay.settle() == 0  # a dead job may be revived
        stand.queues.store.call("cancel", "", "discarded", job_id)
    assert relay.settle() == 1
    assert stand.count() == 0


# Shops on their way to another pod


@pytest.mark.parametrize("state", ["pausing", "hold"])
def test_what_has_ended_of_a_shop_on_its_way_is_kept(stand: OutboxStand, state: str) -> None:
    """Its rows are compared on both pods, and may come here yet: then the id says that the job has ended."""
    job_id, theirs = enqueue(stand), enqueue(stand, NEIGHBOUR)
    relay = stand.relay()
    relay.turn()
    stand.work()
    stand.arrivals.store.command("HSET", keys.GATE, SHOP, f"{state} 1 2 1")
    assert relay.settle() == 1
    assert [row.job_id for row in stand.rows.page(0, 10)] == [job_id]
    assert stand.arrivals.ended(10) == []
    stand.arrivals.store.command("HSET", keys.GATE, SHOP, "open 1 1 1")
    assert stand.arrivals.ended(10) == [job_id] != [theirs]
    assert relay.settle() == 1
    assert stand.count() == 0


def test_a_relay_that_asked_before_a_shop_went_forgets_nothing(stand: OutboxStand) -> None:
    job_id = enqueue(stand)
    relay = stand.relay()
    relay.turn()
    stand.work()
    asked = stand.arrivals.ended(10)
    assert stand.arrivals.queues.set_gate(SHOP, "hold", 1, 2)
    stand.arrivals.forget(relay.begin(), asked)
    assert stand.topology.queues(1).store.command("SMEMBERS", keys.ENDED) == [job_id.encode()]
