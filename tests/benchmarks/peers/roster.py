"""Who takes part, how each is started, and how much each gets to do.

Owns: the table. The settings are those under which each peer was fastest when they were compared (with each
peer's reason in its program); results are off and logs quiet wherever that can be said. Amounts are such that
a phase takes one to three seconds. Leaves to others: versions (`ops/deploy/peers/`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
INSTALLED = REPOSITORY / "build" / "peers"
PROGRAMS = "tests.benchmarks.peers"
PODWORK = "podwork"


@dataclass(frozen=True, slots=True)
class Amounts:
    """How many jobs each phase gets; `bulk` of 0: the peer has no call for many."""

    single: int
    bulk: int
    drain: int
    pause: int
    kill: int = 4_000


@dataclass(frozen=True, slots=True)
class Contestant:
    """One system in one setting.

    `slots` is how many jobs it runs at a time, for the arithmetic limit of jobs that only wait. `pushes`: its
    client is measured too; a second setting of the same peer shares the first one's.
    """

    name: str
    kind: str
    """`python`, `ruby` or `node`."""
    work: tuple[str, ...]
    push: tuple[str, ...]
    amounts: Amounts
    slots: int = 10
    pushes: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)
    home: str = ""
    """The peer's folder under `build/peers`; empty: none."""

    def missing(self) -> str | None:
        """Say why it cannot take part; None: it can."""
        if self.kind == "ruby":
            return _missing_gem(self.name)
        if self.kind == "node" and shutil.which("node") is None:
            return "node is not installed"
        if self.home and not (INSTALLED / self.home / ".installed").exists():
            return "not installed, run make bench-peers"
        return None

    def command(self, arguments: tuple[str, ...]) -> list[str]:
        """Return the command line for `work` or `push`."""
        return [self._interpreter(), *arguments]

    def surroundings(self, redis_url: str, marks: Path) -> dict[str, str]:
        """Return the environment in which its programs run."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PODWORK_", "BENCH_"))
        }
        return {
            **kept,
            "PYTHONPATH": str(REPOSITORY),
            "NODE_PATH": str(INSTALLED / self.home / "node_modules"),
            "NODE_ENV": "production",
            "BENCH_REDIS_URL": redis_url,
            "BENCH_MARKS": str(marks),
            **self.environment,
        }

    def _interpreter(self) -> str:
        if self.kind != "python":
            return {"ruby": "ruby", "node": "node"}[self.kind]
        return str(INSTALLED / self.home / "bin" / "python") if self.home else sys.executable


def _missing_gem(name: str) -> str | None:
    if shutil.which("ruby") is None:
        return "ruby is not installed"
    probe = ["ruby", "-e", f"require '{name}'; require 'json'; IO::Buffer"]
    found = subprocess.run(probe, capture_output=True, check=False)
    return None if found.returncode == 0 else f"ruby has no {name}, install ruby-{name}"


def _module(name: str, *arguments: str) -> tuple[str, ...]:
    return ("-m", f"{PROGRAMS}.{name}", *arguments)


def _celery(pool: str, *, late: bool) -> Contestant:
    concurrency, prefetch = (1, 100) if pool == "prefork" else (10, 4)
    return Contestant(
        f"celery-{pool}" + ("-late" if late else ""),
        "python",
        (
            *("-m", "celery", "-A", f"{PROGRAMS}.celery:app", "worker", "-l", "WARNING"),
            *("-P", pool, "-c", str(concurrency), "--prefetch-multiplier", str(prefetch)),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        ),
        _module("celery"),
        Amounts(3_000, 0, 1_800, 300 if pool == "prefork" else 1_500),
        slots=concurrency,
        pushes=pool == "prefork" and not late,
        environment={"BENCH_LATE": "1" if late else "0"},
        home="celery",
    )


_SIDEKIQ = "tests/benchmarks/peers/sidekiq.rb"
_BULLMQ = "tests/benchmarks/peers/bullmq.cjs"
_RUBY = ("-W:no-experimental",)

CONTESTANTS = (
    Contestant(
        PODWORK,
        "python",
        (
            *("-m", "podwork_ops.cli", "workers", "--pod", "1", "--app", f"{PROGRAMS}.podwork:app"),
            *("--threads", "10", "--log-level", "warning"),
        ),
        _module("podwork"),
        Amounts(15_000, 120_000, 120_000, 5_000),
    ),
    _celery("prefork", late=False),
    _celery("prefork", late=True),
    _celery("threads", late=False),
    _celery("threads", late=True),
    Contestant(
        "rq", "python", _module("rq", "work"), _module("rq"), Amounts(4_000, 8_000, 800, 250),
        slots=1, home="rq",
    ),
    Contestant(
        "dramatiq", "python",
        ("-m", "dramatiq", f"{PROGRAMS}.dramatiq", "-p", "1", "-t", "8"),
        _module("dramatiq"), Amounts(8_000, 0, 15_000, 3_000),
        slots=8, environment={"dramatiq_queue_prefetch": "100"}, home="dramatiq",
    ),
    Contestant(
        "huey", "python",
        ("-m", "huey.bin.huey_consumer", f"{PROGRAMS}.huey.queue", "-w", "10", "-k", "thread", "-n", "-q"),
        _module("huey"), Amounts(15_000, 0, 12_000, 3_000),
        home="huey",
    ),
    Contestant(
        "arq", "python", _module("arq", "work"), _module("arq"), Amounts(5_000, 0, 4_000, 4_000),
        slots=50, home="arq",
    ),
    Contestant(
        "taskiq", "python",
        (
            *("-m", "taskiq", "worker", f"{PROGRAMS}.taskiq:broker", "-w", "1", "--log-level", "WARNING"),
            *("--max-async-tasks", "50", "--max-prefetch", "100"),
        ),
        _module("taskiq"), Amounts(4_000, 0, 4_000, 4_000),
        slots=50, home="taskiq",
    ),
    Contestant(
        "saq", "python", _module("saq", "work"), _module("saq"), Amounts(8_000, 10_000, 4_000, 4_000),
        slots=50, home="saq",
    ),
    Contestant(
        "streaq", "python", _module("streaq", "work"), _module("streaq"),
        Amounts(4_000, 10_000, 2_500, 2_000),
        slots=50, environment={"COREDIS_OPTIMIZED": "true"}, home="streaq",
    ),
    Contestant(
        "sidekiq", "ruby",
        (*_RUBY, "-S", "sidekiq", "-r", f"./{_SIDEKIQ}", "-c", "10", "-q", "default"),
        (*_RUBY, _SIDEKIQ, "push"), Amounts(12_000, 80_000, 30_000, 4_000),
    ),
    Contestant(
        "bullmq", "node", (_BULLMQ, "work"), (_BULLMQ, "push"), Amounts(12_000, 30_000, 30_000, 8_000),
        slots=50, home="bullmq",
    ),
)  # fmt: skip

PODWORK_ITSELF = CONTESTANTS[0]
PYTHON_PEERS = tuple(
    contestant.name
    for contestant in CONTESTANTS
    if contestant.kind == "python" and contestant.name != PODWORK
)
