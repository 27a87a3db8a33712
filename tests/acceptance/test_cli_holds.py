"""Holds and limits as operators place, see and take them back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import Podctl
from tests.acceptance.operators import (
    COLLECT,
    SWEEP,
    Terminal,
    a_pod_is_down,
    operate,
    push,
    push_lingering,
    start_worker,
)
from tests.support.wait import until

WHY = ("--reason", "bug 4711")


@pytest.fixture(autouse=True)
def _operators(podctl: Podctl) -> Iterator[None]:
    operate(podctl)
    yield
    for hold in podctl.json("holds", "list")["holds"]:
        podctl("holds", "lift", hold["hold"], "--pod", str(hold["pod_id"]))
    for limit in podctl.json("limits", "list")["limits"]:
        podctl("limits", "remove", limit["limit"], "--pod", str(limit["pod_id"]))


def names(podctl: Podctl) -> set[tuple[int, str]]:
    return {(row["pod_id"], row["hold"]) for row in podctl.json("holds", "list")["holds"]}


def test_a_shop_is_held_on_its_own_pod_and_the_jobs_are_counted(podctl: Podctl, cli_stack: Path) -> None:
    push(cli_stack, shops={401: 3}, pod=2)
    done = podctl("holds", "place", "--shop", "401", *WHY, "--for", "1h")
    assert "pod 2: shop=401 is on hold for 60m; it stops 3 jobs" in done.stderr
    assert names(podctl) == {(2, "shop=401")}
    header, row = podctl.table("holds", "list")
    assert header.split() == ["POD", "HOLD", "STOPS", "LEFT", "OWNER", "REASON"]
    assert row.split()[:4] == ["2", "shop=401", "3", "60m"]
    assert "lifted shop=401; 3 jobs go on" in podctl("holds", "lift", "shop=401").stderr
    assert names(podctl) == set()


def test_any_mix_is_held_and_lifted_by_its_parts_in_any_order(podctl: Podctl) -> None:
    mix = ("--queue", "default", "--class", COLLECT, "--shop", "402")
    placed = podctl.json("holds", "place", *mix, "--pod", "1", *WHY)
    [row] = placed["holds"]
    assert row["hold"] == f"queue=default,class={COLLECT},shop=402"
    assert (row["queue"], row["job_class"], row["shop"], row["new"]) == ("default", COLLECT, "402", True)
    assert row["jobs_stopped_complete"] is False, "of a class, what waits behind is not looked through"
    assert podctl.json("holds", "place", *mix, "--pod", "1", *WHY)["holds"][0]["new"] is False
    lifted = podctl.json("holds", "lift", f"shop=402,class={COLLECT},queue=default", "--pod", "1")
    assert [row["hold"] for row in lifted["lifted"]] == [f"queue=default,class={COLLECT},shop=402"]


def test_a_hold_on_a_class_parks_and_gives_back(podctl: Podctl, cli_stack: Path) -> None:
    podctl.table("holds", "place", "--class", SWEEP, "--all-pods", *WHY)
    push(cli_stack, sweeps=4)
    start_worker(podctl, "--queues", "low")
    until(
        lambda: podctl.json("holds", "list", "--pod", "1")["holds"][0]["jobs_stopped"] == 4,
        20,
        "all are parked",
    )
    assert "4+" in podctl.table("holds", "list", "--pod", "1")[1]
    podctl.table("holds", "lift", f"class={SWEEP}", "--all-pods")
    until(lambda: podctl.json("queues", "list", "--pod", "1")["pods"][0]["parked"] == 0, 20, "they go on")


def test_everything_is_held_only_after_a_yes(podctl: Podctl, cli_stack: Path) -> None:
    assert "stop every job of pod 1" in podctl.refused(2, "holds", "place", "--pod", "1", *WHY)
    assert names(podctl) == set()
    terminal = Terminal(podctl, "holds", "place", "--all-pods", *WHY)
    terminal.wait_for("stop every job of all pods?")
    terminal.press("n\n")
    assert terminal.end() == 5
    terminal.close()
    assert names(podctl) == set()
    podctl.table("holds", "place", "--pod", "1", *WHY, "--yes")
    assert names(podctl) == {(1, "all")}
    listed = podctl.json("queues", "list", "--pod", "1")["queues"]
    assert all(row["paused"]["hold"] == "all" for row in listed)


def test_lifting_what_is_not_held_names_what_is(podctl: Podctl) -> None:
    podctl.table("holds", "place", "--queue", "low", "--pod", "2", *WHY)
    assert "the holds are: queue=low" in podctl.refused(6, "holds", "lift", "queue=lo", "--all-pods")
    assert "the holds are: none" in podctl.refused(6, "holds", "lift", "queue=low", "--pod", "1")
    assert podctl("holds", "lift", "queue=low", "--all-pods").code == 0, "one pod had it"


def test_a_pod_that_is_down_hides_no_hold_of_the_others(podctl: Podctl, cli_stack: Path) -> None:
    podctl.table("holds", "place", "--queue", "low", "--pod", "1", *WHY)
    with a_pod_is_down(cli_stack) as down:
        for command in (("holds", "list"), ("limits", "list")):
            listed = podctl(*command)
            assert listed.code == 7
            assert f"pod {down}" in listed.stderr
        assert "queue=low" in podctl("holds", "list").stdout


def test_a_limit_of_slots_is_set_kept_and_seen(podctl: Podctl, cli_stack: Path, tmp_path: Path) -> None:
    dry = podctl("limits", "set", "--queue", "critical", "--concurrency", "1", "--pod", "1", "--dry-run")
    assert "queue=critical:concurrency would allow 1 at once" in dry.stderr
    assert podctl.json("limits", "list") == {"limits": []}
    podctl.table("limits", "set", "--queue", "critical", "--concurrency", "1", "--pod", "1")
    push_lingering(cli_stack, tmp_path / "go", 3)
    start_worker(podctl, "--queues", "critical", revision="limits")

    def row() -> dict[str, int]:
        [found] = podctl.json("limits", "list", "--pod", "1")["limits"]
        return {name: found[name] for name in ("taken", "waiting")}

    until(lambda: row() == {"taken": 1, "waiting": 2}, 20, "one runs, two wait")
    text = podctl.table("limits", "list", "--pod", "1")[1].split()
    assert text == ["1", "queue=critical:concurrency", "1", "at", "once", "1", "-", "2", "operator"]
    (tmp_path / "go").touch()
    until(lambda: row() == {"taken": 0, "waiting": 0}, 20, "all ran, one after the other")


def test_a_rate_is_changed_and_removed(podctl: Podctl) -> None:
    rate = ("limits", "set", "--class", COLLECT, "--all-pods", "--rate")
    set_ = podctl.json(*rate, "100/1m", "--burst", "20")
    assert [row["changed"] for row in set_["limits"]] == [True, True]
    assert podctl.json(*rate, "100/1m", "--burst", "20")["limits"][0]["changed"] is False
    assert "nothing to change" in podctl(*rate, "100/1m", "--burst", "20").stderr
    assert "allows 5 per 1s, instead of 100 per 1m, burst 20" in podctl(*rate, "5/s").stderr
    [row, _] = podctl.json("limits", "list")["limits"]
    assert (row["kind"], row["amount"], row["per_seconds"], row["left"]) == ("bucket", 5, 1.0, 5.0)
    name = f"class={COLLECT}:bucket"
    assert "would be removed" in podctl("limits", "remove", name, "--all-pods", "--dry-run").stderr
    assert len(podctl.json("limits", "remove", name, "--all-pods")["removed"]) == 2
    assert podctl.json("limits", "list") == {"limits": []}
    assert "the limits are: none" in podctl.refused(6, "limits", "remove", name, "--all-pods")


def test_a_limit_for_each_shop_is_a_limit_of_its_own(podctl: Podctl) -> None:
    podctl.table("limits", "set", "--concurrency", "2", "--each-shop", "--queue", "default", "--pod", "1")
    podctl.table("limits", "set", "--rate", "9/1h", "--window", "--queue", "default", "--pod", "1")
    found = {row["limit"]: row for row in podctl.json("limits", "list")["limits"]}
    assert found["queue=default,shop=each:concurrency"]["each_shop"] is True
    assert found["queue=default:window"]["allows"] == "9 in 1h"


def test_a_shop_weighs_what_it_was_given(podctl: Podctl, cli_stack: Path) -> None:
    push(cli_stack, shops={411: 1}, pod=2)
    assert "would weigh 5, instead of 1" in podctl("shops", "weigh", "411", "5", "--dry-run").stderr
    assert podctl.table("shops", "weigh", "411") == ["1"]
    assert podctl.json("shops", "weigh", "411", "5")["weight"] == 5
    assert podctl.json("shops", "weigh", "411") == {
        "shop_id": 411, "pod_id": 2, "weight": 5, "was": 5, "dry_run": False,
    }  # fmt: skip
    assert "nothing to change" in podctl("shops", "weigh", "411", "5").stderr
    podctl.table("shops", "weigh", "411", "1")
    assert podctl.table("shops", "weigh", "411") == ["1"]


@pytest.mark.parametrize(
    ("code", "line", "says"),
    [
        (2, "holds place --queue low --reason x", "--pod N or --all-pods"),
        (2, "holds place --queue low --pod 1", "--reason"),
        (2, "holds place --queue Low --pod 1 --reason x", "not a queue's name"),
        (2, "holds place --class=* --pod 1 --reason x", "not a job class"),
        (2, "holds place --shop x --reason x", "is no shop"),
        (6, "holds place --shop 777777 --reason x", "unknown shop"),
        (6, "holds place --queue low --pod 7 --reason x", "unknown pod 7"),
        (2, "holds lift queue=low", "--pod N or --all-pods"),
        (2, "limits set --queue low --pod 1", "--concurrency 5 or --rate"),
        (2, "limits set --queue low --pod 1 --concurrency 5 --rate 5/s", "--concurrency 5 or --rate"),
        (2, "limits set --queue low --pod 1 --concurrency 0", "concurrency"),
        (2, "limits set --queue low --pod 1 --rate 5", "write 100/1m"),
        (2, "limits set --queue low --pod 1 --concurrency 5 --burst 2", "belong to a rate"),
        (2, "limits set --shop 330 --each-shop --concurrency 5", "exclude each other"),
        (6, "limits set --shop 777777 --concurrency 5", "unknown shop"),
        (2, "shops weigh 330 0", "weight"),
        (6, "shops weigh 777777 2", "unknown shop"),
    ],
)
def test_a_mistake_is_one_line_with_a_remedy(podctl: Podctl, code: int, line: str, says: str) -> None:
    assert says.lower() in podctl.refused(code, *line.split()).lower()
