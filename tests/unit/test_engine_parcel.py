"""From a call and its options to what is sent: when it is due, when it expires, what it is unique by."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from podwork import App, record
from podwork.errors import ConfigurationError, InvalidRoute, InvalidTime
from podwork.job import JobClass
from podwork.limits import Bucket, Concurrency
from podwork.parcel import Parcel, PushOptions, parcel_of
from podwork.unique import Unique

NOW_MS = 1_732_274_411_000


def declare(**policies: Any) -> JobClass[Any]:
    @App("parcels").job(name="collect", **policies)
    def collect(shop_id: int, n: int = 0, note: str = "") -> None:
        """Do nothing."""

    return collect


def parcel(options: PushOptions | None = None, args: dict[str, Any] | None = None, **policies: Any) -> Parcel:
    return parcel_of(declare(**policies), args or {}, 7, NOW_MS, options)


@pytest.mark.parametrize(
    ("options", "due_ms"),
    [
        (PushOptions(in_=60), NOW_MS + 60_000),
        (PushOptions(in_=timedelta(minutes=2)), NOW_MS + 120_000),
        (PushOptions(at=NOW_MS / 1000 + 5), NOW_MS + 5_000),
        (PushOptions(at=datetime(2030, 1, 1, tzinfo=UTC)), 1_893_456_000_000),
        (PushOptions(in_=0), 0),
        (PushOptions(at=5), 0),
        (PushOptions(), 0),
    ],
)
def test_when_it_is_due(options: PushOptions, due_ms: int) -> None:
    made = parcel(options)
    assert made.due_ms == due_ms
    assert record.split(made.record(1))[0].due_ms == (due_ms or NOW_MS)


@pytest.mark.parametrize(
    "options",
    [
        PushOptions(in_=-1),
        PushOptions(in_=float("nan")),
        PushOptions(in_=float("inf")),
        PushOptions(in_=1e18),
        PushOptions(in_=5, at=5),
        PushOptions(at=datetime(2030, 1, 1)),  # noqa: DTZ001 - that is the mistake
        PushOptions(at=-5),
        PushOptions(expires_in=0),
        PushOptions(expires_in=True),
        PushOptions(in_="5"),  # type: ignore[arg-type]  # what an untyped caller may pass
    ],
    ids=str,
)
def test_what_is_no_time_is_refused(options: PushOptions) -> None:
    with pytest.raises(InvalidTime, match="collect"):
        parcel(options)


def test_it_expires_so_long_after_it_is_due() -> None:
    assert record.read_extras(parcel(PushOptions(in_=10, expires_in=5)).extras) == {"x": str(NOW_MS + 15_000)}
    assert record.read_extras(parcel(expires_in=60).extras) == {"x": str(NOW_MS + 60_000)}
    sooner = parcel(PushOptions(expires_in=1), expires_in=60)
    assert record.read_extras(sooner.extras) == {"x": str(NOW_MS + 1_000)}


@pytest.mark.parametrize(
    ("unique", "tag"),
    [(Unique(until="start"), "u"), (Unique(), "w"), (Unique(period_seconds=60), "p")],
)
def test_a_unique_job_names_its_lock(unique: Unique, tag: str) -> None:
    made = parcel(unique=unique)
    [lock] = made.locks
    assert record.read_extras(made.extras) == {tag: lock.digest}
    assert lock.period_ms == (60_000 if tag == "p" else 0)


def test_the_same_arguments_in_another_order_are_the_same() -> None:
    one = parcel(args={"n": 1, "note": "x"}, unique=Unique())
    other = parcel(args={"note": "x", "n": 1}, unique=Unique())
    assert one.locks == other.locks
    assert parcel(args={"n": 2, "note": "x"}, unique=Unique()).locks != one.locks


def test_a_plain_job_asks_for_nothing() -> None:
    made = parcel()
    assert (made.locks, made.extras, made.due_ms) == ((), "-", 0)


def test_an_idempotency_key_is_asked_for_before_uniqueness() -> None:
    locks = parcel(PushOptions(idempotency_key="order-9"), unique=Unique(conflict="replace")).locks
    assert [lock.conflict for lock in locks] == ["drop", "replace"]


def test_a_job_for_a_shop_needs_one() -> None:
    with pytest.raises(InvalidRoute, match="shop_id"):
        parcel_of(declare(), {}, None, NOW_MS)


@pytest.mark.parametrize(
    "policies",
    [
        {"unique": Unique(by=("stranger",))},
        {"unique": Unique(period_seconds=0)},
        {"unique": Unique(until="end")},  # type: ignore[arg-type]  # what an untyped caller may pass
        {"limits": [Concurrency(0)]},
        {"limits": [Concurrency(1.5)]},  # type: ignore[arg-type]
        {"limits": [Bucket(1, per_seconds=0)]},
        {"limits": [Bucket(1, burst=-1)]},
        {"version": 0},
        {"expires_in": 0},
        {"soft_limit_seconds": 5, "hard_limit_seconds": 5},
        {"at_most_once": True, "retry": 3},
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused_when_it_is_declared(policies: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="collect"):
        declare(**policies)
