"""What a plan is signed over beside its files: the linter's word, and the routes on the canary's shard.

Owns: `gather`, `again`, `Evidence`. Promises: the shard is only asked; a canary that does not answer leaves
routes open, which is then shown and not signed. A route that depends on what an earlier migration does first
is told when its turn comes. Leaves to others: signing (`podwork_migrations.plan`), the look
(`migration_plan_report`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from podwork.errors import PodworkError
from podwork_migrations.errors import LockBusy, MigrationFailed
from podwork_migrations.library import Library
from podwork_migrations.migration import Kind, Migration
from podwork_migrations.plan.plan import Plan
from podwork_ops.cli.migration_findings import Found, linted, signature
from podwork_ops.composition import Platform

LINT = "what the linter found"
ROUTE = "the route of "


class Route(NamedTuple):
    """How a migration would go on the canary's shard now; `name` is "" where nobody can tell yet."""

    name: str
    why: str


class Evidence(NamedTuple):
    """What was looked at. `silence`: why the canary's shard could not be asked; None: it was."""

    pod_id: int
    findings: Sequence[Found]
    routes: Mapping[str, Route]
    silence: PodworkError | None

    @property
    def signed(self) -> dict[str, str]:
        """What of it is signed, by names for people."""
        routes = {f"{ROUTE}{version}": route.name for version, route in self.routes.items() if route.name}
        return {LINT: signature(self.findings), **routes}


def gather(platform: Platform, pod_id: int, migrations: Sequence[Migration]) -> Evidence:
    """Look at migrations on a pod's shard, which does not have them yet."""
    try:
        with platform.migrations.looking(pod_id) as connection:
            findings = linted(migrations, None, connection, platform.migrations.limits)
            return Evidence(pod_id, findings, _routes(platform, connection, migrations), None)
    except PodworkError as error:
        # Its kind is not known then: for both servers, as without a shard.
        findings = [each for dialect in ("mariadb", "mysql") for each in linted(migrations, dialect)]
        return Evidence(pod_id, findings, {}, error)


def again(platform: Platform, plan: Plan, library: Library, canary: int) -> Mapping[str, str] | None:
    """Return what a plan was signed over, as it is now; None: a file is gone, which its start says better.

    Raises:
        PodworkError: the canary's shard does not answer.
    """
    versions = [each.version for each in platform.migrations.plans.versions(plan)]
    if any(version not in library for version in versions):
        return None
    found = gather(platform, canary, [library[version] for version in versions])
    if found.silence is not None:
        raise found.silence
    # A route that was not known then, or is not now, is told when its turn comes.
    return {name: found.signed.get(name, signed) for name, signed in plan.evidence.items()}


def _routes(platform: Platform, connection: Connection, migrations: Sequence[Migration]) -> dict[str, Route]:
    schema = [one for one in migrations if one.kind is Kind.SCHEMA]
    return {one.version: _route(platform, connection, one) for one in schema}


def _route(platform: Platform, connection: Connection, migration: Migration) -> Route:
    from podwork_migrations.ledger.entry import Direction  # noqa: PLC0415 - with Alembic, for this only

    try:
        plan = platform.migrations.routes.plan(connection, migration, Direction.UP)
    except MigrationFailed as error:
        return Route("", f"told when its turn comes; as the shard is now: {error.why}")
    except LockBusy as error:
        return Route("", f"told when its turn comes: {error.what}")
    return Route(plan.route, plan.reason)
