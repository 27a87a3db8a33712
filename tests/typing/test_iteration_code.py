"""Iteration jobs, a collection, a throttle and their tests as users write them, in strict types.

As in `test_user_code`: mypy reads it, unused ignores are errors, and pytest runs it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from podwork import (
    App,
    Batch,
    Collection,
    Cursor,
    Held,
    IterationJob,
    Range,
    RangeCollection,
    Slice,
    Surroundings,
    Throttle,
)
from podwork.errors import ConfigurationError, InvalidArguments
from podwork.testing import draining, fake, iterate
from podwork_pods import (
    Function,
    MaintenanceWindow,
    QueueLatency,
    ReplicaLag,
    csv_lines,
    items,
    json_lines,
    nested,
    rows,
    select,
    windows,
)

app = App("typed")
FILL = sa.text("UPDATE order_lines SET net = value * :percent / 100 WHERE id BETWEEN :lo AND :hi")


@dataclass(frozen=True)
class Brake:
    """A throttle of one's own: the protocol is all that it has to have."""

    name: str = "brake"
    per_shop: ClassVar[bool] = False

    def held(self, around: Surroundings) -> Held | None:
        return Held(f"{self.name} on pod {around.pod_id}") if around.shop_id == 7 else None


def checkout(around: Surroundings) -> str | None:
    return None if around.pod_id else "no pod"


@app.job(name="fill_net_price", queue="low")
class FillNetPrice(IterationJob):
    percent: int = 100
    words: ClassVar[str] = "no parameter"
    target_seconds = 0.1
    parallel = 4
    throttles = (
        ReplicaLag(limit_seconds=5),
        QueueLatency(("critical",)),
        MaintenanceWindow("22:00", "06:00"),
        Function("checkout", checkout),
        Brake(),
    )

    def collection(self) -> RangeCollection:
        return rows("order_lines", columns=("id",))

    def each_range(self, lo: Cursor, hi: Cursor) -> None:
        self.session.execute(FILL, {"percent": self.percent, "lo": lo[0], "hi": hi[0]})

    def on_complete(self) -> None:
        note: str = f"{self.run_id} for {self.context.shop_id}"
        assert note

    def on_failure(self, error: BaseException) -> None:
        assert isinstance(error, BaseException)


class Letters:
    """A collection of one's own."""

    def slices(self, connection: Any, parts: int) -> list[Slice]:
        return [Slice(None, ("c",))]

    def count(self, connection: Any) -> int | None:
        return 3

    def batch(
        self,
        connection: Any,
        slice: Slice,  # noqa: A002 - as in the protocol
        cursor: Cursor | None,
        limit: int,
    ) -> Batch | None:
        after = "`" if cursor is None else str(cursor[0])
        letters = [letter for letter in "abc" if letter > after][:limit]
        return Batch(letters, (letters[-1],)) if letters else None


@app.job(name="spell")
class Spell(IterationJob):
    shop_id: int
    seen: ClassVar[list[str]] = []

    def collection(self) -> Collection:
        return Letters()

    def each_batch(self, letters: Sequence[str]) -> None:
        self.seen.extend(f"{self.shop_id}{letter}" for letter in letters)


@pytest.fixture
def shard() -> Iterator[sa.Engine]:
    engine = sa.create_engine("sqlite://", poolclass=StaticPool)
    with engine.begin() as connection:
        columns = "id INTEGER PRIMARY KEY, value INTEGER, net INTEGER"
        connection.execute(sa.text(f"CREATE TABLE order_lines ({columns})"))
        connection.execute(sa.text("INSERT INTO order_lines VALUES (1, 100, NULL), (2, 200, NULL)"))
    yield engine
    engine.dispose()


def test_it_runs_over_its_collection(shard: sa.Engine) -> None:
    done: int = iterate(FillNetPrice, shard, percent=95)
    assert done == 2
    with shard.connect() as connection:
        assert list(connection.execute(sa.text("SELECT net FROM order_lines")).scalars()) == [95, 190]
        with pytest.raises(InvalidArguments):
            iterate(FillNetPrice, connection, percent="many")
    with pytest.raises(AttributeError):
        iterate("FillNetPrice", shard)  # type: ignore[arg-type]
    Spell.seen.clear()
    with draining(app, shard=shard) as jobs:
        Spell.enqueue(shop_id=7)
        jobs.drain()
    assert Spell.seen == ["7a", "7b", "7c"]


def test_pushes_answer_with_ids() -> None:
    with fake(app, pods=(1, 2)) as jobs:
        run_id: str = FillNetPrice.enqueue(percent=95, pod=1)
        ids: list[str] = FillNetPrice.enqueue_on_every_pod(percent=95)
        bulk: list[str] = Spell.enqueue_bulk([{"shop_id": 7}, {"shop_id": 8}])
        jobs.assert_enqueued(FillNetPrice, percent=95, count=3)
        app.schedule("nightly", FillNetPrice, {"percent": 95}, cron="0 3 * * *")
    assert len({run_id, *ids, *bulk}) == 5


def test_every_collection_is_one() -> None:
    lines = sa.table("order_lines", sa.column("id"), sa.column("value"))
    ranged: list[RangeCollection] = [rows("order_lines"), select(sa.select(lines), key=lines.c.id)]
    collections: list[Collection] = [
        *ranged,
        csv_lines("prices.csv"),
        json_lines("tags.jsonl"),
        items([1, 2]),
        windows(date(2026, 1, 1), date(2026, 2, 1), timedelta(days=7)),
        nested(rows("shops"), lambda shop: rows("order_lines", where=sa.column("shop_id") == shop.id)),
        Letters(),
    ]
    assert all(isinstance(collection, Collection) for collection in collections)
    not_ranged: RangeCollection = items([1])  # type: ignore[assignment]
    assert not isinstance(not_ranged, RangeCollection)
    span: Range = Range((1,), (2,), 2)
    assert span.rows == 2


def test_throttles_are_checked_by_mypy_and_when_they_are_declared() -> None:
    brake: Throttle = Brake()
    assert brake.name == "brake"
    with pytest.raises(ConfigurationError):

        @App("wrong").job()
        class Wrong(FillNetPrice):
            throttles = [Brake()]  # type: ignore[assignment]  # noqa: RUF012 - that is what is wrong

    with pytest.raises(ConfigurationError):

        @App("wrong").job()
        class Slow(FillNetPrice):
            target_seconds = "slow"  # type: ignore[assignment]


def test_what_does_not_exist_is_found_by_mypy() -> None:
    with pytest.raises(ImportError):
        from podwork import Iterator as _  # type: ignore[attr-defined]
    with pytest.raises(ImportError):
        from podwork_pods import tables as _  # type: ignore[attr-defined]  # noqa: F401
