"""Disturbs the workers of a fleet, at random, but by a seed that a failure names.

Children and whole workers are killed, frozen for longer than their lease, and go on; the connection that
holds a line is cut while its process is frozen; another child is told that it leads the pod. It burns where
migrations are under way, and where two processes are up: a fire that leaves nothing alive for longer proves
nothing. Beside that all processes have fits of their own (`chaos_shop`). Nothing here waits: every act is
over at once, and what was frozen thaws when the fire is looked after again.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from podwork import keys
from podwork.errors import PodworkError
from tests.support.pods import server_connection

if TYPE_CHECKING:
    from tests.support.chaos_fleet import ChaosFleet, Place

STOPPED = "T"


class Fire:
    """Disturbs the pods of a fleet.

    Args:
        fleet: whose workers. seed: of what is done. pause_seconds: between two acts.
        fits: how likely it is, at each point, that a process has one.
        most: after so many acts and fits it ceases. spares_workers: only children are killed.
    """

    def __init__(
        self,
        fleet: ChaosFleet,
        seed: int,
        pause_seconds: float,
        fits: float,
        most: int,
        *,
        spares_workers: bool = False,
    ) -> None:
        self._fleet = fleet
        self._random = random.Random(seed)
        self._pause_seconds = pause_seconds
        self._next = 0.0
        self._frozen: dict[int, float] = {}
        self._pods: Sequence[int] = ()
        self._fits = fleet.chaos / "fits"
        self._fits.write_text(f"{seed} {fits}")
        self.most = most
        self.is_out = False
        self.acts: Counter[str] = Counter()
        on_children = (self.kill_a_child, self.freeze_a_child, self.freeze_and_cut, self.cut)
        self._ways: Sequence[Callable[[], None]] = (
            *on_children,
            *on_children,  # a worker takes its time to come again
            self.tell_another_that_it_leads,
            *(() if spares_workers else (self.kill_a_worker, self.kill_a_supervisor)),
            *(() if spares_workers else (self.freeze_a_worker, self.restart_in_order)),
        )

    def tend(self) -> None:
        """Do what is due."""
        self._thaw()
        if self.is_out:
            return
        if self.total >= self.most:
            self.cease()
        elif time.monotonic() >= self._next:
            self._next = time.monotonic() + self._pause_seconds * self._random.uniform(0.5, 1.5)
            self._pods = [pod for pod in self._fleet.migrating() if self._is_up(pod)]
            if self._pods:
                way = self._random.choice(self._ways)
                self.acts[way.__name__] += 1
                with suppress(PodworkError, ProcessLookupError):
                    way()

    def cease(self) -> None:
        """Put an end to it: what is frozen goes on, what is dead is there again."""
        self.is_out = True
        self._fits.unlink(missing_ok=True)
        for pid, _ in self._ours(STOPPED):
            _send(pid, signal.SIGCONT)
        for place, worker in self._fleet.workers.items():
            if not worker.is_running():
                self._fleet.replace(place)

    def kill_a_child(self) -> None:
        """One process, in the middle of whatever it does."""
        for pid in self._some_children(1):
            _send(pid, signal.SIGKILL)

    def kill_a_worker(self) -> None:
        """A supervisor with all of its children, as a power cut would."""
        self._fleet.replace(self._a_place())

    def kill_a_supervisor(self) -> None:
        """A supervisor alone: its children see it, and end in order."""
        place = self._a_place()
        self._fleet.workers[place].kill()
        self._fleet.start(place)

    def freeze_a_child(self) -> None:
        """One process, perhaps until its lease is over and others have its jobs."""
        for pid in self._some_children(1):
            _send(pid, signal.SIGSTOP)

    def freeze_a_worker(self) -> None:
        """All processes of a worker, as a machine that swaps."""
        worker = self._fleet.workers[self._a_place()]
        for pid, session in self._ours():
            if session == worker.pid:
                _send(pid, signal.SIGSTOP)

    def freeze_and_cut(self) -> None:
        """Freeze whoever has the line of a pod, and cut its connection: somebody else gets the line."""
        for pod, owner in self._lines():
            _send(int(owner.split(":")[1]), signal.SIGSTOP)
            self._cut(pod)
            return

    def cut(self) -> None:
        """Cut the connection of whoever has the line of a pod, as a network would."""
        for pod, _ in self._lines():
            self._cut(pod)
            return

    def tell_another_that_it_leads(self) -> None:
        """For the length of a heartbeat two of the pod's processes lead."""
        pod = self._random.choice(self._pods)
        store = self._fleet.platform.store(pod)
        found = [each.incarnation for each in self._fleet.platform.inspection(pod).processes()]
        if found:
            store.command("SET", keys.LEADER, self._random.choice(found))

    def restart_in_order(self) -> None:
        """A rolling restart: its children give back what they hold."""
        self._fleet.workers[self._a_place()].signal(signal.SIGHUP)

    @property
    def total(self) -> int:
        """How often something was disturbed."""
        return self.acts.total() + len(self.fits())

    def fits(self) -> list[str]:
        """Where processes had fits, and which."""
        with suppress(FileNotFoundError):
            return (self._fleet.chaos / "log").read_text().splitlines()
        return []

    def __str__(self) -> str:
        return f"{dict(self.acts)}, fits: {dict(Counter(self.fits()))}"

    def _is_up(self, pod: int) -> bool:
        """Whether two processes of a pod are there, have registered and are not frozen."""
        known = {int(each.fields["pid"]) for each in self._fleet.platform.inspection(pod).processes()}
        there = {pid for pid, _ in self._ours()} - {pid for pid, _ in self._ours(STOPPED)}
        return len(known & there) >= 2

    def _a_place(self) -> Place:
        return self._random.choice(sorted(place for place in self._fleet.workers if place[0] in self._pods))

    def _lines(self) -> Iterator[tuple[int, str]]:
        """Those who are in a line now, where migrations are under way."""
        for pod in self._random.sample(self._pods, len(self._pods)):
            owner = self._fleet.line(pod).state().owner
            if owner:
                yield pod, owner

    def _cut(self, pod: int) -> None:
        shard = self._fleet.shards[pod]
        with server_connection(self._fleet.server_url) as cursor:
            cursor.execute("SELECT IS_USED_LOCK(%s)", (f"podwork.migrations.{shard}",))
            [holder] = cursor.fetchone()
            if holder is not None:
                with suppress(Exception):  # it has ended by itself
                    cursor.execute(f"KILL {holder}")

    def _thaw(self) -> None:
        """Let go on what has been frozen for long enough, whoever froze it."""
        stopped = {pid for pid, _ in self._ours(STOPPED)}
        now = time.monotonic()
        for pid in stopped - set(self._frozen):
            self._frozen[pid] = now + self._random.choice([0.2, 1.0, 1.5 * self._fleet.lease_seconds])
        for pid, until in list(self._frozen.items()):
            if now >= until or pid not in stopped:
                _send(pid, signal.SIGCONT)
                del self._frozen[pid]

    def _some_children(self, most: int) -> list[int]:
        supervisors = {worker.pid for (pod, _), worker in self._fleet.workers.items() if pod in self._pods}
        children = [pid for pid, session in self._ours() if session in supervisors and pid != session]
        return self._random.sample(sorted(children), min(most, len(children)))

    def _ours(self, state: str = "") -> list[tuple[int, int]]:
        """Return pid and session of the workers' processes, those in a state alone if one is given."""
        sessions = {worker.pid for worker in self._fleet.workers.values()}
        found = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            with suppress(FileNotFoundError, ProcessLookupError):
                fields = path.read_text().rsplit(")", 1)[1].split()
                if int(fields[3]) in sessions and fields[0] != "Z" and (not state or fields[0] == state):
                    found.append((int(path.parent.name), int(fields[3])))
        return found


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
