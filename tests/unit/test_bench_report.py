"""The benchmarks' own arithmetic: ratios, targets, and that what is missing is never met."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from tests.benchmarks import page, report, targets
from tests.benchmarks.harness import machine, marks
from tests.benchmarks.harness.measured import Measured, Missing, percentile
from tests.benchmarks.peers import protocol
from tests.benchmarks.peers.roster import CONTESTANTS, PODWORK, PODWORK_ITSELF, PYTHON_PEERS
from tests.benchmarks.report import Verdict, judge
from tests.benchmarks.targets import TARGETS, Target


def measured(**figures: list[float]) -> Measured:
    """Return figures of podwork's."""
    found = Measured()
    for name, values in figures.items():
        for value in values:
            found.add(PODWORK, {name: value})
    return found


def with_peer(name: str, found: Measured, **figures: float) -> Measured:
    """Add a peer's figures of one round."""
    found.add(name, figures)
    return found


def everything_at(value: float) -> Measured:
    """Return every figure that any target asks for, all alike, for everybody."""
    found = Measured()
    metrics = {target.metric for target in TARGETS} | {
        "one_process_per_s", "claim_small_us", "hold_small_us", "gate_small_us", "wait_idle_p99_ms",
        "many_shops_per_s", "latency_p50_ms", "pt_osc_rows_per_s", "pt_osc_steady_rows_per_s",
        "blocking_copy_rows_per_s", "writer_no_change_p99_ms", "move_dump_rows_per_s",
        "move_blocked_4k_p50_ms", "job_wait_calm_p99_ms",
    }  # fmt: skip
    for contestant in CONTESTANTS:
        found.add(contestant.name, dict.fromkeys(metrics, value))
    return found


# Ratios


def test_a_ratio_is_of_medians_over_the_rounds() -> None:
    found = with_peer("sidekiq", measured(drain_per_s=[90.0, 30.0, 60.0]), drain_per_s=20.0)
    assert targets.times("sidekiq")(found, "drain_per_s") == 3.0


def test_more_is_better_for_speed() -> None:
    found = with_peer("huey", measured(speed=[30.0]), speed=10.0)
    assert targets.times("huey")(found, "speed") == 3.0


def test_the_fastest_of_the_peers_is_the_measure() -> None:
    found = measured(speed=[30.0])
    with_peer("slow", found, speed=1.0)
    with_peer("fast", found, speed=10.0)
    assert targets.times_best(("slow", "fast"))(found, "speed") == 3.0


def test_a_speed_over_its_bound_is_at_least_one_when_it_is_reached() -> None:
    assert targets.at_least(5000.0)(measured(speed=[6000.0, 5000.0, 4000.0]), "speed") == 1.0
    assert targets.at_least(5000.0)(measured(speed=[2500.0]), "speed") == 0.5


def test_a_bound_over_a_cost_is_at_least_one_when_it_is_kept() -> None:
    assert targets.at_most(25.0)(measured(cost=[50.0]), "cost") == 0.5
    assert targets.at_most(25.0)(measured(cost=[25.0]), "cost") == 1.0
    assert math.isfinite(targets.at_most(25.0)(measured(cost=[0.0]), "cost"))


def test_one_bad_round_is_enough_where_nothing_may_happen() -> None:
    assert targets.never(measured(lost=[0, 0, 0]), "lost") == 1.0
    assert targets.never(measured(lost=[0, 1, 0]), "lost") == 0.0


# Verdicts

DRAIN = Target("drain", "contest", "drain_per_s", 3.0, targets.times("sidekiq"))


@pytest.mark.parametrize(("speed", "met"), [(299.0, False), (300.0, True), (1000.0, True)])
def test_a_target_is_met_from_its_ratio_on(speed: float, met: bool) -> None:
    verdict = judge(DRAIN, with_peer("sidekiq", measured(drain_per_s=[speed]), drain_per_s=100.0))
    assert verdict == Verdict("drain", speed / 100, 3.0, met, 1)


def test_a_missing_peer_is_reported_and_never_met() -> None:
    found = measured(drain_per_s=[1e9, 1e9])
    found.miss("sidekiq", "ruby is not installed")
    verdict = judge(DRAIN, found)
    assert verdict.row() == {
        "name": "drain",
        "ratio": None,
        "target": 3.0,
        "met": False,
        "rounds": 0,
        "missing": "sidekiq: ruby is not installed",
    }


def test_the_fastest_peer_is_unknown_while_one_is_missing() -> None:
    found = with_peer("huey", measured(drain_per_s=[1e9]), drain_per_s=1.0)
    found.miss("arq", "not installed")
    fastest = Target("fastest", "contest", "drain_per_s", 4.0, targets.times_best(("huey", "arq")))
    verdict = judge(fastest, found)
    assert (verdict.met, verdict.missing) == (False, "arq: not installed")


