"""The demo's verdict, its placement of shops, and the lines it writes without a terminal."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from podwork_ops.demo import progress
from podwork_ops.demo.largest_shop import LENGTH, WORDS, choose_shop, emptiest_pod
from podwork_ops.demo.placement import spread
from podwork_ops.demo.progress import Steps
from podwork_ops.demo.report import SHOWN_FINDINGS, Backfill, DemoReport, Kill, PodRow, ShopMove
from podwork_pods.mover.states import MoveState
from tests.support.wait import until

FILLED = Backfill(20_000, 20_000, ["succeeded"] * 2, 3, Kill(1, 4712, 1), 9.5, {1: 2, 2: 2}, 1, 500)
MOVED = ShopMove(367, 1, 2, "done", "nothing is left behind", 44_113, 3_001, 0.836, 1.9)
GOOD = DemoReport(
    baskets=3000,
    pods=[
        PodRow(1, 2, 1000, 1000, 0, 0, 0, 500.04),
        PodRow(2, 3, 2000, 2001, 1, 37, 0, 1000.0),
    ],
    findings=[],
    kill=Kill(pod_id=2, pid=4711, held=37),
    run_seconds=2.0,
    backfill=FILLED,
    move=MOVED,
    step_seconds={"load": 1.23456},
)


def test_a_good_run_is_ok_and_its_document_has_the_totals_at_the_top() -> None:
    assert GOOD.ok
    document = GOOD.document()
    assert {name: document[name] for name in ("ok", "orders", "mismatches", "reclaimed", "dead")} == {
        "ok": True,
        "orders": 3000,
        "mismatches": 0,
        "reclaimed": 37,
        "dead": 0,
    }
    assert document["jobs_per_second"] == 1500.5
    assert document["kill"] == {"pod_id": 2, "pid": 4711, "held": 37}
    assert document["step_seconds"] == {"load": 1.235}


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (replace(GOOD, baskets=3001), "3,000 orders for 3,001 baskets"),
        (replace(GOOD, findings=["missing order: 7/100"]), "missing order: 7/100"),
        (replace(GOOD, pods=[replace(GOOD.pods[0], reclaimed=0)], baskets=1000), "no job was reclaimed"),
        (replace(GOOD, pods=[GOOD.pods[0], replace(GOOD.pods[1], dead=1)]), "1 jobs in the dead set"),
        (replace(GOOD, backfill=None), "there was no backfill"),
        (replace(GOOD, move=None), "no shop moved"),
        (
            replace(GOOD, move=replace(MOVED, state="aborted", reason="rows clash")),
            "shop 367 did not move to pod 2: aborted, rows clash",
        ),
        (
            replace(GOOD, backfill=replace(FILLED, rows_done=19_999)),
            "the backfill counts 19,999 of 20,000 lines",
        ),
        (
            replace(GOOD, backfill=replace(FILLED, states=["succeeded", "failed"])),
            "the backfill's runs ended succeeded, failed",
        ),
        (
            replace(GOOD, backfill=replace(FILLED, interruptions=1)),
            "the backfill was interrupted only 1 times",
        ),
        (
            replace(GOOD, backfill=replace(FILLED, applied={1: 2, 2: 1})),
            "1 of 2 migrations are applied on pod 2",
        ),
        (
            replace(GOOD, backfill=replace(FILLED, retries=0)),
            "a migration was to fail and be retried once, not 0 times",
        ),
        (
            replace(GOOD, backfill=replace(FILLED, jobs_meanwhile=0)),
            "no job was enqueued while pods migrated",
        ),
    ],
)
def test_each_check_that_does_not_hold_is_a_problem(bad: DemoReport, problem: str) -> None:
    assert not bad.ok
    assert list(bad.problems()) == [problem]
    assert problem in shown(bad)


def test_of_a_move_it_is_said_from_where_to_where_with_what_and_how_long_writes_stood_still() -> None:
    printed = shown(GOOD)
    assert "shop 367 moved from pod 1 to pod 2 with 44,113 rows and 3,001 jobs\n" in printed
    assert "its writes stood still for 0.84 s, and every order is where the shop is\n" in printed
    assert GOOD.document()["move"]["blocked_seconds"] == 0.836
    late = replace(GOOD, move=replace(MOVED, jobs=0))
    assert "with 44,113 rows and no job left to do\n" in shown(late)


def test_one_pod_has_nowhere_to_move_a_shop() -> None:
    alone = replace(GOOD, pods=[replace(GOOD.pods[1], orders=3000)], move=None)
    assert alone.ok
    assert "moved" not in shown(alone)


def test_the_largest_shop_with_orders_to_do_moves_to_the_emptiest_other_pod() -> None:
    lines = {7: 900, 8: 500, 9: 400, 10: 100}
    assert choose_shop(lines, {8: 3, 9: 50}) == (8, 3)
    assert choose_shop(lines, {7: 0}) == (7, 0)
    owners = {7: 1, 8: 2, 9: 3, 10: 2}
    assert emptiest_pod(lines, owners, {2, 3}) == 3
    assert emptiest_pod(lines, owners, {1, 2}) == 2
    assert emptiest_pod(lines, owners, {2, 4}) == 4, "a pod that has no shop yet"


def test_every_state_on_the_way_there_has_words_that_fit_beside_a_bar() -> None:
    back = {MoveState.REVERSING, MoveState.REVERSED}
    assert set(WORDS) == set(MoveState) - back
    assert max(map(len, WORDS.values())) <= 22
    assert list(WORDS)[LENGTH] is MoveState.DONE


def test_many_findings_are_counted_whole_and_shown_in_part() -> None:
    bad = replace(GOOD, findings=[f"missing order: 7/{number}" for number in range(100)])
    assert bad.document()["mismatches"] == 100
    assert len(list(bad.problems())) == SHOWN_FINDINGS + 1


def test_the_table_has_a_row_per_pod_and_the_totals() -> None:
    lines = [line.split() for line in shown(GOOD).splitlines()]
    assert ["POD", "SHOPS", "ORDERS", "JOBS", "RETRIES", "RECLAIMED", "DEAD", "JOBS/S"] in lines
    assert ["2", "3", "2,000", "2,001", "1", "37", "0", "1,000"] in lines
    assert ["total", "5", "3,000", "3,001", "1", "37", "0", "1,500"] in lines


def test_shops_are_spread_by_lines_in_proportion_to_weight() -> None:
    lines = {shop_id: 100 - shop_id for shop_id in range(60)}
    placed = spread(lines, {1: 100, 2: 100, 3: 200, 4: 0})
    load = {
        pod: sum(lines[shop_id] for shop_id, owner in placed.items() if owner == pod) for pod in (1, 2, 3, 4)
    }
    assert load[4] == 0
    assert abs(load[1] - load[2]) <= 100
    assert abs(load[3] - 2 * load[1]) <= 200
    assert spread(lines, {1: 100, 2: 100, 3: 200, 4: 0}) == placed


def test_without_a_terminal_a_step_is_one_plain_line() -> None:
    stream = io.StringIO()
    steps = Steps(stream)
    with steps.step("load lines", 1234, "lines") as step:
        step.reach(600)
    steps.say("killed")
    assert stream.getvalue().startswith("load lines: 1,234 lines, 0.")
    assert stream.getvalue().endswith(" s\nkilled\n")
    assert steps.seconds.keys() == {"load lines"}


def test_without_a_terminal_what_goes_on_beside_a_step_is_said_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = io.StringIO()
    with Steps(stream).step("run", 10, "jobs") as step:
        beside = step.beside("move shop 7 to pod 2", 14)
        beside.reach(2, "copies its rows")
        assert stream.getvalue() == ""
        monkeypatch.setattr(progress, "PLAIN_INTERVAL_SECONDS", 0.0)
        beside.reach(3, "catches up")
    assert stream.getvalue().startswith("  move shop 7 to pod 2: catches up\nrun: 10 jobs, ")


def test_on_80_columns_what_goes_on_beside_a_step_has_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with Steps(stream).step("run the jobs", 155_848, "jobs") as step:
        beside = step.beside("move shop 31776 to pod 12", LENGTH)
        for done, words in enumerate(WORDS.values()):
            beside.reach(min(done, LENGTH), words)
        step.reach(155_847)
        last = WORDS[MoveState.ABORTED]
        until(lambda: last in stream.getvalue(), message="its words are drawn on one line")
    drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert max(map(len, re.split("[\r\n]+", drawn))) <= 80


def test_one_is_not_many() -> None:
    stream = io.StringIO()
    with Steps(stream).step("start the stack", 1, "pods"):
        pass
    assert stream.getvalue().startswith("start the stack: 1 pod, ")


def test_on_80_columns_every_bar_has_its_line_and_all_are_equally_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    bars = set()
    for name, total, unit in [("start the stack", 2, "pods"), ("load lines", 1_469_307, "lines")]:
        drawn = bar_until_drawn(name, total, unit)
        assert max(map(len, re.split("[\r\n]+", drawn))) <= 80
        bars.add(max(map(len, re.findall("━+", drawn))))
    assert len(bars) == 1
    assert min(bars) >= 10


def test_the_verdict_fits_80_columns() -> None:
    assert max(map(len, shown(GOOD).splitlines())) <= 78


def bar_until_drawn(name: str, total: int, unit: str) -> str:
    """Return what a step wrote that got within one of its end, was seen there, and ended."""
    stream = Terminal()
    with Steps(stream).step(name, total, unit) as step:
        step.reach(total - 1)
        amount = f"{total - 1:,} of {total:,}"
        until(lambda: amount in stream.getvalue(), message=f"{amount} is drawn on one line")
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def shown(report: DemoReport) -> str:
    stream = io.StringIO()
    report.show(Console(file=stream, width=120))
    return stream.getvalue()
