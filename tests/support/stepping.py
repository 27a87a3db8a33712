"""Threads that run from one named point to the next when a test says so: several processes in one.

A point is where the code says `podwork.points.reach(...)`. Between two points nothing else happens, so a
history is the order in which the test lets its threads step.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from podwork import points

PATIENCE_SECONDS = 20.0


class Killed(BaseException):
    """Ends a stepper where it stands, as `kill -9` would: no handler of an `Exception` sees it."""


class Stepper:
    """One thread; `act` is called again and again until the stepper is killed."""

    def __init__(self, name: str, act: Callable[[], object]) -> None:
        self.name = name
        self.at = "the beginning"
        self.trouble: BaseException | None = None
        self._act = act
        self._go = threading.Semaphore(0)
        self._arrived = threading.Semaphore(0)
        self._is_killed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def step(self) -> str:
        """Run to the next point; return its name."""
        self._go.release()
        assert self._arrived.acquire(timeout=PATIENCE_SECONDS), f"{self.name} is stuck after {self.at}"
        if self.trouble is not None:
            raise self.trouble
        return self.at

    def kill(self) -> None:
        """End it where it stands."""
        self._is_killed = True
        self._go.release()
        self._thread.join(PATIENCE_SECONDS)

    def arrive(self, point: str) -> None:
        """Called in its own thread: stand here until the next step."""
        self.at = point
        self._arrived.release()
        self._go.acquire()
        if self._is_killed:
            raise Killed

    def _run(self) -> None:
        self._go.acquire()
        with contextlib.suppress(Killed):
            while not self._is_killed:
                try:
                    self._act()
                except Exception as error:
                    self.trouble = error
                    self._arrived.release()
                    return


@contextlib.contextmanager
def stepping(prefix: str) -> Iterator[Callable[[str, Callable[[], object]], Stepper]]:
    """Yield a function that starts a stepper; it stands at every point whose name begins with the prefix."""
    steppers: dict[threading.Thread, Stepper] = {}

    def hook(point: str) -> None:
        stepper = steppers.get(threading.current_thread())
        if stepper is not None and point.startswith(prefix):
            stepper.arrive(point)

    def start(name: str, act: Callable[[], object]) -> Stepper:
        stepper = Stepper(name, act)
        steppers[stepper._thread] = stepper
        return stepper

    points.install(hook)
    try:
        yield start
    finally:
        for stepper in steppers.values():
            stepper.kill()
        points.install(None)