def test_a_phase_that_podwork_did_not_finish_is_missing_too() -> None:
    found = with_peer("sidekiq", Measured(), drain_per_s=1.0)
    found.miss(PODWORK, "round 1: the worker ended with 1")
    verdict = judge(DRAIN, found)
    assert (verdict.ratio, verdict.met) == (None, False)
    assert verdict.missing == "podwork: round 1: the worker ended with 1"


def test_nothing_measured_meets_no_target() -> None:
    verdicts = [judge(target, Measured()) for target in TARGETS]
    assert all(verdict.missing and not verdict.met for verdict in verdicts)


def test_every_target_can_be_judged_and_asks_for_figures_that_exist() -> None:
    assert all(judge(target, everything_at(1.0)).ratio is not None for target in TARGETS)
    assert len({target.name for target in TARGETS}) == len(TARGETS)


# The file and the tables


def test_the_file_has_one_entry_for_each_target(tmp_path: Path) -> None:
    verdicts = [judge(target, everything_at(2.0)) for target in TARGETS]
    file = tmp_path / "build" / "bench.json"
    report.save(report.document(everything_at(2.0), verdicts, {"cores": 2}), file)
    written = json.loads(file.read_text())
    assert [row["name"] for row in written["targets"]] == [target.name for target in TARGETS]
    assert all({"name", "ratio", "target", "met", "rounds"} <= row.keys() for row in written["targets"])
    assert written["figures"]["sidekiq"]["drain_per_s"] == 2.0


def test_the_tables_show_the_missing_and_the_spread() -> None:
    found = with_peer("huey", measured(drain_per_s=[10.0, 30.0, 20.0]), drain_per_s=5.0)
    found.miss("arq", "not installed")
    shown = report.tables(found, [judge(DRAIN, found)], [PODWORK, "huey", "arq"])
    assert "20 (10 to 30)" in shown
    assert "missing: not installed" in shown
    assert "sidekiq: drain_per_s was not measured" in shown
    assert "MISSED" not in shown


def test_a_share_of_a_limit_is_shown_where_both_were_measured() -> None:
    shown = report.limits_table(measured(drain_per_s=[50_000.0], bare_loop_per_s=[200_000.0]))
    assert "| 50,000" in shown
    assert "| 25%" in shown
    assert "LPUSH" not in shown
    assert report.limits_table(Measured()) == ""


def test_a_reason_is_one_bounded_line_of_a_table() -> None:
    found = Measured()
    found.miss("arq", "first\nline | second " + "x" * 1000)
    found.miss("arq", "a later one")
    assert found.missing["arq"].startswith("first line / second xxx")
    assert len(found.missing["arq"]) < 200


def test_a_percentile_is_the_nearest_rank() -> None:
    hundred = [float(number) for number in range(1, 101)]
    assert [percentile(hundred, percent) for percent in (50, 99, 100)] == [50.0, 99.0, 100.0]
    assert percentile([7.0], 99) == 7.0
    with pytest.raises(Missing):
        Measured().median(PODWORK, "drain_per_s")


def test_the_page_takes_its_figures_from_the_file(tmp_path: Path) -> None:
    found = everything_at(2.0)
    found.add("machine", {"loop_ns": 40.0})
    verdicts = [judge(target, found) for target in TARGETS]
    file = tmp_path / "bench.json"
    report.save(report.document(found, verdicts, machine.describe(3, 1.0)), file)
    read, read_verdicts, conditions = report.load(file)
    assert read_verdicts == verdicts
    tables = report.tables(read, read_verdicts, [PODWORK, "sidekiq"])
    assert tables == report.tables(found, verdicts, [PODWORK, "sidekiq"])
    written = page.filled(f"before\n{page.BEGIN}stale\n{page.END}after\n", tables)
    assert "stale" not in written
    assert written.startswith(f"before\n{page.BEGIN}")
    assert written.endswith(f"{page.END}after\n")
    assert "### Targets" in written
    assert "3 rounds" in page.conditions(read, conditions)
    assert page.filled(written, tables) == written


# Marks


def test_marks_tell_lost_from_doubled_jobs_and_how_long_stamped_ones_waited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = marks.Marks(tmp_path / "marks")
    monkeypatch.setattr(protocol, "_marks", protocol.open_marks(seen.path))
    protocol.noop(0)
    protocol.noop(2)
    protocol.noop(2)
    assert (seen.done(3), seen.all_done(3), seen.doubled(3)) == (2, False, 1)
    protocol.stamp(1, 0)
    assert seen.all_done(3)
    assert seen.waits_ms(2)[1] > 0
    seen.clear()
    assert (seen.done(3), seen.doubled(3)) == (0, 0)


def test_podwork_plays_as_it_is_operated_and_all_python_peers_count() -> None:
    assert PODWORK_ITSELF.work[1] == "podwork_ops.cli"
    assert set(PYTHON_PEERS) == {
        "celery-prefork", "celery-prefork-late", "celery-threads", "celery-threads-late",
        "rq", "dramatiq", "huey", "arq", "taskiq", "saq", "streaq",
    }  # fmt: skip
