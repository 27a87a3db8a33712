"""Jobs enqueued with a transaction, on SQLite and MariaDB: they exist if and only if it commits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from podwork import keys, record
from podwork.client import Client
from podwork.errors import ConfigurationError, InvalidRoute
from podwork.job import JobClass
from podwork.single import SingleRouter
from podwork_pods import shop_transaction
from podwork_pods.errors import ShardUnprepared
from podwork_pods.outbox import schema
from tests.support import outbox
from tests.support.outbox import ELSEWHERE, NEIGHBOUR, SHOP, OutboxStand, drop, note, rescheduling

FAR_OFF = 4_000_000_000.0


@pytest.fixture(params=["sqlite", "mariadb"])
def stand(request: pytest.FixtureRequest, tmp_path: Path, redis_url: str) -> Iterator[OutboxStand]:
    if request.param == "sqlite":
        made = outbox.sqlite_stand(tmp_path, redis_url)
    else:
        made = outbox.mariadb_stand(tmp_path, request.getfixturevalue("mariadb_url"), redis_url)
    yield made
    made.close()


def settle(stand: OutboxStand) -> None:
    """Relay, run and settle until nothing is left to do."""
    relay = stand.relay()
    while relay.turn() or stand.work() or relay.settle():
        pass


def test_a_job_of_a_committed_transaction_runs_once_and_leaves_nothing(stand: OutboxStand) -> None:
    relay = stand.relay()
    relay.begin()
    with shop_transaction(SHOP) as session:
        session.execute(text("INSERT INTO notes VALUES (330, 'paid')"))
        job_id = note.enqueue(text="a", shop_id=SHOP, transaction=session)
        assert relay.turn() == 0  # nobody else sees it yet
    assert stand.place(job_id) == "missing"  # nobody brought it
    assert relay.turn() == 1
    assert relay.turn() == 0
    assert stand.args(job_id) == {"text": "a"}
    [lease] = stand.work()
    assert (lease.id, lease.shop_id, lease.epoch, lease.extras) == (job_id, SHOP, 1, {"o": "1"})
    assert stand.job_ids() == {job_id}  # until the relay hears of its end
    assert relay.settle() == 1
    assert stand.job_ids() == set()
    assert relay.settle() == 0
    assert stand.effects == {job_id: 1}


def test_a_job_of_a_transaction_that_was_rolled_back_never_was(stand: OutboxStand) -> None:
    with shop_transaction(SHOP) as session:
        note.enqueue(text="a", shop_id=SHOP, transaction=session)
        session.rollback()
    settle(stand)
    assert (stand.count(), stand.effects) == (0, {})


def test_a_savepoint_takes_its_jobs_along(stand: OutboxStand) -> None:
    with shop_transaction(SHOP) as session:
        kept = note.enqueue(text="kept", shop_id=SHOP, transaction=session)
        savepoint = session.begin_nested()
        note.enqueue(text="gone", shop_id=SHOP, transaction=session)
        savepoint.rollback()
        with session.begin_nested():
            also = note.enqueue(text="also", shop_id=SHOP, transaction=session)
    settle(stand)
    assert stand.effects == {kept: 1, also: 1}


def test_a_commit_in_the_middle_keeps_what_came_before_it(stand: OutboxStand) -> None:
    with shop_transaction(SHOP) as session:
        kept = note.enqueue(text="kept", shop_id=SHOP, transaction=session)
        session.commit()
        note.enqueue(text="gone", shop_id=SHOP, transaction=session)
        session.rollback()
    settle(stand)
    assert stand.effects == {kept: 1}


def test_times_go_with_the_job(stand: OutboxStand) -> None:
    with shop_transaction(SHOP) as session:
        later = note.enqueue(text="a", shop_id=SHOP, in_=3600, expires_in=60, transaction=session)
        at = note.enqueue(text="b", shop_id=SHOP, at=FAR_OFF, transaction=session)
    stand.relay().turn()
    assert [stand.place(job_id) for job_id in (later, at)] == ["scheduled", "scheduled"]
    assert float(stand.queues.store.command("ZSCORE", keys.SCHEDULE, at)) == FAR_OFF * 1000
    [first, _] = stand.rows.page(0, 10)
    extras = record.read_extras(record.split(first.record)[0].extras)
    assert int(extras["x"]) == first.due_ms + 60_000


def test_many_jobs_are_one_statement_in_one_transaction(stand: OutboxStand) -> None:
    seen: list[bool] = []

    def spy(
        _connection: Any, _cursor: Any, statement: str, _parameters: Any, _context: Any, many: bool
    ) -> None:
        if "podwork_outbox" in statement:
            seen.append(many)

    event.listen(stand.topology.connections.engine(1), "before_cursor_execute", spy)
    with shop_transaction(SHOP) as session:
        ids = note.enqueue_bulk([{"text": str(n), "shop_id": SHOP} for n in range(250)], transaction=session)
    assert seen == [True]
    assert stand.job_ids() == set(ids)
    settle(stand)
    assert stand.effects == dict.fromkeys(ids, 1)
    assert stand.count() == 0


def test_a_bulk_that_is_rolled_back_never_was(stand: OutboxStand) -> None:
    with shop_transaction(SHOP) as session:
        note.enqueue_bulk([{"text": "a", "shop_id": SHOP}] * 3, transaction=session)
        session.rollback()
    assert stand.count() == 0


def test_a_row_of_a_bulk_does_not_name_its_own_transaction(stand: OutboxStand) -> None:
    with shop_transaction(SHOP) as session, pytest.raises(InvalidRoute, match="beside them"):
        note.enqueue_bulk([{"text": "a", "shop_id": SHOP, "transaction": session}])


def test_the_same_key_in_two_transactions_is_one_job(stand: OutboxStand) -> None:
    ids = []
    for _ in range(2):
        with shop_transaction(SHOP) as session:
            ids.append(note.enqueue(text="a", shop_id=SHOP, idempotency_key="order 7", transaction=session))
    settle(stand)
    assert stand.effects == {ids[0]: 1}
    assert stand.count() == 0  # the one that is not to run leaves no row either


def test_of_equal_unique_jobs_the_first_runs(stand: OutboxStand) -> None:
    with shop_transaction(SHOP) as session:
        first = drop.enqueue(text="a", number=1, shop_id=SHOP, transaction=session)
        drop.enqueue(text="a", number=2, shop_id=SHOP, transaction=session)
        other = drop.enqueue(text="b", shop_id=SHOP, transaction=session)
    settle(stand)
    assert stand.effects == {first: 1, other: 1}
    assert stand.count() == 0


def test_a_job_that_waits_for_another_one_s_end_runs_after_it(stand: OutboxStand) -> None:
    with shop_transaction(SHOP) as session:
        first = rescheduling.enqueue(text="a", shop_id=SHOP, transaction=session)
    stand.relay().turn()
    running = stand.claim()
    with shop_transaction(SHOP) as session:
        second = rescheduling.enqueue(text="a", shop_id=SHOP, transaction=session)
    stand.relay().turn()
    assert stand.place(second) == "parked"
    stand.finish(running)
    settle(stand)
    assert stand.effects == {first: 1, second: 1}
    assert stand.count() == 0


# Whose transaction it is


def test_the_transaction_of_another_shop_is_refused(stand: OutboxStand) -> None:
    with shop_transaction(SHOP) as session, pytest.raises(InvalidRoute, match=r"shop 331's.*shop 330's"):
        note.enqueue(text="a", shop_id=NEIGHBOUR, transaction=session)
    with shop_transaction(ELSEWHERE) as session, pytest.raises(InvalidRoute, match=r"shop 330's.*shop 332's"):
        note.enqueue(text="a", shop_id=SHOP, transaction=session)
    assert stand.count() == 0


def test_a_shop_s_job_needs_the_shop_s_own_session(stand: OutboxStand) -> None:
    engine, told = (
        stand.topology.connections.engine(1),
        r"has not passed the fence of shop 330 - open shop_transaction\(330\)",
    )
    with engine.begin() as connection, pytest.raises(InvalidRoute, match=told):
        note.enqueue(text="a", shop_id=SHOP, transaction=connection)


def test_work_of_the_pod_goes_with_any_transaction_of_its_shard(stand: OutboxStand) -> None:
    engine = stand.topology.connections.engine(1)
    with engine.begin() as connection:
        first = note.enqueue(text="a", pod=1, transaction=connection)
    with Session(engine) as session:
        second = note.enqueue(text="b", pod=1, transaction=session)
        session.commit()
    with shop_transaction(SHOP) as session:
        third = note.enqueue(text="c", pod=1, transaction=session)
    scoped = scoped_session(sessionmaker(engine))
    fourth = note.enqueue(text="d", pod=1, transaction=scoped)
    scoped.commit()
    scoped.remove()
    with Session(engine) as session:
        note.enqueue(text="never", pod=1, transaction=session)
    settle(stand)
    assert stand.effects == dict.fromkeys([first, second, third, fourth], 1)


def test_an_engine_of_the_application_s_own_is_known_by_its_url(stand: OutboxStand) -> None:
    own = create_engine(stand.topology.roster.pod(1).shard_url)
    with own.begin() as connection:
        job_id = note.enqueue(text="a", pod=1, transaction=connection)
    own.dispose()
    settle(stand)
    assert stand.effects == {job_id: 1}


def test_work_of_another_pod_is_refused(stand: OutboxStand) -> None:
    with stand.topology.connections.engine(1).begin() as connection:
        with pytest.raises(InvalidRoute, match=r"for pod 2, the transaction is on pod 1's"):
            note.enqueue(text="a", pod=2, transaction=connection)
        with pytest.raises(InvalidRoute, match=r"for pod 2"):
            note.enqueue_bulk([{"text": "a", "pod": 1}, {"text": "a", "pod": 2}], transaction=connection)
        connection.rollback()


def test_what_is_no_transaction_of_a_shard_is_refused(stand: OutboxStand, tmp_path: Path) -> None:
    strange = create_engine(f"sqlite:///{tmp_path}/strange.db")
    engine = stand.topology.connections.engine(1)
    autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
    with strange.connect() as connection, pytest.raises(InvalidRoute, match="no pod's shard"):
        note.enqueue(text="a", pod=1, transaction=connection)
    with autocommit.connect() as connection, pytest.raises(InvalidRoute, match="by itself"):
        note.enqueue(text="a", pod=1, transaction=connection)
    for nonsense in (engine, "session", 7):
        with pytest.raises(InvalidRoute, match="pass the session of shop_transaction"):
            note.enqueue(text="a", pod=1, transaction=nonsense)
    strange.dispose()
    assert stand.count() == 0


def test_a_client_without_an_outbox_says_so(stand: OutboxStand) -> None:
    bare = Client(SingleRouter(), lambda _: stand.queues)
    job: JobClass[Any] = note
    with shop_transaction(SHOP) as session, pytest.raises(ConfigurationError, match="no outbox"):
        bare.push(job.call(text="a"), shop_id=SHOP, transaction=session)


# The table


def test_a_relay_that_is_stopped_after_a_statement_holds_no_lock(
    tmp_path: Path, mariadb_url: str, redis_url: str
) -> None:
    """Nobody knows for how long it will be stopped, and others change the same rows."""
    stand = outbox.mariadb_stand(tmp_path, mariadb_url, redis_url)
    with shop_transaction(SHOP) as session:
        note.enqueue(text="a", shop_id=SHOP, transaction=session)
    change = text("UPDATE podwork_outbox SET relayed = :batch")
    with stand.rows._writing() as stopped:
        stopped.execute(change, {"batch": 1})
        with stand.topology.connections.engine(1).begin() as other:
            other.execute(text("SET SESSION innodb_lock_wait_timeout=1"))
            assert other.execute(change, {"batch": 2}).rowcount == 1
    assert stand.rows.highest_batch() == 2
    stand.close()


def test_a_shard_of_an_earlier_version_gets_the_outbox(stand: OutboxStand) -> None:
    with stand.topology.connections.engine(1).begin() as connection:
        schema.metadata.drop_all(connection)
    with pytest.raises(ShardUnprepared, match="podwork_outbox"), shop_transaction(SHOP) as session:
        note.enqueue(text="a", shop_id=SHOP, transaction=session)
    with pytest.raises(ShardUnprepared, match="pods add"):
        stand.relay().turn()
    for _ in range(2):
        stand.topology.prepare_shard(1)
    with shop_transaction(SHOP) as session:
        job_id = note.enqueue(text="a", shop_id=SHOP, transaction=session)
    stand.topology.prepare_shard(1)
    settle(stand)
    assert stand.effects == {job_id: 1}


def test_a_row_whose_locks_were_broken_by_hand_is_pushed_all_the_same(
    stand: OutboxStand, caplog: pytest.LogCaptureFixture
) -> None:
    with shop_transaction(SHOP) as session:
        job_id = drop.enqueue(text="a", shop_id=SHOP, transaction=session)
    with stand.topology.connections.engine(1).begin() as connection:
        connection.execute(text("UPDATE podwork_outbox SET locks = '{'"))
    settle(stand)
    assert stand.effects == {job_id: 1}
    assert "cannot be read" in caplog.text
