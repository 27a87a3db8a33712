"""What a registry of pods does, whatever it stands on.

Owns: the protocols `PodRegistry`, `Subscription`, `Presence`, and `WorkerPresence`. Every implementation
passes `tests/contract/test_pods_registry.py`. Promises of all: a pod's record changes by compare-and-set on
its version, so that two operators never lose each other's change; presence ends by itself when its process
dies, and comes back by itself when it was only cut off. Leaves to others: correctness. Presence and
subscriptions only make things prompt; nothing may be decided on them that a row in a shard or a script in
Redis does not check again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from podwork_pods.errors import RegistryConflict
from podwork_pods.pod import Pod, PodState

Pods = list[Pod]
OnChange = Callable[[Sequence[Pod]], None]

_STATE_TRIES = 10


@dataclass(frozen=True, slots=True)
class WorkerPresence:
    """A worker's process that is present on a pod, as it described itself."""

    pod_id: int
    incarnation: str
    details: Mapping[str, str] = field(default_factory=dict)


class Subscription(Protocol):
    """A wish to be told of changes."""

    def close(self) -> None:
        """End it; idempotent."""
        ...


class Presence(Protocol):
    """A worker's announcement, kept up until it is closed or its process ends."""

    @property
    def held(self) -> bool:
        """Whether others can be taken to see it; false at the latest when its time has run out by our own
        clock.
        """
        ...

    def close(self) -> None:
        """Withdraw it; idempotent; does nothing in a forked child, to whom it does not belong."""
        ...


class PodRegistry(Protocol):
    """Pods' settings and workers' presence.

    Every method may raise `podwork_pods.errors.RegistryUnavailable`.
    """

    @property
    def address(self) -> str:
        """Where the registry is, for people; holds no password."""
        ...

    @property
    def connected(self) -> bool:
        """Whether the registry answers, as far as this process knows without asking for long."""
        ...

    def get(self, pod_id: int) -> Pod:
        """Return the pod with its current version.

        Raises:
            UnknownPod: there is no such pod.
        """
        ...

    def list(self) -> Pods:
        """Return all pods in ascending order."""
        ...

    def put(self, pod: Pod) -> Pod:
        """Store the pod if the stored one still has `pod.version` (0: there is none yet); return the new one.

        Raises:
            RegistryConflict: somebody else stored, changed or removed it meanwhile.
        """
        ...

    def remove(self, pod_id: int) -> None:
        """Take the pod out of the registry.

        Raises:
            UnknownPod: there is no such pod.
        """
        ...

    def set_state(self, pod_id: int, state: PodState) -> Pod:
        """Change only the state, whatever else changes meanwhile.

        Raises:
            UnknownPod: there is no such pod.
        """
        ...

    def subscribe(self, on_change: OnChange) -> Subscription:
        """Call `on_change` with all pods: once before returning, and after every change, from another
        thread.
        """
        ...

    def announce(self, pod_id: int, incarnation: str, details: Mapping[str, str]) -> Presence:
        """Make this process known as a worker of the pod, for as long as it lives."""
        ...

    def workers(self, pod_id: int) -> Sequence[WorkerPresence]:
        """Return the workers present on the pod, in the order of their incarnations."""
        ...

    def close(self) -> None:
        """Withdraw what this process announced and disconnect; idempotent."""
        ...


def change_state(registry: PodRegistry, pod_id: int, state: PodState) -> Pod:
    """Read, change, compare-and-set, and again if somebody was faster: `set_state` for every registry."""
    for _ in range(_STATE_TRIES):
        pod = registry.get(pod_id)
        if pod.state is state:
            return pod
        try:
            return registry.put(replace(pod, state=state))
        except RegistryConflict:
            continue
    raise RegistryConflict(pod_id)
