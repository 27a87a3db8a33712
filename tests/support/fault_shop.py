"""A worker whose jobs write to a file, not to Redis: `python -m tests.support.fault_shop URL FILE JSON`.

For tests that take Redis away: what ran is known all the same. Each run appends its job's id as one line.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from podwork import App, current_job
from podwork.client import Client
from podwork.inspection import Inspection
from podwork.queues import Queues
from podwork.single import SingleFence, SingleRouter
from podwork.store import Store
from podwork.worker import Connections, Supervisor, WorkerSpec
from tests.support.processes import ManagedProcess, Processes

app = App("fault-shop")
PROGRAM = "tests.support.fault_shop"


def note(kind: str = "") -> None:
    """Write down that the job has run, or, with a kind, something else about it."""
    job = current_job()
    assert job is not None
    name = os.environ["FAULT_SHOP_FILE"] + kind
    with open(name, "ab", buffering=0) as file:  # noqa: PTH123 - one write, one line
        file.write(f"{job.job_id}\n".encode())


@app.job()
def effect() -> None:
    """Run."""
    note()


@app.job()
def nap(seconds: float) -> None:
    """Run for a while, and say when it begins."""
    note(".started")
    time.sleep(seconds)
    note()


class FaultRun:
    """A pod whose Redis gets into trouble, seen from a test."""

    def __init__(self, processes: Processes, url: str, folder: Path) -> None:
        self.url = url
        self.file = folder / "runs"
        self.file.touch()
        self._processes = processes
        self.store = Store(url, socket_timeout_seconds=2)
        self.queues = Queues(self.store)
        self.inspection = Inspection(self.store)
        app.bind(Client(SingleRouter(), lambda _pod_id: self.queues))

    def start(self, **options: Any) -> ManagedProcess:
        """Start a worker and wait until it is ready."""
        worker = self._processes.python("-m", PROGRAM, self.url, str(self.file), json.dumps(options))
        worker.wait_for_output("the worker is ready")
        return worker

    def push_many(self, rows: Iterator[Mapping[str, Any]] | list[dict[str, Any]]) -> list[str]:
        """Push one `effect` a row."""
        return effect.enqueue_bulk(rows)

    def unfinished(self) -> int:
        """How many jobs are still to run, asked over a new connection: the old one may be broken."""
        store = Store(self.url, socket_timeout_seconds=2)
        try:
            return Inspection(store).counts().unfinished
        finally:
            store.close()

    def started(self) -> int:
        """How many naps have begun."""
        file = self.file.with_name(self.file.name + ".started")
        return len(file.read_text().split()) if file.exists() else 0

    def runs(self) -> Counter[str]:
        """How often each job ran."""
        return Counter(self.file.read_text().split())


def main() -> int:
    """Run until told to end."""
    url, file, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    os.environ["FAULT_SHOP_FILE"] = file
    logging.basicConfig(stream=sys.stderr, level="INFO", format="%(process)d %(levelname)s %(message)s")

    def connect() -> Connections:
        queues = Queues(Store(url, socket_timeout_seconds=2), lease_seconds=options.get("lease_seconds", 3.0))
        router = SingleRouter()
        client = Client(router, lambda _: queues)
        return Connections(queues, client, SingleFence(router), queues.store.close)

    options.setdefault("lease_seconds", 3.0)
    spec = WorkerSpec(1, app, connect, queues=("default",), **options)
    return Supervisor(spec, lambda pid, observation: None).run()


if __name__ == "__main__":
    raise SystemExit(main())
