"""The scripts in Redis: loaded when missing, several revisions side by side, also in a full Redis."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from podwork import library
from podwork.errors import StoreRefused
from podwork.queues import End, Queues
from podwork.store import MOST_LIBRARIES, Store
from tests.architecture.sources import lua_files
from tests.integration.test_engine_queues import A, push

NAMED = re.compile(r"^local (?:function )?([\w, ]+?)(?: =|\()", re.MULTILINE)


def libraries(store: Store) -> set[str]:
    return {entry[1].decode() for entry in store.command("FUNCTION", "LIST")}


@pytest.fixture
def queues(own_redis_url: str) -> Queues:
    queues = Queues(Store(own_redis_url), lease_seconds=30)
    queues.register(A, {"pid": 1})
    return queues


@pytest.fixture
def own_redis_url(own_redis: object) -> str:
    return str(own_redis.url)  # type: ignore[attr-defined]


def test_a_library_that_was_lost_is_loaded_again(queues: Queues) -> None:
    first, second = push(queues, ("7", 2))
    [lease] = queues.claim(A, ["default"], 1)
    assert lease.id == first
    queues.store.command("FUNCTION", "FLUSH")
    refused, leases = queues.turn(A, [End(lease)], ["default"], 5)
    assert (refused, [one.id for one in leases]) == ([], [second]), "two scripts at once, in their order"
    assert libraries(queues.store) == {library.name()}


def test_a_push_that_is_sent_ahead_finds_its_library_missing(queues: Queues) -> None:
    queues.store.command("FUNCTION", "FLUSH")
    answer = queues.begin_push([])
    assert answer() == []
    assert libraries(queues.store) == {library.name()}


def test_revisions_stand_side_by_side_but_not_without_end(queues: Queues) -> None:
    others = [f"{library.FAMILY}{number:012}" for number in range(MOST_LIBRARIES + 2)]
    for name in others:
        text = f"#!lua name={name}\nredis.register_function('f_{name}', function() return 1 end)"
        queues.store.command("FUNCTION", "LOAD", text)
    foreign = "#!lua name=theirs\nredis.register_function('theirs', function() return 1 end)"
    queues.store.command("FUNCTION", "LOAD", foreign)
    queues.store.command("FUNCTION", "DELETE", library.name())
    push(queues, ("7", 1))
    left = libraries(queues.store)
    assert {library.name(), "theirs"} < left
    assert len(left - {"theirs"}) == MOST_LIBRARIES


def test_a_full_redis_without_the_library_still_ends_jobs(queues: Queues) -> None:
    push(queues, ("7", 1))
    [lease] = queues.claim(A, ["default"], 1)
    queues.store.command("FUNCTION", "FLUSH")
    queues.store.command("CONFIG", "SET", "maxmemory", "1")
    try:
        assert queues.heartbeat(A, {"pid": 1}).leads
        assert queues.acknowledge(A, [lease]) == []
        with pytest.raises(StoreRefused, match="maxmemory"):
            push(queues, ("7", 1))
    finally:
        queues.store.command("CONFIG", "SET", "maxmemory", "0")
    assert libraries(queues.store) == set()
    push(queues, ("7", 1))
    assert libraries(queues.store) == {library.name()}


def test_names_stand_once_in_the_library() -> None:
    """The prelude and all parts are one text: a name that repeats would take the other one's place."""
    shared = [path for path in lua_files() if path.stem == "prelude" or path.parent.name == "parts"]
    names = [name for path in shared for name in _names(path)]
    assert len(names) > 60
    assert {name for name in names if names.count(name) > 1} == set()


def _names(path: Path) -> list[str]:
    return [name for found in NAMED.findall(path.read_text()) for name in found.split(", ")]
