"""Each obstacle of a move is named with its remedy before anything is changed, and hides no other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from podwork_pods.mover.tables import server_blockers
from podwork_pods.mover.tables.catalogue import facts_of
from podwork_pods.mover.tables.declaration import joined, pod_local, reference, shop
from tests.support.moved_tables import OTHER, SHOP, Sides, sides
from tests.support.pods import server_connection


@pytest.fixture(params=["sqlite", "mariadb"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sides]:
    url = request.getfixturevalue("mariadb_url") if request.param == "mariadb" else ""
    with sides(request.param, tmp_path, url) as made:
        yield made


@pytest.fixture
def served(mariadb_url: str, tmp_path: Path) -> Iterator[Sides]:
    with sides("mariadb", tmp_path, mariadb_url) as made:
        yield made


ORDERS = "CREATE TABLE orders (shop_id BIGINT NOT NULL, id BIGINT NOT NULL UNIQUE, PRIMARY KEY (shop_id, id))"
LINES = """CREATE TABLE lines_ (order_id BIGINT NOT NULL, n INT NOT NULL, PRIMARY KEY (order_id, n),
    FOREIGN KEY (order_id) REFERENCES orders (id))"""
JOINED = joined("lines_", through="orders", on={"order_id": "id"})


SETTINGS = {
    "binlog_row_image": ("'MINIMAL'", "binlog_row_image is MINIMAL at the source"),
    "binlog_row_metadata": ("'NO_LOG'", "binlog_row_metadata is NO_LOG"),
    "binlog_format": ("'STATEMENT'", "binlog_format is STATEMENT"),
    "log_bin_compress": ("1", "log_bin_compress is ON"),
    "binlog_expire_logs_seconds": ("3600", "deleted after 3600 s"),
    "read_only": ("1", "the target's server is read_only"),
}


def unprepared(found: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Leave out what is said of shards in which podwork has no tables: most tests need none."""
    return [pair for pair in found if pair != ("fence", "")]


def test_nothing_stops_a_shop_whose_tables_are_as_they_should(both: Sides) -> None:
    both.prepare()
    both.on_both(ORDERS, LINES, "CREATE TABLE logs (at INT)", "CREATE VIEW seen AS SELECT * FROM orders")
    both.put(both.source, "orders", (SHOP, 1), (OTHER, 2))
    both.put(both.source, "lines_", (1, 1))
    both.put(both.target, "orders", (OTHER, 3))
    assert both.blockers(shop("orders"), JOINED, pod_local("logs")) == []
    both.fence(both.source, "open")
    both.fence(both.target, "moved")
    assert both.blockers(shop("orders"), JOINED, pod_local("logs")) == []


def test_an_undeclared_table_on_either_side_refuses_by_name(both: Sides) -> None:
    both.on_both("CREATE TABLE forgotten (id INT)")
    both.run(both.target, "CREATE TABLE there (id INT)")
    found = both.blockers()
    assert unprepared([(one.code.value, one.table) for one in found]) == [
        ("undeclared", "forgotten"),
        ("undeclared", "there"),
    ]
    assert found[0].what == "nothing says what becomes of the rows of forgotten"
    assert found[1].what.endswith("(at the target)")
    assert "pod_local('there')" in found[1].remedy


def test_a_declared_table_that_is_missing_is_named_with_its_side(both: Sides) -> None:
    both.run(both.source, ORDERS)
    (blocker,) = [one for one in both.blockers(shop("orders")) if one.table]
    assert (blocker.code.value, blocker.what) == (
        "missing", "orders is declared, and there is no such table (at the target)",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("definition", "declared", "code", "says"),
    [
        ("shop_id BIGINT NOT NULL, n INT", shop("t"), "key", "no unique key"),
        ("shop_id BIGINT NOT NULL, n INT UNIQUE", shop("t"), "key", "may be null"),
        ("id INT NOT NULL PRIMARY KEY", shop("t"), "column", "no column shop_id"),
        ("id INT NOT NULL PRIMARY KEY", shop("t", column="x"), "column", "no column x"),
        (
            "id INT NOT NULL PRIMARY KEY, shop_id BIGINT AS (id + 10) STORED",
            shop("t"), "column", "is generated",
        ),
        (
            "order_id BIGINT NOT NULL PRIMARY KEY",
            joined("t", through="orders", on={"x": "id"}), "column", "no column x",
        ),
        (
            "order_id BIGINT NOT NULL PRIMARY KEY",
            joined("t", through="orders", on={"order_id": "x"}), "column", "orders has no column x",
        ),
        (
            "order_id BIGINT NOT NULL PRIMARY KEY",
            joined("t", through="orders", on={"order_id": "shop_id"}), "link", "may be of two shops",
        ),
    ],
)  # fmt: skip
def test_a_table_whose_rows_cannot_be_told_or_walked(
    both: Sides, definition: str, declared: Any, code: str, says: str
) -> None:
    both.on_both(ORDERS, f"CREATE TABLE t ({definition})")
    if both.dialect == "mariadb" and "shop_id" in definition:
        both.on_both("CREATE INDEX by_shop ON t (shop_id)")
    found = [one for one in both.blockers(shop("orders"), declared) if one.table]
    assert [(one.code.value, one.table) for one in found] == [(code, "t")] or "orders" in says
    assert any(one.code.value == code and says in one.what for one in found)


