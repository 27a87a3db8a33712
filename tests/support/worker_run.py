"""A worker of `tests.support.worker_shop`, seen and steered from a test."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import redis

from podwork.client import Client
from podwork.inspection import Inspection, JobState
from podwork.job import JobClass
from podwork.queues import Queues
from podwork.single import SingleRouter
from podwork.store import Store
from tests.support import worker_shop
from tests.support.pause import PausingProcess, Point, start_pausing
from tests.support.processes import ManagedProcess, Processes
from tests.support.wait import until

PROGRAM = "tests.support.worker_shop"
SHOP = 330


class WorkerRun:
    """The pod's Redis from outside: pushes jobs, starts workers, reads the marks that jobs leave."""

    program = PROGRAM

    def __init__(self, processes: Processes, url: str) -> None:
        self.url = url
        self.processes = processes
        self.store = Store(url)
        self.queues = Queues(self.store)
        self.inspection = Inspection(self.store)
        self.marks: redis.Redis = redis.Redis.from_url(url, decode_responses=True)
        self._client = Client(SingleRouter(), lambda _pod_id: self.queues)

    def start(self, **options: Any) -> ManagedProcess:
        """Start a worker and wait until its children are registered."""
        before = set(self.incarnations())
        worker = self.processes.python("-m", self.program, self.url, json.dumps(options))
        wanted = options.get("processes", 1)
        until(lambda: len(set(self.incarnations()) - before) >= wanted, message=f"children of {worker}")
        worker.wait_for_output("the worker is ready")
        return worker

    def start_pausing(self, stops: Sequence[Point], **options: Any) -> PausingProcess:
        """Start a worker that stops at the named points."""
        return start_pausing(self.processes, stops, "-m", self.program, self.url, json.dumps(options))

    def push(self, job: JobClass[Any], shop_id: int = SHOP, **args: Any) -> str:
        """Push one job of the worker shop."""
        worker_shop.app.bind(self._client)
        return job.enqueue(shop_id=shop_id, **args)

    def push_many(self, job: JobClass[Any], rows: Iterator[Mapping[str, Any]]) -> list[str]:
        """Push many."""
        worker_shop.app.bind(self._client)
        return job.enqueue_bulk(rows)

    def go(self, name: str) -> None:
        """Let the jobs that stand at `name` go on."""
        self.marks.set(f"go:{name}", 1)

    def marked(self, kind: str) -> dict[str, int]:
        """How often each job left the mark, by id."""
        found: Any = self.marks.hgetall(f"mark:{kind}")
        return {job_id: int(count) for job_id, count in found.items()}

    def job(self, job_id: str) -> JobState | None:
        """The job as it stands."""
        return self.inspection.job(job_id)

    def error_of(self, job_id: str) -> str:
        """Why the job, which is there, failed last."""
        found = self.job(job_id)
        assert found is not None, f"{job_id} is gone"
        return found.error

    def state(self, job_id: str) -> str:
        """The job's state; `ended` when it is gone."""
        found = self.job(job_id)
        return found.state if found else "ended"

    def until_state(self, job_id: str, state: str, timeout_seconds: float = 30.0) -> None:
        """Wait until the job is in the state."""
        until(lambda: self.state(job_id) == state, timeout_seconds, f"{job_id} {state}")

    def until_marked(self, kind: str, *job_ids: str, times: int = 1, timeout_seconds: float = 30.0) -> None:
        """Wait until every one of the jobs has left the mark at least that often."""
        until(
            lambda: all(self.marked(kind).get(job_id, 0) >= times for job_id in job_ids),
            timeout_seconds,
            f"mark {kind}",
        )

    def incarnations(self) -> list[str]:
        """The registered processes."""
        return [process.incarnation for process in self.inspection.processes()]

    def children(self) -> list[int]:
        """The pids of the registered processes."""
        return [int(process.fields["pid"]) for process in self.inspection.processes()]


def is_alive(pid: int) -> bool:
    """Tell whether a process runs (a zombie does not)."""
    try:
        os.kill(pid, 0)
        status = Path(f"/proc/{pid}/stat")
        return not status.exists() or status.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def kill(pid: int) -> None:
    """Kill a process (SIGKILL)."""
    os.kill(pid, signal.SIGKILL)
