"""The systemd unit is an example that fits the code: its command parses, its grace outlasts the drain."""

from __future__ import annotations

import configparser
import re
import shlex

import click

from podwork import settings
from podwork_ops.cli.workers import workers
from tests.architecture.sources import ROOT

UNIT = ROOT / "ops" / "deploy" / "podwork-workers.service"
GRACE_OVER_DRAIN_SECONDS = 5


def _service() -> configparser.SectionProxy:
    unit = configparser.ConfigParser(interpolation=None, strict=True)
    unit.optionxform = str  # type: ignore[assignment,method-assign] # systemd's keys keep their case
    unit.read_string(UNIT.read_text())
    return unit["Service"]


def test_its_command_is_one_that_podctl_takes() -> None:
    command = shlex.split(_service()["ExecStart"].replace("${POD_ID}", "7"))
    assert command[0].endswith("/podctl")
    assert command[1] == "workers"
    context: click.Context = workers.make_context("workers", command[2:])
    assert context.params["pod_id"] == 7


def test_the_grace_period_is_the_drain_plus_five_seconds() -> None:
    service = _service()
    key, value = service["Environment"].split("=")
    assert key in {row.environment for row in settings.table()}
    assert float(service["TimeoutStopSec"]) == float(value) + GRACE_OVER_DRAIN_SECONDS


def test_only_the_supervisor_is_asked_to_stop() -> None:
    service = _service()
    assert (service["KillMode"], service["KillSignal"]) == ("mixed", "SIGTERM")
    assert re.fullmatch(r"/bin/kill -HUP \$MAINPID", service["ExecReload"])
