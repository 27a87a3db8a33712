"""The registry on ZooKeeper, for a fleet.

Owns the nodes below its root: `/pods/<id>` (a pod's record) and `/workers/<pod>/<incarnation>` (ephemeral:
it goes when its process's session ends). Promises: as `protocol` says; a pod's version is the transaction
that wrote its node (`mzxid`), so a pod that was removed and added again never matches an old version.
Presence that a lost session took away is announced again by the next one. Leaves to others: sessions and
their troubles (`session`).
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec
from kazoo.exceptions import BadVersionError, NodeExistsError, NoNodeError
from kazoo.protocol.states import WatchedEvent, ZnodeStat

from podwork.errors import ConfigurationError, PodworkError
from podwork_pods.errors import RegistryConflict, UnknownPod
from podwork_pods.masking import mask_url
from podwork_pods.per_process import PerProcess
from podwork_pods.pod import Pod, PodState
from podwork_pods.registry.protocol import OnChange, Pods, Subscription, WorkerPresence, change_state
from podwork_pods.registry.session import ZooKeeperSession
from podwork_pods.ticking import Ticker

SESSION_SECONDS = 10.0
_WATCH_MEND_SECONDS = 5.0
_SERVER = re.compile(r"([\w.-]+|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?")


class ZooKeeperRegistry:
    """A `PodRegistry` below one root node, which the first use makes."""

    def __init__(self, url: str, *, session_seconds: float = SESSION_SECONDS) -> None:
        hosts, _, chroot = url.removeprefix("zookeeper://").partition("/")
        if not all(_SERVER.fullmatch(server) for server in hosts.split(",")):
            raise ConfigurationError(
                f"{mask_url(url)!r} does not name servers",
                "give zookeeper://host:port,host:port/chroot, without user and password",
            )
        self._hosts = hosts
        self._root = "".join(f"/{part}" for part in chroot.split("/") if part)
        self._session_seconds = session_seconds
        self._own = PerProcess(self._connect)

    @property
    def address(self) -> str:
        """The servers and the root."""
        return f"zookeeper://{self._hosts}{self._root}"

    @property
    def connected(self) -> bool:
        """Whether the session stands without doubt; connects if nothing did yet."""
        try:
            return self._session().connected
        except PodworkError:
            return False

    def get(self, pod_id: int) -> Pod:
        """Return the pod; see the protocol."""
        session = self._session()
        try:
            return _pod(session.call(session.client.get_async, session.path(f"/pods/{pod_id}")))
        except NoNodeError:
            raise UnknownPod(pod_id, [pod.id for pod in self.list()]) from None

    def list(self) -> Pods:
        """Return all pods; see the protocol."""
        return _read_pods(self._session(), None)

    def put(self, pod: Pod) -> Pod:
        """Store the pod if nobody else did; see the protocol."""
        session = self._session()
        client, path = session.client, session.path(f"/pods/{pod.id}")
        try:
            if pod.version == 0:
                session.ensure("/pods")
                session.call_once(client.create_async, path, pod.to_record())
            else:
                _, stat = session.call(client.get_async, path)
                if stat.mzxid != pod.version:
                    raise RegistryConflict(pod.id)
                session.call_once(client.set_async, path, pod.to_record(), stat.version)
        except (NodeExistsError, BadVersionError, NoNodeError):
            raise RegistryConflict(pod.id) from None
        return self.get(pod.id)

    def remove(self, pod_id: int) -> None:
        """Take the pod out; see the protocol."""
        session = self._session()
        try:
            session.call(session.client.delete_async, session.path(f"/pods/{pod_id}"))
        except NoNodeError:
            raise UnknownPod(pod_id, [pod.id for pod in self.list()]) from None

    def set_state(self, pod_id: int, state: PodState) -> Pod:
        """Change only the state; see the protocol."""
        return change_state(self, pod_id, state)

    def subscribe(self, on_change: OnChange) -> Subscription:
        """Tell of changes by watches; see the protocol."""
        own = self._own.get()
        watch = _PodsWatch(own.session, on_change)
        own.mended.append(watch)
        return watch

    def announce(self, pod_id: int, incarnation: str, details: Mapping[str, str]) -> ZooKeeperPresence:
        """Make an ephemeral node; see the protocol."""
        own = self._own.get()
        presence = ZooKeeperPresence(own.session, WorkerPresence(pod_id, incarnation, dict(details)))
        own.mended.append(presence)
        return presence

    def workers(self, pod_id: int) -> Sequence[WorkerPresence]:
        """Return who has a node; see the protocol."""
        session = self._session()
        found = []
        for incarnation in _children(session, f"/workers/{pod_id}", None):
            path = session.path(f"/workers/{pod_id}/{incarnation}")
            with suppress(NoNodeError):  # gone since the children were listed
                details, _ = session.call(session.client.get_async, path)
                found.append(
                    WorkerPresence(pod_id, incarnation, msgspec.json.decode(details, type=dict[str, str]))
                )
        return found

    def close(self) -> None:
        """End the session; see the protocol."""
        own = self._own.take()
        if own is not None:
            for watch_or_presence in own.mended:
                watch_or_presence.close()
            own.session.close()

    def _session(self) -> ZooKeeperSession:
        return self._own.get().session

    def _connect(self) -> _Own:
        mended: list[_PodsWatch | ZooKeeperPresence] = []

        def mend() -> None:
            for watch_or_presence in [*mended]:
                watch_or_presence.mend()

        session = ZooKeeperSession(self._hosts, self._root, self.address, self._session_seconds, mend)
        return _Own(session, mended)


class _Own:
    """What one process has of the registry: its session, and what has to be mended after a break."""

    def __init__(self, session: ZooKeeperSession, mended: list[_PodsWatch | ZooKeeperPresence]) -> None:
        self.session = session
        self.mended = mended


class ZooKeeperPresence:
    """A worker's ephemeral node, made again by every new session."""

    def __init__(self, session: ZooKeeperSession, worker: WorkerPresence) -> None:
        self._session = session
        self._parent = f"/workers/{worker.pod_id}"
        self._path = session.path(f"{self._parent}/{worker.incarnation}")
        self._details = msgspec.json.encode(worker.details)
        self._owner = os.getpid()
        self._closed = False
        self._lock = threading.Lock()
        self.mend()

    @property
    def held(self) -> bool:
        """Whether the session, by our own clock, still holds the node."""
        return not self._closed and self._owner == os.getpid() and self._session.certain

    def mend(self) -> None:
        """Make the node if this session has none; an earlier session's that lingers is replaced."""
        client = self._session.client
        with self._lock:
            if self._closed:
                return
            stat = self._session.call(client.exists_async, self._path)
            if self._is_ours(stat):
                return
            if stat is not None:
                with suppress(NoNodeError):
                    self._session.call(client.delete_async, self._path)
            self._session.ensure(self._parent)
            with suppress(NodeExistsError):  # ours: a first try arrived, and its answer was lost
                self._session.call(client.create_async, self._path, self._details, ephemeral=True)

    def close(self) -> None:
        """Delete the node; see the protocol."""
        if self._owner != os.getpid():
            return
        with self._lock:
            if self._closed:
                return
            self._closed = True
            # Not reached: the node goes with the session.
            with suppress(PodworkError, NoNodeError):
                stat = self._session.call(self._session.client.exists_async, self._path)
                if self._is_ours(stat):  # another process may have taken the name over meanwhile
                    self._session.call(self._session.client.delete_async, self._path)

    def _is_ours(self, stat: ZnodeStat | None) -> bool:
        client = self._session.client
        return (
            stat is not None and client.client_id is not None and stat.ephemeralOwner == client.client_id[0]
        )


