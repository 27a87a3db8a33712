"""Plans of moves with real workers, to their end: a pod evacuated, moves refused, a leader killed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from podwork_ops.composition import Platform, connect
from podwork_ops.local.stack import LocalStack
from tests.acceptance.conftest import Podctl
from tests.acceptance.operators import start_worker
from tests.acceptance.shop_for_moves import ORDERS, app, pay
from tests.support.processes import ManagedProcess
from tests.support.wait import until

PODS = (1, 2, 3)
ORDERS_OF_A_SHOP = 8
PLAN_SECONDS = 90.0
"""Plans take 10 to 20 s; where the machine is busy, longer."""


@pytest.fixture(scope="module")
def cli_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A stack of three pods of its own."""
    folder = tmp_path_factory.mktemp("stack") / "stack"
    status = LocalStack.up(folder, len(PODS), guarded=True)
    yield Path(status.config)
    LocalStack.down(folder, purge=True)


@pytest.fixture
def platform(cli_stack: Path) -> Iterator[Platform]:
    opened = connect(app, config=cli_stack)
    for pod in PODS:
        with opened.engine(pod).begin() as shard:
            shard.execute(text("DROP TABLE IF EXISTS orders"))
            shard.execute(text(ORDERS))
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def environment(podctl: Podctl) -> None:
    podctl.environment |= {
        "PODWORK_APP_TARGET": "tests.acceptance.shop_for_moves:app",
        "PODWORK_MOVES_TABLES": "tests.acceptance.shop_for_moves:tables",
        "PODWORK_WORKER_LEASE_SECONDS": "3",
    }


def make_shops(platform: Platform, shops: Sequence[int]) -> None:
    """Give pod 1 shops with orders; each is to be paid once: half of them now, half of them soon."""
    platform.directory.assign_many(dict.fromkeys(shops, 1))
    numbers = [(shop * 100 + number, shop) for shop in shops for number in range(ORDERS_OF_A_SHOP)]
    with platform.engine(1).begin() as shard:
        rows = [{"id": order, "shop": shop} for order, shop in numbers]
        shard.execute(text("INSERT INTO orders (id, shop_id) VALUES (:id, :shop)"), rows)
    for order, shop in numbers:
        pay.enqueue(order, shop_id=shop, in_=order % 8 if order % 2 else None)


def paid(platform: Platform, pod: int) -> dict[int, int]:
    """Return how often each order of a pod was paid."""
    with platform.engine(pod).connect() as shard:
        return {row.id: row.paid for row in shard.execute(text("SELECT id, paid FROM orders"))}


def make_plan(podctl: Podctl, *arguments: str) -> int:
    made = podctl("moves", "plan", *arguments, "--yes")
    assert made.code == 0, made
    return int(made.stdout)


def get(podctl: Podctl, number: int) -> dict[str, Any]:
    document = podctl.json("moves", "plans", str(number), "--every-shop")
    assert isinstance(document, dict)
    return document


def wait_for(podctl: Podctl, platform: Platform, number: int, state: str) -> dict[str, Any]:
    """Wait until a plan is in a state; return it, as podctl shows it."""
    store = platform.moves.plans.store
    until(lambda: store.get(number).state == state, PLAN_SECONDS, f"plan {number} is {state}")
    return get(podctl, number)


def test_a_pod_is_evacuated_and_each_of_its_jobs_runs_once(podctl: Podctl, platform: Platform) -> None:
    shops = range(101, 107)
    make_shops(platform, shops)
    number = make_plan(
        podctl,
        *("--evacuate", "1", "--canary", "10%", "--concurrency", "5", "--per-pod", "5", "--grace", "none"),
        *("--reason", "pod 1 gets a new disk"),
    )
    for pod in PODS:
        start_worker(podctl, pod=pod, revision=f"evacuated-{pod}")
    ended = wait_for(podctl, platform, number, "ended")
    assert (ended["reason"], ended["done"], ended["left"], ended["aborted"]) == ("6 arrived", 6, 0, 0)
    places = [platform.directory.locate(shop) for shop in shops]
    assert sorted(place.pod_id for place in places) == [2, 2, 2, 3, 3, 3]
    assert {place.epoch for place in places} == {2}

    moves = {row["shop_id"]: row for row in podctl.json("moves", "list", "--all", "--pod", "1")["moves"]}
    first = moves.pop(shops[0])
    story = podctl.json("moves", "explain", str(first["move_id"]))["events"]
    arrived = next(line["at"] for line in story if line["after"] == "reversible")
    assert all(arrived <= row["created"] for row in moves.values()), "the canary went first, alone"

    orders = {shop * 100 + number for shop in shops for number in range(ORDERS_OF_A_SHOP)}
    until(lambda: sum(sum(paid(platform, pod).values()) for pod in (2, 3)) == len(orders), 30, "all is paid")
    until(lambda: paid(platform, 1) == {}, 30, "nothing is left behind: each move was completed by itself")
    assert {**paid(platform, 2), **paid(platform, 3)} == dict.fromkeys(orders, 1)
    assert podctl.table("moves", "plans")[1].split()[:7] == [str(number), "ended", "6", "6", "0", "0", "0"]
    shown = podctl("moves", "plans", str(number)).stdout
    assert "the first 1: through" in shown
    assert "pod 1 gets a new disk" in shown


