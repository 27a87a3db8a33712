"""The operators' side of the error tree, and what the codes mean with which `podctl` ends.

Owns: `ExitCode`, what each code means, and the errors of this package. Leaves to others: which error leads
to which code (`podwork_ops.exit_code_table`), printing and leaving (`podwork_ops.cli.main`).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from podwork.errors import ConfigurationError, PodworkError


class ExitCode(IntEnum):
    """What `podctl` tells the shell."""

    OK = 0
    FAILED = 1
    USAGE = 2
    CONFLICT = 3
    UNDER_WAY = 4
    DECLINED = 5
    NOT_FOUND = 6
    UNREACHABLE = 7
    INTERNAL = 70
    TIMED_OUT = 124
    INTERRUPTED = 130
    BROKEN_PIPE = 141
    TERMINATED = 143


MEANINGS: dict[ExitCode, str] = {
    ExitCode.OK: "done, or nothing had to change; an empty list too",
    ExitCode.FAILED: "the command ran and failed, or a check of doctor or demo did not hold",
    ExitCode.USAGE: "a wrong option, argument, setting or declaration: mend it and run again",
    ExitCode.CONFLICT: "the state is not what the command needs, or another process holds the lease",
    ExitCode.UNDER_WAY: "what `--exit-code` asked about is not over, and goes on by itself",
    ExitCode.DECLINED: "you answered no",
    ExitCode.NOT_FOUND: "no such pod, shop, job, run, migration, plan, process, hold, limit or schedule",
    ExitCode.UNREACHABLE: "Redis, a shard, the directory or the registry does not answer: try later",
    ExitCode.INTERNAL: "a fault of podwork's own; --debug shows where",
    ExitCode.TIMED_OUT: "waited for as long as was allowed",
    ExitCode.INTERRUPTED: "interrupted (Ctrl-C)",
    ExitCode.BROKEN_PIPE: "the reader of the output went away (as head does)",
    ExitCode.TERMINATED: "ended by SIGTERM",
}


class AppNotLoaded(ConfigurationError):
    """Raised when `module:attribute` does not lead to an application."""


class ConfirmationNeeded(PodworkError):
    """Raised when a command needs a yes and nobody is there to say it."""

    def __init__(self, action: str, remedy: str = "pass --yes") -> None:
        self.action = action
        super().__init__(f"to {action} needs a confirmation, and there is no terminal to ask on", remedy)


class Declined(PodworkError):
    """Raised when the operator answers no."""

    def __init__(self, action: str) -> None:
        self.action = action
        super().__init__(f"declined to {action}", "nothing was changed")


class PortTaken(PodworkError):
    """Raised when an address to listen on belongs to another process."""

    def __init__(self, host: str, port: int, setting: str) -> None:
        self.host = host
        self.port = port
        super().__init__(
            f"port {port} on {host} is taken", f"end what listens there, or set {setting} to another"
        )


class JobNotFound(PodworkError):
    """Raised when no pod knows a job."""

    def __init__(self, job_id: str, looked: Sequence[str]) -> None:
        self.job_id = job_id
        self.looked = list(looked)
        super().__init__(
            f"job {job_id} not found in {', '.join(looked)}",
            "it may have succeeded: finished jobs are not kept; else check the id",
        )


class JobAmbiguous(PodworkError):
    """Raised when several jobs fit the beginning of an id."""

    def __init__(self, text: str, job_ids: Sequence[str]) -> None:
        self.job_ids = list(job_ids)
        super().__init__(f"several jobs begin with {text}", f"give more of the id: {', '.join(job_ids)}")


class JobsLeftAlone(PodworkError):
    """Raised after a report in which named jobs were left as they are."""

    def __init__(self, left: int, of: int, state: str) -> None:
        self.left = left
        super().__init__(
            f"{left} of {of} jobs left alone, the first is {state}", "see: podctl jobs why ID, --help"
        )


class RunNotFound(PodworkError):
    """Raised when no pod knows a run, nor a job that is to start it."""

    def __init__(self, text: str, looked: Sequence[str]) -> None:
        self.text = text
        self.looked = list(looked)
        super().__init__(f"no run {text} in {', '.join(looked)}", "see: podctl runs list")


class RunAmbiguous(PodworkError):
    """Raised when several runs fit the beginning of an id."""

    def __init__(self, text: str, ids: Sequence[str]) -> None:
        self.ids = list(ids)
        super().__init__(f"several runs begin with {text}", f"give more of the id: {', '.join(ids)}")


class ShopNeverMoved(PodworkError):
    """Raised when the latest move of a shop is asked for that has none."""

    def __init__(self, shop_id: int) -> None:
        self.shop_id = shop_id
        super().__init__(f"shop {shop_id} was never moved", "see: podctl moves list --all")


class MovesNotSet(PodworkError):
    """Raised when a shop is to move, and nobody has said which tables have rows of it."""

    def __init__(self) -> None:
        super().__init__(
            "which rows are a shop's is not declared", "set moves.tables, see: ops/docs/moving-tables.md"
        )


class RetriesFailed(PodworkError):
    """Raised after a report in which items that had been left out of a run failed again."""

    def __init__(self, run_id: str, failed: int, of: int) -> None:
        self.run_id = run_id
        super().__init__(f"{failed} of {of} items failed again", f"see: podctl runs errors {run_id}")


class MigrationNotFound(PodworkError):
    """Raised when a migration is named that is not there."""

    def __init__(self, text: str, where: str) -> None:
        self.text = text
        super().__init__(
            f"no migration {text} {where}", "name its version, or its name; see: podctl migrations status"
        )


class MigrationAmbiguous(PodworkError):
    """Raised when several migrations fit what was named."""

    def __init__(self, text: str, ids: Sequence[str]) -> None:
        self.ids = list(ids)
        super().__init__(f"several migrations fit {text}", f"give the version: {', '.join(ids)}")


class NoPlan(PodworkError):
    """Raised when no plan is named, and there is not one alone that could be meant."""

    def __init__(self, to_do: str, numbers: Sequence[int]) -> None:
        self.numbers = list(numbers)
        which = (
            f"give its number: {', '.join(map(str, numbers))}" if numbers else "see: podctl migrations status"
        )
        super().__init__(f"there {'are several plans' if numbers else 'is no plan'} {to_do}", which)


class MigrationsRefused(PodworkError):
    """Raised after a report in which the linter refused migrations."""

    def __init__(self, ids: Sequence[str]) -> None:
        self.ids = list(ids)
        super().__init__(
            f"refused: {', '.join(ids[:3])}" + (f" and {len(ids) - 3} more" if len(ids) > 3 else ""),
            "do it the other way, or override the rule in the file, with a reason",
        )


class SchemaDrifted(PodworkError):
    """Raised after a report in which the schema of a pod is not the one that its migrations lead to."""

    def __init__(self, pod_ids: Sequence[int]) -> None:
        self.pod_ids = list(pod_ids)
        pods = ", ".join(map(str, pod_ids))
        super().__init__(
            f"{'pod' if len(pod_ids) == 1 else 'pods'} {pods}: the schema is not the one that was expected",
            "run what is shown there, or write a migration for all pods",
        )


class LimitNotFound(PodworkError):
    """Raised when a limit is named that is not there."""

    def __init__(self, name: str, present: Sequence[str]) -> None:
        self.name = name
        super().__init__(f"there is no limit {name}", f"the limits are: {', '.join(present) or 'none'}")


class ProcessNotFound(PodworkError):
    """Raised when no live process fits what was named."""


class PodConflict(PodworkError):
    """Raised when a pod is in a state that forbids what was asked."""


class ShopConflict(PodworkError):
    """Raised when a shop is where it may not be for what was asked."""


class ChecksFailed(PodworkError):
    """Raised after a report whose checks did not all hold."""
