"""An increment-only backfill under fire: killed, frozen past its leases, restarted, re-partitioned, slowed.

Whatever happens, in whatever order: every row is incremented exactly once, the run completes once. `make
test-long` keeps the fire up for ten minutes.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from podwork.errors import PodworkError
from podwork.iteration.states import RunState
from podwork_pods.iteration.control import RunControl, Settings
from tests.support.fleets import StartFleet
from tests.support.iteration_fleet import LEASE_SECONDS, IterationFleet, iteration_fleet
from tests.support.processes import ManagedProcess
from tests.support.wait import until

GO_ON_AFTER_SECONDS = 1.5 * LEASE_SECONDS


class Fire:
    """Disturbs the workers and the run, at random, but by a seed that a failure names.

    Two workers of two processes each; one is always left to be disturbed next.
    """

    def __init__(self, fleet: IterationFleet, seed: int, usual_rate: float) -> None:
        self._fleet = fleet
        self._usual_rate = usual_rate
        self._random = random.Random(seed)
        self._control: RunControl = fleet.platform.runs(1)
        self._workers = [self._worker() for _ in range(2)]
        self.acts: Counter[str] = Counter()
        self._ways: tuple[Callable[[], None], ...] = (
            self.kill_a_child,
            self.kill_a_worker,
            self.freeze_a_child,
            self.restart_in_order,
            self.repartition,
            self.change_the_rate,
            self.change_the_batch,
            self.pause_and_resume,
            self.force,
        )

    def act(self) -> None:
        """Do one of them; what the run's state does not allow at the moment is left."""
        way = self._random.choice(self._ways)
        self.acts[way.__name__] += 1
        with suppress(PodworkError):
            way()

    def cease(self) -> None:
        """Put an end to it: no limits, a worker that is left alone."""
        with suppress(PodworkError):
            self._control.set(self._fleet.run_id, Settings(rows_per_second=None, batch_most=None, parallel=4))
        with suppress(PodworkError):
            self._control.resume(self._fleet.run_id)
        self._replace(0, ManagedProcess.end)

    def kill_a_child(self) -> None:
        """One process, in the middle of whatever it does."""
        for pid in self._children(1):
            os.kill(pid, signal.SIGKILL)

    def kill_a_worker(self) -> None:
        """The supervisor with all of its children, as a power cut would."""
        self._replace(self._random.randrange(2), ManagedProcess.end)

    def freeze_a_child(self) -> None:
        """One process, until its lease is over and others have its jobs; then it goes on."""
        pids = self._children(1)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        # The one wait of these tests that no condition can replace: a lease is a length of time.
        time.sleep(GO_ON_AFTER_SECONDS)
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def restart_in_order(self) -> None:
        """A rolling restart: its children give back what they hold."""
        worker = self._random.choice(self._workers)
        worker.signal(signal.SIGHUP)

    def repartition(self) -> None:
        """Another number of jobs side by side: partitions are split, or given back."""
        self._control.set(self._fleet.run_id, Settings(parallel=self._random.randint(1, 6)))

    def change_the_rate(self) -> None:
        """Held back, or not any more."""
        rate = self._usual_rate * self._random.choice([0.2, 1.0, 1.0, 2.0])
        self._control.set(self._fleet.run_id, Settings(rows_per_second=rate))

    def change_the_batch(self) -> None:
        """Other batches."""
        self._control.set(self._fleet.run_id, Settings(batch_most=self._random.choice([None, 1, 7, 20])))

    def pause_and_resume(self) -> None:
        """Paused, as far as that comes about within a second, and resumed."""
        self._control.pause(self._fleet.run_id)
        with suppress(AssertionError):
            until(lambda: self._fleet.state() is RunState.PAUSED, 2.0)
        self._control.resume(self._fleet.run_id)

    def force(self) -> None:
        """Whoever holds a partition has lost it."""
        self._control.force(self._fleet.run_id)
        self._control.resume(self._fleet.run_id)

    def _children(self, most: int) -> list[int]:
        processes = self._fleet.platform.inspection(1).processes()
        pids = [int(process.fields["pid"]) for process in processes]
        ours = [pid for pid in pids if self._is_ours(pid)]
        return self._random.sample(ours, min(most, len(ours)))

    def _is_ours(self, pid: int) -> bool:
        """Whether it still is a process of these workers: what Redis names may have died since."""
        with suppress(ProcessLookupError):
            return os.getsid(pid) in {worker.pid for worker in self._workers}
        return False

    def _replace(self, number: int, end: Callable[[ManagedProcess], None]) -> None:
        end(self._workers[number])
        self._workers[number] = self._worker()

    def _worker(self) -> ManagedProcess:
        return self._fleet.worker(processes=2, threads=2)

    def __str__(self) -> str:
        return "\n".join(str(worker) for worker in self._workers)


def under_fire(
    fleet: IterationFleet, rows: int, seconds: float, pause_seconds: float, seed: int
) -> Counter[str]:
    """Start the run and disturb it for so long, or until it is done; then let it end, and check it."""
    fleet.start()
    fire = Fire(fleet, seed, rows / seconds)
    fleet.until_rows(1, fire)
    fire.change_the_rate()  # so that it lasts
    until_over = time.monotonic() + seconds
    while time.monotonic() < until_over and fleet.state() is not RunState.SUCCEEDED:
        fire.act()
        time.sleep(pause_seconds)  # the fire's rhythm; nothing waits for it
    fire.cease()
    until(
        lambda: _resumed(fleet) is RunState.SUCCEEDED,
        300.0,
        f"the run to end; seed {seed}, {fire.acts}, {fleet.run()}, {fleet.parts()}; {fire}",
    )
    assert fire.acts.total() >= seconds / 10, f"{fire.acts}: it was over too soon"
    assert fleet.counts() == {1: rows}, f"seed {seed}, {fire.acts}"
    told = fleet.told()
    assert (told["on_start"], told["on_complete"], told["on_failure"]) == (1, 1, 0), f"seed {seed}: {told}"
    return fire.acts


def _resumed(fleet: IterationFleet) -> RunState | None:
    """Return the run's state; a pause that was under way when the fire ceased is taken back."""
    state = fleet.state()
    if state is RunState.PAUSED:
        fleet.platform.runs(1).resume(fleet.run_id)
    return state


@pytest.fixture
def fleet(request: pytest.FixtureRequest) -> Iterator[tuple[IterationFleet, int]]:
    stack, rows = request.param
    start: StartFleet = request.getfixturevalue(f"{stack}_stack")
    with iteration_fleet(start(pods=1), rows, ("[shard]", "lock_wait_seconds = 1")) as made:
        yield made, rows


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("fleet", [("embedded", 20_000), ("served", 20_000)], indirect=True)
def test_a_quarter_of_a_minute_under_fire(fleet: tuple[IterationFleet, int]) -> None:
    under_fire(*fleet, seconds=15.0, pause_seconds=0.3, seed=random.randrange(1_000_000))


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("fleet", [("served", 1_000_000), ("embedded", 400_000)], indirect=True)
def test_ten_minutes_under_fire(fleet: tuple[IterationFleet, int]) -> None:
    acts = under_fire(*fleet, seconds=600.0, pause_seconds=1.0, seed=random.randrange(1_000_000))
    print(f"\n{acts}")  # noqa: T201 - what it went through
