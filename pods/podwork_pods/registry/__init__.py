"""The registry of pods: their settings, and which workers are present on them.

`protocol` says what a registry does; `embedded` (SQLite) and `zookeeper` do it; `open` picks by URL.
"""

from __future__ import annotations

from podwork_pods.registry.open import open_registry
from podwork_pods.registry.protocol import PodRegistry, Presence, Subscription, WorkerPresence

__all__ = ["PodRegistry", "Presence", "Subscription", "WorkerPresence", "open_registry"]
