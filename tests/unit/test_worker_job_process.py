"""One job in its own process: what it opens, runs and says; here in the test's process, on a socket."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from podwork import App, Collection, IterationJob, Snooze, current_job, follow_up, record
from podwork.client import Client
from podwork.context import CURRENT, JobContext
from podwork.errors import ConfigurationError, InvalidRoute
from podwork.identity import new_job_id
from podwork.job import JobClass
from podwork.lease import Lease
from podwork.signals import JobSignal
from podwork.single import SingleRouter
from podwork.worker import JobConnections, WorkerSpec
from podwork.worker.isolation import ends, job_process
from podwork.worker.isolation.flags import StopFlags
from podwork.worker.isolation.job_process import SharedFlags
from podwork.worker.isolation.words import Errand, unframed

ME = "host:1:aaaa"
app = App("x")
said: list[Any] = []


@app.job(name="shop.collect")
def collect(n: int) -> None:
    """Say what it knows of itself."""
    job = current_job()
    assert job is not None
    said.append((n, job.epoch, job.attempt, job.interruptions, job.pod_id, job.shop_id, job.should_stop()))
    follow_up(collect.call(n=n + 1))


@app.job(name="shop.asking")
def asking() -> None:
    """Say whether it is to stop."""
    job = current_job()
    assert job is not None
    said.append((job.should_stop(), job.cancelled))


@app.job(name="shop.fill")
class Fill(IterationJob):
    """What goes through a collection is not this process's to know."""

    percent: int

    def collection(self) -> Collection:
        return pytest.fail("nobody asks for it")

    def each(self, item: int) -> None:
        """Do nothing."""


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    said.clear()
    yield
    CURRENT.set(None)
    app.bind(None)


class Stage:
    """A job process without the process."""

    def __init__(self, **spec: Any) -> None:
        self.flags = StopFlags(1)
        self.overseer = SharedFlags(self.flags, 0)
        client = Client(SingleRouter(), lambda _pod_id: pytest.fail("nothing is pushed"))
        self.closed: list[bool] = []
        connections = JobConnections(client, lambda: self.closed.append(True))
        fields: dict[str, Any] = {"connect_in_job": lambda: connections, **spec}
        self.spec = WorkerSpec(4, app, connect=lambda: pytest.fail("that is the child's"), **fields)

    def run(self, job_class: str, args: bytes = b"{}", attempts: int = 0, interruptions: int = 0) -> ends.End:
        prefix = record.payload_prefix(job_class, 1)
        stored = record.encode_first("default", 1, prefix, args)
        lease = Lease(ME, "7", new_job_id(1, "7"), stored)
        stored = lease.record(attempts=attempts, interruptions=interruptions)
        errand = Errand(ME, "7", lease.id, stored, 3)
        hears, speaks = socket.socketpair()
        with hears, speaks:
            job_process._run(self.spec, errand, self.overseer, speaks)
            body = unframed(hears.recv(1 << 20))
        assert body is not None
        return ends.decode(body)


def test_lease_and_context_are_those_of_the_processor() -> None:
    end = Stage().run("shop.collect", b'{"n":5}', attempts=2, interruptions=1)
    assert said == [(5, 3, 3, 1, 4, 7, False)]
    assert isinstance(end.what, ends.Succeeded)
    assert [parcel.args for parcel in end.what.follow_ups] == [b'{"n":6}']


def test_the_whole_chain_runs_in_it() -> None:
    def note(name: str) -> Any:
        def middleware(job_class: JobClass[Any], lease: Lease, context: JobContext, run: Any) -> None:
            said.append(f"{name} before")
            run(job_class, lease, context)
            said.append(f"{name} after")

        return middleware

    Stage(middleware=(note("outer"), note("inner"))).run("shop.asking")
    assert said == ["outer before", "inner before", (False, False), "inner after", "outer after"]


def test_what_it_pushed_is_told() -> None:
    def pushing(job_class: JobClass[Any], lease: Lease, context: JobContext, run: Any) -> None:
        assert app.client.observe_push is not None
        app.client.observe_push("low", "shop.mail", 2)
        run(job_class, lease, context)

    assert Stage(middleware=(pushing,)).run("shop.asking").pushed == [("low", "shop.mail")] * 2


def test_an_iteration_job_runs_with_what_the_process_has_opened() -> None:
    class Recorder:
        def work(self, job_class: JobClass[Any], args: Mapping[str, Any], context: JobContext) -> JobSignal:
            said.append((job_class.name, args, context.pod_id, context.epoch))
            return Snooze(5, "the replica lags")

    client = Client(SingleRouter(), lambda _pod_id: pytest.fail("nothing is pushed"))
    connections = JobConnections(client, lambda: None, Recorder)
    end = Stage(connect_in_job=lambda: connections).run("shop.fill", b'{"percent":95}')
    assert said == [("shop.fill", {"percent": 95}, 4, 3)]
    assert end.what == ends.Signalled("Snooze", "the replica lags", 5.0)


def test_it_asks_the_shared_memory_whether_to_stop() -> None:
    stage = Stage()
    stage.flags.stop_all()
    stage.run("shop.asking")
    stage.flags.cancel(0)
    stage.run("shop.asking")
    assert said == [(True, False), (True, True)]


def test_a_job_does_not_begin_if_its_process_cannot_open_what_it_needs() -> None:
    def broken() -> JobConnections:
        raise ConfigurationError("no such pod", "mend the settings")

    end = Stage(connect_in_job=broken).run("shop.asking")
    assert end.what == ends.NotBegun("no such pod - mend the settings")
    assert said == []


def test_nothing_is_collected_after_the_end() -> None:
    stage = Stage()
    stage.run("shop.collect", b'{"n":5}')
    job = current_job()
    assert job is not None
    with pytest.raises(InvalidRoute):
        job.follow_up(collect.call(n=9))
