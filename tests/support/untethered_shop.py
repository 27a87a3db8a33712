"""The worker of `tests.support.isolated_shop` as on a system without a signal for the death of the parent."""

from __future__ import annotations

import importlib
import sys

from podwork.worker.isolation import tether

if __name__ == "__main__":
    tether._prctl = None  # type: ignore[misc]  # as it is where there is none
    importlib.import_module("tests.support.isolated_shop")
    sys.exit(importlib.import_module("tests.support.worker_shop").main())
