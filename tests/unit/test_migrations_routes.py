"""Which route is taken for what a server can do, and what MySQL's manual says it can."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from podwork.settings import MigrationsSettings
from podwork_migrations.change import mysql
from podwork_migrations.change.blockers import Blocker, spell, without_values
from podwork_migrations.change.change_plan import ChangePlan
from podwork_migrations.change.recording import record
from podwork_migrations.change.room import shortage
from podwork_migrations.change.routes import Facts, Limits, Route, Way, choose
from podwork_migrations.copy.job import THROTTLES
from podwork_migrations.fingerprint import mysql_tables
from podwork_migrations.runner.service import throttles_of
from podwork_pods.iteration.throttles import ReplicaLag
from tests.support.schema_changes import Up, migration

LIMITS = Limits(small_rows=100, small_bytes=1000)
SMALL = Facts(100, 1000, has_replicas=True, is_bounded=True)
MANY_ROWS = Facts(101, 1000, has_replicas=True, is_bounded=True)
LARGE_ROWS = Facts(100, 1001, has_replicas=True, is_bounded=True)
ALONE = Facts(10**9, 10**12, has_replicas=False, is_bounded=True)
UNBOUNDED = Facts(1, 1, has_replicas=False, is_bounded=False)
UNIQUE = Facts(10**9, 10**12, has_replicas=True, is_bounded=True, adds_unique=True)


@pytest.mark.parametrize(
    ("way", "facts", "routes"),
    [
        (Way.INSTANT, MANY_ROWS, ["instant"]),
        (Way.METADATA, MANY_ROWS, ["metadata"]),
        (Way.INDEX, SMALL, ["inplace", "copy"]),
        (Way.INDEX, MANY_ROWS, ["copy", "inplace"]),
        (Way.REBUILD, LARGE_ROWS, ["copy", "inplace"]),
        (Way.REBUILD, ALONE, ["inplace", "copy"]),
        (Way.INDEX, UNIQUE, ["inplace"]),
        (Way.BLOCKING, SMALL, ["copy", "direct"]),
        (Way.BLOCKING, MANY_ROWS, ["copy"]),
        (Way.BLOCKING, ALONE, ["copy"]),
        (Way.BLOCKING, UNBOUNDED, ["copy"]),
    ],
)
def test_routes_in_their_order(way: Way, facts: Facts, routes: list[str]) -> None:
    refused: set[Route] = set()
    for route in routes:
        chosen = choose(way, facts, LIMITS, refused)
        assert chosen is not None
        assert (chosen[0], bool(chosen[1])) == (route, True)
        refused.add(chosen[0])
    assert choose(way, facts, LIMITS, refused) is None


@pytest.mark.parametrize(
    ("given", "limits"),
    [
        ({}, Limits()),
        ({"small_table_rows": 7, "small_table_bytes": 8}, Limits(7, 8)),
        ({"replicas": "yes"}, Limits(replicas=True)),
        ({"replicas": "no"}, Limits(replicas=False)),
    ],
)
def test_what_is_small_is_a_setting(given: dict[str, Any], limits: Limits) -> None:
    assert Limits.of(MigrationsSettings(**given)) == limits


def test_an_online_copy_waits_for_replicas_if_the_settings_say_so() -> None:
    assert throttles_of(MigrationsSettings()) == THROTTLES
    assert throttles_of(MigrationsSettings(replica_lag_seconds=2.5)) == (*THROTTLES, ReplicaLag(2.5))


@pytest.mark.parametrize(
    ("size", "free", "said"),
    [
        (10 << 20, 12 << 20, ""),
        (10 << 20, 11 << 20, "its copy needs about 12 MiB, and 11 MiB are free"),
        (10 << 20, None, ""),
        (None, 1, ""),
    ],
)
def test_a_copy_needs_the_tables_size_once_more_and_a_margin(
    size: int | None, free: int | None, said: str
) -> None:
    assert shortage(size, free) == said


def operation(up: Up) -> Any:
    (found,) = record(migration(up), "mysql")
    return found.op


def computed(*, is_stored: bool) -> Up:
    return lambda op: op.add_column("t", sa.Column("c", sa.Integer, sa.Computed("a", persisted=is_stored)))


def lengthen(old: int, new: int) -> Up:
    types = {"type_": sa.String(new), "existing_type": sa.String(old)}
    return lambda op: op.alter_column("t", "c", **types)


@pytest.mark.parametrize(
    ("up", "way"),
    [
        (lambda op: op.add_column("t", sa.Column("c", sa.Integer)), Way.INSTANT),
        (computed(is_stored=True), Way.BLOCKING),
        (computed(is_stored=False), Way.INSTANT),
        (lambda op: op.drop_column("t", "c"), Way.INSTANT),
        (lambda op: op.alter_column("t", "c", server_default="1"), Way.INSTANT),
        (lambda op: op.alter_column("t", "c", nullable=False, existing_type=sa.Integer()), Way.REBUILD),
        (lambda op: op.alter_column("t", "c", type_=sa.BigInteger()), Way.BLOCKING),
        (lengthen(20, 63), Way.METADATA),
        (lengthen(20, 64), Way.BLOCKING),
        (lengthen(100, 300), Way.BLOCKING),
        (lengthen(256, 300), Way.METADATA),
        (lengthen(300, 256), Way.BLOCKING),
        (lambda op: op.create_index("i", "t", ["c"]), Way.INDEX),
        (lambda op: op.create_index("i", "t", ["c"], mysql_prefix="FULLTEXT"), Way.BLOCKING),
        (lambda op: op.drop_index("i", "t"), Way.METADATA),
        (lambda op: op.create_check_constraint("k", "t", "c > 0"), Way.BLOCKING),
        (lambda op: op.drop_constraint("k", "t", type_="check"), Way.METADATA),
        (lambda op: op.drop_constraint("k", "t", type_="primary"), Way.BLOCKING),
        (lambda op: op.execute("ALTER TABLE t FORCE"), Way.BLOCKING),
    ],
)  # fmt: skip
def test_mysql_by_its_manual(up: Up, way: Way) -> None:
    assert mysql.way_by_rules(operation(up)) is way


def test_in_place_means_what_the_manual_says_or_a_rebuild() -> None:
    drop = operation(lambda op: op.drop_index("i", "t"))
    add = operation(lambda op: op.create_index("i", "t", ["c"]))
    by_hand = operation(lambda op: op.execute("ALTER TABLE t ADD COLUMN x INT"))
    assert mysql.refine(Way.REBUILD, [drop]) is Way.METADATA
    assert mysql.refine(Way.REBUILD, [drop, add]) is Way.INDEX
    assert mysql.refine(Way.REBUILD, [drop, by_hand]) is Way.REBUILD
    assert mysql.refine(Way.INSTANT, [add]) is Way.INSTANT
    assert mysql.refine(Way.BLOCKING, [drop]) is Way.BLOCKING


@pytest.mark.parametrize(
    ("version", "is_asked"),
    [((8, 0, 28), True), ((8, 0, 29), False), ((8, 0, 31), False), ((8, 0, 32), True), ((8, 4, 0), True)],
)
def test_versions_whose_instant_could_damage_the_log(version: tuple[int, ...], is_asked: bool) -> None:
    add = operation(lambda op: op.add_column("t", sa.Column("c", sa.Integer)))
    rename = operation(lambda op: op.alter_column("t", "c", new_column_name="d", existing_type=sa.Integer()))
    assert (Way.INSTANT in dict(mysql.ladder(version, [add]))) is is_asked
    assert Way.INSTANT in dict(mysql.ladder(version, [rename]))


ROW = {
    "column_name": "c",
    "column_type": b"varchar(9)",
    "is_nullable": "NO",
    "column_default": None,
    "extra": "",
    "collation_name": None,
    "generation_expression": b"",
    "column_comment": "",
}


@pytest.mark.parametrize(
    ("row", "kind", "default", "extra"),
    [
        ({}, "mysql", None, ""),
        ({"is_nullable": "YES"}, "mysql", "NULL", ""),
        ({"column_default": "it's"}, "mysql", "'it''s'", ""),
        ({"column_default": "uuid()", "extra": "DEFAULT_GENERATED"}, "mysql", "(uuid())", ""),
        (
            {"column_default": "now()", "extra": "DEFAULT_GENERATED on update now()"},
            "mysql",
            "(now())",
            "on update now()",
        ),
        ({"column_default": "'it\\'s'"}, "mariadb", "'it\\'s'", ""),
        ({"column_default": "NULL", "is_nullable": "YES"}, "mariadb", "NULL", ""),
    ],
)
def test_defaults_are_sql_on_both(row: dict[str, str], kind: str, default: str | None, extra: str) -> None:
    column = mysql_tables._column({**ROW, **row}, kind)
    assert (column.type, column.default, column.extra) == ("varchar(9)", default, extra)


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        (None, ""),
        ("UPDATE t1 SET a = 'x''y', b = \"q\\\"\" WHERE id = 12", "UPDATE t1 SET a = ?, b = ? WHERE id = ?"),
        ("SELECT `a1`, 0xFF, 1.5 FROM t2\n  WHERE s = 'cut off", "SELECT `a1`, ?, ? FROM t2 WHERE s = ?"),
        ("SET PASSWORD = PASSWORD('secret')", "SET PASSWORD = PASSWORD(?)"),
        ("x" * 200, "x" * 119 + "…"),
    ],
)
def test_no_value_of_a_statement_is_shown(statement: str | None, shown: str) -> None:
    assert without_values(statement) == shown


def test_blockers_in_words() -> None:
    certain = Blocker(7, "app", 14, "UPDATE t SET a = ?", True)
    assert spell([]) == ""
    assert spell([certain, Blocker(8, "root", 3, "")]) == (
        "session 7 of app, 14 s: UPDATE t SET a = ?; perhaps session 8 of root, 3 s, idle in a transaction"
    )
    assert spell([certain] * 5).endswith(" and 2 more")


def test_a_plan_is_written_down_whole() -> None:
    plan = ChangePlan(
        "ALTER", "t", Route.DIRECT, "why", "down", ("t",), "a", "b", "{}", {"x": 0}, ("p",), "q", "u", 3
    )
    assert ChangePlan.decode(plan.encode()) == plan
    assert plan.route == "direct"
