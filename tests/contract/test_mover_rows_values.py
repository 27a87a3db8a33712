"""Every type's values arrive byte by byte."""

# ruff: noqa: E501 - statements are quoted as they are

from __future__ import annotations

from collections.abc import Iterator

import pytest

from podwork_pods.mover.tables.declaration import ShopTables, shop
from tests.support.rows_stand import OTHER, TARGET, RowsStand, noop

VALUES = """CREATE TABLE vals (
    shop_id BIGINT NOT NULL, id BIGINT UNSIGNED NOT NULL,
    ti TINYINT, tu TINYINT UNSIGNED ZEROFILL, si SMALLINT, mi MEDIUMINT UNSIGNED, ii INT, bu BIGINT UNSIGNED,
    de DECIMAL(65,30), de0 DECIMAL(10,0) UNSIGNED, fl FLOAT, fl2 FLOAT(7,2), du DOUBLE,
    b1 BIT(1), b64 BIT(64), en ENUM('a','b','ç'), se SET('x','y','z'), yr YEAR,
    da DATE, dt DATETIME, dt6 DATETIME(6), ts TIMESTAMP(6) NULL, tm TIME(3),
    ch CHAR(5), ch1 CHAR(5) CHARACTER SET latin1, vc VARCHAR(200), vl VARCHAR(50) CHARACTER SET latin1,
    vs VARCHAR(50) CHARACTER SET cp932, u2 VARCHAR(20) CHARACTER SET ucs2, tx LONGTEXT, js JSON,
    bi BINARY(6), vb VARBINARY(300), bl LONGBLOB, ge GEOMETRY, uu UUID, ip INET6,
    gen VARCHAR(50) AS (CONCAT(vc, '!')) STORED, virt INT AS (ii + 1) VIRTUAL,
    `odd ``name` INT, CHECK (ii < 3000000000), PRIMARY KEY (shop_id, id))"""
INTO = "INSERT INTO vals (shop_id, id, "
ALL_BYTES = "0x" + bytes(range(256)).hex()
ROWS = (
    INTO + "ti, tu, si, mi, ii, bu) VALUES (7, 18446744073709551615, -128, 7, -32768, 16777215, -2147483648, 18446744073709551615)",
    INTO + "de, de0, fl, fl2, du) VALUES (7, 0, -12345678901234567890123456789012345.000000000000000000000000000001, 0, 16777217.3, 1.005, 0.1)",
    INTO + "fl, du, de) VALUES (7, 2, -0e0, -0e0, 0), (7, 3, 1e-38, 1.7976931348623157e308, -0.5)",
    INTO + "b1, b64, en, se, yr) VALUES (7, 4, b'1', b'1000000000000000000000000000000000000000000000000000000000000001', 'ç', 'z,x', 0), (7, 5, b'0', 39, 0, 0, 2155)",
    INTO + "da, dt, dt6, ts, tm) VALUES (7, 6, '0000-00-00', '0000-00-00', '2024-02-31 10:11:12.000001', '0000-00-00', '-838:59:59'), (7, 7, '2024-00-00', '9999-12-31 23:59:59', '1000-01-01 00:00:00.999999', '2024-10-27 01:30:00.5', '00:00:00.001')",
    INTO + "ch, ch1, vc, vl, vs, u2, tx, js) VALUES (7, 8, 'a  ', 'é', '😀''\\\\\\n\\0\\Z\"`%%s', 'é\\\\ü', 'ソ表', 'é😀', REPEAT('ü,\\'', 5000), '{\"a\": [1.0, null, \"\\\\u00e9\"]}'), (7, 9, '', '', '', '', '', '', '', '[]')",
    INTO + f"bi, vb, bl, ge, uu, ip) VALUES (7, 10, 0x0000, {ALL_BYTES}, {ALL_BYTES}, ST_GeomFromText('LINESTRING(0 0,1.5 1)', 4326), '123e4567-e89b-12d3-a456-426655440000', '2001:db8::1'), (7, 11, 0x41, '', '', NULL, NULL, '::')",
    INTO + "`odd ``name`) VALUES (7, 12, 5), (7, 13, NULL)",
    INTO + f"bl, tx) VALUES (7, 14, REPEAT({ALL_BYTES}, 1000), NULL), (7, 15, NULL, REPEAT('é\\'', 60000)), (7, 16, REPEAT(0x00, 100000), REPEAT('\\\\', 100000))",
    INTO + "ii) VALUES (8, 1, 1)",
)  # fmt: skip


@pytest.fixture
def stand(mariadb_url: str) -> Iterator[RowsStand]:
    made = RowsStand(mariadb_url, (VALUES,), ShopTables(shop("vals")))
    yield made
    made.close()


@pytest.mark.parametrize("is_locking", [False, True])
def test_values_of_all_types_are_copied_byte_by_byte(stand: RowsStand, is_locking: bool) -> None:
    for statement in ROWS:
        stand.run(statement)
    rows = stand.rows(is_locking=is_locking)
    rows.follow()
    rows.copy(noop)
    assert stand.read("SELECT COUNT(*) FROM vals", pod=TARGET) == [(16 + 1,)]
    assert stand.differing() == []
    assert stand.read(f"SELECT COUNT(*) FROM vals WHERE shop_id = {OTHER}", pod=TARGET) == [(0,)]
    assert rows.is_copied


def test_values_of_all_types_are_applied_byte_by_byte(stand: RowsStand) -> None:
    rows = stand.rows()
    rows.follow()
    rows.copy(noop)
    for statement in ROWS:
        stand.run(statement)
    rows.apply_last(noop, 30)
    assert stand.read("SELECT COUNT(*) FROM vals", pod=TARGET) == [(16 + 1,)]
    assert stand.differing() == []
    stand.run("UPDATE vals SET ii = 4, bl = CONCAT(bl, 'x') WHERE shop_id = 7")
    stand.run("DELETE FROM vals WHERE shop_id = 7 AND id IN (3, 14)")
    rows.apply_last(noop, 30)
    assert stand.read("SELECT COUNT(*) FROM vals", pod=TARGET) == [(15,)]
    assert stand.differing() == []


def test_a_blob_that_no_statement_can_hold_goes_in_pieces(stand: RowsStand) -> None:
    """As long as the server lets a value be; escaped, it would be twice as long as a statement may be."""
    stand.run("INSERT INTO vals (shop_id, id, bl) VALUES (7, 1, REPEAT(0x00, 16777000))")
    rows = stand.rows()
    rows.follow()
    rows.copy(noop)
    stand.run("INSERT INTO vals (shop_id, id, bl) VALUES (7, 2, REPEAT(0x275C, 8300000))")
    rows.apply_last(noop, 60)
    said = "SELECT id, LENGTH(bl), MD5(bl) FROM vals WHERE shop_id = 7 ORDER BY id"
    assert stand.read(said, pod=TARGET) == stand.read(said)
