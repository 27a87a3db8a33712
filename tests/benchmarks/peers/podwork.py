"""podwork as its operators and developers run it: `podctl workers`, and `connect` in the process that pushes.

With the registry, the directory, the fence, lanes and leases; nothing is left out. The jobs belong to `SHOPS`
shops in turn.
"""

from __future__ import annotations

from podwork import App
from tests.benchmarks.peers import protocol

app = App("benchmarks")


@app.job(name="noop")
def noop(shop_id: int, n: int) -> None:
    """Leave a mark."""
    protocol.noop(n)


@app.job(name="pause")
def pause(shop_id: int, n: int, milliseconds: int) -> None:
    """Wait, then leave a mark."""
    protocol.pause(n, milliseconds)


@app.job(name="stamp")
def stamp(shop_id: int, n: int, pushed_ns: int) -> None:
    """Note the wait."""
    protocol.stamp(n, pushed_ns)


def push(job: str, row: protocol.Row) -> object:
    """Push one job."""
    if job == "noop":
        return noop.enqueue(n=row[0], shop_id=shop_of(row[0]))
    if job == "pause":
        return pause.enqueue(n=row[0], milliseconds=row[1], shop_id=shop_of(row[0]))
    return stamp.enqueue(n=row[0], pushed_ns=row[1], shop_id=shop_of(row[0]))


def push_many(job: str, rows: list[protocol.Row]) -> object:
    """Push jobs in bulk."""
    if job == "noop":
        return noop.enqueue_bulk([{"shop_id": shop_of(n), "n": n} for (n,) in rows])
    return pause.enqueue_bulk([{"shop_id": shop_of(n), "n": n, "milliseconds": ms} for n, ms in rows])


def shop_of(n: int) -> int:
    """Return the shop of the n-th job."""
    return n % protocol.SHOPS + 1


if __name__ == "__main__":
    from podwork_ops import connect

    connect(app)
    protocol.serve(push, push_many)
