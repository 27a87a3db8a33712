"""The check of a throttle's limits, when it is written down."""

from __future__ import annotations

import math

from podwork.errors import ConfigurationError


def check_limit(throttle: str, label: str, value: float, most: float = math.inf) -> None:
    """Raise ConfigurationError unless the limit is a number above 0, finite, and not above `most`."""
    if type(value) not in (int, float) or not (0 < value < math.inf and value <= most):
        upto = "" if most == math.inf else f", and up to {most:g}"
        raise ConfigurationError(f"{throttle}: {label} = {value!r}", f"give a number above 0{upto}")
