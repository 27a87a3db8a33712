"""What can go wrong with runs and their partitions, as part of the one tree of errors."""

from __future__ import annotations

from podwork.errors import PodworkError


class UnknownRun(PodworkError):
    """Raised when a run is named that the pod's shard does not hold."""

    def __init__(self, pod_id: int, run_id: str) -> None:
        self.pod_id = pod_id
        self.run_id = run_id
        super().__init__(f"pod {pod_id} has no run {run_id}", "see: podctl runs list")


class PartitionLost(PodworkError):
    """Raised when a batch is to be written under a lease of its partition that is over."""

    def __init__(self, run_id: str, number: int, lease_epoch: int, why: str) -> None:
        self.run_id = run_id
        self.number = number
        self.lease_epoch = lease_epoch
        self.why = why
        super().__init__(
            f"run {run_id}: partition {number} is not held under lease epoch {lease_epoch}: {why}",
            "roll the batch back and leave the partition alone; who holds it goes on from its cursor",
        )


class InvalidRunSetting(PodworkError):
    """Raised when a run is told to go on in a way that nothing can go on in."""

    def __init__(self, run_id: str, what: str, remedy: str) -> None:
        self.run_id = run_id
        super().__init__(f"run {run_id}: {what}", remedy)
