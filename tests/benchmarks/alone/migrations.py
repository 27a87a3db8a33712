"""Migrations: what a pod with nothing pending costs, and a fleet's plan and status: 500 migrations, 200 pods.

On MariaDB, which has a core of its own. Ledgers, plans and what pods have told of themselves stand in it as
after those 500 migrations, but for ten that the plan is in the middle of: 100,000 rows in all. It is asked as
podwork asks it itself: the check is a turn of a worker's runner with its files loaded, as they are from a
worker's first turn on; plan and status are what `podctl migrations plan` and `status` ask, without printing.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from sqlalchemy import Connection, event, insert, text, update

from podwork import App
from podwork.settings import load
from podwork_migrations.change.ways import SchemaRoutes
from podwork_migrations.copy.applier import OnlineCopy
from podwork_migrations.gate import Go
from podwork_migrations.ledger.entry import Direction
from podwork_migrations.ledger.ledger import Ledger
from podwork_migrations.ledger.states import EntryState
from podwork_migrations.library import Library
from podwork_migrations.plan import schema, watching
from podwork_migrations.plan.cells import Cell
from podwork_migrations.plan.gate import PlanGate
from podwork_migrations.plan.plan import Plan, PlanOptions
from podwork_migrations.plan.plans import Plans
from podwork_migrations.plan.store import PlanStore
from podwork_migrations.runner import service
from podwork_migrations.runner.outcome import Ending
from podwork_migrations.runner.runner import Runner
from podwork_ops.composition import Platform, open_platform
from podwork_pods import Pod
from tests.benchmarks.harness.measured import Figures, percentile
from tests.benchmarks.harness.stage import Stage
from tests.benchmarks.harness.trouble import Trouble
from tests.benchmarks.servers import private_mariadb

MIGRATIONS, PODS = 500, 200
UNDER_WAY, OF_PODS = 10, 20
"""So many migrations at the end are not applied everywhere; so many pods are in the middle of one."""
TURNS, LOOKS = 300, 5
_FIRST = 1_767_225_600
"""When the first one was written, in seconds since 1970."""
POD = 1
_SETTINGS = """\
[topology]
registry_url = "sqlite:///{folder}/registry.db"
directory_url = "{plans_url}"
[migrations]
folder = "{folder}/files"
"""
_FILE = '''"""Add a column."""
import sqlalchemy as sa

from podwork_migrations.declared import schema


@schema
def up(op):
    op.add_column("orders", sa.Column("column_{number}", sa.String(20)))
'''

T = TypeVar("T")


def measure(stage: Stage, scale: float) -> Figures:
    """Measure the check first, then plan and status of the fleet."""
    with _fleet(stage, max(20, int(MIGRATIONS * scale))) as (platform, library):
        return {
            **_check(platform, library, max(20, int(TURNS * scale))),
            **_plan_and_status(platform, library),
        }


def _check(platform: Platform, library: Library, turns: int) -> Figures:
    """Take turns on a pod where everything is applied."""
    _apply_all(platform, library)
    sent: list[str] = []
    for autocommit in (False, True):
        _listen(platform.topology.connections.engine(POD, autocommit=autocommit), sent)
    runner = _runner(platform)
    _turn(runner)  # it connects, and loads the files
    sent.clear()
    taken = [_timed(partial(_turn, runner))[0] for _ in range(turns)]
    return {
        "idle_ms": round(statistics.median(taken), 3),
        "idle_p99_ms": round(percentile(sorted(taken), 99), 3),
        "idle_queries": len(sent) / turns,
    }


def _plan_and_status(platform: Platform, library: Library) -> Figures:
    """Plan all migrations for all pods, then look at that plan in the middle of its last ten."""
    store = PlanStore.open(platform.settings)
    sent: list[str] = []
    _listen(store.engine, sent)
    pods = [Pod(number, "sqlite:///x.db", "redis://h:1/0") for number in range(1, PODS + 1)]
    plans = Plans(store, lambda: pods)
    options = PlanOptions(soak_seconds=0, max_migrating_pods=OF_PODS)
    try:
        plan_ms, plan = _timed(lambda: plans.create(library.migrations, options=options))
        plans.start(plan.number, library.migrations)
        with store.engine.begin() as connection:
            _tell(connection, plan, library)
        sent.clear()
        looks = [_timed(lambda: watching.read(store, pods, plan.number)) for _ in range(LOOKS)]
        status = looks[0][1]
        if len(status.pods) != PODS or len(status.versions) != len(library) or len(status.moving) != OF_PODS:
            raise Trouble(f"the status has {len(status.pods)} pods, {len(status.versions)} migrations")
        status_ms = statistics.median(milliseconds for milliseconds, _ in looks)
        return {
            "plan_ms": round(plan_ms, 1),
            "status_ms": round(status_ms, 1),
            "plan_and_status_ms": round(plan_ms + status_ms, 1),
            "status_queries": len(sent) / LOOKS,
        }
    finally:
        store.close()


def _timed(ask: Callable[[], T]) -> tuple[float, T]:
    """Return the milliseconds that it took, and the answer."""
    began = time.perf_counter()
    answer = ask()
    return (time.perf_counter() - began) * 1e3, answer


def _turn(runner: Runner) -> None:
    outcome = runner.turn("bench")
    if outcome.ending is not Ending.IDLE:
        raise Trouble(f"a pod with nothing pending is not idle: {outcome}")


def _runner(platform: Platform) -> Runner:
    """Return the pod's runner, as its workers have it."""
    store = PlanStore.open(platform.settings)
    return service.compose(
        platform.topology,
        App("migrations"),
        POD,
        platform.settings.migrations,
        "bench",
        PlanGate(store, platform.registry.list),
        SchemaRoutes(OnlineCopy(), lock_budget_seconds=platform.settings.migrations.lock_budget_seconds),
        lambda _connection, _done: None,
    )


