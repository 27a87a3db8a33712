"""Processes known by pid and birth; where servers may lie; what the stack's files say."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from podwork_ops.local import process
from podwork_ops.local.account import Account, server_account
from podwork_ops.local.ports import free_port, is_free
from podwork_ops.local.process import ProcessMark, adopt, is_running, mark_of, stop
from podwork_ops.local.zookeeper import _as_property
from tests.support.wait import until

STUBBORN = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(sys.argv[1]).touch()
time.sleep(60)
"""


POLITE = """
import pathlib, signal, sys, time
def leave(*_):
    pathlib.Path(sys.argv[1], "tidied").touch()
    sys.exit()
signal.signal(signal.SIGTERM, leave)
pathlib.Path(sys.argv[1], "ready").touch()
time.sleep(60)
"""


def start(code: str, *arguments: str) -> ProcessMark:
    mark = adopt(subprocess.Popen([sys.executable, "-c", code, *arguments]))
    assert mark is not None
    return mark


def sleeper() -> ProcessMark:
    return start("import time; time.sleep(60)")


def test_a_running_process_is_recognised_and_ended() -> None:
    mark = sleeper()
    assert is_running(mark)
    assert stop([mark]) == [mark]
    assert not is_running(mark)


def test_a_process_that_was_born_at_another_time_is_never_signalled() -> None:
    mark = sleeper()
    reused = ProcessMark(mark.pid, mark.born + "0")
    assert stop([reused]) == []
    assert is_running(mark)
    stop([mark])


def test_a_zombie_counts_as_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    until(lambda: mark_of(child.pid) is None, message="the zombie is seen as gone")
    child.wait()


def test_a_stopped_process_counts_as_running_and_can_still_tidy_up(tmp_path: Path) -> None:
    mark = start(POLITE, str(tmp_path))
    until((tmp_path / "ready").exists, message="it handles TERM")
    os.kill(mark.pid, signal.SIGSTOP)
    assert is_running(mark)
    stop([mark], grace_seconds=5)
    assert not is_running(mark)
    assert (tmp_path / "tidied").exists()


def test_one_that_ignores_term_is_killed_after_the_grace(tmp_path: Path) -> None:
    deaf = tmp_path / "deaf"
    mark = start(STUBBORN, str(deaf))
    until(deaf.exists, message="it ignores TERM")
    stop([mark], grace_seconds=0.2)
    assert not is_running(mark)


@pytest.mark.skipif(shutil.which("ps") is None, reason="ps is for systems without /proc; they have it")
def test_without_proc_ps_tells_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_PROC", Path("/nowhere"))
    mark = sleeper()
    assert is_running(mark)
    assert datetime.strptime(mark.born, "%a %b %d %H:%M:%S %Y").replace(tzinfo=UTC) <= datetime.now(UTC)
    assert not is_running(ProcessMark(mark.pid, "Mon Jan 1 00:00:00 1990"))
    stop([mark])
    assert not is_running(mark)
    assert mark_of(2**22 + 1) is None


def test_a_free_port_is_free_until_someone_listens() -> None:
    import socket

    port = free_port()
    assert is_free(port)
    with socket.create_server(("127.0.0.1", port)):
        assert not is_free(port)


def test_an_account_passes_only_where_the_folders_let_it(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    inside = closed / "inside"
    stranger = Account("stranger", uid=os.geteuid() + 4242, gid=os.getegid() + 4242, switch=True)
    assert not stranger.can_reach(inside)
    assert Account("self", os.geteuid(), os.getegid(), switch=False).can_reach(inside)
    assert stranger.can_reach(Path("/usr/bin/env"))


def test_root_never_runs_servers_as_root() -> None:
    account = server_account()
    assert account.uid != 0
    assert account.switch == (os.geteuid() == 0)


def test_a_path_is_spelled_for_java() -> None:
    assert _as_property("/a b/é\\") == "/a b/\\u00e9\\u005c"
