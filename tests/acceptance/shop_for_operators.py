"""The application that the tests of operators' commands work with: jobs that take as long as a test wants."""

from __future__ import annotations

import time
from pathlib import Path

from podwork import App

app = App("operators")


@app.job()
def collect(shop_id: int) -> None:
    """Do nothing for a shop."""


@app.job(queue="low")
def sweep() -> None:
    """Do nothing for a pod."""


@app.job(queue="critical")
def linger(until_file: str) -> None:
    """Run until a file is there, whatever the worker wants."""
    while not Path(until_file).exists():
        time.sleep(0.02)


app.schedule("prune", sweep, every=600, at_least_every=7200, description="Deletes what is old.")
app.schedule("report", sweep, cron="30 2 * * *", zone="America/Toronto")
