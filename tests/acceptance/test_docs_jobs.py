"""The guide to jobs is one program: it is pushed, drained by a real worker, and does what it says."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import podwork_ops
from podwork.inspection import Inspection
from podwork_pods import current
from tests.support.fleets import StartFleet
from tests.support.processes import REPOSITORY, importable
from tests.support.wait import until

GUIDE = (REPOSITORY / "ops" / "docs" / "jobs.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"<!-- (shop\.py|push) -->\n```python\n(.*?)```", re.DOTALL)
WRITING = '''
import os


class File(list):
    """A list that the worker's processes share: each entry is one line of a file."""

    def append(self, line):
        with open(os.environ["GUIDE_LOG"], "ab", buffering=0) as file:
            file.write(f"{line}\\n".encode())


log = File()
'''


def blocks(mark: str) -> str:
    return "\n\n".join(text for found, text in BLOCK.findall(GUIDE) if found == mark)


def test_every_block_of_python_is_marked() -> None:
    assert len(BLOCK.findall(GUIDE)) == GUIDE.count("```python")


def test_the_guide_runs(embedded_stack: StartFleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = embedded_stack(pods=1)
    written = tmp_path / "log"
    written.touch()
    declared = blocks("shop.py").replace("log: list[str] = []\n", WRITING)
    (tmp_path / "guide_shop.py").write_text(declared)
    monkeypatch.setenv("GUIDE_LOG", str(written))
    monkeypatch.syspath_prepend(str(tmp_path))
    namespace: dict[str, Any] = {}
    exec("from guide_shop import *\nfrom guide_shop import app", namespace)
    platform = podwork_ops.connect(namespace["app"], config=fleet.config)
    try:
        platform.directory.assign_many(dict.fromkeys([*range(10), 330], 1))
        exec(compile(blocks("push"), "jobs.md", "exec"), namespace)
        environment = {"PODWORK_CONFIG": str(fleet.config), "GUIDE_LOG": str(written), **importable(tmp_path)}
        worker = fleet.processes.podctl(
            *("workers", "--pod", "1", "--app", "guide_shop:app", "--threads", "4"), environment=environment
        )
        inspection: Inspection = platform.inspection(1)
        try:
            until(lambda: inspection.counts().unfinished == 0, 40.0, "everything has ended")
        except AssertionError as error:
            raise AssertionError(f"{error} {inspection.counts()} {worker}") from None
        dead = inspection.counts().dead
    finally:
        namespace["app"].bind(None)
        current.bind(None)
        platform.close()
        sys.modules.pop("guide_shop", None)
    ran = Counter(written.read_text().splitlines())
    assert {line: ran[line] for line in EXPECTED} == EXPECTED
    assert "publish old" not in ran
    assert dead == 2, "flaky and scheduled_retries"


EXPECTED = {
    "collect 1 of 330": 1,
    "collect 2 of 2": 1,
    "collect 5 of 330": 1,
    "collect 6 of 330": 1,
    "collect 7 of 330": 1,
    "collect 8 of 330": 1,
    "collect 9 of 330": 1,
    "flaky lookup": 1,
    "flaky value": 3,
    "scheduled_retries": 3,
    "patient, snoozed 0 times, attempt 1": 1,
    "patient, snoozed 1 times, attempt 1": 1,
    "patient, snoozed 2 times, attempt 1": 1,
    "long_running": 1,
    "careful": 6,
    "mail": 8,
    "reindex 1 first": 1,
    "publish new": 1,
    "recount": 1,
    "hourly_report": 1,
    "capture 12": 1,
    "ship 12": 1,
    "bounded cleans up": 1,
    "charge 12": 1,
    "import_feed spring": 1,
}
