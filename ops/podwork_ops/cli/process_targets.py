"""Finding the processes that an operator names: by incarnation, by host:pid, by pid, or all of a pod.

Owns: what a name means, and in which state a process is. Promises: a name that fits no process, or more
than one, is refused: nobody is told by accident.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import click

from podwork.errors import PodworkError
from podwork.inspection import ProcessState
from podwork_ops.cli.each_pod import ask_each
from podwork_ops.composition import Platform
from podwork_ops.errors import ProcessNotFound

FEW = 4


class Target(NamedTuple):
    """A process, and the pod that it works for."""

    pod_id: int
    process: ProcessState

    @property
    def incarnation(self) -> str:
        """The process's name."""
        return self.process.incarnation

    @property
    def full_lease_seconds(self) -> float:
        """How long its lease is when it is fresh."""
        return int(self.process.fields.get("lease_ms", 0)) / 1000


def everybody(platform: Platform, pods: Sequence[int]) -> tuple[list[Target], dict[int, PodworkError]]:
    """Return every process whose lease holds, and why some pods could not say."""
    answers, failures = ask_each(pods, lambda pod: platform.inspection(pod).processes())
    found = [Target(pod_id, process) for pod_id, processes in answers.items() for process in processes]
    return [target for target in found if target.process.lease_seconds > 0], failures


def find(platform: Platform, pods: Sequence[int], names: Sequence[str]) -> list[Target]:
    """Return the processes that the names mean, each once.

    Raises:
        ProcessNotFound: a name fits none.
        click.UsageError: a name fits several.
    """
    present, failures = everybody(platform, pods)
    found: dict[str, Target] = {}
    for name in names:
        fitting = [target for target in present if fits(name, target.process)]
        if not fitting and failures:
            raise failures[min(failures)]
        if not fitting:
            raise ProcessNotFound(f"there is no live process {name}", _hint(present))
        if len(fitting) > 1:
            raise click.UsageError(f"{name} fits {len(fitting)} processes - name one: {_some(fitting)}")
        found[fitting[0].incarnation] = fitting[0]
    return list(found.values())


def fits(name: str, process: ProcessState) -> bool:
    """Say whether a name means the process: its incarnation, a part of it up to a colon, or its pid."""
    incarnation = process.incarnation
    return name == process.fields.get("pid") or f"{incarnation}:".startswith(f"{name}:")


def state_of(process: ProcessState) -> str:
    """Return live, quiet (claims nothing), stopping or silent (its lease ran out)."""
    said = process.fields
    if process.lease_seconds <= 0:
        return "silent"
    if said.get("stopping") == "1":
        return "stopping"
    return "quiet" if said.get("quiet") == "1" else "live"


def _hint(present: Sequence[Target]) -> str:
    return f"live are: {_some(present)}" if present else "none is live; start one: podctl workers --pod N"


def _some(targets: Sequence[Target]) -> str:
    names = [target.incarnation for target in targets]
    return ", ".join(names[:FEW]) + (f" and {len(names) - FEW} more" if len(names) > FEW else "")
