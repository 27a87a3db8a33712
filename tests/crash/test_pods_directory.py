"""Processes that contend for the directory, and one that dies in the middle of a switch."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from podwork.interfaces import Route
from podwork.settings import ShardSettings
from podwork_pods import Pod
from podwork_pods.directory import Directory
from podwork_pods.errors import DirectoryConflict, DirectoryUnavailable
from tests.support.pause import Point, hold, start_pausing
from tests.support.pods import waits_for_a_lock
from tests.support.processes import Processes, clean_environment
from tests.support.wait import until

CONTEND = """
import json, sys
from podwork.interfaces import Route
from podwork_pods.directory import Directory
from podwork_pods.errors import DirectoryConflict
directory, to_pod, won = Directory(sys.argv[1]), int(sys.argv[2]), []
for shop_id in range(1, 41):
    try:
        directory.compare_and_set(shop_id, Route(1, 1), to_pod)
        won.append(shop_id)
    except DirectoryConflict:
        pass
print(json.dumps(won))
"""

CREATE = """
import sys
from podwork_pods.directory import Directory
print("ready", flush=True)
sys.stdin.readline()
Directory(sys.argv[1]).create_schema()
"""

SWITCH = """
import sys
from podwork.interfaces import Route
from podwork_pods.directory import Directory
Directory(sys.argv[1]).compare_and_set(1, Route(1, 1), 2)
"""


@pytest.fixture(params=["sqlite", "mariadb"])
def directory_url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def directory(directory_url: str) -> Directory:
    made = Directory(directory_url)
    made.create_schema()
    made.assign_many(dict.fromkeys(range(1, 41), 1))
    return made


def test_of_two_processes_exactly_one_wins_each_shop(
    directory: Directory, directory_url: str, processes: Processes
) -> None:
    contenders = [processes.python("-c", CONTEND, directory_url, str(to_pod)) for to_pod in (2, 3)]
    won = []
    for contender in contenders:
        ended = contender.wait(60)
        assert ended.code == 0, ended.stderr
        won.append(set(json.loads(ended.stdout)))
    assert won[0] | won[1] == set(range(1, 41))
    assert won[0] & won[1] == set()
    for to_pod, shops in zip((2, 3), won, strict=True):
        assert {directory.locate(shop_id) for shop_id in shops} <= {Route(to_pod, 2)}
    assert directory.last_change() == 80
    directory.close()


@pytest.mark.slow
def test_many_processes_that_prepare_the_directory_at_once_all_succeed(
    directory_url: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", CREATE, directory_url]
    creators = [
        subprocess.Popen(
            command, env=clean_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(6)
    ]
    for creator in creators:
        assert creator.stdout is not None
        creator.stdout.readline()
    for creator in creators:
        creator.communicate("go\n", timeout=60)
    assert [creator.returncode for creator in creators] == [0] * 6
    directory = Directory(directory_url)
    assert directory.assign(1, 1) == Route(1, 1)
    directory.close()


def test_a_change_that_waits_too_long_for_another_is_typed(directory: Directory, directory_url: str) -> None:
    impatient = Directory(directory_url, ShardSettings(lock_wait_seconds=1))
    with hold("directory.log_locked") as held:
        holder = threading.Thread(target=directory.compare_and_set, args=(1, Route(1, 1), 2))
        holder.start()
        held.wait_reached()
        with pytest.raises(DirectoryUnavailable, match="lock"):
            impatient.assign(99, 1)
        held.go_on()
        holder.join()
    impatient.close()
    directory.close()


def test_a_process_killed_in_mid_switch_leaves_nothing_and_holds_nothing(
    directory: Directory, directory_url: str, processes: Processes, tmp_path: Path
) -> None:
    pausing = start_pausing(processes, [Point("directory.log_locked")], "-c", SWITCH, directory_url)
    stop = pausing.wait_at("directory.log_locked")
    assert directory.locate(1) == Route(1, 1)  # readers do not wait for it
    stop.kill()
    assert directory.compare_and_set(1, Route(1, 1), 3) == Route(3, 2)
    with pytest.raises(DirectoryConflict):
        directory.compare_and_set(1, Route(1, 1), 2)
    assert [change.seq for change in directory.changes_since(40)] == [41]
    directory.close()


def test_two_who_need_a_new_extent_at_once_open_one(mariadb_url: str) -> None:
    directory = Directory(mariadb_url)
    directory.create_schema()
    one = [Pod(1, "sqlite:///x.db", "redis://h:1/0")]
    numbers: list[int] = []

    def allocate() -> None:
        numbers.append(directory.allocate_shop(one)[0])

    first, second = threading.Thread(target=allocate), threading.Thread(target=allocate)
    with hold("directory.opening_extent") as held:
        first.start()
        held.wait_reached()
        second.start()
        # With the guard the second waits for the first; without it, it goes through to the same point.
        until(lambda: waits_for_a_lock(mariadb_url) or not second.is_alive(), 10, "the second waits")
        held.go_on()
        first.join(20)
        second.join(20)
    assert sorted(numbers) == [1, 2]
