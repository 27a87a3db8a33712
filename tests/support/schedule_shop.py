"""A worker whose application has schedules: `python -m tests.support.schedule_shop URL JSON`.

Its job leaves its id in the pod's own Redis (`mark:beats`, and `starts` with the time), for a test to see.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import logging
import os
import sys
import time
from typing import Any

from podwork import App, current_job
from podwork.schedules.ticker import service
from podwork.worker import Supervisor, WorkerSpec
from podwork.worker.surveyor import Surveyor
from tests.support.worker_shop import POD, connect, mark, marks

app = App("schedule-shop")


@app.job()
def beat() -> None:
    """Leave a mark, and when it was."""
    mark("beats")
    job = current_job()
    assert job is not None
    marks().hset("starts", job.job_id, str(time.time()))


@app.job()
def newer() -> None:
    """Known to a newer revision only."""
    mark("newer")


def main() -> int:
    """Run a worker until it is told to stop."""
    url, options = sys.argv[1], json.loads(sys.argv[2])
    os.environ["WORKER_SHOP_REDIS"] = url
    logging.basicConfig(stream=sys.stderr, level="INFO", format="%(process)d %(levelname)s %(message)s")
    for name, given in options.pop("schedules").items():
        app.schedule(name, app.job_class(f"{beat.__module__}.{given.pop('job', 'beat')}"), **given)
    if options.pop("is_old", False):
        del app.job_classes[newer.name]
    fields: dict[str, Any] = {"queues": ("default",), "lease_seconds": 1.0, "threads": 2, **options}

    def connect_with_schedules() -> Any:
        connections = connect(url, None, fields["lease_seconds"])
        return dataclasses.replace(connections, services=(service(app.schedules, POD), Surveyor))

    spec = WorkerSpec(pod_id=POD, app=app, connect=connect_with_schedules, **fields)
    return Supervisor(spec, lambda _pid, _observation: None).run()


if __name__ == "__main__":
    # Under its own name: jobs are called after their module.
    sys.exit(importlib.import_module("tests.support.schedule_shop").main())
