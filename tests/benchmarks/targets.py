"""The targets of `make bench`, one table.

Owns: what is asked and how its ratio is taken. A ratio says how many times as good as its measure the figure
is; it is met when it is at least the target. Ratios are of medians over the rounds of one run. Where a figure
is missing, the target is not met and says why. Leaves to others: measuring, and writing down the verdict
(`report`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.benchmarks.alone import iteration, moves, online_copy, processes
from tests.benchmarks.harness.measured import Measured
from tests.benchmarks.peers.roster import PODWORK, PYTHON_PEERS

LEASE_SECONDS = 15.0
SMALLEST = 0.001
"""In place of a cost of nothing, which cannot be divided by."""


@dataclass(frozen=True, slots=True)
class Target:
    """One target: `benchmark` is the run that measures it, `metric` the figure of podwork's."""

    name: str
    benchmark: str
    metric: str
    target: float
    ratio: Callable[[Measured, str], float]
    """From the figures and the metric's name to the ratio. Raises Missing."""
    note: str = ""


def times(peer: str) -> Callable[[Measured, str], float]:
    """Ours over the peer's: more is better."""
    return lambda measured, metric: measured.median(PODWORK, metric) / measured.median(peer, metric)


def times_best(peers: tuple[str, ...]) -> Callable[[Measured, str], float]:
    """Ours over that of the best of the peers, all of which must be there."""
    return lambda measured, metric: measured.median(PODWORK, metric) / measured.best(peers, metric)[1]


def times_own(other: str) -> Callable[[Measured, str], float]:
    """Our figure over another of ours."""
    return lambda measured, metric: measured.median(PODWORK, metric) / measured.median(PODWORK, other)


def at_most(bound: float) -> Callable[[Measured, str], float]:
    """The bound over ours."""
    return lambda measured, metric: bound / max(measured.median(PODWORK, metric), SMALLEST)


def at_least(bound: float) -> Callable[[Measured, str], float]:
    """Ours over the bound."""
    return lambda measured, metric: measured.median(PODWORK, metric) / bound


def always_at_most(bound: float) -> Callable[[Measured, str], float]:
    """The bound over the greatest of ours of all rounds."""
    return lambda measured, metric: bound / max(SMALLEST, *measured.rounds(PODWORK, metric))


def at_most_times(factor: float, other: str) -> Callable[[Measured, str], float]:
    """So many times another figure of ours, over ours."""
    return lambda measured, metric: (
        factor * measured.median(PODWORK, other) / max(measured.median(PODWORK, metric), SMALLEST)
    )


def share(measured: Measured, metric: str) -> float:
    """The figure itself is the ratio."""
    return measured.median(PODWORK, metric)


def never(measured: Measured, metric: str) -> float:
    """1 if the figure was 0 in every round, otherwise 0: one lost job in one round is a miss."""
    return 0.0 if any(measured.rounds(PODWORK, metric)) else 1.0


