"""Iteration jobs as an application writes them: what is refused, and what a run is given."""

from __future__ import annotations

import itertools
import typing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar, Final

import pytest

from podwork.context import JobContext
from podwork.errors import ConfigurationError, InvalidArguments
from podwork.iteration import cursor as cursors
from podwork.iteration.collection import Batch, Collection, Cursor, Range, RangeCollection, Slice
from podwork.iteration.declaration import OPTIONS, Declaration
from podwork.iteration.job import IterationJob, Place
from podwork.iteration.methods import Form
from podwork.iteration.throttle import Held, Surroundings, Throttle

CONTEXT = JobContext(job_id="job-1", job_class="x", queue="default", shop_id=7, pod_id=1, epoch=1)


class Numbers:
    """The numbers from 1 to the last one, each its own key: a collection as an application writes one."""

    def __init__(self, last: int) -> None:
        self.last = last

    def slices(self, connection: Any, parts: int) -> list[Slice]:
        cuts = sorted({self.last * part // parts for part in range(1, parts)} - {0, self.last})
        ends = [None, *((cut,) for cut in cuts), (self.last,)]
        return [Slice(after, upto) for after, upto in itertools.pairwise(ends)]

    def count(self, connection: Any) -> int | None:
        return self.last

    def batch(
        self,
        connection: Any,
        slice: Slice,  # noqa: A002 - as in the protocol
        cursor: Cursor | None,
        limit: int,
    ) -> Batch | None:
        found = self.range(connection, slice, cursor, limit)
        return Batch(range(found.lo[0], found.hi[0] + 1), found.hi) if found else None

    def range(
        self,
        connection: Any,
        slice: Slice,  # noqa: A002 - as in the protocol
        cursor: Cursor | None,
        limit: int,
    ) -> Range | None:
        done = (slice.after if cursor is None else cursor) or (0,)
        last = self.last if slice.upto is None else slice.upto[0]
        end = min(done[0] + limit, last)
        return Range((done[0] + 1,), (end,), end - done[0]) if end > done[0] else None


class OnlyBatches:
    """A collection without ranges."""

    def __init__(self, last: int) -> None:
        self._numbers = Numbers(last)
        self.slices, self.count, self.batch = self._numbers.slices, self._numbers.count, self._numbers.batch


class Session(list[Any]):
    """A transaction: what is appended is written."""


def work(declaration: Declaration, args: dict[str, Any], *, size: int = 4, parts: int = 2) -> list[Any]:
    """Run a job to its end as the engine does, partition by partition; return what was written."""
    job = declaration.job(CONTEXT, args, 7)
    collection = declaration.collection(job)
    session = Session()
    for number, part in enumerate(collection.slices(session, parts)):
        cursor: Cursor | None = None
        while True:
            with job.placed(Place("run-1", session, number, cursor)):
                cursor, goes_on = step(declaration.form, job, collection, part, cursor, size)
            if not goes_on:
                break
    return session


def step(
    form: Form, job: IterationJob, collection: Collection, part: Slice, cursor: Cursor | None, size: int
) -> tuple[Cursor | None, bool]:
    if form is Form.EACH_RANGE:
        assert isinstance(collection, RangeCollection)
        found = collection.range(job.session, part, cursor, size)
        if found is None:
            return cursor, False
        job.each_range(found.lo, found.hi)
        return found.hi, True
    batch = collection.batch(job.session, part, cursor, size)
    if batch is None:
        return cursor, False
    if form is Form.EACH_BATCH:
        job.each_batch(batch.items)
    else:
        for item in batch.items:
            job.each(item)
    return batch.last, True


class Each(IterationJob):
    last: int
    times: int = 1

    def collection(self) -> Collection:
        return Numbers(self.last)

    def each(self, item: int) -> None:
        self.session.append(item * self.times)


class Batches(IterationJob):
    last: int

    def collection(self) -> Collection:
        return OnlyBatches(self.last)

    def each_batch(self, items: Sequence[int]) -> None:
        self.session.append(tuple(items))


class Ranges(IterationJob):
    last: int

    def collection(self) -> Collection:
        return Numbers(self.last)

    def each_range(self, lo: Cursor, hi: Cursor) -> None:
        self.session.append((lo, hi, self.idempotency_key))


# What it does


def test_each_item_is_worked_on_with_the_parameters() -> None:
    assert work(Declaration.of("each", Each), {"last": 7, "times": 10}) == [10, 20, 30, 40, 50, 60, 70]


def test_items_come_in_batches() -> None:
    assert work(Declaration.of("batches", Batches), {"last": 9}) == [(1, 2, 3, 4), (5, 6, 7, 8), (9,)]


def test_ranges_come_with_both_ends_and_a_key_for_what_is_done_elsewhere() -> None:
    assert work(Declaration.of("ranges", Ranges), {"last": 10}) == [
        ((1,), (4,), "run-1:0:start"),
        ((5,), (5,), "run-1:0:[4]"),
        ((6,), (9,), "run-1:1:start"),
        ((10,), (10,), "run-1:1:[9]"),
    ]


@pytest.mark.parametrize(
    ("target", "form"), [(Each, Form.EACH), (Batches, Form.EACH_BATCH), (Ranges, Form.EACH_RANGE)]
)
def test_the_form_is_the_method_that_was_written(target: type[IterationJob], form: Form) -> None:
    assert Declaration.of("job", target).form is form


# Its parameters


def test_parameters_are_checked_like_any_job_s() -> None:
    parameters = Declaration.of("each", Each).parameters
    assert parameters.names == ("last", "times")
    assert parameters.bind((), {"last": 7}) == {"last": 7}
    for wrong, why in (
        ({}, "missing argument last"),
        ({"last": 7, "lost": 8}, "unknown argument lost"),
    ):
        with pytest.raises(InvalidArguments, match=why):
            parameters.bind((), wrong)
    with pytest.raises(InvalidArguments, match="positional"):
        parameters.bind((7,), {})
    with pytest.raises(InvalidArguments, match="last: Expected `int`, got `str`"):
        parameters.encode({"last": "7"})


@pytest.mark.parametrize(
    ("args", "why"),
    [({}, "missing"), ({"last": 7, "since": 1}, "unknown"), ({"last": "7"}, "Expected `int`")],
)
def test_they_are_checked_again_before_the_first_batch(args: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidArguments, match=why):
        Declaration.of("each", Each).job(CONTEXT, args, 7)


def test_they_are_attributes_of_one_run() -> None:
    declaration = Declaration.of("each", Each)
    one, other = (declaration.job(CONTEXT, args, 7) for args in ({"last": 7, "times": 2}, {"last": 8}))
    assert isinstance(one, Each)
    assert isinstance(other, Each)
    assert (one.last, one.times, other.last, other.times, Each.times) == (7, 2, 8, 1, 1)
    assert one.context is CONTEXT


class WithDefaults(IterationJob):
    tags: list[str] = []  # noqa: RUF012 - a job's parameter, and copied for each run
    note: str | None = None

    def collection(self) -> Collection:
        return Numbers(1)

    def each(self, item: int) -> None:
        self.tags.append(f"tag {item}")
        self.session.append(tuple(self.tags))


def test_what_one_run_does_to_a_default_no_other_sees() -> None:
    declaration = Declaration.of("job", WithDefaults)
    assert work(declaration, {}) == work(declaration, {}) == [("tag 1",)]
    assert work(declaration, {"tags": ["given"]}) == [("given", "tag 1")]
    assert WithDefaults.tags == []


class WithShop(IterationJob):
    shop_id: int

    def collection(self) -> Collection:
        return Numbers(self.shop_id)

    def each(self, item: int) -> None:
        self.session.append(self.shop_id)


def test_a_parameter_shop_id_is_the_run_s_shop() -> None:
    declaration = Declaration.of("job", WithShop)
    assert declaration.parameters.names == ()
    assert declaration.parameters.takes_shop_id
    assert work(declaration, {}) == [7] * 7


class Since:
    """A mixin with a parameter."""

    since: str = "2026-01-01"


class Inherits(Since, Each):
    times = 3
    percent: float = 0.5
    batch_size: ClassVar[int] = 5
    most_rows: int = 50  # type: ignore[misc]  # an option all the same
    limit: Final = 9
    table: ClassVar[NotThereAtRunTime] = "orders"  # type: ignore[name-defined]  # noqa: F821 - the point of it
    qualified: typing.ClassVar[str] = "x"
    _seen: dict[str, int]


def test_a_class_inherits_parameters_and_adds_others() -> None:
    declaration = Declaration.of("job", Inherits)
    assert set(declaration.parameters.names) == {"last", "times", "since", "percent"}
    job = declaration.job(CONTEXT, {"last": 2, "percent": 1}, 7)
    assert isinstance(job, Inherits)
    assert (job.times, job.since, job.percent) == (3, "2026-01-01", 1)


# What is refused, when it is declared


def test_run_is_refused_with_an_explanation() -> None:
    with pytest.raises(ConfigurationError, match=r"has no run\(\): podwork runs the loop.*on_complete"):

        class Runs(Each):
            def run(self) -> None: ...


def test_run_from_elsewhere_is_refused_too() -> None:
    class Runner:
        def run(self) -> None: ...

    with pytest.raises(ConfigurationError, match=r"has no run\(\)"):

        class Runs(Runner, Each): ...


def test_two_forms_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"Both has each\(\) and each_range\(\) - keep one"):

        class Both(Each):
            def each_range(self, lo: Cursor, hi: Cursor) -> None: ...


class NoForm(IterationJob):
    def collection(self) -> Collection:
        return Numbers(1)


class NoCollection(IterationJob):
    def each(self, item: int) -> None: ...


def test_one_form_and_a_collection_are_needed() -> None:
    with pytest.raises(
        ConfigurationError, match=r"does nothing .*each\(item\), each_batch\(items\) or each_range"
    ):
        Declaration.of("job", NoForm)
    with pytest.raises(ConfigurationError, match=r"has no collection\(\)"):
        Declaration.of("job", NoCollection)


def test_a_base_may_leave_the_rest_to_its_children() -> None:
    class Child(NoForm):
        def each(self, item: int) -> None:
            self.session.append(item)

    assert work(Declaration.of("job", Child), {}) == [1]


def a_job(**members: Any) -> type[IterationJob]:
    def collection(self: IterationJob) -> Collection:
        return Numbers(1)

    def each(self: IterationJob, item: int) -> None: ...

    written = {"collection": collection, "each": each, **members}
    return type("Written", (IterationJob,), {name: member for name, member in written.items() if member})


async def a_coroutine(self: IterationJob, item: int) -> None: ...


def a_generator(self: IterationJob, item: int) -> Iterator[int]:
    yield item


def yielding(self: IterationJob) -> Iterator[int]:
    yield 1


def no_argument(self: IterationJob) -> None: ...
def one_argument(self: Any, item: int) -> None: ...
def two_arguments(self: IterationJob, item: int, more: int) -> None: ...
def three_with_a_default(self: IterationJob, lo: Cursor, hi: Cursor, more: int = 1) -> None: ...


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"each": a_coroutine}, r"calling each\(\) would not run it .*def each\(self, item\)"),
        ({"each": a_generator}, r"calling each\(\) would not run it"),
        ({"collection": yielding}, r"calling collection\(\) would not run it"),
        ({"on_start": yielding}, r"calling on_start\(\) would not run it"),
        ({"each": no_argument}, r"each\(\) cannot be called.*write def each\(self, item\)"),
        ({"each": two_arguments}, r"each\(\) cannot be called: missing a required argument: 'more'"),
        ({"each": None, "each_range": one_argument}, r"each_range\(\) cannot be called.*self, lo, hi"),
        ({"collection": one_argument}, r"collection\(\) cannot be called"),
        ({"on_failure": no_argument}, r"on_failure\(\) cannot be called.*self, error"),
        ({"on_complete": one_argument}, r"on_complete\(\) cannot be called"),
        ({"each": staticmethod(no_argument)}, r"each\(\) is not a method"),
        ({"each": classmethod(one_argument)}, r"each\(\) is not a method"),
        ({"each": 7}, r"each\(\) is not a method"),
    ],
)
def test_a_method_that_could_not_be_called_is_refused(members: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        Declaration.of("job", a_job(**members))


def test_a_method_may_take_more_by_default() -> None:
    declaration = Declaration.of("job", a_job(each=None, each_range=three_with_a_default))
    assert declaration.form is Form.EACH_RANGE


class Quiet(Throttle):
    name = "quiet"

    def held(self, around: Surroundings) -> Held | None:
        return None


@dataclass(frozen=True)
class Unhashable(Throttle):
    inside: list[int]
    name: ClassVar[str] = "unhashable"

    def held(self, around: Surroundings) -> Held | None:
        return None


WRONG_OPTIONS: dict[str, list[Any]] = {
    "target_seconds": [0, -1, float("inf"), float("nan"), "1", None, True],
    "batch_size": [0, -1, 1.5, True, None],
    "most_rows": [0, 2.0, None],
    "least_rows": [0, 2.0, None],
    "parallel": [0, None, True],
    "time_slice_seconds": [0, float("inf"), None],
    "quarantine_limit": [-1, 0.5, None, True],
    "batch_attempts": [0, 1.5, None, True],
    "throttles": [None, [], [Quiet()], (Quiet,), (object(),), (Unhashable([]),), Quiet()],
}


@pytest.mark.parametrize(
    ("option", "value"), [(option, value) for option, values in WRONG_OPTIONS.items() for value in values]
)
def test_an_option_that_cannot_be_meant_so_is_refused(option: str, value: Any) -> None:
    target = a_job()
    setattr(target, option, value)
    with pytest.raises(ConfigurationError, match=f"job: {option} = "):
        Declaration.of("job", target)


def test_every_option_is_checked_and_the_defaults_are_right() -> None:
    annotated = IterationJob.__annotations__
    assert set(OPTIONS) == {name for name in annotated if not name.startswith("_")} == set(WRONG_OPTIONS)
    Declaration.of("job", a_job(quarantine_limit=5, target_seconds=1, parallel=8, throttles=(Quiet(),)))


class TakesARun(IterationJob):
    run: str


class TakesASession(IterationJob):
    session: str


class TakesADate(IterationJob):
    since: date


class TakesAPod(IterationJob):
    pod: int


class TakesTheUnknown(IterationJob):
    since: NotThereAtRunTime  # type: ignore[name-defined]  # noqa: F821 - the point of it


class WrongDefault(IterationJob):
    since: int = "x"  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("base", "why"),
    [
        (TakesARun, "may not be called 'run'"),
        (TakesASession, "may not be called 'session'"),
        (TakesADate, "since: .* is not a JSON type"),
        (TakesAPod, "may not be called 'pod'"),
        (TakesTheUnknown, "the annotation of since cannot be resolved"),
        (WrongDefault, "a default does not fit: since: Expected `int`"),
    ],
)
def test_a_parameter_that_could_not_be_stored_is_refused(base: type[IterationJob], why: str) -> None:
    target = type("Written", (base,), {"collection": NoForm.collection, "each": one_argument})
    with pytest.raises(ConfigurationError, match=why):
        Declaration.of("job", target)


