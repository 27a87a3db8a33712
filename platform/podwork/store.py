"""One pod's Redis, as this process reaches it.

Owns connections and the loading of scripts. Each thread has its own connection, made when first needed
and made anew after a fork, a failure or a restart of the server. Promises: callers see `StoreUnavailable`
(no answer: what was asked may or may not have happened) or `StoreRefused` (answered, nothing written),
never a Redis exception, and never the password. Leaves to others what the scripts mean (`podwork.queues`).

Scripts go straight to a connection: the client's general path (pool, retries, hooks, parsing of options)
costs about as much again as the command itself, and a push is one command.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
import time
from collections.abc import Callable, Sequence
from functools import cache
from importlib import resources
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import hiredis
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from podwork.errors import ConfigurationError, StoreRefused, StoreUnavailable

_pack: Callable[[tuple[Any, ...]], bytes] = hiredis.pack_command
Argument: TypeAlias = str | bytes | int | float
_UNAVAILABLE_ANSWERS = (
    "BUSY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "NOAUTH", "WRONGPASS",
    "UNBLOCKED",  # a primary that became a replica says so to everyone who waits on it
)  # fmt: skip
_UNAVAILABLE = (
    redis.exceptions.BusyLoadingError,
    redis.exceptions.AuthenticationError,
    redis.exceptions.MasterDownError,
    redis.exceptions.TryAgainError,
)
_REFUSED_ANSWERS = ("OOM", "READONLY", "MISCONF", "NOREPLICAS", "NOPERM")
_REFUSED = (
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.NoPermissionError,
)
_REFUSED_WHEN_FULL = ("push", "push_locked", "relay", "tick")
"""Scripts that a full Redis refuses. The others end jobs or keep leases: without them it stays full."""
_SCRIPTS = resources.files("podwork") / "scripts"
_USES = re.compile(r"^-- Uses: (.*)\.$", re.MULTILINE)


@cache
def script_source(name: str) -> str:
    """Return the text of a script: its flags, the prelude, the parts that it uses, itself."""
    flags = "#!lua\n" if name in _REFUSED_WHEN_FULL else "#!lua flags=allow-oom\n"
    text = (_SCRIPTS / f"{name}.lua").read_text()
    return "".join([flags, (_SCRIPTS / "prelude.lua").read_text(), *_parts_used(text).values(), text])


def parts_named(text: str) -> list[str]:
    """Return the parts that a header names (`-- Uses: rooms, slots.`)."""
    named = _USES.search(text)
    return named[1].split(", ") if named else []


def _parts_used(text: str) -> dict[str, str]:
    """Return the parts that a text uses, each once and after those that it uses itself."""
    parts: dict[str, str] = {}
    for name in parts_named(text):
        part = (_SCRIPTS / "parts" / f"{name}.lua").read_text()
        parts |= {**_parts_used(part), name: part}
    return parts


@cache
def _script_sha(name: str) -> str:
    return hashlib.sha1(script_source(name).encode(), usedforsecurity=False).hexdigest()


class Store:
    """A pod's Redis. Safe to share between threads and to carry over a fork."""

    def __init__(self, url: str, *, socket_timeout_seconds: float = 5.0) -> None:
        self.url = url
        self.address = address_of(url)
        self.timeout_seconds = socket_timeout_seconds
        self._pool: redis.ConnectionPool | None = None
        self._local = threading.local()
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._pool_of()

    @property
    def client(self) -> redis.Redis:
        """A client for reading (inspection, tests); transitions go through `call`."""
        return redis.Redis(connection_pool=self._pool_of())

    def call(self, script: str, *arguments: Argument, timeout_seconds: float | None = None) -> Any:
        """Run a script and return its answer.

        Raises:
            StoreUnavailable: no answer; the script may or may not have run.
            StoreRefused: Redis refuses writes; the script did nothing.
        """
        return self.call_many([(script, arguments)], timeout_seconds=timeout_seconds)[0]

    def call_many(
        self,
        calls: Sequence[tuple[str, Sequence[Argument]]],
        *,
        timeout_seconds: float | None = None,
    ) -> list[Any]:
        """Run several scripts in one round trip, in order; each is a step of its own.

        Raises:
            StoreUnavailable: no answer to one of them; it and the later ones may or may not have run.
            StoreRefused: Redis refused one of them; the earlier ones did run.
        """
        commands = [("EVALSHA", _script_sha(script), "0", *arguments) for script, arguments in calls]
        answers = self._exchange(commands, timeout_seconds)
        for position, answer in enumerate(answers):
            if isinstance(answer, redis.exceptions.NoScriptError):
                script, arguments = calls[position]
                answers[position] = self._exchange(
                    [("EVAL", script_source(script), "0", *arguments)], timeout_seconds
                )[0]
        for answer in answers:
            if isinstance(answer, Exception):
                raise self._translate(answer)
        return answers

    def begin(self, script: str, *arguments: Argument) -> Callable[[], Any]:
        """Send the call of a script now, and return what waits for its answer, for this thread to call.

        Whatever this thread asks in between first takes the answer from the wire. What is returned raises as
        `call` does; so does this.
        """
        self._settle()
        connection = self._connection()
        try:
            packed = _pack(("EVALSHA", _script_sha(script), "0", *arguments))
            connection.send_packed_command([packed], check_health=False)
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError) as error:
            connection.disconnect()
            raise self._translate(error) from None
        pending = self._local.pending = _Pending(connection, self._answer)

        def answer() -> Any:
            self._settle()
            if isinstance(pending.answer, redis.exceptions.NoScriptError):
                return self.call(script, *arguments)
            if isinstance(pending.answer, Exception):
                raise self._translate(pending.answer)
            return pending.answer

        return answer

    def commands(self, *commands: Sequence[Argument]) -> list[Any]:
        """Run several plain commands in one round trip. Raises as `call` does."""
        answers = self._exchange(commands, None)
        for answer in answers:
            if isinstance(answer, Exception):
                raise self._translate(answer)
        return answers

    def command(self, *parts: Argument, timeout_seconds: float | None = None) -> Any:
        """Run one plain command. Raises as `call` does."""
        answer = self._exchange([parts], timeout_seconds)[0]
        if isinstance(answer, Exception):
            raise self._translate(answer)
        return answer

    def ping(self) -> float:
        """Return how long Redis takes to answer, in seconds. Raises StoreUnavailable."""
        start = time.perf_counter()
        self.command("PING")
        return time.perf_counter() - start

    def close(self) -> None:
        """Close the connections of this process."""
        if self._pid == os.getpid() and self._pool is not None:
            self._pool.disconnect()
            self._local = threading.local()

    def _exchange(self, commands: Sequence[Sequence[Argument]], timeout_seconds: float | None) -> list[Any]:
        self._settle()
        connection = self._connection()
        packed = [b"".join([_pack(tuple(command)) for command in commands])]
        try:
            connection.send_packed_command(packed, check_health=False)
            timeout: dict[str, Any] = {} if timeout_seconds is None else {"timeout": timeout_seconds}
            return [self._answer(connection, timeout) for _ in commands]
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError) as error:
            connection.disconnect()
            raise self._translate(error) from None
        except BaseException:
            connection.disconnect()  # an answer may still be on its way: nobody else may read it
            raise

    def _settle(self) -> None:
        """Take the answer to what this thread has begun from the wire."""
        pending: _Pending | None = getattr(self._local, "pending", None)
        if pending is not None:
            self._local.pending = None
            pending.read()

    @staticmethod
    def _answer(connection: Any, timeout: dict[str, Any]) -> Any:
        try:
            return connection.read_response(**timeout)
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):
            raise
        except redis.exceptions.ResponseError as error:
            return error

    def _connection(self) -> Any:
        """The calling thread's own connection; `Any`, because the client's connection class has no types."""
        pool = self._pool_of()
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = pool.make_connection()
            self._local.connection = connection
        return connection

    def _pool_of(self) -> redis.ConnectionPool:
        if self._pool is None or self._pid != os.getpid():
            with self._lock:
                if self._pool is None or self._pid != os.getpid():
                    # After a fork the parent's sockets are left alone: closing them here would be harmless to
                    # the parent, but sharing one would mix the answers of two processes.
                    self._local = threading.local()
                    self._pool = self._new_pool()
                    self._pid = os.getpid()
        return self._pool

    def _new_pool(self) -> redis.ConnectionPool:
        try:
            return redis.ConnectionPool.from_url(
                self.url,
                socket_timeout=self.timeout_seconds,
                socket_connect_timeout=self.timeout_seconds,
                retry=Retry(NoBackoff(), 0),
                protocol=2,
                max_connections=2**31,  # it counts those of ended threads, too: its 100 would run out
            )
        except ValueError as error:
            raise ConfigurationError(
                f"Redis URL of {self.address} cannot be used: {error}", "use redis://host:port/db"
            ) from None

    def _translate(self, error: Exception) -> Exception:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        if not isinstance(error, redis.exceptions.ResponseError):
            return StoreUnavailable(self.address, text)
        if isinstance(error, _REFUSED) or text.startswith(_REFUSED_ANSWERS):
            return StoreRefused(self.address, text)
        if isinstance(error, _UNAVAILABLE) or text.startswith(_UNAVAILABLE_ANSWERS):
            return StoreUnavailable(self.address, text)
        return error  # a mistake in a script or a call of ours: it must be seen as it is


class _Pending:
    """A call whose answer has not been read yet."""

    def __init__(self, connection: Any, read: Callable[[Any, dict[str, Any]], Any]) -> None:
        self._connection = connection
        self._read = read
        self.answer: Any = redis.exceptions.ConnectionError("its process was forked meanwhile")

    def read(self) -> None:
        """Read the answer, or why there is none."""
        try:
            self.answer = self._read(self._connection, {})
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError) as error:
            self._connection.disconnect()
            self.answer = error
        except BaseException:
            self._connection.disconnect()  # the answer may still be on its way: nobody else may read it
            raise


def address_of(url: str) -> str:
    """Return the URL without user and password, for messages."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return parts.path
    path = parts.path if parts.path != "/" else ""
    try:
        return f"{parts.hostname or 'localhost'}:{parts.port or 6379}{path}"
    except ValueError:
        raise ConfigurationError("a Redis URL's port is no number", "use redis://host:port/db") from None
