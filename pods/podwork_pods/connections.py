"""Connections to pods: one engine for the shard and one client for Redis, per pod and process.

Owns: `PodConnections`. Promises: made at first use, made again after a fork (what the parent opened is left
alone, not closed) and when the pod's URL changes; a pod that is down is not tried. An unreachable shard is
`ShardUnavailable`, without a password in its text. Leaves to others: what to do over them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from msgspec import structs
from sqlalchemy import Engine

from podwork.settings import RedisSettings, ShardSettings
from podwork.store import Store
from podwork_pods import unbroken
from podwork_pods.engines import make_engine
from podwork_pods.errors import PodUnavailable, ShardUnavailable
from podwork_pods.masking import address_of
from podwork_pods.per_process import PerProcess
from podwork_pods.pod import Pod, PodState


class _Open:
    """What one process has opened, by pod; each with the URL that it was made for.

    An engine's key says, beside the pod, whether it commits every statement by itself, and how long it waits
    for an answer, if not as usual.
    """

    def __init__(self) -> None:
        self.engines: dict[tuple[int, bool, float | None], tuple[str, Engine]] = {}
        self.stores: dict[int, tuple[str, Store]] = {}
        self.lock = threading.Lock()


class PodConnections:
    """Opens shards and Redis by pod."""

    def __init__(
        self,
        pod_of: Callable[[int], Pod],
        shard: ShardSettings | None = None,
        redis: RedisSettings | None = None,
    ) -> None:
        self._pod_of = pod_of
        self._shard = shard or ShardSettings()
        self._redis = redis or RedisSettings()
        self._own = PerProcess(_Open)

    def engine(self, pod_id: int, *, autocommit: bool = False, answer_seconds: float | None = None) -> Engine:
        """Return the shard's engine; or one of which each statement is a transaction (`make_engine`).

        `answer_seconds`: for so long it waits for an answer, instead of `shard.read_timeout_seconds`.

        Raises:
            UnknownPod, PodUnavailable: there is no such pod, or it is down.
        """
        pod = self._serving(pod_id, "reach its shard")
        key = (pod_id, autocommit, answer_seconds)
        url, engine = self._own.get().engines.get(key, ("", None))
        return engine if engine is not None and url == pod.shard_url else self._open_engine(pod, *key[1:])

    def store(self, pod_id: int) -> Store:
        """Return the pod's Redis.

        Raises:
            UnknownPod, PodUnavailable: there is no such pod, or it is down.
        """
        pod = self._serving(pod_id, "reach its Redis")
        url, store = self._own.get().stores.get(pod_id, ("", None))
        return store if store is not None and url == pod.redis_url else self._open_store(pod)

    def pod_of(self, engine: Engine) -> int | None:
        """Return the pod to whose shard this engine, or a view of it, leads; None: it is not one of these."""
        own = self._own.peek()
        opened = list(own.engines.items()) if own is not None else []
        return next((pod_id for (pod_id, *_), (_, ours) in opened if ours.pool is engine.pool), None)

    def shard_engine(
        self,
        pod: Pod,
        *,
        must_exist: bool = True,
        autocommit: bool = False,
        answer_seconds: float | None = None,
    ) -> Engine:
        """Return a new engine for a pod's shard, to prepare or probe it; the caller disposes of it."""

        def unavailable(why: str) -> ShardUnavailable:
            return ShardUnavailable(pod.id, address_of(pod.shard_url), why)

        settings = self._shard
        if answer_seconds is not None:
            settings = structs.replace(settings, read_timeout_seconds=answer_seconds)
        engine = make_engine(
            pod.shard_url, unavailable, settings, must_exist=must_exist, autocommit=autocommit
        )
        unbroken.watch(engine)
        return engine

    def close(self) -> None:
        """Close what this process opened; the next use opens anew."""
        own = self._own.take()
        if own is not None:
            for _, engine in own.engines.values():
                engine.dispose()
            for _, store in own.stores.values():
                store.close()

    def _serving(self, pod_id: int, doing: str) -> Pod:
        pod = self._pod_of(pod_id)
        if pod.state is PodState.DOWN:
            raise PodUnavailable(pod_id, pod.state, doing)
        return pod

    def _open_engine(self, pod: Pod, autocommit: bool, answer_seconds: float | None) -> Engine:
        own, key = self._own.get(), (pod.id, autocommit, answer_seconds)
        with own.lock:
            url, engine = own.engines.get(key, ("", None))
            if engine is None or url != pod.shard_url:
                if engine is not None:
                    engine.dispose()  # what is checked out is closed when it comes back
                engine = self.shard_engine(pod, autocommit=autocommit, answer_seconds=answer_seconds)
                own.engines[key] = (pod.shard_url, engine)
            return engine

    def _open_store(self, pod: Pod) -> Store:
        own = self._own.get()
        with own.lock:
            url, store = own.stores.get(pod.id, ("", None))
            if store is None or url != pod.redis_url:
                # A replaced one is not closed: another thread may be in the middle of a call.
                store = Store(pod.redis_url, socket_timeout_seconds=self._redis.socket_timeout_seconds)
                own.stores[pod.id] = (pod.redis_url, store)
            return store