# What is refused, before the first batch


def returning(value: object) -> Callable[[IterationJob], Any]:
    return lambda self: value


@pytest.mark.parametrize("value", [None, [1, 2], iter(()), Numbers])
def test_what_is_no_collection_is_refused(value: object) -> None:
    declaration = Declaration.of("job", a_job(collection=returning(value)))
    with pytest.raises(ConfigurationError, match=r"collection\(\) returned .* not a collection - return one"):
        declaration.collection(declaration.job(CONTEXT, {}, 7))


def test_a_collection_without_ranges_is_refused_for_each_range() -> None:
    target = a_job(each=None, each_range=three_with_a_default, collection=returning(OnlyBatches(3)))
    declaration = Declaration.of("job", target)
    with pytest.raises(ConfigurationError, match="a OnlyBatches has no ranges of keys"):
        declaration.collection(declaration.job(CONTEXT, {}, 7))
    assert not isinstance(OnlyBatches(3), RangeCollection)
    assert isinstance(OnlyBatches(3), Collection)


# Where it stands


def test_outside_of_a_batch_there_is_no_session_and_no_key() -> None:
    job = Each(CONTEXT)
    for name in ("session", "run_id", "idempotency_key"):
        with pytest.raises(ConfigurationError, match=f"Each: there is no {name} here"):
            getattr(job, name)


