"""The settings' layers, and what is said about wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from podwork import settings
from podwork.errors import ConfigurationError


def load(tmp_path: Path, text: str = "", **layers: Any) -> settings.LoadedSettings:
    file = tmp_path / "podwork.toml"
    file.write_text(text)
    return settings.load(file=file, environment=layers.pop("environment", {}), **layers)


def test_flag_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    text = "[worker]\nthreads = 2\nprocesses = 2\ndrain_seconds = 2\n"
    loaded = load(
        tmp_path,
        text,
        environment={"PODWORK_WORKER_THREADS": "3", "PODWORK_WORKER_PROCESSES": "3"},
        flags={"worker.threads": 4, "worker.lease_seconds": None},
    )
    worker = loaded.settings.worker
    assert (worker.threads, worker.processes, worker.drain_seconds, worker.lease_seconds) == (4, 3, 2.0, 15.0)
    assert loaded.origins["worker.threads"] == "flag"
    assert loaded.origins["worker.processes"] == "environment"
    assert loaded.origins["worker.drain_seconds"].endswith("podwork.toml")
    assert loaded.origins["worker.lease_seconds"] == "default"


def test_lists_come_from_the_environment_by_commas(tmp_path: Path) -> None:
    loaded = load(tmp_path, environment={"PODWORK_WORKER_QUEUES": "critical, low"})
    assert loaded.settings.worker.queues == ["critical", "low"]


@pytest.mark.parametrize(
    ("text", "environment", "says"),
    [
        ("[worker]\nthread = 1", {}, "did you mean worker.threads"),
        ("[worker]\nthreads = '1'", {}, "worker.threads = '1'"),
        ("[worker]\nthreads = 0", {}, ">= 1"),
        ("threads = 1", {}, "outside a section"),
        ("[worker", {}, "not TOML"),
        ("", {"PODWORK_WORKER_THREADS": "many"}, "from environment"),
        ("[log]\nlevel = 'loud'", {}, "log.level .* debug, info, warning or error"),
        ("[worker]\nqueues = ['a', 'b', 'a']", {}, "twice"),
        ("[worker]\nqueues = ['a:6', 'b', 'a:3']", {}, "twice"),
        ("", {"PODWORK_WORKER_QUEUES": "a:6,b:0"}, "worker.queues .from environment.*weight"),
        ("[worker]\nqueues = ['A']", {}, "worker.queues .* no queue"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, environment: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        load(tmp_path, text, environment=environment)


def test_queues_may_have_weights(tmp_path: Path) -> None:
    loaded = load(tmp_path, "[worker]\nqueues = ['critical:6', 'default:3', 'low']")
    assert loaded.settings.worker.queues == ["critical:6", "default:3", "low"]


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        settings.load(file=tmp_path / "no.toml", environment={})


def test_the_environment_may_name_the_file(tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text("[app]\ntarget = 'shop:app'\n")
    loaded = settings.load(environment={"PODWORK_CONFIG": str(file)})
    assert (loaded.settings.app.target, loaded.file) == ("shop:app", file)


def test_a_wrong_file_in_the_environment_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="PODWORK_CONFIG"):
        settings.load(environment={"PODWORK_CONFIG": str(tmp_path / "no.toml")})


def test_every_setting_has_a_row() -> None:
    rows = settings.table()
    assert len({row.key for row in rows}) == len(rows) > 20
    assert all(row.description for row in rows)
