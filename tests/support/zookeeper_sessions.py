"""The sessions that workers have with ZooKeeper, ended from outside as a server does after a long silence.

A session is known by the nodes that are its own. Who takes it over needs its password, which ZooKeeper makes
out of its number (`ZooKeeperServer.generatePasswd`, with Java's `Random`); then it is closed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kazoo.client import KazooClient

PASSWORD_BYTES = 16
_SECRET = 0xB3415C00
_MULTIPLIER, _ADDEND, _MASK = 0x5DEECE66D, 0xB, (1 << 48) - 1


class WorkerSessions:
    """The sessions of the workers that are announced below a registry's root."""

    def __init__(self, url: str) -> None:
        self._hosts, _, root = url.removeprefix("zookeeper://").partition("/")
        self._workers = f"/{root}/workers"

    def read(self) -> set[int]:
        """Return their numbers."""
        with self._client() as client:
            nodes = [
                f"{self._workers}/{pod}/{worker}"
                for pod in client.get_children(self._workers)
                for worker in client.get_children(f"{self._workers}/{pod}")
            ]
            found = (client.exists(node) for node in nodes)
            return {stat.ephemeralOwner for stat in found if stat is not None}

    def expire(self) -> set[int]:
        """End them all; return which they were."""
        ended = self.read()
        for number in ended:
            with self._client(client_id=(number, _password(number))):
                pass  # whoever stops ends the session
        return ended

    @contextmanager
    def _client(self, **given: object) -> Iterator[KazooClient]:
        client = KazooClient(hosts=self._hosts, **given)
        client.start(timeout=10)
        try:
            yield client
        finally:
            client.stop()
            client.close()


def _password(number: int) -> bytes:
    state = ((number ^ _SECRET) ^ _MULTIPLIER) & _MASK
    made = b""
    while len(made) < PASSWORD_BYTES:
        state = (state * _MULTIPLIER + _ADDEND) & _MASK
        made += ((state >> 16) & 0xFFFFFFFF).to_bytes(4, "little")
    return made
