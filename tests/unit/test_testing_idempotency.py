"""A job that is run twice: what differs afterwards is shown, and a check that sees nothing is no check."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, create_engine, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import StaticPool

from podwork import App, Cancel, Discard, Interrupted, Snooze, current_job, follow_up
from podwork.single import SingleRouter
from podwork.testing import assert_idempotent, tables
from podwork.unique import Unique

app = App("twice")
seen: list[Any] = []
sent: list[str] = []
effects: dict[str, Callable[[], object]] = {}


@app.job(name="effect")
def effect(what: str, payload: dict[str, int] | None = None) -> object:
    """Do what the test has put there."""
    job = current_job()
    assert job is not None
    seen.append((job.job_id, job.shop_id, job.attempt, payload))
    if payload is not None:
        payload["changed"] = 1
    return effects[what]()


@app.job(name="plain")
def plain(n: int = 0) -> None:
    """Be pushed."""


@app.job(name="unique", unique=Unique("success"))
def unique(n: int = 0) -> None:
    """Be pushed once."""


@pytest.fixture(autouse=True)
def nothing_yet() -> None:
    seen.clear()
    sent.clear()
    effects.clear()


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE charges (id INTEGER, cents INTEGER, at TEXT)"))
        connection.execute(text("INSERT INTO charges VALUES (1, 100, 'before')"))
    yield engine
    engine.dispose()


def failure(what: str, **options: Any) -> str:
    with pytest.raises(AssertionError) as caught:
        assert_idempotent(effect, shop_id=7, what=what, **options)
    return str(caught.value)


def test_a_job_that_looks_first_passes() -> None:
    effects["once"] = lambda: sent.append("receipt 3") if "receipt 3" not in sent else None
    assert_idempotent(effect, shop_id=7, what="once", observe=lambda: sent)
    assert sent == ["receipt 3"]


def test_a_job_that_does_it_again_is_shown_to_do_so() -> None:
    effects["again"] = lambda: sent.append("receipt 3")
    assert failure("again", observe=lambda: sent).splitlines() == [
        "effect is not idempotent: run twice,",
        "  --- after the first run",
        "  +++ after the second",
        "  -['receipt 3']",
        "  +['receipt 3', 'receipt 3']",
    ]


def test_both_runs_are_of_the_same_job() -> None:
    effects["once"] = lambda: sent.append("x") if not sent else None
    assert_idempotent(effect, shop_id=7, what="once", payload={"a": 1}, observe=lambda: sent)
    first, second = seen
    assert first == second
    assert first[1:] == (7, 1, {"a": 1, "changed": 1})


@pytest.mark.parametrize("call", [True, False])
def test_a_call_or_a_job_with_its_arguments(call: bool) -> None:
    effects["once"] = lambda: sent.append("x") if not sent else None
    if call:
        assert_idempotent(effect.call(what="once"), pod=3, observe=lambda: sent)
    else:
        assert_idempotent(effect, pod=3, args={"what": "once"}, observe=lambda: sent)
    assert [run[1] for run in seen] == [None, None]


def test_a_check_that_sees_nothing_fails() -> None:
    effects["again"] = lambda: sent.append("receipt 3")
    for observe in (None, lambda: "always the same"):
        assert "the check proves nothing" in failure("again", observe=observe)


def test_rows_are_compared(engine: Engine) -> None:
    def insert() -> None:
        with engine.begin() as connection:
            connection.execute(text("INSERT INTO charges VALUES (2, 250, 'now')"))

    effects["insert"] = insert
    assert failure("insert", observe=tables(engine, "charges")).splitlines()[1:] == [
        "  --- after the first run",
        "  +++ after the second",
        "   charges: id=2 cents=250 at='now'",
        "  +charges: id=2 cents=250 at='now'",
    ]


def test_columns_may_differ(engine: Engine) -> None:
    def update() -> None:
        with engine.begin() as connection:
            connection.execute(text("UPDATE charges SET cents = 300, at = :at"), {"at": str(len(seen))})

    effects["update"] = update
    assert_idempotent(effect, shop_id=7, what="update", observe=tables(engine, "charges", ignore=("at",)))
    assert "at='4'" in failure("update", observe=tables(engine, "charges", ignore=("cents",)))


class Base(DeclarativeBase):
    pass


class Charge(Base):
    __tablename__ = "charges"
    id: Mapped[int] = mapped_column(primary_key=True)
    cents: Mapped[int]
    at: Mapped[str]


def test_tables_are_named_mapped_or_declared_and_read_through_what_the_job_uses(engine: Engine) -> None:
    declared = Table("charges", MetaData(), Column("id", Integer), Column("at", String))
    with Session(engine) as session:
        session.add(Charge(id=2, cents=5, at="unflushed"))
        for table in ("charges", "main.charges", Charge, declared):
            assert len(tables(session, table)().lines()) == 2
        assert len(tables(session.connection(), "charges")().lines()) == 2
        session.rollback()
    assert len(tables(engine, "charges")().lines()) == 1


def test_jobs_that_are_pushed_again_are_shown() -> None:
    effects["push"] = lambda: plain.enqueue(5, shop_id=7)
    message = failure("push")
    assert "pushed again (let them follow with follow_up()" in message
    assert "    plain shop_id=7 n=5 queue=default (ready)" in message
    assert_idempotent(effect, shop_id=7, what="push", pushes=False)


def test_jobs_that_come_once_all_the_same_are_none() -> None:
    effects["unique"] = lambda: unique.enqueue(shop_id=7)
    effects["key"] = lambda: plain.enqueue(shop_id=7, idempotency_key="x")

    def follow() -> None:
        follow_up(plain.call())
        if not sent:
            sent.append("x")

    effects["follow"] = follow
    assert_idempotent(effect, shop_id=7, what="unique")
    assert_idempotent(effect, shop_id=7, what="key")
    assert_idempotent(effect, shop_id=7, what="follow", observe=lambda: sent)


def test_a_second_run_may_find_nothing_to_do() -> None:
    def once() -> object:
        if sent:
            raise Discard("sent already") if len(sent) == 1 else AssertionError
        sent.append("x")
        return None

    effects["once"] = once
    assert_idempotent(effect, shop_id=7, what="once", observe=lambda: sent)
    effects["cancel"] = lambda: Cancel("closed") if sent else sent.append("x")
    sent.clear()
    assert_idempotent(effect, shop_id=7, what="cancel", observe=lambda: sent)


def test_a_second_run_that_raises_is_a_failure() -> None:
    def insert() -> None:
        sent.append("x")
        if len(sent) == 2:
            raise LookupError("there already")

    effects["insert"] = insert
    assert "its second run raised LookupError('there already')" in failure("insert", observe=lambda: sent)


def test_what_the_first_run_raises_is_raised() -> None:
    effects["broken"] = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        assert_idempotent(effect, shop_id=7, what="broken", observe=lambda: sent)


@pytest.mark.parametrize("signal", [Snooze(5), Interrupted()])
def test_a_run_that_does_not_end_proves_nothing(signal: BaseException) -> None:
    effects["later"] = lambda: signal
    assert "the first run did not end" in failure("later", observe=lambda: sent)


def test_the_router_says_under_which_epoch_it_runs() -> None:
    epochs = []
    effects["once"] = lambda: epochs.append(_epoch())
    assert_idempotent(
        effect, shop_id=7, what="once", router=SingleRouter(2, epoch=9), observe=lambda: set(epochs)
    )
    assert epochs == [(2, 9), (2, 9)]


def test_the_application_is_bound_as_before_afterwards() -> None:
    effects["again"] = lambda: sent.append("x")
    failure("again", observe=lambda: sent)
    assert app._client is None


def _epoch() -> tuple[int, int]:
    job = current_job()
    assert job is not None
    return job.pod_id, job.epoch
