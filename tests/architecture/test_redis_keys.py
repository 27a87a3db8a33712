"""Every key in Redis is documented with type and lifetime; every script names the keys that it touches."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from podwork import keys
from tests.architecture.sources import lua_files

TYPES = {"string", "hash", "list", "set", "sorted set"}
CONSTANT = re.compile(r"\b([A-Z][A-Z_]+)\b")
PRELUDE = next((path for path in lua_files() if path.stem == "prelude"), Path())
SCRIPTS = [path for path in lua_files() if path.stem != "prelude"]


def _documented() -> dict[str, tuple[str, str]]:
    """Return key -> (type, lifetime), from the table in the docstring of `podwork.keys`."""
    rows = re.findall(
        r"^\| `(podwork:[^`]+)` \| ([^|]+) \| [^|]+ \| ([^|]+) \|$", keys.__doc__ or "", re.MULTILINE
    )
    return {key: (kind.strip(), lifetime.strip()) for key, kind, lifetime in rows}


def _declared() -> set[str]:
    """Return every key that `podwork.keys` can make, with its parameters in braces."""
    constants = {value for value in vars(keys).values() if str(value).startswith("podwork:")}
    made = set()
    for _, function in inspect.getmembers(keys, inspect.isfunction):
        names = ["class" if name == "job_class" else name for name in inspect.signature(function).parameters]
        made.add(function(*("{" + name + "}" for name in names)))
    return constants | made


def _lua_names() -> dict[str, str]:
    """Return the prelude's constants: name -> the key or its prefix."""
    names: dict[str, str] = {}
    for left, right in re.findall(r"^local ([A-Z_, ]+) = (.+)$", PRELUDE.read_text(), re.MULTILINE):
        names.update(zip(left.split(", "), re.findall(r"'([^']+)'", right), strict=True))
    return names


def test_every_key_has_a_type_and_a_lifetime() -> None:
    documented = _documented()
    assert set(documented) == _declared()
    assert {kind for kind, _ in documented.values()} <= TYPES
    assert all(lifetime for _, lifetime in documented.values())


def test_the_scripts_use_the_same_names() -> None:
    prefixes = {key.split("{")[0] for key in _declared()}
    assert set(_lua_names().values()) == prefixes


def _keys_touched(text: str) -> set[str]:
    """Return the constants that the script uses itself or through the prelude's functions."""
    bodies = dict(
        re.findall(r"^local function (\w+)\(.*?\n(.*?)^end$", PRELUDE.read_text(), re.MULTILINE | re.DOTALL)
    )
    touched: set[str] = set()
    seen: set[str] = set()
    waiting = [text]
    while waiting:
        body = re.sub(r"--.*", "", waiting.pop())
        touched |= set(CONSTANT.findall(body)) & set(_lua_names())
        called = {name for name in bodies if re.search(rf"\b{name}\(", body)} - seen
        seen |= called
        waiting += [bodies[name] for name in called]
    return touched


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_says_what_it_does_and_names_its_keys(script: Path) -> None:
    text = script.read_text()
    header = text.split("\n\n")[0]
    assert header.startswith(f"-- {script.stem}: ")
    named = re.search(r"^-- Keys: (.*?)\.$", header, re.MULTILINE | re.DOTALL)
    assert named, "the header has no line `-- Keys: ...`"
    listed = re.findall(r"[a-z][a-z|]*(?::\{[a-z]+\})*", re.sub(r"\(read\)|\n--", "", named[1]))
    roots = {root for entry in listed for root in entry.split(":")[0].split("|")}
    expected = {_lua_names()[name].removeprefix("podwork:").rstrip(":") for name in _keys_touched(text)}
    assert roots == expected
