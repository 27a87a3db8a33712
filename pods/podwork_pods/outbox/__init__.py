"""The outbox: jobs that exist if and only if the shard's transaction that made them commits.

| module | owns |
| `writing` | `ShardOutbox`, the engine's `Outbox`: a row for each job, in the application's own transaction |
| `place` | which shop or pod a session or connection belongs to |
| `schema`, `rows` | the tables, and what relays ask of them |
| `ringing` | the hint to the relay after a commit |
| `arrivals` | the pod's Redis, as a relay speaks to it |
| `relay` | the protocol that moves rows to Redis, and why nothing is lost or doubled |
| `standing` | whether Redis still has what was brought there |
| `service` | the relay as a thread of every worker's child |
| `rebuild`, `gates` | what an emptied Redis gets back from the shard |
"""

from __future__ import annotations

from podwork_pods.outbox.writing import ShardOutbox

__all__ = ["ShardOutbox"]
