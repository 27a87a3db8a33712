"""How often the run of an online copy is looked at."""

from __future__ import annotations

from itertools import pairwise

import pytest

from podwork_migrations.copy.runs import FIRST_LOOK_SECONDS, LOOK_SECONDS, look_seconds


@pytest.mark.parametrize(
    ("age_seconds", "seconds"),
    [(-60.0, 0.05), (0.0, 0.05), (0.9, 0.05), (2.0, 0.1), (9.0, 0.45), (10.0, 0.5), (86_400.0, 0.5)],
)
def test_a_run_is_looked_at_after_a_twentieth_of_its_age(age_seconds: float, seconds: float) -> None:
    assert look_seconds(age_seconds) == pytest.approx(seconds)


def test_the_older_it_is_the_more_seldom() -> None:
    waits = [look_seconds(tenths / 10) for tenths in range(-10, 200)]
    assert all(one <= later for one, later in pairwise(waits))
    assert (min(waits), max(waits)) == (FIRST_LOOK_SECONDS, LOOK_SECONDS)
