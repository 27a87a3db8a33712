"""Drafts of migrations that lead a shard to the application's metadata, on SQLite and on MariaDB."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from podwork.settings import MigrationsSettings
from podwork_migrations.autogenerate import Draft, autogenerate
from podwork_migrations.change.ways import SchemaRoutes
from podwork_migrations.runner.outcome import Ending
from tests.support.migration_stand import MigrationStand

METADATA = sa.MetaData()
sa.Table("shops", METADATA, sa.Column("id", sa.Integer, primary_key=True, autoincrement=False))
sa.Table(
    "orders",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("n", sa.Integer, nullable=False),
    sa.Column("status", sa.String(20), nullable=False, server_default="new", index=True),
)
sa.Table(
    "items",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("order_id", sa.Integer, sa.ForeignKey("orders.id", name="of_order"), index=True),
)


@pytest.fixture(params=["sqlite", "mariadb"])
def stand(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MigrationStand]:
    folder = tmp_path / "migrations"
    folder.mkdir()
    made = MigrationStand(str(request.getfixturevalue(f"{request.param}_url")), folder)
    made.prepare()
    made.execute("DROP TABLE orders")
    made.execute("CREATE TABLE orders (id INTEGER NOT NULL PRIMARY KEY, n INTEGER NOT NULL)")
    made.execute("CREATE TABLE gone (id INTEGER NOT NULL PRIMARY KEY, n INTEGER)")
    made.execute("CREATE INDEX of_gone ON gone (n)")
    made.execute("CREATE TABLE shops (id INTEGER NOT NULL PRIMARY KEY, old INTEGER)")
    made.execute("CREATE TABLE _podwork_probe_1 (id INTEGER)")
    yield made
    made.close()


def drafts(stand: MigrationStand) -> list[Draft]:
    with stand.single.connect() as connection:
        return autogenerate(METADATA, connection)


def test_a_draft_a_change_and_running_them_leaves_nothing_to_do(stand: MigrationStand) -> None:
    found = drafts(stand)
    assert [draft.name for draft in found] == [
        "create_table_items",
        "drop_table_gone",
        "add_column_orders_status",
        "add_index_ix_orders_status",
        "drop_column_shops_old",
    ]
    by_name = {draft.name: draft for draft in found}
    assert "op.create_index" in by_name["create_table_items"].up
    assert by_name["create_table_items"].down == "op.drop_table('items')"
    assert "of_gone" in by_name["drop_table_gone"].down
    assert by_name["add_column_orders_status"].summary == "Add column orders.status."

    for number, draft in enumerate(found, 1):
        body = textwrap.indent(draft.up, "    ")
        back = textwrap.indent(draft.down, "    ")
        head = "\n".join(draft.imports)
        stand.write(
            f"202601010000{number:02}", f"{head}\n@schema\ndef up(op):\n{body}\n\ndef down(op):\n{back}\n"
        )
    routes = SchemaRoutes()
    stand.runner = stand.new_runner(routes=routes, settings=MigrationsSettings(folder=str(stand.folder)))
    assert stand.until_done().ending is Ending.IDLE, [entry.error for entry in stand.ledger.entries()]
    assert drafts(stand) == []

    for number in reversed(range(1, len(found) + 1)):
        stand.control.revert(f"202601010000{number:02}", "a test", "me")
        stand.until_done()
    assert set(stand.states().values()) == {"reverted"}, [entry.error for entry in stand.ledger.entries()]
    assert [draft.name for draft in drafts(stand)] == [draft.name for draft in found]
