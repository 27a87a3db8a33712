"""What a child says of itself in Redis, for people who look at the pod.

Owns: the names of the fields (`podwork.keys`: `podwork:process:{incarnation}`). Promises: what does not
change is said once, when the child registers; a heartbeat says only what may have changed. Leaves to others:
reading them (`podwork.inspection`).
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import msgspec

from podwork.worker.memory import rss_bytes
from podwork.worker.queue_order import QueueOrder

if TYPE_CHECKING:
    from podwork.worker.awaiting import Runnable
    from podwork.worker.life import Life
    from podwork.worker.manager import Manager
    from podwork.worker.spec import WorkerSpec

Fields = dict[str, str | int]


class Portrait:
    """The fields of one child; `quiet` is kept by its main thread, `manager` is there once it has booted."""

    def __init__(self, spec: WorkerSpec, life: Life, runnable: Runnable) -> None:
        self._spec = spec
        self._life = life
        self._runnable = runnable
        self.quiet = False
        self.manager: Manager | None = None

    @property
    def busy(self) -> int:
        """How many jobs run, or have ended but could not be acknowledged yet."""
        return self.manager.busy if self.manager else 0

    def whole(self) -> Fields:
        """Return all fields; `classes` is JSON: job class -> version, `awaits`: job class -> migration."""
        spec = self._spec
        return {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "pod": spec.pod_id,
            "revision": spec.revision,
            "queues": ",".join(QueueOrder(spec.queues).names),
            **self._classes(),
            "slots": spec.threads,
            "isolate": int(spec.isolate),
            "lease_seconds": str(spec.lease_seconds),
            "lease_ms": int(spec.lease_seconds * 1000),
            **spec.says,
            **self.changing(),
        }

    def changing(self) -> Fields:
        """Return what a heartbeat says."""
        return {
            "busy": self.busy,
            "quiet": int(self.quiet),
            "stopping": int(self._life.stopping),
            "rss_bytes": rss_bytes(),
            **(self._classes() if self._runnable.may_change else {}),
        }

    def _classes(self) -> Fields:
        said = {"classes": self._runnable.versions}
        waits = {"awaits": self._runnable.waits_for} if self._runnable.may_change else {}
        return {name: msgspec.json.encode(value).decode() for name, value in {**said, **waits}.items()}
