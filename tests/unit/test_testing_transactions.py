"""`transaction=` in a test: with the commit, or not at all; on real sessions of SQLite in memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from podwork.errors import InvalidRoute
from podwork.testing import FakeJobs, fake, inline
from tests.support.receipts_shop import Reindex, app, done, place_order, send_receipt


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = create_engine("sqlite://")
    yield made
    made.dispose()


@pytest.fixture
def jobs() -> Iterator[FakeJobs]:
    done.clear()
    with fake(app) as jobs:
        yield jobs


def push(order_id: int, transaction: object) -> str:
    return send_receipt.enqueue(order_id, shop_id=7, transaction=transaction)


def orders(jobs: FakeJobs) -> list[int]:
    return [job.args["order_id"] for job in jobs.enqueued()]


def test_jobs_come_with_the_commit(engine: Engine, jobs: FakeJobs) -> None:
    with Session(engine) as session:
        job_id = push(1, session)
        session.execute(text("SELECT 1"))
        push(2, session)
        assert orders(jobs) == []
        session.commit()
        assert orders(jobs) == [1, 2]
        session.execute(text("SELECT 1"))
        session.commit()
    assert orders(jobs) == [1, 2]
    assert jobs.enqueued()[0].id == job_id


@pytest.mark.parametrize("end", [Session.rollback, Session.close, Session.reset])
def test_jobs_go_with_what_was_not_committed(engine: Engine, jobs: FakeJobs, end: Any) -> None:
    session = Session(engine)
    push(1, session)
    end(session)
    push(2, session)
    session.commit()
    session.close()
    assert orders(jobs) == [2]


def test_a_block_that_fails_pushes_nothing(engine: Engine, jobs: FakeJobs) -> None:
    def broken() -> None:
        with Session(engine) as session, session.begin():
            push(1, session)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    jobs.assert_nothing_enqueued()


def test_jobs_go_with_their_savepoint(engine: Engine, jobs: FakeJobs) -> None:
    with Session(engine) as session, session.begin():
        push(1, session)
        with session.begin_nested():
            push(2, session)
            inner = session.begin_nested()
            push(3, session)
            inner.rollback()
        dropped = session.begin_nested()
        push(4, session)
        with session.begin_nested():
            push(5, session)
        dropped.rollback()
        push(6, session)
        assert orders(jobs) == []
    assert orders(jobs) == [1, 2, 6]


def test_a_kept_savepoint_goes_with_its_transaction(engine: Engine, jobs: FakeJobs) -> None:
    with Session(engine) as session:
        with session.begin_nested():
            push(1, session)
        session.rollback()
        session.commit()
    jobs.assert_nothing_enqueued()


def test_a_scoped_session_is_its_session(engine: Engine, jobs: FakeJobs) -> None:
    scoped = scoped_session(sessionmaker(engine))
    push(1, scoped)
    scoped.commit()
    scoped.remove()
    assert orders(jobs) == [1]


def test_a_connection_is_a_transaction_too(engine: Engine, jobs: FakeJobs) -> None:
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        push(1, connection)
        connection.rollback()
        connection.execute(text("SELECT 1"))
        push(2, connection)
        assert orders(jobs) == []
        connection.commit()
    assert orders(jobs) == [2]


def test_bulk_and_pods_have_transactions_as_well(engine: Engine, jobs: FakeJobs) -> None:
    with Session(engine) as session:
        send_receipt.enqueue_bulk([{"order_id": n, "shop_id": 7} for n in (1, 2)], transaction=session)
        Reindex.enqueue(pod=1, transaction=session)
        jobs.assert_nothing_enqueued()
        session.commit()
    assert [(job.shop_id, job.pod_id) for job in jobs.enqueued()] == [(7, 1), (7, 1), (None, 1)]


def test_what_is_pushed_is_checked_before_the_commit(engine: Engine, jobs: FakeJobs) -> None:
    for wrong in ("session", object(), engine):
        with pytest.raises(InvalidRoute, match="shop_transaction"):
            push(1, wrong)
    with Session(engine) as session, pytest.raises(InvalidRoute, match="where does it belong"):
        send_receipt.enqueue(1, transaction=session)


def test_another_shops_transaction_is_refused(engine: Engine, jobs: FakeJobs) -> None:
    class OfShop(Session):
        shop_id = 8

    with OfShop(engine) as session, pytest.raises(InvalidRoute, match=r"a job for shop 7 in .* of shop 8"):
        push(1, session)


def test_inline_jobs_run_when_the_connection_is_free_again(engine: Engine) -> None:
    done.clear()
    with inline(app), Session(engine) as session:
        session.execute(text("CREATE TABLE orders (id INTEGER)"))
        session.execute(text("INSERT INTO orders VALUES (3)"))
        place_order.enqueue(order_id=3, shop_id=7, transaction=session)
        assert done == []
        session.commit()
        assert [what[0] for what in done] == ["order", "receipt"]


def test_a_block_that_has_ended_gets_nothing_more(engine: Engine, jobs: FakeJobs) -> None:
    with Session(engine) as session:
        with fake(app) as inner:
            push(1, session)
        session.commit()
    assert (orders(inner), orders(jobs)) == ([1], [])


def test_production_does_not_load_any_of_this() -> None:
    probe = "import sys, podwork_ops.cli.main, podwork_ops.workers; print('podwork.testing' in sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout == "False\n"


def test_sqlalchemy_is_not_imported_for_it() -> None:
    probe = (
        "import sys, podwork.testing as t\n"
        "from tests.support.receipts_shop import app, send_receipt\n"
        "from podwork.errors import InvalidRoute\n"
        "with t.fake(app):\n"
        "    try: send_receipt.enqueue(1, shop_id=7, transaction=object())\n"
        "    except InvalidRoute: print('refused', 'sqlalchemy' in sys.modules)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout == "refused False\n"
