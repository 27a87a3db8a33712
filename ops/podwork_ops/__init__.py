"""Operating podwork: `podctl`, the local stack, the demo, metrics. The only composition root."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from podwork import App
    from podwork_ops.composition import Platform

__all__ = ["connect"]


def connect(app: App | None = None, *, config: str | Path | None = None) -> Platform:
    """Connect this process to the platform; see `podwork_ops.composition.connect`."""
    # Imported here, because importing this package must cost nothing: `podctl --help` does.
    from podwork_ops.composition import connect as connect_now  # noqa: PLC0415 - lazy

    return connect_now(app, config=config)