BY_TURNS = "bursts by turns"
TARGETS = (
    Target("drain: times Sidekiq's", "contest", "drain_per_s", 3.0, times("sidekiq")),
    Target(
        "drain: times the fastest Python peer's", "contest", "drain_per_s", 4.0, times_best(PYTHON_PEERS)
    ),
    Target("drain: 25 us of processor time a job, over ours", "contest", "drain_cpu_us", 1.0, at_most(25.0)),
    Target("drain: 12 us of Redis's time a job, over ours", "contest", "drain_redis_us", 1.0, at_most(12.0)),
    Target(
        "drain: two processes, times one", "processes", "two_processes_per_s", 1.7,
        times_own("one_process_per_s"), processes.NOTE,
    ),
    Target("bulk push: times Sidekiq's", "contest", "bulk_per_s", 1.0, times("sidekiq"), "the aim is 1.5"),
    Target("single push: times Sidekiq's", "duels", "sidekiq_push_over_ours", 1.0, share, BY_TURNS),
    Target("idle latency p50: Huey's over ours", "duels", "huey_latency_over_ours", 1.0, share, BY_TURNS),
    Target(
        "idle latency p50: Sidekiq's over ours", "duels", "sidekiq_latency_over_ours", 1.0, share, BY_TURNS
    ),
    Target(
        "idle latency p99: twice our p50, over it", "contest", "latency_p99_ms", 1.0,
        at_most_times(2.0, "latency_p50_ms"),
    ),
    Target("5 ms jobs on 10 threads: share of the arithmetic limit", "contest", "pause_share", 0.95, share),
    Target(
        "worker process: 60 MB over its peak", "contest", "largest_process_mib", 1.0, at_most(60e6 / 2**20)
    ),
    Target("idle: 0.5 % of a core, over ours", "contest", "idle_cpu_percent", 1.0, at_most(0.5)),
    Target(
        "idle: 5 commands a second in Redis, over ours", "contest", "idle_commands_per_s", 1.0, at_most(5.0)
    ),
    Target("bytes of Redis for a queued job: 400 over ours", "contest", "bytes_per_job", 1.0, at_most(400.0)),
    Target("kill -9: no job lost", "recovery", "killed_lost", 1.0, never),
    Target("kill -9: no more doubled than were in flight", "recovery", "killed_doubled_beyond", 1.0, never),
    Target(
        "kill -9: the lease over the time to full speed", "recovery", "killed_full_speed_s", 1.0,
        at_most(LEASE_SECONDS),
    ),
    Target(
        "claim: from 1,000 jobs over from 1,000,000, Redis's time", "growth", "claim_large_us", 1 / 1.10,
        at_most_times(1.0, "claim_small_us"), "the processor's caches emptied before each",
    ),
    Target(
        "pause of a shop: beside 1,000 jobs over beside 1,000,000", "growth", "hold_large_us", 1 / 1.10,
        at_most_times(1.0, "hold_small_us"),
    ),
    Target(
        "hand-over of a shop: beside 1,000 jobs over beside 1,000,000", "growth", "gate_large_us", 1 / 1.10,
        at_most_times(1.0, "gate_small_us"),
    ),
    Target(
        "fairness: three times the idle p99 wait, over that beside a flood", "fairness",
        "wait_flooded_p99_ms", 1.0, at_most_times(3.0, "wait_idle_p99_ms"),
    ),
    Target(
        "fairness: a lone shop's throughput over that of many", "fairness", "lone_shop_per_s", 0.95,
        times_own("many_shops_per_s"),
    ),
    Target(
        "backfill: share of a hand-written loop's rows/s", "iteration", "backfill_share", 0.90, share,
        iteration.NOTE,
    ),
    Target(
        "backfill, item by item: 5 us an item over ours beyond the read", "iteration", "item_beyond_read_us",
        1.0, at_most(5.0),
    ),
    Target(
        "backfill: two processes, times one's rows/s", "iteration", "backfill_2_processes_gain", 1.0, share,
        iteration.CURVE_NOTE,
    ),
    Target(
        "TERM to exit: 1 s over the p99, batches of 200 ms", "iteration", "term_exit_p99_ms", 1.0,
        always_at_most(1000.0), "the worst of the rounds",
    ),
    Target("pause: no batch begun after it", "iteration", "pause_batches_begun_after", 1.0, never),
    Target(
        "migrations: 5 ms over a check where nothing is pending", "migrations", "idle_ms", 1.0, at_most(5.0)
    ),
    Target("migrations: one query over those of that check", "migrations", "idle_queries", 1.0, at_most(1.0)),
    Target(
        "migrations: 1 s over plan and status, 500 on 200 pods", "migrations", "plan_and_status_ms", 1.0,
        at_most(1000.0),
    ),
    *(
        Target(
            f"online copy{beside}: times {of}", "online_copy", f"online_copy{which}_rows_per_s", least,
            times_own(other), note,
        )
        for beside, which in (("", ""), (" beside a steady writer", "_steady"))
        for of, other, least, note in (
            ("pt-online-schema-change's rows/s", f"pt_osc{which}_rows_per_s", 1.0, ""),
            ("the blocking COPY's rows/s", "blocking_copy_rows_per_s", 0.6, online_copy.BLOCKING_NOTE),
        )
    ),
    Target(
        "online copy: twice a writer's p99 without it, over that beside it", "online_copy",
        "writer_online_copy_p99_ms", 1.0, at_most_times(2.0, "writer_no_change_p99_ms"), "at full speed",
    ),
    Target(
        "online copy: the lock budget over a writer's longest wait", "online_copy",
        "writer_online_copy_longest_ms", 1.0, always_at_most(1000.0 * online_copy.LOCK_BUDGET_SECONDS),
        "the worst of the rounds",
    ),
    Target(
        "online copy: no statement of a writer fails", "online_copy", "writer_online_copy_errors", 1.0, never
    ),
    Target(
        "move: times the rows/s of mariadb-dump | mariadb", "moves", "move_copy_rows_per_s", 0.7,
        times_own("move_dump_rows_per_s"), moves.DUMP_NOTE,
    ),
    Target(
        "move: catch-up, changed rows/s over 5,000", "moves", "move_catch_up_rows_per_s", 1.0,
        at_least(5000.0),
    ),
    Target(
        "move: 100 ms over the p50 of blocked writes", "moves", "move_blocked_p50_ms", 1.0, at_most(100.0),
        moves.NOTE,
    ),
    Target(
        "move: 500 ms over the p99 of blocked writes", "moves", "move_blocked_p99_ms", 1.0,
        always_at_most(500.0), moves.NOTE,
    ),
    Target(
        "move: blocked p50, 1.5 times that of 4,000 lines over that of 400,000", "moves",
        "move_blocked_400k_p50_ms", 1.0, at_most_times(1.5, "move_blocked_4k_p50_ms"),
    ),
    Target(
        "evacuation: twice the p99 wait of others' jobs before, over that meanwhile", "moves",
        "job_wait_evacuating_p99_ms", 1.0, at_most_times(2.0, "job_wait_calm_p99_ms"), moves.NOTE,
    ),
    Target("directory cache: 2 us over the cost of a hit", "directory_cache", "hit_us", 1.0, at_most(2.0)),
)  # fmt: skip
