"""Every key in Redis is documented with type and lifetime; every script names the keys that it touches."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from podwork import keys
from podwork.library import parts_named
from tests.architecture.sources import lua_files

TYPES = {"string", "hash", "list", "set", "sorted set"}
CONSTANT = re.compile(r"\b([A-Z][A-Z_]+)\b")
PRELUDE = next((path for path in lua_files() if path.stem == "prelude"), Path())
PARTS = [path for path in lua_files() if path.parent.name == "parts"]
SCRIPTS = [path for path in lua_files() if path.stem != "prelude" and path not in PARTS]


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


def _functions(path: Path) -> dict[str, str]:
    """Return the functions of the prelude or a part: name -> body."""
    return dict(
        re.findall(r"^local function (\w+)\(.*?\n(.*?)^end$", path.read_text(), re.MULTILINE | re.DOTALL)
    )


def _keys_touched(text: str) -> set[str]:
    """Return the constants that the text uses itself or through the prelude's functions."""
    bodies = _functions(PRELUDE)
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


def _parts_called(path: Path) -> set[str]:
    """Return the parts whose functions the text calls."""
    body = re.sub(r"--.*", "", path.read_text())
    own = _functions(path)
    return {
        part.stem
        for part in PARTS
        if part != path
        and any(re.search(rf"\b{name}\(", body) for name in _functions(part) if name not in own)
    }


@pytest.mark.parametrize("script", SCRIPTS + PARTS, ids=lambda path: path.stem)
def test_a_script_says_what_it_does_and_names_its_keys(script: Path) -> None:
    """Its own, and those of the prelude's functions; a part that it uses names the others itself."""
    text = script.read_text()
    header = text.split("\n\n")[0]
    assert header.startswith(f"-- {script.stem}: ")
    named = re.search(r"^-- Keys: (.*?)\.$", header, re.MULTILINE | re.DOTALL)
    text_of_keys = re.sub(r"\(read\)|\n--", "", named[1] if named else "")
    listed = re.findall(r"[a-z][a-z|]*(?::\{[a-z]+\})*", text_of_keys)
    roots = {root for entry in listed for root in entry.split(":")[0].split("|")}
    expected = {_lua_names()[name].removeprefix("podwork:").rstrip(":") for name in _keys_touched(text)}
    assert roots == expected


@pytest.mark.parametrize("script", SCRIPTS + PARTS, ids=lambda path: path.stem)
def test_a_script_names_the_parts_that_it_uses(script: Path) -> None:
    assert set(parts_named(script.read_text())) == _parts_called(script)