def test_a_key_that_is_generated_is_in_no_log(tmp_path: Path) -> None:
    """MariaDB has none that is NOT NULL; MySQL does."""
    with sides("sqlite", tmp_path) as both:
        both.on_both("CREATE TABLE t (shop_id INT NOT NULL, n INT, g INT NOT NULL AS (n + 1) STORED UNIQUE)")
        (blocker,) = [one for one in both.blockers(shop("t")) if one.table]
        assert (blocker.code.value, blocker.what) == ("key", "t: its key's column g is generated")


@pytest.mark.servers
@pytest.mark.parametrize(
    ("definition", "code", "says"),
    [
        ("(shop_id BIGINT NOT NULL, id INT PRIMARY KEY, KEY (shop_id)) ENGINE=Aria", "engine", "Aria"),
        ("(shop_id VARCHAR(20) NOT NULL, id INT PRIMARY KEY, KEY (shop_id))", "column", "whole number"),
        ("(shop_id BIGINT NOT NULL, id INT PRIMARY KEY)", "index", "begins with shop_id"),
        ("(shop_id BIGINT NOT NULL, id INT PRIMARY KEY, KEY (id, shop_id))", "index", "begins with shop_id"),
        ("(shop_id BIGINT NOT NULL, k FLOAT NOT NULL PRIMARY KEY, KEY (shop_id))", "key", "rounded"),
        (
            "(shop_id BIGINT NOT NULL, id INT PRIMARY KEY, KEY (shop_id)) WITH SYSTEM VERSIONING",
            "kind", "system versioned",
        ),
    ],
)  # fmt: skip
def test_what_only_servers_have(served: Sides, definition: str, code: str, says: str) -> None:
    served.on_both(f"CREATE TABLE t {definition}")
    (blocker,) = [one for one in served.blockers(shop("t")) if one.table]
    assert (blocker.code.value, blocker.table) == (code, "t")
    assert says in blocker.what


@pytest.mark.servers
def test_a_sequence_has_to_be_declared_and_cannot_be_moved(served: Sides) -> None:
    served.on_both("CREATE SEQUENCE numbers")
    assert ("undeclared", "numbers") in served.codes()
    assert ("kind", "numbers") in served.codes(shop("numbers"))
    assert unprepared(served.codes(pod_local("numbers"))) == []


def test_triggers_stop_a_move_and_those_of_a_migration_say_so(both: Sides) -> None:
    both.on_both(ORDERS)
    body = "SELECT 1;" if both.dialect == "sqlite" else "SET @x = 1;"
    for name in ("theirs", "_podwork_2026_ins"):
        both.run(
            both.source,
            f"CREATE TRIGGER {name} BEFORE DELETE ON orders FOR EACH ROW BEGIN {body} END",
        )
    migrating, theirs = [one for one in both.blockers(shop("orders")) if one.table]
    assert "being changed by a migration" in migrating.what
    assert "wait until it is done" in migrating.remedy
    assert theirs.what.endswith("theirs (at the source)")


def test_foreign_keys_to_what_does_not_travel(both: Sides) -> None:
    both.on_both(
        ORDERS,
        "CREATE TABLE stays (id INT NOT NULL PRIMARY KEY, o BIGINT, FOREIGN KEY (o) REFERENCES orders (id))",
        """CREATE TABLE goes (shop_id BIGINT NOT NULL, s INT NOT NULL, PRIMARY KEY (shop_id, s),
            FOREIGN KEY (s) REFERENCES stays (id))""",
    )
    found = unprepared(both.codes(shop("orders"), pod_local("stays"), shop("goes")))
    assert found == [("foreign-key", "stays"), ("foreign-key", "goes")]


