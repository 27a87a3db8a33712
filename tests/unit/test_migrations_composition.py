"""What the settings ask of the migrations of a worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from podwork import App, Snooze
from podwork.settings import Settings, load
from podwork_migrations.plan.alarms import ErrorRate, QueueLatency
from podwork_migrations.runner import service
from podwork_migrations.runner.outcome import Ending, Outcome
from podwork_migrations.runner.runner import Runner
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


class Turns:
    """A runner whose turns end so."""

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome

    def turn(self, _owner: str) -> Outcome:
        return self._outcome


@pytest.mark.parametrize(
    ("outcome", "is_quiet"),
    [
        (Outcome(Ending.UNDER_WAY, "its run waits for a worker", 0.05), True),
        (Outcome(Ending.UNDER_WAY, "", 0.0), True),
        (Outcome(Ending.UNDER_WAY, "held by 7", 1.0), False),
        (Outcome(Ending.TAKEN, "somebody else is in the line", 0.5), False),
    ],
)
def test_looking_again_at_what_goes_on_is_no_line_of_the_log(outcome: Outcome, is_quiet: bool) -> None:
    app, runner = App("shop"), Turns(outcome)
    service.bind(app, lambda: cast("Runner", runner))
    signal = service._take_turn(app)
    assert isinstance(signal, Snooze)
    assert (signal.after_seconds, signal.quiet) == (outcome.again_seconds, is_quiet)
