"""The blocks of `podwork.testing` as pytest fixtures; pytest finds them where podwork is installed.

| fixture | is |
| --- | --- |
| `podwork_app` | the application: the ini option `podwork_app` names it (`shop.jobs:app`); or override it |
| `podwork_shard` | an engine or connection for iteration jobs; override it, it is None |
| `podwork_clock` | the time of the test, shared by the fixtures below |
| `fake_jobs`, `draining_jobs`, `inline_jobs` | the block around the whole test, and what it gives |

Owns: these fixtures. Promises: nothing is bound unless a test asks for one of them.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from podwork.app import App
from podwork.testing.clock import VirtualClock
from podwork.testing.draining import DrainingJobs, InlineJobs
from podwork.testing.jobs import FakeJobs
from podwork.testing.modes import draining, fake, inline

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

OPTION = "podwork_app"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the ini option."""
    parser.addini(OPTION, "The application whose jobs are tested, as module:attribute.")


@pytest.fixture
def podwork_app(pytestconfig: pytest.Config) -> App:
    """The application whose jobs are tested."""
    target = str(pytestconfig.getini(OPTION))
    if not target:
        raise pytest.UsageError(
            "which application? - set podwork_app = module:attribute in pytest's configuration, or define a "
            "fixture podwork_app that returns it"
        )
    found = pkgutil.resolve_name(target)
    if not isinstance(found, App):
        raise pytest.UsageError(f"podwork_app: {target} is no podwork.App but {type(found).__name__}")
    return found


@pytest.fixture
def podwork_shard() -> Engine | Connection | None:
    """Where iteration jobs find their rows; without one they fail and say so."""
    return None


@pytest.fixture
def podwork_clock() -> VirtualClock:
    """The time of this test: it stands until it is moved."""
    return VirtualClock()


@pytest.fixture
def fake_jobs(podwork_app: App, podwork_clock: VirtualClock) -> Iterator[FakeJobs]:
    """Jobs are recorded; nothing runs."""
    with fake(podwork_app, clock=podwork_clock) as jobs:
        yield jobs


@pytest.fixture
def draining_jobs(
    podwork_app: App, podwork_clock: VirtualClock, podwork_shard: Engine | Connection | None
) -> Iterator[DrainingJobs]:
    """Jobs are recorded; `drain()` runs them."""
    with draining(podwork_app, clock=podwork_clock, shard=podwork_shard) as jobs:
        yield jobs


@pytest.fixture
def inline_jobs(
    podwork_app: App, podwork_clock: VirtualClock, podwork_shard: Engine | Connection | None
) -> Iterator[InlineJobs]:
    """Jobs run at their push."""
    with inline(podwork_app, clock=podwork_clock, shard=podwork_shard) as jobs:
        yield jobs
