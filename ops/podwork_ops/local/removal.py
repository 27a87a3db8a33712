"""Deletes a folder that somebody may still be writing into.

Owns: `remove`. Promises: the folder is renamed out of everybody's way first, in one step: who knows it by its
path (a worker that still ends, with its SQLite files) can make nothing in it any more, and what is brought up
at that path afterwards is not touched. A process that stands in the folder itself is given a bounded time and
then named, in one line. Leaves to others: ending processes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shlex
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from podwork_ops.local.errors import StackUnusable

PATIENCE_SECONDS = 5.0
POLL_SECONDS = 0.02
_PROC = Path("/proc")
_COMMAND_CHARACTERS = 80
# What a writer causes between the listing of a folder and its end: one file more, or one less.
_PASSING = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT)


def remove(folder: Path) -> None:
    """Delete the folder with everything in it; none there: nothing to do.

    Raises:
        StackUnusable: a process goes on writing into it, or it may not be deleted.
    """
    doomed = _set_aside(folder)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while os.path.lexists(doomed):
        try:
            shutil.rmtree(doomed)
        except OSError as error:
            if error.errno not in _PASSING:
                why = f"{doomed} cannot be deleted: {error.strerror}"
                raise StackUnusable(why, "run it as the user who made the stack") from None
            if time.monotonic() >= deadline:
                raise _written_to(doomed) from None
            time.sleep(POLL_SECONDS)


def _set_aside(folder: Path) -> Path:
    aside = folder.with_name(f"{folder.name}.deleted-{secrets.token_hex(4)}")
    try:
        folder.rename(aside)
    except OSError:  # a mount, or the folder above is not ours: it is deleted where it stands
        return folder
    return aside


def _written_to(folder: Path) -> StackUnusable:
    found = ", ".join(_processes_in(folder))
    who = f"process {found}" if found else "a process"
    return StackUnusable(
        f"{folder} cannot be deleted while {who} writes into it",
        f"end it, then: rm -r {shlex.quote(str(folder))}",
    )


def _processes_in(folder: Path) -> Iterator[str]:
    """Yield the other processes that work in the folder or have a file of it open, where /proc tells."""
    for process in _PROC.glob("[0-9]*"):
        if process.name == str(os.getpid()):  # it holds the stack's lock
            continue
        with contextlib.suppress(OSError):
            if any(_leads_into(link, folder) for link in (process / "cwd", *(process / "fd").iterdir())):
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                yield f"{process.name} ({command.strip()[:_COMMAND_CHARACTERS]})"


def _leads_into(link: Path, folder: Path) -> bool:
    with contextlib.suppress(OSError):
        return link.readlink().is_relative_to(folder)
    return False
