"""The page on tables that move: its example runs, and its table of blockers is whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podwork_ops.application import load_tables
from podwork_ops.errors import AppNotLoaded
from podwork_pods.mover.tables.blocker import Code
from podwork_pods.mover.tables.catalogue import read
from podwork_pods.mover.tables.declaration import ShopTables
from tests.support.moved_tables import OTHER, SHOP, Sides, sides

PAGE = (Path(__file__).resolve().parents[2] / "ops/docs/moving-tables.md").read_text(encoding="utf-8")


def block(mark: str) -> str:
    found = re.search(rf"<!-- {mark} -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return found[1]


def declared() -> ShopTables:
    names: dict[str, Any] = {}
    exec(block("declaration"), names)
    tables = names["tables"]
    assert isinstance(tables, ShopTables)
    return tables


@pytest.fixture(params=["sqlite", "mariadb"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sides]:
    url = request.getfixturevalue("mariadb_url") if request.param == "mariadb" else ""
    with sides(request.param, tmp_path, url) as made:
        yield made


def test_the_example_moves(both: Sides) -> None:
    both.prepare()
    statements = block("schema").split(";\n")[:-1] if block("schema").endswith(";\n") else []
    assert len(statements) == 5
    both.on_both(*sorted(statements, key=lambda statement: "currencies (code CHAR" not in statement))
    both.put(both.source, "currencies", ("EUR",))
    both.put(both.source, "shops", (SHOP, "ours"), (OTHER, "theirs"))
    both.put(both.source, "orders", (SHOP, 1, "EUR", 5), (OTHER, 2, "EUR", 6))
    both.put(both.source, "order_lines", (1, 1, "tea"), (2, 1, "milk"))
    assert [one.what for one in both.blockers(*declared())] == [
        "orders refers to currencies 'EUR', which the target lacks"
    ]
    both.put(both.target, "currencies", ("EUR",))
    assert both.blockers(*declared()) == []
    found = read(both.source, declared())
    named = [table.name for table in found if not table.name.startswith("podwork_")]
    assert named == ["shops", "orders", "order_lines"]
    lines = next(table for table in found if table.name == "order_lines")
    sql = f"SELECT product FROM order_lines AS t WHERE {lines.of_shop('t')}"
    assert both.source.exec_driver_sql(sql, (SHOP,)).scalars().all() == ["tea"]


def test_every_blocker_has_its_row() -> None:
    rows = "".join(line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `"))
    assert [code.value for code in Code if f"`{code.value}`" not in rows] == []


def test_the_declaration_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "moving_example.py").write_text(block("declaration") + "other = 1\n")
    assert [table.name for table in load_tables("moving_example:tables")] == [
        table.name for table in declared()
    ]
    assert len(load_tables("")) == 0
    for target in (
        "moving_example:other",
        "moving_example",
        "moving_example:nothing",
        "moving_nowhere:tables",
    ):
        with pytest.raises(AppNotLoaded):
            load_tables(target)
