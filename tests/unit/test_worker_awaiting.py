"""Which job classes may run here now: what is applied on the pod decides."""

from __future__ import annotations

import time

import pytest

from podwork import App
from podwork.errors import ConfigurationError, StoreUnavailable
from podwork.worker.awaiting import MigrationWatch, Runnable
from podwork.worker.life import Life

VERSION = "20261201000000"


@pytest.fixture
def runnable() -> Runnable:
    app = App("shop")
    app.job(name="shop.free", version=3)(lambda: None)
    app.job(name="shop.bound", requires_migration=VERSION)(lambda: None)
    return Runnable(app)


def test_what_requires_nothing_runs_at_once_and_the_rest_waits(runnable: Runnable) -> None:
    assert runnable.versions == {"shop.free": 3}
    assert runnable.waits_for == {"shop.bound": VERSION}
    assert runnable.may_change
    assert not Runnable(App("shop")).may_change


def test_it_runs_while_its_migration_is_applied(runnable: Runnable) -> None:
    runnable.settle({"20250101000000"})
    assert runnable.get("shop.bound") is None
    runnable.settle({"20250101000000", VERSION})
    assert runnable.versions == {"shop.free": 3, "shop.bound": 1}
    assert runnable.waits_for == {}
    runnable.settle(set())
    assert runnable.waits_for == {"shop.bound": VERSION}


def test_what_nobody_can_say_leaves_everything_as_it_is(
    runnable: Runnable, caplog: pytest.LogCaptureFixture
) -> None:
    answers: list[set[str] | Exception] = [
        StoreUnavailable("redis://", "gone"), {VERSION}, StoreUnavailable("redis://", "gone"),
    ]  # fmt: skip

    def applied() -> set[str]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    life = Life("me", 3600.0)
    life.renewed(time.monotonic())
    watch = MigrationWatch(runnable, applied, life)
    watch.look()
    assert runnable.get("shop.bound") is None
    watch.look()
    watch.look()
    assert runnable.get("shop.bound") is not None
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "nobody can say which migrations are applied"
    ] * 2


@pytest.mark.parametrize("version", ["2026", "add_status", "20261201000000_add", "\uff120261201000000"])
def test_what_is_no_version_is_refused(version: str) -> None:
    with pytest.raises(ConfigurationError, match="14 digits"):
        App("shop").job(requires_migration=version)(lambda: None)
