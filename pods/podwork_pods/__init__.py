"""Pods: where they are, which shop lives where, and transactions that run only where the shop is.

| module | owns |
| `pod`, `registry` | a pod's settings, and the registry that holds them and the presence of workers |
| `directory`, `cache` | shop -> pod and epoch: the truth, and the process-local copy in front of it |
| `routing` | the engine's `Router` and `Fence`, answered from the directory |
| `connections`, `fence`, `transaction` | shards: engines, the fence row, `shop_transaction` |
| `topology` | all of it, built from settings |

Leaves to others: jobs and queues (`podwork`), migrations (`podwork_migrations`), commands (`podwork_ops`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podwork_pods.pod import Pod, PodState

if TYPE_CHECKING:
    from podwork_pods.transaction import shop_transaction

__all__ = ["Pod", "PodState", "shop_transaction"]


def __getattr__(name: str) -> Any:
    if name != "shop_transaction":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # It comes with SQLAlchemy's ORM, 6 MiB: an application that imports it has that loaded before its worker
    # forks, and a worker whose application opens no shop's transactions never.
    from podwork_pods.transaction import shop_transaction  # noqa: PLC0415 - see above

    return shop_transaction
