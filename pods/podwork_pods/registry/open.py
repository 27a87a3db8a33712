"""Picks the registry by its URL.

Owns: `open_registry`. Promises: ZooKeeper's client is imported only for a ZooKeeper URL. Leaves to others:
the registries.
"""

from __future__ import annotations

from podwork.errors import ConfigurationError
from podwork_pods.errors import MissingDriver
from podwork_pods.masking import mask_url
from podwork_pods.registry.embedded import EmbeddedRegistry
from podwork_pods.registry.protocol import PodRegistry


def open_registry(url: str) -> PodRegistry:
    """Return the registry behind `sqlite:///file` or `zookeeper://host:port[,host:port]/chroot`.

    Nothing is connected before the first use.

    Raises:
        ConfigurationError: the URL is of another kind.
        MissingDriver: it is ZooKeeper's, and kazoo is not installed.
    """
    scheme = url.partition("://")[0]
    if scheme == "sqlite":
        return EmbeddedRegistry(url)
    if scheme == "zookeeper":
        try:
            from podwork_pods.registry.zookeeper import ZooKeeperRegistry  # noqa: PLC0415 - optional extra
        except ModuleNotFoundError as error:
            if error.name is None or error.name.split(".")[0] != "kazoo":
                raise
            raise MissingDriver("zookeeper", "kazoo", "podwork[mysql]") from None
        return ZooKeeperRegistry(url)
    raise ConfigurationError(
        f"topology.registry_url = {mask_url(url)!r} is not a registry",
        "give sqlite:///file or zookeeper://host:port/chroot",
    )