@pytest.mark.servers
def test_rows_that_the_database_changes_by_itself_are_in_no_log(served: Sides) -> None:
    for number, rule in enumerate(("ON DELETE CASCADE", "ON DELETE SET NULL", "ON UPDATE CASCADE")):
        served.on_both(
            f"CREATE TABLE a{number} (shop_id BIGINT NOT NULL, id BIGINT PRIMARY KEY, KEY (shop_id))",
            f"""CREATE TABLE b{number} (shop_id INT NOT NULL, id BIGINT PRIMARY KEY, a BIGINT, KEY (shop_id),
                FOREIGN KEY (a) REFERENCES a{number} (id) {rule})""",
        )
        found = unprepared(served.codes(*(shop(f"{name}{n}") for name in "ab" for n in range(number + 1))))
        assert found == [("cascade", f"b{n}") for n in range(number + 1)]


def test_a_table_that_is_not_the_same_on_both_pods(both: Sides) -> None:
    both.run(
        both.source,
        """CREATE TABLE t (shop_id INT NOT NULL, id INT NOT NULL, n INT, m INT, x INT,
            PRIMARY KEY (shop_id, id))""",
        "CREATE UNIQUE INDEX one_n ON t (shop_id, n)",
        "CREATE TABLE same (shop_id INT NOT NULL, id INT NOT NULL, a INT, b INT, PRIMARY KEY (shop_id, id))",
        "CREATE TABLE mine (a INT)",
    )
    both.run(
        both.target,
        """CREATE TABLE t (shop_id INT NOT NULL, id INT NOT NULL, n BIGINT, m INT NOT NULL,
            PRIMARY KEY (shop_id, id))""",
        """CREATE TABLE same (shop_id INT NOT NULL, b INT DEFAULT 5, a INT, id INT NOT NULL,
            PRIMARY KEY (shop_id, id))""",
        "CREATE INDEX plain ON same (a)",
        "CREATE TABLE mine (b TEXT)",
    )
    found = [one for one in both.blockers(shop("t"), shop("same"), pod_local("mine")) if one.table]
    assert {(one.code.value, one.table) for one in found} == {("differs", "t")}
    for part in ("column m is", "column n is", "column x is only at the source", "unique key (shop_id, n)"):
        assert any(part in one.what for one in found), part
    assert len(found) == 4


@pytest.mark.servers
def test_differences_that_rows_would_feel(served: Sides) -> None:
    pairs = [
        ("v VARCHAR(9)", "v VARCHAR(9) COLLATE utf8mb4_bin"),
        ("v VARCHAR(9)", "v VARCHAR(9) CHARACTER SET latin1"),
        ("v INT", "v INT UNSIGNED"),
        ("v ENUM('a','b')", "v ENUM('b','a')"),
        ("v INT, w INT AS (v + 1)", "v INT, w INT AS (v + 2)"),
        ("v INT CHECK (v > 0)", "v INT CHECK (v > 1)"),
        ("v VARCHAR(9), UNIQUE (shop_id, v(3))", "v VARCHAR(9), UNIQUE (shop_id, v(4))"),
        ("v INT, KEY (shop_id), FOREIGN KEY (v) REFERENCES t0 (id)", "v INT"),
    ]
    for number, pair in enumerate([("v INT, KEY (id)", "v INT, KEY (id)"), *pairs]):
        for connection, part in zip(served.both, pair, strict=True):
            served.run(
                connection,
                f"CREATE TABLE t{number} (shop_id BIGINT NOT NULL, id INT NOT NULL, {part}, "
                "PRIMARY KEY (shop_id, id))",
            )
    names = [f"t{number}" for number in range(len(pairs) + 1)]
    said = {pair for pair in served.codes(*(shop(name) for name in names)) if pair[1]}
    assert said == {("differs", name) for name in names[1:]}


