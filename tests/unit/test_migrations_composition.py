"""What the settings ask of the migrations of a worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from podwork.settings import Settings, load
from podwork_migrations.plan.alarms import ErrorRate, QueueLatency
from podwork_ops.migrations import alarms_of
from podwork_pods.topology import Topology


def settings(folder: Path, **migrations: str) -> Settings:
    environment = {
        "PODWORK_TOPOLOGY_REGISTRY_URL": f"sqlite:///{folder}/registry.db",
        "PODWORK_TOPOLOGY_DIRECTORY_URL": f"sqlite:///{folder}/directory.db",
        **{f"PODWORK_MIGRATIONS_{name.upper()}": value for name, value in migrations.items()},
    }
    return load(environment=environment).settings


@pytest.fixture
def topology(tmp_path: Path) -> Iterator[Topology]:
    made = Topology.open(settings(tmp_path))
    yield made
    made.close()


@pytest.mark.parametrize(
    ("asked", "alarms"),
    [
        ({}, []),
        ({"halt_queue_latency_seconds": "30"}, [QueueLatency]),
        ({"halt_error_share": "0.2"}, [ErrorRate]),
        ({"halt_queue_latency_seconds": "30", "halt_error_share": "0.2"}, [QueueLatency, ErrorRate]),
    ],
)
def test_a_plan_is_watched_as_the_settings_say(
    tmp_path: Path, topology: Topology, asked: dict[str, str], alarms: list[type]
) -> None:
    found = alarms_of(settings(tmp_path, **asked).migrations, topology)
    assert [type(alarm) for alarm in found] == alarms
