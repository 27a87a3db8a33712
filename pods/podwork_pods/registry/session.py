"""One process's session with ZooKeeper: calls that end, and what becomes of the session.

Owns: `ZooKeeperSession`. Promises: every call ends within its time-out with an answer or
`RegistryUnavailable` (kazoo's own would wait for ever while it is disconnected). `connected` is false from
the first doubt (SUSPENDED). `certain` is false once the session may have ended by our own clock: LOST is
only announced on reconnecting, which may be late or never. After every break, when the connection stands
again, `on_reconnected` is called by a thread that may wait for answers, and again until it succeeds: kazoo
drops all watches when a connection breaks, and a new session has none of the old one's ephemeral nodes.
Leaves to others: what the nodes mean (`zookeeper`), and one session per process (`per_process`: kazoo's
threads do not survive a fork, and its client then waits for them for ever).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from kazoo.client import KazooClient
from kazoo.exceptions import ConnectionLoss, KazooException, SessionExpiredError
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.protocol.states import KazooState

from podwork_pods.errors import RegistryUnavailable
from podwork_pods.ticking import Ticker

CALL_SECONDS = 5.0

# A call that was under way when the connection broke is made again this often.
_TRIES = 3
_MEND_SECONDS = 2.0


class _Pending(Protocol):
    def get(self, block: bool, timeout: float) -> Any: ...


class ZooKeeperSession:
    """A started kazoo client below one root node, which is made if it is missing."""

    def __init__(
        self, hosts: str, root: str, address: str, session_seconds: float, on_reconnected: Callable[[], None]
    ) -> None:
        self._address = address
        self._on_reconnected = on_reconnected
        # Counted, not flagged: a break while the last one is being mended must not pass for mended.
        self._breaks = 0
        self._losses = 0
        self._mended_breaks = 0
        self._mended_losses = 0
        self._doubtful_since: float | None = None
        # Nodes are named with the root in front, not by kazoo's chroot, which warns while it does not exist.
        self.root = root
        self.client = KazooClient(hosts=hosts, timeout=session_seconds)
        self._session_seconds = session_seconds
        try:
            self.client.start(timeout=CALL_SECONDS)
        except KazooTimeoutError:
            raise self.unavailable("no connection") from None
        self.client.add_listener(self._on_state)
        self._mender = Ticker("podwork-registry-session", _MEND_SECONDS, self._mend)

    @property
    def connected(self) -> bool:
        """Whether the connection stands, with no doubt about it."""
        return bool(self.client.state == KazooState.CONNECTED)

    @property
    def certain(self) -> bool:
        """Whether the session has not ended, by our own clock: connected, or cut off for less than its
        time-out.
        """
        since = self._doubtful_since
        if self._losses != self._mended_losses:
            return False
        return since is None or time.monotonic() - since < self._session_seconds

    def call(self, ask: Callable[..., _Pending], *arguments: Any, **options: Any) -> Any:
        """Make one of the client's asynchronous calls, which may be made twice, and wait for its answer.

        Raises:
            RegistryUnavailable: no answer in time, or the connection broke again and again.
            KazooException: ZooKeeper's answer was an error, such as `NoNodeError`.
        """
        return self._ask(_TRIES, ask, arguments, options)

    def call_once(self, ask: Callable[..., _Pending], *arguments: Any) -> Any:
        """Make a call that must not be made twice; after `RegistryUnavailable` it may have arrived."""
        return self._ask(1, ask, arguments, {})

    def _ask(
        self, tries: int, ask: Callable[..., _Pending], arguments: Sequence[Any], options: Mapping[str, Any]
    ) -> Any:
        for _ in range(tries):
            try:
                return ask(*arguments, **options).get(block=True, timeout=CALL_SECONDS)
            except (ConnectionLoss, SessionExpiredError):
                continue
            except KazooTimeoutError:
                break
            except KazooException as error:
                if type(error).__name__ in _ANSWERS:
                    raise
                raise self.unavailable(type(error).__name__) from None
        raise self.unavailable("the connection is lost")

    def ensure(self, path: str) -> None:
        """Make the persistent node and those above it."""
        self.call(self.client.ensure_path_async, self.path(path))

    def path(self, path: str) -> str:
        """Return the full name of a node below the root."""
        return f"{self.root}{path}" or "/"

    def close(self) -> None:
        """End the session: what is ephemeral goes with it."""
        self._mender.close()
        self.client.remove_listener(self._on_state)
        self.client.stop()
        self.client.close()

    def unavailable(self, why: str) -> RegistryUnavailable:
        """Return the typed error."""
        return RegistryUnavailable(self._address, why)

    def _on_state(self, state: str) -> None:
        # Called by kazoo's connection thread, which must not wait for an answer: the mender's thread does.
        if state == KazooState.SUSPENDED:
            self._breaks += 1
            self._doubtful_since = time.monotonic()
        elif state == KazooState.LOST:
            self._losses += 1
        else:
            self._doubtful_since = None
            self._mender.nudge()

    def _mend(self) -> None:
        breaks, losses = self._breaks, self._losses
        if self.connected and (breaks, losses) != (self._mended_breaks, self._mended_losses):
            self._on_reconnected()
            self._mended_breaks, self._mended_losses = breaks, losses


# Errors that are answers: the caller decides on them.
_ANSWERS = frozenset({"NoNodeError", "NodeExistsError", "BadVersionError", "NotEmptyError"})
