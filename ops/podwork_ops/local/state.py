"""What a stack remembers in its folder, and what it tells of itself.

Owns: `stack.json` (which servers were started, as which processes, on which ports) and its lock, the
forms a stack comes in, and `StackStatus`. Promises: the file is replaced whole; a server is recorded as
soon as it is spawned, before it answers, so that a command cut short leaves nothing unknown behind.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import msgspec

from podwork_ops.local.errors import StackUnusable

STATE_FILE = "stack.json"
LOCK_FILE = "stack.lock"
CONFIG_FILE = "podwork.toml"
_BY_HAND = "end its servers by hand and delete the folder"


class Form(StrEnum):
    """What a stack is made of."""

    EMBEDDED = "embedded"  # SQLite and Valkey: nothing to install
    SERVED = "served"  # MariaDB, Redis and ZooKeeper


class Health(StrEnum):
    """How a server, or a whole stack, is."""

    UP = "up"
    SILENT = "not answering"
    DEGRADED = "degraded"  # of a stack: some servers are up, some are not
    DOWN = "down"
    ABSENT = "absent"  # of a stack: there is none in the folder


class ServerRecord(msgspec.Struct, frozen=True):
    """One server as it was last started."""

    name: str
    port: int
    pid: int = 0
    born: str = ""


class StackState(msgspec.Struct):
    """The contents of `stack.json`."""

    form: Form
    pods: int
    servers_directory: str
    servers: dict[str, ServerRecord] = msgspec.field(default_factory=dict)


class ServerStatus(msgspec.Struct, frozen=True):
    """One server as it is now; `pid` is 0 when it does not run."""

    name: str
    kind: str
    health: Health
    url: str
    pid: int
    log: str


class StackStatus(msgspec.Struct, frozen=True):
    """A stack as it is now. `config` is the settings file for `podctl --config`."""

    directory: str
    config: str
    health: Health
    form: Form | None = None
    pods: int = 0
    servers: list[ServerStatus] = msgspec.field(default_factory=list)


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keep other commands from changing the same stack meanwhile.

    Raises:
        StackUnusable: another command holds it, or the folder cannot be written.
    """
    try:
        lock = (directory / LOCK_FILE).open("w")
    except OSError as error:
        raise StackUnusable(f"{directory}: {error.strerror}", "choose another folder with --dir") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StackUnusable(
                f"another command is changing the stack in {directory}", "wait for it to end"
            ) from None
        yield


def load(directory: Path) -> StackState | None:
    """Return the stack's state, or None if the folder holds no stack."""
    path = directory / STATE_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=StackState)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StackUnusable(f"{path}: {error.strerror}", "run it as the user who made the stack") from None
    except msgspec.DecodeError as error:
        raise StackUnusable(f"{path} is damaged: {error}", _BY_HAND) from None


def save(directory: Path, state: StackState) -> None:
    """Replace the stack's state."""
    part = directory / f"{STATE_FILE}.part"
    part.write_bytes(msgspec.json.format(msgspec.json.encode(state)))
    part.replace(directory / STATE_FILE)
