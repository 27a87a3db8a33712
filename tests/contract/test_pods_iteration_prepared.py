"""Statements that are put into words once, on SQLite and MariaDB: they find what others find."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from sqlalchemy import Column, Date, Engine, Integer, MetaData, String, Table, bindparam, event, select, text

from podwork.settings import ShardSettings
from podwork_pods.engines import make_engine
from podwork_pods.errors import ShardUnavailable
from podwork_pods.iteration.collections import rows
from podwork_pods.iteration.prepared import Prepared

NOTES = Table(
    "notes",
    MetaData(),
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(20), nullable=False),
    Column("day", Date, nullable=False),
)
ROWS = [
    {"id": number, "kind": "50 % off" if number % 2 else "plain", "day": date(2026, 1, number)}
    for number in range(1, 21)
]
FROM = NOTES.c.id > bindparam("start")


@pytest.fixture(params=["sqlite", "mariadb"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    url = str(request.getfixturevalue(f"{request.param}_url"))
    made = make_engine(url, lambda why: ShardUnavailable(1, "test", why), ShardSettings(), must_exist=False)
    NOTES.metadata.create_all(made)
    with made.begin() as connection:
        connection.execute(NOTES.insert(), ROWS)
    yield made
    made.dispose()


def ids(engine: Engine, prepared: Prepared, start: int) -> list[Any]:
    with engine.connect() as connection:
        return list(prepared.execute(connection, {"start": start}).scalars())


@pytest.mark.parametrize(
    "condition",
    [
        NOTES.c.kind == "50 % off",
        NOTES.c.kind.like("50 %%"),
        text("kind LIKE '50 %'"),
        NOTES.c.id.in_([3, 5, 19]),
        NOTES.c.day > date(2026, 1, 9),
    ],
    ids=["equal", "like", "text", "in", "date"],
)
def test_it_finds_what_the_statement_finds_each_time(engine: Engine, condition: Any) -> None:
    statement = select(NOTES.c.id).where(condition, FROM).order_by(NOTES.c.id).limit(5)
    prepared = Prepared(statement)
    for start in (0, 4, 12):
        with engine.connect() as connection:
            expected = list(connection.execute(statement, {"start": start}).scalars())
        assert expected
        assert ids(engine, prepared, start) == expected


@pytest.mark.parametrize("condition", [NOTES.c.id.in_([3, 5, 19]), NOTES.c.day > date(2026, 1, 9)])
def test_a_range_with_such_a_filter_is_found(engine: Engine, condition: Any) -> None:
    with engine.connect() as connection:
        wanted = list(connection.execute(select(NOTES.c.id).where(condition).order_by(NOTES.c.id)).scalars())
        collection = rows(NOTES, where=condition)
        [part] = collection.slices(connection, 1)
        found = collection.range(connection, part, None, 2)
    assert found is not None
    assert (found.lo, found.hi, found.rows) == ((wanted[0],), (wanted[1],), 2)


def test_it_is_put_into_words_once(engine: Engine) -> None:
    prepared = Prepared(select(NOTES.c.id).where(FROM).order_by(NOTES.c.id).limit(3))
    sent: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda _c, _cursor, words, *_: sent.append(words))
    assert ids(engine, prepared, 0) == [1, 2, 3]
    made = list(prepared._made.values())
    assert ids(engine, prepared, 10) == [11, 12, 13]
    assert list(prepared._made.values()) == made != [None]
    assert len(set(sent)) == 1