def test_a_target_that_has_rows_of_the_shop_or_is_in_another_move(both: Sides) -> None:
    both.prepare()
    both.on_both(ORDERS)
    both.put(both.target, "orders", (SHOP, 5))
    assert both.codes(shop("orders")) == [("occupied", "orders")]
    both.fence(both.source, "closed")
    both.fence(both.target, "incoming")
    found = both.blockers(shop("orders"))
    assert [one.code.value for one in found] == ["fence", "fence", "occupied"]
    assert "source is closed" in found[0].what
    assert "target is incoming" in found[1].what


def test_shards_without_podworks_tables_are_not_ready(both: Sides) -> None:
    assert [one.code.value for one in both.blockers()] == ["fence", "fence"]


def test_a_row_that_refers_to_another_shops_row(both: Sides) -> None:
    both.on_both(
        ORDERS,
        """CREATE TABLE gifts (shop_id BIGINT NOT NULL, id INT NOT NULL, order_id BIGINT,
            PRIMARY KEY (shop_id, id), FOREIGN KEY (order_id) REFERENCES orders (id))""",
    )
    both.put(both.source, "orders", (SHOP, 1), (OTHER, 2))
    both.put(both.source, "gifts", (SHOP, 1, 1), (SHOP, 2, None), (OTHER, 3, 1))
    assert unprepared(both.codes(shop("orders"), shop("gifts"))) == []
    both.put(both.source, "gifts", (SHOP, 4, 2))
    (blocker,) = [one for one in both.blockers(shop("orders"), shop("gifts")) if one.table]
    assert (blocker.code.value, blocker.what) == (
        "reference", "a row of gifts refers to orders 2, which is not this shop's",
    )  # fmt: skip


def test_a_row_that_refers_to_what_the_target_lacks(both: Sides) -> None:
    both.on_both(
        "CREATE TABLE currencies (code CHAR(3) NOT NULL PRIMARY KEY)",
        """CREATE TABLE prices (shop_id BIGINT NOT NULL, id INT NOT NULL, code CHAR(3),
            PRIMARY KEY (shop_id, id), FOREIGN KEY (code) REFERENCES currencies (code))""",
    )
    both.put(both.source, "currencies", ("EUR",), ("SEK",), ("NOK",))
    both.put(both.target, "currencies", ("EUR",))
    both.put(both.source, "prices", (SHOP, 1, "EUR"), (SHOP, 2, None), (OTHER, 3, "NOK"))
    tables = (shop("prices"), reference("currencies"))
    assert unprepared(both.codes(*tables)) == []
    both.put(both.source, "prices", (SHOP, 4, "SEK"))
    (blocker,) = [one for one in both.blockers(*tables) if one.table]
    assert (blocker.code.value, blocker.what) == (
        "reference", "prices refers to currencies 'SEK', which the target lacks",
    )  # fmt: skip


@pytest.mark.servers
def test_numbers_that_both_pods_give(served: Sides) -> None:
    served.on_both(
        "CREATE TABLE t (id BIGINT AUTO_INCREMENT PRIMARY KEY, shop_id BIGINT NOT NULL, KEY (shop_id))",
        """CREATE TABLE apart (shop_id BIGINT NOT NULL, id BIGINT NOT NULL AUTO_INCREMENT,
            PRIMARY KEY (shop_id, id), KEY (id))""",
    )
    assert unprepared(served.codes(shop("t"), shop("apart"))) == [("auto-increment", "t")]
    assert unprepared(served.codes(shop("t", leased_ids=True), shop("apart"))) == []


def test_servers_that_count_in_steps_never_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    def apart(*settings: tuple[int, int]) -> bool:
        answers = [
            {"auto_increment_offset": str(first), "auto_increment_increment": str(step)}
            for first, step in settings
        ]
        monkeypatch.setattr(server_blockers, "variables_of", lambda which: answers[which])
        return server_blockers.counts_apart(0, 1)  # type: ignore[arg-type]

    assert apart((1, 10), (2, 10))
    assert not apart((1, 10), (11, 10))
    assert not apart((1, 10), (2, 20))
    assert not apart((1, 1), (1, 1))


