"""podwork's drain with two processes against one, on the cores that there are.

On two cores, one of which is Redis's, two processes have nothing to run on: then they share both with Redis,
and the figure says what the machine allows, not what the worker can do.
"""

from __future__ import annotations

from tests.benchmarks.harness import cores
from tests.benchmarks.harness.measured import Figures
from tests.benchmarks.harness.phases import drain
from tests.benchmarks.harness.stage import Stage
from tests.benchmarks.peers.roster import PODWORK_ITSELF

NOTE = "" if cores.COUNT > 2 else f"{cores.COUNT} cores, one of them Redis's: no core for the second process"


def measure(stage: Stage, scale: float) -> Figures:
    """Drain with one and with two. Raises Trouble."""
    jobs = max(1_000, int(PODWORK_ITSELF.amounts.drain * scale))
    figures: Figures = {}
    with stage.pusher(PODWORK_ITSELF) as pusher:
        for number, name in ((1, "one_process"), (2, "two_processes")):
            stage.clear()
            pusher.bulk("noop", jobs)
            worker = stage.worker(PODWORK_ITSELF, "--processes", str(number), several=number > 1)
            try:
                figures |= drain(worker, stage, jobs, name)
            finally:
                worker.kill()
    return figures
