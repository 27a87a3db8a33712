"""A plan over a fleet whose workers are killed, frozen and cut off: waves, lines and effects hold.

Two schedules a pod take turns of its migrations, in two processes at least, each of which may lead. The
database itself writes down who did what under which epoch (`chaos_witness`); effects are counted in tables.
`make test-long` plays eight pods and twelve migrations.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from podwork_migrations.plan.plan import PlanOptions
from podwork_ops.local.mariadb import MariadbServer
from podwork_ops.local.redis import RedisServer
from tests.support import chaos_files, chaos_verdict
from tests.support.chaos_fire import Fire
from tests.support.chaos_fleet import ChaosFleet, Scene, chaos_fleet
from tests.support.processes import Processes
from tests.support.servers import PrivateServers
from tests.support.wait import until

SHORT = Scene(
    pods=3,
    workers=1,
    processes=2,
    files=chaos_files.FIVE,
    options=PlanOptions(soak_seconds=0.3, waves=("1", "100%"), max_migrating_pods=2),
    failing=(1,),
)
LONG = Scene(
    pods=8,
    workers=1,
    processes=2,
    files=chaos_files.TWELVE,
    options=PlanOptions(
        soak_seconds=2.0, rest_seconds=1.0, waves=("1", "25%", "50%", "100%"), max_migrating_pods=3
    ),
    failing=(1, 7, 8),
)


@pytest.fixture
def redis_urls(private_servers: PrivateServers, request: pytest.FixtureRequest) -> Iterator[list[str]]:
    servers = [private_servers.start(RedisServer) for _ in range(request.param)]
    yield [server.url for server in servers]
    for server in servers:
        server.stop()


def a_seed() -> int:
    """Return a seed, which a failure names; `PODWORK_FUZZ_SEED` gives it."""
    return int(os.environ.get("PODWORK_FUZZ_SEED", random.randrange(1_000_000)))


@pytest.mark.slow
@pytest.mark.servers
@pytest.mark.timeout(600)
@pytest.mark.parametrize("redis_urls", [SHORT.pods], indirect=True)
def test_three_pods_whose_processes_have_fits(
    mariadb_url: str, redis_urls: list[str], tmp_path: Path, processes: Processes
) -> None:
    with chaos_fleet(SHORT, tmp_path, processes, mariadb_url, redis_urls) as fleet:
        seed = a_seed()
        fleet.start_all()
        fleet.let_go()
        fleet.fire = Fire(fleet, seed, pause_seconds=6.0, fits=0.04, most=8, spares_workers=True)
        play(fleet, seed, 480.0)


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("redis_urls", [LONG.pods], indirect=True)
def test_eight_pods_and_twelve_migrations_under_fire(
    own_mariadb: MariadbServer, redis_urls: list[str], tmp_path: Path, processes: Processes
) -> None:
    own_mariadb.execute("SET GLOBAL max_connections = 800")
    url = own_mariadb.create_database("fleet")
    with chaos_fleet(LONG, tmp_path, processes, url, redis_urls) as fleet:
        seed = a_seed()
        deploy_late(fleet)
        fleet.fire = Fire(fleet, seed, pause_seconds=1.5, fits=0.05, most=120)
        play(fleet, seed, 1200.0)


def deploy_late(fleet: ChaosFleet) -> None:
    """One more worker of the canary has the old revision: what comes after the deployment waits for it."""
    old = (1, 1)
    fleet.revisions[old] = "old"
    fleet.start_all()
    fleet.start(old)
    until(lambda: len(fleet.platform.inspection(1).processes()) == 4, 60.0, "both workers of the canary")
    fleet.let_go()
    waits = "it comes after the deployment, and workers run new, old"
    until(lambda: waits in fleet.line(1).state().trouble, 60.0, f"it waits; {fleet}")
    assert fleet.witness.changes() == []
    del fleet.revisions[old]
    fleet.replace(old)


def play(fleet: ChaosFleet, seed: int, timeout_seconds: float) -> None:
    """See the plan through the fire, and judge what happened."""
    fire = fleet.fire
    assert fire is not None
    try:
        fleet.see_it_through(timeout_seconds)
        fire.cease()
        fleet.until_jobs_are_done()
        widest = chaos_verdict.check(fleet)
    except AssertionError as error:
        raise AssertionError(f"seed {seed}, {fire}: {error}") from error
    assert fleet.halts, "it halted at the migration that fails"
    assert fire.total >= fire.most // 3, f"{fire}: it was over too soon"
    print(f"\nseed {seed}: {fire}; at most {widest} pods at once")  # noqa: T201 - what it went through