class _PodsWatch:
    """Reads all pods again whenever ZooKeeper says that one changed, and tells the subscriber."""

    def __init__(self, session: ZooKeeperSession, on_change: OnChange) -> None:
        self._session = session
        self._on_change = on_change
        self._owner = os.getpid()
        self._told: list[tuple[Pod, int]] | None = None
        self._dirty = False
        session.ensure("/pods")
        self._look()
        # kazoo's own thread calls `_notice`; it must not be kept waiting, so another one reads.
        self._reader = Ticker("podwork-registry-watch", _WATCH_MEND_SECONDS, self._look_if_dirty)

    def mend(self) -> None:
        """Set the watches again."""
        self._dirty = True
        self._look_if_dirty()

    def close(self) -> None:
        """Tell no more; see the protocol."""
        if self._owner == os.getpid():
            self._reader.close()

    def _notice(self, _event: WatchedEvent) -> None:
        self._dirty = True
        self._reader.nudge()

    def _look_if_dirty(self) -> None:
        if self._dirty:
            # Before reading: a change during the reading makes it dirty again. A failure leaves it to the
            # next time.
            self._dirty = False
            try:
                self._look()
            except PodworkError:
                self._dirty = True
                raise

    def _look(self) -> None:
        pods = _read_pods(self._session, self._notice)
        told = [(pod, pod.version) for pod in pods]
        if told != self._told:
            self._told = told
            self._on_change(pods)


def _read_pods(session: ZooKeeperSession, watch: Any) -> Pods:
    found = []
    for name in _children(session, "/pods", watch):
        path = session.path(f"/pods/{name}")
        with suppress(NoNodeError):  # removed since the children were listed
            found.append(_pod(session.call(session.client.get_async, path, watch=watch)))
    return sorted(found, key=lambda pod: pod.id)


def _children(session: ZooKeeperSession, path: str, watch: Any) -> Sequence[str]:
    try:
        children = session.call(session.client.get_children_async, session.path(path), watch=watch)
    except NoNodeError:
        return []
    return sorted(children)


def _pod(answer: tuple[bytes, ZnodeStat]) -> Pod:
    record, stat = answer
    return Pod.from_record(record, stat.mzxid)
