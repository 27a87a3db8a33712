"""The first process of a container takes leave of orphans, and of nobody else."""

from __future__ import annotations

import subprocess
import sys

import pytest

# In a process of its own, to which orphans come as they do to the first one of a container.
PROGRAM = """
import ctypes, os, time
from podwork.worker.offspring import bury_strangers

ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
bury_strangers([])  # there is nobody
says, told = os.pipe()
mine = os.fork()
if mine == 0:
    orphan = os.fork()
    if orphan == 0:
        os._exit(0)
    os.write(told, str(orphan).encode())
    os._exit(7)
orphan = int(os.read(says, 20))

def state(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return "gone"

deadline = time.monotonic() + 10
while not (state(mine) == "Z" and state(orphan) == "Z") and time.monotonic() < deadline:
    time.sleep(0.005)
bury_strangers([mine])  # whichever of the two comes first
assert os.waitstatus_to_exitcode(os.waitpid(mine, 0)[1]) == 7
bury_strangers([])
print(state(orphan))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="orphans can be led elsewhere on Linux only")
def test_orphans_are_reaped_and_our_own_left_to_who_waits() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=30, check=False
    )
    assert ran.stdout.strip() == "gone", ran.stderr
