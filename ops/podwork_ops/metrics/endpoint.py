"""The worker's HTTP endpoint: /metrics, /livez and /readyz, and 404 for everything else.

Owns: the listening socket and the thread that serves it. Promises: requests are not logged; a slow client
delays nobody; an answer is made under the supervisor's `fork_gate`, so that no lock of ours is inherited
locked by a child; a child closes the socket it inherits, so that it never holds the port. Leaves the content
to `worker` and `probes`. Uses `http.server`: three read-only pages for machines on a private address do not
need a web framework in every worker's memory.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import socketserver
import sys
import threading
import weakref
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from podwork.errors import ConfigurationError
from podwork.worker.offspring import fork_gate
from podwork.worker.spec import Health
from podwork_ops.errors import PortTaken
from podwork_ops.metrics import probes

log = logging.getLogger(__name__)

CLIENT_TIMEOUT_SECONDS = 10.0
PLAIN_TEXT = "text/plain; charset=utf-8"


class MetricsEndpoint:
    """Serves one registry and one worker's health on `host:port`."""

    def __init__(
        self, host: str, port: int, registry: CollectorRegistry, health: Callable[[], Health]
    ) -> None:
        self._host = host
        self._port = port
        self._pages = Pages(registry, health)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def address(self) -> str | None:
        """Return `host:port` while the endpoint listens, else None."""
        if self._server is None:
            return None
        host, port = self._server.server_address[:2]
        return f"{host!s}:{port}"

    def start(self) -> None:
        """Listen and serve in a thread of its own.

        Raises:
            PortTaken: another process listens there.
            ConfigurationError: the address is not this machine's, or may not be listened on.
        """
        self._server = _listen(self._host, self._port, self._pages)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="metrics", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and close the socket; harmless if never started."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(CLIENT_TIMEOUT_SECONDS)
        self._server = self._thread = None


class Pages:
    """What each path answers: (status, content type, body)."""

    def __init__(self, registry: CollectorRegistry, health: Callable[[], Health]) -> None:
        self._registry = registry
        self._health = health

    def answer(self, target: str, accept: str) -> tuple[int, str, bytes]:
        """Return the answer to a GET of `target`, whose client accepts `accept`."""
        url = urlsplit(target)
        with fork_gate:
            if url.path == "/metrics":
                return self._metrics(accept)
            if url.path == "/livez":
                return self._probe(probes.liveness, url.query)
            if url.path == "/readyz":
                return self._probe(probes.readiness, url.query)
        return HTTPStatus.NOT_FOUND, PLAIN_TEXT, b"not found; see /metrics, /livez, /readyz\n"

    def _metrics(self, accept: str) -> tuple[int, str, bytes]:
        encode, content_type = choose_encoder(accept)
        return HTTPStatus.OK, content_type, encode(self._registry)

    def _probe(self, check: Callable[[Health], list[probes.Check]], query: str) -> tuple[int, str, bytes]:
        verbose = "verbose" in parse_qs(query, keep_blank_values=True)
        status, body = probes.render(check(self._health()), verbose=verbose)
        return status, PLAIN_TEXT, body.encode()


def _listen(host: str, port: int, pages: Pages) -> _Server:
    try:
        server = _Server(host, port, pages)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(host, port, "metrics.port") from None
        raise ConfigurationError(
            f"cannot listen on {host} port {port}: {error.strerror or error}",
            "set metrics.host to an address of this machine and metrics.port to a free port",
        ) from None
    listening = weakref.ref(server.socket)

    def close_in_child() -> None:
        inherited = listening()
        if inherited is not None:
            inherited.close()

    os.register_at_fork(after_in_child=close_in_child)
    return server


class _Server(ThreadingHTTPServer):
    """Listens without asking DNS for the host's full name, which the parent class does."""

    def __init__(self, host: str, port: int, pages: Pages) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        handler = type("Handler", (_Handler,), {"pages": pages})
        super().__init__((host, port), handler)

    def server_bind(self) -> None:
        """Bind; the names are for CGI, which nobody uses here."""
        socketserver.TCPServer.server_bind(self)
        host, self.server_port = self.server_address[:2]
        self.server_name = str(host)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - inherited
        """Let go of clients that hung up; anything else is a fault of ours, and said as one line."""
        error = sys.exception()
        if not isinstance(error, OSError):
            log.error("metrics request failed", exc_info=error)


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD from `pages`; `BaseHTTPRequestHandler` answers every other method with 501."""

    pages: Pages
    timeout = CLIENT_TIMEOUT_SECONDS
    server_version = "podwork"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer one request."""
        self.wfile.write(self._head())

    def do_HEAD(self) -> None:
        """Answer as to a GET, without the body: `curl -I`."""
        self._head()

    def _head(self) -> bytes:
        """Write the status and the headers; return the body."""
        status, content_type, body = self.pages.answer(self.path, self.headers.get("Accept", ""))
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        return body

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited signature
        """Write nothing: probes and scrapes come every few seconds."""
