"""An application with shop transactions, tested with the platform's router: real shards, jobs in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from podwork import App
from podwork.errors import InvalidRoute, StaleEpoch
from podwork.interfaces import Route
from podwork.testing import assert_idempotent, draining, fake, inline, tables
from podwork_pods import current, shop_transaction
from podwork_pods.errors import UnknownShop
from podwork_pods.topology import Topology
from tests.support.pods import embedded_topology, notes

SHOP, MOVED, STRANGER = 330, 331, 400
NOTE = text("INSERT INTO notes (shop_id, note) VALUES (:shop, :note)")
app = App("notes")


@app.job()
def note(shop_id: int, what: str) -> None:
    with shop_transaction(shop_id) as session:
        session.execute(NOTE, {"shop": shop_id, "note": what})
        if what == "first":
            note.enqueue("second", shop_id=shop_id, transaction=session)


@app.job()
def note_once(shop_id: int) -> None:
    with shop_transaction(shop_id) as session:
        if session.execute(text("SELECT count(*) FROM notes")).scalar() == 0:
            session.execute(NOTE, {"shop": shop_id, "note": "once"})


@pytest.fixture
def topology(tmp_path: Path) -> Iterator[Topology]:
    made = embedded_topology(tmp_path)
    made.directory.assign_many({SHOP: 1, MOVED: 1, STRANGER: 2})
    current.bind(made.transactions)
    yield made
    current.bind(None)
    made.close()


def test_jobs_run_on_their_pod_and_under_the_directorys_epoch(topology: Topology) -> None:
    moved = topology.directory.compare_and_set(MOVED, Route(1, 1), to_pod=2)
    assert moved == Route(2, 2)
    with draining(app, router=topology.router) as jobs:
        for shop_id, what in ((SHOP, "first"), (STRANGER, "other"), (MOVED, "moved")):
            note.enqueue(what, shop_id=shop_id)
        jobs.drain()
    assert notes(topology, 1, SHOP) == ["first", "second"]
    assert (notes(topology, 2, STRANGER), notes(topology, 2, MOVED)) == (["other"], ["moved"])
    assert [job.pod_id for job in jobs.enqueued()] == [1, 2, 2, 1]


def test_without_the_router_the_fence_refuses_a_shop_that_has_moved(topology: Topology) -> None:
    topology.directory.compare_and_set(MOVED, Route(1, 1), to_pod=2)
    with draining(app, router=topology.router) as jobs:
        note.enqueue("moved", shop_id=MOVED)
        jobs.drain()
    with draining(app, pods=(2,)) as jobs:  # every shop in epoch 1
        note.enqueue("late", shop_id=MOVED)
        with pytest.raises(StaleEpoch):
            jobs.drain()
    assert notes(topology, 2, MOVED) == ["moved"]


def test_inline_jobs_find_what_was_committed(topology: Topology) -> None:
    with inline(app, router=topology.router):
        with shop_transaction(SHOP) as session:
            note.enqueue("late", shop_id=SHOP, transaction=session)
            session.execute(NOTE, {"shop": SHOP, "note": "early"})
        assert notes(topology, 1, SHOP) == ["early", "late"]


def test_a_shops_transaction_is_for_its_own_jobs(topology: Topology) -> None:
    with fake(app, router=topology.router) as jobs:
        with pytest.raises(InvalidRoute, match=f"of shop {SHOP}"), shop_transaction(SHOP) as session:
            note.enqueue("x", shop_id=STRANGER, transaction=session)
        with pytest.raises(UnknownShop):
            note.enqueue("x", shop_id=999)
    jobs.assert_nothing_enqueued()


def test_a_job_with_transactions_is_run_twice(topology: Topology) -> None:
    rows = tables(topology.connections.engine(1), "notes")
    assert_idempotent(note_once, shop_id=SHOP, router=topology.router, observe=rows)
    with pytest.raises(AssertionError, match=r"\+notes: shop_id=330 note='again'"):
        assert_idempotent(note.call(SHOP, "again"), router=topology.router, observe=rows)
