"""An application's own process connects with one call: its jobs can be pushed, its shops opened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

import podwork_ops
from podwork.errors import ConfigurationError
from podwork_ops.errors import AppNotLoaded
from podwork_pods import current, shop_transaction
from tests.acceptance import shop_for_cli
from tests.acceptance.conftest import APP, Podctl


@pytest.fixture
def unbound(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take away what a test bound, and nothing from the environment."""
    monkeypatch.delenv("PODWORK_CONFIG", raising=False)
    monkeypatch.delenv("PODWORK_APP_TARGET", raising=False)
    yield
    shop_for_cli.app.bind(None)
    current.bind(None)


@pytest.mark.usefixtures("unbound")
def test_jobs_are_pushed_and_shops_opened(podctl: Podctl, cli_stack: Path) -> None:
    podctl.json("shops", "assign", "951", "--pod", "2")
    platform = podwork_ops.connect(shop_for_cli.app, config=cli_stack)
    try:
        job_id = shop_for_cli.collect.enqueue(basket_id=1, shop_id=951)
        with shop_transaction(951) as session:
            assert session.execute(text("SELECT shop_id FROM podwork_fence")).scalars().all() == [951]
    finally:
        platform.close()
    assert podctl.json("jobs", "get", job_id)["pod_id"] == 2


@pytest.mark.usefixtures("unbound")
def test_the_application_of_the_settings_is_bound(cli_stack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODWORK_APP_TARGET", APP)
    platform = podwork_ops.connect(config=cli_stack)
    try:
        assert shop_for_cli.app.client is platform.client
    finally:
        platform.close()


@pytest.mark.usefixtures("unbound")
def test_a_wrong_application_is_refused(cli_stack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODWORK_APP_TARGET", "tests.acceptance.shop_for_cli:not_an_app")
    with pytest.raises(AppNotLoaded):
        podwork_ops.connect(config=cli_stack)
    with pytest.raises(ConfigurationError):
        shop_for_cli.app.client  # noqa: B018 - asking for it is the test
