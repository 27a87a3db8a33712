"""The pods as this process knows them: the registry's, kept current by its watches.

Owns: `Roster`. Promises: asking costs a dictionary look-up; a change in the registry arrives by itself;
while the registry cannot be reached, the last known pods go on being used, because correctness does not hang
on them (the fence's does). Leaves to others: the registry itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from podwork_pods.errors import UnknownPod
from podwork_pods.per_process import PerProcess
from podwork_pods.pod import Pod
from podwork_pods.registry.protocol import PodRegistry, Subscription


class _Watch:
    """One process's subscription and what it brought last."""

    def __init__(self, registry: PodRegistry) -> None:
        self.pods: dict[int, Pod] = {}
        # The registry calls `take` once before `subscribe` returns, so the pods are there from the start.
        self.subscription: Subscription = registry.subscribe(self.take)

    def take(self, pods: Sequence[Pod]) -> None:
        self.pods = {pod.id: pod for pod in pods}


class Roster:
    """Answers from memory what pods there are; begins to watch the registry when it is first asked."""

    def __init__(self, registry: PodRegistry) -> None:
        self._registry = registry
        self._watch = PerProcess(lambda: _Watch(registry))

    def pod(self, pod_id: int) -> Pod:
        """Return the pod's settings.

        Raises:
            UnknownPod: neither memory nor the registry knows the pod.
            RegistryUnavailable: the registry was never reached by this process.
        """
        watch = self._watch.get()
        pod = watch.pods.get(pod_id)
        if pod is not None:
            return pod
        # It may have been added a moment ago: ask the truth before calling it unknown.
        watch.take(self._registry.list())
        found = watch.pods.get(pod_id)
        if found is None:
            raise UnknownPod(pod_id, sorted(watch.pods))
        return found

    def pods(self) -> list[Pod]:
        """Return all pods in ascending order."""
        pods = self._watch.get().pods
        return [pods[pod_id] for pod_id in sorted(pods)]

    def close(self) -> None:
        """Stop watching."""
        watch = self._watch.take()
        if watch is not None:
            watch.subscription.close()
