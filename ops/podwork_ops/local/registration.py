"""Making the running servers of a stack a platform: directory, pods, shards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from podwork.settings import load
from podwork_ops import migrations
from podwork_ops.local.blueprint import PodAddress
from podwork_pods.errors import RegistryConflict
from podwork_pods.pod import Pod
from podwork_pods.registry.protocol import PodRegistry
from podwork_pods.topology import Topology


def register(config: Path, addresses: Sequence[PodAddress], progress: Callable[[str], None]) -> None:
    """Make the directory's tables, put every pod into the registry and prepare its shard; may be repeated.

    What operators have said about a pod since (its state, weight, labels) stays.
    """
    # The stack's own file is meant, whatever the environment says of another topology.
    topology = Topology.open(load(environment={}, file=config).settings)
    try:
        topology.prepare()
        for address in addresses:
            if _put(topology.registry, address):
                progress(f"pod {address.pod_id} registered")
            migrations.prepare(topology, address.pod_id)
    finally:
        topology.close()


def _put(registry: PodRegistry, address: PodAddress) -> bool:
    """Store the pod's addresses; False if they are stored already."""
    try:
        # First as a new pod: the embedded registry's file comes into being with its first pod.
        registry.put(Pod(address.pod_id, shard_url=address.shard_url, redis_url=address.redis_url))
    except RegistryConflict:
        known = registry.get(address.pod_id)
        moved = replace(known, shard_url=address.shard_url, redis_url=address.redis_url)
        if moved == known:
            return False
        registry.put(moved)
    return True
