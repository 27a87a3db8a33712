"""What a processor asks before it starts a job, what it says while one runs, and what it hands on."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from podwork import App, current_job, follow_up, record
from podwork.client import Client
from podwork.errors import PodworkError
from podwork.identity import new_job_id
from podwork.lease import Lease
from podwork.single import SingleFence, SingleRouter
from podwork.worker.awaiting import Runnable
from podwork.worker.life import EXIT_BROKEN, EXIT_LEASE_LOST, Life, LifeThread
from podwork.worker.manager import Ended
from podwork.worker.middleware import run_job
from podwork.worker.processor import Processor
from podwork.worker.running import RunningJobs
from podwork.worker.settlement import Times
from podwork.worker.starts import Starts
from tests.support.wait import until

ME = "host:1:aaaa"


class Bench:
    """A processor between a fence, and stand-ins for all that it calls; writes down what they are told."""

    def __init__(self, app: App, life: Life | None = None) -> None:
        life = life or Life(ME, 3600.0)
        life.renewed(time.monotonic())
        nobody: Any = None
        me: Any = self
        app.bind(Client(SingleRouter(), lambda _pod: nobody))
        self.said: list[str] = []
        self.ends: list[Ended] = []
        self.running = RunningJobs(life)
        self.processor = Processor(
            3, 1, Runnable(app), run_job, SingleFence(SingleRouter()), me,
            Starts(me, self.running), me, me, self.running, life,
        )  # fmt: skip

    def ended(self, ended: Ended) -> None:
        self.ends.append(ended)
        self.said.append(f"{ended.outcome}, running {len(self.running.all())}")

    def end(self, ended: Ended) -> None:
        self.ended(ended)

    def settle(self, _lease: Lease, _job_class: Any, error: BaseException, _times: Times) -> None:
        self.said.append(f"{type(error).__name__}, running {len(self.running.all())}")

    def now(self) -> float:
        return time.time()

    def refuse(self, _lease: Lease) -> None:
        self.said.append("refused")

    def not_admitted(self, _lease: Lease, _error: PodworkError) -> None:
        self.said.append("not admitted")


class WatchedLife(Life):
    """Says when somebody waits for the lease, and grants it."""

    def __init__(self, log: list[str]) -> None:
        super().__init__(ME, 3600.0)
        self.log = log

    def await_lease(self) -> None:
        self.log.append("waited for the lease")
        self.renewed(time.monotonic())


def lease_of(job_class: str, version: int = 1, extras: str = "-", shop: str = "330") -> Lease:
    prefix = record.payload_prefix(job_class, 1, version)
    stored = record.encode_first("default", 1, prefix, b"{}", extras)
    return Lease(ME, shop, new_job_id(1, shop), stored)


@pytest.fixture
def app() -> App:
    return App("x")


def test_no_job_starts_without_a_lease_that_surely_holds(app: App) -> None:
    log: list[str] = []
    app.job(name="shop.collect")(lambda: log.append("ran"))
    life = WatchedLife(log)
    bench = Bench(app, life)
    life.valid_until = 0.0
    bench.processor.run_one(lease_of("shop.collect"))
    bench.processor.run_one(lease_of("shop.collect"))
    assert log == ["waited for the lease", "ran", "ran"]
    assert [end.outcome for end in bench.ends] == ["succeeded", "succeeded"]


@pytest.mark.parametrize(
    ("version", "said"), [(1, "succeeded, running 0"), (2, "succeeded, running 0"), (3, "refused")]
)
def test_only_versions_up_to_the_declared_one_run(app: App, version: int, said: str) -> None:
    app.job(name="shop.collect", version=2)(lambda: None)
    bench = Bench(app)
    bench.processor.run_one(lease_of("shop.collect", version))
    assert bench.said == [said]


def test_a_class_that_is_unknown_or_cannot_be_read_is_refused(app: App) -> None:
    bench = Bench(app)
    bench.processor.run_one(lease_of("shop.newer"))
    bench.processor.run_one(Lease(ME, "330", new_job_id(1, "330"), b"rubbish"))
    assert bench.said == ["refused", "refused"]


def test_a_job_is_in_the_register_while_its_code_runs_and_not_a_moment_longer(app: App) -> None:
    """Not while its end is written either: that may take as long as Redis is away."""
    seen: list[Any] = []
    bench = Bench(app)

    @app.job(name="shop.collect")
    def collect() -> None:
        seen.extend(bench.running.all())
        if len(seen) == 2:
            raise ValueError

    lease = lease_of("shop.collect")
    bench.processor.run_one(lease)
    bench.processor.run_one(lease)
    assert [(job.processor, job.lease, job.job_class) for job in seen] == [(3, lease, collect)] * 2
    assert bench.said == ["succeeded, running 0", "ValueError, running 0"]
    assert current_job() is None


def test_a_job_that_may_not_start_does_not(app: App) -> None:
    ran: list[None] = []
    app.job(name="shop.collect")(lambda: ran.append(None))
    bench = Bench(app)
    bench.processor.run_one(lease_of("shop.collect", extras="x:1"))
    assert ran == []
    assert [end.outcome for end in bench.ends] == ["expired"]
    assert bench.running.all() == [], "and leaves the register"


def test_a_job_cancelled_while_it_waits_here_does_not_start(app: App) -> None:
    ran: list[None] = []
    app.job(name="shop.collect")(lambda: ran.append(None))
    bench, lease = Bench(app), lease_of("shop.collect")
    bench.running.cancel(lease.id)
    bench.processor.run_one(lease)
    assert (ran, [end.outcome for end in bench.ends]) == ([], ["cancelled"])
    bench.processor.run_one(lease_of("shop.collect"))
    assert ran == [None]


def test_what_is_to_follow_goes_with_success(app: App) -> None:
    following = app.job(name="shop.after")(lambda: None)

    @app.job(name="shop.collect")
    def collect() -> None:
        follow_up(following.call())
        follow_up(following.call(), in_=60)

    app.job(name="shop.plain")(lambda: None)
    bench = Bench(app)
    bench.processor.run_one(lease_of("shop.collect"))
    bench.processor.run_one(lease_of("shop.plain"))
    assert [[parcel.shop_id for parcel in end.follow_ups] for end in bench.ends] == [[330, 330], []]


def test_the_context_says_how_often_the_job_was_snoozed(app: App) -> None:
    seen: list[int] = []

    @app.job(name="shop.collect")
    def collect() -> None:
        job = current_job()
        assert job is not None
        seen.append(job.snoozes)

    bench = Bench(app)
    bench.processor.run_one(lease_of("shop.collect"))
    bench.processor.run_one(lease_of("shop.collect", extras="z:4,s:nightly"))
    assert seen == [0, 4]


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
