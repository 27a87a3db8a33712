"""What a migration's file declares: decorators for its `up`, and what a data migration is given.

    @schema(requires=["20261124120000"], phase="after_deploy")
    def up(op):
        op.drop_column("orders", "status")

    @data
    def up(data):
        data.backfill("shop.FillNetPrice", percent=95)

Owns: `schema`, `data`, `Declaration`, `Backfills`. Promises: what cannot be meant so is refused when the file
is read. Leaves to others: reading it (`library`), doing it (`runner`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar, overload

from podwork.errors import ConfigurationError
from podwork_migrations.migration import Kind, Phase

ATTRIBUTE: Final = "podwork_declaration"
"""Under this name the decorated function carries its declaration."""
VERSION: Final = re.compile(r"\d{14}")

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Declaration:
    """What was declared; see `Migration` for each."""

    kind: Kind
    phase: Phase = Phase.BEFORE_DEPLOY
    requires: tuple[str, ...] = ()
    finalizes: tuple[str, ...] = ()
    pods: tuple[int, ...] | None = None
    override: Mapping[str, str] = field(default_factory=dict)
    postpone_cutover: bool = False
    hold_hours: float = 24.0
    renames: Mapping[str, str] = field(default_factory=dict)


class Backfills(Protocol):
    """What the `up` of a data migration is given; all that it does there is one transaction."""

    def backfill(self, job: Any, **params: Any) -> None:
        """Enqueue an iteration job, by its class or its name; the migration ends when its run succeeds."""
        ...

    def execute(self, sql: str, **params: Any) -> Any:
        """Run one small statement with parameters `:name`, and return SQLAlchemy's result."""
        ...


@overload
def schema(up: F, /) -> F:
    """Declare a schema migration that needs nothing else."""


@overload
def schema(
    *,
    requires: Sequence[str] = (),
    phase: str = "before_deploy",
    pods: Sequence[int] | None = None,
    override: Mapping[str, str] | None = None,
    finalizes: Sequence[str] = (),
    postpone_cutover: bool = False,
    hold_hours: float = 24.0,
    renames: Mapping[str, str] | None = None,
) -> Callable[[F], F]:
    """Declare a schema migration with what it needs."""


def schema(up: F | None = None, /, **declared: Any) -> Any:
    """Declare a schema migration; see `Migration` for what each argument means."""
    return _declare(Kind.SCHEMA, up, declared)


@overload
def data(up: F, /) -> F:
    """Declare a data migration that needs nothing else."""


@overload
def data(
    *,
    requires: Sequence[str] = (),
    phase: str = "before_deploy",
    pods: Sequence[int] | None = None,
    override: Mapping[str, str] | None = None,
    finalizes: Sequence[str] = (),
) -> Callable[[F], F]:
    """Declare a data migration with what it needs."""


def data(up: F | None = None, /, **declared: Any) -> Any:
    """Declare a data migration; see `Migration` for what each argument means."""
    return _declare(Kind.DATA, up, declared)


def _declare(kind: Kind, up: Callable[..., Any] | None, declared: Mapping[str, Any]) -> Any:
    declaration = _declaration(kind, **declared)

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        setattr(function, ATTRIBUTE, declaration)
        return function

    return decorate if up is None else decorate(up)


def _declaration(
    kind: Kind,
    *,
    requires: Sequence[str] = (),
    phase: str = "before_deploy",
    pods: Sequence[int] | None = None,
    override: Mapping[str, str] | None = None,
    finalizes: Sequence[str] = (),
    postpone_cutover: bool = False,
    hold_hours: float = 24.0,
    renames: Mapping[str, str] | None = None,
) -> Declaration:
    if phase not in tuple(Phase):
        raise ConfigurationError(f"phase={phase!r}", f"give one of: {', '.join(Phase)}")
    if not (isinstance(hold_hours, int | float) and 0 <= hold_hours < math.inf):
        raise ConfigurationError(f"hold_hours={hold_hours!r}", "give hours, from 0")
    for rule, reason in (override or {}).items():
        if not (isinstance(reason, str) and reason.strip()):
            raise ConfigurationError(f"override of {rule} without a reason", "say why, for those who read it")
    return Declaration(
        kind,
        Phase(phase),
        _versions("requires", requires),
        _versions("finalizes", finalizes),
        _pods(pods),
        dict(override or {}),
        bool(postpone_cutover),
        float(hold_hours),
        dict(renames or {}),
    )


def _versions(name: str, given: Sequence[str]) -> tuple[str, ...]:
    versions = (given,) if isinstance(given, str) else tuple(given)
    for version in versions:
        if not (isinstance(version, str) and VERSION.fullmatch(version)):
            raise ConfigurationError(f"{name}: {version!r} is no version", "give 14 digits, as text")
    return versions


def _pods(given: Sequence[int] | None) -> tuple[int, ...] | None:
    if given is None:
        return None
    pods = tuple(given)
    if not pods or any(type(pod) is not int or pod < 1 for pod in pods):
        raise ConfigurationError(f"pods={given!r}", "give numbers of pods, or leave it out for all")
    return pods
