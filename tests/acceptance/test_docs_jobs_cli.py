"""The page on `podctl jobs`: every command of it runs as written, and its table of reasons is the code's."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podwork import record
from podwork.queues import PushGroup
from podwork.why import MEANINGS
from tests.acceptance.conftest import Podctl
from tests.acceptance.jobs_standing import FINGERPRINT, Standing, standing_at
from tests.support.engine import A, claim, push
from tests.support.processes import REPOSITORY

PAGE = (REPOSITORY / "ops" / "docs" / "jobs-cli.md").read_text(encoding="utf-8")
JOB = "0199f2c1a3b5d0e1f2a3b-330"


@pytest.fixture
def standing(cli_stack: Path) -> Iterator[Standing]:
    with standing_at(cli_stack) as standing:
        yield standing


def bury_the_job_of_the_page(standing: Standing) -> None:
    queues = standing.queues[1]
    stored = record.encode_first("default", 1, record.payload_prefix("shop.collect", 0), b'{"basket_id":9}')
    queues.push([PushGroup("default", "330", 0, [(JOB, stored)])])
    [lease] = claim(queues)
    queues.bury(A, lease, "ValueError: basket 9 has no rows", {"e": FINGERPRINT})


def test_every_command_runs_as_written(podctl: Podctl, standing: Standing) -> None:
    bury_the_job_of_the_page(standing)
    standing.dead(2)
    dead_of_42 = standing.dead(2, "42", fingerprint="0000aaaa")
    reports = push(standing.queues[1], ("7", 3), job_class="shop.report")
    commands = re.findall(r"^\$ podctl (.*)$", PAGE, re.MULTILINE)
    assert len(commands) > 15
    said = {}
    for command in commands:
        done = podctl(*shlex.split(command))
        assert done.code == 0, (command, done)
        said[command] = done.stdout + done.stderr
    assert "basket 9 has no rows" in said[f"jobs why {JOB}"]
    assert "2 queued" in said[f"jobs retry --fingerprint {FINGERPRINT} --all-pods --yes"]
    assert "ended" in said[f"jobs cancel {JOB}"]
    assert {standing.state(job_id) for job_id in [JOB, *reports, *dead_of_42]} == {"ended"}
    assert [inspection.counts().scheduled for inspection in standing.inspections.values()] == [2, 0]


def test_the_program_runs_as_written(
    podctl: Podctl, standing: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PODWORK_CONFIG", podctl.environment["PODWORK_CONFIG"])
    standing.dead(3)
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    found: dict[str, Any] = {}
    exec(code, found)
    assert found["counts"].dead == 3
    assert len(found["reasons"]) == 3
    assert found["outcomes"] == {"queued": 3}


def test_the_table_of_reasons_is_the_code_s() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]*) \|$", PAGE, re.MULTILINE))
    assert rows == {code.value: meaning for code, meaning in MEANINGS.items()}
