"""The page on the outbox is one program: it is committed, drained by a real worker, and does what it says."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import CreateIndex, CreateTable

import podwork_ops
from podwork_pods.outbox import schema
from tests.support.fleets import StartFleet
from tests.support.processes import REPOSITORY, importable
from tests.support.wait import until

GUIDE = (REPOSITORY / "ops" / "docs" / "outbox.md").read_text(encoding="utf-8")


def block(mark: str) -> str:
    """Return the fenced block that follows `<!-- mark -->`."""
    found = re.search(rf"<!-- {re.escape(mark)} -->\n```\w*\n(.*?)```", GUIDE, re.DOTALL)
    assert found, f"the page has no block marked {mark!r}"
    return textwrap.dedent(found[1])


def test_every_block_of_python_is_marked() -> None:
    assert GUIDE.count("```python") == len(re.findall(r"<!-- [^>]+ -->\n```python", GUIDE))


def test_the_sql_is_what_podctl_makes() -> None:
    dialect, made = mysql.dialect(), []
    for table in (schema.outbox, schema.generations):
        made.append(str(CreateTable(table, if_not_exists=True).compile(dialect=dialect)))
        made += [
            str(CreateIndex(index, if_not_exists=True).compile(dialect=dialect)) for index in table.indexes
        ]
    written = [statement for statement in block("sql").split(";\n") if statement.strip()]
    assert [" ".join(statement.split()) for statement in written] == [" ".join(text.split()) for text in made]


def test_the_page_runs(embedded_stack: StartFleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = embedded_stack(pods=1)
    (tmp_path / "receipts.py").write_text(block("file: receipts.py"), encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    import receipts  # type: ignore[import-not-found]  # the page's own

    platform = podwork_ops.connect(receipts.app, config=fleet.config)
    environment = {"PODWORK_CONFIG": str(fleet.config), **importable(tmp_path)}
    try:
        platform.directory.assign(330, 1)
        with platform.engine(1).begin() as connection:
            for table in ("orders", "receipts"):
                connection.execute(sqlalchemy.text(f"CREATE TABLE {table} (shop_id BIGINT, order_id BIGINT)"))
        names: dict[str, object] = {}
        exec(compile(block("run"), "outbox.md", "exec"), names)
        arguments = ("workers", "--pod", "1", "--app", "receipts:app")
        worker = fleet.processes.podctl(*arguments, environment=environment)

        def numbers(table: str) -> list[int]:
            with platform.engine(1).connect() as connection:
                rows = connection.execute(sqlalchemy.text(f"SELECT order_id FROM {table} ORDER BY order_id"))
                return list(rows.scalars())

        first = [1, 3, 4, 5, 6, 7, 8, 9]
        until(lambda: len(numbers("receipts")) >= len(first), 40.0, f"the first receipts; {worker}")
        exec(compile(block("run: later"), "outbox.md", "exec"), names)
        expected = first + [number + 1000 for number in first]
        until(lambda: len(numbers("receipts")) >= len(expected), 40.0, f"all receipts; {worker}")
        assert numbers("receipts") == expected
        assert numbers("orders") == [1]
        until(lambda: platform.topology.outbox_rows(1).is_empty(), 20.0, f"the outbox to be empty; {worker}")
    finally:
        receipts.app.bind(None)
        platform.close()
