"""Which pods are asked for a job, and in which order."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from podwork.identity import InvalidJobId
from podwork_ops.cli.job_places import by_pod
from podwork_ops.composition import Platform

OF_330, OF_42, OF_NO_SHOP = (f"0199f2c1a3b5d0e1f2a3b-{shop}" for shop in ("330", "42", "pod"))
HOMES = {330: 1, 42: 2}


class Pods:
    """Three pods; on them are the jobs that are given, and `asked` says who was asked for which."""

    def __init__(self, *jobs: tuple[int, str]) -> None:
        self.jobs = set(jobs)
        self.asked: list[tuple[int, str]] = []
        self.directory = SimpleNamespace(locate=lambda shop_id: SimpleNamespace(pod_id=HOMES[shop_id]))

    def chosen(self, pod_id: int | None) -> list[int]:
        return [1, 2, 3] if pod_id is None else [pod_id]

    def inspection(self, pod_id: int) -> SimpleNamespace:
        def job(job_id: str) -> object | None:
            self.asked.append((pod_id, job_id))
            return object() if (pod_id, job_id) in self.jobs else None

        return SimpleNamespace(job=job)

    def by_pod(self, *job_ids: str, pod_id: int | None = None) -> dict[int | None, list[str]]:
        return by_pod(cast(Platform, self), job_ids, pod_id)


def test_the_pod_of_its_shop_is_asked_first() -> None:
    pods = Pods((1, OF_330), (2, OF_42))
    assert pods.by_pod(OF_330, OF_42) == {1: [OF_330], 2: [OF_42]}
    assert pods.asked == [(1, OF_330), (2, OF_42)], "no other: it may be down"


def test_then_the_others_and_a_job_that_none_has_is_said_to_be_missing() -> None:
    pods = Pods((3, OF_42))
    assert pods.by_pod(OF_42, OF_NO_SHOP) == {3: [OF_42], None: [OF_NO_SHOP]}
    assert [pod for pod, job_id in pods.asked if job_id == OF_42] == [2, 1, 3]


def test_where_a_pod_is_chosen_it_alone_is_asked() -> None:
    pods = Pods((2, OF_42))
    assert pods.by_pod(OF_42, pod_id=3) == {None: [OF_42]}
    assert pods.asked == [(3, OF_42)]


def test_what_is_no_id_is_refused_before_anybody_is_asked() -> None:
    pods = Pods((1, OF_330))
    with pytest.raises(InvalidJobId):
        pods.by_pod(OF_330, OF_42[:11])
    assert pods.asked == []
