"""Several servers started and stopped together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from podwork_ops.local.process import stop
from podwork_ops.local.server import Server


def _nothing(_: Server) -> None:
    pass


def start_all(
    servers: Sequence[Server],
    spawned: Callable[[Server], None] = _nothing,
    started: Callable[[Server], None] = _nothing,
) -> None:
    """Start the servers side by side; all answer, or none is left running.

    Args:
        servers: those to start.
        spawned: called in another thread as soon as a server's process is there.
        started: called in this thread for each as soon as it answers.

    Raises:
        ServerMissing: a program is not installed; found out before anything is started.
        ServerFailed: one did not start.
    """
    for server in servers:
        server.check_installed()
    try:
        with ThreadPoolExecutor(max_workers=max(1, len(servers)), thread_name_prefix="start") as pool:
            waiting = {pool.submit(server.start, spawned): server for server in servers}
            for done in as_completed(waiting):
                done.result()
                started(waiting[done])
    except BaseException:
        stop_all(servers)
        raise


def stop_all(servers: Sequence[Server]) -> None:
    """Stop the servers side by side; those that do not run are passed over."""
    stop([server.mark for server in servers if server.mark is not None])
    for server in servers:
        server.mark = None
