"""Which failures are the same, and which are not."""

from __future__ import annotations

import json
import re
import types
from collections.abc import Callable

import pytest

from podwork.fingerprint import fingerprint_of, fingerprint_of_reason, normalised


def caught(function: Callable[[], object]) -> BaseException:
    try:
        function()
    except BaseException as error:
        return error
    raise AssertionError("it was to fail")


def reach_out(shop_id: int) -> None:
    raise ConnectionError(f"shop {shop_id}: host 'db-{shop_id}' refused")


def reach_out_elsewhere(shop_id: int) -> None:
    raise ConnectionError(f"shop {shop_id}: host 'db-{shop_id}' refused")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("order 17 is gone", "order # is gone"),
        ("no row a1b2c3d4-0000-4000-8000-feedfacebeef", "no row #"),
        ("took 12.5s at 0x7f3a, on 2026-11-24T10:00:00+01:00", "took # at #, on #"),
        ("no file '/tmp/a b' in \"shop\" or `x`", "no file ? in ? or ?"),
        ("it can't be and won't be", "it can't be and won't be"),
        ("can't find 'x' in 'y'", "can't find ? in ?"),
        ("unbalanced 'quote", "unbalanced 'quote"),
    ],
)
def test_what_differs_from_job_to_job_is_left_out(message: str, expected: str) -> None:
    assert normalised(message) == expected


def test_the_same_error_of_two_shops_is_the_same() -> None:
    prints = {fingerprint_of("shop.collect", caught(lambda shop=shop: reach_out(shop))) for shop in (1, 2)}  # type: ignore[misc]
    assert len(prints) == 1
    assert re.fullmatch("[0-9a-f]{8}", prints.pop())


def test_it_outlives_lines_that_move() -> None:
    """As in a deploy that changes other functions of the module."""
    prints = set()
    for blank_lines in (0, 7):
        module = types.ModuleType("moved")
        exec("\n" * blank_lines + "def work():\n    raise ValueError('x')\n", module.__dict__)
        prints.add(fingerprint_of("shop.collect", caught(module.work)))
    assert len(prints) == 1


def test_class_type_message_and_function_make_a_difference() -> None:
    here = fingerprint_of("shop.collect", caught(lambda: reach_out(1)))
    others = {
        fingerprint_of("shop.other", caught(lambda: reach_out(1))),
        fingerprint_of("shop.collect", caught(lambda: reach_out_elsewhere(1))),
        fingerprint_of("shop.collect", ValueError("shop 1: host 'x' refused")),
        fingerprint_of("shop.collect", ConnectionError("shop 1: host refused")),
    }
    assert len(others | {here}) == 5


def parse_order() -> None:
    json.loads("{")


def parse_stock() -> None:
    json.loads("{")


def test_the_place_is_the_applications_not_the_librarys() -> None:
    """An error deep in a library belongs to the function that called it."""
    prints = {fingerprint_of("shop.collect", caught(function)) for function in (parse_order, parse_stock)}
    assert len(prints) == 2


def module_of(name: str, source: str) -> types.ModuleType:
    module = types.ModuleType(name)
    exec(compile(source, f"/installed/{name}.py", "exec"), module.__dict__)
    return module


def test_the_engines_own_frames_do_not_count() -> None:
    """An error that the engine raises belongs to the application's function that called it."""
    first = module_of("podwork.queues", "def push():\n    raise ValueError('no')")
    other = module_of("podwork_pods.fence", "def admit():\n    raise ValueError('no')")

    def through(call: Callable[[], object]) -> object:
        return call()

    errors = [caught(lambda call=call: through(call)) for call in (first.push, other.admit)]  # type: ignore[misc]
    assert len({fingerprint_of("shop.collect", error) for error in errors}) == 1


def test_an_installed_application_is_known_by_the_job_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files lie where other packages' do; the first function below the engine's is the job's."""
    monkeypatch.setattr("podwork.fingerprint._INSTALLED", ("/",))
    engine = module_of("podwork.worker.middleware", "def run(job):\n    job()")
    shop = module_of("shop.jobs", "import json\ndef a(): json.loads('{')\ndef b(): json.loads('{')")
    prints = set()
    for job in (shop.a, shop.b):
        error = caught(lambda job=job: engine.run(job))  # type: ignore[misc]
        from_engine = error.__traceback__.tb_next.tb_next  # type: ignore[union-attr]  # below the test's own
        prints.add(fingerprint_of("shop.collect", error.with_traceback(from_engine)))
    assert len(prints) == 2


def test_errors_without_a_place_or_a_message_have_one_too() -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert len(fingerprint_of("shop.collect", Broken())) == 8
    assert len(fingerprint_of("shop.collect", OSError("no file caf\udce9"))) == 8
    assert fingerprint_of_reason("collect", "slept 5 s") == fingerprint_of_reason("collect", "slept 6 s")


def test_a_message_of_any_length_takes_no_time() -> None:
    error = ValueError("x" * 1_000_000 + "'" * 10_000)
    assert len(fingerprint_of("shop.collect", error)) == 8
