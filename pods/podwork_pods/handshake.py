"""PyMySQL's connection, set up without reading the system's certificates each time.

Owns: `QuickConnection`. A URL that says nothing of TLS lets PyMySQL encrypt where the server offers it, and
check no certificate; yet the driver reads all those of the system for every connection, which costs more
processor time than all else of connecting. Promises: whether and how is encrypted is the driver's own word:
what it makes of no settings is made once in a process, and shared; with settings of TLS nothing is shared.
Leaves to others: engines and their pools (`engines`).
"""

from __future__ import annotations

import threading
from typing import Any, ClassVar

from pymysql.connections import Connection


class QuickConnection(Connection):
    """A connection of the driver; see above."""

    _unasked: ClassVar[Any] = None
    _making: ClassVar[threading.Lock] = threading.Lock()

    def _create_ssl_ctx(self, sslp: Any) -> Any:
        if sslp:
            return super()._create_ssl_ctx(sslp)  # type: ignore[misc]  # it is not published
        with QuickConnection._making:
            if QuickConnection._unasked is None:
                QuickConnection._unasked = super()._create_ssl_ctx(sslp)  # type: ignore[misc]  # as above
            return QuickConnection._unasked
