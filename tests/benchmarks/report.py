"""How a run says what it found: tables for people, `build/bench.json` for machines.

Owns: the verdict on a target and the form of the file: `targets`, a list of `name, ratio, target, met,
rounds` (with `missing` where a figure is not there; `ratio` is null then; with `note` where there is one),
`figures` (medians by contestant), `values` (every round), `missing` (contestants by reason), `machine`.
Tables are Markdown, so that the documentation can take them over.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.benchmarks.harness.measured import Measured, Missing
from tests.benchmarks.peers.roster import PODWORK
from tests.benchmarks.targets import Target

FILE = Path("build/bench.json")
OWN_TITLE, LIMITS_TITLE, TARGETS_TITLE = "podwork alone, and the machine", "How far from the limit", "Targets"
LIMITS = (
    ("drain_per_s", "bare_loop_per_s", "drain, of a script and a loop in Python that promise nothing"),
    ("single_per_s", "bare_push_per_s", "single push, of an LPUSH through the same client"),
    ("single_per_s", "redis_benchmark_lpush_p1_per_s", "single push, of redis-benchmark's LPUSH, one client"),
    (
        "bulk_per_s",
        "redis_benchmark_lpush_p50_per_s",
        "bulk push, of redis-benchmark's LPUSH, 50 in a pipeline",
    ),
)
"""Our figure, the limit beside it, and what the share is of."""
CONTEST_TABLES: dict[str, tuple[tuple[str, str], ...]] = {
    "Push": (
        ("single_per_s", "single, jobs/s"), ("single_cpu_us", "client us"), ("single_redis_us", "Redis us"),
        ("bulk_per_s", "bulk, jobs/s"), ("bulk_cpu_us", "client us"), ("bulk_redis_us", "Redis us"),
        ("bytes_per_job", "bytes a job"),
    ),
    "Drain of no-op jobs": (
        ("drain_per_s", "jobs/s"), ("drain_cpu_us", "worker us"), ("drain_redis_us", "Redis us"),
        ("drain_redis_commands", "commands a job"), ("memory_mib", "peak MiB, all"),
        ("largest_process_mib", "largest process"),
    ),
    "Idle and latency": (
        ("latency_p50_ms", "p50 ms"), ("latency_p95_ms", "p95 ms"), ("latency_p99_ms", "p99 ms"),
        ("idle_commands_per_s", "idle commands/s"), ("idle_cpu_percent", "idle CPU %"),
    ),
    "Jobs that wait 5 ms": (
        ("pause_per_s", "jobs/s"), ("pause_share", "share of limit"), ("pause_cpu_us", "worker us"),
    ),
    "kill -9 in mid-drain": (
        ("kill_jobs", "jobs"), ("lost", "not finished"), ("doubled", "finished twice"),
        ("all_done_s", "all done, s"),
    ),
}  # fmt: skip


class Verdict(NamedTuple):
    """What became of a target. `ratio` is None when `missing` says what is not there."""

    name: str
    ratio: float | None
    target: float
    met: bool
    rounds: int
    missing: str = ""
    note: str = ""

    def row(self) -> dict[str, Any]:
        """Return it as it stands in the file."""
        row = self._asdict()
        return {key: value for key, value in row.items() if key not in {"missing", "note"} or value}


def judge(target: Target, measured: Measured) -> Verdict:
    """Compare. A figure that is missing never meets a target."""
    try:
        ratio = target.ratio(measured, target.metric)
        rounds = len(measured.rounds(PODWORK, target.metric))
    except Missing as missing:
        return Verdict(target.name, None, target.target, False, 0, str(missing), target.note)
    return Verdict(target.name, ratio, target.target, ratio >= target.target, rounds, "", target.note)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table, its columns aligned for a terminal."""
    lines = [list(head), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    aligned = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in lines
    ]
    rule = "| " + " | ".join("-" * width for width in widths) + " |"
    return "\n".join([aligned[0], rule, *aligned[1:]]) + "\n"


