"""For an application's own tests: jobs that are recorded, run at once, or run when the test says so.

| block | what becomes of a push |
| --- | --- |
| `fake(app)` | it is checked as in production and recorded; nothing runs |
| `draining(app)` | recorded; `drain()`, `perform_next()` and `run_for()` run what is due by the clock |
| `inline(app)` | it runs before the push returns, its arguments through JSON and back |
| `worker(app, url)` | it goes to a real Redis, and is run with the worker's own code by `drain()` |

`assert_idempotent` runs a job twice, and `iterate` an iteration job over its whole collection. With pytest
the blocks are fixtures (`podwork.testing.plugin`). Nothing here is imported by production code.
"""

from podwork.testing.clock import VirtualClock
from podwork.testing.draining import DrainingJobs, EndlessDrain, InlineJobs
from podwork.testing.enqueued import EnqueuedJob
from podwork.testing.idempotency import assert_idempotent
from podwork.testing.iterating import iterate
from podwork.testing.jobs import FakeJobs
from podwork.testing.modes import draining, fake, inline
from podwork.testing.real import RedisWorker, worker
from podwork.testing.running import Performed
from podwork.testing.tables import tables

__all__ = [
    # the blocks
    "fake",
    "draining",
    "inline",
    "worker",
    # a job run twice
    "assert_idempotent",
    "tables",
    # an iteration job, batch by batch
    "iterate",
    # what they give
    "FakeJobs",
    "DrainingJobs",
    "InlineJobs",
    "RedisWorker",
    "EnqueuedJob",
    "Performed",
    "VirtualClock",
    "EndlessDrain",
]
