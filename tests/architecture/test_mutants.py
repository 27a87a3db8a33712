"""The list of mutants fits the code, so that `make mutants`, which takes long, has a verdict on each.

Whether a test notices that a guard is gone is for `make mutants` to say.
"""

from __future__ import annotations

import ast
from collections import Counter

from tests.architecture.sources import ROOT
from tests.mutants import MUTANTS


def test_each_has_a_name_of_its_own() -> None:
    assert [name for name, count in Counter(mutant.name for mutant in MUTANTS).items() if count > 1] == []


def test_each_guard_stands_in_its_file_once() -> None:
    found = {mutant.name: (ROOT / mutant.file).read_text().count(mutant.guard) for mutant in MUTANTS}
    assert {name: count for name, count in found.items() if count != 1} == {}, "update the list"


def test_each_without_its_guard_is_still_python() -> None:
    for mutant in MUTANTS:
        if mutant.file.endswith(".py"):
            ast.parse((ROOT / mutant.file).read_text().replace(mutant.guard, mutant.broken), mutant.name)


def test_the_tests_that_must_notice_are_there() -> None:
    named = {
        word.partition("::")[0]
        for mutant in MUTANTS
        for word in mutant.tests.split()
        if "/" in word and word[0] != "-"
    }
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []
