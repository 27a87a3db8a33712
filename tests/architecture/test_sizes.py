"""Files and functions stay small enough to be read at once."""

from __future__ import annotations

import ast
import statistics

from tests.architecture.sources import python_files

FILE_CAP_LINES = 350
FILE_MEDIAN_LINES = 120
FUNCTION_P90_LINES = 30

# Path -> why it may be longer. Empty is best.
LONGER: dict[str, str] = {
    "platform/podwork/settings.py": "the one table of all settings, with what each is for",
}


def test_no_file_is_longer_than_the_cap_without_a_reason() -> None:
    long = {source.path: source.lines for source in python_files() if source.lines > FILE_CAP_LINES}
    assert {path: lines for path, lines in long.items() if path not in LONGER} == {}
    assert [path for path in LONGER if path not in long] == [], "a reason that is no longer needed"


def test_the_median_file_is_small() -> None:
    assert statistics.median(source.lines for source in python_files()) <= FILE_MEDIAN_LINES


def test_nine_functions_in_ten_fit_half_a_screen() -> None:
    lengths = [
        (node.end_lineno or node.lineno) - node.lineno + 1
        for source in python_files()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert statistics.quantiles(lengths, n=10)[-1] <= FUNCTION_P90_LINES
