"""Equal schemas have equal fingerprints, however they were made; what differs is shown as DDL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from podwork_migrations.fingerprint.canonical import Schema
from podwork_migrations.fingerprint.drift import differences
from podwork_migrations.fingerprint.expected import Expectations
from podwork_ops.local.mariadb import MariadbServer
from tests.support.pods import sibling_database
from tests.support.schema_changes import Shard

AT_ONCE = (
    "CREATE TABLE shops (id BIGINT PRIMARY KEY)",
    """CREATE TABLE orders (
        id BIGINT NOT NULL AUTO_INCREMENT, shop_id BIGINT NOT NULL, status VARCHAR(20) NOT NULL DEFAULT 'new',
        n INT DEFAULT 3 COMMENT '50 %', at DATETIME(3) DEFAULT CURRENT_TIMESTAMP(3),
        PRIMARY KEY (id), UNIQUE KEY one (shop_id, status(10)), KEY by_n (n DESC),
        CONSTRAINT of_shop FOREIGN KEY (shop_id) REFERENCES shops (id) ON DELETE CASCADE,
        CONSTRAINT positive CHECK (n >= 0)
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci COMMENT='of shops'""",
)
STEP_BY_STEP = (
    "CREATE TABLE orders (ID bigint unsigned, old INT, n INTEGER) CHARSET=latin1 ROW_FORMAT=DYNAMIC",
    "CREATE TABLE podwork_runs (id INT)",
    "CREATE TABLE _podwork_new_orders (id INT)",
    "CREATE TABLE shops (id BIGINT NOT NULL, PRIMARY KEY (id)) AUTO_INCREMENT=77",
    "ALTER TABLE orders CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci, COMMENT='of shops'",
    "ALTER TABLE orders DROP COLUMN old, CHANGE ID id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY",
    "ALTER TABLE orders AUTO_INCREMENT=900",
    "ALTER TABLE orders ADD COLUMN at DATETIME(3) NULL DEFAULT now(3)",
    "ALTER TABLE orders ADD COLUMN status CHAR(9) AFTER id, ADD COLUMN shop_id BIGINT NOT NULL AFTER id",
    "ALTER TABLE orders MODIFY status VARCHAR(20) NOT NULL DEFAULT 'new'",
    "ALTER TABLE orders MODIFY n INT DEFAULT 3 COMMENT '50 %'",
    "CREATE INDEX by_n ON orders (n DESC)",
    "ALTER TABLE orders ADD CONSTRAINT positive CHECK (n >= 0), ADD UNIQUE one (shop_id, status(10))",
    "ALTER TABLE orders ADD CONSTRAINT of_shop FOREIGN KEY (shop_id) REFERENCES shops (id) ON DELETE CASCADE",
    "INSERT INTO shops VALUES (1)",
    "INSERT INTO orders (shop_id) VALUES (1)",
)


@pytest.fixture
def shard(mariadb_url: str) -> Iterator[Shard]:
    made = Shard(mariadb_url)
    yield made
    made.close()


@pytest.fixture
def second(mariadb_url: str) -> Iterator[Shard]:
    made = Shard(sibling_database(mariadb_url, "second"))
    yield made
    made.close()


def test_two_servers_whose_schemas_were_made_differently_are_equal(
    shard: Shard, own_mariadb: MariadbServer
) -> None:
    other = Shard(own_mariadb.create_database("another_name"))
    shard.run(*AT_ONCE)
    other.run(*STEP_BY_STEP)
    assert differences(shard.schema(), other.schema()) == []
    assert shard.schema().fingerprint == other.schema().fingerprint
    other.close()


SEEN = {
    "a column": "ALTER TABLE orders ADD COLUMN x INT",
    "the order of columns": "ALTER TABLE orders MODIFY n INT DEFAULT 3 COMMENT '50 %' FIRST",
    "a type": "ALTER TABLE orders MODIFY n BIGINT DEFAULT 3 COMMENT '50 %'",
    "a default": "ALTER TABLE orders ALTER COLUMN n SET DEFAULT 4",
    "a dropped default": "ALTER TABLE orders ALTER COLUMN status DROP DEFAULT",
    "a collation": "ALTER TABLE orders MODIFY status VARCHAR(20) COLLATE utf8mb4_bin NOT NULL DEFAULT 'new'",
    "the table's collation": "ALTER TABLE orders DEFAULT COLLATE utf8mb4_bin",
    "a comment": "ALTER TABLE orders MODIFY n INT DEFAULT 3",
    "the table's comment": "ALTER TABLE orders COMMENT ''",
    "an index": "CREATE INDEX more ON orders (status)",
    "an index's name": "ALTER TABLE orders RENAME INDEX by_n TO n",
    "an index's direction": "ALTER TABLE orders DROP INDEX by_n, ADD INDEX by_n (n)",
    "an index's prefix": "ALTER TABLE orders DROP INDEX one, ADD UNIQUE one (shop_id, status)",
    "an index that is ignored": "ALTER TABLE orders ALTER INDEX by_n IGNORED",
    "what is unique": "ALTER TABLE orders DROP INDEX one, ADD INDEX one (shop_id, status(10))",
    "a key": "ALTER TABLE orders DROP FOREIGN KEY of_shop",
    "a check": "ALTER TABLE orders DROP CONSTRAINT positive",
    "another check": "ALTER TABLE orders ADD CONSTRAINT few CHECK (n < 9)",
    "a table": "CREATE TABLE more (id INT PRIMARY KEY, s BIGINT, FOREIGN KEY (s) REFERENCES shops (id))",
    "a row format": "ALTER TABLE orders ROW_FORMAT=COMPRESSED",
    "a generated column": "ALTER TABLE orders ADD COLUMN x INT AS (n + 1) VIRTUAL",
    "an auto increment": "ALTER TABLE orders MODIFY id BIGINT NOT NULL",
}


@pytest.mark.parametrize("what", SEEN)
def test_a_difference_is_seen_and_its_ddl_mends_it(shard: Shard, second: Shard, what: str) -> None:
    shard.run(*AT_ONCE)
    second.run(*AT_ONCE)
    second.run(SEEN[what])
    assert second.schema().fingerprint != shard.schema().fingerprint

    drift = differences(shard.schema(), second.schema())
    assert len(drift) >= 1
    second.run(*drift)
    assert differences(shard.schema(), second.schema()) == []
    assert second.schema().fingerprint == shard.schema().fingerprint


@pytest.mark.parametrize("what", SEEN)
def test_the_way_to_it_is_right_too(shard: Shard, second: Shard, what: str) -> None:
    shard.run(*AT_ONCE)
    shard.run(SEEN[what])
    second.run(*AT_ONCE)
    second.run(*differences(shard.schema(), second.schema()))
    assert second.schema().fingerprint == shard.schema().fingerprint


def test_an_empty_shard_is_given_everything(shard: Shard, second: Shard) -> None:
    shard.run(*AT_ONCE)
    second.run(*differences(shard.schema(), second.schema()))
    assert second.schema().fingerprint == shard.schema().fingerprint


def test_what_was_written_down_is_what_it_was(shard: Shard) -> None:
    shard.run(*AT_ONCE)
    schema = shard.schema()
    again = Schema.decode(schema.encode())
    assert (again, again.fingerprint) == (schema, schema.fingerprint)


def test_the_names_that_a_server_makes_up_do_not_count(shard: Shard, second: Shard) -> None:
    for made in (shard, second):
        made.run("CREATE TABLE shops (id BIGINT PRIMARY KEY)", "CREATE TABLE orders (a BIGINT, b BIGINT)")
    add = "ALTER TABLE orders ADD INDEX ({0}), ADD FOREIGN KEY ({0}) REFERENCES shops (id)"
    shard.run(add.format("a"), add.format("b"))
    second.run(add.format("b"), add.format("a"))
    assert shard.schema().fingerprint == second.schema().fingerprint


def test_sqlite_describes_what_was_made_differently_alike(tmp_path: Path) -> None:
    one, other = (Shard(f"sqlite:///{tmp_path}/{name}.db") for name in ("one", "other"))
    one.run("CREATE TABLE t (id INTEGER PRIMARY KEY, n INT DEFAULT (3), s VARCHAR(9) DEFAULT 'a')")
    one.run("CREATE INDEX by_n ON t (n)", "CREATE TABLE podwork_x (id INT)")
    other.run("CREATE TABLE t (id INTEGER, PRIMARY KEY (id))")
    other.run(
        "ALTER TABLE t ADD COLUMN n INTEGER DEFAULT 3", "ALTER TABLE t ADD COLUMN s varchar(9) DEFAULT 'a'"
    )
    assert one.schema().fingerprint != other.schema().fingerprint
    other.run('CREATE INDEX "by_n" ON t (n)')
    assert one.schema().fingerprint == other.schema().fingerprint

    other.run("DROP INDEX by_n", "CREATE UNIQUE INDEX by_n ON t (n)")
    assert differences(one.schema(), other.schema()) == [
        'ALTER TABLE "t"\n  DROP INDEX "by_n",\n  ADD INDEX "by_n" ("n")'
    ]
    one.close()
    other.close()


@pytest.mark.parametrize("kind", ["sqlite", "mariadb"])
def test_the_first_pods_word_counts(request: pytest.FixtureRequest, kind: str) -> None:
    directory = Shard(request.getfixturevalue(f"{kind}_url"))
    expectations = Expectations(lambda: directory.transactions)
    with directory.transactions.begin() as connection:
        expectations.create_schema(connection)
        expectations.create_schema(connection)
    first = Schema("mariadb", ())
    directory.run("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    second = directory.schema("t")

    assert expectations.expected({"1", "2"}, "mariadb") is None
    assert expectations.report(1, ["1", "2"], first) == first
    assert expectations.report(2, ["2", "1"], Schema("mariadb", second.tables)) == first
    assert expectations.expected({"2", "1"}, "mariadb") == first
    assert expectations.expected({"1"}, "mariadb") is None
    assert expectations.expected({"1", "2"}, "sqlite") is None
    assert expectations.report(2, ["1"], second) == second
    directory.close()
