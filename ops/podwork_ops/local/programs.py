"""Finding the servers' programs, and saying what to install when one is missing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from podwork_ops.local.errors import ServerMissing

# An ordinary user's PATH often leaves these out, and mariadbd lives there.
_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/opt/homebrew/bin", "/usr/local/bin", "/usr/bin")


def find_program(name: str, debian_package: str) -> Path:
    """Return the program's path.

    Raises:
        ServerMissing: it is not installed; names the Debian package.
    """
    folders = os.pathsep.join([os.environ.get("PATH", ""), *_SYSTEM_FOLDERS])
    found = shutil.which(name, path=folders)
    if found is None:
        raise ServerMissing(name, install_remedy(debian_package))
    return Path(found)


def install_remedy(debian_package: str) -> str:
    """Return what to do to get the package's program."""
    return f"apt-get install --no-install-recommends {debian_package} (or use the embedded form)"
