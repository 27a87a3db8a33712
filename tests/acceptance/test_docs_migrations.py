"""The page on migrations is one program: on two pods it does with real workers what it says."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from podwork.settings import load
from podwork_migrations.change.routes import Route
from podwork_ops.composition import Platform
from podwork_pods.topology import Topology
from tests.support.fleets import Fleet, StartFleet
from tests.support.processes import REPOSITORY, Completed, importable

PAGE = (REPOSITORY / "ops" / "docs" / "migrations.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", PAGE, re.DOTALL))
PODS = (1, 2)
SECONDS = 60
ORDERS = 40


def block(mark: str) -> list[str]:
    """Return the commands of the fenced block that follows `<!-- mark -->`."""
    found = re.search(rf"<!-- {re.escape(mark)} -->\n```\w*\n(.*?)```", PAGE, re.DOTALL)
    assert found, f"the page has no block marked {mark!r}"
    return textwrap.dedent(found[1]).splitlines()


class Shop:
    """The page's application on two pods."""

    def __init__(self, fleet: Fleet, platform: Platform, folder: Path) -> None:
        self.fleet = fleet
        self.platform = platform
        self.broken = folder / "broken"
        self.environment = {
            "PODWORK_CONFIG": str(fleet.config),
            "ORDERS_BROKEN": str(self.broken),
            **importable(folder),
        }

    def shell(self, mark: str, *codes: int) -> list[Completed]:
        """Run a block's commands, which end with these codes (0), and return what each of them answered."""
        ended = []
        for number, command in enumerate(block(mark)):
            program, *arguments = shlex.split(command)
            assert program == "podctl"
            done = self.fleet.processes.podctl(*arguments, environment=self.environment).wait(SECONDS)
            assert done.code == (codes[number] if codes else 0), (command, done)
            ended.append(done)
        return ended

    def query(self, pod_id: int, query: str) -> list[Any]:
        """Return what a query finds in a pod's shard."""
        with self.platform.engine(pod_id).connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]


@pytest.fixture
def shop(embedded_stack: StartFleet, tmp_path: Path) -> Iterator[Shop]:
    fleet = embedded_stack(pods=len(PODS))
    (tmp_path / "migrations").mkdir()
    for name, code in FILES.items():
        (tmp_path / name).write_text(code, encoding="utf-8")
    with fleet.config.open("a") as config:
        config.write(f'\n[app]\ntarget = "orders:app"\n[migrations]\nfolder = "{tmp_path}/migrations"\n')
        config.write("every_seconds = 1.0\n")
    settings = load(environment={}, file=fleet.config).settings
    platform = Platform(settings, Topology.open(settings))
    made = Shop(fleet, platform, tmp_path)
    for pod_id in PODS:
        with platform.engine(pod_id).begin() as connection:
            connection.execute(text("CREATE TABLE orders (id INTEGER PRIMARY KEY)"))
            connection.execute(
                text("INSERT INTO orders VALUES (:id)"), [{"id": n} for n in range(1, ORDERS + 1)]
            )
    yield made
    platform.close()


@pytest.mark.slow
def test_the_page_runs(shop: Shop) -> None:
    shop.shell("shell: lint")
    proposed, planned = shop.shell("shell: plan")
    assert proposed.stdout.startswith("a plan that is not stored")
    assert planned.stdout.startswith("plan 1, draft, signed ")
    for pod_id in PODS:
        shop.fleet.processes.podctl("workers", "--pod", str(pod_id), environment=shop.environment)
    shop.broken.touch()
    [halted] = shop.shell("shell: run", 1)
    assert "plan 1 halted, wave canary: 0 of 2 pods done; canary pod 1 failed" in halted.stdout
    status, ledger = shop.shell("shell: failed")
    assert "the orders are being mended" in status.stdout
    assert (
        "next: plan 1: mend the cause, retry what failed, then: podctl migrations release 1" in status.stdout
    )
    assert [line.split()[2] for line in ledger.stdout.splitlines()[1:]] == ["applied", "failed"]
    assert shop.query(2, "SELECT name FROM pragma_table_info('orders')") == [("id",)], (
        "it has not begun there"
    )
    shop.broken.unlink()
    shop.shell("shell: retry")
    for pod_id in PODS:
        assert shop.query(pod_id, "SELECT DISTINCT status FROM orders") == [("open",)]
        assert shop.query(pod_id, "SELECT state, attempts FROM podwork_migrations ORDER BY version") == [
            ("applied", 1),
            ("applied", 2 if pod_id == 1 else 1),
        ]
    rows = [line.split()[:2] for line in shop.shell("shell: drift")[0].stdout.splitlines()]
    assert rows == [["POD", "SCHEMA"], ["1", "ok"], ["2", "ok"]]


def test_every_file_of_the_page_is_marked() -> None:
    assert PAGE.count("```python") == len(FILES)


def test_the_routes_are_those_of_the_code() -> None:
    rows = re.search(r"\| a schema change goes \|.*?\n\n", PAGE, re.DOTALL)
    assert rows
    written = [line.split("|")[1].strip() for line in rows[0].strip().splitlines()[2:]]
    assert written == list(Route)
