"""The worker: a supervisor, its children, and in each child the threads that run jobs.

In the order in which one boots: `spec` (what to run), `supervisor` (forks, restarts, signals), `child` (one
process: registers, starts threads, obeys), `manager` (acknowledges and claims, one round trip), `processor`
(one job from claim to acknowledge), `heartbeat` (keeps the lease), `timekeeper` (reclaims, promotes,
unparks).
"""

from podwork.worker.middleware import Middleware
from podwork.worker.spec import ChildHealth, Connections, Health, WorkerSpec
from podwork.worker.supervisor import Supervisor

__all__ = ["ChildHealth", "Connections", "Health", "Middleware", "Supervisor", "WorkerSpec"]
