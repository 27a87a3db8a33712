"""The page on testing is a test suite: pytest runs its files as they are written, with podwork's plugin."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.processes import REPOSITORY, Processes
from tests.support.user_suite import run_suite, write_suite

PAGE = (REPOSITORY / "ops" / "docs" / "testing.md").read_text(encoding="utf-8")
FILES = re.compile(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    return write_suite(tmp_path, dict(FILES.findall(PAGE)))


def test_every_example_runs(suite: Path, processes: Processes, redis_url: str) -> None:
    done = run_suite(processes, suite, {"TEST_REDIS_URL": redis_url})
    examples = PAGE.count("\ndef test_")
    assert f"{examples} passed" in done.stdout, done.stdout + done.stderr


def test_every_block_of_python_is_one_of_the_files() -> None:
    assert PAGE.count("```python") == len([name for name, _ in FILES.findall(PAGE) if name.endswith(".py")])


def test_the_message_is_as_shown(suite: Path, processes: Processes) -> None:
    shown = re.search(r"```\nAssertionError: (.*?)```", PAGE, re.DOTALL)
    assert shown
    (suite / "show.py").write_text(
        "from podwork.testing import fake\n"
        "from shop import app, charge, place_order\n"
        "with fake(app) as jobs:\n"
        "    place_order(shop_id=7, order_id=3, cents=250)\n"
        "    try:\n"
        "        jobs.assert_enqueued(charge, shop_id=7, order_id=4)\n"
        "    except AssertionError as error:\n"
        "        print(error)\n"
    )
    processes.cwd = suite
    assert processes.python("show.py").wait(30).stdout == shown[1]