def _listen(engine: Any, sent: list[str]) -> None:
    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)


def _apply_all(platform: Platform, library: Library) -> None:
    """Write the pod's ledger as it is when everything was applied, and the plan has heard of it."""
    ledger = Ledger(POD, lambda: platform.engine(POD))
    with platform.engine(POD).begin() as connection:
        for migration in library:
            entry = ledger.begin(
                connection, migration, Go("plan-1", 0), owner="bench", epoch=1, code_revision="bench"
            )
            entry = ledger.enter(connection, entry, EntryState.APPLIED)
            ledger.note(connection, entry, reported=EntryState.APPLIED)


def _tell(connection: Connection, plan: Plan, library: Library) -> None:
    """Write what the pods of the fleet have told, all at once."""
    done = len(library) - UNDER_WAY
    for pod_id in range(1, PODS + 1):
        is_moving = pod_id <= OF_PODS
        told = [*library.migrations[:done], *library.migrations[done : done + is_moving]]
        rows = [_report(plan, pod_id, migration, number >= done) for number, migration in enumerate(told)]
        connection.execute(insert(schema.reports), rows)
    cells = Cell.APPLIED * done + Cell.PENDING * UNDER_WAY
    connection.execute(update(schema.placements).values(cells=cells, state="waiting"))
    connection.execute(text("UPDATE podwork_plans SET wave = waves - 1"))


def _report(plan: Plan, pod_id: int, migration: Any, is_running: bool) -> dict[str, Any]:
    now = time.time()
    return {
        "pod_id": pod_id,
        "version": migration.version,
        "plan_id": plan.id,
        "state": EntryState.RUNNING if is_running else EntryState.APPLIED,
        "direction": Direction.UP,
        "checksum": migration.checksum,
        "stage": "",
        "route": "instant",
        "rows_done": 1 if is_running else None,
        "rows_total": 2 if is_running else None,
        "rate": None,
        "throttle_reason": "",
        "started": now,
        "heartbeat": now,
        "error": "",
        "lease_epoch": 1,
        "attempts": 1,
        "at": now,
    }


@contextmanager
def _fleet(stage: Stage, migrations: int) -> Iterator[tuple[Platform, Library]]:
    """Open a pod on MariaDB, with its tables, and with so many files; everything is gone afterwards."""
    with (
        TemporaryDirectory(prefix="migrations-", dir=stage.folder) as made,
        private_mariadb(stage.folder) as server,
    ):
        folder = Path(made)
        (folder / "files").mkdir()
        _write(folder / "files", range(1, migrations + 1))
        config = folder / "podwork.toml"
        config.write_text(_SETTINGS.format(folder=folder, plans_url=server.create_database("plans")))
        shard_url = server.create_database("shard")
        with open_platform(load(environment={}, file=config).settings) as platform:
            platform.topology.prepare()
            platform.registry.put(Pod(POD, shard_url=shard_url, redis_url=stage.redis.url))
            platform.prepare_shard(POD)
            yield platform, platform.migrations.library


def _write(folder: Path, numbers: Sequence[int]) -> None:
    for number in numbers:
        version = datetime.fromtimestamp(_FIRST + number, UTC).strftime("%Y%m%d%H%M%S")
        (folder / f"{version}_add_{number}.py").write_text(_FILE.format(number=number))
