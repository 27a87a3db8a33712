"""The kinds of values that options of plans of moves take: a share, bytes a second, a file of shops."""

from __future__ import annotations

import math
import re
from typing import IO, Any, Final

import click

from podwork_ops.cli.values import SHOP
from podwork_pods.mover.plans.calendar import Freeze
from podwork_pods.mover.plans.errors import InvalidMovePlan

_BYTES: Final = re.compile(r"(\d+(?:\.\d+)?)([kmg]?)b?(?:/s)?")
_UNIT_BYTES: Final = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


class Share(click.ParamType[float]):
    """A share of a whole: 5%, or none, which is 0."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return it from 0 to 1."""
        if isinstance(value, float):
            return value
        text = str(value).strip()
        if text == "none":
            return 0.0
        try:
            share = float(text.removesuffix("%")) / 100
        except ValueError:
            share = -1.0
        if not text.endswith("%") or not 0 <= share <= 1:
            self.fail(f"{value!r} is no share - write 5%, or none", param, ctx)
        return share


class BytesPerSecond(click.ParamType[int]):
    """Bytes a second: 20M, 512K; units are powers of 1024."""

    name = "bytes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the bytes."""
        if isinstance(value, int):
            return value
        found = _BYTES.fullmatch(str(value).strip().lower())
        number = math.floor(float(found[1]) * _UNIT_BYTES[found[2]]) if found else 0
        if not 1 <= number < 1 << 50:
            self.fail(f"{value!r} is no bandwidth - write 20M, 512K or 1G, of bytes a second", param, ctx)
        return number


class FreezeLine(click.ParamType[str]):
    """A span in which no cut-over begins: Fri 18:00-Mon 08:00 Europe/Paris."""

    name = "freeze"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text, which can be read."""
        try:
            return Freeze.parse(str(value)).text
        except InvalidMovePlan as error:
            self.fail(f"{error.what} - {error.remedy}", param, ctx)


def shops_in(file: IO[str]) -> list[int]:
    """Return the shops in a file: a number a line, without what follows a #. Raises click.BadParameter."""
    found = []
    for line in file:
        text = line.partition("#")[0].strip()
        if text:
            found.append(SHOP.convert(text, None, None))
    return found
