"""Iteration jobs in an application's tests: batch by batch on a database of the test's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import StaticPool

from podwork import App, Batch, Collection, Cursor, IterationJob, Slice, current_job
from podwork.errors import ConfigurationError, InvalidArguments, InvalidRoute
from podwork.testing import draining, fake, inline, iterate
from podwork_pods import items, rows

app = App("typed")
seen: list[Any] = []


@app.job(name="price")
class Price(IterationJob):
    """Writes what each row costs, in percent of its value."""

    percent: int = 100

    def collection(self) -> Collection:
        return rows("lines")

    def each_range(self, lo: Cursor, hi: Cursor) -> None:
        seen.append((lo, hi))
        update = text("UPDATE lines SET price = value * :percent / 100 WHERE id BETWEEN :lo AND :hi")
        self.session.execute(update, {"percent": self.percent, "lo": lo[0], "hi": hi[0]})


@app.job(name="note")
class Note(IterationJob):
    """Says what it was called with."""

    words: list[str]
    shop_id: int
    after: int = -1

    def collection(self) -> Collection:
        return items(self.words)

    def each(self, item: str) -> None:
        if len(seen) == self.after:
            raise LookupError(item)
        seen.append(item)
        self.session.execute(text("INSERT INTO words VALUES (:word)"), {"word": f"{self.shop_id} {item}"})

    def on_start(self) -> None:
        self.session.execute(text("INSERT INTO words VALUES (:word)"), {"word": f"start {self.run_id}"})

    def on_complete(self) -> None:
        self.session.execute(text("INSERT INTO words VALUES ('end')"))

    def on_failure(self, error: BaseException) -> None:
        self.session.execute(text("INSERT INTO words VALUES (:word)"), {"word": f"failed: {error}"})


@app.job(name="plain")
def plain() -> None:
    """No iteration job."""


@pytest.fixture
def engine() -> Iterator[Engine]:
    seen.clear()
    engine = create_engine("sqlite://", poolclass=StaticPool)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE lines (id INTEGER PRIMARY KEY, value INTEGER, price INTEGER)"))
        connection.execute(text("CREATE TABLE words (word TEXT)"))
        for number in range(1, 6):
            connection.execute(text("INSERT INTO lines VALUES (:id, :id * 1000, NULL)"), {"id": number})
    yield engine
    engine.dispose()


def prices(engine: Engine) -> list[int | None]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT price FROM lines ORDER BY id")).scalars())


def words(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT word FROM words")).scalars())


def test_all_rows_are_done_in_several_batches(engine: Engine) -> None:
    assert iterate(Price, engine, percent=50) == 5
    assert prices(engine) == [500, 1000, 1500, 2000, 2500]
    assert seen == [((1,), (2,)), ((3,), (4,)), ((5,), (5,))]


def test_the_test_says_how_many_rows_a_batch_has(engine: Engine) -> None:
    assert iterate(Price, engine, batch_size=100) == 5
    assert seen == [((1,), (5,))]


def test_parameters_go_through_json_and_the_shop_is_given(engine: Engine) -> None:
    given = ["a", "b", "c"]
    assert iterate(Note, engine, shop_id=7, words=given) == 3
    begun, *others = words(engine)
    assert begun.startswith("start ")
    assert others == ["7 a", "7 b", "7 c", "end"]
    assert iterate(Note.job_class.call(words=["z"]), engine, shop_id=7) == 1


def test_what_fails_comes_to_the_test_and_its_batch_is_rolled_back(engine: Engine) -> None:
    with pytest.raises(LookupError):
        iterate(Note, engine, shop_id=7, words=["a", "b", "c", "d"], after=3)
    assert words(engine)[1:] == ["7 a", "7 b", "failed: d"], "of the second batch nothing"


def test_a_connection_keeps_everything_in_the_transaction_of_the_test(engine: Engine) -> None:
    with engine.connect() as connection:
        transaction = connection.begin()
        connection.execute(text("INSERT INTO lines VALUES (6, 6000, NULL)"))
        assert iterate(Price, connection, percent=10) == 6
        price = text("SELECT price FROM lines WHERE id = 6")
        assert connection.execute(price).scalar_one() == 600
        transaction.rollback()
    assert prices(engine) == [None] * 5


class Memory(IterationJob):
    """Counts on what the batch before has left in the object."""

    total = 0

    def collection(self) -> Collection:
        return items([1, 2, 3])

    def each_batch(self, items: Sequence[int]) -> None:
        self.total += sum(items)
        seen.append(self.total)


def test_a_batch_finds_nothing_that_another_left_in_memory(engine: Engine) -> None:
    App("memory").job()(Memory)
    assert iterate(Memory, engine) == 3
    assert seen == [3, 3], "three plus three, had it been kept"


class Stuck:
    """A collection that does not move on."""

    def slices(self, connection: Any, parts: int) -> list[Slice]:
        return [Slice(None, None)]

    def count(self, connection: Any) -> int | None:
        return None

    def batch(
        self,
        connection: Any,
        slice: Slice,  # noqa: A002 - as in the protocol
        cursor: Cursor | None,
        limit: int,
    ) -> Batch | None:
        return Batch([1], (1,))


class Circle(IterationJob):
    """Goes through it."""

    def collection(self) -> Collection:
        return Stuck()

    def each(self, item: int) -> None:
        assert current_job() is not None


def test_a_collection_that_stands_still_is_found_out(engine: Engine) -> None:
    App("circle").job()(Circle)
    with pytest.raises(AssertionError, match="it has to move on"):
        iterate(Circle, engine)


def test_what_could_not_be_pushed_is_not_run(engine: Engine) -> None:
    with pytest.raises(InvalidArguments):
        iterate(Price, engine, percent="many")
    with pytest.raises(InvalidArguments):
        iterate(Price, engine, per_cent=7)
    with pytest.raises(InvalidRoute):
        iterate(Note, engine, words=[])
    with pytest.raises(ConfigurationError, match="plain is no iteration job"):
        iterate(plain, engine)
    assert seen == []


def test_blocks_that_run_jobs_run_it_where_the_test_says(engine: Engine) -> None:
    with draining(app, shard=engine) as jobs:
        run_id = Price.enqueue(percent=1, pod=1)
        assert [run.outcome for run in jobs.drain()] == ["succeeded"]
        jobs.assert_enqueued(Price, pod=1, percent=1)
    assert prices(engine) == [10, 20, 30, 40, 50]
    with inline(app, shard=engine) as jobs:
        Note.enqueue(words=["a"], shop_id=7)
        Price.enqueue_on_every_pod(percent=2)
    assert words(engine)[1:] == ["7 a", "end"]
    assert prices(engine) == [20, 40, 60, 80, 100]
    assert run_id not in words(engine)[0]


def test_without_a_shard_it_says_what_is_missing(engine: Engine) -> None:
    with draining(app) as jobs:
        Price.enqueue(pod=1)
        with pytest.raises(ConfigurationError, match="give shard="):
            jobs.drain()
    with fake(app) as recorded:
        Price.enqueue(pod=1)
        recorded.assert_enqueued(Price, percent=100)  # defaults count as given
