"""Secrets do not reach people's eyes or the logs."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Literal

import pytest

from podwork.settings import LogSettings
from podwork_ops import logging as podwork_logging
from podwork_ops.masking import mask, mask_value

SECRET = "hunter2"


@pytest.mark.parametrize(
    "text",
    [
        f"mysql+pymysql://app:{SECRET}@db4:3306/shop",
        f"redis://:{SECRET}@redis4:6379/0",
        f"rediss://default:{SECRET}@10.0.0.1/0 does not answer",
        f"mysql+pymysql://app:p/{SECRET}@db4/shop does not answer",
        f"lost mysql+pymysql://app:p@{SECRET}@db4/shop",
        f"redis://redis4:6379/0?auth={SECRET}",
        f"'redis://app:{SECRET}@r/0', \"redis://r2/0\"",
        f"password={SECRET}",
        f'{{"api_key": "{SECRET}"}}',
        f"DB_PASSWORD: '{SECRET}'",
        f"https://host/?token={SECRET}&page=2",
    ],
)
def test_passwords_are_masked(text: str) -> None:
    assert SECRET not in mask(text)
    assert "***" in mask(text)


@pytest.mark.parametrize(
    "text",
    [
        "redis://localhost:6379/0",
        "sqlite:///pod-1.db",
        "12:30:45",
        "a@b.example",
        "redis://h:1/0 of a@b.example",
    ],
)
def test_what_holds_no_password_stays(text: str) -> None:
    assert mask(text) == text


@pytest.mark.parametrize("url", [f"mysql://app:it's {SECRET}@db/shop", f'redis://:"{SECRET}@r/0'])
def test_a_setting_that_is_a_url_is_masked_as_a_whole(url: str) -> None:
    assert SECRET not in str(mask_value("directory_url", url))


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize("form", ["text", "json"])
def test_logs_hold_no_secret_in_message_fields_or_traceback(
    stream: io.StringIO, form: Literal["text", "json"]
) -> None:
    podwork_logging.configure(LogSettings(format=form), stream)
    try:
        raise RuntimeError(f"cannot reach mysql://app:{SECRET}@db/shop")
    except RuntimeError:
        logging.getLogger("shop").exception(
            "lost %s",
            f"redis://:{SECRET}@r/0",
            extra={"password": SECRET, "nested": {"token": SECRET, "urls": [f"redis://u:{SECRET}@r"]}},
        )
    assert SECRET not in stream.getvalue()
    assert "RuntimeError" in stream.getvalue()


def test_json_tracebacks_hold_no_local_variables(stream: io.StringIO) -> None:
    podwork_logging.configure(LogSettings(format="json"), stream)

    def pay(card_number: str) -> None:
        raise RuntimeError(f"declined after {len(card_number)} digits")

    try:
        pay("4111111111111111")
    except RuntimeError:
        logging.getLogger("shop").exception("payment")
    assert "declined" in stream.getvalue()
    assert "4111111111111111" not in stream.getvalue()


def test_json_logs_are_one_object_a_line(stream: io.StringIO) -> None:
    podwork_logging.configure(LogSettings(format="json"), stream)
    logging.getLogger("shop").info("hello %s", "pod", extra={"shop_id": 330})
    line = json.loads(stream.getvalue())
    assert line["message"] == "hello pod"
    assert line["shop_id"] == 330
    assert line["level"] == "info"
    assert line["logger"] == "shop"
    assert line["timestamp"].endswith("Z")


def test_the_level_and_noisy_libraries_are_heeded(stream: io.StringIO) -> None:
    podwork_logging.configure(LogSettings(level="warning"), stream)
    logging.getLogger("shop").info("quiet")
    podwork_logging.configure(LogSettings(level="info"), stream)
    logging.getLogger("kazoo.client").info("quiet")
    assert stream.getvalue() == ""
