"""What a fleet under fire must look like at its end, counted in its tables and not asked of the product."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, text

from podwork_pods.engines import reader
from tests.support import chaos_witness
from tests.support.chaos_files import FAILING, File
from tests.support.chaos_fleet import ChaosFleet
from tests.support.chaos_shop import ROWS
from tests.support.chaos_witness import TRIGGERS

COLUMNS = ("id", "n", "hits", "code", "legacy")


def check(fleet: ChaosFleet) -> int:
    """Raise unless everything was done once, one after the other, in its wave; return the widest moment."""
    changes = fleet.witness.changes()
    chaos_witness.check_lines(fleet.witness.steps())
    chaos_witness.check_ledgers(changes, fleet.versions)
    options = fleet.scene.options
    watched = {wave: options.watch_seconds(wave) for wave in range(len(options.waves))}
    chaos_witness.check_waves(changes, fleet.waves(), fleet.legs(), watched)
    for pod in fleet.pods:
        assert [entry.version for entry in fleet.entries(pod)] == fleet.versions
        check_attempts(fleet, pod)
        with reader(fleet.platform.engine(pod)).connect() as connection:
            check_effects(connection, fleet)
    check_halts(fleet)
    return chaos_witness.check_width(changes, options.max_migrating_pods)


def check_attempts(fleet: ChaosFleet, pod: int) -> None:
    """Only what failed was tried again."""
    for entry in fleet.entries(pod):
        is_retried = fleet.files[entry.version] is FAILING and pod in fleet.scene.failing
        assert entry.attempts == (2 if is_retried else 1), f"pod {pod}: {entry}"


def check_halts(fleet: ChaosFleet) -> None:
    """While the plan stood still a pod began at most what it had been let go for before."""
    for began, ended in fleet.halts:
        found = [
            pod
            for (pod, _), both in chaos_witness.times_of(fleet.witness.changes()).items()
            if began < both.began < ended
        ]
        assert len(found) == len(set(found)), f"begun while it halted from {began} to {ended}: {found}"


def check_effects(connection: Connection, fleet: ChaosFleet) -> None:
    """Each change is there once, in the order of the files; jobs lost nothing by it; nothing else is left."""
    files = list(fleet.files.values())
    names = [file.name for file in files]
    fills = [name for name in names if name in ("fill_once", "fill_again")]
    small = [name for name in names if name == "fill_extra"]
    _same(_list(connection, "SHOW COLUMNS FROM items"), _columns(files), "columns")
    _same(set(_list(connection, "SHOW INDEX FROM items", "Key_name")), {"PRIMARY"}, "indexes of items")
    _same(set(_list(connection, "SHOW INDEX FROM codes", "Key_name")), {"PRIMARY", "uq_codes"}, "of codes")
    told = sorted([*fills, *small, *(["on_complete"] * len(fills))])
    _same(sorted(_list(connection, "SELECT what FROM told")), told, "told")
    _same(_list(connection, "SELECT n FROM items"), [len(fills)] * ROWS, "increments of each row")
    if small:
        _same(_list(connection, "SELECT what FROM extra"), small, "small SQL")
    jobs = fleet.pushed // len(fleet.pods)
    _same(_list(connection, "SELECT COUNT(*) FROM effects"), [jobs], "jobs")
    _same(_list(connection, "SELECT CAST(SUM(hits) AS SIGNED) FROM items"), [jobs], "hits by jobs")
    ours = {"items", "codes", "told", "effects", *(["extra"] if small else [])}
    _same(set(_list(connection, "SHOW TABLES")), ours | fleet.tables, "tables")
    _same(set(_list(connection, "SHOW TRIGGERS")), TRIGGERS, "triggers")


def _same(found: object, wanted: object, what: str) -> None:
    assert found == wanted, f"{what}: {found}, not {wanted}"


def _columns(files: list[File]) -> list[str]:
    columns = list(COLUMNS)
    for file in files:
        if file.name.startswith("add_"):
            columns.append(file.name.removeprefix("add_"))
        if file.name == "drop_legacy":
            columns.remove("legacy")
    return columns


def _list(connection: Connection, query: str, column: str | int = 0) -> list[Any]:
    """Return a column of all rows."""
    rows = connection.execute(text(query))
    place = column if isinstance(column, int) else list(rows.keys()).index(column)
    return [row[place] for row in rows]
