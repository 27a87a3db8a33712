"""Tables and statements as collections, on SQLite and MariaDB: every row once, whatever its key is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    DateTime,
    Engine,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Uuid,
    column,
    event,
    func,
    insert,
    text,
    update,
)
from sqlalchemy import select as sql_select
from sqlalchemy import table as sql_table

from podwork.iteration.collection import Collection, RangeCollection, Slice
from podwork.settings import ShardSettings
from podwork_pods.driver_errors import is_lock_timeout
from podwork_pods.engines import make_engine
from podwork_pods.errors import ShardUnavailable
from podwork_pods.iteration.collections import (
    Divisible,
    ForeignCursor,
    InvalidCollection,
    InvalidKey,
    items,
    keyset,
    nested,
    rows,
    select,
)
from podwork_pods.iteration.collections.explain import estimated_rows, plan
from podwork_pods.iteration.collections.rows import Rows
from tests.support.walking import batches, ranges, stored, through_text, walked

KEYS = [-(2**63), -7, -1, 0, 1, 2, 5, 2**31, 2**63 - 1]


@pytest.fixture(params=["sqlite", "mariadb"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    yield from _engine(str(request.getfixturevalue(f"{request.param}_url")))


@pytest.fixture
def mariadb(mariadb_url: str) -> Iterator[Engine]:
    yield from _engine(mariadb_url)


@pytest.fixture
def sqlite(sqlite_url: str) -> Iterator[Engine]:
    yield from _engine(sqlite_url)


def _engine(url: str) -> Iterator[Engine]:
    made = make_engine(
        url,
        lambda why: ShardUnavailable(1, "test", why),
        ShardSettings(lock_wait_seconds=1),
        must_exist=False,
    )
    yield made
    made.dispose()


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.begin() as opened:
        yield opened


def table(connection: Connection, sql: str, *values: tuple[Any, ...]) -> None:
    """Make the table `things` with these columns and rows."""
    run(connection, f"CREATE TABLE things ({sql})")
    fill(connection, *values)


def run(connection: Connection, sql: str) -> None:
    connection.exec_driver_sql(sql)


def fill(connection: Connection, *values: tuple[Any, ...]) -> None:
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    for row in values:
        connection.exec_driver_sql(f"INSERT INTO things VALUES ({', '.join([mark] * len(row))})", row)


def numbers(connection: Connection, *keys: int) -> None:
    """Make the table `things` with whole numbers for keys."""
    table(connection, "id BIGINT NOT NULL PRIMARY KEY, n INTEGER", *[(key, 0) for key in keys])


def ids(found: list[list[Any]]) -> list[Any]:
    return [row.id for part in found for row in part]


# --- kinds of keys


@pytest.mark.parametrize("parts", [1, 2, 4, 9, 30])
def test_negative_zero_and_huge_keys(connection: Connection, parts: int) -> None:
    numbers(connection, *KEYS)
    found = walked(rows("things"), connection, parts)
    assert ids(found) == KEYS
    assert len(found) == min(parts, len(KEYS))
    sizes = [len(part) for part in found]
    assert max(sizes) - min(sizes) <= 1


def test_unsigned_keys_beyond_63_bits(mariadb: Engine) -> None:
    with mariadb.begin() as connection:
        table(connection, "id BIGINT UNSIGNED PRIMARY KEY", (0,), (2**63,), (2**64 - 1,))
        assert ids(walked(rows("things"), connection, 2, 1)) == [0, 2**63, 2**64 - 1]


def test_a_key_of_several_columns(connection: Connection) -> None:
    keys = [(shop, number) for shop in (-1, 0, 330) for number in (-2, 0, 2)]
    table(
        connection,
        "shop_id BIGINT NOT NULL, number INT NOT NULL, n INT, PRIMARY KEY (shop_id, number)",
        *[(*key, 0) for key in reversed(keys)],
    )
    for limit in (1, 2, 3, 4, 100):
        for parts in (1, 2, 4):
            found = walked(rows("things", key=("shop_id", "number")), connection, parts, limit)
            assert [(row.shop_id, row.number) for part in found for row in part] == keys


@pytest.mark.parametrize("turned", [False, True])
def test_three_columns_of_different_kinds(connection: Connection, turned: bool) -> None:
    keys = [(a, b, c) for a in ("a", "b") for b in (0, 1) for c in ("x", "y", "z")]
    table(
        connection,
        "a VARCHAR(10) NOT NULL, b INT NOT NULL, c VARCHAR(10) NOT NULL, UNIQUE (c, a, b)"
        if turned
        else "a VARCHAR(10) NOT NULL, b INT NOT NULL, c VARCHAR(10) NOT NULL, UNIQUE (a, b, c)",
        *keys,
    )
    key = ("c", "a", "b") if turned else ("a", "b", "c")
    found = walked(rows("things", key=key), connection, 3, 2)
    got = [tuple(getattr(row, name) for name in key) for part in found for row in part]
    assert got == sorted(tuple(dict(zip("abc", row, strict=True))[name] for name in key) for row in keys)


def test_text_goes_by_its_collation_not_by_pythons(mariadb: Engine) -> None:
    words = [
        "Zebra",
        "apple",
        "Äpfel",
        "banana",
        "Ärger",
        "_x",
        "éclair",
        "zoo",
        "",
        " a",
        "ñu",
        "Über",
        "x'y",
    ]
    with mariadb.begin() as connection:
        for collation in ("utf8mb4_general_ci", "utf8mb4_unicode_ci", "utf8mb4_swedish_ci", "utf8mb4_bin"):
            run(connection, "DROP TABLE IF EXISTS things")
            table(
                connection,
                f"word VARCHAR(40) CHARACTER SET utf8mb4 COLLATE {collation} NOT NULL PRIMARY KEY",
                *[(word,) for word in words],
            )
            in_order = connection.execute(text("SELECT word FROM things ORDER BY word")).scalars().all()
            assert collation.endswith("_bin") == (list(in_order) == sorted(words))
            for limit in (1, 3):
                found = walked(rows("things", key="word"), connection, 4, limit)
                assert [row.word for part in found for row in part] == in_order


def test_text_that_its_collation_takes_for_equal_is_told_apart_by_the_next_column(
    connection: Connection,
) -> None:
    collated = "COLLATE NOCASE" if connection.dialect.name == "sqlite" else "COLLATE utf8mb4_general_ci"
    text_type = "TEXT" if connection.dialect.name == "sqlite" else "VARCHAR(20) CHARACTER SET utf8mb4"
    table(
        connection,
        f"name {text_type} {collated} NOT NULL, number INT NOT NULL, PRIMARY KEY (name, number)",
        ("ab", 1),
        ("AB", 2),
        ("aB", 3),
        ("B", 1),
        ("b", 2),
        ("A", 9),
    )
    for limit in (1, 2):
        found = walked(rows("things", key=("name", "number")), connection, 3, limit)
        assert [(row.name, row.number) for part in found for row in part] == [
            ("A", 9),
            ("ab", 1),
            ("AB", 2),
            ("aB", 3),
            ("B", 1),
            ("b", 2),
        ]


def test_a_key_in_another_character_set_than_the_connection(mariadb: Engine) -> None:
    with mariadb.begin() as connection:
        table(
            connection,
            "name VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_german2_ci NOT NULL PRIMARY KEY",
            *[(name,) for name in ("Öl", "Ofen", "Zaun", "äh", "Ast")],
        )
        in_order = connection.execute(text("SELECT name FROM things ORDER BY name")).scalars().all()
        found = walked(rows("things", key="name"), connection, 3, 1)
        assert [row.name for part in found for row in part] == in_order
        assert "range" in access(connection, rows("things", key="name"), ("Ofen",))


def test_binary_keys(connection: Connection) -> None:
    keys = [b"", b"\x00", b"\x00\xff", b"'%\\", b"\x7f", b"\x80", b"\xff\xff"]
    binary = "BLOB" if connection.dialect.name == "sqlite" else "VARBINARY(16)"
    table(connection, f"id {binary} NOT NULL PRIMARY KEY", *[(key,) for key in reversed(keys)])
    for limit in (1, 3):
        assert ids(walked(rows("things"), connection, 3, limit)) == keys


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("DATETIME(6)", [datetime(1999, 12, 31, 23, 59, 59, 999999), datetime(2026, 3, 29, 2, 30)]),  # noqa: DTZ001
        ("DATE", [date(1000, 1, 1), date(2026, 11, 24), date(9999, 12, 31)]),
        ("DECIMAL(30,10)", [Decimal("-1.0000000001"), Decimal("0E-10"), Decimal("12345678901234567890.1")]),
        ("DOUBLE", [-1e300, -0.1, 0.0, 0.1, 0.30000000000000004, 1 / 3, 1e300]),
        ("UUID", ["00000000-0000-0000-0000-000000000001", "f0000000-0000-4000-8000-000000000001"]),
        ("INET6", ["::1", "2001:db8::ff00:42:8329"]),
        ("YEAR", [1901, 2026]),
    ],
)
@pytest.mark.filterwarnings("ignore:Did not recognize type 'inet6'")
def test_other_types_of_mariadb(mariadb: Engine, kind: str, keys: list[Any]) -> None:
    with mariadb.begin() as connection:
        table(connection, f"id {kind} NOT NULL PRIMARY KEY", *[(key,) for key in keys])
        assert len(ids(walked(rows("things"), connection, 2, 1))) == len(keys)
        whole = rows("things").slices(connection, 1)[0]
        assert sum(found.rows for found in ranges(rows("things"), connection, whole, 1)) == len(keys)


def test_types_that_sqlalchemy_converts_go_through_cursors_as_the_driver_has_them(
    connection: Connection,
) -> None:
    """Items are converted, cursors are not: on SQLite a DateTime is a text and a Boolean a number."""
    from uuid import UUID

    things = Table(
        "things",
        MetaData(),
        Column("at", DateTime, primary_key=True),
        Column("flag", Boolean, primary_key=True),
        Column("token", Uuid, primary_key=True),
        Column("n", Integer),
    )
    things.create(connection)
    keys = [
        (datetime(2026, 1, day), flag, UUID(int=number))  # noqa: DTZ001
        for day in (1, 2)
        for flag in (False, True)
        for number in (3, 2**127)
    ]
    connection.execute(insert(things), [dict(zip(things.c.keys(), (*key, 0), strict=True)) for key in keys])
    of_all = rows(things, key=("at", "flag", "token"))
    for limit in (1, 3, 20):
        found = walked(of_all, connection, 3, limit)
        assert [tuple(row)[:3] for part in found for row in part] == keys
        assert all(len(row) == 4 for part in found for row in part)
    whole = of_all.slices(connection, 1)[0]
    for lo, hi, _ in ranges(of_all, connection, whole, 3):
        connection.execute(update(things).where(of_all.within(connection, lo, hi)).values(n=things.c.n + 1))
    assert connection.execute(sql_select(things.c.n)).scalars().all() == [1] * len(keys)


# --- what an item is


def test_an_item_has_the_columns_that_were_asked_for(connection: Connection) -> None:
    table(connection, "id INT NOT NULL PRIMARY KEY, a INT, b INT", (1, 10, 100), (2, 20, 200))
    [[one, two]] = walked(rows("things", columns=("b",)), connection)
    assert (tuple(one), one.b, tuple(two)) == ((100,), 100, (200,))
    [[one, _]] = walked(rows("things", columns=("a", "ID")), connection)
    assert tuple(one) == (10, 1)
    [[one, _]] = walked(rows("things"), connection)
    assert one._asdict() == {"id": 1, "a": 10, "b": 100}


def test_a_filter_is_a_condition_or_sql(connection: Connection) -> None:
    table(connection, "id INT NOT NULL PRIMARY KEY, a INT", *[(number, number % 3) for number in range(12)])
    for where in ("a = 1 OR a = 2", column("a").in_([1, 2]), column("a") != 0):
        for parts in (1, 3):
            found = walked(rows("things", where=where), connection, parts, 2)
            assert ids(found) == [number for number in range(12) if number % 3]
            assert len(found) == parts
    assert rows("things", where="a = 1 OR a = 2").count(connection) == 8
    assert ids(walked(rows("things", where="a > 0").where("id < 5"), connection)) == [1, 2, 4]


def test_rows_may_be_read_under_lock(mariadb: Engine) -> None:
    with mariadb.begin() as connection:
        numbers(connection, 1, 2, 3)
    with mariadb.begin() as first, mariadb.begin() as second:
        rows("things", lock=True).batch(first, Slice(None, None), None, 2)
        second.execute(text("UPDATE things SET n = 1 WHERE id = 3"))
        with pytest.raises(Exception) as raised:
            second.execute(text("UPDATE things SET n = 1 WHERE id = 2"))
        assert is_lock_timeout(raised.value)
    with mariadb.begin() as first, mariadb.begin() as second:
        rows("things").batch(first, Slice(None, None), None, 2)
        second.execute(text("UPDATE things SET n = 1 WHERE id = 2"))


# --- slices


def test_an_empty_table_stays_empty_unless_its_end_is_open(connection: Connection) -> None:
    numbers(connection)
    [closed] = rows("things").slices(connection, 4)
    [open_] = rows("things", open_ended=True).slices(connection, 4)
    fill(connection, (1, 0))
    assert rows("things").batch(connection, stored(closed), None, 5) is None
    assert rows("things").range(connection, stored(closed), None, 5) is None
    assert rows("things").middle(connection, stored(closed), None) is None
    assert len(list(batches(rows("things"), connection, open_, 5))) == 1


def test_the_end_is_that_of_the_start_unless_it_is_open(connection: Connection) -> None:
    numbers(connection, 10, 20, 30)
    closed = rows("things").slices(connection, 2)
    open_ = rows("things", open_ended=True).slices(connection, 2)
    fill(connection, (5, 0), (25, 0), (40, 0))

    def seen(slices: list[Slice]) -> list[int]:
        return [
            row.id
            for part in slices
            for found in batches(rows("things"), connection, part, 2)
            for row in found.items
        ]

    assert seen(closed) == [5, 10, 20, 25, 30]
    assert seen(open_) == [5, 10, 20, 25, 30, 40]


SMALL = st.integers(-5, 5)
ROUNDS = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)


@ROUNDS
@given(
    keys=st.sets(st.tuples(SMALL, st.text("aAbBäÄ_ ", max_size=3).map(str.strip), SMALL), max_size=40),
    parts=st.integers(1, 12),
    limit=st.integers(1, 9),
)
def test_slices_cover_every_row_once_in_the_databases_order(
    engine: Engine, keys: set[tuple[int, str, int]], parts: int, limit: int
) -> None:
    text_type = (
        "TEXT COLLATE NOCASE"
        if engine.dialect.name == "sqlite"
        else "VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"
    )
    key = ("a", "b", "c")
    with engine.begin() as connection:
        run(connection, "DROP TABLE IF EXISTS things")
        table(
            connection,
            f"number INT NOT NULL, a INT NOT NULL, b {text_type} NOT NULL, c INT NOT NULL,"
            " PRIMARY KEY (a, b, c)",
        )
        ignore = "OR IGNORE" if engine.dialect.name == "sqlite" else "IGNORE"
        for number, values in enumerate(sorted(keys)):
            connection.execute(
                text(f"INSERT {ignore} INTO things VALUES (:n, :a, :b, :c)"),
                {"n": number, "a": values[0], "b": values[1], "c": values[2]},
            )
        expected = [
            row.number for row in connection.execute(text("SELECT * FROM things ORDER BY a, b, c")).all()
        ]
        of_all = rows("things", key=key)
        found = walked(of_all, connection, parts, limit)
        assert [row.number for part in found for row in part] == expected
        if expected:
            assert len(found) == min(parts, len(expected))
            sizes = [len(part) for part in found]
            assert max(sizes) - min(sizes) <= 1
        for part in of_all.slices(connection, parts):
            for lo, hi, count in ranges(of_all, connection, part, limit):
                inside = sql_select(func.count()).select_from(sql_table("things"))
                inside = inside.where(of_all.within(connection, lo, hi))
                assert connection.execute(inside).scalar_one() == count
                connection.execute(
                    update(Table("things", MetaData(), Column("number", Integer)))
                    .where(of_all.within(connection, lo, hi))
                    .values(number=column("number") + 1000)
                )
        raised = connection.execute(text("SELECT number FROM things")).scalars().all()
        assert sorted(raised) == [number + 1000 for number in sorted(expected)]


@ROUNDS
@given(keys=st.sets(st.integers(-(2**63), 2**63 - 1), max_size=30), data=st.data())
def test_halving_what_is_left_neither_skips_nor_repeats(
    engine: Engine, keys: set[int], data: st.DataObject
) -> None:
    with engine.begin() as connection:
        run(connection, "DROP TABLE IF EXISTS things")
        numbers(connection, *keys)
        seen: list[int] = []
        waiting = [(part, part.after) for part in rows("things").slices(connection, 2)]
        while waiting:
            part, cursor = waiting.pop()
            if data.draw(st.booleans()):
                middle = through_text(rows("things").middle(connection, part, cursor))
                if middle is not None:
                    waiting += [(Slice(part.after, middle), cursor), (Slice(middle, part.upto), middle)]
                    continue
            batch = rows("things").batch(connection, part, cursor, 3)
            if batch is not None:
                seen += [row.id for row in batch.items]
                waiting.append((part, batch.last))
        assert sorted(seen) == sorted(keys)


def test_the_middle_has_as_many_rows_before_it_as_behind(connection: Connection) -> None:
    numbers(connection, *range(10))
    of_all = rows("things")
    whole = Slice(None, None)
    assert of_all.middle(connection, whole, None) == (4,)
    assert of_all.middle(connection, whole, (3,)) == (6,)
    assert of_all.middle(connection, Slice(None, (5,)), (3,)) == (4,)
    assert of_all.middle(connection, whole, (7,)) == (8,)
    assert of_all.middle(connection, whole, (8,)) is None
    assert of_all.middle(connection, whole, (9,)) is None


def test_a_large_table_is_cut_by_estimate_and_stays_whole(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyset, "COUNTED_ROWS", 10)
    with engine.begin() as connection:
        numbers(connection, *range(0, 3000, 3))
    if engine.dialect.name != "sqlite":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE TABLE things").all()
    with engine.begin() as connection:
        for wrong in (1, 3, 0.5):

            def estimate(*args: Any, factor: float = wrong) -> int | None:
                found = estimated_rows(*args)
                return None if found is None else int(found * factor)

            with monkeypatch.context() as patch:
                # The first of two cuts would be the last row, behind which there is nothing.
                patch.setattr(f"{keyset.__name__}.estimated_rows", lambda *_: 2000)
                assert [len(part) for part in walked(rows("things"), connection, 2, 100)] == [1000]
                patch.setattr(f"{keyset.__name__}.estimated_rows", estimate)
                found = walked(rows("things"), connection, 4, 100)
                assert ids(found) == list(range(0, 3000, 3))
                assert all(found)
                count = rows("things").count(connection)
                filtered = rows("things", where="n = 0").count(connection)
            if engine.dialect.name == "sqlite":
                assert (len(found), count, filtered) == (4, 1000, 1000)
            else:
                assert filtered is None
                assert count is not None
                assert 500 * wrong <= count <= 1500 * wrong


# --- ranges


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_ranges_name_rows_that_are_there(connection: Connection, limit: int) -> None:
    numbers(connection, *KEYS)
    of_all = rows("things")
    for part in of_all.slices(connection, 2):
        for (lo,), (hi,), count in ranges(of_all, connection, part, limit):
            assert lo in KEYS
            assert hi in KEYS
            changed = connection.execute(
                text("UPDATE things SET n = n + 1 WHERE id BETWEEN :lo AND :hi"), {"lo": lo, "hi": hi}
            )
            assert changed.rowcount == count <= limit
    assert connection.execute(text("SELECT n FROM things")).scalars().all() == [1] * len(KEYS)


def test_a_ranges_ends_go_by_collation(connection: Connection) -> None:
    kind = (
        "TEXT COLLATE NOCASE"
        if connection.dialect.name == "sqlite"
        else "VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"
    )
    table(connection, f"word {kind} NOT NULL PRIMARY KEY", ("B",), ("a",), ("C",), ("d",))
    of_all = rows("things", key="word")
    found = list(ranges(of_all, connection, of_all.slices(connection, 1)[0], 2))
    assert found == [(("a",), ("B",), 2), (("C",), ("d",), 2)]


def test_the_rows_of_a_range_are_those_of_the_filter(connection: Connection) -> None:
    table(connection, "id INT NOT NULL PRIMARY KEY, n INT", *[(number, number % 2) for number in range(10)])
    odd = rows("things", where="n = 1")
    for lo, hi, count in ranges(odd, connection, odd.slices(connection, 1)[0], 2):
        things = Table("things", MetaData(), Column("n", Integer))
        changed = connection.execute(update(things).where(odd.within(connection, lo, hi)).values(n=5))
        assert changed.rowcount == count
    assert connection.execute(text("SELECT id FROM things WHERE n = 5")).scalars().all() == [1, 3, 5, 7, 9]


# --- rows that change meanwhile


def test_what_becomes_of_rows_that_change_while_a_run_is_under_way(connection: Connection) -> None:
    numbers(connection, *range(10, 100, 10))
    of_all = rows("things")
    [part] = of_all.slices(connection, 1)
    seen = []
    for number, batch in enumerate(batches(of_all, connection, part, 3)):
        seen += [row.id for row in batch.items]
        if number == 0:  # the cursor is 30
            assert seen == [10, 20, 30]
            run(connection, "DELETE FROM things WHERE id IN (30, 50)")  # the cursor's own row, and one ahead
            fill(connection, (15, 0), (45, 0), (95, 0))  # in front of the cursor, behind it, behind the end
            run(connection, "UPDATE things SET id = 75 WHERE id = 20")  # done, comes again
            run(connection, "UPDATE things SET id = 5 WHERE id = 60")  # had not been done, never is
    assert seen == [10, 20, 30, 40, 45, 70, 75, 80, 90]


def test_rows_that_leave_the_filter_by_being_done_move_nothing(connection: Connection) -> None:
    numbers(connection, *range(1, 11))
    undone = rows("things", where="n = 0")
    seen = []
    for part in undone.slices(connection, 2):
        for batch in batches(undone, connection, part, 3):
            seen += [row.id for row in batch.items]
            run(
                connection,
                f"UPDATE things SET n = 1 WHERE id IN ({', '.join(str(r.id) for r in batch.items)})",
            )
    assert seen == list(range(1, 11))


def test_a_table_emptied_in_the_middle_ends_the_run(connection: Connection) -> None:
    numbers(connection, *range(10))
    [part] = rows("things").slices(connection, 1)
    found = batches(rows("things"), connection, part, 3)
    next(found)
    run(connection, "DELETE FROM things")
    assert list(found) == []


# --- keys that are refused


@pytest.mark.parametrize(
    ("columns", "key", "why"),
    [
        ("id INT NOT NULL, n INT NOT NULL", ("id",), "not unique"),
        ("id INT NOT NULL, n INT NOT NULL, PRIMARY KEY (id, n)", ("id",), "not unique"),
        ("id INT NOT NULL PRIMARY KEY, n INT, UNIQUE (n)", ("n",), "may be null"),
        ("id INT NOT NULL PRIMARY KEY, n INT NOT NULL", ("n", "id"), "no index"),
        ("id INT NOT NULL, n INT NOT NULL, PRIMARY KEY (id, n)", ("n", "id"), "no index"),
        ("id INT NOT NULL PRIMARY KEY", ("number",), "no column number"),
        ("id INT NOT NULL PRIMARY KEY", (), "no column"),
        ("id INT NOT NULL PRIMARY KEY", ("id", "ID"), "twice"),
    ],
)
def test_an_unfit_key_is_refused_with_the_reason(
    connection: Connection, columns: str, key: tuple[str, ...], why: str
) -> None:
    table(connection, columns)
    of_all, whole = rows("things", key=key), Slice(None, None)
    with pytest.raises(InvalidKey, match=why):
        of_all.slices(connection, 1)
    with pytest.raises(InvalidKey, match=why):
        of_all.batch(connection, whole, None, 1)
    with pytest.raises(InvalidKey, match=why):
        of_all.range(connection, whole, None, 1)


@pytest.mark.parametrize(
    "kind", ["FLOAT", "BIT(8)", "ENUM('b','a')", "SET('b','a')", "TIME", "TIMESTAMP", "FLOAT UNSIGNED"]
)
def test_types_that_are_not_compared_as_they_are_read_are_refused(mariadb: Engine, kind: str) -> None:
    with mariadb.begin() as connection:
        table(connection, f"id {kind} NOT NULL PRIMARY KEY")
        with pytest.raises(InvalidKey):
            rows("things").slices(connection, 1)
        things = Table("things", MetaData(), autoload_with=connection)
        with pytest.raises(InvalidKey):
            select(sql_select(things), key=things.c.id).slices(connection, 1)


def test_an_index_on_the_beginning_of_a_text_gives_no_order(mariadb: Engine) -> None:
    with mariadb.begin() as connection:
        table(connection, "word VARCHAR(40) NOT NULL, UNIQUE (word(3))")
        with pytest.raises(InvalidKey, match="no index"):
            rows("things", key="word").slices(connection, 1)


@pytest.mark.filterwarnings("ignore:Unknown schema content")
def test_an_index_that_the_database_is_to_ignore_is_not_taken(mariadb: Engine) -> None:
    with mariadb.begin() as connection:
        table(connection, "a INT NOT NULL, b INT NOT NULL, PRIMARY KEY (a, b), UNIQUE by_b (b) IGNORED")
        with pytest.raises(InvalidKey, match="not unique"):
            rows("things", key="b").slices(connection, 1)


def test_an_index_of_another_collation_than_its_column_is_refused(sqlite: Engine) -> None:
    with sqlite.begin() as connection:
        table(connection, "word TEXT NOT NULL COLLATE NOCASE", ("a",), ("A",))
        run(connection, "CREATE UNIQUE INDEX by_word ON things (word COLLATE BINARY)")
        with pytest.raises(InvalidKey, match="collation"):
            rows("things", key="word").slices(connection, 1)


def test_an_index_of_some_rows_only_is_not_taken(sqlite: Engine) -> None:
    with sqlite.begin() as connection:
        table(connection, "id INTEGER NOT NULL, n INTEGER")
        run(connection, "CREATE UNIQUE INDEX some ON things (id) WHERE n > 0")
        with pytest.raises(InvalidKey, match="not unique"):
            rows("things").slices(connection, 1)


def test_sqlites_own_row_number_is_a_key_without_nulls(sqlite: Engine) -> None:
    with sqlite.begin() as connection:
        table(connection, "id INTEGER PRIMARY KEY, n INTEGER", (-3, 0), (0, 0), (4, 0))
        assert ids(walked(rows("things"), connection, 2, 1)) == [-3, 0, 4]
        run(connection, "DROP TABLE things")
        table(connection, "id TEXT PRIMARY KEY")
        with pytest.raises(InvalidKey, match="may be null"):
            rows("things").slices(connection, 1)


def test_a_key_may_be_longer_than_a_unique_one(connection: Connection) -> None:
    number = "INTEGER PRIMARY KEY" if connection.dialect.name == "sqlite" else "INT NOT NULL PRIMARY KEY"
    table(connection, f"id {number}, created INT NOT NULL", *[(n, n % 3) for n in range(9)])
    run(connection, "CREATE INDEX by_created ON things (created)")
    found = walked(rows("things", key=("created", "id")), connection, 2, 2)
    assert [(row.created, row.id) for part in found for row in part] == sorted((n % 3, n) for n in range(9))


def test_what_is_not_there_is_named(connection: Connection) -> None:
    numbers(connection, 1)
    with pytest.raises(InvalidCollection, match="no table nothing"):
        rows("nothing").slices(connection, 1)
    with pytest.raises(InvalidCollection, match="no table nothing"):
        rows(Table("nothing", MetaData(), Column("id", Integer))).slices(connection, 1)
    with pytest.raises(InvalidCollection, match="no column x"):
        rows("things", columns=("x",)).slices(connection, 1)


def test_a_cursor_of_another_key_is_refused(connection: Connection) -> None:
    numbers(connection, 1)
    with pytest.raises(ForeignCursor):
        rows("things").batch(connection, Slice(None, None), (1, 2), 1)


def test_names_are_quoted(connection: Connection) -> None:
    things = Table("order lines", MetaData(), Column("sel%ect", Integer, nullable=False))
    Index("by `key` %(x)s", things.c["sel%ect"], unique=True)
    things.create(connection)
    connection.execute(insert(things), [{"sel%ect": number} for number in range(5)])
    found = walked(rows("order lines", key="sel%ect"), connection, 2, 2)
    assert [row[0] for part in found for row in part] == list(range(5))


# --- how they are read


def access(connection: Connection, of_all: Rows, cursor: tuple[Any, ...], limit: int = 5) -> str:
    """Return how MariaDB or SQLite gets at the page behind the cursor, and along which index."""
    statements: list[Any] = []

    def keep(_connection: Any, clause: Any, _many: Any, values: Any, _options: Any) -> None:
        statements.append((clause, values))

    event.listen(connection, "before_execute", keep)
    upto = of_all.slices(connection, 1)[0].upto
    of_all.batch(connection, Slice(None, upto), cursor, limit)
    event.remove(connection, "before_execute", keep)
    [step] = plan(connection, *statements[-1])
    if connection.dialect.name == "sqlite":
        return str(step["detail"])
    return f"{step['type']} {step['key']} {step['key_len']} {step['extra']}"


@pytest.fixture
def many(mariadb: Engine) -> Engine:
    """A table of 20,000 rows with a primary key, a key of three columns, and one that appends to an index."""
    with mariadb.begin() as connection:
        run(
            connection,
            "CREATE TABLE things (id BIGINT NOT NULL PRIMARY KEY, shop_id INT NOT NULL, day INT NOT NULL,"
            " place INT NOT NULL, n INT, UNIQUE by_shop (shop_id, day, place), KEY by_day (day))",
        )
        run(
            connection,
            "INSERT INTO things SELECT seq, seq DIV 2000, (seq DIV 40) MOD 50, seq MOD 40, 0"
            " FROM seq_0_to_19999",
        )
    with mariadb.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE TABLE things").all()
    return mariadb


@pytest.mark.parametrize("limit", [5, 10_000])
@pytest.mark.parametrize(
    ("key", "cursor", "expected"),
    [
        (("id",), (100,), "range PRIMARY 8"),
        (("id",), (19_000,), "range PRIMARY 8"),
        (("shop_id", "day", "place"), (0, 3, 7), "range by_shop 12"),
        (("shop_id", "day", "place"), (9, 30, 7), "range by_shop 12"),
        (("day", "id"), (10, 500), "range by_day 12"),
    ],
)
def test_mariadb_reads_a_page_as_a_range_of_the_keys_index(
    many: Engine, key: tuple[str, ...], cursor: tuple[int, ...], expected: str, limit: int
) -> None:
    with many.begin() as connection:
        found = access(connection, rows("things", key=key), cursor, limit)
    assert found.startswith(expected)
    assert "filesort" not in found
    assert "temporary" not in found


def test_mariadb_is_told_which_index_to_read_along(many: Engine) -> None:
    """The plans above come out right without it on a quiet table; nobody promises that they always do."""
    asked: list[str] = []

    def keep(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    with many.begin() as connection:
        event.listen(connection, "before_cursor_execute", keep)
        rows("things", key=("day", "id")).batch(connection, Slice(None, None), (1, 1), 5)
        event.remove(connection, "before_cursor_execute", keep)
    assert "FROM things FORCE INDEX (`by_day`)" in asked[-1].replace("\n", " ").replace("  ", " ")


def test_a_filter_is_read_along_its_own_index(many: Engine) -> None:
    with many.begin() as connection:
        found = access(connection, rows("things", where="day = 7"), (5_000,), 100)
    assert "by_day 12" in found  # the day, and the primary key that InnoDB appends
    assert "filesort" not in found


@pytest.mark.parametrize("cursor", [(0, 3, 7), (4, 25, 20), (9, 30, 7)])
def test_a_page_looks_at_no_more_rows_than_it_gives(many: Engine, cursor: tuple[int, ...]) -> None:
    """What EXPLAIN promises and what is done are two things: InnoDB counts the rows that it was asked for."""
    of_all = rows("things", key=("shop_id", "day", "place"))
    with many.begin() as connection:
        part = of_all.slices(connection, 1)[0]
        for read in (of_all.batch, of_all.range):
            read(connection, part, cursor, 50)
            run(connection, "FLUSH STATUS")
            read(connection, part, cursor, 50)
            counted = connection.exec_driver_sql("SHOW SESSION STATUS LIKE 'Handler_read%%'").all()
            looked_at = sum(int(row[1]) for row in counted if row[0] != "Handler_read_rnd_deleted")
            assert looked_at <= 160, counted


def test_sqlite_reads_a_page_as_a_range_of_the_keys_index(sqlite: Engine) -> None:
    with sqlite.begin() as connection:
        table(connection, "a INT NOT NULL, b INT NOT NULL, PRIMARY KEY (a, b)", (1, 1), (1, 2))
        found = access(connection, rows("things", key=("a", "b")), (1, 1))
    assert found.startswith("SEARCH things USING")
    assert "((a,b)>(?,?)" in found.replace(" ", "")


def test_a_collection_asks_for_its_table_once(connection: Connection) -> None:
    numbers(connection, *range(9))
    of_all = rows("things")
    [part] = of_all.slices(connection, 1)
    asked: list[str] = []

    def keep(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    event.listen(connection, "before_cursor_execute", keep)
    list(batches(of_all, connection, part, 2))
    list(ranges(of_all.where("n = 0"), connection, part, 2))
    event.remove(connection, "before_cursor_execute", keep)
    # Five pages and the empty one, twice; a range that is not full is asked for once more.
    assert len(asked) == 12 + 2


def test_they_are_what_the_engine_asks_for(connection: Connection) -> None:
    numbers(connection)
    for made in (rows("things"), select(sql_select(column("id")).select_from(text("things")), key="id")):
        assert isinstance(made, RangeCollection)
        assert isinstance(made, Divisible)
    assert isinstance(nested(rows("things"), lambda _: rows("things")), Collection)


# --- statements

ORDERS = Table(
    "orders",
    MetaData(),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("city", String(20)),
)
LINES = Table(
    "line_items",
    MetaData(),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("order_id", BigInteger, nullable=False),
    Column("code", LargeBinary(8)),
)


@pytest.fixture
def shop(connection: Connection) -> Connection:
    for made in (ORDERS, LINES):
        made.create(connection)
    connection.execute(insert(ORDERS), [{"id": n, "city": "ab"[n % 2]} for n in range(-3, 4)])
    connection.execute(insert(LINES), [{"id": n, "order_id": n % 5 - 2, "code": b"x"} for n in range(20)])
    return connection


def test_a_join_with_a_filter(shop: Connection) -> None:
    joined = (
        sql_select(LINES.c.code, ORDERS.c.city)
        .join_from(LINES, ORDERS, LINES.c.order_id == ORDERS.c.id)
        .where(ORDERS.c.city == "a")
    )
    expected = [n for n in range(20) if (n % 5 - 2) % 2 == 0]
    of_all = select(joined.add_columns(LINES.c.id.label("line")), key="line")
    found = walked(of_all, shop, 3, 2)
    assert [row.line for part in found for row in part] == expected
    assert len(found) == 3
    assert of_all.count(shop) == len(expected)
    of_key = select(joined, key=LINES.c.id)  # not among what is selected
    assert [tuple(row) for part in walked(of_key, shop, 2, 4) for row in part] == [(b"x", "a")] * len(
        expected
    )
    found_ranges = list(ranges(of_key, shop, of_key.slices(shop, 1)[0], 5))
    assert [(lo, hi) for (lo,), (hi,), _ in found_ranges] == [
        (expected[start], expected[min(start + 4, len(expected) - 1)]) for start in range(0, len(expected), 5)
    ]
    assert sum(count for *_, count in found_ranges) == len(expected)


def test_groups(shop: Connection) -> None:
    per_order = sql_select(LINES.c.order_id, func.count().label("lines")).group_by(LINES.c.order_id)
    of_all = select(per_order, key="order_id")
    found = walked(of_all, shop, 2, 2)
    assert [tuple(row) for part in found for row in part] == [(order, 4) for order in range(-2, 3)]
    assert of_all.count(shop) == 5
    assert of_all.middle(shop, Slice(None, None), None) == (-1,)


def test_a_key_that_occurs_twice_ends_the_run(shop: Connection) -> None:
    repeated = select(sql_select(LINES.c.id, LINES.c.order_id), key=LINES.c.order_id)
    for limit in (1, 4, 5, 100):  # with 4 the equal keys of a page and those behind it are different
        with pytest.raises(InvalidKey, match="twice"):
            list(batches(repeated, shop, Slice(None, None), limit))


def test_a_null_in_the_key_ends_the_run(shop: Connection) -> None:
    shop.execute(insert(LINES), {"id": 99, "order_id": 77, "code": None})
    outer = sql_select(LINES.c.id, ORDERS.c.id.label("of")).outerjoin_from(
        LINES, ORDERS, LINES.c.order_id == ORDERS.c.id
    )
    for key in ((ORDERS.c.id,), (ORDERS.c.id, LINES.c.id)):
        of_all = select(outer.where(LINES.c.id > 15), key=key)
        with pytest.raises(InvalidKey, match="None"):
            list(batches(of_all, shop, Slice(None, None), 50))
        with pytest.raises(InvalidKey, match="null"):
            list(ranges(of_all, shop, Slice(None, None), 50))


@pytest.mark.parametrize(
    "statement",
    [
        sql_select(LINES).order_by(LINES.c.id),
        sql_select(LINES).limit(3),
        sql_select(LINES).offset(3),
        sql_select(LINES).union_all(sql_select(LINES)),
    ],
)
def test_a_statement_with_an_order_of_its_own_is_refused(statement: Any) -> None:
    with pytest.raises(InvalidCollection):
        select(statement)


def test_a_column_that_the_statement_does_not_have_is_refused() -> None:
    with pytest.raises(InvalidCollection, match="no column number"):
        select(sql_select(LINES), key="number")


# --- one inside of another


def test_the_rows_of_each_shop(shop: Connection) -> None:
    lines = rows(LINES, columns=("id",))
    for outer in (rows("orders"), items([*range(-3, 4)])):
        of_all = nested(
            outer,
            lambda order: lines.where(LINES.c.order_id == (order if isinstance(order, int) else order.id)),
        )
        expected = [(n % 5 - 2, n) for n in range(20)]
        for parts, limit in ((1, 1), (1, 3), (2, 4), (3, 5), (7, 100)):
            found = walked(of_all, shop, parts, limit)
            pairs = [
                (pair.outer if isinstance(pair.outer, int) else pair.outer.id, pair.inner.id)
                for part in found
                for pair in part
            ]
            assert pairs == sorted(expected)


def test_shops_and_rows_that_change_while_a_run_is_inside_of_one(shop: Connection) -> None:
    lines = rows(LINES, columns=("id",))
    of_all = nested(rows("orders"), lambda order: lines.where(LINES.c.order_id == order.id))
    [part] = of_all.slices(shop, 1)
    seen: list[tuple[int, int]] = []
    for number, batch in enumerate(batches(of_all, shop, part, 3)):
        seen += [(pair.outer.id, pair.inner.id) for pair in batch.items]
        if number == 0:  # inside of order -2, whose lines are 0, 5, 10, 15
            assert seen == [(-2, 0), (-2, 5), (-2, 10)]
            run(shop, "UPDATE orders SET id = -1000 WHERE id = -3")  # comes in front of the place
            shop.execute(insert(LINES), {"id": 100, "order_id": -1000})
            shop.execute(insert(LINES), {"id": 101, "order_id": -2})  # behind the end of its lines
            run(shop, "DELETE FROM orders WHERE id = 0")
        if number == 1:
            assert seen[3:] == [(-2, 15), (-1, 1), (-1, 6)]
            run(shop, "DELETE FROM orders WHERE id = -1")  # the rest of its lines is left out
    assert seen[6:] == [(1, 3), (1, 8), (1, 13), (1, 18), (2, 4), (2, 9), (2, 14), (2, 19)]


def test_an_outer_item_inserted_in_front_of_the_one_under_way_is_passed_over(connection: Connection) -> None:
    numbers(connection, 10, 20, 30)
    of_all = nested(rows("things"), lambda thing: items([f"{thing.id}{letter}" for letter in "abc"]))
    [part] = of_all.slices(connection, 1)
    first = of_all.batch(connection, part, None, 4)
    assert first is not None
    assert [pair.inner for pair in first.items] == ["10a", "10b", "10c", "20a"]
    fill(connection, (15, 0), (25, 0))
    rest = [pair.inner for found in batches(of_all, connection, part, 4, first.last) for pair in found.items]
    assert rest == ["20b", "20c", "25a", "25b", "25c", "30a", "30b", "30c"]


def test_a_nested_slice_is_halved_between_shops(shop: Connection) -> None:
    lines = rows(LINES, columns=("id",))
    of_all = nested(rows("orders"), lambda order: lines.where(LINES.c.order_id == order.id))
    [part] = of_all.slices(shop, 1)
    first = of_all.batch(shop, part, None, 2)
    assert first is not None
    middle = of_all.middle(shop, part, first.last)
    assert middle is not None
    left = batches(of_all, shop, Slice(part.after, middle), 3, first.last)
    right = batches(of_all, shop, Slice(middle, part.upto), 3)
    seen = [pair.inner.id for batch in ([first], left, right) for found in batch for pair in found.items]
    assert sorted(seen) == list(range(20))
    assert len(seen) == 20
    with pytest.raises(ForeignCursor):
        of_all.batch(shop, Slice(None, first.last), None, 1)
    with pytest.raises(ForeignCursor):
        of_all.batch(shop, part, (5, 1), 1)


def test_a_connection_that_is_lost_after_a_table_was_looked_at_is_said_in_our_words(mariadb: Engine) -> None:
    """SQLAlchemy's reflection hides errors from those who translate them: a run would fail for an outage."""
    with mariadb.begin() as setup:
        setup.execute(text("CREATE TABLE t (id INT PRIMARY KEY)"))
    with mariadb.connect() as lost, mariadb.connect() as other:
        rows("t").count(lost)
        other.execute(text(f"KILL {lost.execute(text('SELECT CONNECTION_ID()')).scalar_one()}"))
        with pytest.raises(ShardUnavailable):
            lost.execute(text("SELECT 1"))
