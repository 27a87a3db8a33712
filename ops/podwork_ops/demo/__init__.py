"""`podctl demo`: the platform's main jobs on real input, with kills in mid-run and a check at the end.

`runbook` is the demo from top to bottom; the other files are its steps: `installed`, `dataset`,
`placement`, `loading` (with `bulk` and `schema`), `workers`, `monitor`, `largest_shop` (with `tables`),
`backfill`, `expectation`, `check`, `net_prices`, `report`.
`jobs` is the application that the workers load. Needs the extra `podwork[demo]`.
"""

from __future__ import annotations

from podwork_ops.demo.options import DemoOptions
from podwork_ops.demo.report import DemoReport

__all__ = ["DemoOptions", "DemoReport", "run"]


def run(options: DemoOptions) -> DemoReport:
    """Run the demo, print what it finds, and return it; `DemoReport.ok` says whether every check held.

    Raises:
        PodworkError: it could not be run to its end. What it started is stopped.
    """
    from podwork_ops.demo.installed import require_pyarrow  # noqa: PLC0415 - workers import this package,

    require_pyarrow()
    from podwork_ops.demo.runbook import run_demo  # noqa: PLC0415 - ... and do without pyarrow

    return run_demo(options)
