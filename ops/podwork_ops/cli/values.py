"""The kinds of values that options take: numbers, durations, lists of queues, JSON, labels.

Promises: a wrong value is refused at the command line, in one line that shows a right one.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import click

from podwork.errors import ConfigurationError
from podwork.interfaces import LARGEST_SHOP_ID
from podwork.job import JOB_NAME, QUEUE_NAME

_UNIT_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


class Number(click.ParamType[int]):
    """The number of a shop or a pod, up to what a database's column holds."""

    name = "number"

    def __init__(self, noun: str, least: int) -> None:
        self._noun = noun
        self._least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number."""
        try:
            number = int(value)
        except ValueError:  # not a number, or one of thousands of digits
            number = -1
        if not self._least <= number <= LARGEST_SHOP_ID:
            shown = repr(value) if len(str(value)) < 40 else "this"
            limits = f"{self._noun}s are whole numbers from {self._least} to {LARGEST_SHOP_ID}"
            self.fail(f"{shown} is no {self._noun} - {limits}", param, ctx)
        return number


SHOP = Number("shop", least=0)
POD = Number("pod", least=1)


class Duration(click.ParamType[float]):
    """A length of time: 25s, 2m, 1m30s, 500ms, or a plain number of seconds. Converts to seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds."""
        if isinstance(value, int | float):
            return float(value)
        text = str(value).strip().lower()
        seconds = _seconds(text)
        if seconds is None or not 0 < seconds < math.inf:  # nan is not either
            self.fail(f"{value!r} is not a duration - write 25s, 2m, 1m30s or 500ms", param, ctx)
        return seconds


class DurationOrNone(Duration):
    """A length of time, or none, which is 0."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds."""
        return 0.0 if value in ("none", "0") else super().convert(value, param, ctx)


class QueueName(click.ParamType[str]):
    """The name of a queue."""

    name = "queue"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name."""
        if not QUEUE_NAME.fullmatch(str(value)):
            self.fail(
                f"{value!r} is not a queue's name - use lower-case letters, digits, - _ and .", param, ctx
            )
        return str(value)


class ClassName(click.ParamType[str]):
    """The name of a job class: shop.collect."""

    name = "class"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name."""
        if not JOB_NAME.fullmatch(str(value)):
            self.fail(f"{value!r} is not a job class - write it as jobs are named: shop.collect", param, ctx)
        return str(value)


class QueueList(click.ParamType[list[str]]):
    """Queues, most urgent first: critical,default; or with weights: critical:6,default:3."""

    name = "queues"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[str]:
        """Return the queues as given, with their weights."""
        from podwork.worker.queue_order import QueueOrder  # noqa: PLC0415 - the worker's package, for this option only

        if isinstance(value, list):
            return value
        queues = [part.strip() for part in str(value).split(",")]
        if not all(queues):
            self.fail(f"{value!r} has an empty name - write critical,default", param, ctx)
        try:
            names = QueueOrder(queues).names
        except ConfigurationError as error:
            self.fail(f"{error.what} - {error.remedy}", param, ctx)
        if len(set(names)) < len(names):
            self.fail(f"{value!r} names a queue twice - name each once, most urgent first", param, ctx)
        return queues


class Rate(click.ParamType[tuple[int, float]]):
    """So many in so long: 100/1m, 5/s. Converts to the number and seconds."""

    name = "rate"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, float]:
        """Return the number, and the seconds in which so many may start."""
        if isinstance(value, tuple):
            return value
        amount, slash, period = str(value).strip().lower().partition("/")
        period = f"1{period}" if period in _UNIT_SECONDS else period
        seconds = _seconds(period) if slash else None
        if not amount.isdecimal() or int(amount) < 1 or seconds is None or not 0.001 <= seconds < math.inf:
            self.fail(f"{value!r} is not a rate - write 100/1m, 5/s or 1000/1h", param, ctx)
        return int(amount), seconds


class RowsOrNone(click.ParamType[float]):
    """A number of rows above 0, or none, which is 0."""

    name = "rows"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number."""
        if value == "none":
            return 0.0
        try:
            number = float(str(value).removesuffix("/s").replace("_", ""))
        except ValueError:
            number = 0.0
        if not 0 < number < 1e15:
            self.fail(f"{value!r} is no number of rows - write 5000, or none for no limit", param, ctx)
        return number


class JsonObject(click.ParamType[dict[str, Any]]):
    """A JSON object: {"full": true}."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        """Return the object."""
        if isinstance(value, dict):
            return value
        try:
            document = json.loads(value)
        except ValueError as error:
            self.fail(f"""not JSON: {error} - quote it for the shell: '{{"full": true}}'""", param, ctx)
        if not isinstance(document, dict):
            self.fail(f"""{value} is not an object - name the arguments: '{{"full": true}}'""", param, ctx)
        return document


class Argument(click.ParamType[tuple[str, Any]]):
    """One argument of a job: name=value, where value is JSON if it can be read so, else text."""

    name = "name=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Any]:
        """Return the name and the value."""
        if isinstance(value, tuple):
            return value
        name, text = _pair(self, value, param, ctx)
        try:
            return name, json.loads(text)
        except ValueError:
            return name, text


class Label(click.ParamType[tuple[str, str]]):
    """A label: name=value."""

    name = "name=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Return the name and the value."""
        return value if isinstance(value, tuple) else _pair(self, value, param, ctx)


def _pair(
    kind: click.ParamType[Any], value: Any, param: click.Parameter | None, ctx: click.Context | None
) -> tuple[str, str]:
    name, equals, text = str(value).partition("=")
    if not equals or not name.strip():
        kind.fail(f"{value!r} is not name=value", param, ctx)
    return name.strip(), text


def _seconds(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        pass
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts)
