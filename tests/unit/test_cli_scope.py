"""What holds and limits are for: options and names lead to the same scope, and nothing else passes."""

from __future__ import annotations

import click
import pytest

from podwork.holds import ANY, name_of
from podwork.inspection import ProcessState
from podwork.limits import Bucket, Concurrency, Limit, LimitState, Window
from podwork_ops.cli.limits import allows, limit_meant
from podwork_ops.cli.output import left, span
from podwork_ops.cli.process_targets import fits, state_of
from podwork_ops.cli.scope import Scope, scope_named


@pytest.mark.parametrize(
    "scope",
    [Scope(), Scope("low"), Scope(None, "shop.collect"), Scope("low", "shop.collect", 330), Scope(shop_id=0)],
)
def test_a_scope_is_found_again_by_its_name(scope: Scope) -> None:
    assert scope.name == name_of(**scope.fields)
    assert scope_named(scope.name) == scope


def test_the_parts_of_a_name_may_stand_in_any_order() -> None:
    assert scope_named("shop=330,queue=low") == Scope("low", None, 330)


@pytest.mark.parametrize(
    "text", ["", "low", "queue=", "queue=a,queue=b", "pod=1", "shop=x", "queue=a,", "=a"]
)
def test_what_is_no_name_of_a_scope_is_none(text: str) -> None:
    assert scope_named(text) is None


def test_only_no_part_at_all_is_everything() -> None:
    assert Scope().is_everything
    assert not Scope(shop_id=0).is_everything


@pytest.mark.parametrize(
    ("options", "limit"),
    [
        ((5, None, None, False, False), Concurrency(5)),
        ((5, None, None, False, True), Concurrency(5, each_shop=True)),
        ((None, (100, 60.0), None, False, False), Bucket(100, 60.0)),
        ((None, (100, 60.0), 20, False, True), Bucket(100, 60.0, 20, each_shop=True)),
        ((None, (100, 60.0), None, True, False), Window(100, 60.0)),
    ],
)
def test_options_describe_one_limit(
    options: tuple[int | None, tuple[int, float] | None, int | None, bool, bool], limit: Limit
) -> None:
    assert limit_meant(*options) == limit


@pytest.mark.parametrize(
    "options",
    [
        (None, None, None, False, False),
        (5, (100, 60.0), None, False, False),
        (5, None, 20, False, False),
        (5, None, None, True, False),
        (None, (100, 60.0), 20, True, False),
    ],
)
def test_options_that_describe_none_or_two_are_refused(
    options: tuple[int | None, tuple[int, float] | None, int | None, bool, bool],
) -> None:
    with pytest.raises(click.UsageError, match=" - "):
        limit_meant(*options)


@pytest.mark.parametrize(
    ("kind", "per_seconds", "burst", "words"),
    [
        ("concurrency", 0, 100, "100 at once"),
        ("bucket", 60, 100, "100 per 1m"),
        ("bucket", 90, 20, "100 per 1m30s, burst 20"),
        ("window", 3600, 100, "100 in 1h"),
    ],
)
def test_a_limit_is_written_as_it_was_given(kind: str, per_seconds: float, burst: int, words: str) -> None:
    state = LimitState("x", kind, 100, per_seconds, burst, ANY, ANY, ANY, "operator")
    assert allows(state) == words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (60, "1m"),
        (3600, "1h"),
        (90, "1m30s"),
        (0.5, "500ms"),
        (86_400, "1d"),
        (3661.001, "1h1m1s1ms"),
        (0, "0s"),
    ],
)
def test_a_span_is_exact(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_what_has_no_end_says_so() -> None:
    assert left(None) == "until lifted"
    assert left(1800) == "30m"


PROCESS = ProcessState("web3:4711:a1b2c3d4", {"pid": "4711"}, 0, 10.0)


@pytest.mark.parametrize("name", ["web3:4711:a1b2c3d4", "web3:4711", "web3", "4711"])
def test_a_process_answers_to_its_incarnation_its_host_and_its_pid(name: str) -> None:
    assert fits(name, PROCESS)


@pytest.mark.parametrize("name", ["web", "web3:47", "471", "47111", "a1b2c3d4", "", "web3:4711:a1b2c3d4:x"])
def test_a_process_does_not_answer_to_parts_of_words(name: str) -> None:
    """Otherwise pid 47 would stop process 4711."""
    assert not fits(name, PROCESS)


@pytest.mark.parametrize(
    ("fields", "lease_seconds", "state"),
    [
        ({}, 5.0, "live"),
        ({"quiet": "1"}, 5.0, "quiet"),
        ({"quiet": "1", "stopping": "1"}, 5.0, "stopping"),
        ({"quiet": "1", "stopping": "1"}, -1.0, "silent"),
    ],
)
def test_the_worst_that_is_known_of_a_process_is_its_state(
    fields: dict[str, str], lease_seconds: float, state: str
) -> None:
    assert state_of(ProcessState("a:1:b", fields, 0, lease_seconds)) == state
