"""What the figures were measured on, for the file and for whoever reads it later."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.harness import cores
from tests.benchmarks.peers.roster import INSTALLED

QUIET_LOAD = 0.5
"""The load average of a machine on which nothing else is done."""


def describe(rounds: int, scale: float) -> dict[str, Any]:
    """Return the machine, the versions and how the run was made."""
    return {
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "load_at_start": os.getloadavg()[0],
        "rounds": rounds,
        "scale": scale,
        "cores": {
            "count": cores.COUNT,
            "redis": cores.REDIS,
            "worker": cores.WORKER,
            "pinned": cores.CAN_PIN,
        },
        "processor": _processor(),
        "system": _system(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "python_optimized": "--enable-optimizations" in _configuration(),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Return the versions of Redis, the other interpreters and the peers, as far as they are here."""
    found = {
        "redis": _asked("redis-server", "--version"),
        "mariadb": _asked("mariadbd", "--version"),
        "percona-toolkit": _asked("pt-online-schema-change", "--version"),
        "node": _asked("node", "--version"),
        "ruby": _asked("ruby", "--version"),
        "sidekiq": _asked("ruby", "-e", "require 'sidekiq'; print Sidekiq::VERSION"),
    }
    for pins in sorted(INSTALLED.glob("*/.installed")):
        peer = pins.parent.name
        if peer == "bullmq":
            package = pins.parent / "node_modules" / "bullmq" / "package.json"
            found[peer] = json.loads(package.read_text())["version"]
        else:
            lines = pins.read_text().splitlines()
            found |= dict(
                line.split("==") for line in lines if line.startswith((f"{peer}==", f"{peer}-redis=="))
            )
    return {name: version for name, version in found.items() if version}


def _asked(*command: str) -> str:
    """Return the version that a program says it has; empty: there is no such program."""
    if shutil.which(command[0]) is None:
        return ""
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    found = re.search(r"\d+(\.\d+)+", ran.stdout)
    return found[0] if found and ran.returncode == 0 else ""


def _configuration() -> str:
    return str(sysconfig.get_config_var("CONFIG_ARGS") or "")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else f"{os.uname().machine} {sys.platform}"


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return f"{platform.system()} {platform.release()}"
