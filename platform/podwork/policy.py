"""What an application declares about a class of jobs, beyond its code: the policies.

Owns: `JobPolicy`, the one table of them, with its checks. Promises: what cannot be meant so is refused when
the job is declared. Leaves to others: carrying the policies out, each in a file of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from podwork import limits
from podwork.errors import ConfigurationError
from podwork.limits import Limit
from podwork.retry import RetryPolicy
from podwork.unique import Unique

MIGRATION_VERSION = re.compile(r"[0-9]{14}", re.ASCII)
"""YYYYMMDDHHMMSS."""


@dataclass(frozen=True, slots=True)
class JobPolicy:
    """The policies of one class of jobs.

    Attributes:
        retry: how often and when a failed job runs again.
        version: grows when older code must not run its jobs: they wait for workers that know it.
        unique: which of its jobs are the same. limits: how many may run, or start in a while.
        expires_in_seconds: a job must have started so long after its push, or is dropped.
        at_most_once: never started twice; if its process dies meanwhile, it is buried.
        soft_limit_seconds: after so long `TimeLimitExceeded` is raised in the job.
        hard_limit_seconds: after so long its process is replaced, and the job has failed.
        requires_migration: the version of a migration; on a pod that has not had it its jobs wait.
    """

    retry: RetryPolicy = field(default_factory=RetryPolicy)
    version: int = 1
    unique: Unique | None = None
    limits: tuple[Limit, ...] = ()
    expires_in_seconds: float | None = None
    at_most_once: bool = False
    soft_limit_seconds: float | None = None
    hard_limit_seconds: float | None = None
    requires_migration: str | None = None

    def check(self, name: str, parameters: tuple[str, ...]) -> None:
        """Raise ConfigurationError if they cannot be meant so."""
        if type(self.version) is not int or self.version < 1:
            raise ConfigurationError(f"{name}: version={self.version!r}", "give a whole number from 1")
        self.retry.check(name)
        if self.unique is not None:
            self.unique.check(name, parameters)
        for limit in self.limits:
            limits.check(name, limit)
        for label in ("expires_in_seconds", "soft_limit_seconds", "hard_limit_seconds"):
            value = getattr(self, label)
            if value is not None and not value > 0:
                raise ConfigurationError(f"{name}: {label}={value!r}", "give a number of seconds above 0")
        if (
            self.soft_limit_seconds
            and self.hard_limit_seconds
            and self.soft_limit_seconds >= self.hard_limit_seconds
        ):
            raise ConfigurationError(
                f"{name}: the soft limit is not below the hard one", "let the soft one come first"
            )
        if self.requires_migration is not None and not MIGRATION_VERSION.fullmatch(self.requires_migration):
            raise ConfigurationError(
                f"{name}: requires_migration={self.requires_migration!r}",
                "give the version of a migration, the 14 digits with which its file's name begins",
            )
        if self.at_most_once and not self.retry.never:
            raise ConfigurationError(
                f"{name}: at_most_once with retries", "leave out retry=, or give retry=0"
            )
