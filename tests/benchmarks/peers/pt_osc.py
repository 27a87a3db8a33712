"""pt-online-schema-change, of Debian's percona-toolkit: the peer of the online copy.

With its defaults: chunks that take half a second (`--chunk-time 0.5`), pauses above 25 running threads, the
old table dropped at the end. It is told only that there are no replicas to look for, and not to ask the
network for newer versions of itself.
"""

from __future__ import annotations

import shutil
import subprocess

from tests.benchmarks.harness.trouble import Trouble

TOOL = "pt-online-schema-change"
_SECONDS = 900.0


def check_installed() -> None:
    """Raise Trouble if it is not there."""
    if shutil.which(TOOL) is None:
        raise Trouble(f"{TOOL} is not installed: ops/deploy/install-peers.sh percona-toolkit")


def change(port: int, database: str, table: str, alteration: str) -> None:
    """Let it change a table of the server on a port. Raises Trouble when it fails."""
    command = [TOOL, "--alter", alteration, "--execute", "--no-version-check", "--recursion-method", "none"]
    command.append(f"h=127.0.0.1,P={port},u=root,D={database},t={table}")
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)
    if ran.returncode:
        raise Trouble(f"{TOOL}: {ran.stdout[-300:]} {ran.stderr[-300:]}")
