"""The methods that an application writes for an iteration job, and what each of them takes.

Owns: `Form`, `ARGUMENTS`, `check_method`. Promises: what could not be called, or would not run when it is
called (a coroutine, a generator), is refused when the job is declared. Leaves to others: which of them a job
needs (`declaration`).
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from podwork.errors import ConfigurationError

_LAZY: Final = (inspect.iscoroutinefunction, inspect.isasyncgenfunction, inspect.isgeneratorfunction)


class Form(StrEnum):
    """In which of its forms a job takes what it works on; each is the name of a method."""

    EACH = "each"
    EACH_BATCH = "each_batch"
    EACH_RANGE = "each_range"


FORMS: Final = "each(item), each_batch(items) or each_range(lo, hi)"
"""The forms as a person writes them."""

ARGUMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "collection": (),
    Form.EACH: ("item",),
    Form.EACH_BATCH: ("items",),
    Form.EACH_RANGE: ("lo", "hi"),
    "on_start": (),
    "on_pause": (),
    "on_resume": (),
    "on_complete": (),
    "on_failure": ("error",),
}
"""What the engine calls, and with what, beyond `self`."""


def check_method(name: str, target: type, method: str) -> None:
    """Raise ConfigurationError unless the engine can call this method of the class."""
    shape = f"def {method}({', '.join(('self', *ARGUMENTS[method]))})"
    found = inspect.getattr_static(target, method)
    if not inspect.isfunction(found):
        raise ConfigurationError(f"{name}: {method}() is not a method", f"write {shape}")
    if any(is_lazy(found) for is_lazy in _LAZY):
        raise ConfigurationError(
            f"{name}: calling {method}() would not run it (it is async, or a generator)",
            f"write a plain {shape}; asyncio.run() inside it runs a coroutine",
        )
    try:
        inspect.signature(found).bind(None, *ARGUMENTS[method])
    except TypeError as error:
        raise ConfigurationError(f"{name}: {method}() cannot be called: {error}", f"write {shape}") from None
