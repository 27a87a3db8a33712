"""The processors of a child, with what they share.

Owns: `Crew`, which puts them together. The child asks it for two things: `running`, what runs now, and
`fates`, which gives jobs back at the end. Leaves to others: claiming for them (`Manager`), when they begin
(`Child`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwork.worker.detours import Detours
from podwork.worker.fates import Fates
from podwork.worker.middleware import Run, compose
from podwork.worker.processor import Processor
from podwork.worker.running import RunningJobs
from podwork.worker.settlement import Settlement
from podwork.worker.starts import Starts

if TYPE_CHECKING:
    from podwork.worker.awaiting import Runnable
    from podwork.worker.manager import Manager
    from podwork.worker.spec import Connections, Surroundings, WorkerSpec


class Crew:
    """The processors of one child; `run` takes the place of the chain of middlewares (`--isolate`)."""

    def __init__(
        self,
        spec: WorkerSpec,
        connections: Connections,
        surroundings: Surroundings,
        manager: Manager,
        runnable: Runnable,
        run: Run | None = None,
    ) -> None:
        life = surroundings.life
        settlement = Settlement(surroundings, manager)
        self.running = RunningJobs(life)
        detours = Detours(spec.pod_id, connections.client, settlement, runnable)
        starts = Starts(settlement, self.running)
        self.fates = Fates(surroundings, settlement, detours, self.running)
        chain = run or compose(spec.middleware)
        self.processors = [
            Processor(
                number, spec.pod_id, runnable, chain, connections.fence, manager,
                starts, detours, self.fates, self.running, life,
            )
            for number in range(1, spec.threads + 1)
        ]  # fmt: skip

    def start(self) -> None:
        """Let them work."""
        for processor in self.processors:
            processor.start()
