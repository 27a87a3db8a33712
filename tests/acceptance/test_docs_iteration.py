"""The page on iteration jobs is one program: on two pods it does with real workers what it says.

What it says of options, states and moving rows is compared with the code.
"""

from __future__ import annotations

import ast
import re
import shlex
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

import podwork_ops
from podwork.iteration.job import IterationJob
from podwork.iteration.states import REASONS, RunState
from podwork_ops.composition import Platform
from podwork_pods.iteration.collections import keyset
from tests.support.fleets import Fleet, StartFleet
from tests.support.processes import REPOSITORY, Completed, importable
from tests.support.wait import until

PAGE = (REPOSITORY / "ops" / "docs" / "iteration.md").read_text(encoding="utf-8")
FILES = re.compile(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)
PODS = (1, 2)
LINES = 250
NEWCOMERS_LINES = 20
SECONDS = 60.0
TABLES = """
CREATE TABLE order_lines (
    id INTEGER PRIMARY KEY, shop_id BIGINT, order_id INTEGER, value INTEGER, net INTEGER
);
CREATE TABLE orders (id INTEGER PRIMARY KEY, placed DATE);
CREATE TABLE shops (id INTEGER PRIMARY KEY);
CREATE TABLE prices (currency TEXT NOT NULL, sku TEXT NOT NULL, cents INTEGER, PRIMARY KEY (currency, sku));
CREATE TABLE log (what TEXT NOT NULL);
CREATE TABLE brakes (why TEXT NOT NULL);
INSERT INTO orders VALUES (1, '2025-12-31'), (2, '2026-01-01');
INSERT INTO shops VALUES (330), (331);
INSERT INTO prices VALUES ('EUR', 'b', 2), ('EUR', 'a', 1), ('CHF', 'c', 3)
"""


def block(mark: str) -> str:
    """Return the fenced block that follows `<!-- mark -->`."""
    found = re.search(rf"<!-- {re.escape(mark)} -->\n```\w*\n(.*?)```", PAGE, re.DOTALL)
    assert found, f"the page has no block marked {mark!r}"
    return textwrap.dedent(found[1])


def table(first_column: str) -> dict[str, list[str]]:
    """Return the page's table that begins with this column: the first cell of each row, and the others."""
    found = re.search(rf"^\| {re.escape(first_column)} \|.*\n\|[ |-]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert found, f"the page has no table of {first_column!r}"
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in found[1].splitlines()]
    return {row[0]: row[1:] for row in rows}


# What the page says


def test_every_block_of_python_is_marked() -> None:
    assert PAGE.count("```python") == len(re.findall(r"<!-- [^>]+ -->\n```python", PAGE))


def test_a_newcomers_backfill_is_short() -> None:
    assert len(block("file: backfills.py").splitlines()) < NEWCOMERS_LINES


def test_options_and_their_defaults_are_those_of_the_class() -> None:
    written = {}
    for names, (value, _) in table("option").items():
        keys, values = re.findall(r"`(\w+)`", names), value.split(", ")
        values = values if len(keys) == len(values) else [value]
        written.update({key: () if said == "none" else ast.literal_eval(said.replace(",", ""))
                        for key, said in zip(keys, values, strict=True)})  # fmt: skip
    options = [name for name, hint in vars(IterationJob)["__annotations__"].items() if "ClassVar" in hint]
    assert written == {name: getattr(IterationJob, name) for name in options}


def test_the_states_are_those_of_the_table() -> None:
    written = {RunState(state): set(filter(None, cells[1].split(", "))) for state, cells in _states().items()}
    assert written == {state: set(ways) for state, ways in REASONS.items()}


def _states() -> dict[str, list[str]]:
    return {state: [*cells, ""][:2] for state, cells in table("state").items()}


def test_what_becomes_of_rows_is_what_the_queries_promise() -> None:
    assert keyset.__doc__ is not None
    promised = dict(re.findall(r"^\| (.+?) \| (.+?) \|$", keyset.__doc__, re.MULTILINE))
    del promised["row"]
    assert len(table("a row")) == len(promised)


# What it does


