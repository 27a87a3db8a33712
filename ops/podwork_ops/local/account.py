"""The account under which private servers run.

Started by an ordinary user, the servers are that user's. Started by root, they run as an unprivileged
system account: MariaDB refuses to run as root, and a development server needs none of root's rights.
"""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from podwork_ops.local.errors import LocalStackError

# mysql comes with the MariaDB package; nobody is everywhere, which the embedded form needs.
CANDIDATES = ("mysql", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """A system account; `switch` is False when it is the caller's own."""

    name: str
    uid: int
    gid: int
    switch: bool

    def popen_options(self) -> dict[str, Any]:
        """Return the keyword arguments that make `subprocess` run a program as this account."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.switch else {}

    def own(self, path: Path) -> None:
        """Give the file, or the folder with everything in it, to the account."""
        if not self.switch:
            return
        os.chown(path, self.uid, self.gid)
        for folder, folders, files in os.walk(path):
            for name in folders + files:
                os.chown(Path(folder) / name, self.uid, self.gid, follow_symlinks=False)

    def can_reach(self, path: Path) -> bool:
        """Tell whether the account can pass through every folder above the path (there is one like /root)."""
        return not self.switch or all(self._can_pass(folder) for folder in path.resolve().parents)

    def _can_pass(self, folder: Path) -> bool:
        status = folder.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & stat.S_IXUSR)
        if status.st_gid == self.gid:
            return bool(status.st_mode & stat.S_IXGRP)
        return bool(status.st_mode & stat.S_IXOTH)


def server_account() -> Account:
    """Return the account for servers started by this process."""
    if os.geteuid() != 0:
        return Account(str(os.geteuid()), os.geteuid(), os.getegid(), switch=False)
    for name in CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid, switch=True)
    raise LocalStackError("root has no unprivileged account to run servers as", "create the user nobody")
