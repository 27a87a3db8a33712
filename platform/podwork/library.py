"""The scripts of a pod's Redis as one library of functions, which Redis keeps and runs.

Owns: its text, put together from `scripts/`, and the names of its functions. Each script is a function of its
arguments; the prelude and the parts stand once in front of them all, so that a call builds nothing anew: as
single scripts a push cost Redis 22 us, as a function it costs 13 (ops/docs/performance.md). Promises: library
and functions are named after the text, so that revisions of the code run side by side, each its own scripts.
Leaves to others: loading it and calling (`podwork.store`), what the functions mean (`podwork.queues`).
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib import resources
from typing import Final

FAMILY: Final = "podwork_"
"""What the names of all libraries begin with."""
_REFUSED_WHEN_FULL: Final = ("bring", "push", "push_dead", "push_locked", "relay", "tick")
"""Scripts that a full Redis refuses. The others end jobs or keep leases: without them it stays full."""
_SCRIPTS: Final = resources.files("podwork") / "scripts"
_USES: Final = re.compile(r"^-- Uses: (.*)\.$", re.MULTILINE)


@cache
def name() -> str:
    """Return the library's name."""
    return FAMILY + hashlib.sha1(_body().encode(), usedforsecurity=False).hexdigest()[:12]


@cache
def function(script: str) -> str:
    """Return the name of a script's function."""
    return f"{script}_{name()}"


@cache
def text() -> str:
    """Return what is loaded into Redis."""
    return f"#!lua name={name()}\n{_body()}" + "".join(map(_registration, _names()))


@cache
def single(script: str) -> str:
    """Return one script that can be run without the library: a full Redis takes no new one."""
    flags = "" if script in _REFUSED_WHEN_FULL else " flags=allow-oom"
    return f"#!lua{flags}\n{_body()}return scripts.{script}(KEYS, ARGV)\n"


def parts_named(text: str) -> list[str]:
    """Return the parts that a header names (`-- Uses: rooms, slots.`)."""
    named = _USES.search(text)
    return named[1].split(", ") if named else []


@cache
def _body() -> str:
    prelude = (_SCRIPTS / "prelude.lua").read_text()
    return "".join([prelude, *_parts().values(), "local scripts = {}\n", *map(_function_text, _names())])


def _function_text(script: str) -> str:
    return f"function scripts.{script}(_, ARGV)\n{(_SCRIPTS / f'{script}.lua').read_text()}end\n"


def _names() -> list[str]:
    names = (entry.name.removesuffix(".lua") for entry in _SCRIPTS.iterdir() if entry.name.endswith(".lua"))
    return sorted(script for script in names if script != "prelude")


def _parts() -> dict[str, str]:
    """Return all parts, each after those that it uses itself."""
    parts: dict[str, str] = {}

    def add(part: str) -> None:
        if part not in parts:
            text = (_SCRIPTS / "parts" / f"{part}.lua").read_text()
            for used in parts_named(text):
                add(used)
            parts[part] = text

    for entry in sorted(entry.name for entry in (_SCRIPTS / "parts").iterdir()):
        add(entry.removesuffix(".lua"))
    return parts


def _registration(script: str) -> str:
    flags = "{}" if script in _REFUSED_WHEN_FULL else "{ 'allow-oom' }"
    return (
        f"redis.register_function{{ function_name = '{function(script)}', "
        f"callback = scripts.{script}, flags = {flags} }}\n"
    )
