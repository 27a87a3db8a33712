"""An application whose jobs write down what they do, for the tests of `podwork.testing`."""

from __future__ import annotations

from typing import Any

from podwork import (
    App,
    Bury,
    Cancel,
    Discard,
    Interrupted,
    Job,
    JobContext,
    Retry,
    Snooze,
    current_job,
    follow_up,
)
from podwork.retry import RetryPolicy
from podwork.unique import Unique

app = App("receipts")
done: list[Any] = []


@app.job(queue="mail", expires_in=3600)
def send_receipt(order_id: int, copy_to: str | None = None) -> None:
    """Send the receipt of an order."""
    done.append(("receipt", order_id, copy_to))


@app.job()
def place_order(shop_id: int, order_id: int, lines: list[dict[str, int]] | None = None) -> None:
    """Place an order; its receipt follows, and its shop is counted later."""
    done.append(("order", shop_id, order_id, lines))
    follow_up(send_receipt.call(order_id=order_id))
    count_orders.enqueue(shop_id=shop_id, in_=60)


@app.job(queue="low", unique=Unique("start"))
def count_orders() -> None:
    """Count a shop's orders."""
    done.append(("counted", _context().shop_id))


@app.job(retry=RetryPolicy(schedule=(10, 100)))
def charge(order_id: int, failures: int = 0) -> None:
    """Charge an order; the gateway is down for the first few attempts."""
    attempt = _context().attempt
    done.append(("charge", order_id, attempt))
    if attempt <= failures:
        raise ConnectionError(f"the gateway is down, attempt {attempt}")


@app.job(retry=0)
def fragile() -> None:
    """Fail, for good."""
    raise LookupError("there is no such order")


@app.job()
def steered(how: str) -> object:
    """End as told."""
    done.append(("steered", how))
    signals = {
        "snooze": Snooze(30, "not yet"),
        "retry": Retry(30),
        "cancel": Cancel("closed"),
        "discard": Discard("nothing to do"),
        "bury": Bury("look at it"),
        "interrupted": Interrupted(),
    }
    if how.startswith("raise "):
        raise signals[how.removeprefix("raise ")]
    return signals[how]


@app.job()
def self_enqueueing() -> None:
    """Enqueue itself, for ever."""
    self_enqueueing.enqueue(pod=1)


@app.job()
def polite(times: int = 0) -> None:
    """Give itself back when the worker stops."""
    if _context().should_stop():
        raise Interrupted
    done.append(("polite", _context().interruptions))


@app.job(name="reindex", queue="low")
class Reindex(Job):
    """Rebuild an index of the pod."""

    def run(self, full: bool = False) -> None:
        done.append(("reindex", self.context.pod_id, full))


@app.job(unique=Unique("success", by=("product_id",), conflict="replace"))
def set_price(product_id: int, cents: int) -> None:
    """Set a price; of several that wait the latest counts."""
    done.append(("price", product_id, cents))


@app.job(unique=Unique("success", conflict="reschedule"))
def refresh() -> None:
    """Refresh; asked for while it runs, it runs once more."""
    done.append("refresh")
    if done.count("refresh") == 1:
        refresh.enqueue(shop_id=7)
        refresh.enqueue(shop_id=7)


def _context() -> JobContext:
    job = current_job()
    assert job is not None
    return job
