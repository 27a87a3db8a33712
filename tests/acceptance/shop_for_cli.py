"""The application that the tests of podctl's commands work with."""

from __future__ import annotations

from podwork import App, Job

app = App("shop")
not_an_app = 3


@app.job()
def collect(shop_id: int, basket_id: int) -> None:
    """Do nothing for a shop."""


@app.job(queue="low")
class Reindex(Job):
    """Do nothing for a pod."""

    def run(self, full: bool = False) -> None:
        """Do nothing."""


@app.job()
def say(words: str) -> None:
    """Print, as a first job does."""
    print(words)  # noqa: T201 - on purpose
