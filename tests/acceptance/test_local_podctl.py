"""`podctl local` as an operator types it, and what stands afterwards."""

from __future__ import annotations

import json
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fleets import StartFleet, taken_down
from tests.support.processes import Processes
from tests.support.wait import until

APP = """
import pathlib

from sqlalchemy import text

from podwork import App, current_job
from podwork_pods import shop_transaction

app = App("acceptance")


@app.job()
def note(shop_id: int, file: str) -> None:
    with shop_transaction(shop_id) as session:
        fenced = session.execute(text("SELECT shop_id FROM podwork_fence")).scalars().all()
    pathlib.Path(file).write_text(f"{fenced} on pod {current_job().pod_id}")
"""


@pytest.fixture
def folder(tmp_path: Path, processes: Processes) -> Iterator[Path]:
    with taken_down(tmp_path / "my stack", processes) as folder:
        yield folder


def test_up_status_and_down_with_purge(processes: Processes, folder: Path) -> None:
    up = processes.run_podctl("local", "up", "--pods", "2", "--dir", str(folder), "-o", "json")
    assert up.code == 0, up.stderr
    document = json.loads(up.stdout)
    again = processes.run_podctl("local", "up", "--dir", str(folder))
    assert shlex.split(again.stderr.splitlines()[-1])[-1] == f"PODWORK_CONFIG={document['config']}"
    assert [server["health"] for server in document["servers"]] == ["up", "up"]

    status = processes.run_podctl("local", "status", "--dir", str(folder), "-o", "json")
    assert json.loads(status.stdout) == document

    pods = processes.run_podctl(
        "pods", "list", "-o", "json", environment={"PODWORK_CONFIG": document["config"]}
    )
    assert pods.code == 0, pods.stderr

    down = processes.run_podctl("local", "down", "--purge", "--yes", "--dir", str(folder))
    assert down.code == 0, down.stderr
    assert not folder.exists()


def test_down_with_purge_beside_a_running_worker(embedded_stack: StartFleet) -> None:
    fleet = embedded_stack(1)
    workers = fleet.podctl("workers", "--pod", "1", "--app", "tests.acceptance.shop_for_cli:app")
    workers.wait_for_output("the worker is ready")
    folder = fleet.config.parent
    down = fleet.run_podctl("local", "down", "--purge", "--yes", "--dir", str(folder))
    assert down.code == 0, down.stderr
    assert "Traceback" not in down.stderr
    assert not [path for path in folder.parent.iterdir() if path.name.startswith(folder.name)]


def test_a_folder_that_is_no_stack_is_refused_in_one_line(processes: Processes, tmp_path: Path) -> None:
    occupied = tmp_path / "occupied"
    occupied.mkdir()
    (occupied / "thesis.txt").touch()
    refused = processes.run_podctl("local", "up", "--dir", str(occupied))
    assert refused.code not in (0, 70)
    assert "is not empty and holds no stack" in refused.stderr
    assert "Traceback" not in refused.stderr


def work_one_job(start: StartFleet, folder: Path) -> None:
    (folder / "acceptance_app.py").write_text(APP)
    note = folder / "note"
    fleet = start(2)
    app = ["--app", "acceptance_app:app"]
    assigned = fleet.run_podctl("shops", "assign", "7", "--pod", "2")
    assert assigned.code == 0, assigned.stderr
    workers = fleet.podctl("workers", "--pod", "2", *app)
    pushed = fleet.run_podctl(
        "jobs", "enqueue", *app, "--shop", "7", "--arg", f"file={note}", "acceptance_app.note"
    )
    assert pushed.code == 0, pushed.stderr
    # A file exists before it is written: wait for what it says.
    until(
        lambda: note.exists() and note.read_text() == "[7] on pod 2",
        timeout_seconds=30,
        message=f"the job's note; worker: {workers}",
    )
    workers.signal(signal.SIGTERM)
    assert workers.wait().code == 0


def test_workers_start_on_an_embedded_stack_at_once(embedded_stack: StartFleet, tmp_path: Path) -> None:
    work_one_job(embedded_stack, tmp_path)


@pytest.mark.slow
def test_workers_start_on_a_served_stack_at_once(served_stack: StartFleet, tmp_path: Path) -> None:
    work_one_job(served_stack, tmp_path)
