"""`podctl demo` as an operator types it, on both stacks; and that nothing of it is left."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from podwork_ops.local.stack import LocalStack
from tests.support.processes import ManagedProcess, Processes
from tests.support.wait import until

pytestmark = pytest.mark.timeout(300)
LIMIT = 2000
PROC = Path("/proc")


@pytest.fixture
def temporary() -> Iterator[Path]:
    """The demo's TMPDIR; unlike `tmp_path`, the servers' own account can pass through it."""
    folder = Path(tempfile.mkdtemp(prefix="podwork-tests-demo-"))
    folder.chmod(0o711)
    yield folder
    for kept in folder.glob("*/"):  # what a failed or interrupted test left up
        LocalStack.down(kept, purge=True)
    shutil.rmtree(folder, ignore_errors=True)


def start(processes: Processes, temporary: Path, *options: str) -> ManagedProcess:
    return processes.podctl("demo", *options, environment={"TMPDIR": str(temporary)})


@pytest.mark.parametrize(
    "stack", ["embedded", pytest.param("servers", marks=[pytest.mark.servers, pytest.mark.slow])]
)
def test_every_check_holds_although_a_worker_is_killed(
    processes: Processes, temporary: Path, stack: str
) -> None:
    options = ["--servers"] if stack == "servers" else []
    done = start(processes, temporary, "--limit", str(LIMIT), "-o", "json", *options).wait(240)
    assert done.code == 0, done
    report = json.loads(done.stdout)
    assert report["orders"] == report["baskets"] == LIMIT
    assert (report["mismatches"], report["dead"]) == (0, 0)
    assert report["kill"]["held"] >= 1
    assert report["reclaimed"] >= 1
    assert [pod["pod_id"] for pod in report["pods"]] == [1, 2, 3]
    assert all(pod["orders"] > LIMIT / 5 for pod in report["pods"])
    assert f"run the jobs: {LIMIT:,} jobs" in done.stderr
    move = report["move"]
    assert (move["state"], move["from_pod"] != move["to_pod"]) == ("done", True)
    assert move["rows"] > 0 < move["blocked_seconds"] < move["seconds"]
    assert (
        f"shop {move['shop_id']} moves from pod {move['from_pod']} to pod {move['to_pod']}: " in done.stderr
    )
    backfill = report["backfill"]
    assert backfill["rows_done"] == backfill["lines"] > 9 * LIMIT
    assert backfill["states"] == ["succeeded"] * 3
    assert backfill["interruptions"] >= 4, "each pod by its restart, and one by its kill"
    assert backfill["kill"]["held"] >= 1
    assert backfill["applied"] == {"1": 2, "2": 2, "3": 2}
    assert (backfill["retries"], backfill["jobs_meanwhile"] > 0) == (1, True)
    assert "check every net price: " in done.stderr
    assert nothing_left(temporary)


@pytest.mark.slow
def test_kept_it_can_be_looked_at_and_taken_down(processes: Processes, temporary: Path) -> None:
    directory = temporary / "kept here"
    done = start(processes, temporary, "--limit", "500", "--pods", "2", "--keep", "--dir", str(directory))
    ended = done.wait(120)
    assert ended.code == 0, ended
    typed = [shlex.split(line) for line in ended.stdout.splitlines() if line.startswith("    ")]
    assert ["podctl", "local", "down", "--purge", "--dir", str(directory)] in typed
    assert ["export", f"PODWORK_CONFIG={directory}/podwork.toml"] in typed
    try:
        queues = processes.run_podctl("queues", "list", "-o", "json", "--config", f"{directory}/podwork.toml")
        assert queues.code == 0, queues
        assert {queue["ready"] for queue in json.loads(queues.stdout)["queues"]} == {0}

        again = start(processes, temporary, "--keep", "--dir", str(directory)).wait(60)
        assert (again.code, again.stdout) == (3, "")
        assert f"{directory} is not empty - choose another folder, or take its stack down: " in again.stderr
        assert f"--dir '{directory}'" in again.stderr
    finally:
        LocalStack.down(directory, purge=True)
    assert nothing_left(temporary)


def test_a_folder_that_holds_something_is_refused_and_left_alone(
    processes: Processes, temporary: Path
) -> None:
    (temporary / "letter").write_text("precious", encoding="utf-8")
    done = start(processes, temporary, "--dir", str(temporary)).wait(60)
    assert (done.code, done.stdout) == (3, "")
    assert (temporary / "letter").read_text(encoding="utf-8") == "precious"


@pytest.mark.slow
def test_interrupted_it_leaves_nothing(processes: Processes, temporary: Path) -> None:
    demo = start(processes, temporary, "--limit", str(LIMIT), "-o", "json")
    demo.wait_for_output(" moves from pod ", 120)
    demo.signal(signal.SIGINT)
    done = demo.wait(60)
    assert (done.code, done.stdout) == (130, ""), done
    assert nothing_left(temporary)


@pytest.mark.slow
def test_killed_it_leaves_no_process(processes: Processes, temporary: Path) -> None:
    demo = start(processes, temporary, "--limit", str(LIMIT))
    demo.wait_for_output("enqueue a job per basket", 120)
    assert processes_of(temporary)
    demo.kill()
    until(lambda: not processes_of(temporary), 60, "the servers and workers ended with their owner")


def nothing_left(folder: Path) -> bool:
    assert processes_of(folder) == []
    assert list(folder.iterdir()) == []
    return True


def processes_of(folder: Path) -> list[str]:
    """Return the command lines of processes that name the folder or work in it."""
    found = []
    for process in PROC.glob("[0-9]*") if PROC.is_dir() else []:
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            where = str((process / "cwd").readlink())
        except OSError:  # it ended meanwhile, or is not ours
            continue
        if str(folder) in command or where.startswith(str(folder)):
            found.append(command)
    return found