@pytest.mark.servers
def test_a_row_that_no_statement_can_hold(served: Sides, mariadb_url: str) -> None:
    served.on_both("CREATE TABLE t (shop_id BIGINT NOT NULL, id INT PRIMARY KEY, b LONGBLOB, KEY (shop_id))")
    served.run(
        served.source,
        f"INSERT INTO t VALUES ({SHOP}, 1, REPEAT('x', 600000)), ({OTHER}, 2, REPEAT('x', 1000000))",
    )
    with server_connection(mariadb_url) as cursor:
        cursor.execute("SELECT @@GLOBAL.max_allowed_packet")
        (before,) = cursor.fetchone()
        cursor.execute("SET GLOBAL max_allowed_packet = 2097152")
        try:
            assert unprepared(served.codes(shop("t"))) == []
            cursor.execute("SET GLOBAL max_allowed_packet = 1048576")
            (blocker,) = [one for one in served.blockers(shop("t")) if one.table]
        finally:
            cursor.execute(f"SET GLOBAL max_allowed_packet = {before}")
    assert (blocker.code.value, blocker.remedy) == ("packet", "SET GLOBAL max_allowed_packet = 2097152")


@pytest.mark.servers
def test_settings_of_the_server(served: Sides, mariadb_url: str) -> None:
    assert [one for one in served.blockers() if one.code.value in ("binlog", "server")] == []
    with server_connection(mariadb_url) as cursor:
        for setting, (value, says) in SETTINGS.items():
            cursor.execute(f"SELECT @@GLOBAL.{setting}")
            (before,) = cursor.fetchone()
            cursor.execute(f"SET GLOBAL {setting} = {value}")
            try:
                found = [one for one in served.blockers() if one.code.value != "fence"]
            finally:
                cursor.execute(f"SET GLOBAL {setting} = %s", (before,))
            assert says in found[0].what
            assert setting in found[0].remedy
            assert found[0].code.value == ("server" if setting == "read_only" else "binlog")


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ({"log_bin": "OFF"}, ["log_bin is OFF"]),
        ({"binlog_transaction_compression": "ON"}, ["binlog_transaction_compression is ON"]),
        ({"binlog_row_value_options": "PARTIAL_JSON"}, ["binlog_row_value_options is PARTIAL_JSON"]),
        ({"binlog_storage_engine": "innodb"}, ["binlog_storage_engine is innodb"]),
        ({"log_bin": "ON", "binlog_row_image": "full"}, []),
        ({}, []),
    ],
)
def test_settings_that_other_servers_have(found: dict[str, str], says: list[str]) -> None:
    blockers = list(server_blockers._settings(found, "here"))
    assert len(blockers) == len(says)
    assert all(part in one.what for one, part in zip(blockers, says, strict=True))


def test_logs_that_are_kept_in_days(monkeypatch: pytest.MonkeyPatch) -> None:
    def kept(**settings: str) -> int:
        return len(list(server_blockers._retention(settings, "here")))

    assert kept(expire_logs_days="0.5") == 1
    assert kept(expire_logs_days="1", binlog_expire_logs_seconds="0") == 0
    assert kept(expire_logs_days="0", binlog_expire_logs_seconds="86399") == 1
    assert kept() == 0


@pytest.mark.servers
def test_a_user_who_may_not_follow_the_log(served: Sides, mariadb_url: str) -> None:
    name = str(served.source.engine.url.database)
    engine = None
    with server_connection(mariadb_url) as cursor:
        cursor.execute("CREATE USER follower IDENTIFIED BY 'x'")
        try:
            cursor.execute(f"GRANT ALL PRIVILEGES ON `{name}`.* TO follower")
            engine = create_engine(served.source.engine.url.set(username="follower", password="x"))
            said = []
            for grant in ("USAGE", "REPLICATION SLAVE", "BINLOG MONITOR"):
                cursor.execute(f"GRANT {grant} ON *.* TO follower")
                with engine.connect() as connection:
                    said.append([one.what for one in server_blockers.server_blockers(connection, "here")])
        finally:
            if engine is not None:
                engine.dispose()
            cursor.execute("DROP USER follower")
    assert ["lacks REPLICATION SLAVE, REPLICATION CLIENT here" in text for text in said[0]] == [True]
    assert ["lacks REPLICATION CLIENT here" in text for text in said[1]] == [True]
    assert said[2] == []


def test_what_is_asked_changes_nothing(both: Sides) -> None:
    both.prepare()
    both.on_both(ORDERS, "CREATE TABLE forgotten (id INT)")
    both.put(both.source, "orders", (SHOP, 1))
    before = [facts_of(connection) for connection in both.both]
    assert both.codes(shop("orders")) == [("undeclared", "forgotten")]
    assert [facts_of(connection) for connection in both.both] == before
