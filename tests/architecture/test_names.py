"""One word, one meaning: the glossary's banned words name neither modules nor things."""

from __future__ import annotations

import re

import pytest

from tests.architecture.sources import ROOT, lua_files, python_files, repository_files

BANNED_MODULES = re.compile(r"^(utils?|helpers?|common|misc|data|info)$|_(utils?|helpers?|common|misc|info)$")
# The noun; to account for something (`_account(...)`) is another word.
BANNED_WORDS = re.compile(r"(?<![a-z])tenants?(?![a-z])|(?<![a-z_])accounts?(?![a-z(])", re.IGNORECASE)
# A Unix account is not a shop.
UNIX_ACCOUNTS = "ops/podwork_ops/local/"


def test_no_module_has_a_banned_name() -> None:
    parts = {part for source in python_files() for part in source.path.removesuffix(".py").split("/")[1:]}
    assert sorted(part for part in parts if BANNED_MODULES.search(part)) == []


def test_managers_live_in_the_worker_only() -> None:
    managers = [source.path for source in python_files() if "manager" in source.path.rsplit("/", 1)[-1]]
    assert [path for path in managers if not path.startswith("platform/podwork/worker/")] == []


def test_a_shop_is_called_a_shop() -> None:
    paths = [ROOT / source.path for source in python_files()] + lua_files()
    strays = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in paths
        if not path.relative_to(ROOT).as_posix().startswith(UNIX_ACCOUNTS)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if BANNED_WORDS.search(line)
    ]
    assert strays == []


# Written in pieces, so that this file does not find itself.
MACHINE_TRACES = {
    "a path of one machine": re.compile("/" + r"(work|root|Users)/|/" + r"home/(?!<)"),
    "a package index": re.compile(
        "index" + r"[-_]url|://[^\s/]*(pypi|pythonhosted|artifactory|nexus)", re.IGNORECASE
    ),
}


@pytest.mark.parametrize("trace", MACHINE_TRACES)
def test_nothing_committed_names_one_machine(trace: str) -> None:
    strays = []
    for path in repository_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        strays += [
            f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
            for number, line in enumerate(text.splitlines(), 1)
            if MACHINE_TRACES[trace].search(line)
        ]
    assert strays == []


def test_pins_are_plain_names_and_versions() -> None:
    pins = re.compile(r"^[A-Za-z0-9._-]+==[A-Za-z0-9.!+_-]+( ?; ?[^/]+)?$")
    files = [path for path in repository_files() if "constraints" in path.name and path.suffix == ".txt"]
    strays = [
        f"{path.name}: {line}"
        for path in files
        for line in path.read_text().splitlines()
        if line.strip() and not line.startswith("#") and not pins.match(line)
    ]
    assert strays == []
