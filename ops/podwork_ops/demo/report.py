"""What the demo found: totals, a row per pod, and everything that is not as it must be.

Owns: `DemoReport`, its verdict, its table and its JSON. Promises: `ok` is true only if every check held:
each basket has exactly one right order, revenues are right, every row is in its shop's pod, nothing is
dead, and the kill was survived, that is, at least one job was reclaimed; a shop has moved, if there was a pod
to move to; the backfill did every line, was interrupted, and all its runs succeeded; both migrations are
applied on every pod, one after a retry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

SHOWN_FINDINGS = 20
MIGRATIONS = 2
COUNTED = ("shops", "orders", "jobs", "retries", "reclaimed", "dead")


@dataclass(frozen=True, slots=True)
class PodRow:
    """One pod's part."""

    pod_id: int
    shops: int
    orders: int
    jobs: int
    retries: int
    reclaimed: int
    dead: int
    jobs_per_second: float


@dataclass(frozen=True, slots=True)
class Kill:
    """The worker that was killed in mid-run."""

    pod_id: int
    pid: int
    held: int
    """How many jobs it held at its end."""


@dataclass(frozen=True, slots=True)
class Backfill:
    """The backfill over all lines; `kill.held` counts partitions."""

    lines: int
    rows_done: int
    states: list[str]
    """How the run of each pod ended."""
    interruptions: int
    kill: Kill
    seconds: float
    applied: Mapping[int, int]
    """By pod: how many migrations are applied there; two were to be."""
    retries: int
    """How often a migration was tried again after it had failed."""
    jobs_meanwhile: int
    """How many other jobs were enqueued meanwhile."""

    def problems(self) -> Iterator[str]:
        """Yield a line for each thing that is not as it must be."""
        if self.rows_done != self.lines:
            yield f"the backfill counts {self.rows_done:,} of {self.lines:,} lines"
        if set(self.states) != {"succeeded"}:
            yield f"the backfill's runs ended {', '.join(self.states)}"
        if self.interruptions < len(self.states):
            yield f"the backfill was interrupted only {self.interruptions} times"
        for pod_id, number in self.applied.items():
            if number != MIGRATIONS:
                yield f"{number} of {MIGRATIONS} migrations are applied on pod {pod_id}"
        if self.retries != 1:
            yield f"a migration was to fail and be retried once, not {self.retries} times"
        if not self.jobs_meanwhile:
            yield "no job was enqueued while pods migrated"


@dataclass(frozen=True, slots=True)
class ShopMove:
    """The largest shop's move from pod to pod."""

    shop_id: int
    from_pod: int
    to_pod: int
    state: str
    """How it ended; it was to be done."""
    reason: str
    """Why it ended so, as its log says."""
    rows: int
    """How many rows the shop had when the move began."""
    jobs: int
    """How many of its jobs went along."""
    blocked_seconds: float
    """How long its writes stood still: from fenced to open, by the move's log."""
    seconds: float

    def __str__(self) -> str:
        if self.state != "done":
            return f"shop {self.shop_id} did not move to pod {self.to_pod}: {self.state}, {self.reason}"
        return f"shop {self.shop_id} is on pod {self.to_pod}; its writes stood still for {self._blocked}"

    def problems(self) -> Iterator[str]:
        """Yield a line if it is not as it must be."""
        if self.state != "done":
            yield str(self)

    def verdicts(self) -> Iterator[str]:
        """Yield what is to be told of a move that is done."""
        went = f"{self.rows:,} rows and " + (f"{self.jobs:,} jobs" if self.jobs else "no job left to do")
        yield f"shop {self.shop_id} moved from pod {self.from_pod} to pod {self.to_pod} with {went}"
        yield f"its writes stood still for {self._blocked}, and every order is where the shop is"

    @property
    def _blocked(self) -> str:
        return f"{self.blocked_seconds:.2f} s"


