"""A real worker's metrics and probes: what its children did, what its jobs pushed, and a child that died."""

from __future__ import annotations

import os
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from podwork_ops.local.ports import free_port
from podwork_ops.local.stack import LocalStack
from tests.support.fleets import taken_down
from tests.support.processes import ManagedProcess, Processes
from tests.support.wait import until

SHOP = 42
APP = """
from podwork import App

app = App("shop")

@app.job()
def first(shop_id: int) -> None:
    for _ in range(3):
        second.enqueue(shop_id=shop_id)

@app.job(queue="low")
def second(shop_id: int) -> None:
    pass
"""


class Scraper:
    """Reads a worker's endpoint as Prometheus and an orchestrator would."""

    def __init__(self, port: int) -> None:
        self._address = f"http://127.0.0.1:{port}"

    def status(self, path: str) -> int:
        try:
            with urllib.request.urlopen(self._address + path, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except OSError:
            return 0

    def value(self, name: str, **labels: str) -> float | None:
        with urllib.request.urlopen(f"{self._address}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == f"podwork_{name}" and sample.labels == {"pod_id": "1", **labels}:
                    return float(sample.value)
        return None


@pytest.fixture
def worker(tmp_path: Path, processes: Processes) -> Iterator[tuple[ManagedProcess, Scraper]]:
    """A worker of one pod whose Redis and shard are its own, with one `first` job in its queue."""
    (tmp_path / "shop.py").write_text(APP)
    with taken_down(tmp_path / "stack", processes) as folder:
        environment = {
            "PODWORK_CONFIG": LocalStack.up(folder, 1, guarded=True).config,
            "PODWORK_APP_TARGET": "shop:app",
        }
        for command in (f"shops assign {SHOP} --pod 1", f"jobs enqueue shop.first --shop {SHOP}"):
            done = processes.run_podctl(*command.split(), environment=environment)
            assert done.code == 0, done
        arguments = ("workers", "--pod", "1", "--metrics-port", str(port := free_port()))
        yield processes.podctl(*arguments, environment=environment), Scraper(port)


def test_a_worker_tells_what_its_children_do(worker: tuple[ManagedProcess, Scraper]) -> None:
    process, scraper = worker
    until(lambda: scraper.status("/readyz") == 200, 30, f"ready: {process}")
    assert scraper.status("/livez") == 200

    second = {"queue": "low", "job_class": "shop.second"}
    until(
        lambda: scraper.value("job_attempts_total", **second, outcome="succeeded") == 3,
        30,
        f"three jobs: {process}",
    )
    assert scraper.value("jobs_enqueued_total", **second) == 3
    assert scraper.value("job_duration_seconds_count", job_class="shop.first") == 1
    assert scraper.value("queue_wait_seconds_count", queue="low") == 3
    assert scraper.value("coordination_connected") == 1

    (child,) = children_of(process.pid)
    os.kill(child, signal.SIGKILL)
    until(lambda: scraper.value("worker_children_started_total") == 2, 30, f"another child: {process}")
    until(lambda: scraper.status("/readyz") == 200, 30, f"ready again: {process}")
    assert scraper.value("job_attempts_total", **second, outcome="succeeded") == 3, "counters only grow"

    process.signal(signal.SIGTERM)
    assert process.wait(40).code == 0
    assert scraper.status("/livez") == 0


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
