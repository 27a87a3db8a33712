"""The schedules that one loaded application declares.

Owns: `Catalogue`, at `app.schedules`, which code and file fill while the application is loaded. A catalogue
has a token of its own, made when the process loaded the application and shared by all that were forked from
it: by the order in which tokens first reached a pod's Redis, and by no clock, the latest start is told from
older ones. Promises: each name is declared once, and every declaration is usable. Leaves to others: the
pod's own memory of schedules (`ledger`).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from podwork.errors import ConfigurationError
from podwork.job import Call, Job, JobClass
from podwork.schedules.declaration import (
    Declaration,
    Length,
    Timing,
    check_name,
    length_ms,
    work_of,
)
from podwork.schedules.plan import CatchUp
from podwork.schedules.rhythm import NextRun

_KEYS = {"every_ms": "every", "jitter_ms": "jitter", "at_least_every_ms": "at_least_every"}


class Catalogue:
    """The schedules of the application named `app`."""

    def __init__(self, app: str) -> None:
        self.app = app
        self.token = secrets.token_hex(8)
        self.functions: dict[str, NextRun] = {}
        """Of computed intervals, by schedule: code, which does not travel through Redis."""
        self._declared: dict[str, Declaration] = {}

    def __iter__(self) -> Iterator[Declaration]:
        return iter(self._declared.values())

    def __contains__(self, name: object) -> bool:
        return name in self._declared

    def declare(self, name: str, call: Call, *, next_run: NextRun | None = None, **options: Any) -> None:
        """Declare a schedule; see `App.schedule`. Raises ConfigurationError."""
        self.add(self.declaration(name, call, next_run=next_run, **options))
        if next_run is not None:
            self.functions[name] = next_run

    def declaration(
        self,
        name: str,
        call: Call,
        *,
        cron: str | None = None,
        every: Length | None = None,
        next_run: NextRun | None = None,
        zone: str = "UTC",
        queue: str | None = None,
        jitter: Length | None = None,
        catch_up: CatchUp = "one",
        at_least_every: Length | None = None,
        description: str = "",
    ) -> Declaration:
        """Return the declaration that is meant, without taking it. Raises ConfigurationError."""
        check_name(name)
        where = f"schedule {name}"
        timing = Timing(
            cron=cron or "",
            zone=zone,
            every_ms=length_ms(where, "every", every),
            computed=next_run is not None,
            jitter_ms=length_ms(where, "jitter", jitter or None),
            catch_up=catch_up,
            at_least_every_ms=length_ms(where, "at_least_every", at_least_every),
        )
        timing.check(where, _KEYS)
        if not description.isprintable():
            raise ConfigurationError(f"{where}: description: {description!r}", "write one line of text")
        return Declaration(name, self.app, work_of(name, call, queue), timing, description)

    def add(self, declaration: Declaration) -> None:
        """Take a declaration. Raises ConfigurationError: the name is taken."""
        if declaration.name in self._declared:
            raise ConfigurationError(
                f"schedule {declaration.name} is declared twice", "give one of the two another name"
            )
        self._declared[declaration.name] = declaration


def call_of(job: Call | JobClass[Any] | type[Job], args: Mapping[str, Any] | None) -> Call:
    """Return the call that is meant by a job and its arguments, or by a call alone."""
    if isinstance(job, Call):
        if args is not None:
            raise ConfigurationError(
                f"{job.job_class.name}: arguments twice", "give job.call(...), or job and args"
            )
        return job
    declared = job._declared() if isinstance(job, type) else job
    return Call(declared, (), dict(args or {}))
