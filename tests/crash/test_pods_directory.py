"""Processes that contend for the directory, and one that dies in the middle of a switch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from podwork.interfaces import Route
from podwork_pods.directory import Directory
from podwork_pods.errors import DirectoryConflict
from tests.support.pause import Point, start_pausing
from tests.support.processes import Processes

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
