"""The worker: a supervisor, its children, and in each child the threads that run jobs.

In the order in which one boots: `spec` (what to run), `supervisor` (forks, restarts, signals), `child` (one
process: obeys), `boot` (registers, starts threads), `manager` (acknowledges and claims, one round trip),
`processor` (one job from claim to acknowledge), `fates` (every other end), `isolation` (a process for each
job), `heartbeat` (keeps the lease), `timekeeper` (reclaims, promotes, unparks), `farewell` (the end).
"""

from podwork.worker.middleware import Middleware
from podwork.worker.spec import ChildHealth, Connections, Health, JobConnections, WorkerSpec
from podwork.worker.supervisor import Supervisor

__all__ = [
    "ChildHealth",
    "Connections",
    "Health",
    "JobConnections",
    "Middleware",
    "Supervisor",
    "WorkerSpec",
]
