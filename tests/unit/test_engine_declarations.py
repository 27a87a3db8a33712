"""What is refused when a job is declared or its end is written, so that no worker ever meets it."""

from __future__ import annotations

import functools
import math
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from podwork import App, Job, Retry, record
from podwork.errors import ConfigurationError, PodworkError


async def coroutine() -> None: ...
async def asynchronous_generator() -> AsyncIterator[int]:
    yield 1


def generator() -> Iterator[int]:
    yield 1


class AsyncRun(Job):
    async def run(self) -> None: ...


@pytest.mark.parametrize("target", [coroutine, asynchronous_generator, generator, AsyncRun])
def test_what_would_not_run_when_called_is_refused(target: Any) -> None:
    with pytest.raises(ConfigurationError, match="would not run it"):
        App("bad").job()(target)


class StaticRun(Job):
    @staticmethod
    def run(basket_id: int) -> None: ...


class ClassRun(Job):
    @classmethod
    def run(cls, basket_id: int) -> None: ...


@pytest.mark.parametrize("target", [StaticRun, ClassRun])
def test_run_is_a_method_of_the_instance(target: Any) -> None:
    with pytest.raises(ConfigurationError, match="not a method"):
        App("bad").job()(target)


@pytest.mark.parametrize("target", [None, 7, functools.partial(print, "x"), classmethod(lambda cls: None)])
def test_what_is_neither_function_nor_class_is_refused(target: Any) -> None:
    with pytest.raises(ConfigurationError, match="is not a job"):
        App("bad").job()(target)


def test_a_static_function_may_be_a_job_in_either_order() -> None:
    app, ran = App("static"), []

    class Shop:
        @app.job(name="inner")
        @staticmethod
        def inner(n: int = 1) -> None:
            ran.append(n)

        @staticmethod
        @app.job(name="outer")
        def outer(n: int = 2) -> None:
            ran.append(n)

    Shop.inner()
    Shop.outer()
    assert ran == [1, 2]


@pytest.mark.parametrize("retry", [-1, 2.5, True, "3"])
def test_retries_are_counted_from_zero(retry: Any) -> None:
    with pytest.raises(ConfigurationError, match="retry"):
        App("bad").job(retry=retry)(lambda: None)


@pytest.mark.parametrize("name", ["two words", "a|b", "line\nbreak", "zero\x00", "no\u00a0break"])
def test_names_hold_nothing_that_separates(name: str) -> None:
    with pytest.raises(ConfigurationError, match="name"):
        App("bad").job(name=name)(lambda: None)


def test_a_subclass_is_declared_by_itself() -> None:
    app = App("family")

    @app.job(name="parent")
    class Parent(Job):
        def run(self) -> None: ...

    class Child(Parent):
        def run(self) -> None: ...

    class Undeclared(Job):
        def run(self) -> None: ...

    for cls in (Child, Undeclared):
        for push in (cls.enqueue, cls.enqueue_on_every_pod, functools.partial(cls.enqueue_bulk, [])):
            with pytest.raises(ConfigurationError, match="not declared"):
                push()
    declared = app.job(name="child")(Child)
    with pytest.raises(PodworkError, match="not connected"):
        declared.enqueue(shop_id=7)
    assert (Parent.job_class.name, Child.job_class.name) == ("parent", "child")


def test_an_error_that_utf8_cannot_hold_is_stored_all_the_same() -> None:
    head = record.Head("default", 1)
    stored = record.encode(head, b"{}", "OSError: no file caf\udce9")
    assert record.split(stored) == (head, b"{}", "OSError: no file caf\\udce9")


@pytest.mark.parametrize("after_seconds", [math.nan, math.inf, -math.inf])
def test_a_retry_at_no_time_fails_in_the_job(after_seconds: float) -> None:
    with pytest.raises(ValueError, match="cannot run again"):
        Retry(after_seconds)
