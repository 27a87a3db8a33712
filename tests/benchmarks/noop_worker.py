"""A worker for the benchmarks: `python -m tests.benchmarks.noop_worker REDIS_URL PROCESSES THREADS`.

The real supervisor, children, lanes, leases and fence check, as `podctl workers` composes them, on one pod
without a directory; jobs do nothing, or write down when they started.
"""

from __future__ import annotations

import os
import sys
import time

from podwork import App
from podwork.client import Client
from podwork.queues import Queues
from podwork.single import SingleFence, SingleRouter
from podwork.store import Store
from podwork.worker import Connections, Supervisor, WorkerSpec

app = App("benchmarks")


@app.job(name="noop")
def noop(shop_id: int, n: int) -> None:
    """Do nothing."""


@app.job(name="latency")
def latency(shop_id: int, pushed_at: float) -> None:
    """Write down how long the start took, in seconds."""
    os.write(1, f"{time.time() - pushed_at:.6f}\n".encode())


@app.job(name="wait")
def wait(shop_id: int, seconds: float) -> None:
    """Stand for a call of something outside."""
    time.sleep(seconds)


def client_of(url: str) -> Client:
    """Return a client of the one pod at `url`, bound to the app."""
    queues = Queues(Store(url))
    client = Client(SingleRouter(), lambda _: queues)
    app.bind(client)
    return client


def connect(url: str) -> Connections:
    """Make a child's connections."""
    queues, router = Queues(Store(url)), SingleRouter()
    return Connections(queues, Client(router, lambda _: queues), SingleFence(router), queues.store.close)


def main() -> int:
    """Run until told to end."""
    url, processes, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    spec = WorkerSpec(1, app, lambda: connect(url), queues=("default",), processes=processes, threads=threads)
    return Supervisor(spec, lambda pid, observation: None).run()


if __name__ == "__main__":
    raise SystemExit(main())
