"""Asking several pods the same question side by side; one that does not answer delays none of the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from podwork.errors import PodworkError

T = TypeVar("T")
AT_ONCE = 16


def ask_each(
    pod_ids: Sequence[int], question: Callable[[int], T]
) -> tuple[dict[int, T], dict[int, PodworkError]]:
    """Return the pods' answers, and the errors of those that could not answer, both by pod."""
    answers: dict[int, T] = {}
    failures: dict[int, PodworkError] = {}
    with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="ask") as pool:
        asked = {pod_id: pool.submit(question, pod_id) for pod_id in sorted(pod_ids)}
        for pod_id, answer in asked.items():
            try:
                answers[pod_id] = answer.result()
            except PodworkError as error:
                failures[pod_id] = error
    return answers, failures
