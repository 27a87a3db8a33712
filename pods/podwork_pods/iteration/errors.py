"""What can go wrong with runs and their partitions, as part of the one tree of errors."""

from __future__ import annotations

from podwork.errors import ConfigurationError, PodworkError
from podwork.retry import describe


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


class BatchEnded(ConfigurationError):
    """Raised when a job has committed or rolled back the transaction of its batch."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"{name}: it ended the transaction of its batch, which is committed together with the cursor",
            "do not commit or roll back self.session; begin_nested() undoes a part; check which rows were "
            "done before the run is resumed",
        )


class HookFailed(PodworkError):
    """Raised when a hook of an iteration job fails; the change of state to which it belongs is undone."""

    def __init__(self, run_id: str, hook: str, error: BaseException) -> None:
        self.run_id = run_id
        self.hook = hook
        self.error = error
        super().__init__(
            f"run {run_id}: {hook}() failed: {describe(error)}", "mend the hook and resume the run"
        )


class ItemKills(PodworkError):
    """Raised for an item of which one process after another did not come back; given to `on_failure`."""

    def __init__(self, run_id: str, tries: int, last_error: str | None) -> None:
        self.run_id = run_id
        self.tries = tries
        seen = f"the last error seen: {last_error}" if last_error else "its process died each time"
        super().__init__(
            f"run {run_id}: an item was tried {tries} times alone, in vain; {seen}",
            "see what the workers' own logs and the kernel's say",
        )
