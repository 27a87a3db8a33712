"""Moves as operators see them: orders given and refused, and real workers that move a shop and back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from podwork_ops.composition import Platform, connect
from podwork_pods.mover.move import Wanted
from podwork_pods.mover.moves import Moves
from tests.acceptance.conftest import Podctl
from tests.acceptance.operators import Terminal, start_worker
from tests.acceptance.shop_for_moves import ORDERS, app, pay
from tests.support.wait import until

ROWS = 60
SHOPS = iter(range(330, 400))


@pytest.fixture
def platform(cli_stack: Path) -> Iterator[Platform]:
    opened = connect(app, config=cli_stack)
    for pod in (1, 2):
        with opened.engine(pod).begin() as shard:
            shard.execute(text("DROP TABLE IF EXISTS orders"))
            shard.execute(text(ORDERS))
    Moves(opened.directory).prepare()
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def environment(podctl: Podctl) -> None:
    podctl.environment |= {
        "PODWORK_APP_TARGET": "tests.acceptance.shop_for_moves:app",
        "PODWORK_MOVES_TABLES": "tests.acceptance.shop_for_moves:tables",
        "PODWORK_WORKER_LEASE_SECONDS": "3",
    }


@pytest.fixture
def shop_id(platform: Platform) -> int:
    """A shop of its own on pod 1, with orders."""
    made = next(SHOPS)
    platform.directory.assign(made, 1)
    with platform.engine(1).begin() as shard:
        rows = [{"id": number, "shop": made} for number in range(1, ROWS + 1)]
        shard.execute(text("INSERT INTO orders (id, shop_id) VALUES (:id, :shop)"), rows)
    return made


def paid(platform: Platform, pod: int) -> list[int]:
    with platform.engine(pod).connect() as shard:
        return list(shard.execute(text("SELECT paid FROM orders ORDER BY id")).scalars())


def get(podctl: Podctl, move: int) -> dict[str, Any]:
    document = podctl.json("moves", "get", str(move))
    assert isinstance(document, dict)
    return document


def test_a_shop_moves_and_back_and_none_of_its_jobs_is_lost(
    podctl: Podctl, platform: Platform, shop_id: int
) -> None:
    for number in range(1, ROWS + 1):
        pay.enqueue(number, shop_id=shop_id)
    started = podctl("moves", "start", "--shop", str(shop_id), "--to", "2", "--reason", "pod 1 is full")
    move = int(started.stdout)
    assert f"see: podctl moves get {move} --watch" in started.stderr
    for pod in (1, 2):
        start_worker(podctl, pod=pod, revision=f"there-{move}-{pod}")
    watched = podctl("moves", "get", str(move), "--watch", "--every", "100ms")
    assert watched.code == 0
    assert "; reversible" in watched.stdout.splitlines()[-1]
    assert get(podctl, move)["next_action"].startswith("look at the shop, then: podctl moves complete")
    place = podctl.json("shops", "get", str(shop_id))
    assert (place["pod_id"], place["epoch"], place["fence"]) == (2, 2, "open at epoch 2")
    assert place["move"]["state"] == "reversible"
    assert [(line["from_pod"], line["pod_id"]) for line in place["history"]] == [(None, 1), (1, 2)]
    assert {size["table"]: size["rows"] for size in place["tables"]}["orders"] == ROWS
    until(lambda: paid(platform, 2) == [1] * ROWS, 20, "every order is paid once")

    asked = podctl("moves", "reverse", str(move), "--reason", "it was quicker there")
    assert (asked.code, "pass --yes" in asked.stderr) == (2, True)
    back = podctl("moves", "reverse", str(move), "--reason", "it was quicker there", "--yes")
    assert back.code == 0
    assert podctl("moves", "get", str(move), "--watch", "--every", "100ms").code == 0
    assert get(podctl, move)["state"] == "reversed"
    assert paid(platform, 1) == [1] * ROWS
    assert paid(platform, 2) == [], "nothing is left behind"
    story = podctl.json("moves", "explain", str(move))["events"]
    assert [line["after"] for line in story if line["after"] != line["before"]][-2:] == [
        "purging",
        "reversed",
    ]
    assert story[0]["why"] == "pod 1 is full"
    assert {line["who"] for line in story if line["after"] == "reversing"} == {get(podctl, move)["wanted_by"]}


def test_a_rehearsal_switches_nothing(podctl: Podctl, platform: Platform, shop_id: int) -> None:
    clash = podctl("moves", "start", "--shop", str(shop_id), "--to", "2", "--rehearse", "--hold")
    assert clash.code == 2
    assert "--rehearse ends by itself - leave out --hold" in clash.stderr
    for pod in (1, 2):
        start_worker(podctl, pod=pod, revision=f"rehearsed-{shop_id}-{pod}")
    watched = podctl("moves", "start", "--shop", str(shop_id), "--to", "2", "--rehearse", "--watch")
    assert watched.code == 0, watched
    last = watched.stdout.splitlines()[-1]
    assert (
        f"; aborted; the rehearsal is over, nothing was switched: nothing is in the way; {ROWS} rows" in last
    )
    assert podctl.json("shops", "get", str(shop_id))["pod_id"] == 1
    assert paid(platform, 1) == [0] * ROWS
    assert paid(platform, 2) == []


def test_a_move_that_is_held_waits_and_can_be_completed(
    podctl: Podctl, platform: Platform, shop_id: int
) -> None:
    move = int(podctl("moves", "start", "--shop", str(shop_id), "--to", "2", "--hold").stdout)
    start_worker(podctl, pod=2, revision=f"held-{move}")
    watched = podctl("moves", "get", str(move), "--watch", "--every", "100ms", "-o", "json")
    assert json.loads(watched.stdout.splitlines()[-1])["state"] in ("planned", "ready")
    until(lambda: get(podctl, move)["state"] == "ready", 20, "it is ready")
    assert get(podctl, move)["next_action"].startswith("podctl moves cutover")
    assert podctl.json("shops", "get", str(shop_id))["pod_id"] == 1
    assert podctl("moves", "cutover", str(move)).code == 0
    until(lambda: get(podctl, move)["state"] == "reversible", 20, "it has cut over")
    assert len(paid(platform, 1)) == ROWS, "kept"
    assert podctl("moves", "complete", str(move), "--yes").code == 0
    until(lambda: get(podctl, move)["state"] == "done", 20, "it is done")
    assert (paid(platform, 1), len(paid(platform, 2))) == ([], ROWS)
    refused = podctl("moves", "reverse", str(move), "--reason", "x", "--yes")
    assert (refused.code, "it is done" in refused.stderr) == (3, True)


def test_what_stands_in_the_way_is_named_before_anything_is_changed(
    podctl: Podctl, platform: Platform, shop_id: int
) -> None:
    with platform.engine(1).begin() as shard:
        shard.execute(text("CREATE TABLE IF NOT EXISTS carts (id INTEGER PRIMARY KEY)"))
    try:
        tried = podctl("moves", "start", "--shop", str(shop_id), "--to", "2", "--dry-run")
        assert tried.code == 1
        assert "carts" in tried.stdout
        assert "1 thing in its way" in tried.stderr
        planned = podctl.json("moves", "list", "--all")["moves"]
        assert shop_id not in [row["shop_id"] for row in planned]
    finally:
        with platform.engine(1).begin() as shard:
            shard.execute(text("DROP TABLE carts"))
    free = podctl.json("moves", "start", "--shop", str(shop_id), "--to", "2", "--dry-run")
    assert free["blockers"] == []
    assert {size["table"]: size["rows"] for size in free["tables"]}["orders"] == ROWS


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("start", "--shop", "{shop}", "--to", "1"), 2, "it is on pod 1 - name another pod"),
        (("start", "--shop", "{shop}", "--to", "9"), 6, "unknown pod 9"),
        (("start", "--shop", "999999", "--to", "2"), 6, "unknown shop 999999"),
        (("start", "--shop", "{shop}", "--to", "2", "--max-block", "never"), 2, "is not a duration"),
        (("get",), 2, "which move? - give its number, or --shop"),
        (("get", "424242"), 6, "unknown move 424242"),
        (("get", "--shop", "999999"), 6, "was never moved"),
        (("hold", "424242", "--reason", "x"), 6, "unknown move 424242"),
        (("verify", "424242"), 6, "unknown move 424242"),
        (("hold", "1"), 2, "--reason"),
        (("list", "--state", "flying"), 2, "'flying' is not one of"),
    ],
)
def test_mistakes_are_one_line_with_a_remedy(
    podctl: Podctl, shop_id: int, arguments: tuple[str, ...], code: int, said: str
) -> None:
    result = podctl("moves", *(part.format(shop=shop_id) for part in arguments))
    assert result.code == code
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_without_a_declaration_of_tables_no_shop_is_moved(podctl: Podctl, shop_id: int) -> None:
    podctl.environment |= {"PODWORK_MOVES_TABLES": ""}
    result = podctl("moves", "start", "--shop", str(shop_id), "--to", "2")
    assert (result.code, "set moves.tables" in result.stderr) == (2, True)
    assert podctl("moves", "get", "--shop", str(shop_id)).code == 6


def test_a_rehearsed_order_changes_nothing(podctl: Podctl, platform: Platform, shop_id: int) -> None:
    move = Moves(platform.directory).plan(Wanted(shop_id, 2, "anna", "because"))
    before = get(podctl, move.id)
    said = podctl("moves", "abort", str(move.id), "--reason", "x", "--dry-run")
    assert (said.code, "would be planned -> aborting" in said.stderr) == (0, True)
    assert podctl("moves", "hold", str(move.id), "--reason", "x", "--dry-run").code == 0
    after = get(podctl, move.id)
    assert {**after, "in_state_seconds": 0} == {**before, "in_state_seconds": 0}
    assert len(podctl.json("moves", "explain", str(move.id))["events"]) == 1
    rows = podctl.table("moves", "list", "--pod", "2")
    assert any(row.split()[:5] == [str(move.id), str(shop_id), "1", "2", "planned"] for row in rows)
    assert podctl("moves", "abort", str(move.id), "--reason", "x", "--yes").code == 0
    assert get(podctl, move.id)["state"] == "aborting"


def test_the_screen_shows_where_a_move_is(podctl: Podctl, platform: Platform, shop_id: int) -> None:
    move = Moves(platform.directory).plan(Wanted(shop_id, 2, "anna", "because"))
    terminal = Terminal(podctl, "moves", "get", str(move.id), "--watch", columns=120)
    try:
        for text_seen in (f"move {move.id}", "pausing jobs", "any worker of pod 1"):
            terminal.wait_for(text_seen)
        terminal.press("q")
        assert terminal.end() == 0
        assert terminal.after == terminal.before
    finally:
        terminal.close()
