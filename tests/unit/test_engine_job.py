"""Declaring jobs: what a signature may be, and what a call must be."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from podwork import App, Job, JobContext
from podwork.errors import ConfigurationError, InvalidArguments, UnknownJob
from podwork.job import Call
from podwork.lease import Lease

app = App("test")
ran: list[Any] = []


@app.job(name="collect", queue="low", retry=3)
def collect(shop_id: int, basket_id: int, note: str | None = None) -> None:
    """Collect a basket."""
    ran.append((shop_id, basket_id, note))


@app.job(name="reindex")
class Reindex(Job):
    """Reindex."""

    def run(self, *, full: bool = False, tags: list[str] | None = None) -> None:
        ran.append((self.context.job_id, full, tags))


def lease_of(job_class: str, args: bytes, shop: str = "7") -> Lease:
    stored = b'- default 0 0 0 0 0 {"class":"%b","epoch":1,"args":%b}' % (job_class.encode(), args)
    return Lease("me", shop, f"id-{shop}", stored)


def context() -> JobContext:
    return JobContext(job_id="id-7", job_class="x", queue="default", shop_id=7, pod_id=1, epoch=1)


def test_a_declared_function_is_still_a_function() -> None:
    collect(1, 2, note="here")
    assert ran.pop() == (1, 2, "here")
    assert (collect.name, collect.queue, collect.policy.retry.count, collect.__doc__) == (
        "collect",
        "low",
        3,
        "Collect a basket.",
    )


def test_a_function_runs_with_its_shop_and_arguments() -> None:
    collect.run(lease_of("collect", b'{"basket_id":9}'), context())
    assert ran.pop() == (7, 9, None)


def test_a_class_runs_with_its_context() -> None:
    Reindex.job_class.run(lease_of("reindex", b'{"full":true,"tags":["a"]}'), context())
    assert ran.pop() == ("id-7", True, ["a"])


@pytest.mark.parametrize(
    ("positional", "named", "why"),
    [
        ((1, 2, 3), {}, "positional"),
        ((1,), {"basket_id": 1}, "two values"),
        ((), {"basket_id": 1, "oops": 1}, "unknown argument oops"),
        ((), {}, "missing argument basket_id"),
    ],
)
def test_arguments_must_fit_the_signature(
    positional: tuple[Any, ...], named: dict[str, Any], why: str
) -> None:
    with pytest.raises(InvalidArguments, match=why):
        Call(collect, positional, named)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("9", "Expected `int`"),
        (9.5, "int"),
        (True, "int"),
        (None, "int"),
        ((1,), "tuple is not JSON"),
        (b"x", "bytes"),
    ],
)
def test_arguments_must_have_the_declared_json_type(value: object, why: str) -> None:
    with pytest.raises(InvalidArguments, match=why):
        collect.parameters.encode({"basket_id": value})


def test_untyped_arguments_must_survive_json() -> None:
    @App("untyped").job(name="free")
    def free(payload) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - the point of this test
        """Take anything."""

    assert free.parameters.encode({"payload": {"a": [1, None, "x", 2.5, True]}})
    for wrong in ({1: 2}, [float("inf")], {"a": {1, 2}}, dt.date(2026, 1, 1), object(), "\ud800"):
        with pytest.raises(InvalidArguments):
            free.parameters.encode({"payload": wrong})


def test_signatures_that_cannot_be_stored_are_refused_at_declaration() -> None:
    def stars(*args: int) -> None: ...
    def double_stars(**kwargs: int) -> None: ...
    def only(a: int, /) -> None: ...
    def reserved(pod: int) -> None: ...
    def model(when: dt.datetime) -> None: ...

    for target in (stars, double_stars, only, reserved, model):
        with pytest.raises(ConfigurationError):
            App("bad").job()(target)


def test_what_is_no_job_is_refused() -> None:
    class NoRun(Job):
        pass

    class NoJob:
        def run(self) -> None: ...

    for target in (NoRun, NoJob):
        with pytest.raises(ConfigurationError, match="not a job"):
            App("bad").job()(target)
    for queue in ("Has Space", "", "UPPER", "x" * 65):
        with pytest.raises(ConfigurationError, match="queue"):
            App("bad").job(queue=queue)(lambda: None)


def test_a_name_is_declared_once_and_looked_up() -> None:
    with pytest.raises(ConfigurationError, match="twice"):
        app.job(name="collect")(lambda: None)
    assert app.job_class("reindex") is Reindex.job_class
    with pytest.raises(UnknownJob, match="collect"):
        app.job_class("collekt")


def test_an_unconnected_app_says_so() -> None:
    with pytest.raises(ConfigurationError, match="connect"):
        collect.enqueue(basket_id=1, shop_id=7)


def test_a_typed_call_takes_what_the_function_takes() -> None:
    assert collect.call(7, 9).args == {"basket_id": 9}
    assert collect.call(7, basket_id=9).shop_id == 7
    with pytest.raises(InvalidArguments):
        collect.call(7, 9, None, "more")  # type: ignore[call-arg]


def test_a_job_of_the_started_program_has_the_name_that_workers_import(tmp_path: Path) -> None:
    source = "from podwork import App\napp = App('x')\n@app.job()\ndef f() -> None: ...\nprint(f.name)\n"
    (tmp_path / "shop.py").write_text(source)
    for started in (["shop.py"], ["-m", "shop"]):
        ran = subprocess.run(
            [sys.executable, *started], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert ran.stdout == "shop.f\n"
