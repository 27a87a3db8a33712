"""The chain around a run, and the context inside of it."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from podwork import App, Bury, Discard, Interrupted, Snooze, TimeLimitExceeded, record
from podwork.context import JobContext, current_job, running
from podwork.lease import Lease
from podwork.worker.log_context import JobLogFilter, add_job_facts
from podwork.worker.middleware import Middleware, Run, compose, run_job

CONTEXT = JobContext("id-330", "shop.collect", "low", 330, 7, 2, attempt=3)
STORED = record.encode_first("low", 1, record.payload_prefix("shop.collect", 2), b"{}")
LEASE = Lease("host:1:aaaa", "330", "id-330", STORED)
ANY: Any = object()


def recording(name: str, log: list[str]) -> Middleware:
    def middleware(job_class: Any, lease: Any, context: JobContext, run: Run) -> None:
        log.append(f"{name} before")
        try:
            run(job_class, lease, context)
        finally:
            log.append(f"{name} after")

    return middleware


def test_the_first_is_the_outermost() -> None:
    log: list[str] = []
    chain = compose(
        [recording("first", log), recording("second", log)],
        lambda _class, _lease, _context: log.append("run"),
    )
    chain(ANY, ANY, CONTEXT)
    assert log == ["first before", "second before", "run", "second after", "first after"]


def test_an_error_passes_through_every_link() -> None:
    log: list[str] = []

    def fail(_class: Any, _lease: Any, _context: JobContext) -> None:
        raise ValueError

    with pytest.raises(ValueError):
        compose([recording("only", log)], fail)(ANY, ANY, CONTEXT)
    assert log == ["only before", "only after"]


def test_a_chain_of_nothing_is_the_bare_run() -> None:
    assert compose([]) is run_job


@pytest.mark.parametrize("answer", [Interrupted, Interrupted(), Snooze(5), Discard("no"), Bury("look")])
def test_a_signal_that_is_returned_is_raised(answer: Any) -> None:
    declared = App("x").job(name="shop.collect")(lambda: answer)
    with pytest.raises(answer if isinstance(answer, type) else type(answer)) as raised:
        run_job(declared, LEASE, CONTEXT)
    assert isinstance(answer, type) or raised.value is answer


@pytest.mark.parametrize("answer", [None, 0, "Interrupted", ValueError("returned, not raised"), Snooze])
def test_other_answers_are_a_success(answer: Any) -> None:
    run_job(App("x").job(name="shop.collect")(lambda: answer), LEASE, CONTEXT)


def test_a_soft_limit_hits_the_job_and_nothing_around_it() -> None:
    seen: list[str] = []

    def outer(job_class: Any, lease: Any, context: JobContext, run: Run) -> None:
        try:
            run(job_class, lease, context)
        except TimeLimitExceeded:
            seen.append("outside")
            raise

    def endless() -> None:
        try:
            while True:
                pass
        except TimeLimitExceeded:
            seen.append("inside")
            raise

    declared = App("x").job(name="shop.collect", soft_limit_seconds=0.02)(endless)
    with pytest.raises(TimeLimitExceeded):
        compose([outer])(declared, LEASE, CONTEXT)
    assert seen == ["inside", "outside"]


def test_the_current_job_is_known_inside_and_unknown_outside() -> None:
    assert current_job() is None
    with running(CONTEXT):
        assert current_job() is CONTEXT
    assert current_job() is None


def test_lines_written_inside_a_job_name_it() -> None:
    record = logging.LogRecord("x", logging.INFO, __file__, 1, "line", (), None)
    with running(CONTEXT):
        assert JobLogFilter().filter(record)
        event = add_job_facts(None, "info", {"event": "line", "queue": "said by the line itself"})
    assert (vars(record)["job_id"], vars(record)["shop_id"], vars(record)["attempt"]) == ("id-330", 330, 3)
    assert (event["pod_id"], event["queue"]) == (7, "said by the line itself")
    assert add_job_facts(None, "info", {"event": "line"}) == {"event": "line"}
