"""What `make test` leaves to `make test-long`: no file that it names is missing, no test left out whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.sampling import EVERY_OTHER, sampled

TESTS = Path(__file__).parents[1]
pytest_plugins = ["pytester"]


def test_the_files_are_there() -> None:
    assert {name for name in EVERY_OTHER if not (TESTS / name).is_file()} == set()


def test_one_in_three_is_fast() -> None:
    cases = sampled([1, (2, 3), 4, 5], 3)
    assert [case if isinstance(case, int) else case.values for case in cases] == [1, (2, 3), (4,), 5]


def test_every_other_case_is_slow_and_some_case_of_each_test_is_fast(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(
        conftest="""
        from tests.support import sampling
        def pytest_collection_modifyitems(items):
            sampling._TESTS, sampling.EVERY_OTHER = items[0].path.parent, {"test_cases.py"}
            sampling.mark_others(items)
        """,
        test_cases="""
        import pytest
        @pytest.mark.parametrize("engine", ["sqlite", "mariadb"])
        def test_two(engine): pass
        @pytest.mark.parametrize("number", range(5))
        def test_five(number): pass
        @pytest.mark.parametrize("number", [1])
        def test_one(number): pass
        def test_alone(): pass
        """,
    )
    monkeypatch.setenv("PYTHONPATH", str(TESTS.parent))
    fast = pytester.runpytest_subprocess("-q", "--co", "-m", "not slow", "-p", "no:cacheprovider").outlines
    slow = pytester.runpytest_subprocess("-q", "--co", "-m", "slow", "-p", "no:cacheprovider").outlines
    assert [_count(fast, name) for name in ("test_two", "test_one", "test_alone")] == [1, 1, 1]
    assert _count(fast, "test_five") in (2, 3)
    assert [_count([*fast, *slow], name) for name in ("test_two", "test_five")] == [2, 5]


def _count(lines: list[str], test: str) -> int:
    return sum(f"::{test}" in line for line in lines)
