"""Pods: where they are, which shop lives where, and transactions that run only where the shop is.

| module | owns |
| `pod`, `registry` | a pod's settings, and the registry that holds them and the presence of workers |
| `directory`, `cache` | shop -> pod and epoch: the truth, and the process-local copy in front of it |
| `routing` | the engine's `Router` and `Fence`, answered from the directory |
| `connections`, `fence`, `transaction` | shards: engines, the fence row, `shop_transaction` |
| `iteration` | runs of iteration jobs, and what they work through |
| `topology` | all of it, built from settings |

Leaves to others: jobs and queues (`podwork`), migrations (`podwork_migrations`), commands (`podwork_ops`).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from podwork_pods.pod import Pod, PodState

if TYPE_CHECKING:
    from podwork_pods.iteration.collections import (
        csv_lines,
        items,
        json_lines,
        nested,
        rows,
        select,
        windows,
    )
    from podwork_pods.iteration.throttles import (
        Function,
        HistoryLength,
        MaintenanceWindow,
        QueueLatency,
        RedisMemory,
        ReplicaLag,
        ThreadsRunning,
    )
    from podwork_pods.transaction import shop_transaction

__all__ = [
    "Pod",
    "PodState",
    "shop_transaction",
    # what an iteration job can work through
    "rows",
    "select",
    "csv_lines",
    "json_lines",
    "items",
    "windows",
    "nested",
    # what holds it back
    "ReplicaLag",
    "ThreadsRunning",
    "HistoryLength",
    "RedisMemory",
    "QueueLatency",
    "MaintenanceWindow",
    "Function",
]

# Each comes with a part of SQLAlchemy that its worker need not have, 6 MiB of it with the ORM: an application
# that imports one has that loaded before its worker forks, and a worker whose application does not never.
_LAZY = {
    "shop_transaction": "podwork_pods.transaction",
    **dict.fromkeys(
        ("rows", "select", "csv_lines", "json_lines", "items", "windows", "nested"),
        "podwork_pods.iteration.collections",
    ),
    **dict.fromkeys(
        (
            "ReplicaLag",
            "ThreadsRunning",
            "HistoryLength",
            "RedisMemory",
            "QueueLatency",
            "MaintenanceWindow",
            "Function",
        ),
        "podwork_pods.iteration.throttles",
    ),
}


if not TYPE_CHECKING:  # a type checker knows the names from above, and no others

    def __getattr__(name: str) -> Any:
        if name not in _LAZY:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_LAZY[name]), name)
