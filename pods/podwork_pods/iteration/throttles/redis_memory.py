"""A throttle over the memory of the pod's Redis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from podwork.iteration.throttle import Held, Surroundings, Throttle
from podwork_pods.iteration.throttles.limits import check_limit


@dataclass(frozen=True)
class RedisMemory(Throttle):
    """Holds a run back while the pod's Redis has used more than a share of its memory.

    The share is of `maxmemory`; where none is set, of the machine's memory.
    """

    most_share: float = 0.8

    name: ClassVar[str] = "redis_memory"

    def __post_init__(self) -> None:
        check_limit(self.name, "most_share", self.most_share, most=1)

    def held(self, around: Surroundings) -> Held | None:
        """Ask Redis how much it has used, and of how much."""
        lines = around.store.command("INFO", "memory").decode().splitlines()
        said = dict(line.split(":", 1) for line in lines if ":" in line)
        whole = int(said["maxmemory"]) or int(said["total_system_memory"])
        share = int(said["used_memory"]) / whole
        if share <= self.most_share:
            return None
        return Held(f"{self.name} {share:.1%} of {whole // 2**20} MiB, limit {self.most_share:.0%}")
