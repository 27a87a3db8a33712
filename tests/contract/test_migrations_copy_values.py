"""What an online copy carries over: rows of every kind of key, values whose type becomes wider."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from podwork_migrations.copy.names import Names
from podwork_migrations.errors import MigrationFailed
from tests.support.copy_stand import VERSION, CopyStand
from tests.support.scribbling import fill, table

NAMES = Names(VERSION)
ADD = "ALTER TABLE items ADD COLUMN z INT NOT NULL DEFAULT 7"
NUMBERED = "CREATE TABLE items (id INT NOT NULL PRIMARY KEY, {rest}) ENGINE=InnoDB"


@pytest.fixture
def stand(mariadb_url: str) -> Iterator[CopyStand]:
    made = CopyStand(mariadb_url, batch_size=20)
    yield made
    made.close()


@pytest.fixture
def items(stand: CopyStand) -> CopyStand:
    stand.execute(table(counts_up=True), fill(50))
    return stand


OFTEN = {"binary with zeros", "unsigned", "datetime", "decimal", "latin1"}
"""Of these the loop's own tests have much."""
KEYS = {
    "several": ("a INT NOT NULL, b VARCHAR(10) NOT NULL", "a, b", "seq % 5, CONCAT('k', seq)"),
    "text": (
        "k VARCHAR(20) COLLATE utf8mb4_general_ci NOT NULL", "k",
        "CONCAT(CHAR(65 + seq % 7 + 32 * (seq % 2)), seq)",
    ),
    "negative": ("k INT NOT NULL", "k", "CAST(seq AS SIGNED) - 30"),
    "counting, with zero": ("k INT NOT NULL AUTO_INCREMENT", "k", "seq - 1"),
    "binary": ("k BINARY(16) NOT NULL", "k", "UNHEX(MD5(seq))"),
    "binary with zeros": ("k VARBINARY(8) NOT NULL", "k", "CONCAT(CHAR(0), CHAR(seq), CHAR(0))"),
    "unsigned": ("k BIGINT UNSIGNED NOT NULL", "k", "18446744073709551615 - seq"),
    "datetime": ("k DATETIME(6) NOT NULL", "k", "'2026-01-01' + INTERVAL seq * 7 MICROSECOND"),
    "decimal": ("k DECIMAL(12, 4) NOT NULL", "k", "seq / 7 - 3"),
    "latin1": ("k CHAR(8) CHARACTER SET latin1 NOT NULL", "k", "CONCAT('é', seq)"),
    "quoted": ("`a:b%c` INT NOT NULL", "`a:b%c`", "seq"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "key", "values"),
    [
        pytest.param(*row, id=name, marks=[pytest.mark.slow] if name in OFTEN else [])
        for name, row in KEYS.items()
    ],
)
def test_rows_of_any_key_are_copied_and_kept_in_step(
    stand: CopyStand, columns: str, key: str, values: str
) -> None:
    with_zero = "SET STATEMENT sql_mode = 'NO_AUTO_VALUE_ON_ZERO' FOR "
    stand.execute(
        f"CREATE TABLE items ({columns}, v VARCHAR(20) NOT NULL, n INT NULL, PRIMARY KEY ({key}))",
        f"{with_zero}INSERT INTO items SELECT {values}, CONCAT('v', seq), NULL FROM seq_1_to_60",
    )
    stand.begin("ALTER TABLE items ADD COLUMN z INT NULL", hold_hours=1)
    stand.until("copying")
    stand.advance()
    stand.execute(
        "UPDATE items SET n = 1 WHERE v LIKE '%3'",
        "DELETE FROM items WHERE v LIKE '%4'",
        "UPDATE items SET v = 'w' WHERE v = 'v8'",
    )
    stand.until("comparing")
    stand.execute("UPDATE items SET n = 2 WHERE v LIKE '%5'", "DELETE FROM items WHERE v LIKE '%6'")
    stand.finish()
    stand.execute("UPDATE items SET n = 3 WHERE v LIKE '%7'", "DELETE FROM items WHERE v LIKE '%9'")
    assert stand.entry.error == ""
    listed = [str(row[0]) for row in stand.rows(f"SHOW COLUMNS FROM `{NAMES.old}`")]
    assert stand.contents("items", listed) == stand.contents(NAMES.old, listed)
    assert len(stand.contents("items", listed)) == 60 - 6 - 6 - 6
    assert stand.rows("SELECT DISTINCT n FROM items ORDER BY n") == [(None,), (1,), (2,), (3,)]


