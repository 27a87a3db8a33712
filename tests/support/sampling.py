"""A bounded selection of many cases: every so many is fast, the others are left to `make test-long`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def sampled(cases: Iterable[Any], every: int) -> list[Any]:
    """Return the cases for `parametrize`, one in `every` fast, the rest marked slow."""
    return [
        case if position % every == 0 else pytest.param(*_values(case), marks=pytest.mark.slow)
        for position, case in enumerate(cases)
    ]


def _values(case: Any) -> tuple[Any, ...]:
    return case if isinstance(case, tuple) else (case,)
