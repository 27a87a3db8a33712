"""A whole demo in this process, with something spoilt on the way: it must not end well."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from podwork_ops.demo import DemoOptions, backfill, run, runbook
from podwork_ops.demo.report import Backfill


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "stack"


@pytest.mark.slow
def test_an_order_lost_after_the_run_fails_the_demo_and_leaves_the_rows_to_look_at(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_migrations = backfill.run_migrations

    def then_lose_an_order(*arguments: Any) -> Backfill:
        done = run_migrations(*arguments)
        with closing(sqlite3.connect(directory / "shard-1.db")) as connection, connection:
            lost = "DELETE FROM orders WHERE basket_id = (SELECT MAX(basket_id) FROM orders)"
            assert connection.execute(lost).rowcount == 1
        return done

    monkeypatch.setattr(runbook, "run_migrations", then_lose_an_order)
    report = run(DemoOptions(pods=2, limit=1000, directory=directory))
    assert not report.ok
    assert (report.total("orders"), report.mismatches, report.total("dead")) == (999, 1, 0)
    printed = capsys.readouterr().out
    assert "failed: 999 orders for 1,000 baskets" in printed
    assert "failed: missing order: " in printed
    assert f"logs and rows are left in {directory}" in printed
    assert (directory / "shard-1.db").exists()
    assert list(directory.glob("worker-*-pod-1.log"))
