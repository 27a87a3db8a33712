"""Plain rows become jobs together: checked, named and written as they would be one by one."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest

from podwork import App, identity
from podwork.bundle import Bundle, bundle_of
from podwork.errors import InvalidArguments
from podwork.job import JobClass
from podwork.parcel import parcel_of
from podwork.record import END
from podwork.unique import Unique

NOW_MS = 1_732_274_411_000


def declare(**policies: Any) -> JobClass[Any]:
    @App("bundles").job(name="collect", queue="low", **policies)
    def collect(
        shop_id: int, n: int, note: str = "", share: float = 0.0, tags: list[str] | None = None
    ) -> None:
        """Do nothing."""

    return collect


def bundled(rows: list[Any], **policies: Any) -> Bundle:
    made = bundle_of(declare(**policies), rows, NOW_MS)
    assert made is not None
    return made


ALIKE = [{"shop_id": 7 + n % 3, "n": n, "note": f"ü\n\u2028 {n}"} for n in range(20)]
UNLIKE = [
    {"shop_id": 7, "n": 1},
    {"n": 2, "shop_id": 7, "note": "x"},
    {"shop_id": 8, "n": 3, "share": 0.5, "tags": ["a", "b"]},
    {"shop_id": 0, "n": 4, "tags": None},
    {"shop_id": 2**63 - 1, "n": 2**63 - 1},
]


@pytest.mark.parametrize("rows", [ALIKE, UNLIKE], ids=["alike", "unlike"])
@pytest.mark.parametrize("policies", [{}, {"version": 3, "at_most_once": True, "retry": 0}], ids=str)
def test_jobs_are_the_same_as_one_by_one(rows: list[dict[str, Any]], policies: dict[str, Any]) -> None:
    job_class, made = declare(**policies), bundled(rows, **policies)
    together = {parcel.id: parcel for shop_id in made.by_shop for parcel in made.parcels(shop_id)}
    records: dict[str, bytes] = {}
    for shop_id in made.by_shop:
        records |= dict(made.records(shop_id, made.front(5)))
    for job_id, row in zip(made.ids, rows, strict=True):
        args = {name: value for name, value in row.items() if name != "shop_id"}
        alone = parcel_of(job_class, args, row["shop_id"], NOW_MS)
        assert together[job_id] == alone._replace(id=job_id)
        assert records[job_id] == alone.record(5)
        assert records[job_id].endswith(END)


def test_ids_are_in_the_order_of_the_rows_and_of_time() -> None:
    made = bundled(ALIKE)
    assert [identity.shop_text(job_id) for job_id in made.ids] == [str(row["shop_id"]) for row in ALIKE]
    assert {identity.pushed_at_seconds(job_id) for job_id in made.ids} == {NOW_MS / 1000}
    assert len({*made.ids, *bundled(ALIKE).ids, identity.new_job_id(NOW_MS, "7")}) == 2 * len(ALIKE) + 1
    of_shop = [job_id for job_id, _ in made.by_shop[7]]
    assert of_shop == [job_id for job_id in made.ids if job_id.endswith("-7")]


def test_the_rows_are_left_as_they_are() -> None:
    rows = [dict(row) for row in ALIKE]
    bundled(rows)
    bundled([OrderedDict(row) for row in rows])
    assert rows == ALIKE


def test_a_job_may_have_no_arguments() -> None:
    @App("bundles").job(name="sweep")
    def sweep(shop_id: int) -> None:
        """Do nothing."""

    made = bundle_of(sweep, [{"shop_id": 7}, {"shop_id": 7}], NOW_MS)
    assert made is not None
    assert [args for _, args in made.by_shop[7]] == [b"{}", b"{}"]


@pytest.mark.parametrize(
    "row",
    [
        {"shop_id": 7, "n": 1, "in_": 5},
        {"shop_id": 7, "n": 1, "idempotency_key": "k"},
        {"shop_id": 7, "n": 1, "pod": 1},
        {"shop_id": 7, "n": 1, "transaction": None},
        {"shop_id": True, "n": 1},
        {"shop_id": -1, "n": 1},
        {"shop_id": 2**63, "n": 1},
        {"shop_id": "7", "n": 1},
        {"shop_id": 7.0, "n": 1},
        {"shop_id": None, "n": 1},
        {"n": 1},
    ],
    ids=str,
)
def test_a_row_that_is_not_plain_needs_a_parcel(row: dict[str, Any]) -> None:
    assert bundle_of(declare(), [*ALIKE, row], NOW_MS) is None


@pytest.mark.parametrize("policies", [{"unique": Unique()}, {"expires_in": 60}], ids=str)
def test_a_class_with_locks_or_an_expiry_needs_parcels(policies: dict[str, Any]) -> None:
    assert bundle_of(declare(**policies), ALIKE, NOW_MS) is None


@pytest.mark.parametrize("length", ["alike", "unlike"])
@pytest.mark.parametrize(
    "wrong",
    [
        {"n": "three"},
        {"n": True},
        {"n": 1.5},
        {"note": b"x"},
        {"note": None},
        {"note": "\ud800"},
        {"share": float("nan")},
        {"share": "x"},
        {"tags": ("a",)},
        {"tags": [1]},
        {"tags": {"a"}},
    ],
    ids=ascii,
)
def test_one_wrong_value_is_refused(wrong: dict[str, Any], length: str) -> None:
    right = {"shop_id": 7, "n": 1, "note": "", "share": 0.5, "tags": ["a"]}
    rows = [dict(right) for _ in range(9)] + ([{"shop_id": 7, "n": 1}] if length == "unlike" else [])
    assert len(bundled(rows).ids) == len(rows)
    with pytest.raises(InvalidArguments, match="collect"):
        bundled([*rows, {**right, **wrong}])


@pytest.mark.parametrize(
    "row", [{"shop_id": 7}, {"shop_id": 7, "n": 1, "m": 2}, {"shop_id": 7, "m": 2}], ids=str
)
def test_one_row_that_does_not_fit_the_signature_is_refused(row: dict[str, Any]) -> None:
    rows = [{"shop_id": 7, "n": n} for n in range(9)]
    for wrong in ([*rows, row], [row, *rows], [row, row]):
        with pytest.raises(InvalidArguments, match=r"missing argument n|unknown argument m"):
            bundled(wrong)