def clash(platform: Platform, shop: int) -> None:
    """Let somebody else on pod 2 have one of the shop's ids: its move is refused."""
    with platform.engine(2).begin() as shard:
        row = {"id": shop * 100, "shop": 999}
        shard.execute(text("INSERT INTO orders (id, shop_id) VALUES (:id, :shop)"), row)


def test_a_canary_that_is_refused_halts_its_plan_until_a_person_lets_it_go_on(
    podctl: Podctl, platform: Platform
) -> None:
    shops = (201, 202, 203)
    make_shops(platform, shops)
    clash(platform, 201)
    for pod in (1, 2):
        start_worker(podctl, pod=pod, revision=f"refused-{pod}")
    number = make_plan(podctl, "--from", "1", "--to", "2", "--canary", "1%", "--concurrency", "2")
    halted = wait_for(podctl, platform, number, "halted")
    assert halted["reason"] == "1 of 1 canary shops was given up or taken back"
    assert halted["left"] == 2
    refused, *others = halted["shop_list"]
    assert (refused["shop_id"], refused["state"], refused["stage"]) == (201, "aborted", "failed")
    assert "orders" in refused["why"]
    assert " - " in refused["why"], "it has a remedy"
    assert [shop["move_id"] for shop in others] == [None, None]
    shown = podctl("moves", "plans", str(number)).stdout
    assert "podctl moves resume" in shown
    assert "201" in shown

    assert podctl("moves", "resume", str(number), "--reason", "201 stays where it is").code == 0
    ended = wait_for(podctl, platform, number, "ended")
    assert ended["reason"] == "2 arrived, 1 given up or taken back"
    assert {shop: platform.directory.locate(shop).pod_id for shop in shops} == {201: 1, 202: 2, 203: 2}
    assert len([order for order in paid(platform, 1) if order // 100 == 201]) == ORDERS_OF_A_SHOP


@pytest.mark.slow
def test_a_plan_that_halted_is_cancelled_for_good(podctl: Podctl, platform: Platform) -> None:
    shops = (301, 302, 303, 304)
    make_shops(platform, shops)
    clash(platform, 302)
    clash(platform, 303)
    for pod in (1, 2):
        start_worker(podctl, pod=pod, revision=f"cancelled-{pod}")
    listed = [option for shop in shops for option in ("--shop", str(shop))]
    number = make_plan(podctl, *listed, "--to", "2", "--canary", "none", "--concurrency", "1")
    halted = wait_for(podctl, platform, number, "halted")
    assert halted["reason"] == "2 of 4 shops were given up or taken back"
    assert podctl("moves", "cancel", str(number), "--reason", "another night", "--yes").code == 0
    cancelled = get(podctl, number)
    assert cancelled["state"] == "cancelled"
    stages = {shop["shop_id"]: shop["stage"] for shop in cancelled["shop_list"]}
    assert stages == {301: "done", 302: "failed", 303: "failed", 304: "waiting"}
    assert {shop: platform.directory.locate(shop).pod_id for shop in shops} == {
        301: 2,
        302: 1,
        303: 1,
        304: 1,
    }


def leader(podctl: Podctl, pod: int, among: Collection[str]) -> str:
    """Return the revision of the process that leads a pod; "": none of these does (yet)."""
    listed = podctl.json("processes", "list", "--pod", str(pod))["processes"]
    return next((row["revision"] for row in listed if row["is_leader"] and row["revision"] in among), "")


def test_a_leader_that_is_killed_in_mid_plan_is_followed_by_another(
    podctl: Podctl, platform: Platform
) -> None:
    shops = (401, 402, 403)
    make_shops(platform, shops)
    workers: dict[str, ManagedProcess] = {
        revision: start_worker(podctl, pod=2, revision=revision) for revision in ("one", "two")
    }
    listed = [option for shop in shops for option in ("--shop", str(shop))]
    led = until(lambda: leader(podctl, 2, workers), 30, "one of them leads")
    store = platform.moves.plans.store

    def is_under_way() -> bool:
        standing = store.standing(store.get(number))
        return bool(standing.under_way and standing.waiting)

    with platform.topology.transactions.open(shops[0]):  # until it ends, no move gets on
        number = make_plan(podctl, *listed, "--to", "2", "--canary", "none", "--concurrency", "2")
        until(is_under_way, PLAN_SECONDS, "it is in the middle of it")
        workers[led].end()
    ended = wait_for(podctl, platform, number, "ended")
    assert ended["reason"] == "3 arrived"
    assert leader(podctl, 2, {*workers} - {led}), "the other one leads"
    assert {platform.directory.locate(shop).pod_id for shop in shops} == {2}
    orders = {shop * 100 + number for shop in shops for number in range(ORDERS_OF_A_SHOP)}

    def all_paid() -> bool:
        found = paid(platform, 2)
        return set(found) == orders and all(found.values())

    until(all_paid, 30, "no job is lost")
