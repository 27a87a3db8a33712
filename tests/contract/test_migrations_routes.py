"""Which route each change gets from MariaDB itself, and that its documentation's rules agree."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql as types

from podwork_migrations.applying import Progress, Work
from podwork_migrations.change import mariadb, room
from podwork_migrations.change.recording import record
from podwork_migrations.change.routes import Limits, Route, Way
from podwork_migrations.change.ways import SchemaRoutes
from podwork_migrations.errors import LockBusy, MigrationFailed
from podwork_migrations.ledger.entry import Direction
from tests.support.schema_changes import Shard, Up, migration

LARGE = Limits(small_rows=2, small_bytes=1 << 40)
"""A table of three rows is large."""
STATUS = sa.Enum("new", "paid", name="status")


@pytest.fixture
def shard(mariadb_url: str) -> Iterator[Shard]:
    made = Shard(mariadb_url)
    made.run(
        "CREATE TABLE shops (id BIGINT PRIMARY KEY)",
        """CREATE TABLE orders (
            id BIGINT AUTO_INCREMENT PRIMARY KEY, shop_id BIGINT, note VARCHAR(40), code VARCHAR(20),
            n INT NOT NULL DEFAULT 3, amount INT, size BIGINT, status ENUM('new', 'paid'), body TEXT,
            KEY by_note (note), KEY by_shop (shop_id),
            CONSTRAINT of_shop FOREIGN KEY (shop_id) REFERENCES shops (id),
            CONSTRAINT positive CHECK (amount >= 0)
        ) COMMENT 'of shops'""",
        "INSERT INTO shops VALUES (1)",
        "INSERT INTO orders (shop_id, note, code, amount) "
        "VALUES (1, 'a', 'x', 1), (1, 'b', 'y', 2), (1, 'c', 'z', 3)",
    )
    yield made
    made.close()


def column(name: str, **options: object) -> Up:
    return lambda op: op.alter_column("orders", name, **options)


CASES: dict[str, tuple[Up, Way]] = {
    "add a column": (lambda op: op.add_column("orders", sa.Column("x", sa.Integer)), Way.INSTANT),
    "add one with a default": (
        lambda op: op.add_column("orders", sa.Column("x", sa.DateTime, server_default=sa.func.now())),
        Way.INSTANT,
    ),
    "add one with an expression": (
        lambda op: op.add_column("orders", sa.Column("x", sa.String(40), server_default=sa.text("(uuid())"))),
        Way.BLOCKING,
    ),
    "add a virtual one": (
        lambda op: op.add_column("orders", sa.Column("x", sa.Integer, sa.Computed("n + 1", persisted=False))),
        Way.INSTANT,
    ),
    "add a stored one": (
        lambda op: op.add_column("orders", sa.Column("x", sa.Integer, sa.Computed("n + 1", persisted=True))),
        Way.BLOCKING,
    ),
    "add one with an index": (
        lambda op: op.add_column("orders", sa.Column("x", sa.Integer, index=True)),
        Way.REBUILD,
    ),
    "drop a column": (lambda op: op.drop_column("orders", "body"), Way.INSTANT),
    "rename a column": (column("note", new_column_name="remark"), Way.INSTANT),
    "set a default": (column("n", server_default="5"), Way.INSTANT),
    "drop a default": (column("n", server_default=None), Way.INSTANT),
    "lengthen": (column("note", type_=sa.String(60)), Way.INSTANT),
    "lengthen over 255 bytes": (column("note", type_=sa.String(64)), Way.BLOCKING),
    "shorten": (column("note", type_=sa.String(30)), Way.BLOCKING),
    "widen a number": (column("amount", type_=sa.BigInteger), Way.BLOCKING),
    "append to an enum": (column("status", type_=sa.Enum("new", "paid", "sent")), Way.INSTANT),
    "insert into an enum": (column("status", type_=sa.Enum("new", "sent", "paid")), Way.BLOCKING),
    "another character set": (column("note", type_=types.VARCHAR(40, charset="latin1")), Way.BLOCKING),
    "not null": (column("amount", nullable=False), Way.REBUILD),
    "null": (column("n", nullable=True), Way.REBUILD),
    "a comment": (column("n", comment="how many"), Way.INSTANT),
    "the table's comment": (lambda op: op.create_table_comment("orders", "of a shop"), Way.INSTANT),
    "add an index": (lambda op: op.create_index("by_n", "orders", ["n"]), Way.INDEX),
    "add a unique index": (
        lambda op: op.create_index("one_code", "orders", ["code"], unique=True),
        Way.INDEX,
    ),
    "add a unique constraint": (
        lambda op: op.create_unique_constraint("one_code", "orders", ["code"]),
        Way.INDEX,
    ),
    "add a fulltext index": (
        lambda op: op.create_index("words", "orders", ["body"], mysql_prefix="FULLTEXT"),
        Way.BLOCKING,
    ),
    "drop an index": (lambda op: op.drop_index("by_note", "orders"), Way.METADATA),
    "add a check": (lambda op: op.create_check_constraint("small", "orders", "n < 9"), Way.BLOCKING),
    "drop a check": (lambda op: op.drop_constraint("positive", "orders", type_="check"), Way.INSTANT),
    "add a key": (
        lambda op: op.create_foreign_key("of_shop_2", "orders", "shops", ["shop_id"], ["id"]),
        Way.INSTANT,
    ),
    "add a key that needs an index": (
        lambda op: op.create_foreign_key("of_size", "orders", "shops", ["size"], ["id"]),
        Way.INDEX,
    ),
    "drop a key": (lambda op: op.drop_constraint("of_shop", "orders", type_="foreignkey"), Way.INSTANT),
    "by hand": (lambda op: op.execute("ALTER TABLE orders RENAME INDEX by_note TO note"), Way.INSTANT),
    "by hand, everything anew": (
        lambda op: op.execute("ALTER TABLE orders CONVERT TO CHARACTER SET latin1"),
        Way.BLOCKING,
    ),
}

ROUTES = {
    Way.INSTANT: (Route.INSTANT, Route.INSTANT),
    Way.METADATA: (Route.METADATA, Route.METADATA),
    Way.INDEX: (Route.INPLACE, Route.COPY),
    Way.REBUILD: (Route.INPLACE, Route.COPY),
    Way.BLOCKING: (Route.COPY, Route.COPY),
}
"""Of a small table, of a large one."""
NEVER_COPIED = {"add a unique index", "add a unique constraint", "add a key that needs an index"}


@pytest.mark.parametrize("case", CASES)
def test_the_route(shard: Shard, case: str) -> None:
    up, way = CASES[case]
    small, large = ROUTES[way]

    assert shard.plan(up).route is small
    assert shard.plan(up, LARGE).route is (Route.INPLACE if case in NEVER_COPIED else large)
    assert shard.tables() == {"orders", "shops"}, "what was asked with is gone"


@pytest.mark.parametrize("case", [case for case in CASES if not case.startswith("by hand")])
def test_the_rules_name_no_cheaper_way_than_the_server(shard: Shard, case: str) -> None:
    up, way = CASES[case]
    order = list(Way)
    found = max(order.index(mariadb.way_by_rules(done.op)) for done in record(migration(up), "mariadb"))

    assert found >= order.index(way) or (order[found], way) == (Way.INDEX, Way.REBUILD)


def test_the_reason_stands_with_the_route(shard: Shard) -> None:
    plan = shard.plan(lambda op: op.create_index("by_n", "orders", ["n"]), LARGE)
    assert plan.reason.startswith(
        "the server builds the index in place, but replicas would lag (about 3 rows"
    )


def test_without_a_replica_a_large_table_is_changed_in_place(shard: Shard) -> None:
    alone = Limits(small_rows=2, replicas=False)
    assert shard.plan(lambda op: op.create_index("by_n", "orders", ["n"]), alone).route is Route.INPLACE


def test_a_route_that_was_refused_is_not_taken_again(shard: Shard) -> None:
    def up(op: object) -> None:
        CASES["add a column"][0](op)

    found = []
    refused: set[Route] = set()
    for _ in range(3):
        plan = shard.plan(up, without=refused)
        found.append((plan.route, plan.statement.rpartition(", ")[2]))
        refused.add(plan.route)

    assert found[0] == (Route.INSTANT, "ALGORITHM=INSTANT")
    assert found[1] == (Route.INPLACE, "LOCK=NONE")
    assert found[2][0] is Route.COPY


def test_what_cannot_be_copied_is_done_by_the_server_if_it_is_small(shard: Shard) -> None:
    up = CASES["widen a number"][0]
    plan = shard.plan(up, without={Route.COPY}, lock_budget_seconds=2)
    assert (plan.route, plan.deadline_seconds) == (Route.DIRECT, 2)
    assert plan.statement.endswith(", ALGORITHM=COPY")

    with pytest.raises(MigrationFailed, match="no way is left"):
        shard.plan(up, LARGE, without={Route.COPY})


def test_a_new_table_is_one_statement_with_its_indexes(shard: Shard) -> None:
    def up(op: object) -> None:
        op.create_table(  # type: ignore[attr-defined]
            "lines",
            sa.Column("id", sa.BigInteger, primary_key=True),
            sa.Column("order_id", sa.BigInteger, index=True),
            sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name="of_order"),
        )
        op.create_index("both", "lines", ["order_id", "id"], unique=True)  # type: ignore[attr-defined]

    plan = shard.plan(up)
    assert plan.route is Route.DIRECT
    shard.run(plan.statement)
    assert shard.schema("lines").fingerprint == plan.after
    assert [index.name for index in shard.schema("lines").tables[0].indexes] == [
        "PRIMARY",
        "both",
        "ix_lines_order_id",
    ]


@pytest.mark.parametrize(
    ("up", "why"),
    [
        (lambda op: None, "changes nothing"),
        (lambda op: op.drop_column("orders", "nothing"), "nothing"),
        (lambda op: op.drop_column("none", "x"), "no table none"),
        (lambda op: op.drop_table("none"), "no table none"),
        (lambda op: op.rename_table("orders", "shops"), "a table shops already"),
        (lambda op: op.create_table("shops", sa.Column("id", sa.Integer)), "a table shops already"),
        (lambda op: op.create_foreign_key(None, "orders", "shops", ["n"], ["id"]), "without a name"),
        (lambda op: op.drop_constraint("none", "orders", type_="foreignkey"), "no foreign key none"),
        (
            lambda op: (
                op.create_foreign_key("of", "orders", "shops", ["shop_id"], ["id"]),
                op.drop_column("orders", "n"),
            ),
            "besides a foreign key it changes columns",
        ),
        (lambda op: op.execute("UPDATE orders SET n = 1"), "rows are for @data"),
        (lambda op: op.execute("ALTER TABLE orders ENGINE=InnoDB"), "nobody could see"),
        (lambda op: (op.drop_column("orders", "n"), op.drop_column("shops", "id")), "several tables"),
        (lambda op: op.add_column("orders", sa.Column("x", sa.Integer), schema="other"), "another database"),
        (lambda op: op.get_bind(), "has no connection"),
    ],
)  # fmt: skip
def test_what_is_refused_before_anything_is_begun(shard: Shard, up: Up, why: str) -> None:
    before = shard.schema().fingerprint
    with pytest.raises(MigrationFailed, match=why):
        shard.plan(up)
    assert shard.schema().fingerprint == before
    assert shard.tables() == {"orders", "shops"}


def test_a_change_changes_what_it_names_and_no_more(shard: Shard) -> None:
    shard.run(
        "ALTER TABLE orders ADD COLUMN c VARCHAR(10) CHARACTER SET latin1 NOT NULL "
        "DEFAULT 'it''s 5%' COMMENT 'kept: :c'"
    )
    plan = shard.plan(column("c", new_column_name="d"))
    shard.run(plan.statement)
    made = shard.schema("orders").tables[0].column("d")
    assert made is not None
    assert (made.nullable, made.default, made.comment) == (False, "'it''s 5%'", "kept: :c")
    assert made.collation.startswith("latin1")

    with pytest.raises(MigrationFailed, match="would also change d: collation from 'latin1_swedish_ci'"):
        shard.plan(column("d", type_=sa.String(12)))


def test_asking_waits_no_longer_than_the_budget_and_names_who_is_waited_for(shard: Shard) -> None:
    with shard.transactions.connect() as other:
        other.exec_driver_sql("LOCK TABLES orders WRITE")
        with pytest.raises(LockBusy, match=r"no lock on orders within 1 s") as busy:
            shard.plan(CASES["add a column"][0], lock_budget_seconds=1)
        other.exec_driver_sql("UNLOCK TABLES")
    assert busy.value.table == "orders"
    assert shard.tables() == {"orders", "shops"}


def test_the_session_is_left_as_it_was(shard: Shard) -> None:
    names = ("lock_wait_timeout", "innodb_lock_wait_timeout", "foreign_key_checks", "sql_mode")
    query = sa.text(f"SELECT {', '.join(f'@@SESSION.{name}' for name in names)}")
    with shard.connected() as connection:
        from podwork_migrations.change.planning import plan_change

        before = connection.execute(query).one()
        plan_change(connection, migration(CASES["add a key"][0]))
        with pytest.raises(MigrationFailed):
            plan_change(connection, migration(lambda op: op.drop_column("orders", "nothing")))
        assert connection.execute(query).one() == before


def test_what_a_dead_planner_left_behind_is_taken_away(shard: Shard) -> None:
    shard.run("CREATE TABLE _podwork_probe_99999999 LIKE orders", "CREATE TABLE _podwork_new_7 LIKE orders")
    with shard.connected() as living:
        own = living.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one()
        living.exec_driver_sql(f"CREATE TABLE _podwork_probe_{own} (id INT)")
        shard.plan(CASES["add a column"][0])
        assert shard.tables() == {"orders", "shops", "_podwork_new_7", f"_podwork_probe_{own}"}


class Copier:
    """Stands for the online copy, which is not gone here."""

    def advance(self, work: Work) -> Progress:
        raise AssertionError("only planned")


@pytest.mark.parametrize(
    ("up", "route", "reason"),
    [
        (lambda op: op.create_index("by_n", "orders", ["n"]), Route.INPLACE, "not copied: copy-foreign-key"),
        (lambda op: op.create_index("more", "plain", ["n"]), Route.COPY, "replicas would lag"),
    ],
)
def test_a_large_table_that_cannot_be_copied_is_changed_in_place(
    shard: Shard, up: Up, route: Route, reason: str
) -> None:
    shard.run(
        "CREATE TABLE plain (id INT PRIMARY KEY, n INT)", "INSERT INTO plain VALUES (1, 1), (2, 1), (3, 1)"
    )
    with shard.connected() as connection:
        plan = SchemaRoutes(Copier(), LARGE).plan(connection, migration(up), Direction.UP)
    assert plan.route is route
    assert reason in plan.reason


def adds_index(op: Any) -> None:
    op.create_index("more", "plain", ["n"])


def test_a_copy_for_which_the_disk_has_no_room_is_not_begun(
    shard: Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard.run(
        "CREATE TABLE plain (id INT PRIMARY KEY, n INT)", "INSERT INTO plain VALUES (1, 1), (2, 1), (3, 1)"
    )
    routes = SchemaRoutes(Copier(), LARGE)
    allowed = migration(adds_index, override={"copy-no-room": "it is emptied first"})
    monkeypatch.setattr("podwork_migrations.change.ways.free_bytes", lambda _connection: 4_096)
    with shard.connected() as connection:
        with pytest.raises(MigrationFailed, match="plain: its copy needs about 0 MiB, and 0 MiB are free"):
            routes.plan(connection, migration(adds_index), Direction.UP)
        assert routes.plan(connection, allowed, Direction.UP).route is Route.COPY
        assert routes.plan(connection, migration(CASES["add a column"][0]), Direction.UP).route == "instant"


def test_what_is_free_is_known_where_mariadb_says_it(shard: Shard) -> None:
    with shard.connected() as connection:
        assert room.free_bytes(connection) is None, "without its plugin"
        connection.exec_driver_sql("INSTALL SONAME 'disks'")
        try:
            found = room.free_bytes(connection)
        finally:
            connection.exec_driver_sql("UNINSTALL SONAME 'disks'")
        folder = str(connection.exec_driver_sql("SELECT @@datadir").scalar_one())
        assert room.size_bytes(connection, "orders") == 16_384 * 3
        assert room.size_bytes(connection, "nowhere") is None
    assert found is not None
    assert found == pytest.approx(shutil.disk_usage(folder).free, rel=0.2)


def test_what_can_neither_be_copied_nor_done_otherwise_says_why(shard: Shard) -> None:
    routes = SchemaRoutes(Copier(), LARGE)
    refused = pytest.raises(MigrationFailed, match="copy-foreign-key: foreign key of_shop")
    with shard.connected() as connection, refused as failed:
        routes.plan(connection, migration(CASES["widen a number"][0]), Direction.UP)
    assert failed.value.remedy == "drop it first, or change it in place"