def verdicts_table(verdicts: Iterable[Verdict]) -> str:
    """Return the verdicts as a table."""
    rows = []
    for verdict in verdicts:
        said = "met" if verdict.met else "missing" if verdict.ratio is None else "MISSED"
        ratio = "" if verdict.ratio is None else f"{verdict.ratio:.2f}"
        remark = "; ".join(part for part in (verdict.missing, verdict.note) if part)
        rows.append((said, verdict.name, ratio, f"{verdict.target:.3g}", str(verdict.rounds), remark))
    return table(("", "target", "ratio", "at least", "rounds", "remark"), rows)


def figures_table(measured: Measured, contestants: Sequence[str], columns: Sequence[tuple[str, str]]) -> str:
    """Return medians with the lowest and highest round, a row a contestant; `columns` are (metric, head)."""
    rows = []
    for who in contestants:
        if any(metric in measured.values.get(who, {}) for metric, _ in columns):
            rows.append((who, *(_cell(measured, who, metric) for metric, _ in columns)))
        elif who in measured.missing:
            rows.append((who, f"missing: {measured.missing[who]}", *("" for _ in columns[1:])))
    return table(("", *(head for _, head in columns)), rows)


def limits_table(measured: Measured) -> str:
    """Return what share of each limit podwork reaches; empty when none was measured."""
    rows = []
    for ours, limit, what in LIMITS:
        try:
            reached, possible = measured.median(PODWORK, ours), measured.median(PODWORK, limit)
        except Missing:
            continue
        rows.append((what, _number(reached), _number(possible), f"{reached / possible:.0%}"))
    return table(("", "podwork, jobs/s", "limit, jobs/s", "share"), rows) if rows else ""


def list_table(measured: Measured, who: str, metrics: Sequence[str]) -> str:
    """Return the named figures of one contestant, a row a figure; what was not measured is left out."""
    found = measured.values.get(who, {})
    return table(
        ("figure", "median (lowest to highest)"),
        [(metric, _cell(measured, who, metric)) for metric in metrics if metric in found],
    )


def tables(measured: Measured, verdicts: Sequence[Verdict], contestants: Sequence[str]) -> str:
    """Return everything that a person wants to see of a run."""
    parts = [
        f"\n{title}\n\n{figures_table(measured, contestants, columns)}"
        for title, columns in CONTEST_TABLES.items()
        if any(metric in figures for figures in measured.values.values() for metric, _ in columns)
    ]
    own = [
        metric
        for metric in measured.values.get(PODWORK, {})
        if metric not in {metric for columns in CONTEST_TABLES.values() for metric, _ in columns}
    ]
    if own:
        parts.append(f"\n{OWN_TITLE}\n\n{list_table(measured, PODWORK, own)}")
    if shares := limits_table(measured):
        parts.append(f"\n{LIMITS_TITLE}\n\n{shares}")
    if verdicts:
        parts.append(f"\n{TARGETS_TITLE}\n\n{verdicts_table(verdicts)}")
    return "".join(parts)


def document(measured: Measured, verdicts: Sequence[Verdict], machine: dict[str, Any]) -> dict[str, Any]:
    """Return the content of the file."""
    return {
        "machine": machine,
        "targets": [verdict.row() for verdict in verdicts],
        "figures": measured.medians(),
        "values": measured.values,
        "missing": measured.missing,
    }


def save(content: dict[str, Any], file: Path = FILE) -> None:
    """Write the file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=1) + "\n")


def load(file: Path = FILE) -> tuple[Measured, list[Verdict], dict[str, Any]]:
    """Return what a run wrote: figures, verdicts and the machine."""
    content = json.loads(file.read_text())
    measured = Measured()
    measured.values, measured.missing = content["values"], content["missing"]
    return measured, [Verdict(**row) for row in content["targets"]], content["machine"]


def _cell(measured: Measured, who: str, metric: str) -> str:
    try:
        values = measured.rounds(who, metric)
    except Missing:
        return "-"
    median = _number(measured.median(who, metric))
    return median if len(values) == 1 else f"{median} ({_number(min(values))} to {_number(max(values))})"


def _number(value: float) -> str:
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}".rstrip("0").rstrip(".") or "0"
