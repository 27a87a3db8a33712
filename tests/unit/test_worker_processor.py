"""What a processor asks before it starts a job, and the lease that it asks for."""

from __future__ import annotations

import threading
import time
from typing import Any

from podwork import App, record
from podwork.identity import new_job_id
from podwork.lease import Lease
from podwork.single import SingleFence, SingleRouter
from podwork.worker.life import EXIT_BROKEN, EXIT_LEASE_LOST, Life, LifeThread
from podwork.worker.manager import Ended
from podwork.worker.processor import Processor
from tests.support.wait import until

ME = "host:1:aaaa"


class Ends:
    """Takes ends in place of a manager."""

    def __init__(self) -> None:
        self.all: list[Ended] = []

    def ended(self, ended: Ended) -> None:
        self.all.append(ended)


class WatchedLife(Life):
    """Says when somebody waits for the lease, and grants it."""

    def __init__(self, log: list[str]) -> None:
        super().__init__(ME, 10.0)
        self.log = log

    def await_lease(self) -> None:
        self.log.append("waited for the lease")
        self.renewed(time.monotonic())


def lease_of(job_class: str) -> Lease:
    prefix = record.payload_prefix(job_class, 1)
    return Lease(ME, "330", new_job_id(1, "330"), record.encode_first("default", 1, prefix, b"{}"))


def test_no_job_starts_without_a_lease_that_surely_holds() -> None:
    log: list[str] = []
    app = App("x")
    declared = app.job(name="shop.collect")(lambda: None)
    life, ends = WatchedLife(log), Ends()
    nobody: Any = None
    manager: Any = ends
    processor = Processor(
        1,
        1,
        app.job_classes,
        lambda _class, _lease, _context: log.append("ran"),
        SingleFence(SingleRouter()),
        manager,
        nobody,
        life,
    )
    processor.run_one(lease_of(declared.name))
    processor.run_one(lease_of(declared.name))
    assert log == ["waited for the lease", "ran", "ran"]
    assert [end.outcome for end in ends.all] == ["succeeded", "succeeded"]


def test_a_lease_counts_from_when_it_was_asked_for() -> None:
    life = Life(ME, 10.0)
    asked_at = time.monotonic() - 11.0  # the answer took eleven seconds
    life.renewed(asked_at)
    assert time.monotonic() > life.valid_until
    waiting = threading.Thread(target=life.await_lease)
    waiting.start()
    assert waiting.is_alive()
    life.renewed(time.monotonic())
    waiting.join(5)
    assert not waiting.is_alive()


def test_an_error_of_our_own_ends_the_process_instead_of_a_thread() -> None:
    codes: list[int] = []
    life = Life(ME, 10.0, end=codes.append)

    class Faulty(LifeThread):
        def work(self) -> None:
            raise SystemExit

    Faulty("faulty", life).start()
    until(lambda: codes == [EXIT_BROKEN])
    life.lost()
    assert codes == [EXIT_BROKEN, EXIT_LEASE_LOST]
