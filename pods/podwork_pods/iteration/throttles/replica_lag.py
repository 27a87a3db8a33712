"""A throttle over how far a shard's replicas are behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from sqlalchemy.engine import make_url

from podwork.errors import ConfigurationError
from podwork.iteration.throttle import Held, Surroundings, Throttle
from podwork_pods.iteration.throttles import replicas
from podwork_pods.iteration.throttles.limits import check_limit


@dataclass(frozen=True)
class ReplicaLag(Throttle):
    """Holds a run back while a replica is more than `limit_seconds` behind, or does not follow.

    Args:
        limit_seconds: replicas count in whole seconds, so that a limit below 1 means: not at all.
        replicas: from a pod's number to the URLs of its replicas, all of which have to answer. None: those
            that are connected to the shard, with the shard's own user and password; each of them has to say
            where it is (`report_host`).
        at_least: how many of those have to be connected. One that has gone away is not seen any more, and
            nobody knows how far it is behind.

    The user needs REPLICATION SLAVE on the shard (MariaDB from 10.5: REPLICATION MASTER ADMIN) and
    REPLICATION CLIENT on the replicas (SLAVE MONITOR). A database of SQLite has no replicas, and is never
    held back by it.
    """

    limit_seconds: float = 5.0
    replicas: Callable[[int], Sequence[str]] | None = None
    at_least: int = 1

    name: ClassVar[str] = "replica_lag"

    def __post_init__(self) -> None:
        check_limit(self.name, "limit_seconds", self.limit_seconds)
        if type(self.at_least) is not int or self.at_least < 0:
            raise ConfigurationError(f"{self.name}: at_least = {self.at_least!r}", "give a whole number")

    def held(self, around: Surroundings) -> Held | None:
        """Ask each replica."""
        if around.engine.dialect.name == "sqlite":
            return None
        if self.replicas is not None:
            urls = self.replicas(around.pod_id)
        else:
            urls = replicas.connected(around.engine)
            if len(urls) < self.at_least:
                return Held(f"{self.name} {len(urls)} replicas are connected, at least {self.at_least}")
        for url in urls:
            held = self._held_by(around.pod_id, url)
            if held is not None:
                return held
        return None

    def _held_by(self, pod_id: int, url: str) -> Held | None:
        behind_seconds, why = replicas.replication_of(pod_id, url)
        at = make_url(url)
        where = f"{at.host}:{at.port}"
        if behind_seconds is None:
            return Held(f"{self.name} {where} does not follow: {why}")
        if behind_seconds <= self.limit_seconds:
            return None
        return Held(f"{self.name} {behind_seconds:g} s at {where}, limit {self.limit_seconds:g} s")
