"""A connection on which somebody waits long for an answer, watched by the kernel meanwhile.

Owns: `watch_path`. An answer that takes hours looks the same as one that was lost with a router's memory or
the server's host. Promises: with TCP keepalive a path that is gone is noticed after about two minutes, and
the wait ends as with any lost connection; a server that is only slow is waited for. Leaves to others: what
was done meanwhile, which nobody knows then.
"""

from __future__ import annotations

import socket
from typing import Any, Final

from sqlalchemy import Connection

IDLE_SECONDS: Final = 60
EVERY_SECONDS: Final = 10
TRIES: Final = 6

# By the names that Linux and macOS give them; what a system lacks is left out.
_OPTIONS: Final = (
    ("TCP_KEEPIDLE", IDLE_SECONDS),
    ("TCP_KEEPALIVE", IDLE_SECONDS),
    ("TCP_KEEPINTVL", EVERY_SECONDS),
    ("TCP_KEEPCNT", TRIES),
)


def watch_path(connection: Connection) -> None:
    """Let the kernel probe the connection's other end; one without TCP is left alone."""
    dbapi_connection: Any = connection.connection.dbapi_connection
    sock = getattr(dbapi_connection, "_sock", None)  # PyMySQL's
    if not isinstance(sock, socket.socket) or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _OPTIONS:
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