def test_a_table_without_primary_key_is_read_along_another(stand: CopyStand) -> None:
    stand.execute(
        "CREATE TABLE items (a INT NOT NULL, b INT, UNIQUE KEY by_b (b), UNIQUE KEY by_a (a)) ENGINE=InnoDB",
        "INSERT INTO items SELECT seq, NULL FROM seq_1_to_50",
    )
    stand.begin("ALTER TABLE items ADD COLUMN z INT NULL")
    stand.finish()
    assert (stand.entry.error, stand.rows("SELECT COUNT(*), COUNT(DISTINCT a) FROM items")) == (
        "",
        [(50, 50)],
    )


def test_a_key_that_changes_only_its_case_is_kept_in_step(stand: CopyStand) -> None:
    stand.execute(
        "CREATE TABLE items (k VARCHAR(9) COLLATE utf8mb4_general_ci PRIMARY KEY, n INT) ENGINE=InnoDB",
        "INSERT INTO items VALUES ('a', 1), ('b', 2)",
    )
    stand.begin("ALTER TABLE items ADD COLUMN z INT NULL", hold_hours=1)
    stand.until("comparing")
    stand.execute("UPDATE items SET k = 'A' WHERE k = 'a'")
    stand.finish()
    assert stand.rows("SELECT k FROM items") == [("A",), ("b",)]
    stand.execute("UPDATE items SET k = 'B' WHERE k = 'b'")
    assert stand.rows(f"SELECT k FROM {NAMES.old}") == [("A",), ("B",)]


def test_a_value_in_another_column_is_a_difference(stand: CopyStand) -> None:
    stand.execute(NUMBERED.format(rest="a INT NULL, b INT NULL"), "INSERT INTO items VALUES (1, NULL, 5)")
    stand.begin(ADD)
    stand.until("comparing")
    stand.execute(f"UPDATE {NAMES.copy} SET a = 5, b = NULL")
    with pytest.raises(MigrationFailed, match="differ"):
        stand.finish()


def test_a_renamed_column_keeps_its_values(items: CopyStand) -> None:
    items.begin(
        "ALTER TABLE items CHANGE COLUMN v words VARCHAR(80) NOT NULL", renames={"v": "words"}, hold_hours=1
    )
    items.until("comparing")
    items.execute("UPDATE items SET v = 'changed' WHERE id = 3")
    items.finish()
    assert items.rows("SELECT words FROM items WHERE id IN (2, 3)") == [("v2",), ("changed",)]
    items.execute("UPDATE items SET words = 'later' WHERE id = 2")
    assert items.rows(f"SELECT v FROM {NAMES.old} WHERE id IN (2, 3)") == [("later",), ("changed",)]


