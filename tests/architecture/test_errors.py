"""One tree of errors: each says when it is raised, and ends podctl with a code given on purpose."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from podwork.errors import PodworkError
from podwork_ops.errors import MEANINGS, ExitCode
from podwork_ops.exit_code_table import EXIT_CODES
from tests.architecture.sources import PACKAGES


def _import_everything() -> None:
    for package in PACKAGES:
        module = importlib.import_module(package)
        for found in pkgutil.walk_packages(module.__path__, f"{package}."):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)


def _tree(root: type[PodworkError] = PodworkError) -> Iterator[type[PodworkError]]:
    yield root
    for child in root.__subclasses__():
        yield from _tree(child)


def _ours() -> list[type[PodworkError]]:
    _import_everything()
    return [error for error in dict.fromkeys(_tree()) if error.__module__.split(".")[0] in PACKAGES]


def test_every_error_says_in_one_sentence_when_it_is_raised() -> None:
    wrong = {}
    for error in _ours():
        doc = (error.__doc__ or "").strip()
        is_sentence = doc.endswith(".") and ". " not in doc and "\n\n" not in doc
        starts_well = doc.startswith("Raised ") or (doc.startswith("The root") and error.__subclasses__())
        if not (is_sentence and starts_well):
            wrong[error.__qualname__] = doc
    assert wrong == {}


def test_every_error_has_an_exit_code() -> None:
    assert sorted(error.__name__ for error in _ours() if error.__name__ not in EXIT_CODES) == []


def test_every_exit_code_has_a_meaning() -> None:
    assert set(MEANINGS) == set(ExitCode)
