"""What holds runs back: throttles over a shard, a Redis and its queues, functions, and the time of day.

    from podwork_pods.iteration.throttles import MaintenanceWindow, QueueLatency, ReplicaLag

| throttle | holds a run back while | on SQLite |
| `ReplicaLag` | a replica of the shard is behind, or fewer are connected than should be | has none: never |
| `ThreadsRunning` | the shard runs more than so many statements at once | never |
| `HistoryLength` | InnoDB has more than so many old versions of rows to purge | never |
| `RedisMemory` | the pod's Redis has used more than a share of its memory | |
| `QueueLatency` | a queue's oldest job has been due for longer | |
| `Function` | a function of the application says so | |
| `MaintenanceWindow` | the time of day is outside of it | |

Each fails closed: what cannot be read holds the run back, and says so. One of your own is a class as in
`podwork.iteration.throttle`.

| module | owns |
| `throttles` | asking them: how often, and how long a held run waits |
| `replicas` | where a shard's replicas are, and what each says of itself |
| `limits` | the check of limits |
"""

from __future__ import annotations

from podwork_pods.iteration.throttles.function import Function
from podwork_pods.iteration.throttles.history_length import HistoryLength
from podwork_pods.iteration.throttles.queue_latency import QueueLatency
from podwork_pods.iteration.throttles.redis_memory import RedisMemory
from podwork_pods.iteration.throttles.replica_lag import ReplicaLag
from podwork_pods.iteration.throttles.threads_running import ThreadsRunning
from podwork_pods.iteration.throttles.throttles import PodThrottles
from podwork_pods.iteration.throttles.window import MaintenanceWindow

__all__ = [
    "Function",
    "HistoryLength",
    "MaintenanceWindow",
    "PodThrottles",
    "QueueLatency",
    "RedisMemory",
    "ReplicaLag",
    "ThreadsRunning",
]