@dataclass(frozen=True, slots=True)
class DemoReport:
    """The whole result."""

    baskets: int
    pods: list[PodRow]
    findings: list[str]
    kill: Kill | None
    run_seconds: float
    """From the first job enqueued to the last one finished."""
    backfill: Backfill | None = None
    move: ShopMove | None = None
    """None: there was one pod."""
    form: str = "embedded"
    """What the stack was made of."""
    step_seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def mismatches(self) -> int:
        """How many things are not as they must be in the shards."""
        return len(self.findings)

    @property
    def ok(self) -> bool:
        """Whether every check held."""
        return not list(self.problems())

    def total(self, column: str) -> int:
        """Return the sum of a column of the pods' rows."""
        return sum(getattr(row, column) for row in self.pods)

    def problems(self) -> Iterator[str]:
        """Yield a line for each check that did not hold."""
        if self.total("orders") != self.baskets:
            yield f"{self.total('orders'):,} orders for {self.baskets:,} baskets"
        if self.total("dead"):
            yield f"{self.total('dead'):,} jobs in the dead set"
        if not self.total("reclaimed"):
            yield "no job was reclaimed"
        if self.move:
            yield from self.move.problems()
        elif len(self.pods) > 1:
            yield "no shop moved"
        yield from self.backfill.problems() if self.backfill else ["there was no backfill"]
        yield from self.findings[:SHOWN_FINDINGS]
        if len(self.findings) > SHOWN_FINDINGS:
            yield f"... and {len(self.findings) - SHOWN_FINDINGS:,} more"

    def document(self) -> dict[str, Any]:
        """Return what `-o json` prints."""
        return {
            "ok": self.ok,
            "orders": self.total("orders"),
            "mismatches": self.mismatches,
            "reclaimed": self.total("reclaimed"),
            "dead": self.total("dead"),
            "baskets": self.baskets,
            "jobs": self.total("jobs"),
            "retries": self.total("retries"),
            "jobs_per_second": round(self._rate(), 1),
            "run_seconds": round(self.run_seconds, 3),
            "form": self.form,
            "pods": [{**asdict(row), "jobs_per_second": round(row.jobs_per_second, 1)} for row in self.pods],
            "kill": asdict(self.kill) if self.kill else None,
            "move": asdict(self.move) if self.move else None,
            "backfill": asdict(self.backfill) if self.backfill else None,
            "step_seconds": {name: round(seconds, 3) for name, seconds in self.step_seconds.items()},
            "problems": list(self.problems()),
        }

    def show(self, console: Console) -> None:
        """Print the table and the verdict."""
        console.print()
        console.print(self._table())
        console.print()
        for problem in self.problems():
            console.print(f"[red]✗[/] {problem}" if console.is_terminal else f"failed: {problem}")
        if self.ok:
            lines = self.backfill.lines if self.backfill else 0
            for verdict in (
                "every check held: one order per basket, equal revenues, no row misplaced",
                *(self.move.verdicts() if self.move else ()),
                "both migrations are applied on every pod, once, though one had failed",
                f"the backfill survived restarts and a kill: {lines:,} net prices to the cent",
            ):
                console.print(f"[green]✓[/] {verdict}" if console.is_terminal else verdict)

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold", show_footer=True)
        footer = [
            "total",
            *(
                f"{self.total(name):,}"
                for name in ("shops", "orders", "jobs", "retries", "reclaimed", "dead")
            ),
            f"{self._rate():,.0f}",
        ]
        headers = ["POD", "SHOPS", "ORDERS", "JOBS", "RETRIES", "RECLAIMED", "DEAD", "JOBS/S"]
        for header, total in zip(headers, footer, strict=True):
            table.add_column(header, total, justify="left" if header == "POD" else "right", no_wrap=True)
        for row in self.pods:
            counts = (row.shops, row.orders, row.jobs, row.retries, row.reclaimed, row.dead)
            cells = [f"{count:,}" for count in counts]
            table.add_row(str(row.pod_id), *cells, f"{row.jobs_per_second:,.0f}")
        return table

    def _rate(self) -> float:
        return self.total("jobs") / self.run_seconds if self.run_seconds else 0.0
