"""What the common options of one `podctl` command line said."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(slots=True)
class Invocation:
    """The values of -o, --config and --debug, wherever they stood on the command line."""

    format: str = "table"
    config: Path | None = None
    debug: bool = False
    without_settings: bool = False
    """No file was found, and nothing else says where the registry and the directory are."""
