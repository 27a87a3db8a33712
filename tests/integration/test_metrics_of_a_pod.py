"""Real workers' metrics of their pod: one worker tells them, its successor when it is gone."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from podwork_ops.local.ports import free_port
from podwork_ops.local.stack import LocalStack
from tests.integration.test_metrics_of_a_worker import Scraper
from tests.support.fleets import taken_down
from tests.support.processes import ManagedProcess, Processes
from tests.support.wait import until

APP = """
from podwork import App

app = App("shop")

@app.job()
def beat() -> None:
    pass

app.schedule("beat", beat, every=1, at_least_every=30)
app.schedule("never", beat, cron="0 0 29 2 *", at_least_every=1)
"""


@pytest.fixture
def environment(tmp_path: Path, processes: Processes) -> Iterator[dict[str, str]]:
    (tmp_path / "shop.py").write_text(APP)
    with taken_down(tmp_path / "stack", processes) as folder:
        yield {
            "PODWORK_CONFIG": LocalStack.up(folder, 1, guarded=True).config,
            "PODWORK_APP_TARGET": "shop:app",
            "PODWORK_WORKER_LEASE_SECONDS": "2",
        }


def start(processes: Processes, environment: dict[str, str]) -> tuple[ManagedProcess, Scraper]:
    port = free_port()
    worker = processes.podctl("workers", "--pod", "1", "--metrics-port", str(port), environment=environment)
    scraper = Scraper(port)
    until(lambda: scraper.status("/readyz") == 200, 40, f"ready: {worker}")
    return worker, scraper


@pytest.mark.slow
def test_the_leaders_worker_tells_of_the_pod_and_then_its_successors(
    processes: Processes, environment: dict[str, str]
) -> None:
    first, leading = start(processes, environment)
    until(lambda: leading.value("schedule_last_success_timestamp_seconds", schedule="beat"), 40, f"{first}")
    assert leading.value("schedule_sla_seconds", schedule="beat") == 30
    assert leading.value("schedule_breached", schedule="beat") == 0
    until(lambda: leading.value("schedule_breached", schedule="never") == 1, 40, f"a breach: {first}")
    assert leading.value("pod_jobs", state="dead") == 0
    assert leading.value("queue_jobs", queue="default", state="ready") is not None
    assert leading.value("queue_latency_seconds", queue="default") is not None
    assert first.stderr.count("is to succeed every 1 s") == 1

    second, following = start(processes, environment)
    assert following.value("schedule_breached", schedule="beat") is None
    first.signal(signal.SIGTERM)
    assert first.wait(40).code == 0
    until(lambda: following.value("schedule_breached", schedule="beat") == 0, 40, f"{second}")
    assert "is to succeed every 1 s" not in second.stderr, "it began under the first leader, and is told once"