class Shop:
    """The page's application on two pods."""

    def __init__(self, fleet: Fleet, platform: Platform, folder: Path) -> None:
        self.fleet = fleet
        self.platform = platform
        self.environment = {"PODWORK_CONFIG": str(fleet.config), **importable(folder)}
        self.folder = folder

    def shell(self, mark: str, run_id: str = "") -> list[Completed]:
        """Run the commands of a block, and return what each of them answered.

        Where the page says RUN, that is the run; or, without one, what the first command has printed.
        """
        ended: list[Completed] = []
        for line in block(mark).splitlines():
            program, *arguments = shlex.split(line.replace("RUN", run_id or _printed(ended)))
            assert program == "podctl"
            done = self.fleet.processes.podctl(*arguments, environment=self.environment).wait(SECONDS)
            assert done.code == 0, (line, done)
            ended.append(done)
        return ended

    def python(self, mark: str) -> None:
        """Run a block of Python."""
        exec(compile(block(mark), "iteration.md", "exec"), {"folder": self.folder})

    def query(self, pod_id: int, query: str) -> list[Any]:
        """Return what a query finds in a pod's shard."""
        with self.platform.engine(pod_id).connect() as connection:
            rows = connection.execute(text(query)).all()
        return [row[0] if len(row) == 1 else tuple(row) for row in rows]

    def change(self, pod_id: int, *statements: str) -> None:
        """Change something in a pod's shard."""
        with self.platform.engine(pod_id).begin() as connection:
            for statement in statements:
                connection.execute(text(statement))

    def log(self, job: str, pod_id: int = 1) -> list[str]:
        """Return what a job has left in the log."""
        found = self.query(pod_id, "SELECT what FROM log ORDER BY rowid")
        return [what.removeprefix(f"{job} ") for what in found if what.startswith(f"{job} ")]

    def states(self) -> dict[tuple[int, str], str]:
        """Return the state of each run, by pod and class."""
        return {
            (pod_id, job_class): state
            for pod_id in PODS
            for job_class, state in self.query(pod_id, "SELECT job_class, state FROM podwork_runs")
        }

    def ended(self, job_class: str, pod_id: int = 1, state: str = "succeeded") -> None:
        """Wait for the end of a run."""
        until(
            lambda: self.states().get((pod_id, job_class)) == state,
            SECONDS,
            f"{job_class} to be {state}; {self.states()}",
        )


def _printed(ended: list[Completed]) -> str:
    return ended[0].stdout.strip() if ended else ""


