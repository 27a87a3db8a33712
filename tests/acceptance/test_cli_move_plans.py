"""Plans of moves as operators see them: which shops, how far, orders given and refused. No worker runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text, update

from podwork_ops.cli.move_plan_rows import UNHEARD_SECONDS, details_of
from podwork_ops.composition import Platform, connect
from podwork_pods.mover import schema
from podwork_pods.mover.moves import Moves
from podwork_pods.mover.plans.plan import PlanOptions, Standing
from podwork_pods.mover.plans.selection import Choice
from podwork_pods.mover.plans.turns import PlanTurns
from podwork_pods.mover.states import MoveState
from tests.acceptance.conftest import Podctl
from tests.acceptance.shop_for_moves import ORDERS, app

SHOPS = {101: 1, 102: 2, 103: 3, 104: 30}
"""Shops on pod 1, and how many orders each has."""


@pytest.fixture(scope="module")
def platform(cli_stack: Path) -> Iterator[Platform]:
    opened = connect(app, config=cli_stack)
    for pod in (1, 2):
        with opened.engine(pod).begin() as shard:
            shard.execute(text("DROP TABLE IF EXISTS orders"))
            shard.execute(text(ORDERS))
    opened.directory.assign_many(dict.fromkeys(SHOPS, 1))
    with opened.engine(1).begin() as shard:
        orders = [{"shop": shop} for shop, count in SHOPS.items() for _ in range(count)]
        shard.execute(text("INSERT INTO orders (shop_id) VALUES (:shop)"), orders)
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def environment(podctl: Podctl, platform: Platform) -> Iterator[None]:
    podctl.environment |= {
        "PODWORK_APP_TARGET": "tests.acceptance.shop_for_moves:app",
        "PODWORK_MOVES_TABLES": "tests.acceptance.shop_for_moves:tables",
    }
    yield
    ended = update(schema.moves).values(state=MoveState.ABORTED, open_shop=None)
    platform.directory.write(lambda connection: connection.execute(ended))
    for plan in platform.moves.plans.store.live():
        platform.moves.plans.store.cancel(plan.id, "test", "over")


def plan(podctl: Podctl, *arguments: str) -> int:
    made = podctl("moves", "plan", *arguments, "--yes")
    assert made.code == 0, made
    return int(made.stdout)


def get(podctl: Podctl, number: int) -> dict[str, Any]:
    document = podctl.json("moves", "plans", str(number))
    assert isinstance(document, dict)
    return document


def test_a_dry_run_says_what_would_move_and_makes_nothing(podctl: Podctl) -> None:
    tried = podctl("moves", "plan", "--from", "1", "--to", "2", "--canary", "50%", "--dry-run")
    assert tried.code == 0
    rows = [line.split() for line in tried.stdout.splitlines()]
    assert rows[0] == ["POD", "WEIGHT", "LOAD", "LEAVE", "COME", "LOAD", "AFTER"]
    assert rows[1] == ["1", "100", "36", "4", "0", "0"]
    assert tried.stderr.strip() == "4 shops would move, 2 of them first: all shops of pod 1 go to pod 2"
    document = podctl.json("moves", "plan", "--evacuate", "1", "--by", "shops", "--dry-run")
    assert [shop["shop_id"] for shop in document["shops"]] == sorted(SHOPS)
    assert [pod["load_after"] for pod in document["pods"]] == [0, 4]
    assert podctl.json("moves", "plans") == {"plans": []}


def test_rebalancing_moves_the_shop_that_evens_most(podctl: Podctl) -> None:
    by_rows = podctl.json("moves", "plan", "--rebalance", "--dry-run")
    assert [shop["shop_id"] for shop in by_rows["shops"]] == [104]
    by_shops = podctl.json("moves", "plan", "--rebalance", "--by", "shops", "--dry-run")
    assert len(by_shops["shops"]) == 2


def test_a_plan_is_made_seen_paused_resumed_and_cancelled(podctl: Podctl, platform: Platform) -> None:
    number = plan(
        podctl,
        *("--from", "1", "--to", "2", "--concurrency", "1", "--canary", "none", "--grace", "1h"),
        *("--freeze", "Fri 18:00-Mon 08:00 Europe/Paris", "--max-lag", "5s", "--reason", "pod 1 is full"),
    )
    turns = PlanTurns(Moves(platform.directory), platform.pods)
    assert turns.turn() == 1
    row = get(podctl, number)
    assert (row["state"], row["shops"], row["under_way"], row["left"]) == ("running", 4, 1, 3)
    assert (row["grace_seconds"], row["max_lag_seconds"], row["canary"]) == (3600.0, 5.0, 0.0)
    assert row["freezes"] == ["Fri 18:00-Mon 08:00 Europe/Paris"]
    assert row["events"][0]["why"] == "pod 1 is full"
    assert [shop["shop_id"] for shop in row["shop_list"]] == [101]
    [move] = podctl.json("moves", "list")["moves"]
    assert (move["shop_id"], move["grace_seconds"]) == (101, 3600.0)
    again = podctl("moves", "plan", "--from", "1", "--to", "2", "--canary", "none", "--dry-run")
    assert "4 shops would move, without a canary: all shops of pod 1 go to pod 2" in again.stderr
    waits = "1 shop has a move that is not over, and waits for it, such as shop 101 - see: podctl moves list"
    assert waits in again.stderr
    line = podctl.table("moves", "plans")[1].split()
    assert line[:7] == [str(number), "running", "4", "0", "1", "0", "3"]

    paused = podctl("moves", "pause", str(number), "--reason", "incident 42")
    assert f"plan {number} is now running -> paused; next: podctl moves resume {number}" in paused.stderr
    assert podctl("moves", "resume", str(number), "--dry-run").code == 0
    assert get(podctl, number)["state"] == "paused", "it was tried only"
    assert podctl("moves", "resume", str(number), "--reason", "it is over").code == 0
    asked = podctl("moves", "cancel", str(number), "--reason", "x")
    assert (asked.code, "pass --yes" in asked.stderr) == (2, True)
    assert podctl("moves", "cancel", str(number), "--reason", "no more", "--yes").code == 0
    assert turns.turn() == 0
    shown = podctl("moves", "plans", str(number)).stdout
    assert "no more" in shown
    assert "incident 42" in shown
    assert [event["after"] for event in get(podctl, number)["events"]] == [
        *("running", "paused", "running", "cancelled"),
    ]


def test_shops_come_from_a_file_and_from_the_command_line(podctl: Podctl, tmp_path: Path) -> None:
    listed = tmp_path / "shops.txt"
    listed.write_text("# the large ones\n104\n\n103  # and this\n")
    document = podctl.json("moves", "plan", "--shops", str(listed), "--shop", "101", "--to", "2", "--dry-run")
    assert [shop["shop_id"] for shop in document["shops"]] == [101, 103, 104]
    number = plan(podctl, "--shops", str(listed), "--to", "2", "--paused", "--no-complete", "--canary", "5%")
    row = get(podctl, number)
    assert (row["state"], row["shops"], row["canary_shops"], row["grace_seconds"]) == ("paused", 2, 1, None)
    made = json.loads(podctl("moves", "plan", "--shop", "102", "--to", "2", "--yes", "-o", "json").stdout)
    assert (made["shops"], made["left"], made["state"]) == (1, 1, "running")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "which shops? - give one of --from, --evacuate"),
        (("--evacuate", "1", "--rebalance"), 2, "which shops?"),
        (("--from", "1"), 2, "where to? - give --to"),
        (("--evacuate", "1", "--to", "2"), 2, "where to? - leave out --to"),
        (("--from", "1", "--to", "9"), 6, "unknown pod 9"),
        (("--evacuate", "9"), 6, "unknown pod 9"),
        (("--shop", "999999", "--to", "2"), 6, "unknown shop 999999"),
        (("--shop", "101", "--to", "1"), 2, "there is nothing to move"),
        (("--from", "2", "--to", "1"), 2, "there is nothing to move"),
        (("--from", "1", "--to", "2", "--canary", "5"), 2, "'5' is no share - write 5%"),
        (("--from", "1", "--to", "2", "--freeze", "always"), 2, "'always' is no freeze"),
        (("--from", "1", "--to", "2", "--bandwidth", "fast"), 2, "'fast' is no bandwidth - write 20M"),
        (("--from", "1", "--to", "2", "--bandwidth", "20M"), 2, "copied while writes stand still"),
        (("--from", "1", "--to", "2", "--concurrency", "0"), 2, "0 is not in the range"),
        (("--shops", "nowhere.txt", "--to", "2"), 2, "nowhere.txt"),
        (("--from", "1", "--to", "2"), 2, "pass --yes"),
    ],
)
def test_mistakes_are_one_line_with_a_remedy(
    podctl: Podctl, arguments: tuple[str, ...], code: int, said: str
) -> None:
    asked_for = ("--yes",) if said != "pass --yes" else ()
    result = podctl("moves", "plan", *arguments, *asked_for)
    assert (result.code, result.stdout) == (code, "")
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel"])
def test_orders_about_a_plan_that_is_not_there_are_refused(podctl: Podctl, verb: str) -> None:
    podctl("moves", "plan", "--shop", "102", "--to", "2", "--paused", "--yes")
    refused = podctl("moves", verb, "424242", "--reason", "x")
    assert (refused.code, "unknown plan of moves 424242" in refused.stderr) == (6, True)
    assert podctl("moves", "plans", "424242").code == 6
    assert podctl("moves", "plans", "--every-shop").code == 2


def test_without_a_declaration_of_tables_no_plan_is_made(podctl: Podctl) -> None:
    podctl.environment |= {"PODWORK_MOVES_TABLES": ""}
    refused = podctl("moves", "plan", "--from", "1", "--to", "2", "--yes")
    assert (refused.code, "set moves.tables" in refused.stderr) == (2, True)


def test_a_pod_that_is_not_active_takes_no_plan(podctl: Podctl) -> None:
    assert podctl("pods", "drain", "2").code == 0
    try:
        refused = podctl("moves", "plan", "--from", "1", "--to", "2", "--yes")
        assert (refused.code, "pod 2 is draining: it takes no shops" in refused.stderr) == (2, True)
        assert podctl("moves", "plan", "--evacuate", "1", "--yes").code == 2
    finally:
        assert podctl("pods", "activate", "2").code == 0


def test_a_plan_says_why_none_of_its_shops_begins(podctl: Podctl, platform: Platform) -> None:
    number = plan(podctl, "--from", "1", "--to", "2", "--canary", "none")
    assert get(podctl, number)["waits_for"] == ""
    assert podctl("pods", "drain", "2").code == 0
    try:
        why = "pod 2, which is draining: it takes no shops"
        assert get(podctl, number)["waits_for"] == why
        assert why in podctl("moves", "plans", str(number)).stdout
        podctl("moves", "pause", str(number), "--reason", "x")
        assert get(podctl, number)["waits_for"] == ""
    finally:
        assert podctl("pods", "activate", "2").code == 0


def test_a_plan_that_nobody_takes_up_asks_for_workers(platform: Platform) -> None:
    shops = [Choice(101, 1, 2, 1)]
    made = platform.moves.plans.store.make(shops, PlanOptions(), aim="x", by="anna")
    for seconds, asks in ((UNHEARD_SECONDS - 1, False), (UNHEARD_SECONDS + 1, True)):
        row = details_of(made, Standing(waiting=1), clock=lambda: made.created + seconds)  # noqa: B023
        assert ("are workers of the pods up" in row["next_action"]) == asks
    known = details_of(made, Standing(waiting=1), "the canary", clock=lambda: made.created + 99)
    assert known["next_action"] == "nothing: it goes on by itself"


def test_a_cut_over_that_its_plan_does_not_let_begin_is_refused(podctl: Podctl, platform: Platform) -> None:
    number = plan(podctl, "--shop", "101", "--to", "2")
    assert PlanTurns(Moves(platform.directory), platform.pods).turn() == 1
    [move] = podctl.json("moves", "list")["moves"]
    ready = update(schema.moves).where(schema.moves.c.id == move["move_id"]).values(state=MoveState.READY)
    platform.directory.write(lambda connection: connection.execute(ready))
    assert podctl("moves", "cutover", str(move["move_id"]), "--dry-run").code == 0
    podctl("moves", "pause", str(number), "--reason", "incident 42")
    refused = podctl.refused(3, "moves", "cutover", str(move["move_id"]))
    assert f"its plan does not let it cut over: plan {number} is paused: incident 42 - wait, or" in refused


def test_shops_that_are_there_already_are_left_out_and_told(podctl: Podctl, platform: Platform) -> None:
    platform.directory.assign_many({701: 2, 702: 2})
    shops = ("--shop", "101", "--shop", "701")
    tried = podctl("moves", "plan", *shops, "--to", "2", "--dry-run")
    assert tried.stderr.splitlines() == [
        "shop 701 is on pod 2 already",
        "1 shop would move, 1 of them first: 1 shop goes to pod 2",
    ]
    tried = podctl("moves", "plan", *shops, "--shop", "702", "--to", "2", "--dry-run")
    assert "2 shops are on pod 2 already, such as shop 701" in tried.stderr