WIDER = {
    "int to bigint": ("INT", "seq", "BIGINT"),
    "zerofill": ("INT(8) ZEROFILL", "seq", "BIGINT"),
    "varchar over 255 bytes": ("VARCHAR(20)", "CONCAT('é', seq)", "VARCHAR(300)"),
    "latin1 to utf8mb4": (
        "VARCHAR(20) CHARACTER SET latin1", "CONCAT('é', seq)", "VARCHAR(20) CHARACTER SET utf8mb4",
    ),
    "varchar to text": ("VARCHAR(20)", "REPEAT('x', seq % 9)", "MEDIUMTEXT"),
    "decimal": ("DECIMAL(8, 2)", "seq / 3", "DECIMAL(12, 4)"),
    "int to decimal": ("INT", "seq", "DECIMAL(12, 2)"),
    "datetime": ("DATETIME", "'2026-01-01' + INTERVAL seq HOUR", "DATETIME(6)"),
    "date to datetime": ("DATE", "'2026-01-01' + INTERVAL seq DAY", "DATETIME"),
    "float to double": ("FLOAT", "seq / 7", "DOUBLE"),
    "blob": ("BLOB", "UNHEX(MD5(seq))", "LONGBLOB"),
    "varbinary": ("VARBINARY(20)", "UNHEX(MD5(seq))", "VARBINARY(400)"),
    "enum appended": ("ENUM('a', 'b')", "1 + seq % 2", "ENUM('a', 'b', 'c')"),
    "to null": ("INT NOT NULL", "seq", "INT NULL"),
    "bit": ("BIT(8)", "seq", "BIT(8) NULL DEFAULT b'0'"),
    "json": ("JSON", "CONCAT('[', seq, ']')", "JSON NULL COMMENT 'x'"),
}  # fmt: skip


def test_values_survive_a_wider_type(stand: CopyStand) -> None:
    """All in one table: each column is compared by itself."""
    olds, values, news = zip(*WIDER.values(), strict=True)
    names = [f"c{number}" for number in range(len(olds))]
    columns = ", ".join(f"{name} {old}" for name, old in zip(names, olds, strict=True))
    stand.execute(
        NUMBERED.format(rest=f"{columns}, n INT NULL"),
        f"INSERT INTO items SELECT seq, {', '.join(values)}, NULL FROM seq_1_to_45",
    )
    changes = ", ".join(f"MODIFY COLUMN {name} {new}" for name, new in zip(names, news, strict=True))
    stand.begin(f"ALTER TABLE items {changes}", hold_hours=1)
    stand.until("comparing")
    stand.execute("UPDATE items SET n = 5 WHERE id = 40")
    stand.finish()
    assert stand.entry.error == ""
    same = " AND ".join(f"a.{name} <=> b.{name}" for name in [*names, "n"])
    assert stand.rows(f"SELECT COUNT(*) FROM items a JOIN {NAMES.old} b USING (id) WHERE {same}") == [(45,)]


def test_dates_of_zeros_are_taken_as_they_are(stand: CopyStand) -> None:
    lenient = "SET STATEMENT sql_mode = '' FOR "
    stand.execute(
        NUMBERED.format(rest="d DATE, e DATE"),
        f"{lenient}INSERT INTO items VALUES (1, '0000-00-00', '2026-02-31'), (2, '2026-00-05', NULL)",
    )
    stand.begin("ALTER TABLE items ADD COLUMN z INT NULL")
    stand.finish()
    assert stand.entry.error == ""
    assert stand.rows("SELECT CONCAT(d), CONCAT(e) FROM items WHERE id = 1") == [("0000-00-00", "0000-00-00")]


def test_a_generated_column_is_left_to_the_server(stand: CopyStand) -> None:
    stand.execute(
        NUMBERED.format(rest="a INT, twice INT AS (a * 2) STORED, once INT AS (a) VIRTUAL"),
        "INSERT INTO items (id, a) SELECT seq, seq FROM seq_1_to_30",
    )
    stand.begin("ALTER TABLE items MODIFY COLUMN a BIGINT", hold_hours=1)
    stand.until("comparing")
    stand.execute("UPDATE items SET a = 50 WHERE id = 3")
    stand.finish()
    assert stand.rows("SELECT twice, once FROM items WHERE id = 3") == [(100, 50)]


def test_an_index_is_made_by_a_copy(items: CopyStand) -> None:
    items.begin("CREATE INDEX by_n ON items (n, id)")
    items.finish()
    assert items.rows("SHOW INDEX FROM items WHERE Key_name = 'by_n'")