def test_in_a_hook_there_is_a_session_and_no_key() -> None:
    job = Each(CONTEXT)
    with job.placed(Place("run-1", "the session")):
        assert (job.session, job.run_id) == ("the session", "run-1")
        with pytest.raises(ConfigurationError, match="no idempotency_key here"):
            _ = job.idempotency_key


def test_the_key_names_run_partition_and_cursor() -> None:
    job = Each(CONTEXT)
    cursor = (330, b"\x00", "ä")
    with job.placed(Place("run-1", None, 3, cursor)):
        assert job.idempotency_key == f"run-1:3:{cursors.encode(cursor)}"
    keys = set()
    for place in (
        Place("run-1", None, 0),
        Place("run-1", None, 0, ()),
        Place("run-1", None, 1),
        Place("run-2", None, 0),
    ):
        with job.placed(place):
            keys.add(job.idempotency_key)
    assert len(keys) == 4


def test_after_a_batch_that_failed_it_stands_nowhere() -> None:
    job = Each(CONTEXT)

    def fail() -> None:
        with job.placed(Place("run-1", "the session", 0)):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with pytest.raises(ConfigurationError):
        _ = job.session


def test_hooks_do_nothing_unless_they_are_written() -> None:
    job = Each(CONTEXT)
    for hook in (job.on_start, job.on_pause, job.on_resume, job.on_complete):
        hook()
    job.on_failure(ValueError("x"))
    assert vars(job) == {"context": CONTEXT}
