"""A shop's jobs on their way from one pod's Redis to another's, while the shop trades.

| file | has |
| --- | --- |
| `transfer` | `Transfer`: the steps, in the order of the runbook (ops/docs/moves.md) |
| `side` | one pod's Redis in a passage: the calls of the scripts, and who is refused |
| `bringing` | the jobs brought over, page by page; what came since; what is gone |
| `manifest` | what both have, counted and compared |
| `sweeping` | what is left behind: dropped where it was brought, pushed on where not |
"""

from podwork.transfer.manifest import Manifest, Manifests
from podwork.transfer.side import Held
from podwork.transfer.sweeping import PushOn, pushing_to
from podwork.transfer.transfer import Transfer

__all__ = ["Held", "Manifest", "Manifests", "PushOn", "Transfer", "pushing_to"]
