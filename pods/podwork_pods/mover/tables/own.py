"""podwork's own tables in a shard, and what becomes of their rows when a shop moves.

Owns: `MOVING` and `STAYING`, and `is_known`. Promises: a table of podwork that stands in neither stops moves,
as an undeclared one of the application does: none is left behind because somebody forgot it. Leaves to
others: their columns (`outbox.schema`, `iteration.schema`, ...).

Some columns are not what they were at the source: `rewritten`; and some numbers are given by the target's
shard: `given`. What is in quarantine has no key but such a number: its rows go with their run's (`grouped`).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from podwork_pods.mover.tables.declaration import Declared, joined, shop
from podwork_pods.mover.tables.table import Rewrite

OWN_PREFIX: Final = "podwork_"
PASSING_PREFIXES: Final = ("_podwork_", "sqlite_")
"""What migrations make on their way, and SQLite's: of no shop."""


class OwnTable(NamedTuple):
    """A table of podwork whose rows travel."""

    declared: Declared
    key: tuple[str, ...]
    given: tuple[str, ...] = ()
    rewritten: tuple[tuple[str, Rewrite], ...] = ()
    grouped: bool = False


MOVING: Final = (
    OwnTable(
        shop("podwork_outbox"),
        key=("job_id",),
        given=("id",),
        rewritten=(("epoch", Rewrite.EPOCH), ("relayed", Rewrite.ON_THE_WAY)),
    ),
    OwnTable(shop("podwork_runs"), key=("id",), rewritten=(("pod_id", Rewrite.POD),)),
    OwnTable(
        joined("podwork_partitions", through="podwork_runs", on={"run_id": "id"}), key=("run_id", "number")
    ),
    OwnTable(
        joined("podwork_quarantined", through="podwork_runs", on={"run_id": "id"}),
        key=("run_id",),
        given=("id",),
        grouped=True,
    ),
)

STAYING: Final = frozenset(
    {
        "podwork_fence",
        "podwork_generation",
        "podwork_left_out",
        "podwork_migration_line",
        "podwork_migrations",
        "podwork_move_progress",
        "podwork_standstill",
        "podwork_transit",
        # Of the directory and the registry, which may stand in a shard's database.
        "directory_allocations",
        "directory_changes",
        "directory_counters",
        "directory_extents",
        "directory_shops",
        "podwork_migration_pods",
        "podwork_migration_reports",
        "podwork_move_events",
        "podwork_move_plan_shops",
        "podwork_move_plans",
        "podwork_moves",
        "podwork_plan_counters",
        "podwork_plan_deeds",
        "podwork_plan_pods",
        "podwork_plan_versions",
        "podwork_plans",
        "podwork_schemas",
        "registry_changes",
        "registry_pods",
        "registry_workers",
    }
)


def is_known(name: str) -> bool:
    """Whether a table is podwork's and it is known what becomes of it, or is of nobody."""
    moving = any(own.declared.name == name for own in MOVING)
    return moving or name in STAYING or name.startswith(PASSING_PREFIXES)
