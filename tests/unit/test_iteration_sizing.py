"""How a job's options bound its batches."""

from __future__ import annotations

from typing import ClassVar

from podwork.context import JobContext
from podwork.iteration.job import IterationJob
from podwork_pods.iteration.sizing import Sizing


class Floored(IterationJob):
    target_seconds: ClassVar[float] = 0.2
    batch_size: ClassVar[int] = 100
    least_rows: ClassVar[int] = 40


def test_a_slow_batch_does_not_get_smaller_than_the_job_says_and_a_failed_one_does() -> None:
    sizing = Sizing(Floored(JobContext("j", "floored", "default", None, 1, 0)))
    for _ in range(3):
        sizing.measured(sizing.limit(), 10.0)
    assert sizing.limit() == 40
    sizing.halve()
    assert sizing.limit() == 20
