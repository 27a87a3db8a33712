"""One pod's Redis, as this process reaches it.

Owns connections and the loading of the scripts (`podwork.library`). Each thread has its own connection, made
when first needed and made anew after a fork, a failure or a restart of the server. Promises: callers see
`StoreUnavailable` (no answer: what was asked may or may not have happened) or `StoreRefused` (answered,
nothing written), never a Redis exception, and never the password. Leaves to others what the scripts mean
(`podwork.queues`).

Scripts go straight to a connection: the client's general path (pool, retries, hooks, parsing of options)
costs about as much again as the command itself, and a push is one command.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import hiredis
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from podwork import library
from podwork.errors import ConfigurationError, StoreRefused, StoreUnavailable
from podwork.line import Line

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
_MISSING = "Function not found"
MOST_LIBRARIES = 5
"""Of how many revisions Redis keeps the scripts; one that was dropped too early is loaded again."""


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
        commands = [("FCALL", library.function(script), "0", *arguments) for script, arguments in calls]
        answers = self._exchange(commands, timeout_seconds)
        for position, answer in enumerate(answers):
            if _is_missing(answer):
                answers[position] = self._load_and_call(*calls[position], timeout_seconds)
        for answer in answers:
            if isinstance(answer, Exception):
                raise self._translate(answer)
        return answers

    def begin(self, script: str, *arguments: Argument) -> Callable[[], Any]:
        """Send the call of a script now, and return what waits for its answer, for this thread to call.

        Several may be under way. Whatever this thread asks in between first takes their answers from the
        wire. What is returned raises as `call` does; so does this, and then what was under way has no answer
        either.
        """
        connection = self._connection()
        try:
            packed = _pack(("FCALL", library.function(script), "0", *arguments))
            connection.send_packed_command([packed], check_health=False)
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError) as error:
            connection.disconnect()
            self._local.under_way = []  # the next answer is none of theirs
            raise self._translate(error) from None
        pending = _Pending()
        self._local.under_way.append(pending)

        def answer() -> Any:
            self._settled()
            if _is_missing(pending.answer):
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

    def listen(self, channel: str) -> Line:
        """Open a line that hears what is published on a channel from now on.

        Raises:
            StoreUnavailable: no answer.
            StoreRefused: this user may not listen there.
        """
        connection: Any = self._pool_of().make_connection()
        try:
            connection.connect()
            connection.send_command("SUBSCRIBE", channel, check_health=False)
        except (redis.exceptions.RedisError, OSError) as error:
            raise self._translate(error) from None
        return Line(connection, self.address)

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

    def _load_and_call(
        self, script: str, arguments: Sequence[Argument], timeout_seconds: float | None
    ) -> Any:
        """Load the library and call a script of it; what was missing together is called in its order."""
        call = ("FCALL", library.function(script), "0", *arguments)
        load = ("FUNCTION", "LOAD", "REPLACE", library.text())
        answer, called = self._exchange([load, call], timeout_seconds)
        if isinstance(answer, redis.exceptions.OutOfMemoryError):
            alone = ("EVAL", library.single(script), "0", *arguments)
            return self._exchange([alone], timeout_seconds)[0]
        if isinstance(answer, Exception):
            return answer
        self._drop_libraries(timeout_seconds)
        return called

    def _drop_libraries(self, timeout_seconds: float | None) -> None:
        listed = self._exchange([("FUNCTION", "LIST", "LIBRARYNAME", f"{library.FAMILY}*")], timeout_seconds)[
            0
        ]
        if isinstance(listed, Exception):
            return  # only a matter of tidiness
        others = [entry[1].decode() for entry in listed if entry[1].decode() != library.name()]
        surplus = others[MOST_LIBRARIES - 1 :]
        if surplus:
            self._exchange([("FUNCTION", "DELETE", name) for name in surplus], timeout_seconds)

    def _exchange(self, commands: Sequence[Sequence[Argument]], timeout_seconds: float | None) -> list[Any]:
        connection = self._settled()
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

    def _settled(self) -> Any:
        """The calling thread's connection, once the answers to what it has begun are taken from the wire."""
        connection = self._connection()
        under_way, self._local.under_way = self._local.under_way, []
        for pending in under_way:
            try:
                pending.answer = self._answer(connection, {})
            except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError) as error:
                connection.disconnect()
                pending.answer = error
                break  # nothing comes for the others any more
            except BaseException:
                connection.disconnect()  # answers may still be on their way: nobody else may read them
                raise
        return connection

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
            self._local.under_way = []
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


def _is_missing(answer: Any) -> bool:
    """Return whether Redis does not have the library (any more)."""
    return isinstance(answer, redis.exceptions.ResponseError) and str(answer).endswith(_MISSING)


class _Pending:
    """A call whose answer is read when somebody waits for it, or needs the connection."""

    def __init__(self) -> None:
        self.answer: Any = redis.exceptions.ConnectionError("the connection was given up before the answer")


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
