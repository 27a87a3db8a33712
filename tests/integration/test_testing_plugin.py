"""The pytest plugin: its fixtures know the application, share a clock, and say what is missing."""

from __future__ import annotations

import pkgutil
import tomllib
from pathlib import Path

from tests.support.processes import REPOSITORY, Completed, Processes
from tests.support.user_suite import run_suite, write_suite

SHOP = """
from podwork import App

app = App("shop")
ran = []
nothing = 7

@app.job()
def work(n: int = 0) -> None:
    ran.append(n)
"""


def run(processes: Processes, tests: str, ini: str = "") -> Completed:
    files = {
        "shop.py": SHOP,
        "test_shop.py": f"import pytest\nfrom shop import app, ran, work\n{tests}",
        "pytest.ini": f"[pytest]\n{ini}\n",
    }
    return run_suite(processes, write_suite(processes.folder, files))


def test_the_fixtures_share_the_clock_and_are_closed_after_each_test(processes: Processes) -> None:
    done = run(
        processes,
        "def test_fake(fake_jobs, podwork_clock):\n"
        "    work.enqueue(pod=1, in_=5)\n"
        "    assert fake_jobs.clock is podwork_clock\n"
        "    fake_jobs.assert_enqueued(work, count=1)\n"
        "def test_draining(draining_jobs, podwork_clock):\n"
        "    work.enqueue(1, pod=1, in_=5)\n"
        "    podwork_clock.advance(5)\n"
        "    draining_jobs.drain()\n"
        "    draining_jobs.assert_enqueued(work, count=1)\n"
        "    assert ran == [1]\n"
        "def test_inline(inline_jobs):\n"
        "    work.enqueue(2, pod=1)\n"
        "    assert ran == [1, 2]\n"
        "def test_none():\n"
        "    with pytest.raises(Exception, match='not connected'):\n"
        "        work.enqueue(3, pod=1)\n",
        ini="podwork_app = shop:app",
    )
    assert "4 passed" in done.stdout, done


def test_a_suite_says_where_iteration_jobs_find_their_rows(processes: Processes) -> None:
    done = run(
        processes,
        "import sqlalchemy as sa\n"
        "from podwork import App, IterationJob\n"
        "from podwork_pods import items\n"
        "other = App('other')\n"
        "@other.job()\n"
        "class Fill(IterationJob):\n"
        "    def collection(self):\n"
        "        return items([1, 2, 3])\n"
        "    def each(self, item):\n"
        "        ran.append(item)\n"
        "@pytest.fixture\n"
        "def podwork_app():\n"
        "    return other\n"
        "class TestWithout:\n"
        "    def test_it_says_what_is_missing(self, inline_jobs):\n"
        "        with pytest.raises(Exception, match='there is no shard'):\n"
        "            Fill.enqueue(pod=1)\n"
        "class TestWith:\n"
        "    @pytest.fixture\n"
        "    def podwork_shard(self):\n"
        "        engine = sa.create_engine('sqlite://', poolclass=sa.StaticPool)\n"
        "        yield engine\n"
        "        engine.dispose()\n"
        "    def test_inline(self, inline_jobs):\n"
        "        Fill.enqueue(pod=1)\n"
        "        assert ran == [1, 2, 3]\n"
        "    def test_draining(self, draining_jobs):\n"
        "        Fill.enqueue(shop_id=7)\n"
        "        draining_jobs.drain()\n"
        "        assert ran == [1, 2, 3] * 2\n",
    )
    assert "3 passed" in done.stdout, done


def test_a_suite_may_name_its_application_itself(processes: Processes) -> None:
    done = run(
        processes,
        "@pytest.fixture\n"
        "def podwork_app():\n"
        "    return app\n"
        "def test_it(inline_jobs):\n"
        "    work.enqueue(1, pod=1)\n"
        "    assert ran == [1]\n",
    )
    assert "1 passed" in done.stdout, done


def test_without_an_application_it_says_what_to_do(processes: Processes) -> None:
    done = run(processes, "def test_it(fake_jobs): ...\n")
    assert done.code == 1
    assert "set podwork_app = module:attribute" in done.stdout


def test_what_is_no_application_is_said(processes: Processes) -> None:
    done = run(processes, "def test_it(fake_jobs): ...\n", ini="podwork_app = shop:nothing")
    assert done.code == 1
    assert "shop:nothing is no podwork.App but int" in done.stdout


def test_a_failed_assertion_shows_the_tests_line_and_not_ours(processes: Processes) -> None:
    done = run(
        processes, "def test_it(fake_jobs):\n    fake_jobs.assert_enqueued(work)\n", "podwork_app = shop:app"
    )
    assert ">       fake_jobs.assert_enqueued(work)" in done.stdout
    assert "raise AssertionError" not in done.stdout, "our own code is not what the reader looks for"
    assert "no such job was enqueued" in done.stdout


def test_pytest_finds_it_where_podwork_is_installed() -> None:
    project = tomllib.loads(Path(REPOSITORY / "pyproject.toml").read_text())["project"]
    module = pkgutil.resolve_name(project["entry-points"]["pytest11"]["podwork"])
    assert module.__name__ == "podwork.testing.plugin"