@pytest.fixture
def shop(embedded_stack: StartFleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    fleet = embedded_stack(pods=len(PODS))
    files = dict(FILES.findall(PAGE))
    for name, code in files.items():
        (tmp_path / name).write_text(code, encoding="utf-8")
    (tmp_path / "prices.csv").write_text('sku,cents\n"a, large",100\nb,200\n', encoding="utf-8")
    (tmp_path / "tags.jsonl").write_text('{"name": "new"}\n\n{"name": "sale"}\n', encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    import poison  # type: ignore[import-not-found]  # the page's last file: it has all of the others

    with fleet.config.open("a") as config:
        config.write('\n[app]\ntarget = "poison:app"\n')
    platform = podwork_ops.connect(poison.app, config=fleet.config)
    made = Shop(fleet, platform, tmp_path)
    for shop_id in (330, 331):
        platform.directory.assign(shop_id, 1)
    for pod_id in PODS:
        made.change(pod_id, *TABLES.strip().split(";\n"))
        values = ", ".join(f"({n}, {330 + n % 2}, {1 + n % 2}, {n * 100}, NULL)" for n in range(1, LINES + 1))
        made.change(pod_id, f"INSERT INTO order_lines VALUES {values}")
    yield made
    poison.app.bind(None)
    platform.close()
    for name in files:
        del sys.modules[name.removesuffix(".py")]


def work(shop: Shop) -> None:
    """Start a worker on each pod; on the second each job has a process of its own."""
    for pod_id, options in zip(PODS, (("--processes", "2"), ("--isolate",)), strict=True):
        arguments = ("workers", "--pod", str(pod_id), *options)
        shop.fleet.processes.podctl(*arguments, environment=shop.environment)


def test_the_page_runs(shop: Shop) -> None:
    [tried] = shop.shell("shell: dry run")
    assert str(LINES) in tried.stdout
    assert shop.query(1, "SELECT count(net) FROM order_lines") == [0], "every batch was rolled back"
    work(shop)
    a_backfill_runs_on_all_pods(shop)
    collections_give_what_the_page_says(shop)
    hooks_are_called_once(shop)
    what_fails_is_left_out_and_done_later(shop)
    a_run_is_told_what_to_do(shop)


def a_backfill_runs_on_all_pods(shop: Shop) -> None:
    start, _ = shop.shell("shell: start")
    for pod_id in PODS:
        shop.ended("fill_net_price", pod_id)
        assert shop.query(pod_id, "SELECT DISTINCT net * 100 / value FROM order_lines") == [95]
        assert shop.query(pod_id, "SELECT group_id FROM podwork_runs") == [start.stdout.strip()]


def collections_give_what_the_page_says(shop: Shop) -> None:
    shop.python("run: collections")
    expected = {
        "prices": ["CHF c 3", "EUR a 1", "EUR b 2"],
        "lines_of_year": [str(number) for number in range(1, LINES + 1, 2)],
        "import_prices": ["a, large 100", "b 200"],
        "import_tags": ["new", "sale"],
        "regions": ["north", "south"],
        "weeks": [
            "2026-01-01 2026-01-08", "2026-01-08 2026-01-15", "2026-01-15 2026-01-22",
            "2026-01-22 2026-01-29", "2026-01-29 2026-01-31",
        ],
        "lines_by_shop": [
            f"{330 + odd} {n}" for odd in (0, 1) for n in range(1, LINES + 1) if n % 2 == odd
        ],
        "pictures": ["a.jpg,b.jpg,c.jpg"],
    }  # fmt: skip
    for job_class, lines in expected.items():
        shop.ended(job_class)
        assert shop.log(job_class) == lines
    shop.ended("lines_of_shop")
    assert ",".join(shop.log("lines_of_shop")) == ",".join(str(n) for n in range(2, LINES + 1, 2))


def hooks_are_called_once(shop: Shop) -> None:
    shop.python("run: hooks")
    shop.ended("hooked")
    assert shop.log("hooked") == ["starts", "is complete"]
    shop.ended("hooked", 2, "failed")
    assert shop.log("hooked", 2) == ["starts", "failed: line 3 cannot be read"]


def what_fails_is_left_out_and_done_later(shop: Shop) -> None:
    from poison import Totals

    shop.change(1, "UPDATE order_lines SET value = -1 WHERE id = 7")
    run_id = Totals.enqueue(pod=1)
    shop.ended("totals")
    others = [str(n) for n in range(1, LINES + 1) if n != 7]
    assert shop.log("totals") == others
    shop.change(1, "UPDATE order_lines SET value = 700 WHERE id = 7")
    errors, _ = shop.shell("shell: left out", run_id)
    assert "line 7 has the value -1" in errors.stdout
    assert shop.log("totals") == [*others, "7"]


def a_run_is_told_what_to_do(shop: Shop) -> None:
    from throttled import Gentle  # type: ignore[import-not-found]  # the page's own

    shop.change(1, "INSERT INTO brakes VALUES ('is on')")
    run_id = Gentle.enqueue(pod=1)
    shop.ended("gentle", state="throttled")
    assert shop.query(1, "SELECT reason FROM podwork_runs WHERE job_class = 'gentle'") == ["brake is on"]
    listed, *_ = shop.shell("shell: control", run_id)
    assert "gentle" in listed.stdout
    settings = "rows_per_second, batch_most, parallel_most"
    assert shop.query(1, f"SELECT {settings} FROM podwork_runs WHERE job_class = 'gentle'") == [
        (5000, 200, 4)
    ]
    shop.ended("gentle", state="paused")
    shop.change(1, "DELETE FROM brakes")
    assert shop.log("gentle") == []
    shop.shell("shell: resume", run_id)
    shop.ended("gentle")
    done = sum(int(line.removesuffix(" lines")) for line in shop.log("gentle"))
    assert done == LINES
